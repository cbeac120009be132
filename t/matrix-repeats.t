# The fault matrix, of requests that are sent twice: a kept connection is found closed, or the credential is refused and
# another is there by then; and whatever then happens to the second copy.

use v5.36;

use Canopy::Matrix;
use Canopy::Test;

my $t = Canopy::Test->new(worker_connections => 1000);
run_cases($t, map { "t/cases/faults/$_" } qw(closed refused));
$t->done;
