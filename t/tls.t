# The upstream is spoken to over verified TLS only: nobody else ever receives a byte of a request.

use v5.36;

use IO::Socket::SSL;
use Test::More;

use Canopy::Test;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

$t->secret('token', 'upstream-secret-1');
$t->secret('other', 'upstream-secret-2');

# Upstreams that are right in all: what they received is in $t->received(NAME)

my $good = $t->certificate('good');                     # DNS:localhost, IP:127.0.0.1
my %tls12 = (SSL_version => 'TLSv1_2');
my %tls13 = (SSL_version => 'TLSv1_3');

my $accept = sub { reply(204) };
my %upstreams = (
    good     => $good,
    tls12    => { %$good, %tls12, SSL_cipher_list => 'ECDHE-ECDSA-AES256-GCM-SHA384' },
    tls13    => { %$good, %tls13 },
    tls11    => { %$good, SSL_version => 'TLSv1_1', SSL_cipher_list => 'ALL:@SECLEVEL=0' },
    deep     => $t->certificate('deep', intermediates => 2),
    wildcard => $t->certificate('wildcard', san => 'DNS:*.canopy.test'),
    mutual12 => { %$good, %tls12, client_ca => $good->{ca} },
    mutual13 => { %$good, %tls13, client_ca => $good->{ca} },
);
$t->upstream($_, tls => $upstreams{$_}, handler => $accept) for keys %upstreams;

# Impostors: they finish any handshake and write down how many bytes came afterwards

my %impostors = (
    expired     => $t->certificate('expired', expired => 1),
    self_signed => $t->certificate('self_signed', self_signed => 1),
    name        => $t->certificate('name', san => 'DNS:other.example,DNS:localhost.other.example'),
    no_address  => $t->certificate('no_address', san => 'DNS:localhost,DNS:127.0.0.1'),
    address     => $t->certificate('address', san => 'IP:127.0.0.2'),
    no_chain    => { $t->certificate('no_chain', intermediates => 1)->%{qw(cert key)} },
    chain       => $upstreams{deep},
    wild        => $upstreams{wildcard},
    stranger    => $good,
);
for my $name (keys %impostors) {
    my ($cert, $key, $chain) = $impostors{$name}->@{qw(cert key chain)};
    $t->upstream($name, hook => sub {
        my ($conn) = @_;
        my $tls = IO::Socket::SSL->start_SSL($conn->{socket}, SSL_server => 1, SSL_cert_file => $chain // $cert,
                                             SSL_key_file => $key, SSL_verify_mode => 0);
        my $bytes = 0;
        while ($tls && sysread $tls, my $buffer, 4096) { $bytes += length $buffer }
        $t->append("bytes-$name", ($tls ? $bytes : 'no handshake') . "\n");
        return 'close';
    });
}

# Upstreams that do not speak TLS, or not to the end

$t->upstream('plain', hook => sub { my ($conn) = @_; $conn->read; $conn->print(reply(400)); 'close' });
$t->upstream('silent', hook => sub { my ($conn) = @_; $conn->wait_closed; 'close' });
$t->upstream('closes', hook => sub { my ($conn) = @_; $conn->read; 'close' });
$t->upstream('resets', hook => sub { my ($conn) = @_; $conn->read; $conn->reset; 'close' });
$t->upstream('trickles', hook => sub {
    my ($conn) = @_;
    for my $byte (split //, "\x16\x03\x03\x40\x00" . "\2" x 100) {
        $conn->print($byte) or last;
        $conn->sleep(0.05);
    }
    return 'close';
});
$t->upstream('speaks', tls => $good, handler => sub {
    my ($conn) = @_;
    $conn->print("HTTP/1.1 204 No Content\r\n\r\n");
    return 'close';                                     # with a close_notify, after a keep-alive answer
});

# One environment and one location for each line: its upstream, and what differs from %default

