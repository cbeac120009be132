package Canopy::Chance;

# What a seed decides. The same question has the same answer in every process, whatever was asked before:
#
#     my $chance = Canopy::Chance->new(42);
#     $chance->number('pause', 7);                                # 0 <= x < 1
#     $chance->pick([close => 1, reset => 2], 'end', 7);          # reset twice as often
#     $chance->uuid('task', 7);

use v5.36;

use Carp qw(croak);
use Digest::MD5 qw(md5 md5_hex);

sub new ($class, $seed) { return bless { seed => $seed }, $class }

sub seed ($self) { return $self->{seed} }

sub number ($self, @of) { return unpack('N', md5(join ' ', $self->{seed}, @of)) / 2 ** 32 }

sub between ($self, $least, $most, @of) { return $least + ($most - $least) * $self->number(@of) }

sub one_in ($self, $n, @of) { return $self->number(@of) < 1 / $n }

# One of a list of names with weights.
sub pick ($self, $weights, @of) {
    my $sum = 0;
    $sum += $weights->[2 * $_ + 1] for 0 .. @$weights / 2 - 1;

    my $at = $sum * $self->number(@of);
    for my $n (0 .. @$weights / 2 - 1) {
        my ($name, $weight) = @$weights[2 * $n, 2 * $n + 1];
        return $name if $at < $weight;
        $at -= $weight;
    }
    croak 'nothing to pick from';
}

sub uuid ($self, @of) { return join '-', unpack 'A8 A4 A4 A4 A12', md5_hex(join ' ', $self->{seed}, @of) }

1;
