package Canopy::FaultTable;

# The faults that Canopy::Faults can do, by name: "act-point", "act-point=status", or the name of an odd answer.
#
# Acts: close (a TCP FIN; over TLS after a close_notify), cut (over TLS without one), reset (TCP RST), stall (nothing more,
# until the peer closes), half (no more bytes from us, but the connection stays), garbage (bytes that belong nowhere, then
# close).
#
# Points, in the order of an exchange.  Of a connection:
#     accept      accepted, not a byte sent or read
#     handshake   (TLS) the client's hello is read, our own is cut off
#     connected   ready for a request, none is read (over TLS; without TLS that is the point "accept")
# Of a request, on a new or on a kept connection:
#     unread      the request has come, not a byte of it is read
#     request     its first 30 bytes are read
#     wait        all of it is read
#     status      a part of the status line is sent: "HTTP/1.1 2"
#     line        the status line is sent
#     head        a header is sent, not the empty line
#     1xx         100 and 103 are sent
#     1xx-head    103 is sent, and a part of the final head
#     body        the complete head is sent; a body is announced and does not come
#     text        the body is cut off
#     chunk       the body is cut off in a chunk
#     answer      after a complete answer

use v5.36;

use Carp qw(croak);
use Exporter qw(import);

our @EXPORT_OK = qw(fault fault_names);

my $detail = '{"detail":"because"}';
my $json = "Content-Type: application/json\r\n";
my $interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
my $hello = "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" . "\x55" x 20;   # a ServerHello that is not finished

my %acts = (close => 'closes', cut => 'closes without a word', reset => 'resets', stall => 'stalls', half => 'closes its half',
            garbage => 'sends garbage');

my @points = (
    #  point       received  said     bytes before the act                                default status
    ['unread',    'unread', 'nothing', sub ($s) { '' }],
    ['request',   'part',   'nothing', sub ($s) { '' }],
    ['wait',      'whole',  'nothing', sub ($s) { '' }],
    ['status',    'whole',  'part',    sub ($s) { 'HTTP/1.1 ' . substr $s, 0, 1 },        204],
    ['line',      'whole',  'part',    sub ($s) { _line($s) },                            204],
    ['head',      'whole',  'part',    sub ($s) { _line($s) . 'Server: x' },              204],
    ['1xx',       'whole',  'part',    sub ($s) { "HTTP/1.1 100 Continue\r\n\r\n$interim" }],
    ['1xx-head',  'whole',  'part',    sub ($s) { $interim . _line($s) },                 204],
    ['body',      'whole',  'head',    sub ($s) { _head($s, 'Content-Length: 20') },      422],
    ['text',      'whole',  'head',    sub ($s) { _head($s, 'Content-Length: 20') . substr $detail, 0, 9 }, 422],
    ['chunk',     'whole',  'head',    sub ($s) { _head($s, 'Transfer-Encoding: chunked') . "14\r\n{\"de" }, 422],
    ['answer',    'whole',  'head',    sub ($s) { _answer($s) },                          204],
);