my %default = (
    server                  => 'https://127.0.0.1:%%PORT_good%%',
    server_name             => 'localhost',
    bearer_token_file       => '%%DIR%%/token',
    ssl_trusted_certificate => '%%DIR%%/ca.pem',
    connect_timeout         => '15s',
    read_timeout            => '20s',
    keepalive               => 0,
);
my %environments = (
    (map { $_ => { server => "https://127.0.0.1:%%PORT_$_%%" } } keys %upstreams, keys %impostors, 'plain', 'resets'),
    silent      => { server => 'https://127.0.0.1:%%PORT_silent%%', connect_timeout => '400ms' },
    trickles    => { server => 'https://127.0.0.1:%%PORT_trickles%%', connect_timeout => '400ms' },
    closes      => { server => 'https://127.0.0.1:%%PORT_closes%%' },
    speaks      => { server => 'https://127.0.0.1:%%PORT_speaks%%', keepalive => 4 },
    by_address  => { server_name => undef },
    no_address  => { server => 'https://127.0.0.1:%%PORT_no_address%%', server_name => undef },
    address     => { server => 'https://127.0.0.1:%%PORT_address%%', server_name => undef },
    dot         => { server_name => 'localhost.' },
    upper       => { server_name => 'LOCALHOST' },
    wildcard    => { server => 'https://127.0.0.1:%%PORT_wildcard%%', server_name => 'api.canopy.test' },
    wild        => { server => 'https://127.0.0.1:%%PORT_wild%%', server_name => 'a.b.canopy.test' },
    chain       => { server => 'https://127.0.0.1:%%PORT_chain%%', ssl_verify_depth => 1 },
    stranger    => { server => 'https://127.0.0.1:%%PORT_stranger%%',
                     ssl_trusted_certificate => '%%DIR%%/self_signed.pem' },
    system      => { server => 'https://127.0.0.1:%%PORT_stranger%%', ssl_trusted_certificate => undef },
    unverified  => { server_name => 'wrong.example', ssl_verify => 'off' },
    only12      => { server => 'https://127.0.0.1:%%PORT_tls13%%', ssl_protocols => 'TLSv1.2' },
    both12      => { ssl_protocols => 'TLSv1.2' },
    only13      => { server => 'https://127.0.0.1:%%PORT_tls12%%', ssl_protocols => 'TLSv1.3' },
    cipher      => { server => 'https://127.0.0.1:%%PORT_tls12%%', ssl_ciphers => 'ECDHE-ECDSA-AES256-GCM-SHA384' },
    ciphers     => { server => 'https://127.0.0.1:%%PORT_tls12%%', ssl_ciphers => 'ECDHE-ECDSA-AES128-GCM-SHA256' },
    (map { ("client$_" => { server => "https://127.0.0.1:%%PORT_mutual$_%%", ssl_certificate => '%%DIR%%/good.pem',
                            ssl_certificate_key => '%%DIR%%/good.key' }) } 12, 13),
    (map { ("fresh$_" => { server => "https://127.0.0.1:%%PORT_tls$_%%", ssl_session_reuse => 'off' }) } 12, 13),
    kept        => { keepalive => 4 },
    # the same upstream as "kept", but other credentials, names and authorities
    kept_name   => { keepalive => 4, server_name => 'wrong.example', bearer_token_file => '%%DIR%%/other' },
    kept_ca     => { keepalive => 4, ssl_trusted_certificate => '%%DIR%%/self_signed.pem',
                     bearer_token_file => '%%DIR%%/other' },
    kept_open   => { keepalive => 4, server_name => 'open.example', ssl_verify => 'off',
                     bearer_token_file => '%%DIR%%/other' },
);

sub conf (%only) {
    my ($blocks, $locations) = ('', '');
    for my $name (sort keys %only) {
        my %directives = (%default, $only{$name}->%*);
        $blocks .= join "\n    ", "canopy_environment $name {",
            (map { defined $directives{$_} ? "    $_ $directives{$_};" : () } sort keys %directives), "}\n    ";
        $locations .= "location /$name/ { canopy_pass $name; }\n        ";
    }
    return <<"EOC";
%%HEAD%%
http {
    %%HTTP%%
    $blocks
    server {
        listen 127.0.0.1:%%PORT_http%%;
        $locations
    }
}
EOC
}

$ENV{SSL_CERT_FILE} = $t->path('self_signed.pem');      # the system's authorities, for this nginx
$t->conf(conf(%environments));
$t->start;

sub cancel ($environment) { return $t->cancel($id, prefix => "/$environment") }

