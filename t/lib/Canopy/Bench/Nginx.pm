package Canopy::Bench::Nginx;

# An nginx of the measurements: one of the configurations in t/bench, one worker on a CPU of its own.
#
#     my $nginx = Canopy::Bench::Nginx->new('proxy', PORT => { upstream => 12345 }, CREDENTIAL => 'x', ...);
#     $nginx->start;                          # as Canopy::Test does; and stop, workers, request ...
#     my $pid = $nginx->foreground('valgrind', '--tool=callgrind');       # one process, behind that command
#
# What stands in %%CAPITALS%% in a configuration is given by name.

use v5.36;
use parent 'Canopy::Test';

use Carp qw(croak);
use Cwd qw(abs_path);
use File::Basename qw(dirname);

use Canopy::Process qw(run spawn);

my $bench = abs_path(dirname(__FILE__) . '/../../../bench');
my $modules = '/usr/lib/nginx/modules';
my %default = (SETTINGS => '', LISTEN => '', KEEPALIVE => 16, SCHEME => 'http', LOCATIONS => '', BENCH => $bench,
               MODULES => $modules);

sub directory () { return $bench }
sub modules ()   { return $modules }

# Options besides: PORT (ports that are known already), connections (1024), cpu (0).
sub new ($class, $name, %values) {
    my $ports = delete $values{PORT} // {};
    my $connections = delete $values{connections} // 1024;
    my $cpu = delete $values{cpu} // 0;

    my $t = Canopy::Test::new($class, module => $name eq 'canopy' ? 1 : 0, log_level => 'error',
                              worker_connections => $connections);
    $t->{ports}{$_} = $ports->{$_} for keys %$ports;
    @$t{qw(name cpu values)} = ($name, $cpu, { %default, %values });
    $t->secret_file('credential', $values{CREDENTIAL}) if defined $values{CREDENTIAL};
    return $t;
}

sub name ($t) { return $t->{name} }

# Other values; they hold from the next start on.
sub set ($t, %values) { $t->{values}->%* = ($t->{values}->%*, %values) }

sub start ($t) {
    $t->conf($t->_text);
    $t->SUPER::start;
}

# The same nginx as one process, a child of ours; ends with us, or by a signal.
sub foreground ($t, @command) {
    my $text = $t->expand($t->_text, 'error.log');
    $text =~ s/^daemon on;/daemon off;/m;
    $text =~ s/^master_process on;/master_process off;/m;
    $text =~ s/^user .*;\n//m;
    my $conf = $t->write('foreground.conf', $text);

    my $nginx = $ENV{CANOPY_NGINX} // '/usr/sbin/nginx';
    my @all = (@command, $nginx, '-p', $t->dir, '-c', $conf, '-e', $t->path('error.log'));
    open my $out, '>>', $t->path('foreground.out') or croak "foreground.out: $!";
    return spawn(sub { exec { $all[0] } @all or die "$all[0]: $!\n" }, $out);
}

sub _text ($t) {
    open my $fh, '<', "$bench/$t->{name}.conf" or croak "$t->{name}.conf: $!";
    my $text = do { local $/; <$fh> };
    $text =~ s{%%([A-Z]+)%%}{
        $1 eq 'HEAD' || $1 eq 'HTTP' || $1 eq 'DIR' ? "%%$1%%" : $t->{values}{$1} // croak "$t->{name}.conf: $1 is not given"
    }ge;
    $text =~ s/^(%%HEAD%%)$/join "\n", $1, 'worker_rlimit_nofile 16384;', $t->_affinity/me;
    return $text;
}

# With one CPU there is no choice.
sub _affinity ($t) { return cpus() > $t->{cpu} ? 'worker_cpu_affinity 1' . '0' x $t->{cpu} . ';' : () }

sub cpus () {
    state $cpus = (run('nproc'))[1] + 0;
    return $cpus;
}

1;
