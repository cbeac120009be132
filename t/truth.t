# The truth under faults: some thousand cancels through faults of the upstream, reloads, killed workers, and clients that go away.
# CANOPY_SEED repeats a run, as far as time allows.

use v5.36;

use Test::More;

use Canopy::Torture;

my $seed = $ENV{CANOPY_SEED} // int rand 1e9;
diag("seed $seed");

my $run = Canopy::Torture->new(seed => $seed, seconds => 15, cancels => 2000, log_level => 'debug');
$run->run;
my $report = $run->report;

note($_) for $run->figures;

my @lies = $run->lies;
is(scalar @lies, 0, 'no lies') || diag(join "\n", splice @lies, 0, 20);
is(join("\n", $run->faults), '', 'and nothing else that must not be');

# It was no idle run.
my %least = (cancels => 2000, accepted => 200, rejected => 40, unknown => 100, denied => 30, 'not-sent' => 1, gone => 100, cut => 100,
             copies => 500, repeats => 10, reload => 3, kill => 2, freeze => 2, credential => 2, listener => 1, name => 1, closure => 1);
cmp_ok($report->{$_} // 0, '>=', $least{$_}, "$_: at least $least{$_}") for sort keys %least;

done_testing();
