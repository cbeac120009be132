package Canopy::Bench::Load;

# What a worker takes under wrk's load: CPU time for a request, requests a second, latency, memory.
#
#     my $figures = Canopy::Bench::Load::measure($nginx, $requests, seconds => 2, connections => 16);
#     $figures->{cpu}, {rate}, {p50}, {p99}, {memory}, {errors}

use v5.36;

use Carp qw(croak);
use Time::HiRes qw(time);

use Canopy::Bench::Nginx;
use Canopy::Process qw(run);

# Seconds of CPU time, the kernel's on its behalf included, to the nanosecond.
sub cpu_time ($pid) {
    open my $fh, '<', "/proc/$pid/schedstat" or croak "/proc/$pid/schedstat: $!";
    return (split ' ', <$fh>)[0] / 1e9;
}

# A figure of /proc/PID/status in kB: VmHWM, the most memory it has had; VmRSS, what it has.
sub memory ($pid, $name = 'VmHWM') {
    open my $fh, '<', "/proc/$pid/status" or croak "/proc/$pid/status: $!";
    my ($size) = map { /^$name:\s+(\d+) kB/ } <$fh>;
    return $size;
}

# nginx runs, and there is one worker. Options: seconds (2), connections (16), warm (1: seconds before), status, tls,
# patience (2: seconds until wrk takes a request for lost).
sub measure ($nginx, $requests, %opt) {
    my ($pid) = $nginx->workers;
    my $file = $nginx->path('requests');
    $requests->write($file);

    my $warm = _wrk($nginx, $file, 0, %opt, seconds => $opt{warm} // 1);
    my ($cpu, $wrk);
    for my $attempt (1 .. 3) {
        $cpu = cpu_time($pid);
        $wrk = _wrk($nginx, $file, $attempt * ($warm->{requests} + 1000), %opt);
        $cpu = cpu_time($pid) - $cpu;
        last if $wrk->{requests};       # none: the machine stood still all the while
    }
    croak 'no request came to its end' if !$wrk->{requests};

    my %errors = map { $_ => $wrk->{$_} + $warm->{$_} } qw(connect read write timeout);
    $errors{status} = $wrk->{status} if $wrk->{status} != ($opt{status} >= 400 ? $wrk->{requests} : 0);
    return {
        cpu    => $cpu / $wrk->{requests} * 1e6,
        busy   => $cpu / $wrk->{us} * 1e6,
        rate   => $wrk->{requests} / $wrk->{us} * 1e6,
        (map { $_ => $wrk->{$_} / 1000 } qw(p50 p99 max)),
        memory => memory($pid),
        errors => join(', ', map { "$errors{$_} $_" } grep { $errors{$_} } sort keys %errors),
    };
}

# wrk has a CPU of its own if there is one, else it shares the upstream's.
sub _wrk ($nginx, $file, $first, %opt) {
    my $cpus = Canopy::Bench::Nginx::cpus();
    my $scheme = $opt{tls} ? 'https' : 'http';
    my @command = ($cpus > 1 ? ('taskset', '-c', $cpus > 2 ? 2 : 1) : (),
                   'wrk', '-t', 1, '-c', $opt{connections} // 16, '-d', ($opt{seconds} // 2) . 's', '--latency',
                   '--timeout', ($opt{patience} // 2) . 's',
                   '-s', Canopy::Bench::Nginx::directory() . '/wrk.lua', "$scheme://127.0.0.1:" . $nginx->port('http') . '/',
                   '--', $file, $first);
    my ($status, $text) = run(@command);
    my ($figures) = $text =~ /^figures (.*)$/m or croak "wrk: $text";
    return { $figures =~ /(\w+)=(\d+)/g };
}

1;
