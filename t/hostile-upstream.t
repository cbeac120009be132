# An upstream that means harm: no line of its heads reaches a client, no text of its bodies is more than a text, and what it
# hides behind one answer is never the answer to somebody else's request.

use v5.36;

use Canopy::Client;
use Canopy::Test;
use Canopy::Wire;
use JSON::PP;
use Test::More;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $cert = $t->certificate('canopy');

$t->secret('token', 'hostile-upstream-credential');

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment plain {
        server            http://127.0.0.1:%%PORT_plain%%;
        bearer_token_file %%DIR%%/token;
        keepalive_timeout 60s;
    }
    canopy_environment tls {
        server            https://127.0.0.1:%%PORT_tls%%;
        bearer_token_file %%DIR%%/token;
        keepalive_timeout 60s;
        ssl_trusted_certificate %%DIR%%/ca.pem;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /plain/ { canopy_pass plain; }
        location /tls/   { canopy_pass tls; }
    }
}
EOC

my $json = 'Content-Type: application/json';
my $because = '{"detail":"because"}';
my $inner = "HTTP/1.1 204 No Content\r\nX-Evil: evil\r\n\r\n";

sub answer ($status, @more) { return join "\r\n", "HTTP/1.1 $status Evil", $json, @more, '', '' }
sub sized ($status, $body, @more) { return answer($status, 'Content-Length: ' . length $body, @more) . $body }
sub chunked ($status, $chunks) { return answer($status, 'Transfer-Encoding: chunked') . $chunks }

my $rejected = '422 value_error rejected';
my $malformed = '502 http_protocol_error unknown';
my $accepted = '204  accepted';
my $chunks = "14\r\n$because\r\n0\r\n\r\n";

