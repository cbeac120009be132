# The budget of exchanges: counted for all who share a client and an endpoint, before anything is sent, over reloads,
# crashes, restarts and upgrades; when it is spent there is no exchange, and everybody is told until when.

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
my %clients = map { ("client-$_" => "planted-client-secret-$_") } 1, 2;
my $auth = Canopy::TokenEndpoint->new($t, 'auth', clients => \%clients);
$t->secret("secret-$_", $clients{"client-$_"}) for 1, 2;
$t->upstream('canopy');

# Name, endpoint, client, budget. The first two share theirs, though their audiences differ.

my %budget = (shared => 2, single => 3, loop => 5, window => 4, valid => 2);
my @environments = (
    ['one',    'shared', 1], ['two', 'shared', 1], ['another', 'shared', 2],
    ['single', 'single', 1],
    ['loop',   'loop',   1],
    ['window', 'window', 1],
    ['valid',  'valid',  1],
);

sub set_conf (@names) {
    my $blocks = '';
    for my $environment (grep { my $of = $_; !@names || grep { $of->[0] eq $_ } @names } @environments) {
        my ($name, $path, $client) = @$environment;
        $blocks .= "canopy_environment $name {
        server                    http://127.0.0.1:%%PORT_canopy%%/$name;
        oauth2_client_id          client-$client;
        oauth2_client_secret_file %%DIR%%/secret-$client;
        oauth2_token_url          http://127.0.0.1:%%PORT_auth%%/$path;
        oauth2_audience           https://$name.example;
        oauth2_budget             $budget{$path};
        exchange_timeout          20s;
    }\n    ";
    }
    $t->conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    canopy_state_path %%DIR%%/state;
    $blocks
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\\w+)/ { canopy_pass \$environment; }
    }
}
EOC
}

my $accepted = '204  accepted';
my $unavailable = '503 credential_unavailable not-sent';

sub cancel ($name) { return $t->cancel($id, prefix => "/$name") }

sub facts ($res) {
    my $type = length $res->body ? $res->json->{detail}[0]{type} : '';
    return $res->status . " $type " . $res->header('Canopy-Outcome');
}

sub told ($name) { return scalar(() = $t->log =~ /\[crit\] [^\n]*exchanges of 24 hours are spent, environment: "$name"/g) }

# How many exchanges the state directory knows, for each client at each endpoint.
sub noted () { return join ' ', sort { $a <=> $b } map { scalar read_state($_)->{exchanges}->@* } budget_files($t) }

# -------------------------------------------------------------------------------- shared by two, not by another client

$auth->answers_at('/shared', { status => 503 });
set_conf(qw(one two another));
$t->start;
ok($t->wait_for(sub { $auth->count('/shared') >= 3 }), 'three environments fetch a token');
$t->wait_for(sub { $auth->count('/shared') >= 4 && told('one') + told('two') });
sleep 2;
my %by_client;
$by_client{$_->{asked}{client_id}}++ for $auth->exchanges('/shared');
is_deeply(\%by_client, { 'client-1' => 2, 'client-2' => 2 }, 'failed exchanges count; two environments share their budget');
is(told('one') + told('two') >= 1, 1, 'the operator is told that it is spent');
is(told('one') <= 1 && told('two') <= 1, 1, '... once');

for my $name ('one', 'two', 'another') {
    for (1, 2) {
        my $res = cancel($name);
        is(facts($res), $unavailable, "$name: no token, nothing is sent");
        my $seconds = $res->header('Retry-After');
        ok($seconds =~ /^\d+$/ && $seconds > 86300 && $seconds <= 86400, "$name: Retry-After says when the next exchange is possible")
            || diag($seconds);
        $t->ensures_schema($res);
    }
}

my @flood = map { begin_cancel($t, '/one') } 1 .. 100;
my %got;
$got{facts($t->response($_))}++ for @flood;
is_deeply(\%got, { $unavailable => 100 }, 'a flood of clients');

$t->reload;
cancel($_) for qw(one two another);
kill_worker($t) for 1, 2;
cancel($_) for qw(one two another);
$auth->made(4, 'a flood, a reload, two killed workers: nothing more is spent', '/shared', 0.6);

