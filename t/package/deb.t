# The Debian package in a Debian of its own: installed by apt, configured with three lines, upgraded under requests,
# removed and purged. Needs root and Debian's archive; the packages are in build/ (make deb).

use v5.36;

use File::Basename qw(dirname);
use IPC::Open2;
use Test::More;

chdir dirname(__FILE__) . '/../..' or die "$!\n";

plan skip_all => 'a chroot needs root' if $> != 0;
my ($deb) = glob 'build/libnginx-mod-http-canopy_*.deb' or plan skip_all => 'there is no package, "make deb" builds it';

my $package = 'libnginx-mod-http-canopy';
my ($suite) = slurp('/etc/os-release') =~ /^VERSION_CODENAME=(\w+)/m;
my ($base, $dir) = ("build/chroot/$suite", 'build/chroot/deb-test');
my $apt = 'apt-get -y -q -o Dpkg::Use-Pty=0';
my $id = '00000000-0000-4000-8000-0000000000';

sub slurp ($file) {
    open my $fh, '<', $file or die "$file: $!\n";
    local $/;
    return <$fh>;
}

sub do_or_bail (@command) { system(@command) == 0 or BAIL_OUT("@command") }

# ------------------------------------------------------------------------------------------------------- a fresh Debian

# What apt needs is fetched first, since the test has no network. The sandbox and curl are the test's own.
do_or_bail('t/chroot', 'make', $base, $suite);
do_or_bail('t/chroot', 'online', $base, 'sh', '-c', 'apt-get update -qq && apt-get install -qq -y --no-install-recommends \
    curl python3-fastapi python3-uvicorn procps > /dev/null');
do_or_bail('t/chroot', 'copy', $base, $dir);
do_or_bail("cp -r $deb t/sandbox $dir/srv");
do_or_bail('t/chroot', 'online', $dir, 'sh', '-c', 'apt-get install -qq -y --download-only /srv/*.deb > /dev/null');

# services may start now; without an init system that has to be said
open my $policy, '>', "$dir/usr/sbin/policy-rc.d" or die "policy-rc.d: $!\n";
print $policy "#!/bin/sh\nexit 0\n";
close $policy;

my $shell = open2(my $out, my $in, 't/chroot', 'alone', $dir, 'bash');
$in->autoflush;
my $transcript = '';

# The output of a command in there; its exit status is $?. It may leave a process in the background.
sub sh ($command) {
    print $in "{ $command\n} 2>&1 < /dev/null; printf '\\n\\001%d\\n' \$?\n";
    my $output = '';
    while (my $line = <$out>) {
        if ($line =~ /^\001(\d+)$/) {
            $? = $1 << 8;
            return $output =~ s/\n+\z//r;
        }
        $output .= $line;
    }
    BAIL_OUT("the shell has ended: $output");
}

sub succeeds ($command, $what = $command) {
    my $output = sh($command);
    ok($? == 0, $what) or diag($output);
    return $output;
}

sub is_now ($command, $expected, $what) { is(sh($command), $expected, $what) }

# True at last: such a command succeeds within some seconds.
sub comes_true ($command, $what) { succeeds("(for i in \$(seq 200); do { $command; } && exit; sleep 0.1; done; exit 1)", $what) }

