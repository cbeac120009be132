package Canopy::Process;

# Child processes of a test: run to their end, or kept as long as the test lives.

use v5.36;

use Carp qw(croak);
use Exporter qw(import);
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(
    run spawn end_process wait_until
    alive freeze stopped title children processes sockets descriptors resident cpu
);

my $SYS_prctl = do { no warnings; require 'syscall.ph'; SYS_prctl() };
use constant PR_SET_PDEATHSIG => 1;

# Runs a command to its end: (exit status, what it wrote to stdout and stderr).
sub run (@command) {
    open my $out, '+>', undef or croak "temporary file: $!";
    my $pid = spawn(sub { exec { $command[0] } @command or die "$command[0]: $!\n" }, $out);

    my $ended = wait_until(sub { waitpid($pid, WNOHANG) == $pid }, 120);
    my $status = $ended ? $? : -1;
    end_process($pid) unless $ended;

    seek $out, 0, 0;
    local $/;
    my $text = <$out> // '';
    return ($status & 127 ? 128 + ($status & 127) : $status >> 8, $text);
}

# Starts $code in a child that is killed when its parent ends. Its output goes to the handle $out, else to our stderr.
sub spawn ($code, $out = undef) {
    my $parent = $$;
    my $pid = fork() // croak "fork: $!";
    return $pid if $pid;

    my $ok = eval {
        syscall($SYS_prctl, PR_SET_PDEATHSIG, POSIX::SIGKILL, 0, 0, 0);
        POSIX::_exit(1) if getppid() != $parent;

        open STDIN, '<', '/dev/null' or die "/dev/null: $!\n";
        open STDERR, '>&', $out or die "stderr: $!\n" if $out;
        open STDOUT, '>&', \*STDERR or die "stdout: $!\n";
        $SIG{PIPE} = 'IGNORE' if !$out;
        $code->();
        1;
    };
    print STDERR $@ unless $ok;
    POSIX::_exit($ok ? 0 : 1);
}

# Kills and reaps a child of ours.
sub end_process ($pid, $signal = 'KILL') {
    kill $signal, $pid;
    waitpid $pid, 0;
}

# A zombie is not alive: nobody may be there to reap a daemon.
sub alive ($pid) {
    my $stat = _stat($pid) or return 0;
    return $stat->{state} ne 'Z';
}

# Stops a process and waits until it is: before that it may still take a connection, and answers nobody.
sub freeze ($pid) {
    kill 'STOP', $pid;
    return wait_until(sub { stopped($pid) }) || croak "process $pid does not stop";
}

# By SIGSTOP.
sub stopped ($pid) {
    my $stat = _stat($pid) or return 0;
    return $stat->{state} eq 'T';
}

# The command line; nginx writes there what a process does.
sub title ($pid) {
    open my $fh, '<', "/proc/$pid/cmdline" or return '';
    local $/;
    return (<$fh> // '') =~ tr/\0/ /r;
}

sub children ($parent) {
    return grep { my $stat = _stat($_); $stat && $stat->{ppid} == $parent && $stat->{state} ne 'Z' } processes();
}

# The inodes of its sockets.
sub sockets ($pid) { return map { (readlink($_) // '') =~ /^socket:\[(\d+)\]/ } glob "/proc/$pid/fd/*" }

sub descriptors ($pid) { return scalar(() = glob "/proc/$pid/fd/*") }

# Its resident memory in kB.
sub resident ($pid) {
    open my $fh, '<', "/proc/$pid/status" or croak "/proc/$pid/status: $!";
    my ($size) = map { /^VmRSS:\s+(\d+) kB/ } <$fh>;
    return $size;
}

# The seconds of CPU time it has used.
sub cpu ($pid) {
    my $stat = _stat($pid) or croak "no process $pid";
    return $stat->{ticks} / POSIX::sysconf(POSIX::_SC_CLK_TCK);
}

sub processes () { return map { m{^/proc/(\d+)$} } glob '/proc/[0-9]*' }

sub _stat ($pid) {
    open my $fh, '<', "/proc/$pid/stat" or return;
    my $line = <$fh> // return;
    my ($state, $ppid, $user, $system) = $line =~ /^\d+ \(.*\) (\S) (\d+) (?:\S+ ){9}(\d+) (\d+) / or return;
    return { state => $state, ppid => $ppid, ticks => $user + $system };
}

# Asks $condition again and again until it is true; its value, or false after $timeout seconds. Who was held up himself asks
# once more.
sub wait_until ($condition, $timeout = 30) {
    my $deadline = time + $timeout;
    while (1) {
        my $late = time > $deadline;
        my $value = $condition->();
        return $value if $value;
        return if $late;
        sleep 0.01;
    }
}

1;
