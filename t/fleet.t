# A fleet: eight gateways that know nothing of each other. One token in a volume that all of them mount, switched under load
# as Kubernetes does it, serves them all; rate windows, counters and budgets are each gateway's own, and the table of shares in
# docs/operations.md is right.

use v5.36;

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use List::Util qw(max uniq);
use Test::More;
use Time::HiRes qw(sleep time);

use Canopy::Client;
use Canopy::Load;
use Canopy::Process qw(alive spawn);
use Canopy::Test;
use Canopy::TokenEndpoint;

my $n = 8;
my @numbers = 0 .. $n - 1;

# ------------------------------------------------------------------------------------------------- the table of shares

sub text ($file) { open my $fh, '<', $file or BAIL_OUT("$file: $!"); local $/; return <$fh> }

my ($section) = text('docs/operations.md') =~ /^## More than one gateway\n(.*?)(?=^## |\z)/ms;
my @rows = map { [/^\| (\d+) \| `(.*?)` \| (\d+) \| (\d+) \|$/] } grep { /^\| \d/ } split /\n/, $section // '';
my ($published) = text('README.md') =~ /rate_limit +([^;]+);/;
my ($exchanges) = text('docs/exchanged-tokens.md') =~ /Canopy allows about (\d+) a day/;
my ($default) = text('docs/directives.md') =~ /\*\*oauth2_budget\*\* \*number\* \| (\d+) \|/;

sub share ($gateways) {
    my $limits = join ' ', grep { !/^0/ } map { s/(\d+)/int $1 \/ $gateways/er } split / /, $published;
    return [$gateways, $limits, int $exchanges / $gateways, int $default / $gateways];
}
is_deeply(\@rows, [map { share($_) } 1, 2, 4, 8], 'the table of shares is computed right') || diag(explain(\@rows));
my %row = map { $_->[0] => $_ } @rows;
my ($hour, $hour_share) = map { $_->[1] =~ /(\d+)r\/h/ } @row{1, $n};

# --------------------------------------------------------------------------------- Canopy, its token endpoint, the volume

# Canopy is an nginx that accepts the tokens of which there is a file, and notes who brought which one, by the token's number.
my $canopy = Canopy::Test->new(module => 0, log_level => 'notice');
my $secret = 'planted-fleet-client-secret';
my $auth = Canopy::TokenEndpoint->new($canopy, 'auth', clients => { fleet => $secret });
mkdir $canopy->path($_) for qw(accepted volume);

$canopy->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    log_format arrived '$msec $status $number $request_uri';
    map $http_authorization $token  { "~^Bearer ([\w.-]+)$" $1; }
    map $http_authorization $number { default 0; "~\.(\d+)$" $1; }
    server {
        listen 127.0.0.1:%%PORT_canopy%%;
        access_log %%DIR%%/arrived.log arrived;
        if (!-f %%DIR%%/accepted/$token) { return 401; }
        location / { return 204; }
    }
}
EOC
$canopy->start;

# What came for an environment, all that was accepted at least.
sub arrived ($environment, $accepted) {
    my @all;
    $canopy->wait_for(sub {
        my @lines = $canopy->read('arrived.log') =~ m{^(\S+ \d+ \d+ /$environment/\d/tasks/.*)/cancel$}mg;
        @all = map { my %of; @of{qw(at status token gateway id)} = (split m{[ /]+})[0, 1, 2, 4, 6]; \%of } @lines;
        return $accepted <= grep { $_->{status} == 204 } @all;
    }, 20);
    return @all;
}

# The job's side: a token for the client's credentials, which Canopy then accepts.
sub exchange () {
    my $body = encode_json({ client_id => 'fleet', client_secret => $secret, audience => 'https://api.canopy.umbra.space',
                             grant_type => 'client_credentials' });
    my $res = $canopy->request(port => 'auth', method => 'POST', path => '/oauth/token', body => $body,
        headers => [['Content-Type', 'application/json'], ['User-Agent', 'the-job']]);
    my $token = $res->json->{access_token};
    $canopy->write("accepted/$token", '');
    return $token;
}

sub revoke ($token) {
    unlink $canopy->path("accepted/$token") or die "$token: $!\n";
    $canopy->append('revoked', time . "\n");
}

