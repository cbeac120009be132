# The server URL of an environment: credentials go by TLS or stay on this machine, and no URL is repeated in a message.

use strict;
use warnings;

use Test::More;

use Canopy::Process qw(run);
use Canopy::Test;

$ENV{RES_OPTIONS} = 'timeout:1 attempts:1';     # for host names that no name server knows

my $t = Canopy::Test->new;
$t->secret('token', 'upstream-secret-1');
$t->plant('hunter2-in-url');

my $conf = <<'EOC';
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment e {
        bearer_token_file %%DIR%%/token;
        server URL; # HERE
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location / { canopy_pass e; }
    }
}
EOC

sub refuses { my ($url, $message) = @_;
    my ($status, $output) = $t->test_conf($conf =~ s/URL/$url/r);
    my ($before) = $t->read('conf-test.conf') =~ /^(.*)# HERE/s;
    my $where = $t->path('conf-test.conf') . ':' . (1 + ($before =~ tr/\n//));
    is_deeply([$status, $output =~ /\[emerg\] (?:\d+#\d+: )?(.*)$/mg], [1, "$message in $where"], "refused: $url");
}

sub accepts { my ($url) = @_;
    my ($status, $output) = $t->test_conf($conf =~ s/URL/$url/r);
    my @complaints = grep { !/syntax is ok$|test is successful$|\[warn\].* host not found "/ } split /\n/, $output;
    is_deeply([$status, @complaints], [0], "accepted: $url");
}

# Good ones

accepts($_) for
    'http://127.0.0.1', 'http://127.0.0.1:8080', 'http://127.0.0.1/', 'http://127.0.0.1:8080/a/base//', 'HTTP://127.255.255.254',
    'http://localhost', 'http://LOCALHOST:8080/x', 'http://[::1]', 'http://[::1]:8080/x', 'http://[0:0:0:0:0:0:0:1]',
    'http://unix:/run/canopy.sock', 'http://unix:/run/canopy.sock:/base', 'http://unix:%%DIR%%/socket:/',
    'https://127.0.0.1', 'https://10.0.0.1:8443/base', 'https://[2001:db8::1]', 'https://[2001:db8::1]:8443/x',
    'HTTPS://Canopy.Example/tasking', 'https://canopy.example.', 'https://127.0.0.1/%7Ebase/a:b@c';

# The scheme

my $scheme = 'invalid URL: it must begin with "https://", or with "http://" for a loopback address or a unix socket';
refuses($_, $scheme) for '""', '127.0.0.1', '127.0.0.1:8080', '//127.0.0.1', 'unix:/run/canopy.sock', 'http:/127.0.0.1',
    'http:127.0.0.1', 'https//canopy.example', 'ftp://127.0.0.1', '" https://canopy.example"', 'hhttp://127.0.0.1', 'http:', '$server';

# http:// to another machine, in all disguises

my $clear = 'invalid URL: it would send the credential in clear, use "https://"; "http://" is for loopback addresses and unix sockets';
refuses("http://$_", $clear) for
    'api.canopy.umbra.space/tasking', '10.0.0.1', '0.0.0.0', '0.0.0.0:8080', '128.0.0.1', '126.255.255.255', '192.168.0.1/127.0.0.1',
    '169.254.169.254', '255.255.255.255',
    '[::]', '[::]:8080', '[2001:db8::1]', '[fe80::1]', '[::2]', '[1::1]', '[::ffff:127.0.0.1]', '[::ffff:10.0.0.1]', '[::127.0.0.1]',
    '127.0.0.1.evil.com', '127.0.0.1.', '127.0.0.1.nip.io:8080', '127.1', '127', '2130706433', '0x7f000001', '0177.0.0.1',
    '127.0.0.01x', 'localhost.evil.com', 'localhostx', 'xlocalhost', 'localhost-', 'local', 'evil.com/localhost', 'ip6-localhost',
    'localhost.localdomain', 'unix.evil.com', 'unixx';
refuses("HTTP://evil.com", $clear);

# A user part, a query, a fragment, a variable

my $user = 'invalid URL: it has a user part; the credential of an environment comes from a file';
my $query = 'invalid URL: it has a query; only a path can follow the host';
my $fragment = 'invalid URL: it has a fragment; only a path can follow the host';
my $variable = 'invalid URL: it has a variable; an environment has one server';
refuses("$_->[0]", $_->[1]) for
    (map { ["https://$_", $user] } 'user@canopy.example', 'user:hunter2-in-url@canopy.example', '@canopy.example', 'a:b@c@canopy.example'),
    (map { ["http://$_", $user] } '127.0.0.1@evil.com', '127.0.0.1:80@evil.com', 'localhost:hunter2-in-url@evil.com', 'evil.com@127.0.0.1',
                                  '127.0.0.1\\\\@evil.com', 'unix@/run/socket', '[::1]@evil.com'),
    (map { ["\"https://canopy.example$_\"", $query] } '?', '?x=1', '/tasking?key=hunter2-in-url', '/a/?b#c'),
    ['"http://evil.com?@127.0.0.1"', $query], ['"http://127.0.0.1?@evil.com"', $query],
    (map { ["\"https://canopy.example$_\"", $fragment] } '#', '/tasking#x', '#?'),
    ['"http://127.0.0.1#@evil.com"', $fragment],
    (map { ["https://$_", $variable] } '$host', 'canopy.example/$uri', '${arg_x}.example', 'canopy.example:$server_port');

# Characters that would end the request line or the header

my $character = 'invalid URL: it has a character that is not allowed there';
refuses($_, $character) for '"https://canopy.example/a b"', '"https://canopy.example/a\tb"', '"https://canopy.example/a\r\nX-Evil: 1"',
    '"https://canopy.example\n"', '"https://canopy.example "', "https://canopy.example/\x7f", "https://c\xc3\xa4nopy.example",
    "https://canopy.example/\x01", "https://canopy\xe3\x80\x82example";

# Hosts and ports

my $none = 'invalid URL: it has no host';
refuses($_, $none) for 'https://', 'http://', 'https:///tasking', 'https://:443', 'http:///127.0.0.1', 'https:////canopy.example';
refuses($_->[0], "invalid URL: $_->[1]") for
    (map { ["https://canopy.example:$_", 'invalid port'] } '0', '65536', 'x', '-1', '443x', '443:443', '99999999999999999999', '0x1bb'),
    ['http://127.0.0.1:8080:80', 'invalid port'], ['http://[::1]:0', 'invalid port'], ['http://[::1]:', 'invalid port'],
    ['http://[::1].evil.com', 'invalid host'], ['http://[::1', 'invalid host'], ['http://[]', 'no host'],
    ['http://[::1%25lo]', 'invalid IPv6 address'], ['http://[::g]', 'invalid IPv6 address'], ['http://[127.0.0.1]', 'invalid IPv6 address'],
    (map { ["https://$_", 'invalid host'] } 'a,b', 'a!b', '127.0.0.1%2eevil.com', '*.example', 'a\\\\b', 'n' x 254, '(a)', '~'),
    ['https://unix:/run/canopy.sock', 'a unix socket is reached by "http://unix:/path"'];

# A password that is not written as URLs want it

for my $url ('https://user:hunter2-in-url/x@canopy.example', 'https://user:hunter2-in-url', 'http://hunter2-in-url', 'ftp://u:hunter2-in-url@h',
             'https://user:"hunter2-in-url"@h', 'https://hunter2-in-url,x@y/', 'https://unix:hunter2-in-url@h',
             'https://unix:/hunter2-in-url@h') {
    my ($status, $output) = $t->test_conf($conf =~ s/URL/$url/r);
    is($status, 1, "refused: $url");
    unlike($output, qr/hunter2/, 'and not repeated');
    like($output, qr/conf-test\.conf:\d+$/m, 'but the place');
}

# What libc says of localhost is not taken for granted. (In a mount namespace of our own; root's to make.)

SKIP: {
    my $where = 'mount --bind %%DIR%%/hosts /etc/hosts';
    my $as = sub { my ($hosts, $url) = @_;
        $t->write('hosts', $hosts);
        $t->write('conf-test.conf', $t->expand($conf =~ s/URL/$url/r, 'conf-test.log'));
        my $command = $t->expand("mount --bind %%DIR%%/hosts /etc/hosts || exit 42; exec "
            . ($ENV{CANOPY_NGINX} // '/usr/sbin/nginx') . ' -p %%DIR%% -c %%DIR%%/conf-test.conf -e %%DIR%%/conf-test.log -t', '');
        return run('unshare', '-m', 'sh', '-c', $command);
    };
    my ($status, $output) = $as->("127.0.0.1 localhost api.localhost\n", 'http://api.localhost');
    skip "no namespace: $output", 5 if $status == 42 || $output =~ /^unshare/ || $> != 0;

    is($status, 0, 'a name below localhost that is this machine') || diag($output);
    for my $name (qw(localhost api.localhost)) {
        ($status, $output) = $as->("198.51.100.7 $name\n", "http://$name");
        is($status, 1, "$name that is another machine is refused");
        like($output, qr/\[emerg\] (?:\d+#\d+: )?"$name" has the address 198\.51\.100\.7:80, which is not a loopback one, use 127\.0\.0\.1 in \S+:\d+$/m,
             'and the address named');
    }
}

$t->done;