# A command for the transcript.
sub shows ($command) {
    my $output = succeeds($command, $command =~ s/\n.*//sr);
    $transcript .= "# $command\n$output\n";
    return $output;
}

sub cancel ($no, $environment = 'sandbox', $port = 8080) {
    return "curl -si -X PATCH -H 'Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl' "
        . "http://127.0.0.1:$port/$environment/tasks/$id$no/cancel";
}

# ------------------------------------------------------------------------------------------------------------- installed

is_now(q(dpkg-query -W -f '${Status}' nginx libjansson4 2> /dev/null), '', 'neither nginx nor jansson is there');
like(shows("$apt install /srv/" . $deb =~ s{.*/}{}r), qr/Setting up \Q$package\E/, 'installed by apt');
is_now('readlink /etc/nginx/modules-enabled/50-mod-http-canopy.conf', '/usr/share/nginx/modules-available/mod-http-canopy.conf',
       'the module is enabled');
like(sh('nginx -T'), qr{^load_module modules/ngx_canopy_module\.so;$}m, 'nginx loads it');
succeeds('service nginx status', 'nginx runs');
succeeds("test -s /usr/share/doc/$package/$_.gz -o -s /usr/share/doc/$package/$_", "there is $_")
    for qw(README.md README.Debian copyright changelog.Debian);
succeeds('test -s /usr/share/man/man5/ngx_canopy.5.gz', 'there is a manual page');
my ($abi) = sh(q(dpkg-query -W -f '${Provides}' nginx)) =~ /(nginx-abi-[\w.-]+)/ or BAIL_OUT('nginx has no ABI');
like(sh("dpkg-query -W -f '\${Depends}' $package"), qr/(?:^|, )\Q$abi\E(?:,|$)/, "it depends on $abi");

# --------------------------------------------------------------------------------------------------------- three lines

sh('CANOPY_SANDBOX_TOKENS=upstream-secret CANOPY_SANDBOX_CLIENT_ID=client CANOPY_SANDBOX_CLIENT_SECRET=client-secret \
    python3 /srv/sandbox/app.py --port 9000 > /srv/sandbox.log 2>&1 & disown');
comes_true('grep -q listening /srv/sandbox.log', 'the sandbox listens');

shows('install -d -m 0750 -g www-data /etc/canopy');
shows('echo upstream-secret | install -m 0640 -g www-data /dev/stdin /etc/canopy/sandbox.token');
shows(<<'END' =~ s/\n\z//r);
cat > /etc/nginx/conf.d/canopy.conf <<'EOF'
canopy_environment sandbox { server http://127.0.0.1:9000/tasking; bearer_token_file /etc/canopy/sandbox.token; }
server { listen 127.0.0.1:8080;
         location /sandbox/ { canopy_pass sandbox; } }
EOF
END
shows('nginx -t');
shows('service nginx reload');
comes_true('curl -s http://127.0.0.1:8080/ > /dev/null', 'the gateway listens');
like(shows(cancel('05')), qr{^HTTP/1.1 204 .*^Canopy-Outcome: accepted\r$}ms, 'a task is cancelled');
like(shows(cancel('17')), qr{^HTTP/1.1 422 .*^Canopy-Outcome: rejected\r$}ms, 'another one is not');
like(sh('curl -s http://127.0.0.1:9000/_sandbox/tasks'), qr/"${id}05":"CANCEL/, 'so the sandbox says');

open my $fh, '>', 'build/deb-transcript.txt' or die "build/deb-transcript.txt: $!\n";
print $fh $transcript =~ s/\r//gr;
close $fh;

# An exchanged token, kept in the state directory that nginx makes itself

sh(<<'END');
echo client-secret | install -m 0640 -g www-data /dev/stdin /etc/canopy/secret
cat > /etc/nginx/conf.d/exchanged.conf <<'EOF'
canopy_environment exchanged {
    server                    http://127.0.0.1:9000/tasking;
    oauth2_token_url          http://127.0.0.1:9000/oauth/token;
    oauth2_audience           https://api.canopy.prod.umbra-sandbox.space;
    oauth2_client_id          client;
    oauth2_client_secret_file /etc/canopy/secret;
}
server { listen 127.0.0.1:8081; location /exchanged/ { canopy_pass exchanged; } }
EOF
END
succeeds('service nginx reload', 'a reload with another environment');
comes_true('curl -s http://127.0.0.1:8081/ > /dev/null', 'which listens');
like(sh(cancel('04', 'exchanged', 8081)), qr{^HTTP/1.1 204 }, 'a cancel with an exchanged token');
is_now('stat -c "%U %a" /var/lib/nginx/canopy; find /var/lib/nginx/canopy -type f -perm /077', 'www-data 700', 'the state directory');
succeeds('find /var/lib/nginx/canopy -type f | grep -q .', 'has the state');

# -------------------------------------------------------------------------------------------------------------- upgraded

succeeds(<<"END", 'the same as a later version');
dpkg-deb -R /srv/${package}_*.deb /srv/later && sed -i 's/^Version: .*/&.1/' /srv/later/DEBIAN/control \\
    && dpkg-deb -b /srv/later /srv/later.deb
END

# the inodes of the module in nginx's workers, and in the file system: the file is another one after an upgrade
my $mapped = q({ for p in $(pgrep -P "$(cat /run/nginx.pid)"); do grep -m 1 ngx_canopy /proc/$p/maps; done | awk '{print $5}' | sort -u; });
my $file = 'stat -c %i /usr/lib/nginx/modules/ngx_canopy_module.so';
is(sh($mapped), my $old = sh($file), 'workers have the module');
my $master = sh('cat /run/nginx.pid');

my $steady = cancel('17') . q( -o /dev/null -w '%{http_code}\n' >> /srv/statuses);
sh("(while [ ! -e /srv/enough ]; do $steady; done) > /dev/null 2>&1 & disown");
succeeds("$apt install /srv/later.deb", 'upgraded');
is_now("dpkg-query -W -f '\${Status}' $package", 'install ok installed', 'completely');
comes_true('[ ! -e /run/nginx.pid.oldbin ]', 'the old nginx has ended');
sh('sleep 1; touch /srv/enough');
isnt(sh($file), $old, 'there is another file');
is_now($mapped, sh($file), 'and workers have that one');
isnt(sh('cat /run/nginx.pid'), $master, 'in a new nginx');
is_now('sort -u /srv/statuses', 422, 'all requests meanwhile were answered');
cmp_ok(sh('wc -l < /srv/statuses'), '>', 20, 'which were many');
is_now('curl -s http://127.0.0.1:9000/_sandbox/exchanges | python3 -c "import json, sys; print(len(json.load(sys.stdin)))"', 1,
       'and no token was exchanged again');

# A configuration that is not right stops neither nginx nor dpkg

sh('echo "canopy_zone nonsense;" > /etc/nginx/conf.d/wrong.conf');
like(succeeds("$apt install --reinstall /srv/later.deb", 'again, with a wrong configuration'),
     qr/nginx still runs the old ngx_canopy/, 'says that nginx has not changed');
like(sh(cancel('17')), qr/^Canopy-Outcome: rejected\r$/m, 'and nginx goes on');
sh('rm /etc/nginx/conf.d/wrong.conf');

# What an administrator has disabled stays so

sh('mv /etc/nginx/conf.d/*.conf /srv; rm /etc/nginx/modules-enabled/50-mod-http-canopy.conf');
succeeds("$apt install --reinstall /srv/later.deb", 'again, with the module disabled');
succeeds('test ! -e /etc/nginx/modules-enabled/50-mod-http-canopy.conf', 'it stays disabled');
succeeds('ln -s /usr/share/nginx/modules-available/mod-http-canopy.conf /etc/nginx/modules-enabled/50-mod-http-canopy.conf
          mv /srv/*.conf /etc/nginx/conf.d && service nginx restart', 'enabled again');

# --------------------------------------------------------------------------------------------------------------- removed

succeeds("$apt remove $package", 'removed');
like(sh(cancel('17')), qr/^Canopy-Outcome: rejected\r$/m, 'nginx goes on with what it has');
succeeds('test -d /var/lib/nginx/canopy && ! test -e /etc/nginx/modules-enabled/50-mod-http-canopy.conf',
         'the state stays, the link does not');
succeeds("$apt install /srv/later.deb && nginx -t", 'installed again: enabled again');
succeeds("$apt remove $package", 'removed again');
succeeds('rm -r /etc/nginx/conf.d/*.conf /etc/canopy; nginx -t && service nginx restart', 'nginx starts without it');
succeeds("$apt purge $package", 'purged');
is_now('find / -xdev \( -path /proc -o -path /srv -o -path /var/cache/apt \) -prune -o -iname "*canopy*" -print', '', 'nothing is left');
is_now('dpkg --audit', '', 'dpkg has nothing to complain of');

close $in;
waitpid $shell, 0;
done_testing();
do_or_bail('rm', '-rf', '--one-file-system', $dir);
