# A worker without a descriptor left: nothing is sent, the client is told so in JSON, and a new credential is found later.

use v5.36;

use Canopy::Client;
use Canopy::Test;
use Test::More;

my $limit = 40;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

$t->secret('token', 'files-upstream-credential-1');
$t->expect_alert(qr/socket\(\) failed \(24: Too many open files\)/);
$t->upstream('canopy', handler => sub ($conn, $req, $n) { reply(204) });

$t->conf(<<"EOC");
%%HEAD%%
worker_rlimit_nofile $limit;
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

sub credential () { return ($t->received('canopy'))[-1]->header('Authorization') =~ s/^Bearer //r }

# An inherited descriptor may be above the limit, and takes no place.
my ($worker) = $t->workers;
sub places () { return $limit - grep { m{/(\d+)$} && $1 < $limit } glob "/proc/$worker/fd/*" }
my $places = places();

for my $round (1, 2) {
    is(facts(cancel()), '204  accepted', "a cancel ($round)");
    is(credential(), "files-upstream-credential-$round", "with the credential ($round)");
    my $before = $t->received('canopy');

    my @held = map { hold() } 1 .. $places - 1;
    $t->secret('token', 'files-upstream-credential-' . ($round + 1));
    for my $copy (1, 2) {
        my $res = cancel();
        is(facts($res), '500 proxy_internal_error not-sent', "no descriptor for the upstream's socket ($round)");
        $t->ensures_schema($res, "which is said in JSON ($round)");
        select undef, undef, undef, 1.1;
    }
    is(scalar $t->received('canopy'), $before, "nothing was sent ($round)");
    is(scalar(() = $t->log =~ /secret file "[^"]*" cannot be opened, the last good secret stays in use \(24: /g), $round,
       "the new credential could not be read ($round)");

    close $_ for @held;
    ok($t->wait_for(sub { places() == $places }), "they leave ($round)");
}

is(facts(cancel()), '204  accepted', 'a cancel with the new credential');
is(credential(), 'files-upstream-credential-3', 'that was found in the end');

$t->done;
