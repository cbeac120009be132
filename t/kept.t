# Kept connections: one that is found closed costs one repeat and the truth, and what comes unasked is never an answer.

use v5.36;

use Canopy::Client;
use Canopy::Process qw(alive children freeze);
use Canopy::Test;
use Test::More;
use Time::HiRes qw(time);

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

$t->secret('token', 'kept-upstream-credential');

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment kept {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        keepalive_timeout 60s;
    }
    canopy_environment hurried {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        exchange_timeout  4s;
        keepalive_timeout 60s;
    }
    canopy_environment brief {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        keepalive_timeout 100ms;
    }
    canopy_environment two {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        keepalive         2;
        keepalive_timeout 60s;
    }
    canopy_environment off {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        keepalive         0;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\w+)/ { canopy_pass $environment; }
    }
}
EOC

# What the upstream does stands in the request's X-Request-ID: "prime" answers 204, "slow" does so when three of them are
# there; "A-B" is A on a connection's later requests and B on its first.

my $json = 'Content-Type: application/json';
my $refusal = reply(422, '{"detail":"because"}', $json);

# A file that is there: a message between the test and the upstream.
sub notify ($name) { $t->write($name, '') }
sub notified ($name) { $t->wait_for(sub { -e $t->path($name) }) && unlink $t->path($name) }

# Waits until so many are here, those of earlier rounds apart.
sub together ($count) {
    $t->append('slow', '.');
    my $rounds = int((-1 + -s $t->path('slow')) / $count) + 1;
    $t->wait_for(sub { -s $t->path('slow') >= $rounds * $count }) or die "alone\n";
}

my %script = (
    prime => sub ($conn) { reply(204) },
    slow  => sub ($conn) { together(3); reply(204) },
    close => sub ($conn) { 'close' },
    reset => sub ($conn) { $conn->reset; return },
    stall => sub ($conn) { $conn->wait_closed; 'close' },
    word  => sub ($conn) { $conn->print('H'); 'close' },
    gone  => sub ($conn) { kill 'KILL', getppid; $conn->sleep(5); 'close' },
    (map { my $status = $_; ($status => sub ($conn) { reply($status, '{"detail":"because"}', $json) }) }
        200, 401, 403, 404, 408, 418, 422, 429, 500, 503, 520),
    garbage => sub ($conn) { $conn->print("what?\r\n\r\n"); 'close' },
    twice   => sub ($conn) { $refusal . reply(204) },
    # after the answer, when told so
    extra   => sub ($conn) { later($conn, reply(204)) },
    byte    => sub ($conn) { later($conn, "\n") },
    hangup  => sub ($conn) { later($conn, undef) },
);

sub later ($conn, $bytes) {
    $conn->print(reply(204));
    notified('go') or die "not told\n";
    defined $bytes ? $conn->print($bytes) : $conn->half_close;
    notify('done');
    $conn->wait_closed or die "the gateway keeps this connection\n";
    notify('closed');
    return 'close';
}

my $handler = sub ($conn, $req, $n) {
    my ($later, $first) = split /-/, $req->header('X-Request-ID');
    return $script{$req->{req_no} == 1 && $first ? $first : $later}->($conn);
};
$t->upstream('canopy', handler => $handler);
$t->start;

sub text ($case, $environment) {
    return Canopy::Client::request_text(keep => 1, path => "/$environment/tasks/$id/cancel",
        headers => [['Authorization', 'Bearer ' . $t->client_token], ['X-Request-ID', $case]]);
}

sub facts ($res) {
    my $type = length $res->body ? $res->json->{detail}[0]{type} : '';
    return $res->status . " $type " . $res->header('Canopy-Outcome') . ' "' . $res->header('Proxy-Status') . '"';
}

sub cancel ($case, $environment = 'kept') { return facts($t->request(raw => text($case, $environment))) }

