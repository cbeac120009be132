# The measurements still measure: everybody does the job on each path, who does not is found, and a short run has figures.

use v5.36;

use Test::More;

use Canopy::Bench;
use Canopy::Bench::Table qw(median number table);
use Canopy::Process qw(run);
use Canopy::Test;

my @missing = Canopy::Bench::missing();
plan skip_all => join ', ', @missing if @missing;

# ------------------------------------------------------------------------------------------------- what is measured

my $bench = Canopy::Bench->new;
my %path = map { $_->{name} => $_ } Canopy::Bench::Paths::all($bench->tokens);
my %nginx = map { $_ => $bench->nginx($_, STATUS => 204, BODY => '') } qw(proxy return canopy lua);

sub faults ($path, $name, $body = \my $own, %values) {
    $nginx{$name}->set(%values);
    return Canopy::Bench::Paths::faults($path, $nginx{$name}, $body);
}

for my $path (map { $path{$_} } Canopy::Bench::Paths::names()) {
    my $body;
    for my $name ('canopy', grep { $_ ne 'canopy' } Canopy::Bench::Paths::contestants($path)) {
        my %values = $name eq 'return' ? (STATUS => $path->{status}, BODY => $body) : ();
        is_deeply([faults($path, $name, \$body, %values)], [], "$name: $path->{title}");
    }
}

# --------------------------------------------------------------------------------------------- who does not do the job

my $empty = '';
like(join("\n", faults($path{seen}, 'return', \$empty, STATUS => 204, BODY => '')), qr/has got 0 requests, not 3/,
     'who sends nothing upstream is found');
like(join("\n", faults($path{invalid}, 'proxy')), qr/status \d+, not 422.*has got 3 requests, not 0/s,
     'so is who refuses nothing');
like(join("\n", faults({ $path{rejected}->%*, type => 'value_error' }, 'lua')), qr/the first error is uuid_version/,
     'and who says another error');
$nginx{proxy}->set(CREDENTIAL => 'another-upstream-credential');
like(join("\n", faults($path{seen}, 'proxy')), qr/another credential was sent/, 'and who sends another credential');

# ------------------------------------------------------------------------------------------------------- a short run

my ($status, $text) = run($^X, '-I', 't/lib', 't/bench/run', '--rounds', 1, '--seconds', 1, '--count', 50, 'missing');
is($status, 0, 'a short run succeeds') || diag($text);

my $figure = qr/[\d,.]+(?: \(\d+\.\d\d\))?/;
for my $name ('nginx return', 'ngx_canopy', 'nginx \+ Lua') {
    like($text, qr/^\|[^|]*\| $name *(?:\| +$figure ){6}\|$/m, "it has all figures of $name");
}
my ($ir, $ratio) = $text =~ /\| ngx_canopy *\| +([\d,]+) \(([\d.]+)\)/;
cmp_ok(($ir // 0) =~ tr/,//dr, '>', 5_000, 'a request takes some thousand instructions');
cmp_ok($ratio // 0, '>', 0.5, 'and is not much cheaper than its limit');

($status, $text) = run($^X, '-I', 't/lib', 't/bench/run', 'nothing');
isnt($status, 0, 'what there is not is refused');
like($text, qr/^no such measurement: nothing$/m, 'by its name');

# ------------------------------------------------------------------------------------------------------------- tables

is(number(1234567.891, 1), '1,234,567.9', 'thousands have commas');
is(median(5, 1, 3), 3, 'the median of three');
is(median(4, 1, 3, 2), 2.5, 'and of four');
is(join('', table(['a', 'b'], ['x', 10], ['longer', 2])),
   "| a      |  b |\n| ------ | -: |\n| x      | 10 |\n| longer |  2 |\n", 'a table');

done_testing();
