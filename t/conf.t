# nginx -t: every fault of a configuration is refused with its file, its line and a sentence; every good one passes.

use strict;
use warnings;

use Test::More;

use Canopy::Process qw(run);
use Canopy::Test;

$ENV{RES_OPTIONS} = 'timeout:1 attempts:1';     # for host names that no name server knows

my $t = Canopy::Test->new;
$t->secret('token', 'upstream-secret-1');
my $cert = $t->certificate('client');
my $dir = $t->dir;

# The line that a message must name is marked.

my $conf = <<'EOC';
%%HEAD%%
http {
    %%HTTP%%
    BEFORE
    canopy_environment NAME {
        BLOCK
    } # END
    server {
        listen 127.0.0.1:%%PORT_http%%;
        SERVER
        location / { canopy_pass NAME; }
    }
}
EOC

my $token = 'bearer_token_file %%DIR%%/token;';
my $here = '# HERE';
my $local = "server http://127.0.0.1:1; $token";

sub conf_of { my (%with) = @_;
    my $text = $conf;
    $with{NAME} //= 'sandbox';
    $text =~ s/\b(BEFORE|NAME|BLOCK|SERVER)\b/$with{$1} \/\/ ''/ge;
    $text =~ s/# END/# HERE/ unless $text =~ /# HERE/;
    return $text;
}