# The requests received since the last call, as "case connection/request".
my $seen = 0;
sub received () {
    my @received = $t->received('canopy');
    my @new = @received[$seen .. $#received];
    $seen = @received;
    return @new;
}
sub requests () { return map { $_->header('X-Request-ID') . " $_->{conn_no}/$_->{req_no}" } received() }

my $accepted = '204  accepted ""';
my $rejected = '422 value_error rejected "ngx_canopy; received-status=422"';

# ------------------------------------------------------------------------------------------------------------- reuse

is(cancel('prime'), $accepted, 'a first cancel') for 1 .. 3;
is_deeply([requests()], ['prime 1/1', 'prime 1/2', 'prime 1/3'], 'one connection for all');
is(cancel('prime', 'hurried'), $accepted, 'another environment of the same server');
is_deeply([requests()], ['prime 2/1'], 'has connections of its own');

is(cancel('prime', 'off'), $accepted, 'with keepalive 0') for 1, 2;
my @off = received();
is_deeply([map { $_->{req_no} } @off], [1, 1], 'each request has a connection of its own');
is_deeply([map { $_->header('Connection') } @off], ['close', 'close'], 'and says so');
is(cancel('prime', 'brief'), $accepted, 'a short keepalive_timeout');
select undef, undef, undef, 0.4;
is(cancel('prime', 'brief'), $accepted, 'that is over');
is_deeply([map { $_->{req_no} } received()], [1, 1], 'the connection was not used again');

# Three at once, two of them kept.
my @sockets = map { $t->connect } 1 .. 3;
syswrite $_, text('slow', 'two') for @sockets;
is(facts($t->response($_)), $accepted, 'three at once') for @sockets;
my %conns = map { $_->{conn_no} => 1 } received();
is(scalar keys %conns, 3, 'over three connections');
syswrite $_, text('slow', 'two') for @sockets;
is(facts($t->response($_)), $accepted, 'and again') for @sockets;
is(scalar(grep { $conns{$_->{conn_no}} } received()), 2, 'two of which were kept');

# A body that ends in time, in pieces or in none, leaves the connection fit for use; a limit that is exceeded does not.
is(cancel('422'), $rejected, 'a refusal') for 1, 2;
is(cancel('prime'), $accepted, 'then a cancel');
is_deeply([requests()], ['422 1/4', '422 1/5', 'prime 1/6'], 'over the same connection');

# ------------------------------------------------------------------------------------------------- found closed

# On the kept connection the first copy meets a close or reset, the second one, on a new connection, what follows.
my @cases = (
    ['close-prime',   $accepted],
    ['reset-prime',   $accepted],
    ['close-200',     $accepted],
    ['close-422',     '422 value_error unknown "ngx_canopy; received-status=422"'],
    ['reset-422',     '422 value_error unknown "ngx_canopy; received-status=422"'],
    ['close-404',     '404 value_error unknown "ngx_canopy; received-status=404"'],
    ['close-403',     '403 upstream_error unknown "ngx_canopy; received-status=403"'],
    ['close-429',     '429 upstream_error unknown "ngx_canopy; received-status=429"'],
    ['close-418',     '502 http_protocol_error unknown "ngx_canopy; error=http_protocol_error; received-status=418"'],
    ['close-401',     '502 credential_rejected unknown "ngx_canopy; received-status=401"'],
    ['close-408',     '504 http_response_timeout unknown "ngx_canopy; error=http_response_timeout; received-status=408"'],
    ['close-503',     '503 upstream_error unknown "ngx_canopy; received-status=503"'],
    ['close-520',     '502 upstream_error unknown "ngx_canopy; received-status=520"'],
    ['close-close',   '502 connection_terminated unknown "ngx_canopy; error=connection_terminated"'],
    ['close-reset',   '502 connection_terminated unknown "ngx_canopy; error=connection_terminated"'],
    ['close-garbage', '502 http_protocol_error unknown "ngx_canopy; error=http_protocol_error"'],
    ['close-gone',    '502 connection_terminated unknown "ngx_canopy; error=connection_terminated"'],
);

for my $round (1, 2) {
    for my $case (@cases) {
        my ($name, $facts) = @$case;
        is(cancel('prime'), $accepted, "$name: a connection to be kept ($round)");
        is(cancel($name), $facts, "$name ($round)");
        my ($prime, $first, @again) = received();
        is("$first->{conn_no}/$first->{req_no}", "$prime->{conn_no}/" . ($prime->{req_no} + 1), "$name: over the kept one");
        is_deeply([map { $_->{req_no} } @again], [1], "$name: once more on a new one");
        is($first->{raw}, $again[0]{raw}, "$name: the same bytes");
        restart() if $name =~ /gone/;
    }
}

# A new upstream: none of the connections is left.
sub restart () {
    my @connections = children($t->{upstreams}{canopy}{pid});
    $t->stop_upstream('canopy');
    $t->wait_for(sub { !grep { alive($_) } @connections }) or die "connections live on\n";
    $t->upstream('canopy', handler => $handler);
}

# The listener goes with the kept connection: the second copy can't be sent, the first one may have been heard.
for my $round (1, 2) {
    is(cancel('prime'), $accepted, "a connection to be kept ($round)");
    is(cancel('gone'), '502 connection_refused unknown "ngx_canopy; error=connection_refused"',
       "closed, then connection refused ($round)");
    is_deeply([map { s/ .*//r } requests()], ['prime', 'gone'], "one copy was received ($round)");
    restart();
}

# The repeat takes no other kept connection: one repeat is all there is.
@sockets = map { $t->connect } 1 .. 3;
syswrite $_, text('slow', 'kept') for @sockets;
is(facts($t->response($_)), $accepted, 'three kept connections') for @sockets;
received();
is(cancel('close-prime'), $accepted, 'one of them is found closed');
is_deeply([map { $_->{req_no} == 1 ? 'new' : 'kept' } received()], ['kept', 'new'], 'the repeat is on a new connection');

is(cancel('prime'), $accepted, 'a kept connection');
is(cancel('word-prime'), '502 connection_terminated unknown "ngx_canopy; error=connection_terminated"',
   'closed after one byte of an answer');
is_deeply([map { s/ .*//r } requests()], ['prime', 'word-prime'], 'is no reason for a repeat');

# exchange_timeout holds for both copies together
is(cancel('prime', 'hurried'), $accepted, 'a kept connection') for 1, 2;
received();
my $since = time;
is(cancel('close-stall', 'hurried'), '504 http_response_timeout unknown "ngx_canopy; error=http_response_timeout"',
   'the repeat is not answered in time');
my $took = time - $since;
ok($took > 3.9 && $took < 20, 'the time of the whole exchange is over') || diag($took);
is_deeply([map { s/ .*//r } requests()], ['close-stall', 'close-stall'], 'after two copies');

# ------------------------------------------------------------------------------------------- closed or not quiet in time

# A connection that closes or speaks while it is idle is dropped at once.
for my $case (qw(extra byte hangup)) {
    restart();
    is(cancel($case), $accepted, "$case: an answer");
    notify('go');
    ok(notified('done') && notified('closed'), "$case: the gateway closes its idle connection");
    is(cancel('422'), $rejected, "$case: the next request has its own answer");
    my ($before, $after) = received();
    isnt($before->{conn_no}, $after->{conn_no}, "$case: over another connection");
    is($after->{req_no}, 1, "$case: a new one");
}

# The same in the very moment in which the connection would be used: the worker sees the client's request first.
for my $case (qw(extra byte hangup)) {
    restart();
    my $client = $t->connect;
    syswrite $client, text($case, 'kept');
    is(facts($t->response($client)), $accepted, "$case: an answer");

    my ($worker) = $t->workers;
    freeze($worker);
    syswrite $client, text('422', 'kept');
    notify('go');
    ok(notified('done'), "$case: unasked, and unseen by the gateway");
    kill 'CONT', $worker;

    is(facts($t->response($client)), $rejected, "$case: the request sent meanwhile has its own answer");
    ok(notified('closed'), "$case: the idle connection was closed");
    my ($before, @after) = received();
    is_deeply([map { $_->{req_no} } @after], [1], "$case: one copy, on a new connection");
}

# Two answers to one request: the second one is for nobody.
for my $round (1, 2) {
    restart();
    is(cancel('twice'), $rejected, "two answers at once ($round)");
    is(cancel('404'), '404 value_error rejected "ngx_canopy; received-status=404"', "the next request ($round)");
    my ($before, $after) = received();
    isnt($before->{conn_no}, $after->{conn_no}, "over another connection ($round)");
}

$t->done;
