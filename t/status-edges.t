# canopy_status where requests end in unusual ways and locations are unusual: each request of a gateway counts once, by the
# word that its line in the log has.

use v5.36;

use Test::More;

use Canopy::Client;
use Canopy::HTTP2;
use Canopy::Test;

my $t = Canopy::Test->new(workers => 2);
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

$t->secret('token', 'status-edges-credential');
$t->upstream('canopy', handler => sub ($conn, $req, $n) { reply(204) });

my $conf = <<'EOC';
%%HEAD%%
http {
    %%HTTP%%
    limit_req_zone $server_port zone=slow:64k rate=6r/m;
    canopy_environment live {
        server            http://127.0.0.1:%%PORT_canopy%%;
        bearer_token_file %%DIR%%/token;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        location /live/    { canopy_pass live; }
        location /slow/    { canopy_pass live; limit_req zone=slow burst=5; }
        location /dropped/ { canopy_pass live; if ($arg_drop) { return 444; } }
        location /own/     { canopy_pass live; error_page 401 = @own; }
        location @own      { return 200 own; }
        location ~ ^/st.t  { canopy_status; if ($arg_other) { proxy_pass http://127.0.0.1:%%PORT_canopy%%; } }
    }
}
EOC
$t->conf($conf);
$t->start;

sub status ($path = '/stat') { return $t->request(method => 'GET', path => $path) }

# outcomes and answers of an environment, or of none, as one text
sub counted ($name) {
    my $report = status()->json;
    my $of = $name ? $report->{environments}{$name} : $report->{unassigned};
    return join ' ', (map { "$_:$of->{outcomes}{$_}" } grep { $of->{outcomes}{$_} } sort keys $of->{outcomes}->%*),
                     (map { "$_:$of->{answers}{$_}" } sort keys $of->{answers}->%*);
}

# A request counts when it has ended, a moment after its answer; and the other worker may be asked.
sub counts ($name, $wanted, $what) {
    my $counted;
    $t->wait_for(sub { ($counted = counted($name)) eq $wanted }, 10);
    is($counted, $wanted, $what);
}

# HTTP/2
for my $round (1, 2) {
    my $socket = $t->connect(port => 'h2');
    syswrite $socket, preface() . join '', map {
        headers($_, END_STREAM, [[':method', 'PATCH'], [':scheme', 'http'], [':path', "/live/tasks/$id/cancel"], [':authority', 'x'],
                                 ['authorization', 'Bearer ' . $t->client_token]]) } 1, 3;
    my %answers = stream_answers($socket, 1, 3);
    is("@answers{1, 3}", '204 204', "two streams of HTTP/2 ($round)");
    close $socket;
}
counts('live', 'accepted:4 204:4', 'each stream counts');
counts('', '', '... and nothing else does');

# an error_page of the location itself
is($t->cancel($id, prefix => '/own', token => undef)->status, 401, 'its own answer') for 1, 2;
counts('live', 'accepted:4 denied:2 204:4 401:2', '... counts once');

# a request that a module of nginx's ends without an answer
for my $round (1, 2) {
    is($t->cancel($id, prefix => '/dropped', path => "/dropped/tasks/$id/cancel?drop=1")->status, 0, "dropped ($round)");
}
$t->wait_for(sub { 2 == (() = $t->access_log =~ m{/dropped/}g) });
is_deeply([$t->access_log =~ m{/dropped/\S* (444 outcome=\S*)}g], [('444 outcome=denied') x 2], '... nothing was sent, says the log');
counts('', 'denied:2 444:2', '... and each counts by the same word');

# a client that leaves while a limit holds its request back
is($t->cancel($id, prefix => '/slow')->status, 204, 'the first one passes');
my $socket = $t->connect;
syswrite $socket, Canopy::Client::request_text(path => "/slow/tasks/$id/cancel",
    headers => [['Authorization', 'Bearer ' . $t->client_token]]);
$t->wait_for(qr/delaying request/);
close $socket;
ok($t->wait_for(sub { $t->access_log =~ m{/slow/\S* 499} }), 'a client leaves while a limit holds its request back');
like($t->access_log, qr{/slow/\S* 499 outcome=not-sent }, '... nothing was sent, says the log');
counts('', 'denied:2 not-sent:1 444:2 499:1', '... and it counts by the same word');
counts('live', 'accepted:5 denied:2 204:5 401:2', '... and nowhere else');

# canopy_status in a regular expression, and with another handler in it
for my $round (1, 2) {
    is(status('/stat')->header('Content-Type'), 'application/json', "in a regular expression ($round)");
    is(status('/stat?other=1')->status, 204, "an \"if\" with a handler of its own ($round)");
}

# no environment at all
$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location = /stat       { canopy_status; }
        location = /prometheus { canopy_status prometheus; }
        location = /ready      { canopy_status ready; }
    }
}
EOC
$t->reload;
for my $round (1, 2) {
    is_deeply(status()->json->{environments}, {}, "no environment ($round)");
    is(status('/ready')->body, "ready\n", "... is ready ($round)");
    is(status('/prometheus')->status, 200, "... has metrics ($round)");
}

$t->done;
