# What goes upstream: the same few lines whatever the client sends, and nothing at all before the client's request is whole.

use v5.36;

use Canopy::Client;
use Canopy::Test;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use Socket qw(AF_INET SOCK_STREAM SOL_SOCKET SO_RCVBUF IPPROTO_TCP TCP_MAXSEG INADDR_LOOPBACK pack_sockaddr_in);
use Test::More;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

$t->secret('token', 'request-upstream-credential');

# Port 80 needs no mention in Host; it can be had by root, if nobody else has it.
my $port80 = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 80, Listen => 1) ? 80 : 0;
$t->{ports}{standard} = $port80 if $port80;
my $ipv6 = eval { require IO::Socket::IP; IO::Socket::IP->new(LocalAddr => '::1', LocalPort => 0, Listen => 1) };
my $port6 = $ipv6 ? $ipv6->sockport : 1;

# One environment for each form of server: what Host and target must be.
my %servers = (
    plain    => ['http://127.0.0.1:%%PORT_canopy%%/tasking', undef, '127.0.0.1:%%PORT_canopy%%', '/tasking'],
    slash    => ['http://127.0.0.1:%%PORT_canopy%%/tasking/', undef, '127.0.0.1:%%PORT_canopy%%', '/tasking'],
    root     => ['http://127.0.0.1:%%PORT_canopy%%', undef, '127.0.0.1:%%PORT_canopy%%', ''],
    root_slash => ['http://127.0.0.1:%%PORT_canopy%%/', undef, '127.0.0.1:%%PORT_canopy%%', ''],
    deep     => ['http://127.0.0.1:%%PORT_canopy%%/a/b%20c/~d', undef, '127.0.0.1:%%PORT_canopy%%', '/a/b%20c/~d'],
    localhost => ['http://localhost:%%PORT_canopy%%/tasking', undef, 'localhost:%%PORT_canopy%%', '/tasking'],
    named    => ['http://127.0.0.1:%%PORT_canopy%%/tasking', 'api.canopy.example', 'api.canopy.example:%%PORT_canopy%%', '/tasking'],
    unix     => ['http://unix:%%DIR%%/socket:/tasking', undef, 'localhost', '/tasking'],
    unix_root => ['http://unix:%%DIR%%/socket', undef, 'localhost', ''],
    unix_named => ['http://unix:%%DIR%%/socket:/tasking/', 'api.canopy.example', 'api.canopy.example', '/tasking'],
    $port80 ? (standard => ['http://127.0.0.1/tasking', undef, '127.0.0.1', '/tasking'],
               standard_port => ['http://127.0.0.1:80/tasking', 'api.canopy.example', 'api.canopy.example', '/tasking']) : (),
);

# A long credential and path, to a peer with small segments: the kernel does not take such a request in one piece.
my $long = 'L' x 16_000;
my $deep = '/p' x 1900;
$t->secret('long.token', $long);
socket my $narrow, AF_INET, SOCK_STREAM, 0 or die "socket: $!";
setsockopt $narrow, SOL_SOCKET, SO_RCVBUF, 1;
setsockopt $narrow, IPPROTO_TCP, TCP_MAXSEG, 88;
bind $narrow, pack_sockaddr_in($t->port('narrow'), INADDR_LOOPBACK) or die "bind: $!";
listen $narrow, 5;

my $environments = join '', map {
    my ($server, $name) = $servers{$_}->@*;
    "canopy_environment $_ { server $server; bearer_token_file %%DIR%%/token;" . ($name ? " server_name $name;" : '') . " }\n    "
} sort keys %servers;