# as if both had been sent in the same millisecond
restart($t, sub {
    for my $file (budget_files($t)) {
        edit_state($file, sub { $_->{exchanges}[1][0] = $_->{exchanges}[0][0] });
    }
});
cancel($_) for qw(one two another);
crash($t);
cancel($_) for qw(one two another);
upgrade($t);
cancel($_) for qw(one two another);
$auth->made(4, 'a restart, a crash of it all, a new binary: nothing more is spent', '/shared', 0.6);
is(noted(), '2 2', 'the state directory knows of all');

$budget{shared} = 3;
$auth->answers_at('/shared', {});
set_conf(qw(one two another));
$t->reload;
my %left = map { $_ => 1 } qw(one two another);
$t->wait_for(sub { facts(cancel($_)) eq $accepted and delete $left{$_} for keys %left; keys %left == 1 });
is(keys %left, 1, 'with one exchange more for each client, one of the two environments has a token, and the other client');
ok(!$left{another}, '... that is not held up by others');
$auth->made(6, 'one for each', '/shared', 0.5);
is(facts(cancel($_)), $unavailable, "$_: the other one has none") for keys %left, keys %left;
my $told = told('one') + told('two');
$t->reload;
sleep 1.2;
cancel($_) for qw(one two);
is(told('one') + told('two'), $told, 'the operator is not told again and again, though one of them has a token');

# --------------------------------------------------------------------------------------------------------- crash loops

# Who dies between the count and the connection has spent an exchange that nobody sees.
sub is_spent ($name, $what) {
    ok($t->wait_for(sub { told($name) }), "$name: the operator is told");
    sleep 0.6;
    my $count = $auth->count("/$name");
    ok($count >= 2 && $count <= $budget{$name}, $what) || diag($count);
}

$auth->answers_at($_, { cut => 0, end => 'hang' }) for '/single', '/loop';
set_conf(qw(single loop));
$t->reload;
for my $round (1 .. 8) {
    $t->wait_for(sub { $auth->count('/loop') >= $round || told('loop') });
    kill_worker($t) for 1, 2;
}
is_spent('loop', 'workers that die in every exchange do not pass the budget');

for my $round (1 .. 5) {
    crash($t);
    $t->wait_for(sub { $auth->count('/single') > $round || told('single') });
}
is_spent('single', 'nor does all of nginx');
is(facts(cancel($_)), $unavailable, "$_: no token") for qw(single loop);

# ---------------------------------------------------------------------------------------------------- a rolling window

$auth->answers_at($_, {}) for '/single', '/loop';
set_conf(qw(window valid));
restart($t);
is(facts(cancel('window')), $accepted, 'a token') for 1, 2;
is(facts(cancel('valid')), $accepted, 'and another') for 1, 2;
my @files = grep { my $times = read_state($_)->{exchanges}; @$times == 1 } budget_files($t);
is(scalar @files, 2, 'one exchange each');

# "window": its token is gone, all of its budget is spent, and the first exchange is a day old in 10 seconds;
# "valid": spent, too, and its token is to be renewed
$t->stop;
unlink state_of($t, 'window');
my $now = int(time * 1000);
for my $file (@files) {
    edit_state($file, sub {
        $_->{exchanges} = [[$now - 86_400_000 + 10_000, 0], map { [$now - $_ * 60_000, 0] } 30, 20, 10];
    });
}
edit_state((state_of($t, 'valid'))[0], sub { $_->{obtained} -= 60_000; $_->{renew} = $_->{obtained} + 1000 });
$t->start;
my $res = cancel('window');
is(facts($res), $unavailable, 'a budget that is spent');
my $seconds = $res->header('Retry-After');
ok($seconds =~ /^(?:[1-9]|10)$/, '... until an exchange is a day old') || diag($seconds);
is(facts(cancel('valid')), $accepted, 'while the old token lives, a spent budget does not show') for 1, 2;
ok($t->wait_for(sub { told('valid') }), '... but to the operator');
$auth->made(1, '... for there was no exchange', $_, 0) for '/window', '/valid';

ok($t->wait_for(sub { facts(cancel('window')) eq $accepted }), 'a day after that exchange there is a token');
cmp_ok(time * 1000, '>=', $now + 10_000, '... not earlier');
$auth->made(2, '... by one exchange', '/window');
$auth->made(1, 'and "valid" has to wait: it had one more of them than it may', '/valid', 0.1);

$auth->is_sound;
$t->done;
