# Where one request ends and the next begins: what the client did not mean as a request never becomes one, every cancel
# that is sent has an answer of its own, and what nginx refuses sends nothing.

use v5.36;

use Canopy::Test;
use Canopy::Wire;
use Test::More;

my $t = Canopy::Test->new;
my $credential = 'smuggling-upstream-credential';

$t->secret('token', $credential);
$t->upstream('canopy', handler => sub { reply(204) });

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment live {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        keepalive_timeout 60s;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/    { canopy_pass live; }
        location /deny/    { canopy_pass live; deny all; }
        location /small/   { canopy_pass live; client_max_body_size 10; }
        location /shut/    { canopy_pass live; if ($http_x_shut) { return 503; } }
        location /unknown/ { canopy_pass $arg_e; }
    }
}
EOC
$t->start;

sub one (@lines)     { return cancel_bytes('/live', 'one', @lines) }
sub cancel ($id)     { return cancel_bytes('/live', $id) }
sub length_of ($body) { return 'Content-Length: ' . length $body }

# Every case twice: in one piece, and byte by byte. All that was answered 204 was sent, in that order, and nothing else.
sub is_answered ($name, $bytes, @answers) {
    for my $pieces (undef, 1) {
        my @got = converse($t, $bytes, pieces => $pieces);
        is_deeply({ answers => \@got, sent => [sent($t, 'canopy', $credential)] },
                  { answers => \@answers, sent => [map { /^204 (.*)/ } @answers] },
                  printable($name) . ($pieces ? ', byte by byte' : ''));
    }
}

# ------------------------------------------------------------------------------------------- where the body ends: the head

# Behind the head of "one" there is the end of a chunked body, or five bytes, and a cancel that means to be smuggled; the
# last one is a client's that shares the connection.
my $two = cancel('two');
my $three = cancel('three');
my @all = map { "204 $_" } qw(one two three);

for my $fields (
    'Content-Length: 4|Transfer-Encoding: chunked', 'Transfer-Encoding: chunked|Content-Length: 4',
    'Content-Length: 0|Transfer-Encoding: chunked', 'Transfer-Encoding: chunked|Content-Length: 0',
    'Content-Length: 5|Transfer-Encoding: CHUNKED', 'Transfer-Encoding: chunked|Transfer-Encoding: chunked',
    'Transfer-Encoding: chunked|Transfer-Encoding: identity', 'Transfer-Encoding: identity|Transfer-Encoding: chunked',
    'Transfer-Encoding : chunked', "Transfer-Encoding\t: chunked", "Transfer-Encoding\0: chunked",
    'Transfer-Encoding| : chunked', 'Transfer-Encoding:| chunked', 'Transfer-Encoding: chunked| , identity',
    'X: y| Transfer-Encoding: chunked', "X: y|\tTransfer-Encoding: chunked", ' Transfer-Encoding: chunked',
    "\x0bTransfer-Encoding: chunked", "X: y\rTransfer-Encoding: chunked", "X: y\0|Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked\rX: y", "Transfer-Encoding: chunk\0ed",
) {
    is_answered($fields, one($fields =~ s/\|/\r\n/gr) . "0\r\n\r\n$two$three", '400');
}
is_answered("Transfer-Encoding: $_", one("Transfer-Encoding: $_") . "0\r\n\r\n$two$three", '501') for
    'identity', 'gzip', '', 'xchunked', 'chunkedx', 'chunked,', ',chunked', 'chunked, identity', 'identity, chunked',
    'gzip, chunked', 'chunked, chunked', 'chunked chunked', '"chunked"', "'chunked'", 'chunked;q=1', "\tchunked", "chunked\t",
    "\x0bchunked", "chunked\x0b", "chunked\x{a0}", "\x{c3}\x{a7}hunked";

