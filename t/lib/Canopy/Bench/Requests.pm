package Canopy::Bench::Requests;

# The requests of a measurement, as bytes: some texts in turn, or one in which the n-th has a token of its own.
#
#     my $requests = Canopy::Bench::Requests->new(id => $uuid, tokens => [...]);       # or around => [$before, $after]
#     $requests->text($n);
#     $requests->write($file);                            # for t/bench/wrk.lua
#
# Nothing but what every client sends: Host and Authorization. More headers would make the proxy copy more.

use v5.36;

use Carp qw(croak);

use Canopy::Bench::Tokens qw(digits);

my $mark = '@' x 12;

# Options: id, prefix (live), method (PATCH), more (['X-Client: 1', ...]), and tokens or around; without either there is no
# Authorization. With around and cycle, so many tokens come in turn.
sub new ($class, %opt) {
    my @tokens = $opt{around} ? join $mark, $opt{around}->@* : ($opt{tokens} // [undef])->@*;
    my @texts = map { _text($_, %opt) } @tokens;
    return bless { texts => \@texts, cycle => $opt{cycle} // 1e9,
                   $opt{around} ? (around => [split /\Q$mark\E/, $texts[0]]) : () }, $class;
}

sub _text ($token, %opt) {
    return join "\r\n", ($opt{method} // 'PATCH') . ' /' . ($opt{prefix} // 'live') . "/tasks/$opt{id}/cancel HTTP/1.1",
                        'Host: canopy.example', (defined $token ? "Authorization: Bearer $token" : ()),
                        ($opt{more} // [])->@*, '', '';
}

sub text ($self, $n) {
    return join digits($n % $self->{cycle}), $self->{around}->@* if $self->{around};
    return $self->{texts}[$n % $self->{texts}->@*];
}

sub write ($self, $file) {
    open my $fh, '>:raw', $file or croak "$file: $!";
    print $fh join "\0", $self->{texts}->@*;
    close $fh or croak "$file: $!";
}

1;
