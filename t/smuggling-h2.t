# HTTP/2: a stream is one request, whole or none, whatever its lengths and fields say; nothing in it becomes a line of the
# upstream's HTTP/1.1.

use v5.36;

use Canopy::HTTP2;
use Canopy::Test;
use Canopy::Wire;
use Test::More;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $credential = 'smuggling-h2-upstream-credential';

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
        listen 127.0.0.1:%%PORT_http%% http2;
        location /live/ { canopy_pass live; }
        location /deny/ { canopy_pass live; deny all; }
    }
}
EOC
$t->start;

my @pseudo = (':method', ':scheme', ':path', ':authority');
my %cancel = (':method' => 'PATCH', ':scheme' => 'http', ':path' => "/live/tasks/$id/cancel", ':authority' => 'x',
              authorization => 'Bearer eyJhbGciOiJ4In0.e30.c2ln', 'x-request-id' => 'one');

# The fields of a cancel, some of them changed (undef: left out), and more behind them.
sub fields ($changes = {}, @more) {
    my %fields = (%cancel, %$changes);
    return [(map { [$_, $fields{$_}] } grep { defined $fields{$_} } @pseudo, grep { !/^:/ } sort keys %fields), @more];
}

# Stream 1 with these fields and a frame for each piece of data, the last one its end.
sub request ($fields, @data) {
    return headers(1, @data ? 0 : END_STREAM, $fields)
        . join '', map { frame(DATA, $_ == $#data ? END_STREAM : 0, 1, $data[$_]) } 0 .. $#data;
}

# Twice: what stream 1 comes to, and that a stream behind it is a cancel as ever, unless the connection had to end. What
# is no field of HTTP/2 is refused by a reset (nginx 1.22) or an answer (later ones).
sub comes_to ($name, $bytes, $answer, $sent = ($answer // '') eq '204') {
    my $ends = ($answer // '') =~ /^goaway|^closed/;
    my %expected = ((defined $answer ? ($ends ? 0 : 1, $answer) : ()), $ends ? () : (3 => '204'));
    my @expected = (($sent ? 'one' : ()), ($ends ? () : 'three'));

    for my $round (1, 2) {
        my $socket = $t->connect;
        syswrite $socket, preface() . $bytes . headers(3, END_STREAM, fields({ 'x-request-id' => 'three' }));
        my %answers = stream_answers($socket, (defined $answer ? 1 : ()), 3);
        $answers{1} = 'refused' if ($answer // '') eq 'refused' && ($answers{1} // '') =~ /^(?:reset 1|400)$/;
        delete $answers{1} if $ends && ($answers{1} // '') eq '400';

        my @sent;
        $t->wait_for(sub { push @sent, sent($t, 'canopy', $credential); @sent >= @expected });
        is_deeply({ answers => \%answers, sent => [sort @sent] }, { answers => \%expected, sent => \@expected },
                  printable($name) . " ($round)");
    }
}

my $inner = cancel_bytes('/live', 'inner');

# --------------------------------------------------------------------------------------------------------------- lengths

comes_to('no data', request(fields()), '204');
comes_to('an empty frame', request(fields(), ''), '204');
comes_to('data', request(fields(), 'abc', '', 'de'), '204');
comes_to('a cancel of HTTP/1.1 as data', request(fields(), $inner), '204');
comes_to('content-length, and as much', request(fields({ 'content-length' => 5 }), 'abc', 'de'), '204');
comes_to('content-length 0, no data', request(fields({ 'content-length' => 0 })), '204');
comes_to('content-length 0, an empty frame', request(fields({ 'content-length' => 0 }), ''), '204');

comes_to("content-length $_->[0], and " . length($_->[1]) . ' bytes', request(fields({ 'content-length' => $_->[0] }), $_->[1]),
         '400 gateway_refused')
    for [5, ''], [5, 'abcd'], [5, 'abcdef'], [5, $inner], [0, 'a'], [0, $inner], [1 + length $inner, $inner];
comes_to('content-length 5, and 6 bytes in two frames', request(fields({ 'content-length' => 5 }), 'abcde', 'f'), '400 gateway_refused');
comes_to('content-length 0, and data later', request(fields({ 'content-length' => 0 }), '', 'a'), '400 gateway_refused');
comes_to('content-length 5, no data', request(fields({ 'content-length' => 5 })), '400');
comes_to('content-length above the limit', request(fields({ 'content-length' => 1048577 }), 'a'), '413 gateway_refused');
comes_to("content-length '$_'", request(fields({ 'content-length' => $_ }), 'abcde'), '400')
    for '', '+5', '-5', '5, 5', '5,6', '5 ', ' 5', '0x5', '5.0', '9' x 30, '18446744073709551621';
comes_to("content-length twice: 5, $_", request(fields({ 'content-length' => 5 }, ['content-length', $_]), 'abcde'), '400') for 5, 6, 0;

# A stream that does not end is no request; it is reset, so nobody waits for an answer.
my $reset = frame(RST_STREAM, 0, 1, pack 'N', 8);
comes_to('a stream without an end', headers(1, 0, fields()) . $reset, undef);
comes_to('a stream without an end, with data', headers(1, 0, fields()) . frame(DATA, 0, 1, 'abc') . $reset, undef);
comes_to("a stream without an end, content-length $_", headers(1, 0, fields({ 'content-length' => $_ })) . $reset, undef) for 0, 5;
comes_to('a stream without an end, all of its data', headers(1, 0, fields({ 'content-length' => 3 })) . frame(DATA, 0, 1, 'abc') . $reset, undef);

# ---------------------------------------------------------------------------------------------------------------- fields

# Fields of a connection say nothing about a stream.
comes_to("@$_", request(fields({}, $_), 'abc'), '204') for
    ['transfer-encoding', 'chunked'], ['connection', 'close'], ['connection', 'authorization, x-request-id'], ['upgrade', 'h2c'], ['te', 'gzip'],
    ['proxy-connection', 'close'], ['keep-alive', 'x'], ['http2-settings', 'AAMAAABkAAQAAP__'], ['expect', '100-continue'], ['trailer', 'x'];
comes_to('chunks as data', request(fields({ 'transfer-encoding' => 'chunked' }), "0\r\n\r\n$inner"), '204');
comes_to('transfer-encoding and content-length', request(fields({ 'transfer-encoding' => 'chunked', 'content-length' => 5 }), 'abcde'), '400');
comes_to("transfer-encoding: $_", request(fields({ 'transfer-encoding' => $_ })), '501') for 'gzip', 'identity', 'chunked, gzip';
comes_to("@$_", request(fields({}, $_)), '204') for
    ['x', ' a '], ['x', "\x01\xff"], ['x_y', 'z'], ['x', ''], ['x' x 4000, 'y'], ['x', 'y' x 4000];

comes_to("a name: $_", request(fields({}, [$_, 'x'])), 'refused') for
    'X-Upper', 'Host', 'x y', 'x:y', "x\r\ny", "x\r\nx-request-id: two\r\ny", "x\ny", "x\0y", ' x', "x\x7f";
comes_to("a value: $_", request(fields({}, ['x', $_])), 'refused') for "a\r\nb: c", "a\nb", "a\rb", "a\0b", "\r\n\r\n$inner", "a\n";
comes_to("x-request-id: $_", request(fields({ 'x-request-id' => $_ })), 'refused') for "one\r\nx: y", "one\n", "one\0", "one\r\n\r\n$inner";
comes_to("authorization: $_", request(fields({ authorization => "$cancel{authorization}$_" })), 'refused') for "\r\nx: y", "\0", "\n";
comes_to('authorization twice', request(fields({}, ['authorization', 'Bearer x'])), '400');
comes_to('another host', request(fields({}, ['host', 'y'])), '400');
comes_to('an empty name', request(fields({}, ['', 'x'])), 'goaway 1');

# -------------------------------------------------------------------------------------------------------- pseudo-headers

comes_to("$_ twice", request(fields({}, [$_, $cancel{$_}])), '400') for @pseudo[0 .. 2];
comes_to("no $_", request(fields({ $_ => undef })), '400') for @pseudo;
comes_to("an empty $_", request(fields({ $_ => '' })), 'goaway 1') for @pseudo;
comes_to("$_->[0] as well", request(fields({}, $_)), '400') for [':status', '200'], [':x', 'y'], [':protocol', 'websocket'];

my $path = $cancel{':path'};
comes_to(":path $_", request(fields({ ':path' => $_ })), '400') for
    "http://evil.example$path", substr($path, 1), '*', "$path HTTP/1.1", "$path\t", "$path%00", "/%$path", "$path ";
comes_to(":path $_", request(fields({ ':path' => $_ })), 'refused') for
    "$path\r\nX: y", "$path\n", "$path\0", "$path HTTP/1.1\r\nHost: x\r\n\r\n$inner";
comes_to(":path $_", request(fields({ ':path' => $_ })), '204') for
    "$path#x", "$path?x", "$path?\r" =~ s/\r/%0d%0aX:%20y/r, "/$path", "/deny/..$path", "/live/../$path", $path =~ s/tasks/%74asks/r;
comes_to(":path with %0d%0a", request(fields({ ':path' => $path =~ s{/cancel}{%0d%0aX:%20y/cancel}r })), '422 uuid_parsing');
comes_to(":path with \\xff", request(fields({ ':path' => "$path\xff" })), '404 not_found');
comes_to(":method $_", request(fields({ ':method' => $_ })), '400') for 'patch', 'PATCH ', 'PATCH,PATCH', "PA\tTCH";
comes_to(":method $_", request(fields({ ':method' => $_ })), 'refused') for "PATCH\0", "PATCH\n", "PATCH $path HTTP/1.1\r\n\r\nPATCH";
comes_to(':method GET', request(fields({ ':method' => 'GET' }), $inner), '405 method_not_allowed');
comes_to(":scheme $_", request(fields({ ':scheme' => $_ })), '204') for 'https', 'ftp';
comes_to(":scheme $_", request(fields({ ':scheme' => $_ })), 'refused') for "http\r\nX: y", "http\0";
comes_to(":authority $_", request(fields({ ':authority' => $_ })), '204') for 'evil.example', 'evil.example:9', 'u@x';
comes_to(":authority $_", request(fields({ ':authority' => $_ })), '400') for 'evil.example/live', '..';
comes_to(":authority $_", request(fields({ ':authority' => $_ })), 'refused') for "x\r\nX: y", "x\0", "x\n";

# ---------------------------------------------------------------------------------------------------------------- frames

comes_to('data behind the end', request(fields()) . frame(DATA, END_STREAM, 1, $inner), 'reset 5', 1);
comes_to('data on a stream that was not opened', frame(DATA, END_STREAM, 1, $inner), undef);
comes_to('data on the connection', frame(DATA, END_STREAM, 0, $inner), 'goaway 1');
comes_to('fields for the connection', headers(0, END_STREAM, fields()), 'goaway 1');
comes_to('fields on a stream of the server', headers(2, END_STREAM, fields()), 'goaway 1');
comes_to('fields again', request(fields()) . request(fields({ 'x-request-id' => 'again' })), 'goaway 1', 1);
comes_to('fields behind data', headers(1, 0, fields()) . frame(DATA, 0, 1, 'abc') . headers(1, END_STREAM, $_), 'goaway 1')
    for [['x', 'y']], fields({ 'x-request-id' => 'trailer' });
comes_to('another frame inside a block', frame(HEADERS, END_STREAM, 1, field('x', 'y')) . headers(5, END_STREAM, fields()), 'goaway 1');

my $block = join '', map { field(@$_) } fields()->@*;
comes_to('a block in pieces of a byte', frame(HEADERS, END_STREAM, 1, substr $block, 0, 1)
    . join('', map { frame(CONTINUATION, 0, 1, $_) } split //, substr $block, 1) . frame(CONTINUATION, END_HEADERS, 1, ''), '204');
comes_to('fields that are too many', request(fields({}, map { ["x$_", 'y' x 100] } 1 .. 400)), 'goaway 11');

# Many streams at once: each is sent once, and what is reset is sent once at most.
# Their lines in the log are there when the one of a later request is.
my $looks = 0;
sub ended () {
    my $last = '/look' . ++$looks;
    my $socket = $t->connect;
    syswrite $socket, preface() . headers(1, END_STREAM, [[':method', 'GET'], [':scheme', 'http'], [':path', $last], [':authority', 'x']]);
    stream_answers($socket, 1);
    $t->wait_for(sub { $t->access_log =~ m{^GET $last .*\n}m });
    return scalar(() = $t->access_log =~ m{^PATCH /live/}mg);
}

my @streams = map { 2 * $_ + 1 } 0 .. 49;
for my $round (1, 2) {
    my $socket = $t->connect;
    syswrite $socket, preface() . join '', map { headers($_, END_STREAM, fields({ 'x-request-id' => "s$_" })) } @streams;
    is_deeply({ stream_answers($socket, @streams) }, { map { $_ => '204' } @streams }, "50 streams at once ($round)");
    is_deeply([sort { $a cmp $b } sent($t, 'canopy', $credential)], [sort { $a cmp $b } map { "s$_" } @streams], 'each is sent once');

    my $before = ended();
    $socket = $t->connect;
    syswrite $socket, preface() . join '', map { headers($_, END_STREAM, fields({ 'x-request-id' => "s$_" })),
                                                 frame(RST_STREAM, 0, $_, pack 'N', 8) } @streams;
    ok($t->wait_for(sub { ended() == $before + 50 }), "50 streams that are reset at once all end ($round)");
    my %sent;
    $sent{$_}++ for sent($t, 'canopy', $credential);
    is_deeply([grep { $sent{$_} > 1 || !/^s\d+$/ } keys %sent], [], 'none is sent twice');
}

$t->done;