# nginx sees the first one's body end, and rightly
is_answered($_, one($_) . "0\r\n\r\n$two$three", @all) for
    'Transfer-Encoding: chunked', 'Transfer-Encoding: ChUnKeD', 'TRANSFER-ENCODING:chunked', 'Transfer-Encoding:   chunked  ',
    "X: y\nTransfer-Encoding: chunked", "X: y\r\r\nTransfer-Encoding: chunked";

# no body for nginx, so the end of chunks is where a request should be; behind that it listens no more
is_answered($_, one($_) . "0\r\n\r\n$two$three", '204 one', '400') for
    'Transfer_Encoding: chunked', "Tr\x{e4}nsfer-Encoding: chunked", 'Transfer-Encoding=chunked', 'X-Transfer-Encoding: chunked',
    'Content-Encoding: chunked', 'TE: chunked', 'Trailer: Transfer-Encoding';

for my $fields (
    (map { "Content-Length: $_" } '', '+5', '-5', '-0', '0x5', '5.0', '5e0', '5;', '"5"', 'five', '5 5', '5,5', '5, 5', '5, 6', '0, 5',
     '9' x 19, '9' x 30, '18446744073709551616', '18446744073709551621', "5\t", "\t5", "5\x0b", "5\0", "\x{d9}\x{a5}", '5_0'),
    'Content-Length: 5|Content-Length: 5', 'Content-Length: 5|Content-Length: 6', 'Content-Length: 5|Content-Length: 0',
    'Content-Length: 0|content-length: 5', 'Content-Length : 5', "Content-Length\t: 5", "Content-Length\0: 5", 'Content-Length: 5| 0',
    'Content-Length:| 5', ' Content-Length: 5', "X: y\rContent-Length: 5", "Content-Length: 5\rX: y", "X: y\0|Content-Length: 5",
) {
    is_answered($fields, one($fields =~ s/\|/\r\n/gr) . "abcde$two$three", '400');
}
is_answered($_, one($_) . "abcde$two$three", @all) for 'Content-Length: 5', 'Content-Length: 0000005', 'Content-Length:  5 ',
    "X: y\nContent-Length: 5", "CONTENT-LENGTH:5";
is_answered($_, one($_) . "abcde$two$three", '204 one', '400') for 'Content-Length: 0', 'Content_Length: 5', 'X-Content-Length: 5',
    "Content-Length: 3", 'Content-Range: bytes 0-4/5';
is_answered($_, one($_) . "abcde$two$three", '413 one') for 'Content-Length: 4294967301', 'Content-Length: 9223372036854775807';
is_answered('a length that is not reached', one('Content-Length: ' . length "abcde$two$three!") . "abcde$two$three");
is_answered("cancels within the length", one(length_of("abcde$two$three")) . "abcde$two$three" . cancel('four'), '204 one', '204 four');

# --------------------------------------------------------------------------------------------------------------- chunks

sub chunked ($bytes) { return one('Transfer-Encoding: chunked') . $bytes . "$two$three" }

is_answered("chunks: $_", chunked($_), @all) for
    "5\r\nabcde\r\n0\r\n\r\n", "00005\r\nabcde\r\n00000\r\n\r\n", "5\nabcde\n0\n\n", "5;a=b\r\nabcde\r\n0;x\r\n\r\n", "5 \r\nabcde\r\n0\t\r\n\r\n",
    "5;a\nabcde\r\n0\r\n\r\n", "0\r\nX: y\r\n\r\n", "0\r\nContent-Length: 500\r\nTransfer-Encoding: gzip\r\n\r\n", "0\r\n\n", "6\r\nabcde\r\n0\r\n\r\n",
    "a\r\n0\r\n\r\nabcde\r\n0\r\n\r\n", "5;\"\nabcde\r\n0\r\n\r\n";
