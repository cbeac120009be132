# The fault matrix: every fault at every point, on new and kept connections, plain and TLS. What comes of it is what the
# tables say, and it is true.

use v5.36;

use Canopy::Matrix;
use Canopy::Test;

my $t = Canopy::Test->new(worker_connections => 1000);
run_cases($t, map { "t/cases/faults/$_" } qw(points answers connections stalls));
$t->done;
