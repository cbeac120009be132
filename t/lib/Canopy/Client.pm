package Canopy::Client;

# A raw HTTP/1.1 client: it sends what it is told and reads exactly one answer, within a time limit.

use v5.36;

use Carp qw(croak);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use MIME::Base64 qw(encode_base64url);
use Time::HiRes qw(time);

# A connection to 127.0.0.1:port or to a unix socket; tls => 1 or IO::Socket::SSL's options.
sub open_socket (%args) {
    my $socket = $args{unix}
        ? IO::Socket::UNIX->new(Peer => $args{unix})
        : IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $args{port}, Timeout => $args{timeout} // 30);
    return $socket if !$socket || !$args{tls};

    require IO::Socket::SSL;
    my %options = ref $args{tls} ? $args{tls}->%* : (SSL_verify_mode => 0);
    return IO::Socket::SSL->start_SSL($socket, Timeout => 30, %options)
        || croak 'TLS: ' . IO::Socket::SSL::errstr();
}

# Sends one request and reads its answer. Arguments: method, path, headers ([[name, value], ...]), body, or raw (the
# bytes); port, unix, tls or socket (an open connection); keep (leave the connection open: $res->socket); timeout.
sub request (%args) {
    my $socket = $args{socket} // open_socket(%args)
        or return Canopy::Client::Response->new(end => 'not connected');

    local $SIG{PIPE} = 'IGNORE';
    $socket->syswrite($args{raw} // request_text(%args));
    return read_response($socket, %args);
}

sub request_text (%args) {
    my @headers = ($args{headers} // [])->@*;
    my %given = map { lc $_->[0] => 1 } @headers;

    unshift @headers, ['Host', 'localhost'] unless $given{host};
    push @headers, ['Connection', 'close'] unless $given{connection} || $args{keep};
    push @headers, ['Content-Length', length $args{body}]
        if defined $args{body} && !$given{'content-length'} && !$given{'transfer-encoding'};

    return join '', ($args{method} // 'PATCH') . ' ' . ($args{path} // '/') . " HTTP/1.1\r\n",
                    (map { "$_->[0]: $_->[1]\r\n" } @headers), "\r\n", $args{body} // '';
}

# Reads one answer: its end is told by Content-Length, chunks or the connection's close. What is read beyond it stays
# with the socket for the next call. 1xx answers are left out.
sub read_response ($socket, %args) {
    my $in = { socket => $socket, bytes => delete ${*$socket}{canopy_rest} // '', raw => '',
               deadline => time + ($args{timeout} // 30) };
    my $res = Canopy::Client::Response->new(end => 'complete');

    do {
        my $head = _take_until($in, "\r\n\r\n") // return $res->ended($in);
        $res->parse_head($head);
    } while ($res->status >= 100 && $res->status < 200 && $res->status != 101);

    my $bodiless = ($args{method} // '') eq 'HEAD' || $res->status =~ /^(?:1..|204|304)$/;
    $res->{body} = $bodiless                                            ? ''
                 : lc $res->header('Transfer-Encoding') eq 'chunked'    ? _take_chunks($in)
                 : $res->header('Content-Length') =~ /^\d+$/            ? _take($in, $res->header('Content-Length'))
                 :                                                        _take_all($in);

    $res->ended($in);
    ${*$socket}{canopy_rest} = $in->{bytes};
    $args{keep} ? ($res->{socket} = $socket) : close $socket;
    return $res;
}

sub _fill ($in) {
    my $socket = $in->{socket};
    my $pending = $socket->can('pending') && $socket->pending;
    if (!$pending && !IO::Select->new($socket)->can_read($in->{deadline} - time > 0 ? $in->{deadline} - time : 0)) {
        $in->{end} = 'timeout';
        return 0;
    }
    my $read = sysread $socket, $in->{bytes}, 65536, length $in->{bytes};
    $in->{end} = defined $read ? 'closed' : 'reset' unless $read;
    return $read;
}

sub _take_until ($in, $mark) {
    my $at;
    while (($at = index $in->{bytes}, $mark) < 0) {
        _fill($in) or return;
    }
    return _take($in, $at + length $mark);
}

sub _take ($in, $length) {
    while (length $in->{bytes} < $length) {
        _fill($in) or last;
    }
    my $bytes = substr $in->{bytes}, 0, $length, '';
    $in->{raw} .= $bytes;
    return $bytes;
}

sub _take_all ($in) {
    1 while _fill($in);
    delete $in->{end} if $in->{end} eq 'closed';
    return _take($in, length $in->{bytes});
}

sub _take_chunks ($in) {
    my $body = '';
    while (defined(my $size = _take_until($in, "\r\n"))) {
        my $length = hex($size =~ /^([0-9a-f]+)/i ? $1 : 0);
        $body .= substr _take($in, $length + 2), 0, $length;
        last if !$length;
    }
    return $body;
}

# A token in the shape of a signed JWT. A claim that is undef is left out; header => {...} changes the header.
sub jwt (%claims) {
    my %header = (alg => 'RS256', typ => 'JWT', (delete $claims{header} // {})->%*);
    my %payload = (iss => 'https://clients.example/', sub => 'client-1', exp => int(time) + 3600, %claims);
    defined $payload{$_} or delete $payload{$_} for keys %payload;

    my $json = JSON::PP->new->utf8->canonical;
    return join '.', map { encode_base64url($_) } $json->encode(\%header), $json->encode(\%payload), 'signature' x 28;
}

# What keeps an answer from being one of the gateway's error answers: a list of sentences, empty if nothing does.
sub schema_faults ($res) {
    my @faults;
    my %always = (
        'Content-Type'   => qr{^application/json$},
        'Cache-Control'  => qr{^no-store$},
        'X-Request-ID'   => qr{^[A-Za-z0-9._:-]{1,128}$},
        'Canopy-Outcome' => qr{^(?:accepted|rejected|denied|not-sent|unknown)$},
    );
    for my $name (sort keys %always) {
        my $value = $res->header($name);
        push @faults, "header $name is '$value'" if $value !~ $always{$name};
    }

    my $json = eval { $res->json } // return (@faults, 'the body is not JSON: ' . $res->body);
    return (@faults, 'the body is not an object with the one key detail')
        if ref $json ne 'HASH' || join(',', keys %$json) ne 'detail';
    return (@faults, 'detail is not an array with at least one entry')
        if ref $json->{detail} ne 'ARRAY' || !$json->{detail}->@*;

    for my $entry ($json->{detail}->@*) {
        if (ref $entry ne 'HASH' || join(',', sort keys %$entry) ne 'loc,msg,type') {
            push @faults, 'an entry has other keys than loc, msg, type';
            next;
        }
        push @faults, "$_ is not a string" for grep { _kind($entry->{$_}) ne 'string' } qw(msg type);
        push @faults, 'loc is not an array of strings and integers'
            if ref $entry->{loc} ne 'ARRAY' || !$entry->{loc}->@*
            || grep { _kind($_) !~ /^(?:string|integer)$/ } $entry->{loc}->@*;
    }
    return @faults;
}

# JSON::PP writes a string in quotes and a number without.
sub _kind ($value) {
    my $text = JSON::PP->new->allow_nonref->allow_bignum->encode($value);
    return $text =~ /^"/ ? 'string' : $text =~ /^-?\d+$/ ? 'integer' : 'other';
}

package Canopy::Client::Response;

sub new ($class, %self) {
    return bless { status => 0, headers => [], head => '', body => '', raw => '', %self }, $class;
}

sub status ($self)      { return $self->{status} }         # 0: no answer came, ->end says why
sub body ($self)        { return $self->{body} }
sub raw ($self)         { return $self->{raw} }            # all bytes read, as they came
sub headers_raw ($self) { return $self->{head} }
sub socket ($self)      { return $self->{socket} }
sub end ($self)         { return $self->{end} }            # complete, timeout, closed, reset, not connected

sub json ($self) { return JSON::PP->new->utf8->allow_nonref->allow_bignum->decode($self->{body}) }

# The values of all headers of that name, joined; '' if there is none.
sub header ($self, $name) { return join ', ', map { $_->[1] } grep { lc $_->[0] eq lc $name } $self->{headers}->@* }

sub parse_head ($self, $head) {
    my ($status_line, @lines) = split /\r\n/, $head;
    $self->{head} = $head;
    $self->{status} = $status_line =~ m{^HTTP/1\.[01] (\d{3})(?: |$)} ? $1 + 0 : 0;
    $self->{headers} = [map { [/^([^:]*):[ \t]*(.*?)[ \t]*$/] } @lines];
}

sub ended ($self, $in) {
    $self->{raw} = $in->{raw} . ($in->{end} ? $in->{bytes} : '');
    $self->{end} = $in->{end} if $in->{end};
    return $self;
}

1;