is_answered("chunks: $_", chunked($_), '400 one') for
    "\r\n", ';a', 'g', '-5', '+5', ' 5', "\t5", '0x5', "5\0\r\nabcde\r\n0\r\n\r\n", "5\r\r\nabcde\r\n0\r\n\r\n", "5\x0b\r\nabcde\r\n0\r\n\r\n",
    "5\r\nabcdef\r\n0\r\n\r\n", "4\r\nabcde\r\n0\r\n\r\n", "5\r\nabcde0\r\n\r\n", "5\r\nabcde\r0\r\n\r\n", "5\r\nabcde\r\n\r\n0\r\n\r\n",
    "5;a\rb\r\nabcde\r\n0\r\n\r\n", "5;a=\"\r\n\"\r\nabcde\r\n0\r\n\r\n", "5;a\r\n b\r\nabcde\r\n0\r\n\r\n", "0\r", "0\r\n\rX", "0;a\rb\r\n\r\n",
    '7fffffffffffffff' . "\r\n", '8000000000000000' . "\r\n", 'ffffffffffffffff' . "\r\n", '10000000000000005' . "\r\nabcde\r\n0\r\n\r\n",
    '0' . 'f' x 40 . "\r\n";
is_answered('a chunk too large', one('Transfer-Encoding: chunked') =~ s/live/small/r . "b\r\n" . 'x' x 11 . "\r\n0\r\n\r\n$two", '413 one');
is_answered('a chunk that does not end', chunked("fff\r\n"));
is_answered('cancels in a chunk', chunked(sprintf("%x\r\n%s\r\n0\r\n\r\n", length "$two$three", "$two$three")), @all);
is_answered('a cancel as an extension', chunked('0;' . $two), '204 one', '204 two', '204 three');
is_answered('a cancel as a trailer', chunked("0\r\n"), '204 one', '204 three');
is_answered('a cancel as a trailer, LF only', chunked("0\n"), '204 one', '204 three');

# ------------------------------------------------------------------------------------------------- the head's own lines

