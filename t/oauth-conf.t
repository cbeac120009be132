# nginx -t: what an environment with exchanged tokens needs, what it refuses, and what it knows by itself.

use v5.36;

use POSIX qw(mkfifo);
use Test::More;

use Canopy::Test;

$ENV{RES_OPTIONS} = 'timeout:1 attempts:1';     # for host names that no name server knows

my $t = Canopy::Test->new;
my $dir = $t->dir;
my $root = $> == 0;
my $group = (getpwnam 'www-data')[3];
my $default_path = '/var/lib/nginx/canopy';

$t->secret('secret', 'planted-client-secret');
$t->secret('token', 'planted-upstream-token');

# The line that a message must name is marked; without a mark it is the end of the environment.

my $conf = <<'EOC';
%%HEAD%%
http {
    %%HTTP%%
    STATE
    BEFORE
    canopy_environment NAME { # BLOCK
        DIRECTIVES
    } # END
    server {
        listen 127.0.0.1:%%PORT_http%%;
        SERVER
    }
}
EOC

my $here = '# HERE';
my $server = 'server http://127.0.0.1:1;';
my $client = 'oauth2_client_id client-1; oauth2_client_secret_file %%DIR%%/secret;';
my $url = 'oauth2_token_url http://127.0.0.1:1/oauth/token;';
my $audience = 'oauth2_audience https://api.example;';
my $good = "$server $client $url $audience";
my $token = 'bearer_token_file %%DIR%%/token;';

sub conf_of (%with) {
    my $text = $conf;
    $with{NAME} //= 'mine';
    $with{STATE} //= 'canopy_state_path %%DIR%%/state;';
    $text =~ s/\b(STATE|BEFORE|NAME|DIRECTIVES|SERVER)\b/$with{$1} \/\/ ''/ge;
    $text =~ s/# END/# HERE/ unless $text =~ /# HERE/;
    return $text;
}

