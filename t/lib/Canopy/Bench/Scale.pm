package Canopy::Bench::Scale;

# The module and nginx's own proxy with TLS on both sides, with more clients than they can serve, and with many that are
# idle or wait.
#
#     print Canopy::Bench::Scale::tables(sub ($progress) { ... }, 5, 2, 'tls');       # rounds, seconds; without names: all

use v5.36;

use IO::Socket::INET;
use Socket qw(AF_INET SOCK_STREAM inet_aton pack_sockaddr_in);
use Time::HiRes qw(sleep);

use Canopy::Bench;
use Canopy::Bench::Load;
use Canopy::Bench::Requests;
use Canopy::Bench::Table qw(table number ratio median);
use Canopy::Process qw(sockets wait_until);

my $id = 'a0f4c3d1-8e2b-4f6a-9c7d-5b1e3f8a2d64';
my %title = (proxy => 'nginx proxy_pass', canopy => 'ngx_canopy');
my @names = qw(proxy canopy);
my ($idle, $waiting) = (10_000, 1_000);

my @all = (
    ['tls',        'TLS on both sides, 16 clients', \&_tls],
    ['saturation', 'More clients than can be served', \&_saturation],
    ['idle',       'Memory of a worker with ' . number($idle) . ' idle clients', \&_idle],
    ['waiting',    'Memory of a worker with ' . number($waiting) . ' requests that wait for the upstream', \&_waiting],
);

sub tables ($progress, $rounds, $seconds, @wanted) {
    my %wanted = map { $_ => 1 } @wanted ? @wanted : map { $_->[0] } @all;
    my @unknown = grep { my $name = $_; !grep { $_->[0] eq $name } @all } sort keys %wanted;
    die "there is no table of @unknown, but of: @{[map { $_->[0] } @all]}\n" if @unknown;

    my $bench = Canopy::Bench->new(progress => $progress, rounds => $rounds, seconds => $seconds);
    $bench->start_upstream;
    my @tables = map {
        my ($name, $title, $code) = @$_;
        $bench->progress("scale: $name");
        "### $title\n\n" . join '', $code->($bench);
    } grep { $wanted{$_->[0]} } @all;
    my @faults = $bench->stop_upstream;
    die map { "$_\n" } @faults if @faults;
    return @tables;
}

sub _requests ($bench) {
    return Canopy::Bench::Requests->new(id => $id, tokens => [map { $bench->tokens->signed($_) } 1 .. 64]);
}

# {proxy => [figures of each round], canopy => [...]}, in turn. An error ends all.
sub _side_by_side ($bench, $nginx, %opt) {
    my %got;
    my $requests = _requests($bench);
    for my $round (1 .. $bench->{rounds}) {
        for my $name ($round % 2 ? @names : reverse @names) {
            $nginx->{$name}->start;
            push $got{$name}->@*, Canopy::Bench::Load::measure($nginx->{$name}, $requests, status => 204,
                                                               seconds => $bench->{seconds}, %opt);
            $nginx->{$name}->stop;
            my @faults = grep { length } $got{$name}[-1]{errors}, $nginx->{$name}->faults;
            die map { "$title{$name}: $_\n" } @faults if @faults;
        }
    }
    return \%got;
}

# Medians, and those of the ratio to the proxy in the same round.
sub _cells ($got, $name, %digits) {
    return map {
        my $figure = $_;
        my $value = number(median(map { $_->{$figure} } $got->{$name}->@*), $digits{$figure});
        my @ratios = map { $got->{$name}[$_]{$figure} / ($got->{proxy}[$_]{$figure} || 1) } 0 .. $got->{$name}->$#*;
        $name eq 'proxy' ? $value : "$value (" . ratio(median(@ratios)) . ')';
    } grep { exists $digits{$_} } qw(rate cpu p50 p99 max memory);
}

sub _tls ($bench) {
    my $got = _side_by_side($bench, { map { $_ => $bench->nginx($_, tls => 1) } @names }, tls => 1);
    return table(['', 'requests/s', 'CPU, us', 'p50, ms', 'p99, ms', 'memory, kB'],
                 map { [$title{$_}, _cells($got, $_, rate => 0, cpu => 1, p50 => 2, p99 => 2, memory => 0)] } @names);
}

