# What README.md and docs/ show is true: nginx takes each configuration, each link leads somewhere, each directive and variable
# is documented, and each one documented is there.

use v5.36;

use Test::More;

use Canopy::Test;

my @pages = ('README.md', 'CONTRIBUTING.md', 'SECURITY.md', 't/README.md', glob('docs/*.md'), glob('examples/*/README.md'));

sub text ($file) { open my $fh, '<:utf8', $file or BAIL_OUT("$file: $!"); local $/; return <$fh> }

# ---------------------------------------------------------------------------------------------------------------- links

for my $page (@pages) {
    my ($dir) = $page =~ m{^(.*/)};
    my @dead;
    for my $link (text($page) =~ /\]\(([^)\s]+)\)/g) {
        next if $link =~ m{^https?://};
        my ($file, $anchor) = $link =~ /^([^#]*)#?(.*)$/;
        my $path = $file eq '' ? $page : ($dir // '') . $file;
        my %anchors = -e $path && $path =~ /\.md$/
            ? map { lc(s/[^\w\s-]//gr =~ s/ /-/gr) => 1 } text($path) =~ /^#+ (.*)$/mg : ();
        push @dead, $link if !-e $path || $anchor ne '' && !$anchors{$anchor};
    }
    is(join(' ', @dead), '', "$page: links");
}

# ------------------------------------------------------------------------------------------------------- configurations

my $t = Canopy::Test->new;
my $cert = $t->certificate('gateway', san => 'DNS:canopy.internal.example');
$t->secret($_, "documented-secret-$_") for 'sandbox.token', 'live.token', 'live.secret';
$t->write('clients.jwks', '{"keys":[{"kty":"oct","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC0xMjM0NTY3ODkw"}]}', 0644);
$t->write('switch', "sandbox\n");

# Blocks that are indented, nginx's if they begin with a directive of it.
sub samples ($page) {
    my @samples;
    for my $block (text($page) =~ /((?:^ {4}.*\n(?:\n(?= {4}))*)+)/mg) {
        $block =~ s/^ {4}//mg;
        push @samples, $block if $block =~ /^(?:load_module|canopy_\w+|server|http|location)\b.*[{;]$/m;
    }
    return @samples;
}

my %environment = map { my $n = $_; $n => "canopy_environment $n { server http://127.0.0.1:1; bearer_token_file %%DIR%%/$n.token; }\n" } qw(live sandbox);
my $seen = 0;
for my $page (@pages) {
    for my $sample (samples($page)) {
        $seen++;
        my $conf = $sample;
        $conf =~ s/^load_module.*\n//m;
        $conf =~ s/^events .*\n//m;
        $conf =~ s{/(?:etc/canopy|run/canopy|run/secrets)/}{%%DIR%%/}g;
        $conf =~ s{/etc/nginx/canopy\.crt}{$cert->{chain}}g;
        $conf =~ s{/etc/nginx/canopy\.key}{$cert->{key}}g;
        $conf =~ s{/var/log/nginx/}{%%DIR%%/}g;
        $conf = "server {\n$conf}\n" if $conf =~ /^location/;
        my %needed = map { $conf =~ /canopy_pass +(?:\$canopy_switch|$_)\b/ && $conf !~ /canopy_environment +$_\b/ ? ($_ => 1) : () } keys %environment;
        my $blocks = join '', map { $environment{$_} } sort keys %needed;
        $conf = "http {\n$blocks$conf}\n" if $conf !~ /^http \{/m;
        $conf =~ s|^http \{|http {\n access_log off; canopy_state_path %%DIR%%/state;|m;
        $conf =~ s/listen ([^;]*?)(\d+)( ssl)?;/'listen 127.0.0.1:%%PORT_p' . $2 . '%%' . ($3 \/\/ '') . ';'/ge;

        my ($status, $output) = $t->test_conf("%%HEAD%%\n$conf");
        is($status, 0, "$page: " . (split /\n/, $sample)[0]) || diag($output, $conf);
    }
}
cmp_ok($seen, '>=', 3, "$seen configurations");

# ----------------------------------------------------------------------------------------------- directives and variables

my $reference = text('docs/directives.md');

my %directive = map { $_ => 1 } text('ngx_canopy_module.c') =~ /^    \{ ngx_string\("(\w+)"\),\s+NGX_(?:HTTP|CANOPY_ENVIRONMENT)_/mg;
my %documented = map { $_ => 1 } $reference =~ /\*\*(\w+)\*\*/g;
is(join(' ', sort keys %documented), join(' ', sort keys %directive), 'each directive is documented, and no other');
cmp_ok(scalar keys %directive, '>', 30, '... many');

my %variable = map { $_ => 1 } text('src/nginx/ngx_canopy_variables.c') =~ /ngx_string\("(canopy_\w+)"\)/g;
my %described = map { $_ => 1 } $reference =~ /^\| `\$(canopy_\w+)`/mg;
is(join(' ', sort keys %described), join(' ', sort keys %variable), 'each variable is documented, and no other');

$t->done;
