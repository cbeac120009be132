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

# The line that a message must name is marked; without a mark it is the environment's.

my $conf = <<'EOC';
%%HEAD%%
http {
    %%HTTP%%
    STATE
    BEFORE
    canopy_environment NAME {
        BLOCK
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

sub conf_of (%with) {
    my $text = $conf;
    $with{NAME} //= 'mine';
    $with{STATE} //= 'canopy_state_path %%DIR%%/state;';
    $text =~ s/\b(STATE|BEFORE|NAME|BLOCK|SERVER)\b/$with{$1} \/\/ ''/ge;
    $text =~ s/# END/# HERE/ unless $text =~ /# HERE/;
    return $text;
}

sub refuses ($name, $message, %with) {
    my ($status, $output) = $t->test_conf(conf_of(%with));
    my ($before) = $t->read('conf-test.conf') =~ /^(.*)# HERE/s;
    my $line = 1 + ($before =~ tr/\n//);
    my @messages = $output =~ /\[emerg\] (?:\d+#\d+: )?(.*)$/mg;
    my $where = $with{ELSEWHERE} ? '' : quotemeta " in $dir/conf-test.conf:$line";

    is_deeply([$status, scalar @messages], [1, 1], "refused: $name") || diag($output);
    like($messages[0] // '', qr/$message.*$where/, '... with the reason and the place');
    return $output;
}

sub accepts ($name, %with) {
    my ($status, $output) = $t->test_conf(conf_of(%with));
    my @complaints = grep { !/syntax is ok$|test is successful$/ } split /\n/, $output;
    is_deeply([$status, @complaints], [0], "accepted: $name");
}

# One kind of credential, and all of it

accepts('a client, its secret, an endpoint and an audience', BLOCK => $good);
refuses('no credential', 'environment "mine" has no credential', BLOCK => $server);
refuses('a token and a client', 'environment "mine" .*bearer_token_file', BLOCK => "$good bearer_token_file %%DIR%%/token;");
refuses('a token and half a client', 'environment "mine" ', BLOCK => "$server bearer_token_file %%DIR%%/token; $_")
    for 'oauth2_client_id client-1;', 'oauth2_client_secret_file %%DIR%%/secret;';
refuses('a client without a secret', 'environment "mine" .*oauth2_client_secret_file',
        BLOCK => "$server oauth2_client_id client-1; $url $audience");
refuses('a secret without a client', 'environment "mine" .*oauth2_client_id',
        BLOCK => "$server oauth2_client_secret_file %%DIR%%/secret; $url $audience");
refuses("of an exchange only: $_", 'environment "mine" ', BLOCK => "$server $_") for $url, $audience, 'oauth2_budget 20;';
refuses("with a token: $_", 'environment "mine" ', BLOCK => "$server bearer_token_file %%DIR%%/token; $_")
    for $url, $audience, 'oauth2_budget 20;';

# What has to be said, and what is known

refuses('no endpoint', 'environment "mine" .*oauth2_token_url', BLOCK => "$server $client $audience");
refuses('no audience', 'environment "mine" .*oauth2_audience', BLOCK => "$server $client $url");
refuses("no endpoint, $_", "environment \"$_\" .*oauth2_token_url", NAME => $_, BLOCK => "$server $client $audience")
    for 'Live', 'SANDBOX', 'live2';

# The built-in endpoint is one of Canopy's own hosts, and the one that it is.

for my $name (qw(live sandbox)) {
    refuses("$name knows its endpoint: it is not to be called unverified", "environment \"$name\" .*Canopy's host",
            NAME => $name, BLOCK => "$server $client ssl_verify off;");
    refuses("$name knows its endpoint: its budget is shared with who names it", 'oauth2_budget',
            NAME => $name, BLOCK => "$server $client oauth2_budget 10;", BEFORE => 'canopy_environment other {
                server http://127.0.0.1:1; oauth2_token_url https://auth.canopy.umbra.space/oauth/token; oauth2_audience a;
                oauth2_client_id client-1; oauth2_client_secret_file %%DIR%%/secret; oauth2_budget 11; }');
    accepts("$name with an endpoint of its own", NAME => $name, BLOCK => "$server $client $url");
}
refuses('live and sandbox share the endpoint\'s budget', 'oauth2_budget', NAME => 'live', BLOCK => "$server $client oauth2_budget 10;",
        BEFORE => "canopy_environment sandbox { $server $client oauth2_budget 11; }");

my $off = 'ssl_verify off';
refuses("$off with Canopy's endpoint", 'Canopy\'s host',
        BLOCK => "$server $client $audience $off; oauth2_token_url https://auth.canopy.umbra.space/oauth/token;");
accepts("$off with another one", BLOCK => "$server $client $audience $off; oauth2_token_url https://127.0.0.1/oauth/token;");

# Values

refuses("the budget $_", '(?:"oauth2_budget" .*1.*1000|"oauth2_budget" directive invalid number)',
        BLOCK => "$good oauth2_budget $_; $here") for qw(0 1001 -1 many 99999999999999999999 1.5);
accepts("the budget $_", BLOCK => "$good oauth2_budget $_;") for qw(1 1000);
refuses("$_ is empty", "\"$_\" ", BLOCK => $good =~ s/$_ \S+;/$_ ""; $here\n/r)
    for qw(oauth2_client_id oauth2_client_secret_file oauth2_token_url oauth2_audience);

for my $bad ('http://auth.example/token', 'http://10.0.0.1/token', 'http://127.0.0.1.example/token', 'ftp://127.0.0.1/token',
             'auth.example/token', 'https:///token', 'https://user@127.0.0.1/token', 'https://u:p@127.0.0.1/token',
             'https://127.0.0.1/token#x', 'https://127.0.0.1:0/token', 'https://127.0.0.1:99999/token') {
    refuses("the endpoint $bad", 'URL|port|host', BLOCK => "$server $client $audience oauth2_token_url $bad; $here");
}
accepts("the endpoint $_", BLOCK => "$server $client $audience oauth2_token_url $_;")
    for qw(http://127.0.0.1/token http://127.1.2.3:1/token http://localhost:1/token https://127.0.0.1/token https://127.0.0.1:8443/a/b);

my %value = (oauth2_client_id => 'client-1', oauth2_client_secret_file => '%%DIR%%/secret', oauth2_budget => 20,
             oauth2_token_url => 'http://127.0.0.1:1/t', oauth2_audience => 'a');
for my $name (sort keys %value) {
    refuses("$name twice", "\"$name\" directive is duplicate", BLOCK => "$name $value{$name};\n$name $value{$name}; $here");
    refuses("$name without a value", "invalid number of arguments in \"$name\" directive", BLOCK => "$name; $here");
    refuses("$name with two", "invalid number of arguments in \"$name\" directive", BLOCK => "$name a b; $here");
    refuses("$name outside of a block", "\"$name\" directive is not allowed here", BEFORE => "$name $value{$name}; $here", BLOCK => $good);
}

# A budget is one for all who share it

my $other = sub ($change, $budget) {
    return "canopy_environment other { @{[$change->($good)]} $budget }";
};
my $same = sub ($block) { $block };
my @disagree = (['10', '11'], ['', '21'], ['19', '']);
for (@disagree) {
    my ($mine, $theirs) = map { length ? "oauth2_budget $_;" : '' } @$_;
    my $output = refuses("budgets that disagree: '$mine' and '$theirs'", '"oauth2_budget".*(?:mine|other)',
                         BLOCK => "$good $mine", BEFORE => $other->($same, $theirs));
    like($output, qr/mine.*other|other.*mine/s, '... both environments are named');
    accepts("with $_->[0]: '$mine' and '$theirs'", BLOCK => "$good $mine", BEFORE => $other->($_->[1], $theirs)) for
        ['another client', sub ($block) { $block =~ s/client-1/client-2/r }],
        ['another endpoint', sub ($block) { $block =~ s{oauth/token}{oauth/other}r }];
}
accepts('budgets that agree', BLOCK => "$good oauth2_budget 7;", BEFORE => $other->($same, 'oauth2_budget 7;'));
accepts('the default and its value', BLOCK => $good, BEFORE => $other->($same, 'oauth2_budget 20;'));

# The secret's file

sub secret_file ($content, $mode = 0640) {
    unlink $t->path('bad');
    my $path = $t->write('bad', $content, $mode);
    chown 0, $group, $path if $root;
}

my $of_bad = "$server $url $audience oauth2_client_id client-1; oauth2_client_secret_file %%DIR%%/bad; $here";
for (['empty', ''], ['more than one line', "planted-client-secret\nplanted-client-secret\n"],
     ['a control character', "planted-client-secret\x01"], ['longer than 16k', 'planted-client-secret' . 'x' x 16384]) {
    secret_file($_->[1]);
    unlike(refuses("a secret file: $_->[0]", "secret file \"$dir/bad\" .*$_->[0]", BLOCK => $of_bad), qr/planted/, '... not its content');
}
unlink $t->path('bad');
refuses('a secret file: missing', "secret file \"$dir/bad\" cannot be opened", BLOCK => $of_bad);
mkfifo($t->path('bad'), 0640);
refuses('a secret file: a FIFO', "secret file \"$dir/bad\" is not a regular file", BLOCK => $of_bad);
secret_file('planted-client-secret', 0644);
my ($status, $output) = $t->test_conf(conf_of(BLOCK => $of_bad));
is($status, 0, 'accepted: a secret file for all users');
like($output, qr/\[warn\] .*secret file "\Q$dir\E\/bad" is accessible to all users/, '... with a warning');
SKIP: {
    skip 'only root can ask for www-data', 2 unless $root;
    secret_file('planted-client-secret', 0600);
    refuses('a secret file: of root alone', "secret file \"$dir/bad\" can't be read by the workers' user \"www-data\"",
            BLOCK => $of_bad, ELSEWHERE => 1);
}

# Shared memory and the state directory

refuses("canopy_zone $_->[0]", $_->[1], BLOCK => $good, BEFORE => "canopy_zone $_->[0]; $here", ELSEWHERE => $_->[2]) for
    ['0', 'canopy_zone|zone', 1], ['1', 'canopy_zone|zone', 1], ['8k', 'canopy_zone|zone', 1],
    ['x', '"canopy_zone" |zone'], ['-1', '"canopy_zone" |zone'], ['', 'invalid number of arguments in "canopy_zone" directive'],
    ['1m 2m', 'invalid number of arguments in "canopy_zone" directive'];
refuses('canopy_zone twice', '"canopy_zone" directive is duplicate', BLOCK => $good, BEFORE => "canopy_zone 1m;\ncanopy_zone 1m; $here");
my $many = join "\n", map { "canopy_environment e$_ { @{[$good =~ s/client-1/client-$_/r]} }" } 10 .. 99;
refuses('a zone that is too small for all environments', 'canopy_zone|zone', BLOCK => $good, BEFORE => "$many canopy_zone 64k;", ELSEWHERE => 1);
accepts('canopy_zone 2m', BLOCK => $good, BEFORE => 'canopy_zone 2m;');
accepts('canopy_zone without an exchange', BLOCK => "$server bearer_token_file %%DIR%%/token;", BEFORE => 'canopy_zone 64k;');

refuses("canopy_state_path $_->[0]", $_->[1], BLOCK => $good, STATE => "canopy_state_path $_->[0]; $here") for
    ['', 'invalid number of arguments in "canopy_state_path" directive'], ['""', '"canopy_state_path" '],
    ['a b', 'invalid number of arguments in "canopy_state_path" directive'];
refuses('canopy_state_path twice', '"canopy_state_path" directive is duplicate', BLOCK => $good,
        STATE => "canopy_state_path off;\ncanopy_state_path %%DIR%%/state; $here");
refuses("$_ in a server", '"\w+" directive is not allowed here', BLOCK => $good, SERVER => "$_; $here")
    for 'canopy_zone 1m', 'canopy_state_path off';
refuses("$_ in a block", '"\w+" directive is not allowed here', BLOCK => "$_; $here") for 'canopy_zone 1m', 'canopy_state_path off';
refuses('a state directory below a file', '(?:mkdir|stat).*token', BLOCK => $good, STATE => 'canopy_state_path %%DIR%%/token/state;', ELSEWHERE => 1);

accepts('canopy_state_path off', BLOCK => $good, STATE => 'canopy_state_path off;');
accepts('a state directory', BLOCK => $good, STATE => 'canopy_state_path %%DIR%%/created;');
my @stat = stat $t->path('created');
is(sprintf('%04o', ($stat[2] // 0) & 07777), '0700', 'it is created, for nobody else');
is($stat[4], scalar getpwnam('www-data'), 'and of the workers\' user') if $root;

SKIP: {
    skip 'only root can create the default one', 4 if !$root || !-d '/var/lib/nginx';
    my $was = -d $default_path;
    accepts('no state directory, no exchange', BLOCK => "$server bearer_token_file %%DIR%%/token;", STATE => '');
    is(-d $default_path, $was, 'nothing is created then');
    accepts('the default one', BLOCK => $good, STATE => '');
    is((stat $default_path)[4], scalar getpwnam('www-data'), 'of the workers\' user');
    rmdir $default_path if !$was;
}

# nginx -T shows names and paths, not what is in the files

$t->conf(conf_of(BLOCK => $good));
my $dump = [$t->dump]->[1];
like($dump, qr/oauth2_client_secret_file \Q$dir\E\/secret;/, 'nginx -T');
unlike($dump, qr/planted/, 'without the secret');

$t->done;
