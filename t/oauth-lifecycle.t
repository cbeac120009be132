# What costs no exchange: a reload, a killed worker, a restart, a crash, a binary upgrade. And a token's own life: renewed
# ahead of its end while requests go on with it, and never sent when it has ended.

use v5.36;

use Test::More;
use Time::HiRes qw(sleep time);

use Canopy::Lifecycle;
use Canopy::Process qw(freeze);
use Canopy::Steady;
use Canopy::Test;
use Canopy::TokenEndpoint;

my $t = Canopy::Test->new(workers => 2);
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $auth = Canopy::TokenEndpoint->new($t, 'auth', clients => { 'client-1' => 'planted-client-secret' });
$t->secret('secret', 'planted-client-secret');
$t->upstream('canopy');

# Each environment has a budget of its own: the endpoint's path is its name.

sub environment ($name) {
    return "canopy_environment $name {
        server                    http://127.0.0.1:%%PORT_canopy%%/$name;
        oauth2_client_id          client-1;
        oauth2_client_secret_file %%DIR%%/secret;
        oauth2_token_url          http://127.0.0.1:%%PORT_auth%%/$name;
        oauth2_audience           https://$name.example;
        exchange_timeout          @{[$name eq 'stopped' ? '5s' : '20s']};
    }\n";
}

sub set_conf ($zone, $state, @names) {
    my $environments = join '    ', map { environment($_) } @names;
    $t->conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    canopy_zone       $zone;
    canopy_state_path $state;
    $environments
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\\w+)/ { canopy_pass \$environment; }
    }
}
EOC
}

my $accepted = '204 accepted';
my $unavailable = '503 not-sent';

sub facts ($res) { return $res->status . ' ' . $res->header('Canopy-Outcome') }
sub cancel ($name) { return facts($t->cancel($id, prefix => "/$name")) }
sub failures (@answers) { return grep { "$_->{status} $_->{outcome}" ne $accepted } @answers }

# The numbers of the tokens that an environment's upstream has received.
sub tokens_of ($name) {
    return map { $auth->number_of($_->header('Authorization')) } grep { $_->{target} =~ m{^/$name/} } $t->received('canopy');
}

# ------------------------------------------------------------- a reload in the middle; tokens that end

$auth->answers_at('/renews', { expires_in => 16 }, {});
$auth->answers_at('/ends', { expires_in => 8 }, { status => 503 });
$auth->answers_at($_, { delay => 2 }, {}) for '/asked', '/alone';
set_conf('1m', '%%DIR%%/state', qw(live renews ends asked alone));
$t->start;
my $renews = Canopy::Steady->new($t, prefix => '/renews');
my $ends = Canopy::Steady->new($t, prefix => '/ends');

my @waiting = map { begin_cancel($t, '/asked') } 1 .. 4;
ok($t->wait_for(sub { $auth->count('/asked') && $auth->count('/alone') }), 'two exchanges are under way');
$t->reload;
push @waiting, map { begin_cancel($t, '/asked') } 1 .. 4;
is(join(', ', map { facts($t->response($_)) } @waiting), join(', ', ($accepted) x 8),
   'a reload in the middle of an exchange: those that wait for it, before and after, are served');
is(cancel('alone'), $accepted, '... and where nobody waits, it ends as well') for 1, 2;
$auth->made(1, '... with one exchange', $_, 0) for '/asked', '/alone';

my $live = Canopy::Steady->new($t, prefix => '/live');
for my $round (1, 2) {
    $t->reload;
    ok($live->goes_on, "after a reload ($round)");
}
$auth->made(1, 'reloads cost no exchange', '/live');

$auth->made(2, 'a token that ends is renewed', '/renews');
ok($renews->goes_on, 'clients go on');
my @answers = $renews->stop;
is_deeply([failures(@answers)], [], 'none of them has noticed');
my ($old, $new) = $auth->exchanges('/renews');
like(join(' ', tokens_of('renews')), qr/^(?:$old->{n} )+(?:$new->{n} ?)+$/, 'first the old token, then the new one');
cmp_ok($new->{at} - $old->{at}, '>', 11, 'not long before its end');
is($auth->count('/renews'), 2, 'with one exchange');

