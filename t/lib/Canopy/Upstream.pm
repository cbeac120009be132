package Canopy::Upstream;

# A scripted upstream: a listener in a child process, each connection in a child of that. What came in is written to a
# file, one JSON text per line, so that the test can ask for it; a handler's own variables stay in its process.

use v5.36;

use Carp qw(croak);
use Exporter qw(import);
use Fcntl qw(:DEFAULT :flock);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use Time::HiRes ();

use Canopy::Process qw(spawn end_process wait_until);

our @EXPORT_OK = qw(reply);

my $json = JSON::PP->new->ascii->canonical;     # bytes above 127 as \u00XX: they come back as the same bytes

# Options: log (file), port or unix, address (127.0.0.1), handler, hook, tls ({cert, key, chain, client_ca, SSL_...});
# or serve, a sub that gets this object, a Connection and its number and does everything itself.
sub new ($class, %self) {
    my $self = bless \%self, $class;
    my $listener = $self->_listen;
    my $context = $self->{tls} && !$self->{serve} && tls_context($self->{tls});
    unlink "$self->{log}.state";
    $self->{pid} = spawn(sub { $self->_accept($listener, $context) });
    return $self;
}

sub stop ($self) {
    end_process(delete $self->{pid}) if $self->{pid};
    unlink $self->{unix} if $self->{unix};
}

# What the listener does, from now on and for new connections only: open; deaf, connections are refused; full, its queue is
# full. May be called by the test or by a connection's process, and returns when it is so.
sub turn ($self, $state) {
    my $file = "$self->{log}.state";
    _put("$file.wanted", $state);
    wait_until(sub { _get($file) });
    kill 'USR1', $self->{acceptor} // $self->{pid};
    return wait_until(sub { _get($file) eq $state }) || croak "the listener is not $state";
}

# All that was noted: {event => 'accept' | 'tls_error' | 'request' | 'rest' | 'died', at, conn_no, ...} in the order of
# time. A rest is bytes behind the last request on a connection that are none.
sub events ($self) {
    my $read = $self->{read} //= { bytes => 0, events => [] };
    open my $fh, '<', $self->{log} or return;
    seek $fh, $read->{bytes}, 0;
    while (my $line = <$fh>) {
        last if $line !~ /\n\z/;
        $read->{bytes} += length $line;
        push $read->{events}->@*, bless $json->decode($line), 'Canopy::Upstream::Request';
    }
    return $read->{events}->@*;
}

