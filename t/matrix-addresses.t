# The fault matrix, of an upstream with two addresses. Only over TLS: without it a name has but the addresses of this
# machine.

use v5.36;

use Canopy::Matrix;
use Canopy::Test;

my $t = Canopy::Test->new(worker_connections => 1000);
run_cases($t, 't/cases/faults/addresses');
$t->done;