sub refuses { my ($name, $message, %with) = @_;
    my ($status, $output) = $t->test_conf(conf_of(%with));
    my $file = $t->path('conf-test.conf');
    my ($before) = $t->read('conf-test.conf') =~ /^(.*)# HERE/s;
    my $line = 1 + ($before =~ tr/\n//);
    my @messages = $output =~ /\[emerg\] (?:\d+#\d+: )?(.*)$/mg;

    $message =~ s/%%DIR%%/$dir/g;
    is_deeply([$status, @messages], [1, "$message in $file:$line"], "refused: $name");
    return $output;
}

sub accepts { my ($name, %with) = @_;
    my ($status, $output) = $t->test_conf(conf_of(%with));
    my @complaints = grep { !/syntax is ok$|test is successful$/ } split /\n/, $output;
    s/^.*?(\[\w+\]) (?:\d+#\d+: )?/$1 /, s/ in \S+conf-test\.conf:\d+$// for @complaints;
    is_deeply([$status, @complaints], [0, ($with{WARNS} // [])->@*], "accepted: $name");
}

# Names

for my $name ('""', '"a b"', 'a.b', 'a/b', '$x', "a\xc3\xa4", 'n' x 65) {
    my $shown = $name =~ tr/"//dr;
    refuses("the name $name", "invalid name of an environment \"$shown\": it must be 1 to 64 letters, digits, \"_\" and \"-\"",
            BEFORE => "canopy_environment $name { $here\n }", BLOCK => $token);
}
accepts("the name $_", BEFORE => "canopy_environment $_ { $local }", BLOCK => $local) for 'n' x 64, 'a-Z_0', '-', 'Sandbox';

my $defined = conf_of(BEFORE => "canopy_environment again { $local }\ncanopy_environment again { # HERE\n }", BLOCK => $local);
my ($status, $output) = $t->test_conf($defined);
my ($before) = $t->read('conf-test.conf') =~ /^(.*)# HERE/s;
my $line = 1 + ($before =~ tr/\n//);
like($output, qr/duplicate environment "again", it is defined in \Q$dir\E\/conf-test\.conf:@{[$line - 1]} in .*:$line$/m,
     'a second environment of one name: both places are named');

# What a block needs

refuses('no server', 'environment "mine" has no "server"; only "live" and "sandbox" have one built in',
        NAME => 'mine', BLOCK => $token);
refuses("no server, $_", "environment \"$_\" has no \"server\"; only \"live\" and \"sandbox\" have one built in",
        NAME => $_, BLOCK => $token) for 'Live', 'SANDBOX', 'live2', 'sand';
refuses('no credential', 'environment "sandbox" has no credential, add "bearer_token_file", or "oauth2_client_id" and "oauth2_client_secret_file"',
        BLOCK => 'server http://127.0.0.1:1;');

# Limits

for my $timeout (qw(connect_timeout send_timeout read_timeout exchange_timeout)) {
    refuses("$timeout 0", 'a timeout of environment "sandbox" is 0, nothing could be sent; give it a time',
            BLOCK => "$local $timeout 0;");
}
refuses('response_limit 0', '"response_limit" of environment "sandbox" is 0, no reason could be read; give it a size',
        BLOCK => "$local response_limit 0;");
refuses('keepalive 10001', '"keepalive" of environment "sandbox" must be between 0 and 10000',
        BLOCK => "$local keepalive 10001;");
accepts($_, BLOCK => "$local $_;") for 'keepalive 0', 'keepalive 10000', 'keepalive_timeout 0', 'response_limit 1', 'connect_timeout 1ms';

# Misplaced, unknown, malformed: nginx's own words, at the place of the fault

my %good = (
    server => 'http://127.0.0.1:1', server_name => 'canopy.example', bearer_token_file => '%%DIR%%/token', closed_file => 'closed',
    keepalive => 4, keepalive_timeout => '4s', connect_timeout => '5s', send_timeout => '5s', read_timeout => '5s',
    exchange_timeout => '60s', response_limit => '64k', ssl_verify => 'on', ssl_verify_depth => 3,
    ssl_trusted_certificate => $cert->{ca}, ssl_ciphers => 'HIGH', ssl_certificate => $cert->{cert},
    ssl_certificate_key => $cert->{key}, ssl_session_reuse => 'off',
);

for my $name (sort keys %good) {
    my $directive = "$name $good{$name};";
    refuses("$name twice", "\"$name\" directive is duplicate", BLOCK => "$directive\n$directive $here");
    refuses("$name without a value", "invalid number of arguments in \"$name\" directive", BLOCK => "$name; $here");
    refuses("$name with two", "invalid number of arguments in \"$name\" directive", BLOCK => "$name a b; $here");
}
refuses("$_ without a name", "\"$_\" directive needs the name of a file", BLOCK => "$local $_ \"\"; $here")
    for qw(closed_file ssl_trusted_certificate ssl_certificate ssl_certificate_key);
refuses("$_ outside of a block", "\"$_\" directive is not allowed here", BEFORE => "$_ $good{$_}; $here", BLOCK => $local)
    for qw(bearer_token_file response_limit exchange_timeout closed_file);
refuses("$_ in a block", "\"$_\" directive is not allowed here", BLOCK => "$_ x; $here")
    for qw(proxy_pass canopy_pass listen resolver canopy_client_leeway);
refuses('a block in a block', '"canopy_environment" directive is not allowed here', BLOCK => "canopy_environment x { $here\n }");
refuses('a block in a server', '"canopy_environment" directive is not allowed here',
        BLOCK => $local, SERVER => "canopy_environment x { $here\n }");
refuses('an unknown directive', 'unknown directive "bearer_token"', BLOCK => "bearer_token secret; $here");
refuses('server as a block', 'directive "server" is not terminated by ";"', BLOCK => "server http://127.0.0.1 { $here\n }");
refuses('an environment without a block', 'directive "canopy_environment" has no opening "{"',
        BEFORE => "canopy_environment x; $here", BLOCK => $local);
refuses("$_->[0]", "$_->[1]", BLOCK => "$_->[0]; $here") for
    ['connect_timeout soon',     '"connect_timeout" directive invalid value'],
    ['read_timeout -1',          '"read_timeout" directive invalid value'],
    ['keepalive -1',             '"keepalive" directive invalid number'],
    ['keepalive many',           '"keepalive" directive invalid number'],
    ['response_limit 1x',        '"response_limit" directive invalid value'],
    ['ssl_verify_depth -1',      '"ssl_verify_depth" directive invalid number'],
    ['ssl_verify maybe',         'invalid value "maybe" in "ssl_verify" directive, it must be "on" or "off"'],
    ['ssl_protocols TLSv1.1',    'invalid value "TLSv1.1"'],
    ['ssl_protocols SSLv3',      'invalid value "SSLv3"'],
    ['ssl_protocols',            'invalid number of arguments in "ssl_protocols" directive'];
refuses('canopy_client_leeway x', '"canopy_client_leeway" directive invalid value',
        BLOCK => $local, BEFORE => "canopy_client_leeway x; $here");

# canopy_pass

my $unknown = '"canopy_pass" names unknown environment "nowhere", define it with "canopy_environment nowhere { ... }"';
refuses("canopy_pass: $_->[0]", $_->[1], BLOCK => $local, SERVER => $_->[2]) for
    ['an unknown name',      $unknown, "location /a {\n canopy_pass nowhere; $here\n }"],
    ['another case',         $unknown =~ s/nowhere/SANDBOX/gr, "location /a { canopy_pass SANDBOX; $here\n }"],
    ['unknown, in an if',    $unknown, "location /a { if (\$arg_x) {\n canopy_pass nowhere; $here\n } }"],
    ['no name',              '"canopy_pass" directive needs the name of an environment', "location /a { canopy_pass \"\"; $here\n }"],
    ['twice',                '"canopy_pass" directive is duplicate', "location /a { canopy_pass sandbox;\n canopy_pass sandbox; $here\n }"],
    ['two names',            'invalid number of arguments in "canopy_pass" directive', "location /a { canopy_pass sandbox live; $here\n }"],
    ['of a server',          '"canopy_pass" directive is not allowed here', "canopy_pass sandbox; $here"],
    ["of a server's if",     '"canopy_pass" directive is not allowed here', "if (\$arg_x) { canopy_pass sandbox; $here\n }"],
    ['in limit_except',      '"canopy_pass" directive is not allowed here', "location /a { limit_except GET { canopy_pass sandbox; $here\n } }"];

refuses("canopy_status: $_->[0]", $_->[1], BLOCK => $local, SERVER => $_->[2]) for
    ['an unknown form',      'invalid parameter "json", it must be "prometheus" or "ready"', "location /a { canopy_status json; $here\n }"],
    ['twice',                '"canopy_status" directive is duplicate', "location /a { canopy_status;\n canopy_status ready; $here\n }"],
    ['two forms',            'invalid number of arguments in "canopy_status" directive', "location /a { canopy_status ready prometheus; $here\n }"],
    ['behind canopy_pass',   '"canopy_status" directive and "canopy_pass" can\'t be in one location', "location /a { canopy_pass sandbox;\n canopy_status; $here\n }"],
    ['before canopy_pass',   '"canopy_pass" directive and "canopy_status" can\'t be in one location', "location /a { canopy_status;\n canopy_pass sandbox; $here\n }"],
    ['of a server',          '"canopy_status" directive is not allowed here', "canopy_status; $here"],
    ['in an if',             '"canopy_status" directive is not allowed here', "location /a { if (\$arg_x) { canopy_status; $here\n } }"];

refuses("the variable \$$_ set by the operator", "the duplicate \"$_\" variable", BLOCK => $local, SERVER => "set \$$_ x; $here")
    for qw(canopy_environment canopy_task_id canopy_outcome canopy_error canopy_client canopy_upstream_status
           canopy_upstream_request_id canopy_switch);

# TLS

refuses("$_ alone", '"ssl_certificate" and "ssl_certificate_key" of environment "sandbox" go together, add the other one',
        BLOCK => "$local $_ $good{$_};") for qw(ssl_certificate ssl_certificate_key);

my $not_set_up = qr/\[emerg\] (?:\d+#\d+: )?TLS of environment "sandbox" can't be set up, see the message above in \S+:\d+$/m;
for my $file ('nowhere.pem', 'token') {
    for my $block ("ssl_trusted_certificate %%DIR%%/$file;", "ssl_certificate %%DIR%%/$file; ssl_certificate_key $cert->{key};",
                   "ssl_certificate $cert->{cert}; ssl_certificate_key %%DIR%%/$file;") {
        my ($status, $output) = $t->test_conf(conf_of(BLOCK => "server https://127.0.0.1; $token $block"));
        is($status, 1, "refused: $block");
        like($output, qr/\[emerg\] .*"\Q$dir\/$file\E"/, 'the file is named');
        like($output, $not_set_up, 'the environment and its place, too');
    }
}

for my $ciphers ('NOSUCH', '""') {
    my ($status, $output) = $t->test_conf(conf_of(BLOCK => "server https://127.0.0.1; $token ssl_ciphers $ciphers;"));
    is($status, 1, "refused: ssl_ciphers $ciphers");
    like($output, qr/\[emerg\] .*no cipher match/, 'as nginx does');
    like($output, $not_set_up, 'the environment is named');
}

my $off = '"ssl_verify off" would hand the credential of environment "sandbox" to anybody who answers for Canopy\'s host; remove it';
refuses("ssl_verify off with $_", $off, BLOCK => "$_ $token ssl_verify off;") for
    '', map { "server $_;" }
    'https://api.canopy.umbra.space/tasking', 'https://api.canopy.umbra.space.', 'https://API.Canopy.UMBRA.space:8443',
    'HTTPS://API.CANOPY.PROD.UMBRA-SANDBOX.SPACE./tasking', 'https://umbra.space', 'https://new.api.umbra-sandbox.space',
    'https://127.0.0.1; server_name api.canopy.umbra.space', 'https://localhost; server_name API.CANOPY.UMBRA.SPACE.',
    'https://127.0.0.1; server_name api.canopy.prod.umbra-sandbox.space', 'https://api.canopy.umbra.space; server_name localhost',
    'https://[::1]; server_name umbra-sandbox.space', 'https://api.canopy.umbra.space; server_name 127.0.0.1';
refuses('ssl_verify off with live', $off =~ s/sandbox/live/r, NAME => 'live', BLOCK => "ssl_verify off; $token");
accepts("ssl_verify off with $_", BLOCK => "server https://127.0.0.1; server_name $_; $token ssl_verify off;")
    for 'localhost', 'notumbra.space', 'umbra.space.example', 'umbra-sandbox.spaces';

refuses("server_name $_", 'invalid "server_name" of environment "sandbox": it must be a DNS name or an address',
        BLOCK => "$local server_name $_;")
    for '""', 'host:8443', '$host', '"a b"', '"a\r\nX-Evil: 1"', 'a/b', "a\xc3\xa4", 'n' x 254, 'user@host', '*.example';
accepts("server_name $_", BLOCK => "$local server_name $_;")
    for 'canopy.example', 'canopy.example.', 'UPPER_case-1', '192.0.2.1', '2001:db8::1', 'n' x 253;

# What is good

my $not_found = '[warn] host not found "nowhere.invalid", it will be resolved when it is needed';
accepts('a host that is not known yet', BLOCK => "server https://nowhere.invalid:8443/base; $token", WARNS => [$not_found]);
accepts('an environment before its definition', BLOCK => $local, BEFORE => <<"EOC");
server { location / { canopy_pass sandbox; } }
EOC
accepts('variables', BLOCK => $local, SERVER => 'location /v { canopy_pass $arg_e; } location /w { canopy_pass x${arg_e}y; }');
accepts('an if alone', BLOCK => $local, SERVER => 'location /i { if ($arg_x) { canopy_pass sandbox; } }');
accepts('all directives at once', BLOCK => join "\n", 'ssl_protocols TLSv1.2 TLSv1.3;',
        'server https://127.0.0.1:8443/base/;', map { "$_ $good{$_};" } grep { $_ ne 'server' } sort keys %good);
accepts('names of the block in their own places', BLOCK => $local, BEFORE => <<'EOC');
upstream u { server 127.0.0.1:1; keepalive 4; keepalive_timeout 5s; }
server { server_name x; listen 127.0.0.1:%%PORT_other%%; keepalive_timeout 5s; send_timeout 5s; }
EOC
accepts('an unused environment', BLOCK => $local, BEFORE => "canopy_environment spare { $local }");

$t->write('included.conf', $t->expand("server http://127.0.0.1:1;\n$token\n", ''));
accepts('an included file in a block', BLOCK => 'include %%DIR%%/included.conf;');
$t->write('included.conf', "response_limit 1k;\nkeepalive x;\n");
($status, $output) = $t->test_conf(conf_of(BLOCK => "$local include %%DIR%%/included.conf;"));
like($output, qr/"keepalive" directive invalid number in \Q$dir\E\/included\.conf:2$/m, 'a fault in it: its file and line');

# live and sandbox know their servers; with no name server a warning names them.

for (['live', 'api.canopy.umbra.space'], ['sandbox', 'api.canopy.prod.umbra-sandbox.space']) {
    my ($name, $server) = @$_;
    my ($status, $output) = $t->test_conf(conf_of(NAME => $name, BLOCK => $token));
    is($status, 0, "accepted: $name without a server");
    my @warnings = $output =~ /\[warn\] (?:\d+#\d+: )?(.*?),/g;
    is_deeply([grep { $_ ne "host not found \"$server\"" } @warnings], [], 'with no warning but that');
}

# nginx -T shows paths, not what is in the files.

$t->conf(conf_of(BLOCK => $local));
like([$t->dump]->[1], qr/bearer_token_file \Q$dir\E\/token;/, 'nginx -T');

$t->done;
