package Canopy::Bench::SideBySide;

# The paths, each by all who take part in it: first the check that everybody does the job, then instructions, then rounds
# under load, one contestant after the other in each.
#
#     my $side = Canopy::Bench::SideBySide->new($bench, paths => ['seen'], rounds => 5, seconds => 2, count => 1000);
#     my @faults = $side->check;          # who does not do the job; nothing is to be measured then
#     $side->count;
#     $side->rounds;
#     print $side->figures, $side->details;

use v5.36;

use Canopy::Bench::Callgrind;
use Canopy::Bench::Load;
use Canopy::Bench::Paths;
use Canopy::Bench::Table qw(table number ratio median);

my %title = (proxy => 'nginx proxy_pass', return => 'nginx return', canopy => 'ngx_canopy', lua => 'nginx + Lua');
my @figures = qw(cpu rate p50 p99 memory);

sub new ($class, $bench, %opt) {
    my %wanted = map { $_ => 1 } $opt{paths}->@*;
    my @paths = grep { $wanted{$_->{name}} } Canopy::Bench::Paths::all($bench->tokens);
    my $self = bless { rounds => 5, seconds => 2, count => 1000, connections => 16, %opt,
                       bench => $bench, paths => \@paths }, $class;
    for my $name (map { Canopy::Bench::Paths::contestants($_) } @paths) {
        $self->{nginx}{$name} //= $bench->nginx($name, STATUS => 204, BODY => '');
    }
    return $self;
}

# The module comes first: what it answers is what return has to send.
sub check ($self) {
    my @faults;
    for my $path ($self->{paths}->@*) {
        $self->{bench}->progress("checks: $path->{title}");
        my @names = Canopy::Bench::Paths::contestants($path);
        for my $name ('canopy', grep { $_ ne 'canopy' } @names) {
            my $nginx = $self->_nginx($path, $name);
            push @faults, map { "$path->{title}, $title{$name}: $_" }
                Canopy::Bench::Paths::faults($path, $nginx, \$path->{body});
        }
    }
    return @faults;
}

sub count ($self) {
    for my $path ($self->{paths}->@*) {
        for my $name (Canopy::Bench::Paths::contestants($path)) {
            $self->{bench}->progress("instructions: $path->{title}, $title{$name}");
            $path->{ir}{$name} = Canopy::Bench::Callgrind::per_request(
                $self->_nginx($path, $name), $path->{requests}->($name), status => $path->{status}, count => $self->{count},
                warm => $name eq 'canopy' && $path->{warm} || $self->{count});
        }
    }
}

# Who begins is another one in each round. Each starts anew, so that chance has no lasting effect.
sub rounds ($self) {
    for my $round (1 .. $self->{rounds}) {
        for my $path ($self->{paths}->@*) {
            my @names = Canopy::Bench::Paths::contestants($path);
            push @names, shift @names for 1 .. $round % @names;
            for my $name (@names) {
                $self->{bench}->progress("round $round of $self->{rounds}: $path->{title}, $title{$name}");
                my $nginx = $self->_nginx($path, $name);
                $nginx->start;
                my $got = Canopy::Bench::Load::measure($nginx, $path->{requests}->($name), status => $path->{status},
                    seconds => $self->{seconds}, connections => $self->{connections});
                $nginx->stop;
                die "$path->{title}, $title{$name}: $_\n" for grep { length } $got->{errors}, $nginx->faults;
                push $path->{load}{$name}->@*, $got;
            }
        }
    }
}

sub _nginx ($self, $path, $name) {
    my $nginx = $self->{nginx}{$name};
    $nginx->set(STATUS => $path->{status}, BODY => $path->{body} // '') if $name eq 'return';
    return $nginx;
}

# The median over the rounds, and that of the ratio to the limit of the same round.
sub _median ($self, $path, $name, $figure) {
    my ($mine, $limit) = @{$path->{load}}{$name, $path->{against}};
    return (median(map { $_->{$figure} } @$mine),
            median(map { $mine->[$_]{$figure} / ($limit->[$_]{$figure} || 1) } 0 .. $#$mine));
}

# What is to be reached, and what is.
sub figures ($self) {
    return table(
        ['path', 'against', 'instructions', 'to reach', 'CPU', 'to reach'],
        map {
            my $path = $_;
            my @got = ($path->{ir}{canopy} / $path->{ir}{$path->{against}}, ($self->_median($path, 'canopy', 'cpu'))[1]);
            [$path->{title}, $title{$path->{against}},
             map { ($got[$_] > $path->{limits}[$_] + 0.005 ? '**' . ratio($got[$_]) . '**' : ratio($got[$_]),
                    '<= ' . ratio($path->{limits}[$_])) } 0, 1]
        } $self->{paths}->@*);
}

sub details ($self) {
    my @digits = (1, 0, 2, 2, 0);
    return table(
        ['path', 'who', 'instructions', 'CPU, us', 'requests/s', 'p50, ms', 'p99, ms', 'memory, kB'],
        map {
            my $path = $_;
            my $first = 1;
            map {
                my $name = $_;
                my $ir = $path->{ir}{$name};
                my $is_limit = $name eq $path->{against};
                my $cell = sub ($value, $ratio, $digits) {
                    number($value, $digits) . ($is_limit ? '' : ' (' . ratio($ratio) . ')');
                };
                [$first-- > 0 ? $path->{title} : '', $title{$name}, $cell->($ir, $ir / $path->{ir}{$path->{against}}, 0),
                 map { $cell->($self->_median($path, $name, $figures[$_]), $digits[$_]) } 0 .. $#figures]
            } Canopy::Bench::Paths::contestants($path)
        } $self->{paths}->@*);
}

1;