# The kubelet's side: a new directory, a new link moved over the old one, the old directory removed.
sub project ($token) {
    my ($data, $tmp) = map { $canopy->path("volume/..$_") } qw(data data_tmp);
    my $old = readlink $data;
    my $new = '..2026_' . $token =~ s/.*\.//r;
    mkdir $canopy->path("volume/$new");
    $canopy->secret_file("volume/$new/token", $token);
    symlink $new, $tmp;
    $canopy->append('switched', time . "\n");
    rename $tmp, $data or die "..data: $!\n";
    return symlink '..data/token', $canopy->path('volume/token') if !defined $old;
    unlink $canopy->path("volume/$old/token");
    rmdir $canopy->path("volume/$old") or die "$old: $!\n";
}

project(my $first = exchange());
my $mounted = 'bearer_token_file ' . $canopy->path('volume/token') . ';';

# --------------------------------------------------------------------------------------------------------- the gateways

my @gateways = map { Canopy::Test->new(log_level => 'notice') } @numbers;
my @ports = map { $_->port('http') } @gateways;

sub set_conf ($no, $more = '') {
    my $blocks = join "\n    ", map {
        my ($name, $limit) = @$_;
        "canopy_environment $name { server http://127.0.0.1:%%PORT_canopy%%/$name/$no; $mounted $limit }";
    } ['live', ''], ['whole', "rate_limit ${hour}r/h;"], ['part', "rate_limit ${hour_share}r/h;"];
    $gateways[$no]->conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    canopy_state_path %%DIR%%/state;
    $blocks
    $more
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\\w+)/ { canopy_pass \$environment; }
        location = /status { canopy_status; }
    }
}
EOC
}

for my $no (@numbers) {
    $gateways[$no]{ports}{$_} = $canopy->port($_) for qw(canopy auth);
    $gateways[$no]->plant($_) for $secret, $auth->{mark};
    set_conf($no);
    $gateways[$no]->start;
}
is(scalar(uniq map { $_->master } @gateways), $n, "$n gateways");

# Request m goes to gateway m mod 8. A client that waits a little after each answer leaves the machine to the gateways.
sub load ($environment, $pause = 0) {
    my $text = Canopy::Client::request_text(path => "/$environment/tasks/%s/cancel",
        headers => [['Authorization', 'Bearer ' . $canopy->client_token]]);
    return Canopy::Load->new(port => \@ports, request => sub ($m) { sprintf $text, id($m) },
                             answered => sub (@) { sleep $pause if $pause });
}

sub id ($m) { return sprintf '00000000-0000-4000-8000-%012x', $m }

sub status_of ($no) { return $gateways[$no]->request(method => 'GET', path => '/status')->json->{environments}{live} }

# -------------------------------------------------------------------------------------- one token, switched under load

# Twice: first both tokens are good for a while, then the old one ends as soon as the new one is there.
my $job = spawn(sub {
    sleep 2.5;
    project(my $second = exchange());
    sleep 7;
    revoke($first);
    sleep 1;
    project(my $third = exchange());
    revoke($second);
    $canopy->write('last', $third);
});
my $load = load('live', 0.001);
$load->run(seconds => 11);
$load->run(seconds => 1) while alive($job);
$load->run(seconds => 2);

my $requests = $load->requests;
cmp_ok($requests, '>=', 100 * $n, "there was load: $requests requests") || diag(explain($load->answers));
is_deeply([$load->failures], [], 'each has an answer');
is_deeply($load->answers, { '204 accepted' => $requests }, 'none failed');

my @arrived = arrived('live', $requests);
my @accepted = grep { $_->{status} == 204 } @arrived;
ok(join("\n", sort map { "$_->{id} $_->{gateway}" } @accepted) eq join("\n", map { id($_) . ' ' . $_ % $n } 0 .. $requests - 1),
   'Canopy has got each of them once, from the gateway that was asked') || diag(scalar @accepted);

