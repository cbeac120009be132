package Canopy::Load;

# Many requests at a time, each accounted for: it has an answer, or there is a reason why not.
#
#     my $load = Canopy::Load->new(port => $t->port('http'), request => sub ($n) { return $bytes });
#     $load->run(requests => 10_000);         # or seconds => 10; and again, if wished
#     $load->answers;                         # { '204 accepted' => 9_990, '401 denied' => 10 }
#     $load->failures;                        # a list of { n, reason, port }
#
# Options: port, or a list of which request n gets the n-th, in turn (a kept connection stays with its own); connections at a
# time (32; also one of run); keep => 1 (many requests over one connection; without it the request is to say Connection:
# close); next (0: the first one's number); patience (30: seconds until a request is given up); header (the name of one whose
# value is the third word of an answer);
# answered => sub ($n, $answer, $seconds) for each answer; tick => sub for every second.

use v5.36;

use Carp qw(croak);
use Errno qw(EAGAIN);
use Fcntl qw(F_SETFL O_NONBLOCK);
use Socket qw(AF_INET IPPROTO_TCP SOCK_STREAM TCP_NODELAY inet_aton pack_sockaddr_in unpack_sockaddr_in);
use Time::HiRes qw(time);

sub new ($class, %self) {
    return bless { connections => 32, keep => 0, patience => 30, answers => {}, failures => [], unread => [],
                   next => 0, again => [], open => {}, bits => '', %self }, $class;
}

sub answers ($self) { return $self->{answers} }

sub failures ($self) { return $self->{failures}->@* }

# The numbers of the requests that met a kept connection that was closed without a byte of an answer. Each was sent again,
# on a new connection, and has its answer.
sub unread ($self) { return $self->{unread}->@* }

# How many requests there were, all runs together.
sub requests ($self) { return $self->{next} }

sub run ($self, %until) {
    $self->{connections} = $until{connections} if $until{connections};
    local $SIG{PIPE} = 'IGNORE';
    my $start = my $last = time;
    $self->{last} = $until{requests} ? $self->{next} + $until{requests} : undef;

    while ($self->_top_up) {
        select my $ready = $self->{bits}, undef, undef, 0.1;
        for my $fd (keys $self->{open}->%*) {
            $self->_read($self->{open}{$fd}) if vec $ready, $fd, 1;
        }

        my $now = time;
        $self->{last} //= $self->{next} if $until{seconds} && $now >= $start + $until{seconds};
        next if $now < $last + 1;
        $last = $now;
        $self->_give_up($_, 'not answered in time')
            for grep { $now > $_->{since} + $self->{patience} } values $self->{open}->%*;
        $self->{tick}->() if $self->{tick} && !$self->_finished;
    }
    return $self;
}

# As many connections as there ought to be, each with a request; false when all requests have ended.
sub _top_up ($self) {
    for (1 + keys $self->{open}->%* .. $self->{connections}) {
        my $n = shift $self->{again}->@* // ($self->_finished ? last : $self->{next}++);
        $self->_begin($n);
    }
    return $self->{open}->%* || !$self->_finished;
}

sub _begin ($self, $n) {
    socket my $socket, AF_INET, SOCK_STREAM, IPPROTO_TCP or croak "socket: $!";
    my $c = { socket => $socket, fd => fileno $socket, n => $n, since => time, used => 0, in => '' };
    $self->{open}{$c->{fd}} = $c;
    vec($self->{bits}, $c->{fd}, 1) = 1;

    # the kernel of this machine answers at once, or there is no server
    my $port = ref $self->{port} ? $self->{port}[$n % $self->{port}->@*] : $self->{port};
    return $self->_give_up($c, "connect: $!") if !connect $socket, pack_sockaddr_in($port, inet_aton('127.0.0.1'));
    $c->{port} = (unpack_sockaddr_in(getsockname $socket))[0];
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
    fcntl $socket, F_SETFL, O_NONBLOCK;
    $self->_write($c);
}

sub _finished ($self) { return defined $self->{last} && $self->{next} >= $self->{last} }

# What the connection's end has to say is read, whether it could be written to or not.
sub _write ($self, $c) {
    my $bytes = $self->{request}->($c->{n});
    my $written = syswrite $c->{socket}, $bytes;
    croak 'a request is too large to be written at once' if defined $written && $written < length $bytes;
}

sub _read ($self, $c) {
    my $count = sysread $c->{socket}, $c->{in}, 65536, length $c->{in};
    return if !defined $count && $! == EAGAIN;
    return $self->_ended($c, defined $count ? 'closed' : "$!") if !$count;

    my $end = index $c->{in}, "\r\n\r\n";
    return if $end < 0;
    my $head = substr $c->{in}, 0, $end;
    my ($status) = $head =~ m{^HTTP/1\.1 (\d{3}) } or return $self->_give_up($c, "not an answer: $head");
    my $length = $status == 204 ? 0 : $head =~ /^Content-Length: (\d+)\r?$/im ? $1 : return;
    my $more = length($c->{in}) - ($end + 4 + $length);
    return if $more < 0;
    return $self->_give_up($c, 'more than an answer') if $more > 0;

    my $outcome = $head =~ /^Canopy-Outcome: (\S+)/im ? $1 : '-';
    $outcome .= " $1" if $self->{header} && $head =~ /^\Q$self->{header}\E: (\S+)/im;
    $self->_answered($c, "$status $outcome", $head !~ /^Connection: close\r?$/im);
}

sub _answered ($self, $c, $answer, $open) {
    $self->{answers}{$answer}++;
    $self->{answered}->($c->{n}, $answer, time - $c->{since}) if $self->{answered};

    return $self->_close($c) if !$self->{keep} || !$open || $self->_finished;
    @$c{qw(n since in)} = ($self->{next}++, time, '');
    $c->{used}++;
    $self->_write($c);
}

# An answer without a length ends with the connection; the gateway has none.
sub _ended ($self, $c, $how) {
    return $self->_give_up($c, $how) if !$c->{used} || length $c->{in};

    push $self->{$_}->@*, $c->{n} for qw(unread again);
    $self->_close($c);
}

sub _give_up ($self, $c, $reason) {
    push $self->{failures}->@*, { n => $c->{n}, port => $c->{port}, reason => $reason };
    $self->_close($c);
}

sub _close ($self, $c) {
    vec($self->{bits}, $c->{fd}, 1) = 0;
    delete $self->{open}{$c->{fd}};
    close $c->{socket};
}

1;