# What is hidden behind the end of an answer, and what the answer is. The connection is kept only where nothing is hidden.
my @hidden = (
    ['nothing behind 422',            sized(422, $because), "$rejected because", 'kept'],
    ['nothing behind 204',            "HTTP/1.1 204 Evil\r\n\r\n", $accepted, 'kept'],
    ['nothing behind chunks',         chunked(422, $chunks), "$rejected because", 'kept'],
    ['nothing behind an equal length', answer(422, 'Content-Length: 20', 'Content-Length: 020') . $because, "$rejected because", 'kept'],
    ['nothing behind 1xx',            "HTTP/1.1 103 Evil\r\nLink: <evil>\r\n\r\n" . sized(422, $because), "$rejected because", 'kept'],

    ['behind 422',                    sized(422, $because) . $inner, "$rejected because"],
    ['behind 422, with its last byte', [substr(sized(422, $because), 0, -1), '}' . $inner], "$rejected because"],
    ['one byte behind 422',           sized(422, $because) . 'H', "$rejected because"],
    ['a line behind 422',             sized(422, $because) . "\r\n", "$rejected because"],
    ['behind an empty 422',           sized(422, '') . $inner, $rejected],
    ['behind 204',                    $inner . $inner, $accepted],
    ['in the body of 204',            "HTTP/1.1 204 Evil\r\nContent-Length: " . length($inner) . "\r\n\r\n$inner", $accepted],
    ['in the body of 204, later',     ["HTTP/1.1 204 Evil\r\nContent-Length: " . length($inner) . "\r\n\r\n", $inner], $accepted],
    ['in the chunks of 204',          "HTTP/1.1 204 Evil\r\nTransfer-Encoding: chunked\r\n\r\n$inner", $accepted],
    ['behind a body of 204 of none',  "HTTP/1.1 204 Evil\r\nContent-Length: 0\r\n\r\n$inner", $accepted],
    ['behind 304',                    answer(304, 'Content-Length: 50') . $inner, $malformed],
    ['behind 200',                    sized(200, '{}') . $inner, $accepted],
    ['behind 200 in chunks',          chunked(200, "2\r\n{}\r\n0\r\n\r\n") . $inner, $accepted],
    ['behind 401',                    sized(401, $because) . $inner, '502 credential_rejected rejected'],
    ['behind 503',                    sized(503, $because, 'Retry-After: 1') . $inner, '503 upstream_error unknown because'],
    ['behind chunks',                 chunked(422, $chunks) . $inner, "$rejected because"],
    ['behind trailers',               chunked(422, "14\r\n$because\r\n0\r\nX-Evil: evil\r\n\r\n") . $inner, "$rejected because"],
    ['as a trailer',                  chunked(422, "14\r\n$because\r\n0\r\n$inner"), $rejected],
    ['as an extension',               chunked(422, "14;${inner}evil\r\n0\r\n\r\n"), $rejected, 'kept'],
    ['as a chunk\'s size',            chunked(422, "14\r\n$because\r\n$inner"), $rejected],
    ['behind a length too short',     answer(422, 'Content-Length: 5') . $because . $inner, $rejected],
    ['behind a length of 0',          answer(422, 'Content-Length: 0') . $because . $inner, $rejected],
    ['behind a body above the limit', sized(422, $inner x 2000), $rejected],
    ['behind HTTP/1.0',               sized(422, $because) =~ s/1\.1/1.0/r . $inner, "$rejected because"],
    ['behind HTTP/1.0, to be kept',   sized(422, $because, 'Connection: keep-alive') =~ s/1\.1/1.0/r . $inner, "$rejected because"],
    ['behind 101',                    answer(101, 'Upgrade: h2c', 'Connection: upgrade') . $inner, $malformed],
    ['behind 1xx',                    "HTTP/1.1 100 Continue\r\n\r\n" . $inner . sized(422, $because), $accepted],
    ['behind a read that is full',    sized(422, ' ' x (4096 - length answer(422, 'Content-Length: 4000')) . '') . $inner, $rejected],

    # an upstream may be asked to close, or say that it does
    (map { ["closing: $_", sized(422, $because, $_), "$rejected because"] }
        'Connection: close', 'connection:CLOSE', 'Connection: x, close', "Connection: close\t", "Connection: keep-alive\r\nConnection: close"),

    # lengths and codings that say two things
    (map { [$_, answer(422, split /\|/) . "0\r\n\r\n$inner", $malformed] }
        'Content-Length: 5|Transfer-Encoding: chunked', 'Transfer-Encoding: chunked|Content-Length: 5', 'Content-Length: 5|Transfer-Encoding: identity',
        'Content-Length: 5|Transfer-Encoding:', 'Transfer-Encoding: x|Content-Length: 0', 'Content-Length: 5|Content-Length: 6', 'Content-Length: 5, 5',
        'Content-Length: 5|Content-Length:', 'Content-Length: +5', 'Content-Length: -5', 'Content-Length: 0x5', 'Content-Length: 5 5', 'Content-Length : 5',
        'Transfer-Encoding : chunked', "Transfer-Encoding\t: chunked", 'Transfer-Encoding:| chunked', 'X: y| Transfer-Encoding: chunked',
        "X: y\rTransfer-Encoding: chunked", "Content-Length: 5\0", "\0Content-Length: 5", 'Content-Length', ': 5'),
    (map { [$_, answer(422, split /\|/) . $chunks . $inner, $rejected] }
        'Transfer-Encoding: identity', 'Transfer-Encoding: gzip', 'Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: chunked, identity',
        'Transfer-Encoding: chunked, chunked', 'Transfer-Encoding: xchunked', 'Transfer-Encoding: chunked;q=1', 'Transfer-Encoding: "chunked"',
        "Transfer-Encoding: \x0bchunked", "Transfer-Encoding: chunked\x0c", "Transfer-Encoding: chunked\x{a0}", 'Transfer-Encoding:',
        'Transfer-Encoding: chunked|Transfer-Encoding: chunked', 'Transfer-Encoding: chunked|Transfer-Encoding: identity',
        'Transfer-Encoding: identity|Transfer-Encoding: chunked', 'Transfer-Encoding: |Transfer-Encoding: chunked'),
    ['chunks of HTTP/1.0', chunked(422, $chunks) =~ s/1\.1/1.0/r . $inner, $rejected],
    (map { [$_, answer(422, split /\|/) . $chunks . $inner, "$rejected because"] } "Transfer-Encoding: \tChUnKeD \t", 'transfer-encoding:chunked'),
    (map { ["chunk '$_'", chunked(422, $_) . $inner, $rejected] }
        "-14\r\n$because\r\n0\r\n\r\n", "+14\r\n$because\r\n0\r\n\r\n", " 14\r\n$because\r\n0\r\n\r\n", "0x14\r\n$because\r\n0\r\n\r\n", "14\r\r\n$because\r\n0\r\n\r\n",
        "14\0\r\n$because\r\n0\r\n\r\n", "13\r\n$because\r\n0\r\n\r\n", "14\r\n$because\r0\r\n\r\n", "14\r\n${because}0\r\n\r\n", "14;a\rb\r\n$because\r\n0\r\n\r\n",
        "10000000000000014\r\n$because\r\n0\r\n\r\n", "ffffffffffffffff\r\n$because", "\r\n14\r\n$because\r\n0\r\n\r\n", "0\r\n evil\r\n\r\n",
        "0\r\nX Evil: x\r\n\r\n", "0\r\nX\0: x\r\n\r\n", "0\r\r\n\r\n"),
);
# X-Request-ID is "next", or the number of a case.
for my $name (qw(plain tls)) {
    $t->upstream($name, $name eq 'tls' ? (tls => $cert) : (), handler => sub ($conn, $req, $n) {
        my $case = $req->header('X-Request-ID');
        return reply(409, '{"detail":"its own"}', $json) if $case eq 'next';
        $conn->print($_) && $conn->sleep(0.02) for ref $hidden[$case][1] ? $hidden[$case][1]->@* : $hidden[$case][1];
        return;
    });
}
$t->start;