$t->conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    $environments
    canopy_environment six { server http://[::1]:$port6/tasking; bearer_token_file %%DIR%%/token; read_timeout 5s; }
    canopy_environment long { server http://127.0.0.1:%%PORT_narrow%%$deep; bearer_token_file %%DIR%%/long.token; }
    canopy_environment once {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        keepalive         0;
    }
    log_format ids '\$http_x_request_id|\$request_id|\$canopy_outcome|\$status';
    server {
        listen 127.0.0.1:%%PORT_http%%;
        access_log %%DIR%%/ids.log ids;
        location ~ ^/(?<environment>\\w+)/ { canopy_pass \$environment; }
        location ^~ /small/ { client_max_body_size 1k; client_body_buffer_size 256; canopy_pass plain; }
        location ^~ /stalled/ { client_body_timeout 1500ms; canopy_pass plain; }
        location ^~ /early/ { set \$early \$request_id; add_header X-Early \$early; canopy_pass plain; }
        location ^~ /buffers/ { client_max_body_size 20m; client_body_buffer_size 1k; canopy_pass plain; }
    }
}
EOC

my $handler = sub ($conn, $req, $n) { reply(204) };
$t->upstream('canopy', handler => $handler);
$t->upstream('unix', unix => $t->path('socket'), handler => $handler);
$t->upstream('standard', handler => $handler) if $port80;
$t->start;

# The request's lines behind the first one, sorted: their order says nothing.
sub lines ($raw) {
    my ($first, @lines) = split /\r\n/, $raw, -1;
    my @end = splice @lines, -2;
    return ($first, (sort @lines), @end);
}

sub expected ($host, $base, $request_id, @more) {
    return ("PATCH $base/tasks/$id/cancel HTTP/1.1", (sort "Host: $host", 'Authorization: Bearer request-upstream-credential',
            'Accept: application/json', 'User-Agent: ngx_canopy/0.1.0', "X-Request-ID: $request_id", 'Content-Length: 0', @more),
            '', '');
}

# What an upstream has received, without reading all of it again every time.
sub received ($upstream) { return grep { /"event":"request"/ } split /\n/, $t->read("upstream-$upstream.jsonl") }
sub last_of ($upstream) { return JSON::PP->new->decode((received($upstream))[-1])->{raw} }
sub number_of ($raw) { return $raw =~ /^X-Request-ID: (.*)\r$/m ? $1 : '' }

# Sends a cancel twice: it must be accepted, and what was received must be exactly the request without the client's.
my $plain = $t->expand('127.0.0.1:%%PORT_canopy%%', '');
my $accepted = 0;
sub is_sent ($name, %args) {
    for my $round (1, 2) {
        my $res = $t->cancel($id, prefix => '/plain', %args);
        $accepted++;
        is($res->status, 204, "$name ($round)") || diag($res->raw);
        is_deeply([lines(last_of('canopy'))], [expected($plain, '/tasking', $res->header('X-Request-ID'))], "$name: what was received");
    }
}

# ------------------------------------------------------------------------------------------------ server, Host, path

for my $name (sort keys %servers) {
    my ($server, undef, $host, $base) = $servers{$name}->@*;
    my $upstream = $name =~ /^(unix|standard)/ ? $1 : 'canopy';
    for my $round (1, 2) {
        my $res = $t->cancel($id, prefix => "/$name", headers => [['X-Request-ID', "$name-$round"]]);
        is($res->status, 204, "$server ($round)") || diag($res->raw);
        is_deeply([lines(last_of($upstream))], [expected($t->expand($host, ''), $base, "$name-$round")], 'what was received');
    }
    $accepted += 2 if $upstream eq 'canopy';
}

SKIP: {
    skip 'no IPv6 here', 2 unless $ipv6;
    my $client = $t->connect;
    syswrite $client, Canopy::Client::request_text(path => "/six/tasks/$id/cancel",
        headers => [['Authorization', 'Bearer ' . $t->client_token], ['X-Request-ID', 'six']]);
    my $socket = $ipv6->accept;
    sysread $socket, my $raw, 4096;
    syswrite $socket, reply(204);
    is($t->response($client)->status, 204, 'an IPv6 address');
    is_deeply([lines($raw)], [expected("[::1]:$port6", '/tasking', 'six')], 'what was received');
}

for my $round (1, 2) {
    my $client = $t->connect;
    syswrite $client, Canopy::Client::request_text(path => "/long/tasks/$id/cancel",
        headers => [['Authorization', 'Bearer ' . $t->client_token], ['X-Request-ID', "long-$round"]]);
    accept(my $socket, $narrow) or die "accept: $!";
    my $raw = '';
    1 while $raw !~ /\r\n\r\n/ && sysread $socket, $raw, 700, length $raw;
    syswrite $socket, reply(204);
    is($t->response($client)->status, 204, "a long request ($round)");
    is_deeply([lines($raw)], [map { s/request-upstream-credential/$long/r }
        expected($t->expand('127.0.0.1:%%PORT_narrow%%', ''), $deep, "long-$round")], 'all of it was received');
    close $socket;
}

for my $round (1, 2) {
    my $res = $t->cancel($id, prefix => '/once');
    $accepted++;
    is_deeply([lines(last_of('canopy'))], [expected($plain, '/tasking', $res->header('X-Request-ID'), 'Connection: close')],
              "with keepalive 0 ($round)");
}

# ----------------------------------------------------------------------------------------------- nothing of the client's

is_sent('a cancel');
is_sent('an id in upper case', path => "/plain/tasks/\U$id\E/cancel");
is_sent('an encoded path', path => "/plain/%74asks/$id%2Fcancel" =~ s/3f/3%66/r);
is_sent('a query', path => "/plain/tasks/$id/cancel?access_token=1&x=%0d%0aX-Evil:%201");
is_sent('dots and slashes', path => "/plain/x/..//tasks//$id/./cancel");
is_sent('an absolute target', path => "http://evil.example/plain/tasks/$id/cancel");

my @headers = (
    ['Cookie', 'session=client'], ['Cookie', 'more=client'], ['X-Forwarded-For', '192.0.2.1'], ['X-Forwarded-Host', 'evil.example'],
    ['X-Forwarded-Proto', 'https'], ['X-Real-IP', '192.0.2.1'], ['Forwarded', 'for=192.0.2.1'], ['Via', '1.0 client'],
    ['Accept', 'text/html'], ['Accept-Encoding', 'gzip, br'], ['Accept-Language', 'de'], ['User-Agent', 'client/1'],
    ['Content-Type', 'text/xml'], ['Content-Encoding', 'gzip'], ['Content-Language', 'de'], ['Content-Location', '/x'],
    ['If-Match', '"x"'], ['If-None-Match', '*'], ['If-Modified-Since', 'Sat, 01 Jan 2050 00:00:00 GMT'],
    ['If-Unmodified-Since', 'Sat, 01 Jan 2000 00:00:00 GMT'], ['Range', 'bytes=0-1'], ['If-Range', '"x"'],
    ['TE', 'trailers'], ['Trailer', 'X-Client'], ['Upgrade', 'h2c'], ['HTTP2-Settings', 'AAMAAABkAAQAAP__'], ['Keep-Alive', 'timeout=9'],
    ['Proxy-Authorization', 'Basic eDp5'], ['Proxy-Connection', 'keep-alive'], ['Max-Forwards', '0'], ['Origin', 'http://x'],
    ['Referer', 'http://x/'], ['Canopy-Environment', 'plain'], ['Canopy-Outcome', 'accepted'], ['Canopy-Task', 'x'],
    ['X-HTTP-Method-Override', 'DELETE'], ['Idempotency-Key', 'x'], ['Traceparent', '00-1-2-3'], ['X-Amzn-Trace-Id', 'Root=1'],
    ['X-Request-Id-2', 'x'], ['Date', 'Sat, 01 Jan 2050 00:00:00 GMT'], ['Cache-Control', 'no-cache'], ['Pragma', 'x'],
    ['X-Accel-Redirect', '/x'], ['X-Api-Key', 'client'], ['Early-Data', '1'], ['X-Umbra', 'x'], ['X-Empty', ''],
);
is_sent('many headers', headers => [@headers]);
is_sent('a header at a time', headers => [$_]) for @headers[0, 2, 8, 9, 12, 21, 24, 28];
is_sent('Connection names them', headers => [['Connection', 'upgrade, close, authorization, host'], ['Upgrade', 'websocket']]);
is_sent('another Host', headers => [['Host', 'evil.example:9']]);
is_sent('a long header', headers => [['X-Long', 'x' x 7000]]);
is_sent('HTTP/1.0', raw => "PATCH /plain/tasks/$id/cancel HTTP/1.0\r\nAuthorization: Bearer " . $t->client_token . "\r\n\r\n");

# ------------------------------------------------------------------------------------------------------------ bodies

sub chunks (@chunks) { return join '', map({ sprintf "%x\r\n%s\r\n", length $_, $_ } @chunks), "0\r\n\r\n" }
my $chunked = [['Transfer-Encoding', 'chunked']];
my $type = ['Content-Type', 'application/json'];

is_sent('an empty body', body => '');
is_sent('a body', headers => [$type], body => '{"a":"b"}');
is_sent('a body like a request', body => "PATCH /live/tasks/$id/cancel HTTP/1.1\r\nHost: x\r\n\r\n");
is_sent('a large body', body => 'x' x 900_000);
is_sent('a large body, small buffers', prefix => '/buffers', path => "/buffers/tasks/$id/cancel", body => 'x' x 5_000_000);
is_sent('an empty chunked body', headers => $chunked, body => "0\r\n\r\n");
is_sent('a chunked body', headers => [@$chunked, $type], body => chunks('{"a":', '"b"}'));
is_sent('many chunks', headers => $chunked, body => chunks(('x') x 3000, 'y' x 100_000, 'z'));
is_sent('chunks with extensions and trailers', headers => $chunked, body => "3;a=b\r\nabc\r\n0\r\nX-Trailer: client\r\n\r\n");

# Sends the pieces of a request, each after a while; the upstream must have nothing before the last one.
sub is_sent_in_pieces ($name, $head, @pieces) {
    for my $round (1, 2) {
        my $socket = $t->connect;
        my $before = received('canopy');
        syswrite $socket, "PATCH /plain/tasks/$id/cancel HTTP/1.1\r\nHost: x\r\n$head"
            . 'Authorization: Bearer ' . $t->client_token . "\r\n\r\n";
        my $interim = '';
        $interim = read_interim($socket) if $head =~ /100-continue/;
        is($interim, "HTTP/1.1 100 Continue\r\n\r\n", "$name: the client may go on ($round)") if $head =~ /100-continue/;
        for my $piece (@pieces) {
            select undef, undef, undef, 0.05;
            is(scalar received('canopy'), $before, "$name: nothing is sent yet ($round)");
            syswrite $socket, $piece;
        }
        my $res = $t->response($socket);
        $accepted++;
        is($res->status, 204, "$name ($round)");
        is_deeply([lines(last_of('canopy'))], [expected($plain, '/tasking', $res->header('X-Request-ID'))], "$name: what was received");
    }
}

sub read_interim ($socket) {
    my $bytes = '';
    while ($bytes !~ /\r\n\r\n/ && IO::Select->new($socket)->can_read(30)) {
        sysread $socket, $bytes, 1, length $bytes or last;
    }
    return $bytes;
}

is_sent_in_pieces('a slow body', "Content-Length: 6\r\n", 'ab', 'cd', 'ef');
is_sent_in_pieces('slow chunks', "Transfer-Encoding: chunked\r\n", "3\r\na", "bc\r\n", '0', "\r\n\r", "\n");
is_sent_in_pieces('Expect', "Content-Length: 2\r\nExpect: 100-continue\r\n", 'ab');
is_sent_in_pieces('Expect with chunks', "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n", chunks('ab'));
is_sent('Expect without a body', headers => [['Expect', '100-continue']]);
is_sent('Expect with a body at once', headers => [['Expect', '100-continue']], body => 'ab');

# What follows a body on the client's connection is the next request.
for my $round (1, 2) {
    my $socket = $t->connect;
    my $request = "PATCH /plain/tasks/$id/cancel HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " . $t->client_token . "\r\n";
    syswrite $socket, "${request}X-Request-ID: p1\r\nTransfer-Encoding: chunked\r\n\r\n" . chunks('abc') . "${request}X-Request-ID: p2\r\n"
        . "Content-Length: 3\r\n\r\nabc${request}X-Request-ID: p3\r\n\r\n${request}X-Request-ID: p4\r\nContent-Length: 0\r\n\r\n";
    is_deeply([map { my $res = $t->response($socket); $res->status . ' ' . $res->header('X-Request-ID') } 1 .. 4],
              ['204 p1', '204 p2', '204 p3', '204 p4'], "four requests in one piece ($round)");
    is_deeply([map { $_->header('X-Request-ID') } ($t->received('canopy'))[-4 .. -1]], [qw(p1 p2 p3 p4)], "in this order ($round)");
    $accepted += 4;
}

# ----------------------------------------------------------------------------------------- a request that is not whole

my $before = received('canopy');
is($before, $accepted, 'nothing but what was accepted has been sent');

sub head ($more, $location = 'plain') {
    return "PATCH /$location/tasks/$id/cancel HTTP/1.1\r\nHost: x\r\nX-Request-ID: cut\r\nAuthorization: Bearer " . $t->client_token
        . "\r\n${more}Connection: close\r\n\r\n";
}

for my $round (1, 2) {
    for my $case (["Content-Length: 6\r\n", ''], ["Content-Length: 6\r\n", 'abcde'], ["Content-Length: 999999\r\n", 'x' x 99999],
                  ["Transfer-Encoding: chunked\r\n", ''], ["Transfer-Encoding: chunked\r\n", "3\r\nab"],
                  ["Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n"], ["Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n"],
                  ["Content-Length: 6\r\nExpect: 100-continue\r\n", '']) {
        my $name = join ' ', map { substr s/\r\n/ /gr, 0, 40 } @$case;
        my $closed = $t->connect;
        syswrite $closed, head($case->[0]) . $case->[1];
        close $closed;

        my $half = $t->connect;
        syswrite $half, head($case->[0]) . $case->[1];
        shutdown $half, 1;
        isnt($t->response($half)->header('Canopy-Outcome'), 'accepted', "cut off: $name ($round)");
    }
    my $stalled = $t->connect;
    syswrite $stalled, head("Content-Length: 6\r\n", 'stalled') . 'abcde';
    my $res = $t->response($stalled);
    ok($res->status == 0 || $res->status == 408, "a body that does not come in time ($round)") || diag($res->raw);

    my @refused = (
        ['plain', "Transfer-Encoding: chunked\r\n", "x\r\nabc\r\n0\r\n\r\n", 400],
        ['plain', "Transfer-Encoding: chunked\r\n", "3\r\nabcd\r\n0\r\n\r\n", 400],
        ['plain', "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\nffffffffffffffffff\r\n", 400],
        ['small', "Content-Length: 1025\r\n", 'x' x 1025, 413],
        ['small', "Transfer-Encoding: chunked\r\n", chunks(('x' x 100) x 11), 413],
    );
    for my $case (@refused) {
        my ($location, $head, $body, $status) = @$case;
        my $name = "$status for " . substr "$head$body" =~ s/\r\n/ /gr, 0, 50;
        $res = $t->request(raw => head($head, $location) . $body);
        is(join(' ', $res->status, $res->header('Canopy-Outcome'), $res->header('Proxy-Status')), "$status denied ", "$name ($round)");
        $t->ensures_schema($res, "$name: its body") && is($res->json->{detail}[0]{type}, 'gateway_refused', "$name: its type");
    }
}

# All of them have come to their end: the log has a line for each.
my $wanted = 2 * (2 * 8 + 1 + 5);
my @cut;
ok($t->wait_for(sub { (@cut = grep { /^cut/ } split /\n/, $t->read('ids.log')) == $wanted }), 'all of these have ended') || diag(scalar @cut);
is_deeply([grep { !/\|(?:denied|not-sent)\|/ } @cut], [], 'with a true outcome in the log');
is(scalar received('canopy'), $before, 'nothing was sent');

# ------------------------------------------------------------------------------------------------------- X-Request-ID

my @kept = ('a', '0', '-', '.', '_', ':', 'AZaz09._:-', '3f2504e0-4f89-41d3-9a0c-0305e82c3301', 'x' x 127, 'x' x 128);
my @replaced = ('', 'x' x 129, 'x' x 4000, 'a b', 'a,b', 'a;b', 'a/b', 'a+b', 'a=b', 'a@b', "a\tb", "a\x{e9}b", "\x{c3}\x{a9}", 'a"b', 'a\\b',
                'a{b}', 'a%0d%0ab', "a'b", 'a$b', '$request_id', '*');

for my $round (1, 2) {
    for my $value (@kept) {
        my $res = $t->cancel($id, prefix => '/plain', headers => [['X-Request-ID', $value]]);
        is($res->header('X-Request-ID'), $value, "kept: " . substr $value, 0, 40);
        is(number_of(last_of('canopy')), $value, 'and sent');
    }
    for my $headers ([], (map { [['X-Request-ID', $_]] } @replaced), [['X-Request-ID', 'a'], ['X-Request-ID', 'a']],
                     [['X-Request-ID', 'a'], ['x-request-id', 'b']], [['X-Request-ID', ''], ['X-Request-ID', 'b']],
                     [['X_Request_ID', 'a']], [['X-Request-ID2', 'a']]) {
        my $name = substr join(', ', map { "$_->[0]: $_->[1]" } @$headers), 0, 40;
        my $res = $t->cancel($id, prefix => '/plain', headers => $headers);
        my $given = $res->header('X-Request-ID');
        like($given, qr/^[0-9a-f]{32}$/, "not kept: $name");
        is(number_of(last_of('canopy')), $given, 'the same is sent');
        ok($t->wait_for(sub { $t->read('ids.log') =~ /\|\Q$given\E\|accepted\|204\n/ }), 'it is $request_id');
    }
}

# A refusal has it as well.
for my $value ('mine-1', 'a b') {
    my $res = $t->cancel('no-uuid', prefix => '/plain', headers => [['X-Request-ID', $value]]);
    like($res->header('X-Request-ID'), $value eq 'mine-1' ? qr/^mine-1$/ : qr/^[0-9a-f]{32}$/, "in a refusal: $value");
}

# Somebody asked for $request_id before; and no two requests have the same, over one connection or over many.
my %given;
for my $n (1 .. 300) {
    my $res = $t->cancel($n % 3 ? 'no-uuid' : $id, prefix => $n % 2 ? '/early' : '/plain');
    my $value = $res->header('X-Request-ID');
    is($value, $res->header('X-Early'), 'the one that was asked for early') if $n % 6 == 3;
    $given{$value}++;
}
is(keys %given, 300, 'each request has its own');
my $socket = $t->connect;
for my $n (1 .. 300) {
    syswrite $socket, "PATCH /plain/tasks/$id/cancel HTTP/1.1\r\nHost: x\r\n\r\n";
    $given{$t->response($socket)->header('X-Request-ID')}++;
}
is(keys %given, 600, 'over one connection, too');

$t->done;
