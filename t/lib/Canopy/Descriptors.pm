package Canopy::Descriptors;

# What a process holds open, in words: "connection 2, file 3, listening 1". Two of them can be compared.

use v5.36;

use Exporter qw(import);

our @EXPORT_OK = qw(descriptors);

sub descriptors ($pid) {
    my $sockets = _sockets($pid);
    my %count;
    for my $fd (glob "/proc/$pid/fd/*") {
        my $what = readlink $fd // next;
        my $kind = $what =~ /^socket:\[(\d+)\]/ ? $sockets->{$1} // 'socket' : $what =~ m{^/} ? 'file' : $what =~ s/:.*//r;
        $count{$kind}++;
    }
    return join ', ', map { "$_ $count{$_}" } sort keys %count;
}

# {inode => kind}
sub _sockets ($pid) {
    my %kind;
    for my $table (qw(tcp tcp6 udp unix)) {
        open my $fh, '<', "/proc/$pid/net/$table" or next;
        while (<$fh>) {
            my @column = split;
            my $inode = $table eq 'unix' ? $column[6] : $column[9];
            $kind{$inode} = $table !~ /^tcp/ ? $table : $column[3] eq '0A' ? 'listening' : 'connection' if defined $inode;
        }
    }
    return \%kind;
}

1;
