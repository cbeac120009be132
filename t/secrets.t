# Secrets as docs/secrets.md has them: mounted as Kubernetes and Docker do it, for root only, for an nginx that is not root.
# What is mounted is so for this test alone.

use v5.36;

use Canopy::Process qw(run wait_until);
use Canopy::Test;
use File::Copy qw(copy);
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'only root gives files to another user and mounts' if $> != 0;

if (!$ENV{CANOPY_TEST_MOUNTS}) {
    local $ENV{CANOPY_TEST_MOUNTS} = 1;
    plan skip_all => 'no mounts of its own' if (run('unshare', '--mount', 'true'))[0] != 0;
    exec 'unshare', '--mount', '--propagation', 'private', $^X, (map { "-I$_" } @INC), $0 or die "unshare: $!\n";
}

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my ($uid, $gid) = (getpwnam 'www-data')[2, 3];

$t->upstream('canopy', handler => sub ($conn, $req, $n) {
    $t->append('sent', ($req->header('Authorization') =~ s/^Bearer //r) . "\n");
    return reply(204);
});

# As the kubelet does it: a new directory, a new link moved over the old one, the old directory removed.
sub project ($volume, $no, $mode, $group, %files) {
    my $old = readlink $t->path("$volume/..data");
    mkdir $t->path($volume);
    mkdir $t->path("$volume/..2026_$no");
    for my $file (keys %files) {
        $t->plant($files{$file});
        chown 0, $group, $t->write("$volume/..2026_$no/$file", $files{$file}, $mode);
        symlink "..data/$file", $t->path("$volume/$file");
    }
    symlink "..2026_$no", $t->path("$volume/..data_tmp");
    rename $t->path("$volume/..data_tmp"), $t->path("$volume/..data") or die "..data: $!\n";
    if (defined $old) {
        unlink glob $t->path("$volume/$old/*");
        rmdir $t->path("$volume/$old") or die "$old: $!\n";
    }
}

sub mount (@args) { my ($status, $output) = run('mount', @args); $status == 0 or BAIL_OUT("mount @args: $output") }

project('kubernetes', 1, 0440, $gid, token => 'kubernetes-secret-1');

mkdir $t->path($_) for qw(host directory);
$t->secret('host/token', 'docker-secret-1');
$t->write('file', '');
mount('--bind', $t->path('host'), $t->path('directory'));
mount('--bind', $t->path('host/token'), $t->path('file'));

my %file = (kubernetes => 'kubernetes/token', directory => 'directory/token', file => 'file');
my $environments = join "\n    ", map { <<"EOC" =~ s/\n\z//r } sort keys %file;
canopy_environment $_ { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/$file{$_}; }
EOC

my $conf = <<"EOC";
%%HEAD%%
http {
    %%HTTP%%
    $environments
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\\w+)/ { canopy_pass \$environment; }
    }
}
EOC
$t->conf($conf);
my ($status, $output) = $t->test_conf($conf);
is($status, 0, 'nginx takes such files') or diag($output);
unlike($output, qr/\[warn\]/, 'without a warning');
$t->start;

sub owner ($pid) { return (stat "/proc/$pid")[4] }
is(join(' ', map { owner($_) } $t->workers), $uid, 'the worker is www-data');

# The credential that a cancel carries, which is answered well in any case.
my @failed;
sub credential ($environment) {
    my $res = $t->cancel($id, prefix => "/$environment");
    push @failed, $res->raw if $res->status != 204;
    my @sent = split /\n/, $t->read('sent');
    return $sent[-1];
}

sub becomes ($environment, $secret, $what) {
    my $seen = wait_until(sub { credential($environment) eq $secret });
    ok($seen, $what) or diag(credential($environment));
}

# ------------------------------------------------------------------------------------------------------------ Kubernetes

is(credential('kubernetes'), 'kubernetes-secret-1', 'a mounted secret');
for my $no (2 .. 4) {
    # a young file is read again in any case, one that was seen later only if it has changed
    sleep 2.5;
    is(credential('kubernetes'), 'kubernetes-secret-' . ($no - 1), 'for some seconds');
    project('kubernetes', $no, 0440, $gid, token => "kubernetes-secret-$no");
    becomes('kubernetes', "kubernetes-secret-$no", "switched, $no");
}

# ---------------------------------------------------------------------------------------------------------------- Docker

is(credential($_), 'docker-secret-1', "a mounted $_") for qw(directory file);
$t->secret('host/token', 'docker-secret-2');
becomes('directory', 'docker-secret-2', 'moved on the host: a mounted directory has it');
sleep 2.5;
is(credential('file'), 'docker-secret-1', 'a mounted file has not');

is_deeply(\@failed, [], 'all cancels went well');
unlike($t->log, qr/\[(?:error|crit)\]/, 'and there was nothing to tell');

# ------------------------------------------------------------------------------------------------- who may read a secret

sub told ($file) {
    my ($status, $output) = $t->test_conf($conf =~ s{%%DIR%%/\Qfile;\E}{%%DIR%%/$file;}r);
    return ($status == 0 ? 'taken' : 'refused') . join '', map { "\n$_" } grep { /\[(?:warn|emerg)\]/ } split /\n/, $output;
}

project('default', 1, 0444, 0, token => 'default-secret-1');
like(told('default/token'), qr{^taken\n.*\[warn\].*default/token}, 'for everybody: a warning');
project('private', 1, 0400, 0, token => 'private-secret-1');
like(told('private/token'), qr{^refused\n.*\[emerg\].*private/token.*www-data}, 'for root only, as LoadCredential= has it: an error that says so');
project('nogroup', 1, 0440, 0, token => 'nogroup-secret-1');
like(told('nogroup/token'), qr{^refused\n.*\[emerg\].*nogroup/token.*www-data}, 'for the group of root, without fsGroup: the same');

# nginx in a container that has no root: files of its own, mode 0400

$t->stop;
$t->write('own.token', 'own-secret-1', 0400);
$t->plant('own-secret-1');
my $module = $ENV{CANOPY_MODULE} // 'build/ngx_canopy_module.so';
local $ENV{CANOPY_MODULE} = length $module ? $t->path('module.so') : '';
copy($module, $ENV{CANOPY_MODULE}) or BAIL_OUT("$module: $!") if length $module;     # where www-data may look, too
$t->{nginx} = $t->write('nginx-as-www-data', <<"END", 0755);
#!/bin/sh
exec setpriv --reuid=$uid --regid=$gid --clear-groups @{[$ENV{CANOPY_NGINX} // '/usr/sbin/nginx']} "\$@"
END
$t->conf($conf =~ s{%%DIR%%/\Qfile;\E}{%%DIR%%/own.token;}r =~ s{%%HTTP%%}{%%HTTP%%\n    canopy_state_path off;}r);
run('chown', '-R', "$uid:$gid", $t->dir);
$t->start;
is(owner($t->master), $uid, 'an nginx that is www-data as a whole');
is(credential('file'), 'own-secret-1', 'has a secret that is its own');

$t->stop;
run('umount', $t->path($_)) for qw(directory file);
$t->done;