# Each client sends its next request as soon as it has an answer. No request fails, or there is no table.
sub _saturation ($bench) {
    my %nginx = map { $_ => $bench->nginx($_, connections => 4096, KEEPALIVE => 1024) } @names;
    return table(['clients', '', 'requests/s', 'p50, ms', 'p99, ms', 'longest, ms'], map {
        my $clients = $_;
        my $got = _side_by_side($bench, \%nginx, connections => $clients, patience => 10);
        map { [$_ eq 'proxy' ? $clients : '', $title{$_}, _cells($got, $_, rate => 0, p50 => 2, p99 => 2, max => 0)] } @names;
    } 16, 128, 1024);
}

# Resident memory, per client in bytes: with connections over which nothing was sent, and after a request on each.
sub _idle ($bench) {
    my $requests = _requests($bench);
    my @rows;
    for my $name (@names) {
        my $nginx = $bench->nginx($name, connections => $idle + 1000,
                                  SETTINGS => 'client_header_timeout 600s; keepalive_timeout 600s;');
        $nginx->start;
        my ($pid) = $nginx->workers;
        _ask($nginx, $requests, _client($nginx));
        my $before = Canopy::Bench::Load::memory($pid, 'VmRSS');
        my @clients = map { _client($nginx) } 1 .. $idle;
        _accepted($pid, $idle);
        my $connected = Canopy::Bench::Load::memory($pid, 'VmRSS');
        _ask($nginx, $requests, $_) for @clients;
        my $asked = Canopy::Bench::Load::memory($pid, 'VmRSS');
        close $_ for @clients;
        $nginx->stop;
        push @rows, [$title{$name}, number($before), map { number(($_ - $before) * 1024 / $idle) } $connected, $asked];
    }
    return table(['', 'before, kB', 'connected, bytes each', 'after a request, bytes each'], @rows);
}

# The upstream is the kernel's queue: it takes connections and bytes, and never answers.
sub _waiting ($bench) {
    my $requests = _requests($bench);
    my @rows;
    for my $name (@names) {
        my $nginx = $bench->nginx($name, connections => 2 * $waiting + 1000, PORT => {});
        my $deaf = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $nginx->port('upstream'), Listen => 4096)
            or die "no upstream that does not answer: $!\n";
        $nginx->start;
        my ($pid) = $nginx->workers;
        my @clients = map { _client($nginx) } 1 .. $waiting;
        _accepted($pid, $waiting);
        my $before = Canopy::Bench::Load::memory($pid, 'VmRSS');
        my $n = 0;
        for my $client (@clients) {
            syswrite $client, $requests->text($n++) or die "write: $!\n";
        }
        _accepted($pid, 2 * $waiting);
        my $waits = Canopy::Bench::Load::memory($pid, 'VmRSS');
        close $_ for @clients;
        close $deaf;
        $nginx->stop;
        push @rows, [$title{$name}, ($waits - $before) * 1024 / $waiting];
    }
    return table(['', 'bytes each', 'more than proxy_pass'],
                 map { [$_->[0], number($_->[1]), $_ == $rows[0] ? '' : number($_->[1] - $rows[0][1])] } @rows);
}

sub _client ($nginx) {
    socket my $socket, AF_INET, SOCK_STREAM, 0 or die "socket: $!\n";
    connect $socket, pack_sockaddr_in($nginx->port('http'), inet_aton('127.0.0.1')) or die "connect: $!\n";
    return $socket;
}

# The worker has so many sockets, and is idle.
sub _accepted ($pid, $count) {
    wait_until(sub { my $open = sockets($pid); $open >= $count }, 30) or die "a worker has not taken $count connections\n";
    sleep 0.5;
}

my $asked = 0;

sub _ask ($nginx, $requests, $client) {
    syswrite $client, $requests->text($asked++) or die "write: $!\n";
    sysread $client, my $answer, 65536 or die 'no answer from ' . $nginx->name . "\n";
    $answer =~ m{^HTTP/1\.1 204 } or die $nginx->name . " answers: $answer\n";
}

1;
