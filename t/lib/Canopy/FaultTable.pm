package Canopy::FaultTable;

# The faults that Canopy::Faults can do, by name: "act-point", "act-point=status", or the name of an odd answer.
#
# Acts: close (TCP's FIN; over TLS after a close_notify), cut (over TLS without one), reset (TCP's RST), stall (nothing
# more, until the peer closes), half (no more bytes from us, but we still read), garbage (bytes that belong nowhere,
# then close), raw (over TLS: bytes that are no TLS, then cut).
#
# Points, in the order of an exchange. Of a connection:
#     accept      accepted, not a byte sent or read
#     handshake   (TLS) the client's hello is read, our own is cut off; or it shows a wrong certificate, or demands one
#     connected   ready for a request, none is read
# Of a request, on a new or on a kept connection:
#     unread      the request has come, not a byte of it is read
#     request     its first 30 bytes are read
#     wait        all of it is read
#     status      a part of the status line is sent: "HTTP/1.1 2"
#     line        the status line is sent
#     head        a part of a header is sent
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

my $detail = '{"detail":"because"}';            # 20 bytes
my $json = "Content-Type: application/json\r\n";
my $interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
my $garbage = "\0what?\r\n\r\n";
my $banner = "220 mail.example ESMTP\r\n";
my $hello = "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" . "\x55" x 20;   # a ServerHello that is not finished
my $alert = "\x15\x03\x03\x00\x02\x02\x28";

my %acts = (close => 'closes', cut => 'closes without a word', reset => 'resets', stall => 'stalls',
            half => 'closes its half', garbage => 'sends garbage', raw => 'sends what is no TLS');

# name, what it does, when a request may have been sent that nobody saw (plain: if it is not TLS), bytes, act
my @connections = (
    (map { ["$_-accept", "$acts{$_} at once", 'plain', '', $_] } qw(close cut reset stall half)),
    ['garbage-accept',      'speaks at once',                         'plain',  $banner, 'close'],
    (map { ["$_-handshake", "$acts{$_} in its hello", 'never', $hello, $_] } qw(close cut reset stall half)),
    ['garbage-handshake',   'answers in clear',                       'never',  "HTTP/1.1 400 Bad Request\r\n\r\n", 'close'],
    ['alert-handshake',     'refuses the handshake',                  'never',  $alert, 'close'],
    ['certificate-name',    'is somebody else',                       'never',  '', 'close'],
    ['certificate-expired', 'has an expired certificate',             'never',  '', 'close'],
    ['certificate-unknown', 'has a self-signed certificate',          'never',  '', 'close'],
    ['demand-handshake',    'demands a certificate, too late (TLS 1.3)', 'always', '', 'close'],
    ['demand12-handshake',  'demands a certificate in time (TLS 1.2)', 'never', '', 'close'],
    (map { ["$_-connected", "$acts{$_} before a request", 'always', '', $_] } qw(close cut reset)),
);

# the same, but the request is seen: name, what it does, received, said, default status, bytes, act
my @attributed = (
    ['garbage-connected', 'speaks before a request',          'unread', 'garbage', undef, sub ($s) { $banner },  'close'],
    ['stall-connected',   'never reads',                      'unread', 'nothing', undef, sub ($s) { '' },       'stall'],
    ['half-connected',    'closes its half before a request', 'whole',  'nothing', undef, sub ($s) { '' },       'half'],
    ['early-connected',   'answers before a request',         'unread', 'head',    503,   sub ($s) { _answer($s) }, 'keep'],
);

