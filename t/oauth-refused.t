# The upstream answers 401 to an exchanged token: an old one is renewed once for all, and the request sent once more with
# the new one; a young one is not, or a day's exchanges would be gone within minutes.

use v5.36;

use Test::More;
use Time::HiRes qw(sleep time);

use Canopy::Lifecycle;
use Canopy::Steady;
use Canopy::State;
use Canopy::Test;
use Canopy::TokenEndpoint;

my $t = Canopy::Test->new(workers => 2);
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $auth = Canopy::TokenEndpoint->new($t, 'auth', clients => { 'client-1' => 'planted-client-secret' });
$t->secret('secret', 'planted-client-secret');

my @names = qw(young old crowd behind both fails hangs same leaves quarter);

sub environment ($name) {
    return "canopy_environment $name {
        server                    http://127.0.0.1:%%PORT_canopy%%/$name;
        oauth2_client_id          client-1;
        oauth2_client_secret_file %%DIR%%/secret;
        oauth2_token_url          http://127.0.0.1:%%PORT_auth%%/$name;
        oauth2_audience           https://$name.example;
        oauth2_budget             8;
        exchange_timeout          @{[$name eq 'hangs' ? '5s' : '20s']};
    }\n    ";
}

$t->conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    canopy_state_path %%DIR%%/state;
    @{[map { environment($_) } @names]}
    server {
        listen 127.0.0.1:%%PORT_http%% reuseport;
        location ~ ^/(?<environment>\\w+)/ { canopy_pass \$environment; }
    }
}
EOC

# The upstream refuses the tokens whose numbers stand in a file, "all" of them or some. A request whose X-Request-ID is
# "held-..." is answered as soon as there is a file of that name.

sub refuse ($name, @numbers) { $t->write("refused-$name", "@numbers") }

$t->upstream('canopy', handler => sub ($conn, $req, $n) {
    my ($name) = $req->{target} =~ m{^/(\w+)/};
    my $held = $req->header('X-Request-ID');
    my $number = $auth->number_of($req->header('Authorization'));
    my %refused = map { $_ => 1 } split / /, -e $t->path("refused-$name") ? $t->read("refused-$name") : '';
    if ($held =~ /^held-/) {
        $t->wait_for(sub { -e $t->path($held) }, 60) or die "$held: nobody lets it go\n";
    }
    return $refused{$number} || $refused{all} ? reply(401, '{"detail":"no"}', 'Content-Type: application/json') : reply(204);
});

sub facts ($res) {
    my $type = length $res->body ? $res->json->{detail}[0]{type} : '';
    return $res->status . " $type " . $res->header('Canopy-Outcome') . ' "' . $res->header('Proxy-Status') . '"';
}

sub cancel ($name) { return $t->cancel($id, prefix => "/$name") }

