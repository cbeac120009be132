# What stands in two places: the version, the directives of the manual page, the files that the Debian package installs.

use v5.36;

use File::Basename qw(dirname);
use Test::More;

chdir dirname(__FILE__) . '/..' or die "$!\n";

sub slurp ($file) {
    open my $fh, '<', $file or die "$file: $!\n";
    local $/;
    return <$fh>;
}

my ($version) = slurp('src/nginx/ngx_canopy.h') =~ /NGX_CANOPY_VERSION\s+"([^"]+)"/ or die "no version\n";
like(slurp('debian/changelog'), qr/\A\S+ \(\Q$version\E-\d+\) /, "the package's version is $version-N");
like(slurp('docs/ngx_canopy.5'), qr/^\.TH NGX_CANOPY 5 \S+ "ngx_canopy \Q$version\E"/m, 'the manual page is of this version');

my $page = slurp('docs/ngx_canopy.5');
my @directives = slurp('ngx_canopy_module.c') =~ /^    \{ ngx_string\("(\w+)"\),/mg;
cmp_ok(scalar @directives, '>', 30, 'directives');
is_deeply([grep { $page !~ /^\.[BT][IR]? $_\b/m } @directives], [], 'each is in the manual page');

for my $list (map { "debian/libnginx-mod-http-canopy.$_" } qw(docs examples manpages)) {
    is_deeply([grep { !-e } split /\n/, slurp($list)], [], "$list: the files are there");
}

my $installed = join '', map { slurp("debian/libnginx-mod-http-canopy.$_") } qw(docs examples);
is_deeply([grep { $installed !~ /^\Q$_\E$/m } glob 'docs/*.md docs/*.yaml examples/*'], [], 'all documents and examples are installed');

done_testing();