# point, received, said, default status, bytes before the act
my @points = (
    ['unread',   'unread', 'nothing', undef, sub ($s) { '' }],
    ['request',  'part',   'nothing', undef, sub ($s) { '' }],
    ['wait',     'whole',  'nothing', undef, sub ($s) { '' }],
    ['status',   'whole',  'part',    204,   sub ($s) { 'HTTP/1.1 ' . substr $s, 0, 1 }],
    ['line',     'whole',  'part',    204,   sub ($s) { _line($s) }],
    ['head',     'whole',  'part',    204,   sub ($s) { _line($s) . 'Server: x' }],
    ['1xx',      'whole',  'part',    undef, sub ($s) { "HTTP/1.1 100 Continue\r\n\r\n$interim" }],
    ['1xx-head', 'whole',  'part',    204,   sub ($s) { $interim . _line($s) }],
    ['body',     'whole',  'head',    422,   sub ($s) { _head($s, 'Content-Length: 20') }],
    ['text',     'whole',  'head',    422,   sub ($s) { _head($s, 'Content-Length: 20') . substr $detail, 0, 9 }],
    ['chunk',    'whole',  'head',    422,   sub ($s) { _chunks($s, "14\r\n{\"de") }],
    ['answer',   'whole',  'head',    204,   sub ($s) { _answer($s) }],
);

