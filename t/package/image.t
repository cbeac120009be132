# The image of examples/docker/ in the conditions of examples/kubernetes/: built on a Debian of its own, run by an unprivileged
# user without capabilities, on a read-only file system, with a network of its own. Needs root and Debian's archive.

use v5.36;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use FindBin;
use Socket qw(AF_INET SOCK_DGRAM);
use Test::More;

use lib "$FindBin::Bin/../lib";
use Canopy::Client;
use Canopy::Example;
use Canopy::Jose;
use Canopy::Process qw(end_process run spawn wait_until);
use Canopy::Test;

chdir "$FindBin::Bin/../.." or die "$!\n";

plan skip_all => 'mounts need root' if $> != 0;

# ------------------------------------------------------------------------------------------------------------ the image

# An image store of its own. Every command has to succeed.
sub buildah (@command) {
    my @store = ('--root', abs_path('build') . '/image', '--runroot', abs_path('build') . '/image-run', '--storage-driver', 'vfs');
    open my $out, '-|', 'buildah', @store, @command or BAIL_OUT("buildah: $!");
    my $text = do { local $/; <$out> };
    close $out or BAIL_OUT("buildah @command: $text");
    return $text =~ s/\s+\z//r;
}

if (!$ENV{CANOPY_TEST_IMAGE}) {
    my ($suite) = do { open my $fh, '<', '/etc/os-release' or die "os-release: $!\n"; local $/; <$fh> =~ /^VERSION_CODENAME=(\w+)/m };
    system('t/chroot', 'make', "build/chroot/$suite", $suite) == 0 or BAIL_OUT('there is no Debian');

    my $base = buildah('from', 'scratch');
    buildah('copy', '-q', $base, "build/chroot/$suite", '/');
    buildah('commit', '-q', '--rm', $base, 'localhost/debian');
    buildah('build', '-q', '--isolation', 'chroot', '--network', 'host', '--build-arg', 'BASE=localhost/debian',
            '-f', 'examples/docker/Dockerfile', '-t', 'canopy-gateway', '.');
    my $container = buildah('from', 'localhost/canopy-gateway');

    local $ENV{CANOPY_TEST_IMAGE} = buildah('mount', $container);
    local $ENV{CANOPY_TEST_CONFIG} = buildah('inspect', '--type', 'image', '--format',
        '{{.OCIv1.Config.User}} {{.OCIv1.Config.StopSignal}} {{.OCIv1.Config.Entrypoint}}', 'localhost/canopy-gateway');
    my $status = system('unshare', '--mount', '--net', '--propagation', 'private', $^X, $0);
    buildah('rm', '-a');
    buildah('rmi', '-a', '-f');
    exit $status >> 8;
}

# -------------------------------------------------------------------------------------------------------- what is in it

my $root = $ENV{CANOPY_TEST_IMAGE};
is($ENV{CANOPY_TEST_CONFIG}, '33:33 SIGQUIT [nginx -e stderr -g daemon off;]', 'user, signal and command');
ok(-e "$root/usr/lib/nginx/modules/ngx_canopy_module.so", 'the module is in it');
ok(!-e "$root/usr/bin/gcc" && !-e "$root/build", 'what has built it is not');
ok(!-e "$root/etc/nginx/nginx.conf", 'nor is a configuration');

# ----------------------------------------------------------------------------------------------------------- it is run

# a new network has its loopback down: SIOCSIFFLAGS, IFF_UP
socket my $interface, AF_INET, SOCK_DGRAM, 0 or die "socket: $!\n";
ioctl $interface, 0x8914, my $up = pack 'Z16 s x14', 'lo', 1 or die "loopback: $!\n";

my $t = Canopy::Test->new(http_port => 'https');
my $key = Canopy::Jose->new('ES256', kid => 'a');
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $front = $t->certificate('front', san => 'DNS:canopy.internal.example');
$t->upstream('canopy', tls => $t->certificate('canopy', san => 'IP:127.0.0.1'), handler => sub ($conn, $req, $n) { reply(204) });

# What Kubernetes mounts: files of root's, for the group 33, and one directory that may be written to.
my %mounted = (
    'run/secrets/canopy' => { 'live.token' => 'image-live-token', 'sandbox.token' => 'image-sandbox-token' },
    'etc/nginx/tls'      => { 'tls.crt' => slurp($front->{chain}), 'tls.key' => slurp($front->{key}) },
    'etc/canopy'         => { 'clients.jwks' => Canopy::Jose::set($key), 'ca.pem' => $t->read('ca.pem') },
);