my ($begin, @switched) = split /\n/, $canopy->read('switched');
is(scalar @switched, 2, 'two switches');
for my $no (@numbers) {
    my @own = grep { $_->{gateway} == $no } @arrived;
    for my $old (1, 2) {
        my $late = max(map { $_->{at} } grep { $_->{token} == $old } @own) - $switched[$old - 1];
        cmp_ok($late, '<', 6, sprintf 'gateway %d has left token %d: %.2f s', $no, $old, $late);
    }
    is(join(' ', uniq sort map { $_->{token} } @own), '1 2 3', '... for the next one each time');
}
my @refused = grep { $_->{status} != 204 } @arrived;
is_deeply([grep { $_ ne '401 2' } map { "$_->{status} $_->{token}" } @refused], [], 'none met the end of the first token');
SKIP: {
    my $between = (split /\n/, $canopy->read('revoked'))[1] - $switched[1];
    skip 'the job was held up, and all had the next token', 1 if !@refused && $between > 0.3;
    cmp_ok(scalar @refused, '>', 0, scalar(@refused) . ' copies met the end of the second, and were sent again');
}
is(scalar(uniq map { $_->{id} } @refused), scalar @refused, 'a request is sent again once');

is($auth->count, 3, 'an exchange for each token');
is_deeply([map { $_->header('User-Agent') } $auth->exchanges], [('the-job') x 3], '... made by the job, none by a gateway');

my $print = substr sha256_hex($canopy->read('last')), 0, 8;
is_deeply([map { status_of($_)->{credential}{sha256} } @numbers], [($print) x $n], 'canopy_status: all have the last one');
is_deeply([map { status_of($_)->{outcomes}{accepted} } @numbers],
          [map { my $no = $_; scalar grep { $_->{gateway} == $no } @accepted } @numbers], '... and each counts its own');
is_deeply([grep { /\[(?:error|crit)\]/ } map { split /\n/, $_->log } @gateways], [], 'there was nothing to tell');

# ------------------------------------------------------------------------------------------------- rate windows are own

my %in_all = (whole => $n * $hour, part => $n * $hour_share);
for my $environment (sort keys %in_all) {
    my $load = load($environment);
    $load->run(requests => $in_all{$environment} + 5 * $n);
    is_deeply($load->answers, { '204 accepted' => $in_all{$environment}, '429 not-sent' => 5 * $n },
              "$environment: $n gateways let through $n times what one does");
    my %by_gateway;
    $by_gateway{$_->{gateway}}++ for arrived($environment, $in_all{$environment});
    is_deeply(\%by_gateway, { map { $_ => $in_all{$environment} / $n } @numbers }, '... each the same');
}
cmp_ok($in_all{whole}, '>', $hour, 'the whole limit in each is too much for Canopy');
cmp_ok($in_all{part}, '<=', $hour, 'parts are not');

my ($status, $output) = $gateways[0]->test_conf("%%HEAD%%\nhttp {\n%%HTTP%%\n" . join('', map { <<"EOC" } @rows) . '}');
canopy_environment fleet$_->[0] { server http://127.0.0.1:1; $mounted rate_limit $_->[1]; }
EOC
is($status, 0, 'nginx takes each limit of the table') || diag($output);

# ----------------------------------------------------------------------------------------------------- budgets are own

my $budget = $row{$n}[3];
$auth->answers_at('/own', { status => 503 });
for my $no (@numbers) {
    $gateways[$no]->secret('client.secret', $secret);
    set_conf($no, <<"EOC");
canopy_environment own {
        server                    http://127.0.0.1:%%PORT_canopy%%/own/$no;
        oauth2_client_id          fleet;
        oauth2_client_secret_file %%DIR%%/client.secret;
        oauth2_token_url          http://127.0.0.1:%%PORT_auth%%/own;
        oauth2_audience           https://gateway-$no.example;
        oauth2_budget             $budget;
    }
EOC
    $gateways[$no]->reload;
}
$canopy->wait_for(sub { $auth->count('/own') >= $n * $budget }, 30);
for my $no (@numbers) {
    my $res = $gateways[$no]->cancel(id(0), prefix => '/own');
    is($res->status, 503, "gateway $no: no token");
    cmp_ok($res->header('Retry-After'), '>', 86000, '... and its budget is spent');
}
$auth->made($n * $budget, "the endpoint has seen all of the $n budgets", '/own');
my %by_audience;
$by_audience{$_->{asked}{audience}}++ for $auth->exchanges('/own');
is_deeply(\%by_audience, { map { ("https://gateway-$_.example" => $budget) } @numbers }, '... one for each gateway');

for my $gateway (@gateways) {
    $gateway->stop;
    is_deeply([$gateway->faults], [], 'nothing was wrong with a gateway');
}
$canopy->done;
