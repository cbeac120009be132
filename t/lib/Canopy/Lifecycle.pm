package Canopy::Lifecycle;

# What happens to nginx in its life, besides start, reload and stop: its workers die, it is upgraded.

use v5.36;

use Carp qw(croak);
use Exporter qw(import);

use Canopy::Process qw(alive children title wait_until);

our @EXPORT = qw(crash kill_worker restart upgrade worker_connected_to);

# Ends nginx gracefully and starts it again; what is to happen in between is given as code.
sub restart ($t, $between = sub { }) {
    $t->stop;
    $between->();
    $t->start;
}

# The master and all workers at once, as a machine that loses its power; and started again.
sub crash ($t) {
    my @all = ($t->master, $t->workers);
    kill 'KILL', @all;
    wait_until(sub { !grep { alive($_) } @all }) or croak "nginx does not die\n";
    delete $t->{started};
    $t->start;
}

# Kills a worker as the kernel would for want of memory, and waits for its successor.
sub kill_worker ($t, $pid = ($t->workers)[0]) {
    $t->expect_alert(qr/worker process $pid exited on signal 9/);
    kill 'KILL', $pid;
    wait_until(sub { my @now = $t->workers; @now == $t->{workers} && !grep { $_ == $pid } @now })
        or croak "worker $pid has no successor\n";
}

# A new binary in the place of the old one: USR2, WINCH when the new one's workers are there, QUIT.
sub upgrade ($t) {
    my $old = $t->master;
    $t->signal('USR2');
    wait_until(sub { my $new = $t->master; $new && $new != $old && $t->workers == $t->{workers} })
        or croak "no new binary: " . $t->_tail;
    kill 'WINCH', $old;
    wait_until(sub { !grep { title($_) =~ /worker process/ } children($old) }) or croak "old workers stay\n";
    kill 'QUIT', $old;
    wait_until(sub { !alive($old) }) or croak "the old binary stays\n";
}

# The worker that has a connection to a port of 127.0.0.1, at once or soon.
sub worker_connected_to ($t, $port) {
    my $found;
    wait_until(sub {
        my %socket = map { $_ => 1 } _connections_to($port);
        ($found) = grep { my $pid = $_; grep { $socket{readlink $_ // ''} } glob "/proc/$pid/fd/*" } $t->workers;
        return $found;
    });
    return $found // croak "no worker is connected to port $port\n";
}

# As the links in /proc/PID/fd name them.
sub _connections_to ($port) {
    my $remote = sprintf '0100007F:%04X', $port;
    open my $fh, '<', '/proc/net/tcp' or croak "/proc/net/tcp: $!";
    return map { (split)[2] eq $remote && (split)[3] eq '01' ? 'socket:[' . (split)[9] . ']' : () } <$fh>;
}

1;