sub is_accepted ($environment, $what) {
    for my $time (1, 2) {
        my $res = cancel($environment);
        is($res->status . ' ' . $res->header('Canopy-Outcome'), '204 accepted', "$what, request $time");
    }
}

sub is_refused ($environment, $status, $type, $outcome, $what) {
    for my $time (1, 2) {
        my $res = cancel($environment);
        is($res->status . ' ' . ($res->status == 204 ? '' : $res->json->{detail}[0]{type}) . ' '
           . $res->header('Canopy-Outcome'), "$status $type $outcome", "$what, request $time");
        is($res->header('Proxy-Status'), "ngx_canopy; error=$type", '... with Proxy-Status');
    }
}

sub handshakes ($upstream) { return map { [$_->@{qw(sni tls_version tls_reused)}] } $t->received($upstream) }

# Who is trusted

is_accepted('good', 'the right name');
is_deeply([map { $_->[0] } handshakes('good')], ['localhost', 'localhost'], 'it is sent as SNI');
is(($t->received('good'))[0]->header('Host'), 'localhost:' . $t->port('good'), 'and as Host');

is_accepted('by_address', 'an IP address in the URL and in the certificate');
is_deeply([map { $_->[0] || undef } (handshakes('good'))[2, 3]], [undef, undef], 'an address is no SNI');

is_accepted('dot', 'a name with a dot at its end');
is(join(' ', map { $_->[0] } (handshakes('good'))[4, 5]), 'localhost localhost', 'SNI is without the dot');
is_accepted('upper', 'a name in upper case');
is_accepted('wildcard', 'a wildcard');
is_accepted('deep', 'two intermediates, with the default depth');
is_accepted('unverified', '"ssl_verify off" and a wrong name');
is((handshakes('good'))[-1][0], 'wrong.example', 'its name is sent as SNI nevertheless');

# Who is not: nothing at all is sent to them