sub slurp ($file) { open my $fh, '<', $file or BAIL_OUT("$file: $!"); local $/; return <$fh> }
sub mount (@args) { my ($status, $output) = run('mount', @args); $status == 0 or BAIL_OUT("mount @args: $output") }

my $conf = Canopy::Example->new('examples/kubernetes/nginx.conf');
$conf->change(qr{canopy_environment (\w+) \{\K}, ' server https://127.0.0.1:%%PORT_canopy%%/tasking; ssl_trusted_certificate /etc/canopy/ca.pem;', 2);
$t->write('mounted.conf', $t->expand($conf->text, ''), 0644);

# mount points are the runtime's affair
run('install', '-D', '/dev/null', "$root/etc/nginx/nginx.conf");
run('mkdir', '-p', map { "$root/$_" } keys %mounted);
mount('--bind', '-o', 'ro', $root, $root);
mount('--bind', $t->path('mounted.conf'), "$root/etc/nginx/nginx.conf");
for my $dir (sort keys %mounted) {
    mount('-t', 'tmpfs', 'tmpfs', "$root/$dir");
    for my $file (keys $mounted{$dir}->%*) {
        open my $fh, '>', "$root/$dir/$file" or BAIL_OUT("$file: $!");
        print $fh $mounted{$dir}{$file};
        chmod 0440, $fh;
        chown 0, 33, $fh;
    }
}
mount('-t', 'tmpfs', '-o', 'mode=1777', 'tmpfs', "$root/$_") for 'tmp', 'var/lib/nginx';
mount('-t', 'proc', 'proc', "$root/proc");
mount('--rbind', '/dev', "$root/dev");

$t->write($_, '', 0666) for 'stdout', 'stderr';
my @unprivileged = qw(setpriv --reuid=33 --regid=33 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs);
my $pid = spawn(sub {
    open STDOUT, '>>', $t->path('stdout') or die "stdout: $!\n";
    open STDERR, '>>', $t->path('stderr') or die "stderr: $!\n";
    exec 'chroot', $root, @unprivileged, 'nginx', '-e', 'stderr', '-g', 'daemon off;' or die "chroot: $!\n";
});

sub ready () { return Canopy::Client::request(port => 8081, method => 'GET', path => '/ready')->status }
ok(wait_until(sub { ready() == 200 }, 20), 'it is ready') || diag($t->read('stderr'));

my %tls = (SSL_ca_file => $t->path('ca.pem'), SSL_hostname => 'canopy.internal.example',
           SSL_verifycn_name => 'canopy.internal.example', SSL_verifycn_scheme => 'http', SSL_verify_mode => 1);
my $token = $key->token(iss => 'https://login.example/', aud => 'canopy-gateway', sub => 'planner', scope => 'canopy:cancel');
for my $environment (qw(live sandbox)) {
    my $res = Canopy::Client::request(port => 8443, method => 'PATCH', path => "/$environment/tasks/$id/cancel", tls => \%tls,
                                      headers => [['Authorization', "Bearer $token"]]);
    is(join(' ', $res->status, $res->header('Canopy-Outcome')), '204 accepted', "$environment: a cancel") || diag($res->raw, $t->read('stderr'));
}
is(join(' ', sort map { $_->header('Authorization') } $t->received('canopy')), 'Bearer image-live-token Bearer image-sandbox-token', 'as it was mounted');

my @processes = grep { (readlink "/proc/$_/root" // '') eq $root } map { m{(\d+)} } glob '/proc/[0-9]*';
cmp_ok(scalar @processes, '>=', 3, 'a master and two workers');
my %status = map { $_ => 1 } map { slurp("/proc/$_/status") =~ /^((?:Uid|Gid|CapEff|CapBnd|NoNewPrivs):.*)$/mg } @processes;
is(join("\n", sort keys %status), join("\n", "CapBnd:\t" . '0' x 16, "CapEff:\t" . '0' x 16, "Gid:" . "\t33" x 4, "NoNewPrivs:\t1", "Uid:" . "\t33" x 4),
   'all of them without any privilege');

unlike($t->read('stderr'), qr/\[(?:warn|error|crit|alert|emerg)\]/, 'nothing is wrong in the log') || diag($t->read('stderr'));
ok(wait_until(sub { $t->read('stdout') =~ /"environment":"sandbox".*"outcome":"accepted"/ }), 'the audit log is on its output') || diag($t->read('stdout'));
unlike($t->read('stdout') . $t->read('stderr'), qr/image-\w+-token/, 'no token is');

kill 'QUIT', $pid;
my $ended = ok(wait_until(sub { waitpid($pid, 1) == $pid }, 20), 'it ends when it is told to');
is($?, 0, 'without a failure');
end_process($pid) if !$ended;

done_testing();