sub facts ($res) {
    my $entry = length $res->body ? $res->json->{detail}[0] : { type => '', msg => '' };
    return join ' ', $res->status, $entry->{type}, $res->header('Canopy-Outcome'), $entry->{msg} =~ /^(because|its own)$/ ? $1 : ();
}

for my $environment (qw(plain tls)) {
    for my $i (0 .. $#hidden) {
        my ($name, undef, $expected, $kept) = $hidden[$i]->@*;
        for my $round (1, 2) {
            my $res = $t->cancel($id, prefix => "/$environment", headers => [['X-Request-ID', $i]]);
            my $next = $t->cancel($id, prefix => "/$environment", headers => [['X-Request-ID', 'next']]);
            my @received = grep { $_->{event} eq 'request' } $t->news($environment);
            is_deeply({ answer => facts($res), next => facts($next), faults => [map { head_faults($_) } $res, $next],
                        evil => $res->raw =~ /(.{0,9}evil.{0,9})/si ? $1 : '', copies => scalar @received,
                        kept => $received[0]{conn_no} == $received[-1]{conn_no} ? 'kept' : 'closed' },
                      { answer => $expected, next => '409 value_error rejected its own', faults => [], evil => '', copies => 2, kept => $kept // 'closed' },
                      printable("$environment, $name ($round)"));
        }
    }
}

# ---------------------------------------------------------------------------------------------------- texts in the JSON

# Each text stays one text, in each place: nothing in it ends the string, the entry or the list.
my @texts = (
    'evil"}]}', 'evil\\', 'evil\\"', '\\u0022evil', "evil\0evil", "evil\r\nX-Evil: evil", "\x{2028}evil\x{2029}", "\x{85}\x{feff}\x{fffe}\x{ffff}", "\x{1f600}\x{10ffff}",
    '"},{"loc":[],"msg":"evil","type":"evil"}],"evil":[{"', '</script><script>evil', '${evil}', '[redacted]', "\x{202e}live", ']]>', join('', map { chr } 0 .. 0x9f),
    '"' x 1000, '\\' x 1000, "\x{e9}" x 1000, "\0" x 1000,
);
my $utf8 = JSON::PP->new->utf8->canonical;
my $ascii = JSON::PP->new->ascii->canonical;
my @bodies = map { my $text = $_; my $element = { loc => [$text, -1, { $text =~ s/\0/0/gr => $text }], msg => $text, type => $text, input => $text, evil => $text };
                   map { my $coder = $_; $coder->encode({ detail => [$element, $text, { title => $text }], evil => $text }) } $utf8, $ascii } @texts;
my @answers = map { sized(422, $_) } @bodies;
$t->stop_upstream('plain');
$t->upstream('plain', handler => sub ($conn, $req, $n) { return $answers[$req->header('X-Request-ID')] });

for my $i (0 .. $#bodies) {
    my $text = $texts[$i / 2];
    for my $round (1, 2) {
        my $res = $t->cancel($id, prefix => '/plain', headers => [['X-Request-ID', $i]]);
        my $detail = $res->json->{detail};
        my $object = pop $detail->[0]{loc}->@*;
        is_deeply($detail, [{ loc => [$text, -1], msg => $text, type => $text }, (map { +{ loc => ['path', 'id'], msg => $_, type => 'value_error' } } $text, $text)],
                  'a text stays a text: ' . printable(substr $text, 0, 30) . " ($round)");
        like($object, qr/^\{"/, 'an object in loc is a text, too');
        unlike($res->body, qr/[\0-\x1f]/, 'with no control character as it is');
        $t->ensures_schema($res);
    }
}

# What is large or deep takes no time.
my @large = map { sized(422, substr $_, 0, 65000) } '[' x 65000, '{"a":' x 13000, '{"detail":' . '[' x 2000 . ']' x 2000 . '}', '{' . join(',', map { "\"a\":$_" } 1 .. 8000) . '}',
    '{"detail":[' . join(',', ('{}') x 20000) . ']}', '{"detail":' . '9' x 64000 . '}', '{"detail":[' . '1e999999,' x 5000 . '1]}', '"' . '\\u0000' x 10000 . '"',
    '{"detail":[{"loc":[' . join(',', ('{}') x 20000) . ']}]}', "\0" x 65000, '{"detail":"' . "\xff" x 60000 . '"}';
@answers = @large;
$t->stop_upstream('plain');
$t->upstream('plain', handler => sub ($conn, $req, $n) { return $answers[$req->header('X-Request-ID')] });
for my $i (0 .. $#large) {
    my $res = $t->cancel($id, prefix => '/plain', headers => [['X-Request-ID', $i]]);
    is($res->status, 422, "a large body, no. $i");
    $t->ensures_schema($res);
    cmp_ok(scalar $res->json->{detail}->@*, '<=', 100, 'has a hundred entries at most');
}

$t->done;
