package Canopy::Disturbances;

# What happens to the gateway and around it during a randomized run: reloads, killed and frozen workers, new credentials,
# upstreams that nobody listens for, names with other addresses, a closed environment. All of it follows from the seed, in this order.
#
#     my $disturbances = Canopy::Disturbances->new(t => $t, chance => $chance, every => 0.5, listeners => [...], ...);
#     $disturbances->tick while ...;      # often
#     $disturbances->settle;              # all is well again
#
# listeners: names of machines (see Canopy::Faults); dns and name: a Canopy::DNS and the name it answers for; token, accepted and
# closed: files: the gateway's credential, the only one that the upstream takes (any, if it is not there), a closed_file.

use v5.36;

use Canopy::Client;
use Canopy::Faults;
use Canopy::Process qw(children title);
use Time::HiRes qw(time);

my @kinds = qw(reload reload reload kill kill freeze freeze credential credential listener name closure);

sub new ($class, %self) {
    return bless { %self, k => 0, credentials => 1, due => time + 0.2, later => [], deck => [], counts => {}, kills => [],
                   pauses => [], seen => time }, $class;
}

sub count ($self, $kind) { return $self->{counts}{$kind} // 0 }

# The times in which a worker was killed, [before, after].
sub kills ($self) { return $self->{kills}->@* }

# Those in which this process was held up, and maybe the whole machine.
sub pauses ($self) { return $self->{pauses}->@* }

sub tick ($self) {
    my $now = time;
    push $self->{pauses}->@*, [$self->{seen}, $now] if $now > $self->{seen} + 0.3;

    my @due = grep { $_->[0] <= $now } $self->{later}->@*;
    $self->{later}->@* = grep { $_->[0] > $now } $self->{later}->@*;
    $_->[1]->() for @due;

    return $self->{seen} = time if $now < $self->{due};
    my $k = ++$self->{k};
    my $kind = $self->_deal($k);
    $self->{t}->append('disturbances.txt', sprintf "%.3f %s\n", $now, $kind);
    $self->can("_$kind")->($self, $k);
    $self->{counts}{$kind}++;
    $self->{due} = $now + $self->_between(0, 2 * $self->{every}, 'every', $k);
    $self->{seen} = time;
}

# Each kind comes as often as the deck says, in an order of the seed's.
sub _deal ($self, $k) {
    $self->{deck}->@* = map { $_->[0] } sort { $a->[1] <=> $b->[1] }
                        map { [$kinds[$_], $self->{chance}->number('deck', $k, $_)] } 0 .. $#kinds
        if !$self->{deck}->@*;
    return shift $self->{deck}->@*;
}

sub settle ($self) {
    $_->[1]->() for splice $self->{later}->@*;
    $self->_addresses('127.0.0.1', '127.0.0.2');
}

sub _later ($self, $seconds, $code) { push $self->{later}->@*, [time + $seconds, $code] }

sub _between ($self, $least, $most, @of) { return $self->{chance}->between($least, $most, @of) }

# -------------------------------------------------------------------------------------------------------- the gateway

sub _reload ($self, $k) { $self->{t}->signal('HUP') }

# Any worker, those that are leaving included.
sub _worker ($self, $k) {
    my $master = $self->{t}->master or return;
    my @workers = sort { $a <=> $b } grep { title($_) =~ /^nginx: worker process/ } children($master);
    return @workers ? $workers[@workers * $self->{chance}->number('worker', $k)] : undef;
}

sub _kill ($self, $k) {
    my $worker = $self->_worker($k) or return;
    my $before = time;
    kill 'KILL', $worker;
    push $self->{kills}->@*, [$before, time];
}

# Whatever arrives meanwhile is seen all at once.
sub _freeze ($self, $k) {
    my $worker = $self->_worker($k) or return;
    kill 'STOP', $worker;
    $self->_later($self->_between(0.02, 0.4, 'freeze', $k), sub { kill 'CONT', $worker });
}

# ---------------------------------------------------------------------------------------------------------- around it

# A new credential: the file comes first, or the upstream, which takes no other for a while. Or it comes after one that has expired.
sub _credential ($self, $k) {
    my $credential = sprintf '%s-%04d', $self->{credential}, ++$self->{credentials};
    my $file = sub { $self->{t}->secret_file($self->{token}, $credential) };
    my $upstream = sub { $self->{t}->secret_file($self->{accepted}, $credential) };

    if ($self->{chance}->one_in(4, 'expired', $k)) {
        $self->{t}->secret_file($self->{token}, Canopy::Client::jwt(sub => $self->{credential}, exp => 1));
        return $self->_later($self->_between(0.1, 0.8, 'renewed', $k), $file);
    }
    my ($first, $second) = $self->{chance}->one_in(2, 'first', $k) ? ($file, $upstream) : ($upstream, $file);
    my $pause = $self->_between(0, 0.3, 'second', $k);
    $first->();
    $self->_later($pause, $second);
    $self->_later($pause + $self->_between(0.2, 2, 'accepted', $k), sub { unlink $self->{t}->path($self->{accepted}) });
}

# Connections are refused, or nobody takes them.
sub _listener ($self, $k) {
    my $name = $self->{listeners}[$self->{listeners}->@* * $self->{chance}->number('listener', $k)];
    return if $self->{away}{$name}++;
    $self->{chance}->one_in(2, 'full', $k) ? full($self->{t}, $name) : deaf($self->{t}, $name);
    $self->_later($self->_between(0.05, 0.6, 'away', $k), sub { listens($self->{t}, $name); delete $self->{away}{$name} });
}

sub _name ($self, $k) {
    my $kind = $self->{chance}->pick([first => 2, second => 2, swapped => 1, unknown => 1, silent => 1], 'names', $k);
    $kind eq 'first'   ? $self->_addresses('127.0.0.1')
  : $kind eq 'second'  ? $self->_addresses('127.0.0.2')
  : $kind eq 'swapped' ? $self->_addresses('127.0.0.2', '127.0.0.1')
  : $kind eq 'unknown' ? $self->{dns}->set($self->{name}, rcode => 3)
  :                      $self->{dns}->set($self->{name}, silent => 1);
    $self->_later($self->_between(0.2, 2, 'renamed', $k), sub { $self->_addresses('127.0.0.1', '127.0.0.2') });
}

sub _addresses ($self, @addresses) { $self->{dns}->set($self->{name}, a => \@addresses, ttl => 1) }

sub _closure ($self, $k) {
    $self->{t}->write($self->{closed}, '');
    $self->_later($self->_between(0.05, 0.5, 'closed', $k), sub { unlink $self->{t}->path($self->{closed}) });
}

1;