is_answered("LF for CR LF", one() =~ s/\r//gr . $two, '204 one', '204 two');
is_answered('LF at the end', one() =~ s/\r\n\r\n/\r\n\n/r . $two, '204 one', '204 two');
is_answered('CR for CR LF', one() =~ s/\n//gr . $two, '400');
is_answered('LF CR', one() =~ s/\r\n/\n\r/gr . $two, '400');
is_answered('CR CR LF', one() =~ s/\r\n/\r\r\n/gr . $two, '400');
is_answered("in front of it: $_", "$_" . one() . $two, '204 one', '204 two') for "\r\n", "\n", "\r\n\r\n\n", "\r\r\n";
is_answered("in front of it: $_", "$_" . one() . $two, '400') for ' ', "\0", "\t", "\x{ef}\x{bb}\x{bf}", 'x ', "0\r\n\r\n", "\r\0\n";
is_answered("a line $_", one($_) . $two, '204 one', '204 two') for 'X', 'X_Y: z', "X: \x01\x{ff}", 'X:' . 'y' x 900, "X: y: z";
is_answered("a line $_", one($_) . $two, '400') for ': x', 'X y', "X: \0", "X: a\rb", "\0", "X\0Y: z", "X Y: z", "X\x7f: y", ' X: y', "\tX: y",
    'Host: x', 'Host:', "Authorization: Bearer x", 'Content-Type : x';
is_answered('two ids', one('X-Request-ID: two') . $two, '204 own', '204 two');
is_answered('no Host', one() =~ s/Host: x\r\n//r . $two, '400');

is_answered("version $_", one() =~ s{HTTP/1\.1}{$_}r . $two, '204 one', '204 two') for 'HTTP/1.2', 'HTTP/1.10', 'HTTP/1.01', 'HTTP/1.1 ';
is_answered("version $_", one() =~ s{HTTP/1\.1}{$_}r . $two, '400') for
    'HTTP/1', 'HTTP/1.', 'HTTP/01.1', 'HTTP/0.9', 'http/1.1', 'HTTPS/1.1', 'HTTP/1.1 x', "HTTP/1.1\t", "HTTP/1.1\0", "HTTP/1.1\rX: y", 'HTTP/1.1,HTTP/1.1';
is_answered("version $_", one() =~ s{HTTP/1\.1}{$_}r . $two, '505') for 'HTTP/2.0', 'HTTP/9.9';
is_answered('HTTP/1.0', one() =~ s{1\.1}{1.0}r . $two, '204 one');
is_answered('HTTP/1.0 with a body', one('Content-Length: ' . length $two) =~ s{1\.1}{1.0}r . $two, '204 one');
is_answered('HTTP/1.0, kept', one('Connection: keep-alive') =~ s{1\.1}{1.0}r . $two, '204 one', '204 two');
is_answered('HTTP/1.0 with chunks', one('Transfer-Encoding: chunked') =~ s{1\.1}{1.0}r . "0\r\n\r\n$two", '400');

# An answer to HTTP/0.9 is a body without a head, and its only method is GET.
for my $end ("\r\n", "\n") {
    for my $method (qw(PATCH GET)) {
        my ($answer) = converse($t, one() =~ s/PATCH/$method/r =~ s/ HTTP.*/$end/sr . $two);
        like($answer, $method eq 'GET' ? qr/^\{"detail":\[\{"loc":\["method"\].*"type":"method_not_allowed"\}\]\}$/ : qr/^<html>/,
             "$method of HTTP/0.9 is refused");
        is_deeply([sent($t, 'canopy', $credential)], [], 'and sends nothing');
    }
}

is_answered("target $_", one() =~ s{ /live}{ $_}r . $two, '204 one', '204 two') for
    'http://evil.example/live', 'https://evil.example:1/live', 'HTTP://EVIL/live', 'ws://x/live', 'http://[::1]/live', '/deny/../live',
    '/live/%2e%2e/deny/%2e%2e/live', '///live', '/x/../../live' =~ s{/\.\.}{}r;
is_answered("target $_", one() =~ s{ /live}{ $_}r . $two, '400') for
    'http:///live', 'http:/live', 'http://u:p@x/live', 'http://x@y/live', 'http://x#/live', 'http://x\\/live', 'http://[::1/live', 'x:80/live',
    'live', '*', '\\live', '//../live/../..', "/live\0", "/live\r", "/li\tve", '/live ', '/%00/../live', '/live%', '/live/%zz/..', '/../live';
is_answered("method $_", one() =~ s/PATCH/$_/r . $two, '400') for 'patch', "PATCH\t", "PAT\0CH", "PATCH\r", "GET\x{ff}", '"PATCH"';
is_answered('CONNECT', one() =~ s{PATCH \S+}{CONNECT x:80}r . $two, '400');

# ------------------------------------------------------------------------------------- fields that speak of the connection

is_answered($_, one($_) . $two, '204 one', '204 two') for
    'Connection: keep-alive, Authorization, Host, X-Request-ID, Content-Length', 'Connection: Authorization', 'Keep-Alive: max=1',
    "Connection: Upgrade\r\nUpgrade: websocket", 'Proxy-Connection: close', 'Expect: 100-continue', 'Expect: 200-ok', 'Max-Forwards: 0';
is_answered($_, one($_) . $two, '204 one') for 'Connection: close, Authorization', 'Connection: close', "Connection: keep-alive\r\nConnection: close",
    'Connection: CLOSE';
is_answered('h2c, then HTTP/2', one('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__')
    . "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n$two", '204 one', '400');
is_answered('the preface of HTTP/2', "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n$two", '400');
is_answered('Expect, then its body', one('Expect: 100-continue', 'Content-Length: 5') . "abcde$two", '204 one', '204 two');
is_answered('Expect, and no body of its own', one('Expect: 100-continue', length_of($two)) . "$two$three", '204 one', '204 three');
is_answered('Expect with chunks', one('Expect: 100-continue', 'Transfer-Encoding: chunked') . "0\r\n\r\n$two", '204 one', '204 two');

# ------------------------------------------------------------------------------------------------------ what is refused

# Refused before its body has come, by the gateway or by nginx: the body is passed over, and what follows is a request.
my %refused = (
    '404 one' => sub ($head) { $head =~ s/cancel/x/r },
    '405 one' => sub ($head) { $head =~ s/PATCH/GET/r },
    '422 one' => sub ($head) { $head =~ s{/live(\S+)}{/unknown$1?e=no}r },
    '421 one' => sub ($head) { $head =~ s/Host/Canopy-Environment: no\r\nHost/r },
    '401 one' => sub ($head) { $head =~ s/Authorization/X/r },
    '403 one' => sub ($head) { $head =~ s/live/deny/r },
    '503 one' => sub ($head) { $head =~ s/live/shut/r =~ s/Host/X-Shut: 1\r\nHost/r },
);
for my $answer (sort keys %refused) {
    my $refused = $refused{$answer};
    my $chunk = sprintf "%x\r\n%s\r\n", length $two, $two;
    is_answered("$answer without a body", $refused->(one()) . $two, $answer, '204 two');
    is_answered("$answer with a cancel as body", $refused->(one(length_of($two))) . "$two$three", $answer, '204 three');
    is_answered("$answer with a cancel in chunks", $refused->(one('Transfer-Encoding: chunked')) . "${chunk}0\r\n\r\n$three", $answer, '204 three');
    is_answered("$answer with a cancel as trailer", $refused->(one('Transfer-Encoding: chunked')) . "0\r\n$two$three", $answer, '204 three');
    is_answered("$answer with Expect", $refused->(one(length_of($two), 'Expect: 100-continue')) . "$two$three", $answer, '204 three');
    is_answered("$answer with a body cut off", $refused->(one('Content-Length: ' . (1 + length $two))) . $two, $answer);
}
is_answered('413 with a cancel as body', one(length_of($two)) =~ s/live/small/r . "$two$three", '413 one');

# ------------------------------------------------------------------------------------------------------------ pipelining

for my $n (2, 10, 50) {
    my @ids = map { "p$_" } 1 .. $n;
    is_answered("$n cancels", join('', map { cancel($_) } @ids), map { "204 $_" } @ids);

    # every third one is refused, every fourth one has a body that looks like a cancel
    my @answers = map { $_ % 3 ? "204 p$_" : "401 p$_" } 1 .. $n;
    is_answered("$n cancels, some refused, some with bodies", join('', map {
        my $head = cancel_bytes('/live', "p$_", $_ % 4 ? () : length_of($two));
        ($_ % 3 ? $head : $head =~ s/Authorization/X/r) . ($_ % 4 ? '' : $two);
    } 1 .. $n), @answers);
}

# Pieces of any length: nothing depends on where the network cuts.
my $mixed = join '', one('Transfer-Encoding: chunked') . "5\r\nabcde\r\n0\r\nX: y\r\n\r\n", cancel_bytes('/live', 'two', length_of($three)) . $three,
    cancel_bytes('/live', 'four', length_of($three)) =~ s/Authorization/X/r . $three, cancel('five');
for my $pieces (2 .. 9, 37, 150, 151, 152, 153, 1000) {
    is_deeply([converse($t, $mixed, pieces => $pieces)], ['204 one', '204 two', '401 four', '204 five'], "pieces of $pieces bytes");
    is_deeply([sent($t, 'canopy', $credential)], [qw(one two five)], 'and what was sent');
}

# A client that writes on and never reads an answer has no more sent for it than it asked for.
for my $round (1, 2) {
    my $socket = $t->connect;
    syswrite $socket, join '', map { cancel("u$_") } 1 .. 20;
    my @sent;
    ok($t->wait_for(sub { push @sent, sent($t, 'canopy', $credential); @sent >= 20 }), "20 cancels of a client that reads nothing ($round)");
    is_deeply(\@sent, [map { "u$_" } 1 .. 20], 'each is sent once');
    shutdown $socket, 1;
    is_deeply([answers($t, $socket)], [map { "204 u$_" } 1 .. 20], 'and answered');
}

is_deeply([sent($t, 'canopy', $credential)], [], 'nothing comes late');
$t->done;