my %faults = (
    expired     => 'an expired certificate',
    self_signed => 'a self-signed certificate',
    name        => 'a wrong name',
    no_address  => 'an address in the URL and only names in the certificate',
    address     => 'another address in the certificate',
    no_chain    => 'an intermediate that is missing',
    chain       => 'a chain too deep',
    wild        => 'a wildcard for one more label',
    stranger    => 'an unknown authority',
    system      => 'an authority the system does not know',
);
for my $name (sort keys %faults) {
    is_refused($name, 502, 'tls_certificate_error', 'not-sent', $faults{$name});
}
for my $name (sort keys %impostors) {
    my $connections = $name eq 'stranger' ? 4 : 2;
    my $noted = sub { -e $t->path("bytes-$name") ? $t->read("bytes-$name") : '' };
    $t->wait_for(sub { $noted->() =~ tr/\n// >= $connections });
    is($noted->(), "0\n" x $connections, "$name: no byte came after the handshake");
}

# Versions, ciphers, sessions

is_accepted('tls12', 'TLS 1.2');
is_accepted('tls13', 'TLS 1.3');
is_deeply([map { [@$_[1, 2]] } handshakes('tls12')], [['TLSv1_2', 0], ['TLSv1_2', 1]], 'its session is resumed');
is_deeply([map { [@$_[1, 2]] } handshakes('tls13')], [['TLSv1_3', 0], ['TLSv1_3', 1]], 'and that of TLS 1.3');
for my $version (12, 13) {
    is_accepted("fresh$version", "\"ssl_session_reuse off\", $version");
    is_deeply([map { $_->[2] } (handshakes("tls$version"))[2, 3]], [0, 0], 'no session is resumed');
}
is_accepted('cipher', 'a cipher that both have');
is_accepted('both12', '"ssl_protocols TLSv1.2"');
is((handshakes('good'))[-1][1], 'TLSv1_2', 'with a server that could do better');

ok(IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => $t->port('tls11'), SSL_verify_mode => 0,
                        SSL_version => 'TLSv1_1', SSL_cipher_list => 'ALL:@SECLEVEL=0'), 'a server with TLS 1.1');
is_refused('tls11', 502, 'tls_protocol_error', 'not-sent', 'TLS 1.1 is not spoken');
is_refused('only12', 502, 'tls_protocol_error', 'not-sent', '"ssl_protocols TLSv1.2" with a server of 1.3');
is_refused('only13', 502, 'tls_protocol_error', 'not-sent', '"ssl_protocols TLSv1.3" with a server of 1.2');
is_refused('ciphers', 502, 'tls_protocol_error', 'not-sent', 'no common cipher');

# Client certificates. In TLS 1.3 a server refuses when the client has finished: by then a request may be there

is_accepted('client12', 'a client certificate, TLS 1.2');
is_accepted('client13', 'a client certificate, TLS 1.3');
is_refused('mutual12', 502, 'tls_protocol_error', 'not-sent', 'without one, TLS 1.2');
is_refused('mutual13', 502, 'connection_terminated', 'unknown', 'an alert after the request, TLS 1.3');

# No TLS, or only its beginning

is_refused('plain', 502, 'tls_protocol_error', 'not-sent', 'a server without TLS');
is_refused('closes', 502, 'tls_protocol_error', 'not-sent', 'the connection is closed in the handshake');
is_refused('resets', 502, 'tls_protocol_error', 'not-sent', 'it is reset in the handshake');
is_refused('silent', 504, 'connection_timeout', 'not-sent', 'connect_timeout is for the handshake as well');
is_refused('trickles', 504, 'connection_timeout', 'not-sent', 'however it trickles');

# Kept connections

is_accepted('speaks', 'a server that closes a kept connection');
is(scalar $t->received('speaks'), 2, 'each request is sent once');

sub connections ($secret) {
    my %no = map { $_->{conn_no} => 1 } grep { $_->header('Authorization') eq "Bearer $secret" } $t->received('good');
    return sort { $a <=> $b } keys %no;
}

my $before = $t->received('good');
is_accepted('kept', 'a kept connection');
my ($first, $second) = ($t->received('good'))[-2, -1];
is("$second->{conn_no} $second->{req_no}", "$first->{conn_no} 2", 'both requests are on one');

# Another environment has the same address: it gets neither the connection nor the session nor the credential

for (1 .. 5) {
    is(cancel('kept')->status, 204, 'verified');
    is(cancel('kept_name')->json->{detail}[0]{type}, 'tls_certificate_error', 'the same server by another name');
    is(cancel('kept_ca')->json->{detail}[0]{type}, 'tls_certificate_error', 'the same server by another authority');
}
is_deeply([connections('upstream-secret-2')], [], 'the refused environments sent nothing');

my (%sockets, %statuses);
for (1 .. 15) {
    for my $name ('kept', 'kept_open') {
        my $socket = $t->connect;
        $socket->syswrite(Canopy::Client::request_text(path => "/$name/tasks/$id/cancel",
                                                       headers => [['Authorization', 'Bearer ' . $t->client_token]]));
        push $sockets{$name}->@*, $socket;
    }
    $_ % 5 or map { $statuses{$t->response($_)->status}++ } map { splice @$_ } values %sockets;
}
is_deeply(\%statuses, { 204 => 30 }, 'two environments side by side');

my %pairs = map { $_->header('Authorization') . ' ' . $_->{sni} => 1 } ($t->received('good'))[$before .. $before + 36];
is_deeply([sort keys %pairs], ['Bearer upstream-secret-1 localhost', 'Bearer upstream-secret-2 open.example'],
          'each sends its own credential to its own name');
my %mine = map { $_ => 1 } connections('upstream-secret-1');
is_deeply([grep { $mine{$_} } connections('upstream-secret-2')], [], 'and on connections of its own');

# The system's authorities are the default, after a reload as well

my $trusting = Canopy::Test->new;
$trusting->{ports} = $t->{ports};
$trusting->secret('token', 'upstream-secret-3');
$ENV{SSL_CERT_FILE} = $good->{ca};
$trusting->port('trusting');
$trusting->{http_port} = 'trusting';
$trusting->conf(conf(system => { ssl_trusted_certificate => undef }) =~ s/PORT_http/PORT_trusting/r);
$trusting->start;
for my $when ('at start', 'after a reload') {
    is($trusting->cancel($id, prefix => '/system')->status, 204, "the system's authority is trusted $when") for 1, 2;
    $trusting->reload;
}
$trusting->stop;
is_deeply([$trusting->faults], [], 'no alert, crash or secret in its logs');

$t->done;
