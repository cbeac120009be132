package Canopy::Crowd;

# Many clients at once in one process, on nonblocking sockets. Each has a script, and an answer is waited for at its end:
#
#     my $crowd = Canopy::Crowd->new(port => 8080);
#     $crowd->enter(script => [[send => $half], [pause => 0.2], [send => $rest]], done => sub ($visit) { ... });
#     $crowd->enter(script => [[send => $half], ['reset']], done => ...);
#     $crowd->turn while $crowd->size;
#
# Steps: send, pause, shut (no more bytes from here), and close and reset, after which there is no answer. keep => 1 leaves
# the connection to the next client with kept => 1. limit: seconds until a client has had enough (30).
#
# A visit: answer (a Canopy::Client::Response, if one came), end (complete, closed, reset, timeout, left, not connected), reused
# (the connection was a kept one), sent (all of the script's bytes were), began, ended.

use v5.36;

use Errno qw(EAGAIN EINPROGRESS EINTR);
use IO::Socket::INET;
use POSIX ();
use Socket qw(IPPROTO_TCP MSG_PEEK SOL_SOCKET SO_LINGER TCP_NODELAY);
use Time::HiRes qw(time);

use Canopy::Client;

sub new ($class, %self) { return bless { %self, clients => {}, idle => [] }, $class }

sub size ($self) { return scalar keys $self->{clients}->%* }

sub enter ($self, %client) {
    my $client = { limit => 30, in => '', %client, visit => { began => time, sent => 0 } };
    my $visit = $client->{visit};

    my $socket = $client->{kept} && $self->_idle;
    $visit->{reused} = $socket ? 1 : 0;
    $socket ||= IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Timeout => 10);

    if (!$socket) {
        @$visit{qw(end ended)} = ('not connected', time);
        return $client->{done}->($visit);
    }
    $socket->blocking(0);
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;

    $client->{socket} = $socket;
    $client->{deadline} = $visit->{began} + $client->{limit};
    $self->{clients}{fileno $socket} = $client;
    $self->_advance($client);
}

# Serves all clients for a while: until something has happened, at most that long.
sub turn ($self, $longest = 0.1) {
    my ($now, $reads, $writes) = (time, '', '');
    my $until = $now + $longest;

    for my $fd (keys $self->{clients}->%*) {
        my $client = $self->{clients}{$fd};
        my $step = $client->{script}[0];

        if (!$step)                  { vec($reads, $fd, 1) = 1 }
        elsif ($step->[0] eq 'send') { vec($writes, $fd, 1) = 1 }

        my $due = $step && $step->[0] eq 'pause' ? $client->{paused} : $client->{deadline};
        $until = $due if $due < $until;
    }

    my $wait = $until > $now ? $until - $now : 0;
    select $reads, $writes, undef, $wait;
    $now = time;

    for my $fd (keys $self->{clients}->%*) {
        my $client = $self->{clients}{$fd} or next;
        if (vec($reads, $fd, 1))                            { $self->_read($client) }
        elsif (vec($writes, $fd, 1))                        { $self->_advance($client) }
        elsif ($now >= $client->{deadline})                 { $self->_end($client, 'timeout') }
        elsif (($client->{paused} // $now + 1) <= $now)     { $self->_advance($client) }
    }
}

# Steps, as far as they go without waiting.
sub _advance ($self, $client) {
    my $socket = $client->{socket};
    my $script = $client->{script};

    while (my $step = $script->[0]) {
        my $what = $step->[0];

        if ($what eq 'send') {
            local $SIG{PIPE} = 'IGNORE';
            my $sent = syswrite $socket, $step->[1];
            return if !defined $sent && ($! == EAGAIN || $! == EINTR);
            # who is refused early finds the answer, if there is one
            return $self->_unheard($client) if !defined $sent;
            substr $step->[1], 0, $sent, '';
            next if length $step->[1];

        } elsif ($what eq 'pause') {
            $client->{paused} //= time + $step->[1];
            return if time < $client->{paused};
            delete $client->{paused};

        } elsif ($what eq 'shut') {
            shutdown $socket, 1;

        } else {
            $client->{visit}{sent} = 1;
            setsockopt $socket, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0 if $what eq 'reset';
            return $self->_end($client, 'left');
        }
        shift @$script;
    }
    $client->{visit}{sent} = 1;
}

sub _unheard ($self, $client) {
    $client->{script}->@* = ();
    $self->_read($client);
}

sub _read ($self, $client) {
    my $read = sysread $client->{socket}, $client->{in}, 65536, length $client->{in};
    return if !defined $read && ($! == EAGAIN || $! == EINTR);

    my $answer = _answer($client->{in}, !$read);
    return $self->_end($client, 'complete', $answer) if $answer;
    return $self->_end($client, defined $read ? 'closed' : 'reset') if !$read;
}

# The answer, if these bytes are a whole one.
sub _answer ($bytes, $is_all) {
    my $answer = Canopy::Client::Response->new(end => 'complete', raw => $bytes);
    my $at = 0;
    do {
        my $end = index $bytes, "\r\n\r\n", $at;
        return if $end < 0;
        $answer->parse_head(substr $bytes, $at, $end + 4 - $at);
        $at = $end + 4;
    } while ($answer->status >= 100 && $answer->status < 200);

    my $length = $answer->status == 204 ? 0 : $answer->header('Content-Length');
    return if $length eq '' ? !$is_all : length($bytes) - $at < $length;

    $answer->{body} = substr $bytes, $at;
    $answer->{extra} = $length ne '' && length($bytes) - $at > $length;
    return $answer;
}

sub _end ($self, $client, $end, $answer = undef) {
    my ($socket, $visit) = @$client{qw(socket visit)};
    delete $self->{clients}{fileno $socket};
    @$visit{qw(end ended answer)} = ($end, time, $answer);

    my $close = !$answer || !$client->{keep} || lc $answer->header('Connection') eq 'close';
    $close ? close $socket : push $self->{idle}->@*, $socket;
    $client->{done}->($visit);
}

# A kept connection that is open and quiet, as far as one can know.
sub _idle ($self) {
    while (my $socket = shift $self->{idle}->@*) {
        return $socket if !defined recv($socket, my $byte, 1, MSG_PEEK) && $! == EAGAIN;
        close $socket;
    }
    return;
}

1;
