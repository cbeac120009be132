package Canopy::State;

# The state directory of a test: its files, and tokens and exchanges that are older than they can become in a test. In
# nginx.conf: canopy_state_path %%DIR%%/state;

use v5.36;

use Carp qw(croak);
use Exporter qw(import);
use JSON::PP;

our @EXPORT = qw(state_files state_of budget_files read_state edit_state age_token);

my $json = JSON::PP->new->canonical;

# All paths; those of an environment's token; those of exchange times.
sub state_files ($t) { return my @all = glob $t->path('state/*') }
sub state_of ($t, $environment) { return grep { m{/\Q$environment\E-[0-9a-f]{16}[^/]*$} } state_files($t) }
sub budget_files ($t) { return grep { m{/[0-9a-f]{16}[^/]*$} } state_files($t) }

sub read_state ($path) {
    open my $fh, '<:raw', $path or croak "$path: $!";
    local $/;
    return $json->decode(<$fh>);
}

# Changes what a file says, as $code does with $_, the decoded object. nginx must not be running.
sub edit_state ($path, $code) {
    local $_ = read_state($path);
    $code->();
    open my $fh, '+<:raw', $path or croak "$path: $!";
    truncate $fh, 0;
    print $fh $json->encode($_);
    close $fh or croak "$path: $!";
}

# The token of an environment was obtained so many seconds earlier; it is valid and in use as long as before.
sub age_token ($t, $environment, $seconds) {
    my ($path) = state_of($t, $environment) or croak "no state of $environment\n";
    edit_state($path, sub { $_->{obtained} -= 1000 * $seconds });
}

1;