# Answers: name, default status, in which way it is odd, what else is to be done or said, bytes. The machine closes behind
# it unless it is to keep the connection.
my @answers = (
    ['answer',       204, 'not at all',                   'keep',         sub ($s) { _answer($s) }],
    # odd, and fine
    ['trickle',      204, 'byte by byte',                 'keep trickle', sub ($s) { _answer($s) }],
    ['late',         204, 'late',                         'keep late',    sub ($s) { _answer($s) }],
    ['early',        204, 'before a byte is read',        'keep unread',  sub ($s) { _answer($s) }],
    ['early-close',  204, 'before a byte is read, closed', 'unread',      sub ($s) { _answer($s) }],
    ['early-reset',  204, 'before a byte is read, reset', 'unread reset', sub ($s) { _answer($s) }],
    ['early-part',   204, 'in the request, closed',       'part',         sub ($s) { _answer($s) }],
    ['1xx-then',     204, 'after interim answers',        'keep',         sub ($s) { $interim x 4 . _answer($s) }],
    ['chunked',      422, 'in chunks',                    'keep',
        sub ($s) { _chunks($s, "5\r\n{\"det\r\nf;x=\"y\"\r\nail\":\"because\"}\r\n0\r\nX: y\r\n\r\n") }],
    ['to-close',     422, 'ends with the connection',     '',             sub ($s) { _head($s) . $detail }],
    ['http1.0',      422, 'of HTTP/1.0',                  '',
        sub ($s) { _head($s) =~ s/1\.1/1.0/r . $detail }],
    ['lf',           204, 'lines that end with LF',       'keep',         sub ($s) { _answer($s) =~ s/\r//gr }],
    ['big-head',     204, 'a large head',                 'keep',
        sub ($s) { _answer($s, "Server: xxxxxxxxxxx\r\n" x 3000) }],
    ['same-lengths', 422, 'the same Content-Length twice', 'keep',
        sub ($s) { _head($s, ('Content-Length: 20') x 2) . $detail }],
    ['html',         200, 'a body of HTML',               'keep html',    sub ($s) { _html($s, '<p>No</p>') }],
    ['empty',        202, 'an empty body',                'keep empty',
        sub ($s) { _line($s) . "Content-Length: 0\r\n\r\n" }],
    # more than one answer
    ['twice',        204, 'the opposite behind it',       'keep',
        sub ($s) { _answer($s) . _answer($s == 204 ? 422 : 204) }],
    ['extra',        204, 'bytes behind it',              'keep',         sub ($s) { _answer($s) . "more\r\n" }],
    ['1xx-behind',   204, 'an interim answer behind it',  'keep',         sub ($s) { _answer($s) . $interim }],
    # a head that says all, and a body that does not end, or not there
    ['length-long',  422, 'its Content-Length too large', '',
        sub ($s) { _head($s, 'Content-Length: 21') . $detail }],
    ['length-short', 422, 'its Content-Length too small', 'keep',
        sub ($s) { _head($s, 'Content-Length: 19') . $detail }],
    ['chunk-word',   422, 'a chunk without a size',       '',
        sub ($s) { _chunks($s, "size\r\n$detail\r\n0\r\n\r\n") }],
    ['chunk-short',  422, 'a chunk longer than its size', '',
        sub ($s) { _chunks($s, "13\r\n$detail\r\n0\r\n\r\n") }],
    ['chunk-long',   422, 'a chunk shorter than its size', '',
        sub ($s) { _chunks($s, "16\r\n$detail\r\n0\r\n\r\n") }],
    ['chunk-huge',   422, 'a chunk of any size',          '',
        sub ($s) { _chunks($s, 'f' x 40 . "\r\n$detail") }],
    ['chunk-last',   422, 'no last chunk',                '',
        sub ($s) { _chunks($s, "14\r\n$detail\r\n") }],
    ['coding',       422, 'an unknown Transfer-Encoding', '',
        sub ($s) { _head($s, 'Transfer-Encoding: gzip') . $detail }],
    ['large',        422, 'a body beyond the limit',      '',
        sub ($s) { _head($s, 'Content-Length: 100000') . 'x' x 100_000 }],
    # what can't be a head
    ['both-lengths', 204, 'Content-Length and chunks',    'garbage',
        sub ($s) { _chunks($s, "0\r\n\r\n", 'Content-Length: 20') }],
    ['two-lengths',  422, 'two Content-Lengths',          'garbage',
        sub ($s) { _head($s, map { "Content-Length: $_" } 20, 21) . $detail }],
    ['length-word',  422, 'a Content-Length in words',    'garbage',
        sub ($s) { _head($s, 'Content-Length: twenty') . $detail }],
    ['length-minus', 422, 'a Content-Length below zero',  'garbage',
        sub ($s) { _head($s, 'Content-Length: -20') . $detail }],
    ['length-huge',  422, 'a Content-Length that wraps',  'garbage',
        sub ($s) { _head($s, 'Content-Length: 18446744073709551636') . $detail }],
    ['long-line',    204, 'a header line without an end', 'garbage',
        sub ($s) { _line($s) . 'Server: ' . 'x' x 70_000 }],
    ['long-head',    204, 'a head too large',             'garbage',
        sub ($s) { _answer($s, "Server: xxxxxxxxxxx\r\n" x 4000) }],
    ['1xx-endless',  204, 'interim answers without end',  'garbage',
        sub ($s) { "HTTP/1.1 100 Continue\r\n\r\n" x 4000 }],
    ['no-colon',     204, 'a line without a colon',       'garbage',      sub ($s) { _answer($s, "Server\r\n") }],
    ['folded',       204, 'a folded line',                'garbage',
        sub ($s) { _answer($s, "Server: a\r\n b\r\n") }],
    ['nul',          204, 'a NUL',                        'garbage',      sub ($s) { _answer($s, "Server: a\0b\r\n") }],
    ['letters',      204, 'a status in letters',          'garbage',      sub ($s) { _answer('2o4') }],
    ['http2',        204, 'of HTTP/2',                    'garbage',      sub ($s) { "HTTP/2 $s\r\n\r\n" }],
    ['http0.9',      204, 'no head at all',               'garbage',      sub ($s) { '<p>Canceled</p>' }],
    ['blank',        204, 'an empty line before it',      'garbage',      sub ($s) { "\r\n" . _answer($s) }],
);

my %faults = map { $_->{name} => $_ } _connection_faults(), _request_faults();

# {name, kind (connection or request), point, does, what, received, said, status, type, length, bytes, then, ...}, ready to
# be done.
sub fault ($name) {
    my ($base, $status) = split /=/, $name =~ /^\d+$/ ? "answer=$name" : $name;
    my $fault = $faults{$base} // croak "no such fault: $name";
    $status //= $fault->{default} // 204;

    my %head = (status => undef, type => undef, length => undef);
    if (($fault->{said} // '') eq 'head') {
        my $body = $status != 204;
        %head = (status => $status + 0, type => $fault->{type} // ($body ? 'application/json' : ''),
                 length => $fault->{length} // ($body ? 20 : 0));
    }
    return { %$fault, name => $name, bytes => $fault->{makes}->($status), %head };
}

sub fault_names ($kind = undef) { return grep { !$kind || $faults{$_}{kind} eq $kind } sort keys %faults }

sub _connection_faults () {
    my %is = (kind => 'connection');
    my @faults = map {
        my ($name, $does, $unseen, $bytes, $then) = @$_;
        my ($shows, $point) = $name =~ /^(.*)-(\w+)$/;
        if ($shows eq 'certificate') { ($shows, $point) = ($point, 'handshake') }
        elsif ($shows !~ /^demand/) { undef $shows }
        +{ %is, name => $name, point => $point, does => $does, unseen => $unseen, shows => $shows, then => $then,
          makes => sub ($s) { $bytes }, what => $unseen eq 'never' ? 'nothing can have come' : 'nothing was read' };
    } @connections;

    return @faults, map {
        my ($name, $does, $received, $said, $default, $makes, $then) = @$_;
        +{ %is, name => $name, point => 'connected', does => $does, attributed => 1, unseen => 'never', received => $received,
          said => $said, default => $default, makes => $makes, then => $then, what => "$received, $said" };
    } @attributed;
}

sub _request_faults () {
    my %is = (kind => 'request');
    my @faults;
    for my $point (@points) {
        my ($name, $received, $said, $default, $bytes) = @$point;
        for my $act (qw(close cut reset stall half garbage), $name =~ /^(?:wait|text)$/ ? 'raw' : ()) {
            next if "$act-$name" eq 'stall-answer';     # not to be told from a connection that is kept
            my $speaks = $act eq 'garbage' ? $garbage : '';
            my $tells = $speaks && $said ne 'head' ? 'garbage' : $said;
            push @faults, { %is, name => "$act-$name", point => $name, received => $received, said => $tells,
                            default => $default, does => "$acts{$act} at the point \"$name\"", what => "$received, $tells",
                            makes => sub ($s) { $bytes->($s) . $speaks }, then => $speaks ? 'close' : $act };
        }
    }
    for my $answer (@answers) {
        my ($name, $default, $odd, $flags, $makes) = @$answer;
        my %has = map { $_ => 1 } split ' ', $flags;
        my $received = $has{unread} ? 'unread' : $has{part} ? 'part' : 'whole';
        my $said = $has{garbage} ? 'garbage' : 'head';
        push @faults, {
            %is, name => $name, point => 'answer', received => $received, said => $said, default => $default,
            does => "answers, odd: $odd", what => "$received, $said", makes => $makes,
            late => $has{late}, trickle => $has{trickle}, then => $has{keep} ? 'keep' : $has{reset} ? 'reset' : 'close',
            $has{html} ? (type => 'text/html', length => 9) : $has{empty} ? (type => '', length => 0) : (),
        };
    }
    my %named = map { $_->{name} => $_ } @faults;
    for my $turns (qw(deaf full)) {
        push @faults, map { +{ $named{$_->[0]}->%*, name => "$_->[1]-$turns", turns => $turns,
                               does => "$named{$_->[0]}{does}; then the listener is $turns" } }
                      ['close-wait', 'close'], ['close-answer', 'answer'];
    }
    return @faults;
}

sub _line ($status) { return "HTTP/1.1 $status Said by the test\r\n" }
sub _head ($status, @headers) { return _line($status) . $json . join('', map { "$_\r\n" } @headers) . "\r\n" }
sub _chunks ($status, $bytes, @headers) { return _head($status, 'Transfer-Encoding: chunked', @headers) . $bytes }

sub _answer ($status, $lines = '') {
    return _line($status) . $lines . ($status eq '204' ? "\r\n" : "${json}Content-Length: 20\r\n\r\n$detail");
}

sub _html ($status, $body) {
    return _line($status) . "Content-Type: text/html\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
}

1;
