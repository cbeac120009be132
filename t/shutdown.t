# A worker that is told to leave: exchanges are finished, and those it has to
# drop are logged with what is known of them, without a secret.

use strict;
use warnings;

use Test::More;

use Canopy::Test;

my $t = Canopy::Test->new;
$t->secret('token', 'upstream-secret-1');

my %head = (
    1 => "HTTP/1.1 422 X\r\nX-Request-ID: upstream-secret-1\r\nContent-Length: 9\r\n\r\n",
    2 => "HTTP/1.1 204 X\r\n",
);

$t->upstream('canopy', handler => sub { my ($conn, $req) = @_;
    my ($case) = $req->{target} =~ /(\d)\/cancel/;

    $conn->print($head{$case}) if $head{$case};
    $conn->sleep($case == 4 ? 0.5 : 20);
    return $case == 4 ? reply(204) : 'close';
});

$t->conf(<<'EOC');
%%HEAD%%
worker_shutdown_timeout 4s;

http {
    %%HTTP%%

    canopy_environment sandbox {
        server http://127.0.0.1:%%PORT_canopy%%;
        bearer_token_file %%DIR%%/token;
        keepalive 0;
    }

    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /sandbox/ { canopy_pass sandbox; }
    }
}
EOC
$t->start;

# a complete head without its body, half a head, nothing, an answer in time

my @socket;

for my $case (1 .. 4) {
    my $socket = $t->connect;
    my $token = $t->client_token;
    print $socket "PATCH /sandbox/tasks/00000000-0000-4000-8000-00000000000$case/cancel HTTP/1.1\r\n"
        . "Host: x\r\nConnection: close\r\nAuthorization: Bearer $token\r\n\r\n";
    push @socket, $socket;
}

ok($t->wait_for(sub { 4 == $t->received('canopy') }), 'four cancels are on their way');

$t->reload;

my $res = $t->response($socket[3]);
is($res->status, 204, 'the answer that comes in time is handed on');

ok($t->wait_for(sub { 4 == (() = $t->access_log =~ /outcome=/g) }), 'all four are logged');

my $log = $t->access_log;

like($log, qr/00000001\/cancel .*outcome=rejected/, 'a complete head without its body');
like($log, qr/00000002\/cancel .*outcome=unknown/, 'half a head');
like($log, qr/00000003\/cancel .*outcome=unknown/, 'no answer');
like($log, qr/00000004\/cancel .*outcome=accepted/, 'an answer in time');

$t->done;
