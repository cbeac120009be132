# A worker without a connection left: nothing is sent, the client is told so in JSON, and those under way are finished.

use v5.36;

use Canopy::Client;
use Canopy::Process qw(wait_until);
use Canopy::Test;
use Test::More;

my $t = Canopy::Test->new(worker_connections => 24);
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

$t->secret('token', 'exhausted-upstream-credential');
$t->expect_alert(qr/worker_connections are not enough/);

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment live {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        keepalive         0;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/ { canopy_pass live; }
    }
}
EOC

# One whose X-Request-ID is "stall" is answered when the test says so.
$t->upstream('canopy', handler => sub ($conn, $req, $n) {
    wait_until(sub { -e $t->path('go') }, 60) or die "not told\n" if $req->header('X-Request-ID') eq 'stall';
    return reply(204);
});
$t->start;

my @authorization = (['Authorization', 'Bearer ' . $t->client_token]);

sub cancel ($environment, $case = 'any') {
    return $t->cancel($id, prefix => "/$environment", headers => [['X-Request-ID', $case]]);
}

sub facts ($res) {
    my $type = length $res->body ? $res->json->{detail}[0]{type} : '';
    return $res->status . " $type " . $res->header('Canopy-Outcome');
}

# A client whose body is awaited: nginx can't do without its connection. That it is asked for the body shows that it has one.
sub hold () {
    my $socket = $t->connect;
    syswrite $socket, Canopy::Client::request_text(path => "/live/tasks/$id/cancel", keep => 1,
        headers => [@authorization, ['X-Request-ID', 'held'], ['Content-Length', 1], ['Expect', '100-continue']]);
    sysread $socket, my $bytes, 100;
    $bytes =~ /100 Continue/ or die "not held: $bytes\n";
    return $socket;
}

# A cancel takes two connections. With one client held after the other there is one left in the end.
for my $round (1, 2) {
    my ($before, $res, @held) = scalar $t->received('canopy');
    push @held, hold() while @held < 30 && ($res = cancel('live'))->status == 204;

    is(facts($res), '500 proxy_internal_error not-sent', "no connection left ($round)");
    $t->ensures_schema($res, "told in JSON ($round)");
    is($res->header('Proxy-Status'), 'ngx_canopy; error=proxy_internal_error', "Proxy-Status ($round)");
    is(facts(cancel('live')), '500 proxy_internal_error not-sent', "nor is there one for the next ($round)");
    is($t->received('canopy') - $before, scalar @held, "neither was sent ($round)");

    close $_ for @held;
    ok($t->wait_for(sub { cancel('live')->status == 204 }), "then there are connections again ($round)");
}

# The same with cancels under way: ten of them and a client take what there is but one connection.
for my $round (1, 2) {
    my $before = $t->received('canopy');
    my @stalled = map { $t->connect } 1 .. 10;
    syswrite $_, Canopy::Client::request_text(path => "/live/tasks/$id/cancel",
        headers => [@authorization, ['X-Request-ID', 'stall']]) for @stalled;
    ok($t->wait_for(sub { $t->received('canopy') == $before + 10 }), "ten cancels are under way ($round)");
    my $held = hold();

    for my $copy (1, 2) {
        my $res = cancel('live');
        is(facts($res), '500 proxy_internal_error not-sent', "there is no connection for another one ($round)");
        $t->ensures_schema($res, "which is said in JSON ($round)");
    }

    $t->write('go', '');
    is_deeply([map { facts($t->response($_)) } @stalled], [('204  accepted') x 10], "the ten are answered ($round)");
    is(facts(cancel('live')), '204  accepted', "as are the next ($round)");
    is($t->received('canopy') - $before, 11, "nothing else was sent ($round)");
    unlink $t->path('go');
    close $held;
}

$t->done;