# What was noted since the last call of this.
sub news ($self) {
    my $told = $self->{told} // 0;
    my @events = $self->events;
    $self->{told} = @events;
    return @events[$told .. $#events];
}

sub _listen ($self, $backlog = 512) {
    if ($self->{unix}) {
        unlink $self->{unix};
        my $listener = IO::Socket::UNIX->new(Local => $self->{unix}, Listen => $backlog) or croak "$self->{unix}: $!";
        chmod 0666, $self->{unix};
        return $listener;
    }
    my $address = $self->{address} // '127.0.0.1';
    return IO::Socket::INET->new(LocalAddr => $address, LocalPort => $self->{port}, ReuseAddr => 1, Listen => $backlog)
        || croak "$address:$self->{port}: $!";
}

sub _connect ($self) {
    return $self->{unix} ? IO::Socket::UNIX->new(Peer => $self->{unix}, Blocking => 0)
        : IO::Socket::INET->new(PeerAddr => $self->{address} // '127.0.0.1', PeerPort => $self->{port}, Blocking => 0);
}

# One context for all connections, so that TLS sessions can be resumed.
sub tls_context ($tls) {
    require IO::Socket::SSL;
    my %options = $tls->%*;
    my ($cert, $key, $ca, $chain, $client_ca) = delete @options{qw(cert key ca chain client_ca)};
    return IO::Socket::SSL::SSL_Context->new(
        SSL_server => 1, SSL_cert_file => $chain // $cert, SSL_key_file => $key,
        SSL_session_id_context => 'canopy', SSL_verify_mode => 0,
        $client_ca ? (SSL_ca_file => $client_ca, SSL_verify_mode => 3) : (), %options,
    ) || croak 'TLS: ' . IO::Socket::SSL::errstr();
}

sub _accept ($self, $listener, $context) {
    local $SIG{CHLD} = 'IGNORE';
    my ($state, @queue) = ('open');
    local $SIG{USR1} = sub {
        close $_ for grep { $_ } $listener, @queue;
        $state = _get("$self->{log}.state.wanted");
        undef $listener;
        # a connection's process that has just begun may still hold the old one
        $state eq 'deaf' || wait_until(sub { $listener = eval { $self->_listen($state eq 'full' ? 1 : 512) } }) || die $@;
        @queue = $state eq 'full' ? map { $self->_connect } 1 .. 8 : ();
        _put("$self->{log}.state", $state);
    };
    $self->{acceptor} = $$;
    _put("$self->{log}.state", $state);

    # a signal may come just before a call that blocks: none blocks for long
    for (my $no = 1; ; ) {
        if ($state ne 'open') {
            select undef, undef, undef, 0.1;
            next;
        }
        # or between two lines, which then deal with a closed one
        my $open = $listener;
        next if !IO::Select->new($open)->can_read(1) || $state ne 'open';
        no warnings 'closed';
        my $socket = $open->accept or next;
        my $conn_no = $no++;
        spawn(sub {
            local @SIG{qw(CHLD USR1)} = ('DEFAULT') x 2;
            close $listener;
            eval { $self->_serve($socket, $conn_no, $context); 1 }
                or $self->note({ event => 'died', conn_no => $conn_no, message => "$@" });
        });
        close $socket;
    }
}

sub _serve ($self, $socket, $conn_no, $context) {
    my $conn = Canopy::Upstream::Connection->new($socket);
    my %about = (conn_no => $conn_no);
    $self->note({ event => 'accept', %about });
    return $self->{serve}->($self, $conn, $conn_no) if $self->{serve};

    if ($self->{hook}) {
        return $conn->close if ($self->{hook}->($conn, $conn_no) // '') eq 'close';
    }
    if ($context) {
        my $tls = $conn->start_tls($context)
            or return $self->note({ event => 'tls_error', %about, message => IO::Socket::SSL::errstr() });
        %about = (%about, sni => $tls->get_servername, tls_version => $tls->get_sslversion,
                  tls_reused => $tls->get_session_reused ? 1 : 0);
    }

    for (my $req_no = 1; my $req = $conn->read_request; $req_no++) {
        $req = $self->note({ event => 'request', %about, req_no => $req_no, %$req });
        my $answer = $self->{handler} ? $self->{handler}->($conn, $req, $req->{n}) : reply(204);
        last if $conn->{closed};
        next if !defined $answer;
        last if $answer eq 'close';
        $conn->print($answer);
        last if $answer =~ /^[^\n]*\n(?:[^\r\n]+\r\n)*?Connection:[ \t]*close\r\n/i;
    }
    $self->note({ event => 'rest', %about, bytes => $conn->{bytes} }) if length $conn->{bytes};
    $conn->close;
}

# Writes a line; a request gets its number.
sub note ($self, $event) {
    sysopen my $fh, $self->{log}, O_WRONLY | O_APPEND | O_CREAT or croak "$self->{log}: $!";
    flock $fh, LOCK_EX;
    $event->{at} = Time::HiRes::time();
    $event->{n} = _next("$self->{log}.count") if $event->{event} eq 'request';
    syswrite $fh, $json->encode($event) . "\n";
    close $fh;
    return bless $event, 'Canopy::Upstream::Request';
}

# A file with one word, replaced in one step.
sub _put ($file, $word) {
    open my $fh, '>', "$file.$$" or croak "$file: $!";
    print $fh $word;
    close $fh or croak "$file: $!";
    rename "$file.$$", $file or croak "$file: $!";
}

sub _get ($file) {
    open my $fh, '<', $file or return '';
    return <$fh> // '';
}

sub _next ($file) {
    sysopen my $fh, $file, O_RDWR | O_CREAT or croak "$file: $!";
    sysread $fh, my $last, 20;
    my $n = ($last || 0) + 1;
    sysseek $fh, 0, 0;
    syswrite $fh, $n;
    return $n;
}

# An answer's bytes: reply(422, $body, 'Content-Type: application/json', ...).
sub reply ($status, $body = undef, @headers) {
    push @headers, 'Content-Length: ' . length($body // '')
        if $status != 204 && !grep { /^(?:Content-Length|Transfer-Encoding):/i } @headers;
    return join "\r\n", "HTTP/1.1 $status Said by the test", @headers, '', $body // '';
}

package Canopy::Upstream::Request;

# {method, target, version, headers ([[name, value], ...]), body, raw, conn_no, req_no (on this connection),
# n (overall)}; with TLS sni, tls_version, tls_reused.

sub header ($self, $name) { return join ', ', map { $_->[1] } grep { lc $_->[0] eq lc $name } $self->{headers}->@* }

package Canopy::Upstream::Connection;

use IO::Select;
use Socket qw(IPPROTO_TCP MSG_PEEK SOL_SOCKET SO_LINGER TCP_NODELAY);
use Time::HiRes ();

use constant SIOCOUTQNSD => 0x894b;

# What is sent goes out at once, in as many segments.
sub new ($class, $socket) {
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1 if $socket->isa('IO::Socket::INET');
    return bless { socket => $socket, bytes => '' }, $class;
}

# Sends bytes; false if the peer is gone.
sub print ($self, $bytes) {
    while (length $bytes) {
        my $sent = $self->{socket}->syswrite($bytes) or return;
        substr $bytes, 0, $sent, '';
    }
    return 1;
}

sub sleep ($self, $seconds) { Time::HiRes::sleep($seconds) }

sub close ($self) {
    $self->{closed} = 1;
    CORE::close $self->{socket};
}

# Closes with a TCP reset.
sub reset ($self) {
    $self->{closed} = 1;
    setsockopt $self->{socket}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    $self->cut;
}

# Closes; over TLS without a word of it, as an attacker would do.
sub cut ($self) {
    $self->{closed} = 1;
    POSIX::close(fileno $self->{socket});
}

# Sends bytes past TLS.
sub raw ($self, $bytes) { POSIX::write(fileno $self->{socket}, $bytes, length $bytes) }

# Waits until all that was sent is out: what a reset drops is then at most what the peer has not read.
sub flush ($self) {
    return Canopy::Process::wait_until(sub {
        my $unsent = pack 'i', 0;
        return !ioctl($self->{socket}, SIOCOUTQNSD, $unsent) || unpack('i', $unsent) == 0;
    });
}

# Starts TLS on this connection; false if the handshake fails, $IO::Socket::SSL::SSL_ERROR says why.
sub start_tls ($self, $context) {
    return IO::Socket::SSL->start_SSL($self->{socket}, SSL_server => 1, SSL_reuse_ctx => $context);
}

# No more bytes from us; we can still read.
sub half_close ($self) { shutdown $self->{socket}, 1 }

# More bytes, '' if there are none in time or the peer has closed.
sub read ($self, $timeout = 30) {
    my $pending = $self->{socket}->can('pending') && $self->{socket}->pending;
    return '' if !$pending && !IO::Select->new($self->{socket})->can_read($timeout);
    sysread $self->{socket}, my $bytes, 65536 or $self->{eof} = 1;
    return $bytes // '';
}

# Waits until the peer closes; false if it does not in time.
sub wait_closed ($self, $timeout = 30) {
    my $deadline = Time::HiRes::time() + $timeout;
    while (!$self->{eof} && (my $left = $deadline - Time::HiRes::time()) > 0) {
        $self->read($left);
    }
    return $self->{eof};
}

# The first line that has come or comes, which stays unread; undef when the peer closes.
sub peek_line ($self) {
    my $socket = $self->{socket};
    while ($self->{bytes} !~ /\n/) {
        my $bytes = '';
        if ($socket->isa('IO::Socket::SSL')) { $socket->peek($bytes, 16384) or return }
        else { defined recv $socket, $bytes, 16384, MSG_PEEK or return; length $bytes or return }

        return $1 if "$self->{bytes}$bytes" =~ /^([^\n]*)\n/;
        Time::HiRes::sleep(0.001);
    }
    return $self->{bytes} =~ s/\n.*//sr;
}

# Reads so many bytes of the request, no more.
sub read_bytes ($self, $length) {
    while (length $self->{bytes} < $length) {
        my $left = $length - length $self->{bytes};
        sysread $self->{socket}, $self->{bytes}, $left, length $self->{bytes} or last;
    }
    return substr $self->{bytes}, 0, $length, '';
}

# One request: head and body. Undef when the peer closes.
sub read_request ($self) {
    while ($self->{bytes} !~ /\r\n\r\n/) {
        $self->_more or return;
    }
    my $head = substr $self->{bytes}, 0, index($self->{bytes}, "\r\n\r\n") + 4, '';
    my ($request_line, @lines) = split /\r\n/, $head;
    my ($method, $target, $version) = split / /, $request_line, 3;
    my @headers = map { [/^([^:]*):[ \t]*(.*?)[ \t]*$/] } @lines;

    my ($length) = map { $_->[1] } grep { lc $_->[0] eq 'content-length' } @headers;
    while (length $self->{bytes} < ($length // 0)) {
        $self->_more or return;
    }
    my $body = substr $self->{bytes}, 0, $length // 0, '';
    return { method => $method, target => $target, version => $version, headers => \@headers, body => $body,
             raw => $head . $body };
}

sub _more ($self) { return sysread $self->{socket}, $self->{bytes}, 65536, length $self->{bytes} }

1;
