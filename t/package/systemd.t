# The systemd unit of docs/secrets.md, with a real systemd in a Debian of its own: nginx has its secret from LoadCredential=,
# a restart brings a new one, a reload does not. Needs root and Debian's archive; the package is in build/ (make deb).

use v5.36;

use File::Basename qw(dirname);
use Test::More;

chdir dirname(__FILE__) . '/../..' or die "$!\n";

plan skip_all => 'a chroot needs root' if $> != 0;
my ($deb) = glob 'build/libnginx-mod-http-canopy_*.deb' or plan skip_all => 'there is no package, "make deb" builds it';
plan skip_all => 'there are no control groups of version 2' if !grep { /^\S+ \S+ cgroup2 / } split /^/, slurp('/proc/mounts');

my ($suite) = slurp('/etc/os-release') =~ /^VERSION_CODENAME=(\w+)/m;
my ($base, $dir) = ("build/chroot/$suite", 'build/chroot/systemd-test');

sub slurp ($file) {
    open my $fh, '<', $file or die "$file: $!\n";
    local $/;
    return <$fh>;
}

sub put ($file, $text, $mode = 0644) {
    open my $fh, '>', "$dir/$file" or die "$file: $!\n";
    print $fh $text;
    close $fh or die "$file: $!\n";
    chmod $mode, "$dir/$file";
}

sub do_or_bail (@command) { system(@command) == 0 or BAIL_OUT("@command") }

do_or_bail('t/chroot', 'make', $base, $suite);
do_or_bail('t/chroot', 'copy', $base, $dir);
do_or_bail("cp $deb $dir/srv");
do_or_bail('t/chroot', 'online', $dir, 'sh', '-c', 'apt-get update -qq && apt-get install -qq -y --no-install-recommends \
    systemd systemd-sysv dbus ca-certificates /srv/*.deb > /dev/null 2>&1');

# ---------------------------------------------------------------------------------------------------- what the page shows

my $page = slurp('docs/secrets.md') =~ s/^ {4}//gmr;
my ($unit) = $page =~ /^(\[Service\]\n(?:\w+=.*\n)+)/m or BAIL_OUT('docs/secrets.md has no unit');
my ($gapless) = $page =~ m{^(install .* /run/canopy/new\nmv .*\n)}m or BAIL_OUT('docs/secrets.md does not rotate');
my ($environment) = $page =~ m[^(canopy_environment live \{\n[^}]*/run/canopy/live\.secret;\n\}\n)]m
    or BAIL_OUT('docs/secrets.md has no environment');

mkdir "$dir/etc/systemd/system/nginx.service.d";
mkdir "$dir/etc/credstore", 0700;
put('etc/systemd/system/nginx.service.d/canopy.conf', $unit);
put('etc/credstore/live.secret', "client-secret-1\n", 0600);
put('etc/nginx/conf.d/canopy.conf', $environment);

# What else there is in the directory of credentials is for the service alone, so it is asked itself.
put('srv/steps', <<"END", 0755);
#!/bin/bash
step() { echo "\$1: \$(cat)"; }
worker() { su -s /bin/sh www-data -c "cat /run/canopy/live.secret" 2>&1; }
exec > /srv/steps.log 2> /srv/steps.err
systemctl start nginx
systemctl is-active nginx | step started
worker | step first
stat -c '%U:%G %a' /run/canopy/live.secret | step mode
su -s /bin/sh nobody -c 'cat /run/canopy/live.secret' 2>&1 | step nobody

echo client-secret-2 > /etc/credstore/live.secret
systemctl reload nginx && worker | step reload
systemctl restart nginx && worker | step restart

echo client-secret-3 > /etc/credstore/live.secret
$gapless
worker | step gapless

# the credential itself, as it would be without a copy
sed -i 's,/run/canopy/live.secret,/run/credentials/nginx.service/live.secret,' /etc/nginx/conf.d/canopy.conf
systemctl restart nginx
systemctl is-active nginx | step direct
journalctl -u nginx --no-pager > /srv/journal
grep emerg /srv/journal | tail -n 1 | step why
END
put('etc/systemd/system/canopy-test.service', <<'END');
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=/srv/steps
ExecStopPost=/bin/systemctl exit --force --force
END
put('etc/systemd/system/canopy-test.target', <<'END');
[Unit]
Requires=basic.target
Wants=canopy-test.service
END

system('t/chroot', 'boot', $dir, 'canopy-test.target');
my %step = slurp("$dir/srv/steps.log") =~ /^(\w+): (.*)$/mg;

is($step{started}, 'active', 'nginx has started');
is($step{first}, 'client-secret-1', 'its workers can read the secret');
is($step{mode}, 'root:www-data 640', 'by their group');
like($step{nobody}, qr/Permission denied/, 'others can not');
is($step{reload}, 'client-secret-1', 'a reload keeps the old one');
is($step{restart}, 'client-secret-2', 'a restart brings the new one');
is($step{gapless}, 'client-secret-3', 'so does a copy by hand');
is($step{direct}, 'failed', 'without a copy nginx does not start');
like($step{why}, qr{/run/credentials/nginx\.service/live\.secret.*www-data}, 'since its workers could not read the secret');

diag(slurp("$dir/srv/steps.err"), slurp("$dir/srv/journal")) if !Test::More->builder->is_passing;
done_testing();
do_or_bail('rm', '-rf', '--one-file-system', $dir);
