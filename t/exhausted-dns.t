# A worker without a connection left for its resolver: nothing is sent, the client is told so in JSON and in time.

use v5.36;

use Canopy::Client;
use Canopy::DNS;
use Canopy::Test;
use Test::More;
use Time::HiRes qw(time);

$ENV{RES_OPTIONS} = 'timeout:1 attempts:1';     # for the name that nginx asks libc for at start, in vain

my $t = Canopy::Test->new(worker_connections => 24);
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $dns = Canopy::DNS->new($t, 'dns');

$t->secret('token', 'exhausted-upstream-credential');
$t->expect_alert(qr/worker_connections are not enough/);
$t->upstream('canopy', tls => $t->certificate('canopy', san => 'DNS:canopy.test'), handler => sub { reply(204) });

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    resolver 127.0.0.1:%%PORT_dns%%;
    resolver_timeout 1s;
    canopy_environment live {
        server                  https://canopy.test:%%PORT_canopy%%/tasking;
        bearer_token_file       %%DIR%%/token;
        ssl_trusted_certificate %%DIR%%/ca.pem;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/ { canopy_pass live; }
    }
}
EOC
$t->start;

sub cancel () { return $t->cancel($id, prefix => '/live') }

sub facts ($res) {
    my $type = length $res->body ? $res->json->{detail}[0]{type} : '';
    return $res->status . " $type " . $res->header('Canopy-Outcome');
}

sub hold () {
    my $socket = $t->connect;
    syswrite $socket, Canopy::Client::request_text(path => "/live/tasks/$id/cancel",
        headers => [['Authorization', 'Bearer ' . $t->client_token], ['Content-Length', 1], ['Expect', '100-continue']]);
    sysread $socket, my $bytes, 100;
    $bytes =~ /100 Continue/ or die "not held: $bytes\n";
    return $socket;
}

# nginx drops its connection to a name server that is not there, and needs a new one to ask again.
$dns->stop;
is(facts(cancel()), '504 dns_timeout not-sent', 'no name server') for 1, 2;
$dns->start;
$dns->set('canopy.test', a => ['127.0.0.1']);

# Of 24 connections 22 are for clients, upstreams and the resolver.
my @held = map { hold() } 1 .. 21;
my $queries = $dns->queries('canopy.test');

for my $round (1, 2) {
    my $since = time;
    my $res = cancel();
    is(facts($res), '504 dns_timeout not-sent', "no connection for the resolver ($round)");
    $t->ensures_schema($res, "which is said in JSON ($round)");
    my $took = time - $since;
    ok($took < 20, "in resolver_timeout ($round)") || diag($took);
}
is($dns->queries('canopy.test'), $queries, 'the name server was not asked');

close pop @held;
is(facts(cancel()), '500 proxy_internal_error not-sent', 'a connection for the resolver, and none for the upstream')
    for 1, 2;
is(scalar $t->received('canopy'), 0, 'nothing was sent');

close $_ for @held;
ok($t->wait_for(sub { cancel()->status == 204 }), 'there are connections again');
is(facts(cancel()), '204  accepted', 'for all');

$t->done;
