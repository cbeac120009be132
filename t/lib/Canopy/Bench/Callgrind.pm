package Canopy::Bench::Callgrind;

# Instructions that nginx executes for a request, user space alone, counted by valgrind: the same on a busy machine.
#
#     my $ir = Canopy::Bench::Callgrind::per_request($nginx, $requests, status => 204);
#
# One request after the other over one connection, each sent when nginx waits again, so that it does the same for each. What
# a thousand cost is taken from what two thousand cost: (2000 - 1000) / 1000.

use v5.36;

use Carp qw(croak);
use Socket qw(AF_INET IPPROTO_TCP SOCK_STREAM TCP_NODELAY inet_aton pack_sockaddr_in);

use Canopy::Process qw(alive end_process wait_until);

# USR1 has nginx call this function, and valgrind writes down what it has counted by then.
my $marked = 'ngx_reopen_files';

# Options: status (of each answer), count (1000), warm (1000: requests before that), prepare (a sub that gets this object and
# does so itself), port ('http'). A request's number goes on from one to the next.
sub per_request ($nginx, $requests, %opt) {
    my $self = bless { nginx => $nginx, requests => $requests, n => 0, marks => 0, port => 'http', %opt }, __PACKAGE__;
    my $count = $opt{count} // 1000;

    $self->_start;
    $opt{prepare}->($self) if $opt{prepare};
        $self->send($opt{warm} // 1000);
    $self->_mark;
    $self->send($count);
    my $once = $self->_mark;
    $self->send(2 * $count);
    my $twice = $self->_mark;
    $self->_end;

    return ($twice - $once) / $count;
}

sub pid ($self) { return $self->{pid} }

sub _start ($self) {
    my $nginx = $self->{nginx};
    unlink glob $nginx->path('callgrind.out*');
    $self->{pid} = $nginx->foreground('valgrind', '--tool=callgrind', "--dump-before=$marked",
                                      '--callgrind-out-file=' . $nginx->path('callgrind.out'));
    $self->{socket} = wait_until(sub { $self->_open }, 60) or croak "nginx does not start:\n" . $nginx->read('foreground.out');
}

# One more than that which is used.
sub open_connection ($self) { return $self->_open // croak "connect: $!" }

sub _open ($self) {
    socket my $socket, AF_INET, SOCK_STREAM, IPPROTO_TCP or croak "socket: $!";
    my $port = $self->{nginx}->port($self->{port});
    CORE::connect $socket, pack_sockaddr_in($port, inet_aton('127.0.0.1')) or return;
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
    return $socket;
}

# So many requests, one at a time.
sub send ($self, $count) {
    for (1 .. $count) {
        $self->write;
        $self->read;
        $self->_idle;
    }
}

sub write ($self, $socket = $self->{socket}) {
    my $text = $self->{requests}->text($self->{n}++);
    croak "write: $!" if (syswrite($socket, $text) // 0) != length $text;
}

# One answer, whose end is told by its length or its last chunk.
sub read ($self, $socket = $self->{socket}) {
    my $in = '';
    while (1) {
        local $SIG{ALRM} = sub { croak "request $self->{n} is not answered" };
        alarm 60;
        sysread $socket, $in, 65536, length $in or croak "request $self->{n}: closed after '$in'";
        alarm 0;

        my $end = index $in, "\r\n\r\n";
        next if $end < 0;
        my $head = substr $in, 0, $end;
        croak "request $self->{n} is answered: $in" if $head !~ m{^HTTP/1\.1 $self->{status} };

        last if $self->{status} == 204;
        last if $head =~ /^Content-Length: (\d+)\r?$/im && length($in) >= $end + 4 + $1;
        last if $head =~ /^Transfer-Encoding: chunked\r?$/im && $in =~ /\r\n0\r\n\r\n\z/;
    }
}

# A client that is faster finds nginx in the middle of what it does behind an answer.
sub _idle ($self) {
    for (1 .. 100_000) {
        open my $fh, '<', "/proc/$self->{pid}/stat" or croak "nginx has ended:\n" . $self->{nginx}->read('foreground.out');
        return if <$fh> =~ /\) S /;
    }
    croak 'nginx does not wait for requests';
}

# Instructions since the last mark.
sub _mark ($self) {
    my $file = $self->{nginx}->path('callgrind.out.' . ++$self->{marks});
    my $read = sub {
        open my $fh, '<', $file or return;
        my ($total) = map { /^totals: (\d+)/ } <$fh>;
        return $total;
    };
    kill 'USR1', $self->{pid};
    my $total = wait_until($read, 60) or croak 'valgrind does not count';
    $self->_idle;
    return $total;
}

sub _end ($self) {
    close $self->{socket};
    kill 'TERM', $self->{pid};
    wait_until(sub { !alive($self->{pid}) }, 60);
    end_process($self->{pid});
}

1;
