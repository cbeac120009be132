package Canopy::Valgrind;

# The harness with nginx under valgrind's memcheck: every process of it, from the start to a clean end.
#
#     my $t = Canopy::Valgrind->new;
#     ...
#     $t->done;       # fails on an access to memory that is not right, and on memory that nobody has freed
#
# With CANOPY_TEST_VALGRIND=1 every Canopy::Test is one.

use v5.36;
use parent 'Canopy::Test';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More ();

use Canopy::Process qw(alive title);

my $suppressions = abs_path(dirname(__FILE__) . '/../../valgrind/nginx.supp');

sub new ($class, %opt) {
    my $t = Canopy::Test::new($class, slowness => 10, %opt);
    my $nginx = $ENV{CANOPY_NGINX} // '/usr/sbin/nginx';

    # a module is unloaded before leaks are looked for
    $t->{nginx} = $t->write('nginx', <<"EOS", 0755);
#!/bin/sh
exec valgrind --leak-check=full --show-leak-kinds=all --track-origins=yes --keep-debuginfo=yes --num-callers=40 \\
    --suppressions=$suppressions --log-file=$t->{dir}/valgrind.%p.log $nginx "\$@"
EOS
    return $t;
}

# nginx can't write its processes' titles there, so the log has to tell.
sub workers ($t) {
    my $log = $t->log;
    my %left = map { $_ => 1 } $log =~ /\[notice\] (\d+)#\d+: (?:gracefully shutting down|exiting)$/mg;
    return grep { !$left{$_} && alive($_) } $log =~ /\[notice\] \d+#\d+: start worker process (\d+)$/mg;
}

sub _is_nginx ($t, $pid) { return title($pid) =~ /valgrind/ }

# The process that only starts the daemon frees nothing, as nginx does it.
sub faults ($t) {
    my @faults = $t->SUPER::faults;
    my @pids = map { /valgrind\.(\d+)\.log$/ } glob "$t->{dir}/valgrind.*.log";
    my %report = map { $_ => $t->read("valgrind.$_.log") =~ s/^==\d+== ?//gmr } @pids;

    for my $pid (@pids) {
        my ($parent) = $report{$pid} =~ /^Parent PID: (\d+)$/m;
        push @faults, "process $pid: valgrind's report has no end" if $report{$pid} !~ /^ERROR SUMMARY: /m;

        for my $error (grep { /^ +(?:at|by) 0x/m } split /\n\s*\n/, $report{$pid}) {
            my $leak = $error =~ /^.* in loss record [\d,]+ of [\d,]+$/m;
            push @faults, "process $pid: $error" if !$leak || $report{$parent};
        }
    }
    $t->{processes} = @pids;
    return @faults;
}

# How many there were, after done.
sub processes ($t) { return $t->{processes} }

1;