my ($only) = $auth->exchanges('/ends');
my $end = $only->{at} + 8;
ok($t->wait_for(sub { ($ends->answers)[-1]{at} > $end + 0.5 }), 'a token that could not be renewed has ended');
@answers = $ends->stop;
is_deeply([failures(grep { $_->{at} < $end - 4 } @answers)], [], 'it was used until then');
is(scalar(grep { $_->{at} >= $end && $_->{type} ne 'credential_unavailable' } @answers), 0, 'and is not from then on');
is_deeply([grep { $_ != $only->{n} } tokens_of('ends')], [], 'there was no other');

# ---------------------------------------------------------------------------------------------------- workers that die

kill_worker($t) for 1, 2;
ok($live->goes_on, 'after both workers have been killed');
$auth->made(1, 'they cost no exchange', '/live');
$live->stop;

$auth->answers_at('/crashes', { delay => 25 }, {});
set_conf('1m', '%%DIR%%/state', qw(live asked alone crashes));
$t->reload;
ok($t->wait_for(sub { $auth->count('/crashes') }), 'a new environment: its exchange is under way');
my $worker = worker_connected_to($t, $t->port('auth'));
freeze($worker);
@waiting = map { begin_cancel($t, '/crashes') } 1 .. 3;
sleep 0.3;
kill_worker($t, $worker);
is(join(', ', map { facts($t->response($_)) } @waiting), join(', ', ($accepted) x 3),
   'the worker that had it is killed: those that wait in the other one are served');
is(cancel('crashes'), $accepted, '... and later ones') for 1, 2;
$auth->made(2, '... with one exchange more', '/crashes');

# A worker that is held up, not dead: the other one takes over in its turn, and what becomes of the first exchange then
# does not end the second one.
$auth->answers_at('/stopped', { delay => 25 }, { delay => 2.5 }, {});
set_conf('1m', '%%DIR%%/state', qw(live asked alone crashes stopped));
$t->reload;
ok($t->wait_for(sub { $auth->count('/stopped') }), 'another environment: its exchange is under way');
$worker = worker_connected_to($t, $t->port('auth'));
freeze($worker);
ok($t->wait_for(sub { $auth->count('/stopped') == 2 }), 'its worker is held up, the other one takes over');
kill 'CONT', $worker;
ok($t->wait_for(sub { cancel('stopped') eq $accepted }), '... and has a token');
is(cancel('stopped'), $accepted, '... for all') for 1 .. 4;
$auth->made(2, '... with one exchange more', '/stopped');

# --------------------------------------------------------------------------------------------- restarts, a new binary

my @names = qw(live asked alone crashes);
restart($t);
is(cancel($_), $accepted, "$_: after a restart") for @names;
crash($t);
is(cancel($_), $accepted, "$_: after a crash of it all") for @names;
$live = Canopy::Steady->new($t, prefix => '/live');
upgrade($t) for 1, 2;
ok($live->goes_on, 'clients go on with a new binary');
is_deeply([failures($live->stop)], [], 'none of them has noticed');
is(cancel($_), $accepted, "$_: after an upgrade") for @names;

set_conf('2m', '%%DIR%%/state', @names);
$t->reload;
is(cancel($_), $accepted, "$_: in a zone of another size") for @names;
$auth->made($_ eq 'crashes' ? 2 : 1, "$_: none of that costs an exchange", "/$_", 0.1) for @names;
for my $name (@names) {
    my ($last) = map { $_->{n} } ($auth->exchanges("/$name"))[-1];
    is(join(' ', (tokens_of($name))[-4 .. -1]), join(' ', ($last) x 4), "$name: it is the same token");
}

$auth->answers_at('/quits', { delay => 1 }, {});
set_conf('2m', '%%DIR%%/state', @names, 'quits');
$t->reload;
ok($t->wait_for(sub { $auth->count('/quits') }), 'one more environment: its exchange is under way');
restart($t);
is(cancel('quits'), $accepted, 'after a restart in the middle of an exchange') for 1, 2;
$auth->made(1, 'its token is kept', '/quits');

# -------------------------------------------------------------------------------------------------- no state directory

$t->stop;
set_conf('1m', 'off', 'off');
$t->start;
is(cancel('off'), $accepted, 'without a state directory') for 1, 2;
$t->reload for 1, 2;
kill_worker($t);
is(cancel('off'), $accepted, 'after reloads and a killed worker') for 1, 2;
$auth->made(1, 'they cost no exchange', '/off');
restart($t);
is(cancel('off'), $accepted, 'after a restart') for 1, 2;
$auth->made(2, 'which costs one', '/off', 0);

$auth->is_sound;
$t->done;