# Odd answers: name, what is odd, bytes, default status (a sub that makes them), and what else is to be said of them.
# The machine then closes, unless it says keep.
my @answers = (
    # as it should be
    ['answer',     'nothing',                        sub ($s) { _answer($s) }, 204, then => 'keep'],
    # in an odd way, and fine
    ['trickle',    'byte by byte',                   sub ($s) { _answer($s) }, 204, trickle => 1, then => 'keep'],
    ['late',       'late',                           sub ($s) { _answer($s) }, 204, late => 1, then => 'keep'],
    ['early',      'before a byte is read',          sub ($s) { _answer($s) }, 204, received => 'unread', then => 'keep'],
    ['early-close', 'before a byte is read, closed', sub ($s) { _answer($s) }, 204, received => 'unread'],
    ['early-reset', 'before a byte is read, reset',  sub ($s) { _answer($s) }, 204, received => 'unread', then => 'reset'],
    ['early-part', 'in the request, closed',         sub ($s) { _answer($s) }, 204, received => 'part'],
    ['1xx-then',   'after interim answers',          sub ($s) { "HTTP/1.1 100 Continue\r\n\r\n" . $interim x 3 . _answer($s) }, 204, then => 'keep'],
    ['chunked',    'in chunks',                      sub ($s) { _chunks($s, "5\r\n{\"det\r\nf;x=\"y\"\r\nail\":\"because\"}\r\n0\r\nX: y\r\n\r\n") }, 422, then => 'keep'],
    ['to-close',   'ends with the connection',       sub ($s) { _head($s) . $detail }, 422],
    ['http1.0',    'of HTTP/1.0',                    sub ($s) { _head($s) =~ s/1\.1/1.0/r . $detail }, 422],
    ['lf',         'lines that end with LF',         sub ($s) { _answer($s) =~ s/\r//gr }, 204, then => 'keep'],
    ['big-head',   'a large head',                   sub ($s) { _line($s) . "Server: xxxxxxxxxxx\r\n" x 3000 . _rest($s) }, 204, then => 'keep'],
    ['same-lengths', 'Content-Length twice',         sub ($s) { _head($s, 'Content-Length: 20', 'Content-Length: 20') . $detail }, 422, then => 'keep'],
    ['html',       'a body of HTML',                 sub ($s) { _other($s, 'text/html', '<p>No</p>') }, 200, type => 'text/html', length => 9, then => 'keep'],
    ['empty',      'no body',                        sub ($s) { _line($s) . "Content-Length: 0\r\n\r\n" }, 202, type => '', length => 0, then => 'keep'],
    # more than one answer
    ['twice',      'the opposite behind it',         sub ($s) { _answer($s) . _answer($s == 204 ? 422 : 204) }, 204, then => 'keep'],
    ['extra',      'bytes behind it',                sub ($s) { _answer($s) . "more\r\n" }, 204, then => 'keep'],
    ['1xx-behind', 'an interim answer behind it',    sub ($s) { _answer($s) . $interim }, 204, then => 'keep'],
    # a head that says all, and a body that does not end
    ['length-long', 'a Content-Length too large',    sub ($s) { _head($s, 'Content-Length: 21') . $detail }, 422],
    ['length-short', 'a Content-Length too small',   sub ($s) { _head($s, 'Content-Length: 19') . $detail }, 422, then => 'keep'],
    ['chunk-word', 'a chunk without a size',         sub ($s) { _chunks($s, "size\r\n$detail\r\n0\r\n\r\n") }, 422],
    ['chunk-short', 'a chunk longer than its size',  sub ($s) { _chunks($s, "13\r\n$detail\r\n0\r\n\r\n") }, 422],
    ['chunk-long', 'a chunk shorter than its size',  sub ($s) { _chunks($s, "16\r\n$detail\r\n0\r\n\r\n") }, 422],
    ['chunk-huge', 'a chunk of any size',            sub ($s) { _chunks($s, 'f' x 40 . "\r\n$detail") }, 422],
    ['chunk-last', 'no last chunk',                  sub ($s) { _chunks($s, "14\r\n$detail\r\n") }, 422],
    ['coding',     'an unknown Transfer-Encoding',   sub ($s) { _head($s, 'Transfer-Encoding: gzip') . $detail }, 422],
    ['large',      'a body beyond the limit',        sub ($s) { _head($s, 'Content-Length: 100000') . 'x' x 100_000 }, 422],
    # what can't be a head
    ['both-lengths', 'Content-Length and chunks',    sub ($s) { _chunks($s, "0\r\n\r\n", 'Content-Length: 20') }, 204, said => 'garbage'],
    ['two-lengths', 'two Content-Lengths',           sub ($s) { _head($s, 'Content-Length: 20', 'Content-Length: 21') . $detail }, 422, said => 'garbage'],
    ['length-word', 'a Content-Length in words',     sub ($s) { _head($s, 'Content-Length: twenty') . $detail }, 422, said => 'garbage'],
    ['length-minus', 'a Content-Length below zero',  sub ($s) { _head($s, 'Content-Length: -20') . $detail }, 422, said => 'garbage'],
    ['length-huge', 'a Content-Length beyond 64 bits', sub ($s) { _head($s, 'Content-Length: 18446744073709551636') . $detail }, 422, said => 'garbage'],
    ['long-line',  'a header line without an end',   sub ($s) { _line($s) . 'Server: ' . 'x' x 70_000 }, 204, said => 'garbage'],
    ['long-head',  'a head too large',               sub ($s) { _line($s) . "Server: xxxxxxxxxxx\r\n" x 4000 . "\r\n" }, 204, said => 'garbage'],
    ['1xx-endless', 'interim answers without an end', sub ($s) { "HTTP/1.1 100 Continue\r\n\r\n" x 4000 }, 204, said => 'garbage'],
    ['no-colon',   'a line without a colon',         sub ($s) { _line($s) . "Server\r\n\r\n" }, 204, said => 'garbage'],
    ['folded',     'a folded line',                  sub ($s) { _line($s) . "Server: a\r\n b\r\n\r\n" }, 204, said => 'garbage'],
    ['nul',        'a NUL',                          sub ($s) { _line($s) . "Server: a\0b\r\n\r\n" }, 204, said => 'garbage'],
    ['letters',    'a status in letters',            sub ($s) { "HTTP/1.1 2o4 No Content\r\n\r\n" }, 204, said => 'garbage'],
    ['http2',      'of HTTP/2',                      sub ($s) { "HTTP/2 $s\r\n\r\n" }, 204, said => 'garbage'],
    ['http0.9',    'no head at all',                 sub ($s) { '<p>Canceled</p>' }, 204, said => 'garbage'],
    ['blank',      'an empty line before it',        sub ($s) { "\r\n" . _answer($s) }, 204, said => 'garbage'],
);

my %faults;
_connection_faults();
_request_faults();

# {name, kind, point, does, what, received, said, status, type, length, late, bytes, then, ...}, ready to be done.
sub fault ($name) {
    my ($base, $status) = split /=/, $name =~ /^\d+$/ ? "answer=$name" : $name;
    my $fault = $faults{$base} // croak "no such fault: $name";
    $status //= $fault->{default} // 204;

    my $head = ($fault->{said} // '') eq 'head';
    my $json = $status != 204;
    return { %$fault, name => $name, bytes => $fault->{makes}->($status), status => $head ? $status + 0 : undef,
             type => $head ? $fault->{type} // ($json ? 'application/json' : '') : undef,
             length => $head ? $fault->{length} // ($json ? 20 : 0) : undef };
}

sub fault_names ($kind = undef) { return grep { !$kind || $faults{$_}{kind} eq $kind } sort keys %faults }

sub _connection_faults () {
    my $add = sub ($name, %fault) { $faults{$name} = { kind => 'connection', makes => sub ($s) { '' }, %fault } };

    for my $act (qw(close cut reset stall half garbage)) {
        my $then = $act eq 'garbage' ? 'close' : $act;
        $add->("$act-accept", point => 'accept', does => "$acts{$act} at once", what => 'nothing was read', then => $then,
               makes => sub ($s) { $act eq 'garbage' ? "220 mail.example ESMTP\r\n" : '' });
        $add->("$act-handshake", point => 'handshake', does => "$acts{$act} in its hello", what => 'no request could come',
               then => $then, makes => sub ($s) { $act eq 'garbage' ? "HTTP/1.1 400 Bad Request\r\n\r\n" : $hello });
        next if $act eq 'garbage' || $act eq 'half' || $act eq 'stall';
        $add->("$act-connected", point => 'connected', does => "$acts{$act} before a request", what => 'nothing was read',
               then => $then);
    }
    $add->('alert-handshake', point => 'handshake', does => 'refuses the handshake', what => 'no request could come',
           then => 'close', makes => sub ($s) { "\x15\x03\x03\x00\x02\x02\x28" });
    $add->("certificate-$_", point => 'handshake', certificate => $_, then => 'close', does => "shows a certificate that is wrong: $_",
           what => 'no request came if the client looked') for qw(name expired unknown);

    my %attributed = (point => 'connected', attributed => 1, received => 'unread');
    $add->('garbage-connected', %attributed, does => 'sends garbage before a request', said => 'garbage', then => 'close',
           what => 'nothing was read, no head', makes => sub ($s) { "220 mail.example ESMTP\r\n" });
    $add->('stall-connected', %attributed, does => 'never reads', said => 'nothing', then => 'stall',
           what => 'nothing was read or said');
    $add->('half-connected', %attributed, received => 'whole', does => 'closes its half before a request', said => 'nothing',
           then => 'half', what => 'all was read, nothing said');
    $add->('early-connected', %attributed, does => 'answers before a request', said => 'head', then => 'keep', default => 503,
           what => 'answered, then read', makes => sub ($s) { _answer($s) });
}

sub _request_faults () {
    for my $point (@points) {
        my ($name, $received, $said, $bytes, $default) = @$point;
        for my $act (qw(close cut reset stall half garbage)) {
            next if "$act-$name" eq 'stall-answer';     # not to be told from a connection that is kept
            my $garbage = $act eq 'garbage';
            my $tells = $garbage && $said ne 'head' ? 'garbage' : $said;
            $faults{"$act-$name"} = {
                kind => 'request', point => $name, received => $received, said => $tells, default => $default,
                does => "$acts{$act} at the point \"$name\"", what => "$received, $tells",
                makes => sub ($s) { $bytes->($s) . ($garbage ? "\0what?\r\n\r\n" : '') }, then => $garbage ? 'close' : $act,
            };
        }
    }
    for my $answer (@answers) {
        my ($name, $odd, $makes, $default, %more) = @$answer;
        $faults{$name} = { kind => 'request', point => 'answer', received => 'whole', said => 'head', then => 'close', default => $default,
                           makes => $makes, does => "answers, and what is odd is: $odd", %more };
        $faults{$name}{what} = "$faults{$name}{received}, $faults{$name}{said}";
    }
    for my $turns (qw(deaf full)) {
        $faults{"close-$turns"} = { $faults{'close-wait'}->%*, turns => $turns, does => "closes; the listener is $turns" };
        $faults{"answer-$turns"} = { $faults{'close-answer'}->%*, turns => $turns, does => "answers; the listener is $turns" };
    }
}

sub _line ($status) { return "HTTP/1.1 $status Said by the test\r\n" }
sub _head ($status, @headers) { return _line($status) . $json . join('', map { "$_\r\n" } @headers) . "\r\n" }
sub _rest ($status) { return $status == 204 ? "\r\n" : "${json}Content-Length: 20\r\n\r\n$detail" }
sub _answer ($status) { return _line($status) . _rest($status) }
sub _chunks ($status, $bytes, @headers) { return _head($status, 'Transfer-Encoding: chunked', @headers) . $bytes }

sub _other ($status, $type, $body) {
    return _line($status) . "Content-Type: $type\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
}

1;