# The tokens of all copies that the upstream has received of an environment, by the numbers of its exchanges: "1 1 2".
sub copies ($name) {
    my $no = 0;
    my %order = map { $_->{n} => ++$no } $auth->exchanges("/$name");
    return join ' ', map { $order{$auth->number_of($_->header('Authorization'))} // 'other' }
        grep { $_->{target} =~ m{^/$name/} } $t->received('canopy');
}

sub number ($name, $no) { return ($auth->exchanges("/$name"))[$no - 1]{n} }

# How often the log has said so.
sub told ($name) { return scalar(() = $t->log =~ /\[crit\] [^\n]*refused the credential of environment "$name"/g) }

my $accepted = '204  accepted ""';
my $rejected = '502 credential_rejected rejected "ngx_canopy; received-status=401"';

# Every environment has a token, which is 10 minutes old but for one.

$t->start;
is(facts(cancel($_)), $accepted, "$_: a token") for @names;
restart($t, sub { age_token($t, $_, 600) for grep { $_ ne 'young' } @names });
is(facts(cancel($_)), $accepted, "$_: the same after a restart") for @names;
is(copies($_), '1 1', "$_: the first one") for @names;

# --------------------------------------------------------------------------------------------------------- a young one

refuse('young', 'all');
for (1, 2) {
    my $res = cancel('young');
    is(facts($res), $rejected, 'a young token is refused');
    $t->ensures_schema($res);
    is($res->header('WWW-Authenticate'), '', 'no challenge for the client');
}
$auth->made(1, 'it is not renewed', '/young');
is(copies('young'), '1 1 1 1', 'there is nothing else to send');
is(told('young') >= 1 && told('young') <= $t->{workers}, 1, 'the operator is told, not for each request') || diag(told('young'));
my %got;
$got{facts($t->response($_))}++ for map { begin_cancel($t, '/young') } 1 .. 40;
is_deeply(\%got, { $rejected => 40 }, 'a flood of refusals');
$auth->made(1, 'costs no exchange', '/young');
cmp_ok(told('young'), '<=', $t->{workers}, 'and no line more');
refuse('young', 'none');
is(facts(cancel('young')), $accepted, 'accepted after all') for 1, 2;

# ----------------------------------------------------------------------------------------------------------- an old one

refuse('old', number('old', 1));
is(facts(cancel('old')), $accepted, 'an old token is refused: it is renewed') for 1, 2;
is(copies('old'), '1 1 1 2 2', 'the request is sent once more, the next one with the new token');
$auth->made(2, 'by one exchange', '/old');
is(told('old'), 0, 'nothing of this needs the operator');
my ($times) = grep { @$_ == 2 && $_->[1][1] == 1 } map { read_state($_)->{exchanges} } budget_files($t);
is(defined $times && $times->[0][1], 0, 'the state directory knows what it was made for');

refuse('crowd', number('crowd', 1));
my @crowd = map { begin_cancel($t, '/crowd', ['X-Request-ID', 'held-crowd']) } 1 .. 40;
ok($t->wait_for(sub { copies('crowd') eq join ' ', (1) x 42 }), 'forty requests at once with an old token');
$t->write('held-crowd', '');
%got = ();
$got{facts($t->response($_))}++ for @crowd;
is_deeply(\%got, { $accepted => 40 }, 'all are refused, and accepted then');
$auth->made(2, 'by one exchange', '/crowd');
is(join(' ', sort split / /, copies('crowd')), join(' ', (1) x 42, (2) x 40), 'each was sent twice');

# The token is a new one already when the refusal of the old one comes.
refuse('behind', number('behind', 1));
my @behind = map { begin_cancel($t, '/behind', ['X-Request-ID', "held-behind-$_"]) } 1, 2;
ok($t->wait_for(sub { copies('behind') eq '1 1 1 1' }), 'two requests are under way with an old token');
is(facts(cancel('behind')), $accepted, 'a third one has it renewed');
$t->write("held-behind-$_", '') for 1, 2;
is(facts($t->response($_)), $accepted, 'a refusal that comes later: the new token is sent') for @behind;
$auth->made(2, 'without another exchange', '/behind');
is(copies('behind'), '1 1 1 1 1 2 2 2', 'each was sent twice');

# ------------------------------------------------------------------------------------------------------- nothing better

refuse('both', 'all');
is(facts(cancel('both')), $rejected, 'the new token is refused as well');
is(copies('both'), '1 1 1 2', 'there is no third copy');
is(facts(cancel('both')), $rejected, 'it is refused again') for 1, 2;
is(copies('both'), '1 1 1 2 2 2', 'it is young now: nothing else is sent');
$auth->made(2, 'by one exchange', '/both');
cmp_ok(told('both'), '>=', 1, 'the operator is told');

refuse('fails', 'all');
$auth->answers_at('/fails', { status => 503 });
is(facts(cancel('fails')), $rejected, 'the old token can\'t be renewed') for 1 .. 6;
is(copies('fails'), join(' ', (1) x 8), 'nothing else is sent');
cmp_ok($auth->count('/fails'), '<=', 3, 'it is not tried for each') || diag($auth->count('/fails'));
cmp_ok($auth->count('/fails'), '>=', 2, 'but it was');
refuse('fails', 'none');
is(facts(cancel('fails')), $accepted, 'the old token serves when it is accepted again') for 1, 2;

my $same = read_state((state_of($t, 'same'))[0])->{token};
$auth->answers_at('/same', { body => qq({"access_token":"$same","expires_in":86400}) });
refuse('same', number('same', 1));
is(facts(cancel('same')), $rejected, 'an endpoint that gives the same token again') for 1, 2;
is(copies('same'), '1 1 1 1', 'it is not sent twice for one request');
$auth->made(2, 'with one exchange', '/same');

refuse('hangs', 'all');
$auth->answers_at('/hangs', { cut => 0, end => 'hang' });
my $began = time;
my $res = cancel('hangs');
is(facts($res), $rejected, 'an exchange that does not end');
my $took = time - $began;
ok($took > 4 && $took < 20, 'the wait for it ends with the environment\'s own time') || diag($took);
is(copies('hangs'), '1 1 1', 'nothing else is sent');

# --------------------------------------------------------------------------------------------------- clients that leave

refuse('leaves', number('leaves', 1));
$auth->answers_at('/leaves', { delay => 1 });
my @leaving = map { begin_cancel($t, '/leaves') } 1, 2;
ok($t->wait_for(sub { $auth->count('/leaves') == 2 }), 'refused: a new token is asked for');
close $_ for @leaving;
ok($t->wait_for(sub { 2 == (() = $t->access_log =~ m{/leaves/\S+ \d+ outcome=accepted .*us=401, 204}g) }),
   'a client that leaves in the meantime: what was begun is finished, and logged with its true outcome');
is(copies('leaves'), '1 1 1 1 2 2', 'each was sent twice');

# ---------------------------------------------------------------------------------------------- a quarter of the budget

refuse('quarter', 'all');
for my $round (1 .. 4) {
    is(facts(cancel('quarter')), $rejected, "refused while days go by ($round)");
    is(facts(cancel('quarter')), $rejected, "... again ($round)");
    is($auth->count('/quarter'), 1 + ($round > 2 ? 2 : $round), "... and renewed two times of the budget's eight ($round)");
    restart($t, sub { age_token($t, 'quarter', 600) });
}
restart($t, sub {
    edit_state((state_of($t, 'quarter'))[0], sub { $_->{renew} = $_->{obtained} + 1000 });
});
$auth->made(4, 'what is left is for renewals at a token\'s end', '/quarter');

$auth->is_sound;
$t->done;
