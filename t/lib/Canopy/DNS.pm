package Canopy::DNS;

# A scripted name server on a UDP port of 127.0.0.1: it answers from a zone that the test can change at any time.
#
#     my $dns = Canopy::DNS->new($t, 'dns');      # in nginx.conf: resolver 127.0.0.1:%%PORT_dns%%;
#     $dns->set('canopy.test', a => ['127.0.0.1', '127.0.0.2'], ttl => 1);
#     $dns->set('canopy.test', rcode => 3);       # NXDOMAIN, as of every name that is not set; 2 is SERVFAIL
#     $dns->set('canopy.test', silent => 1);
#     $dns->queries('canopy.test');               # how often its A record was asked for
#     $dns->stop;                                 # nobody listens on its port
#     $dns->start;                                # again

use v5.36;

use Carp qw(croak);
use IO::Socket::INET;
use JSON::PP;
use Socket qw(AF_INET6 inet_aton inet_pton);
use Time::HiRes qw(sleep);

use Canopy::Process qw(spawn end_process);

use constant { A => 1, AAAA => 28, IN => 1 };

my $json = JSON::PP->new->canonical;

sub new ($class, $t, $name) {
    my $self = bless { zone => $t->path("$name.zone"), log => $t->path("$name.queries"), names => {} }, $class;

    # a port that no client is given, and so one to come back to
    $self->{port} = $t->port($name);
    close pop $t->{reserved}->@*;

    $self->_write;
    $self->start;
    return $self;
}

sub start ($self) {
    my %at = (LocalAddr => '127.0.0.1', LocalPort => $self->{port});
    my $socket = IO::Socket::INET->new(%at, Proto => 'udp') or croak "udp: $!";
    $self->{pid} = spawn(sub { $self->_serve($socket) });
}

sub stop ($self) { end_process(delete $self->{pid}) }

# a and aaaa (lists of addresses), ttl (60), rcode (0), delay (seconds), silent.
sub set ($self, $name, %records) {
    $self->{names}{$name} = \%records;
    $self->_write;
}

sub queries ($self, $name) {
    open my $fh, '<', $self->{log} or return 0;
    return scalar grep { $_ eq "$name\n" } <$fh>;
}

sub _write ($self) {
    open my $fh, '>', "$self->{zone}.new" or croak "$self->{zone}: $!";
    print $fh $json->encode($self->{names});
    close $fh;
    rename "$self->{zone}.new", $self->{zone} or croak "$self->{zone}: $!";
}

sub _serve ($self, $socket) {
    open my $log, '>>', $self->{log} or croak "$self->{log}: $!";
    local $SIG{CHLD} = 'IGNORE';

    while (my $peer = $socket->recv(my $query, 4096)) {
        my $id = unpack 'n', $query;
        my ($name, $question) = _question(substr $query, 12);
        my $type = unpack 'n', substr $question, -4, 2;

        syswrite $log, "$name\n" if $type == A;
        my $records = _zone($self->{zone})->{lc $name} // { rcode => 3 };
        next if $records->{silent};

        my @data = $type == A ? map { inet_aton($_) } ($records->{a} // [])->@*
                 : $type == AAAA ? map { inet_pton(AF_INET6, $_) } ($records->{aaaa} // [])->@*
                 : ();
        my $answer = join '', map { pack 'n n n N n/a', 0xc00c, $type, IN, $records->{ttl} // 60, $_ } @data;
        my $reply = pack('n n n n n n', $id, 0x8180 | ($records->{rcode} // 0), 1, scalar @data, 0, 0)
                  . $question . $answer;

        my $send = sub { $socket->send($reply, 0, $peer) };
        $records->{delay} ? spawn(sub { sleep $records->{delay}; $send->() }) : $send->();
    }
}

# The name, and all bytes of the question.
sub _question ($rest) {
    my ($at, @labels) = 0;
    while (my $length = ord substr $rest, $at, 1) {
        push @labels, substr $rest, $at + 1, $length;
        $at += 1 + $length;
    }
    return (join('.', @labels), substr $rest, 0, $at + 5);
}

sub _zone ($file) {
    open my $fh, '<', $file or croak "$file: $!";
    local $/;
    return $json->decode(<$fh>);
}

1;