# AT is the mark of the line that is named, undef if none is.
sub refuses ($name, $message, %with) {
    my $mark = exists $with{AT} ? delete $with{AT} : 'HERE';
    my ($status, $output) = $t->test_conf(conf_of(%with));
    my @messages = $output =~ /\[emerg\] (?:\d+#\d+: )?(.*)$/mg;
    my $text = $message =~ s/%%DIR%%/$dir/gr;

    if (defined $mark) {
        my ($before) = $t->read('conf-test.conf') =~ /^(.*)# $mark/s;
        my $where = "$dir/conf-test.conf:" . (1 + ($before =~ tr/\n//));
        $text = $text =~ /%%PLACE%%/ ? $text =~ s/%%PLACE%%/$where/r : "$text in $where";
    }
    is_deeply([$status, @messages], [1, $text], "refused: $name");
    return $output;
}

sub accepts ($name, %with) {
    my ($status, $output) = $t->test_conf(conf_of(%with));
    my @complaints = grep { !/syntax is ok$|test is successful$/ } split /\n/, $output;
    is_deeply([$status, @complaints], [0], "accepted: $name");
}

# One kind of credential, and all of it

my $two = 'environment "mine" has two credentials, remove "bearer_token_file" or the "oauth2_..." directives';
sub missing ($directive, $name = 'mine') {
    return "environment \"$name\" has no \"$directive\", its token can't be exchanged without; add it";
}

accepts('a client, its secret, an endpoint and an audience', DIRECTIVES => $good);
refuses('no credential', 'environment "mine" has no credential, add "bearer_token_file", or "oauth2_client_id" and '
    . '"oauth2_client_secret_file"', DIRECTIVES => $server);
refuses('a token and a client', $two, DIRECTIVES => "$good $token");
refuses("a token and $_", $two, DIRECTIVES => "$server $token $_")
    for 'oauth2_client_id client-1;', 'oauth2_client_secret_file %%DIR%%/secret;', $url, $audience, 'oauth2_budget 20;';
refuses('a client without a secret', missing('oauth2_client_secret_file'),
        DIRECTIVES => "$server oauth2_client_id client-1; $url $audience");
refuses('a secret without a client', missing('oauth2_client_id'),
        DIRECTIVES => "$server oauth2_client_secret_file %%DIR%%/secret; $url $audience");
refuses("only $_", missing('oauth2_client_id'), DIRECTIVES => "$server $_") for $url, $audience, 'oauth2_budget 20;';

# What has to be said, and what is known

refuses('no endpoint', missing('oauth2_token_url'), DIRECTIVES => "$server $client $audience");
refuses('no audience', missing('oauth2_audience'), DIRECTIVES => "$server $client $url");
refuses("no endpoint, $_", missing('oauth2_token_url', $_), NAME => $_, DIRECTIVES => "$server $client $audience")
    for 'Live', 'SANDBOX', 'live2';

# The built-in endpoint is one of Canopy's own hosts, and the one that it is: its budget is shared with who names it.

sub unverified ($name) {
    return "\"ssl_verify off\" would hand the client secret of environment \"$name\" to anybody who answers for Canopy's host; remove it";
}
sub disagree (@names) {
    return sprintf 'environments "%s" and "%s" share a token endpoint and a client, so their "oauth2_budget" must be the same, in %s',
        @names, '%%PLACE%%';
}

for my $name (qw(live sandbox)) {
    refuses("$name without verification", unverified($name), NAME => $name, DIRECTIVES => "$server $client ssl_verify off;");
    refuses("$name and another one with its endpoint", disagree('other', $name), AT => 'BLOCK',
            NAME => $name, DIRECTIVES => "$server $client oauth2_budget 10;", BEFORE => 'canopy_environment other {
                server http://127.0.0.1:1; oauth2_token_url https://auth.canopy.umbra.space/oauth/token; oauth2_audience a;
                oauth2_client_id client-1; oauth2_client_secret_file %%DIR%%/secret; oauth2_budget 11; }');
    accepts("$name with an endpoint of its own", NAME => $name, DIRECTIVES => "$server $client $url");
}
refuses('live and sandbox share an endpoint', disagree('sandbox', 'live'), AT => 'BLOCK', NAME => 'live',
        DIRECTIVES => "$server $client oauth2_budget 10;",
        BEFORE => "canopy_environment sandbox { $server $client oauth2_budget 11; }");

my $off = "$server $client $audience ssl_verify off;";
refuses('Canopy\'s endpoint without verification', unverified('mine'),
        DIRECTIVES => "$off oauth2_token_url https://auth.canopy.umbra.space/oauth/token;");
accepts('another one without', DIRECTIVES => "$off oauth2_token_url https://127.0.0.1/oauth/token;");

# Values

refuses("the budget $_", "invalid \"oauth2_budget\" \"$_\": it must be between 1 and 1000", DIRECTIVES => "$good oauth2_budget $_; $here")
    for qw(0 1001 -1 many 99999999999999999999 1.5);
accepts("the budget $_", DIRECTIVES => "$good oauth2_budget $_;") for qw(1 1000);

my $no_url = 'invalid URL: it must begin with "https://", or with "http://" for a loopback address or a unix socket';
my $in_clear = 'invalid URL: it would send the credential in clear, use "https://"; "http://" is for loopback addresses and unix sockets';
my $user = 'invalid URL: it has a user part; the credential of an environment comes from a file';
refuses("$_->[0] is empty", $_->[1], DIRECTIVES => $good =~ s/$_->[0] \S+;/$_->[0] ""; $here\n/r) for
    ['oauth2_client_id', '"oauth2_client_id" directive must not be empty'],
    ['oauth2_client_secret_file', 'secret file "%%DIR%%/" is not a regular file'],
    ['oauth2_token_url', $no_url],
    ['oauth2_audience', '"oauth2_audience" directive must not be empty'];
for my $name (qw(oauth2_client_id oauth2_audience)) {
    refuses("$name \"$_\"", "\"$name\" directive has a character that is not allowed there",
            DIRECTIVES => $good =~ s/$name \S+;/$name "$_"; $here\n/r) for 'a b', "a\x01", "\xc3\xa4", "a\x7f";
}

refuses("the endpoint $_->[0]", $_->[1], DIRECTIVES => "$server $client $audience oauth2_token_url $_->[0]; $here") for
    ['http://auth.example/token', $in_clear], ['http://10.0.0.1/token', $in_clear], ['http://127.0.0.1.example/token', $in_clear],
    ['ftp://127.0.0.1/token', $no_url], ['auth.example/token', $no_url], ['https:///token', 'invalid URL: it has no host'],
    ['https://user@127.0.0.1/token', $user], ['https://u:p@127.0.0.1/token', $user],
    ['https://127.0.0.1/token#x', 'invalid URL: it has a fragment; only a path can follow the host'],
    ['https://127.0.0.1/token?x', 'invalid URL: it has a query; only a path can follow the host'],
    ['https://127.0.0.1:0/token', 'invalid URL: invalid port'], ['https://127.0.0.1:99999/token', 'invalid URL: invalid port'];
accepts("the endpoint $_", DIRECTIVES => "$server $client $audience oauth2_token_url $_;")
    for qw(http://127.0.0.1/token http://127.1.2.3:1/token http://localhost:1/token https://127.0.0.1/token https://127.0.0.1:8443/a/b);

my %value = (oauth2_client_id => 'client-1', oauth2_client_secret_file => '%%DIR%%/secret', oauth2_budget => 20,
             oauth2_token_url => 'http://127.0.0.1:1/t', oauth2_audience => 'a');
for my $name (sort keys %value) {
    refuses("$name twice", "\"$name\" directive is duplicate", DIRECTIVES => "$name $value{$name};\n$name $value{$name}; $here");
    refuses("$name without a value", "invalid number of arguments in \"$name\" directive", DIRECTIVES => "$name; $here");
    refuses("$name with two", "invalid number of arguments in \"$name\" directive", DIRECTIVES => "$name a b; $here");
    refuses("$name outside of a block", "\"$name\" directive is not allowed here", BEFORE => "$name $value{$name}; $here", DIRECTIVES => $good);
}

# A budget is one for all who share it

my $other = sub ($change, $budget) {
    return "canopy_environment other { @{[$change->($good)]} $budget }";
};
my $same = sub ($block) { $block };
for (['10', '11'], ['', '21'], ['19', '']) {
    my ($mine, $theirs) = map { length ? "oauth2_budget $_;" : '' } @$_;
    refuses("budgets that disagree: '$mine' and '$theirs'", disagree('other', 'mine'), AT => 'BLOCK',
            DIRECTIVES => "$good $mine", BEFORE => $other->($same, $theirs));
    accepts("with $_->[0]: '$mine' and '$theirs'", DIRECTIVES => "$good $mine", BEFORE => $other->($_->[1], $theirs)) for
        ['another client', sub ($block) { $block =~ s/client-1/client-2/r }],
        ['another endpoint', sub ($block) { $block =~ s{oauth/token}{oauth/other}r }];
}
for my $pair (['HTTP://127.0.0.1:1/oauth/token', 'http://127.0.0.1:1/oauth/token'], ['http://127.0.0.1/', 'http://127.0.0.1:80'],
              ['http://LocalHost:8080/t', 'http://localhost:8080/t']) {
    my ($mine, $theirs) = @$pair;
    refuses("one endpoint: $mine and $theirs", disagree('other', 'mine'), AT => 'BLOCK',
            DIRECTIVES => "$server $client $audience oauth2_token_url $mine; oauth2_budget 10;",
            BEFORE => $other->(sub ($block) { $block =~ s{oauth2_token_url \S+}{oauth2_token_url $theirs;}r }, ''));
}
accepts('budgets that agree', DIRECTIVES => "$good oauth2_budget 7;", BEFORE => $other->($same, 'oauth2_budget 7;'));
accepts('the default and its value', DIRECTIVES => $good, BEFORE => $other->($same, 'oauth2_budget 20;'));

# The secret's file

sub secret_file ($content, $mode = 0640) {
    unlink $t->path('bad');
    my $path = $t->write('bad', $content, $mode);
    chown 0, $group, $path if $root;
}

my $of_bad = "$server $url $audience oauth2_client_id client-1; oauth2_client_secret_file %%DIR%%/bad; $here";
for (['is empty', ''], ['holds more than one line', "planted-client-secret\nplanted-client-secret\n"],
     ['holds a control character inside', "planted-client-secret\x01planted-client-secret"],
     ['is longer than 16k', 'planted-client-secret' . 'x' x 16384]) {
    secret_file($_->[1]);
    my $output = refuses("a secret file that $_->[0]", "secret file \"%%DIR%%/bad\" $_->[0]", DIRECTIVES => $of_bad);
    unlike($output, qr/planted/, '... without its content');
}
unlink $t->path('bad');
refuses('a secret file that is missing', 'secret file "%%DIR%%/bad" cannot be opened (2: No such file or directory)',
        DIRECTIVES => $of_bad);
mkfifo($t->path('bad'), 0640);
refuses('a secret file that is a FIFO', 'secret file "%%DIR%%/bad" is not a regular file', DIRECTIVES => $of_bad);
secret_file('planted-client-secret', 0644);
my ($status, $output) = $t->test_conf(conf_of(DIRECTIVES => $of_bad));
is($status, 0, 'accepted: a secret file for all users');
like($output, qr/\[warn\] .*secret file "\Q$dir\E\/bad" is accessible to all users/, '... with a warning');
SKIP: {
    skip 'only root can ask for www-data', 1 unless $root;
    secret_file('planted-client-secret', 0600);
    refuses('a secret file of root alone', 'secret file "%%DIR%%/bad" can\'t be read by the workers\' user "www-data", who reads it '
        . 'again when it changes; give it that user\'s group and mode 0640, environment "mine" in %%PLACE%% (13: Permission denied)',
        AT => 'BLOCK', DIRECTIVES => $of_bad);
}

# Shared memory and the state directory

sub arguments ($name) { return "invalid number of arguments in \"$name\" directive" }

my $small = '"canopy_zone" directive is too small';
my $invalid = '"canopy_zone" directive invalid value';
refuses("canopy_zone $_->[0]", $_->[1], DIRECTIVES => $good, BEFORE => "canopy_zone $_->[0]; $here") for
    ['0', $small], ['1', $small], ['8k', $small], ['x', $invalid], ['-1', $invalid],
    ['', arguments('canopy_zone')], ['1m 2m', arguments('canopy_zone')];
refuses('canopy_zone twice', '"canopy_zone" directive is duplicate', DIRECTIVES => $good, BEFORE => "canopy_zone 1m;\ncanopy_zone 1m; $here");
my $many = join "\n", map { "canopy_environment e$_ { @{[$good =~ s/client-1/client-$_/r]} }" } 10 .. 99;
refuses('a zone that is too small for all environments',
        '"canopy_zone" is too small for all environments, make it larger than 64k', AT => undef,
        DIRECTIVES => $good, BEFORE => "$many canopy_zone 64k;");
accepts('canopy_zone 2m', DIRECTIVES => $good, BEFORE => 'canopy_zone 2m;');
accepts('canopy_zone without an exchange', DIRECTIVES => "$server $token", BEFORE => 'canopy_zone 64k;');

refuses("canopy_state_path $_->[0]", $_->[1], DIRECTIVES => $good, STATE => "canopy_state_path $_->[0]; $here") for
    ['', arguments('canopy_state_path')], ['a b', arguments('canopy_state_path')],
    ['""', '"canopy_state_path" directive needs the name of a file'];
refuses('canopy_state_path twice', '"canopy_state_path" directive is duplicate', DIRECTIVES => $good,
        STATE => "canopy_state_path off;\ncanopy_state_path %%DIR%%/state; $here");
for my $directive ('canopy_zone 1m', 'canopy_state_path off') {
    my $misplaced = '"' . ($directive =~ s/ .*//r) . '" directive is not allowed here';
    refuses("$directive in a server", $misplaced, DIRECTIVES => $good, SERVER => "$directive; $here");
    refuses("$directive in a block", $misplaced, DIRECTIVES => "$directive; $here");
}
refuses('a state directory below a file', 'mkdir() "%%DIR%%/token/state" failed (20: Not a directory)', AT => undef,
        DIRECTIVES => $good, STATE => 'canopy_state_path %%DIR%%/token/state;');

accepts('canopy_state_path off', DIRECTIVES => $good, STATE => 'canopy_state_path off;');
ok(!-e 'off' && !-e $t->path('off'), 'that is no directory');
accepts('a state directory', DIRECTIVES => $good, STATE => 'canopy_state_path %%DIR%%/created;');
my @stat = stat $t->path('created');
is(sprintf('%04o', ($stat[2] // 0) & 07777), '0700', 'it is created, for nobody else');
is($stat[4], scalar getpwnam('www-data'), 'and of the workers\' user') if $root;

SKIP: {
    skip 'only root can create the default one', 4 if !$root || !-d '/var/lib/nginx';
    my $was = -d $default_path;
    accepts('no state directory, no exchange', DIRECTIVES => "$server $token", STATE => '');
    is(-d $default_path, $was, 'nothing is created then');
    accepts('the default one', DIRECTIVES => $good, STATE => '');
    is((stat $default_path)[4], scalar getpwnam('www-data'), 'of the workers\' user');
    rmdir $default_path if !$was;
}

# nginx -T shows names and paths, not what is in the files

$t->conf(conf_of(DIRECTIVES => $good));
my $dump = [$t->dump]->[1];
like($dump, qr/oauth2_client_secret_file \Q$dir\E\/secret;/, 'nginx -T');
unlike($dump, qr/planted/, 'without the secret');

$t->done;
