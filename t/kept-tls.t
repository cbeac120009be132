# What comes unasked for over TLS hides in OpenSSL's buffer, and must not be
# taken for the answer to the next request.

use strict;
use warnings;

use Socket qw(IPPROTO_TCP);
use Test::More;

use Canopy::Test;

my $t = Canopy::Test->new;
my $cert = $t->certificate('canopy', san => 'IP:127.0.0.1');
$t->secret('token', 'upstream-secret-1');

use constant TCP_CORK => 3;

# A refusal of exactly so many bytes that the gateway's read is full, and an
# acceptance in a TLS record of its own, both in one segment.

my $refusal = sub { my ($size) = @_;
    my $head = "HTTP/1.1 422 X\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n";
    my $body = $size - length sprintf $head, 1000;
    return sprintf($head, $body) . 'x' x $body;
};

$t->upstream('canopy', tls => $cert, handler => sub { my ($conn, $req, $n) = @_;
    return $refusal->(4000) if $req->{req_no} > 1;

    my $size = $req->{target} =~ /0000(\d{4})\/cancel/ ? $1 : die;
    my $socket = $conn->{socket};

    setsockopt $socket, IPPROTO_TCP, TCP_CORK, pack 'i', 1 or die "TCP_CORK: $!";
    $conn->print($refusal->($size));
    $conn->print("HTTP/1.1 204 No Content\r\n\r\n");
    setsockopt $socket, IPPROTO_TCP, TCP_CORK, pack 'i', 0 or die "TCP_CORK: $!";
    return undef;
});

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%

    canopy_environment sandbox {
        server https://127.0.0.1:%%PORT_canopy%%;
        ssl_trusted_certificate %%DIR%%/ca.pem;
        bearer_token_file %%DIR%%/token;
        keepalive_timeout 30s;
    }

    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /sandbox/ { canopy_pass sandbox; }
    }
}
EOC
$t->start;

for my $size (4095, 4096, 4097, 8192) {
    for my $turn (1, 2) {
        my $id = sprintf '00000000-0000-4000-8000-%08d%04d', 0, $size;
        my $res = $t->cancel($id);

        is($res->status, 422, "$size bytes, then an acceptance: refused ($turn)");
        is($res->header('Canopy-Outcome'), 'rejected', '... rejected');
    }
}

$t->done;
