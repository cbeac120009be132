package Canopy::Bench::Table;

# Figures as Markdown.
#
#     print table(['path', 'instructions'], ['accepted', number(25697)], ...);
#     ratio(1.4263)           # 1.43
#     median(@values)

use v5.36;

use Exporter qw(import);

our @EXPORT_OK = qw(table number ratio median write_section);

# Columns with figures stand at the right.
sub table ($head, @rows) {
    my @columns = 0 .. $#$head;
    my @width = map { my $at = $_; (sort { $b <=> $a } map { length $_->[$at] // '' } $head, @rows)[0] } @columns;
    my @figures = map { my $at = $_; scalar grep { ($_->[$at] // '') =~ /^\W*\d/ } @rows } @columns;
    my $line = sub (@cells) {
        my @padded = map { sprintf $figures[$_] ? "%$width[$_]s" : "%-$width[$_]s", $cells[$_] // '' } @columns;
        '| ' . join(' | ', @padded) . " |\n";
    };
    return $line->(@$head),
           '| ' . join(' | ', map { $figures[$_] ? '-' x ($width[$_] - 1) . ':' : '-' x $width[$_] } @columns) . " |\n",
           map { $line->(@$_) } @rows;
}

# 25,697; 22.6 with a digit behind the point.
sub number ($value, $digits = 0) {
    my $text = sprintf "%.${digits}f", $value;
    1 while $text =~ s/^(-?\d+)(\d{3})(?=[,.]|$)/$1,$2/;
    return $text;
}

sub ratio ($value) { return sprintf '%.2f', $value }

sub median (@values) {
    my @sorted = sort { $a <=> $b } @values;
    my $half = int @sorted / 2;
    return @sorted % 2 ? $sorted[$half] : ($sorted[$half - 1] + $sorted[$half]) / 2;
}

# Puts the text between <!-- name --> and <!-- /name --> of a page, instead of what is there.
sub write_section ($file, $name, $text) {
    open my $in, '<', $file or die "$file: $!\n";
    my $page = do { local $/; <$in> };
    $page =~ s/(<!-- \Q$name\E -->\n).*?(<!-- \/\Q$name\E -->)/$1\n$text\n$2/s or die "$file has no place for $name\n";

    open my $out, '>', "$file.new" or die "$file.new: $!\n";
    print $out $page;
    close $out or die "$file.new: $!\n";
    rename "$file.new", $file or die "$file: $!\n";
}

1;
