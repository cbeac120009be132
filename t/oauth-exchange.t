# The exchange of a client's id and secret for an upstream token: what is sent to the token endpoint, that one is enough
# for all workers and requests, and what becomes of those that wait for it.

use v5.36;

use Test::More;
use Time::HiRes qw(time);

use Canopy::DNS;
use Canopy::Steady;
use Canopy::Test;
use Canopy::TokenEndpoint;

$ENV{RES_OPTIONS} = 'timeout:1 attempts:1';     # for the name that nginx asks libc for at start, in vain

my $t = Canopy::Test->new(workers => 2);
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

my $odd_id = q(odd"client\\id</script>&'%);
my $odd_secret = q(odd-"client\\secret/'&<>{}%%);
my %clients = ('client-1' => 'planted-client-secret-1', $odd_id => $odd_secret);

my $cert = $t->certificate('auth', san => 'DNS:auth.test,DNS:localhost');
my $auth = Canopy::TokenEndpoint->new($t, 'auth', clients => \%clients);
my $secure = Canopy::TokenEndpoint->new($t, 'secure', clients => \%clients, tls => $cert,
                                        host => 'auth.test:' . $t->port('secure'));
my $dns = Canopy::DNS->new($t, 'dns');
$dns->set('auth.test', a => ['127.0.0.1']);

$t->secret('secret', $clients{'client-1'});
$t->secret('odd', $odd_secret);
$t->upstream('canopy');

# One environment for each fact; the upstream and the endpoint see its name in their paths.

sub environment ($name, $more = '') {
    my %with = (server => "http://127.0.0.1:%%PORT_canopy%%/$name", oauth2_client_id => 'client-1',
                oauth2_client_secret_file => '%%DIR%%/secret', oauth2_audience => "https://$name.example",
                oauth2_token_url => "http://127.0.0.1:%%PORT_auth%%/$name", keepalive => 0);
    $with{$1} = $2 while $more =~ /(\w+) (.*?);(?:\s|$)/g;
    return "canopy_environment $name {\n" . join('', map { "        $_ $with{$_};\n" } sort keys %with) . "    }\n    ";
}

my $odd_quoted = $odd_id =~ s/([\\"])/\\$1/gr;
my $environments = join '', environment('plain'), environment('first'), environment('leaves'), environment('quick'),
    environment('hangs', 'exchange_timeout 1s;'),
    environment('odd', "oauth2_client_id \"$odd_quoted\"; oauth2_client_secret_file %%DIR%%/odd;"),
    environment('no_path', 'oauth2_token_url http://127.0.0.1:%%PORT_auth%%;'),
    environment('local_name', 'oauth2_token_url http://localhost:%%PORT_auth%%/local_name;'),
    environment('secure', 'oauth2_token_url https://auth.test:%%PORT_secure%%/oauth/token; '
                        . 'ssl_trusted_certificate %%DIR%%/ca.pem;'),
    map { environment($_) =~ s/ +oauth2_audience.*\n//r } qw(live sandbox);

$t->conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    resolver 127.0.0.1:%%PORT_dns%%;
    canopy_state_path %%DIR%%/state;
    $environments
    log_format workers '\$uri \$pid \$canopy_outcome';
    server {
        listen 127.0.0.1:%%PORT_http%% reuseport;
        access_log %%DIR%%/workers.log workers;
        access_log %%DIR%%/access.log canopy_test;
        location ~ ^/(?<environment>\\w+)/ { canopy_pass \$environment; }
    }
}
EOC

sub facts ($res) {
    my $type = length $res->body ? $res->json->{detail}[0]{type} : '';
    return $res->status . " $type " . $res->header('Canopy-Outcome');
}

my $accepted = '204  accepted';
my $unavailable = '503 credential_unavailable not-sent';

# -------------------------------------------------------------------------------------- those that come before the first

$auth->answers_at('/first', { delay => 2 });
$auth->answers_at('/leaves', { delay => 4 });
$auth->answers_at('/hangs', { cut => 0, end => 'hang' });
$t->start;

my $began = time;
my @leaving = map { begin_cancel($t, '/leaves') } 1 .. 4;
my @first = map { begin_cancel($t, '/first') } 1 .. 200;
ok($t->wait_for(sub { $auth->count('/leaves') }), 'an exchange is under way');
close $_ for @leaving;
my @hanging = map { begin_cancel($t, '/hangs') } 1 .. 2;

for my $socket (@hanging) {
    my $res = $t->response($socket, keep => 0);
    is(facts($res), $unavailable, 'an exchange that does not end: the wait for it does');
    like($res->header('Retry-After'), qr/^[1-9]\d*$/, '... and it is said when to come again');
    $t->ensures_schema($res);
}
cmp_ok(time - $began, '<', 20, 'in the environment\'s own time') || diag(time - $began);

my %got;
$got{facts($t->response($_))}++ for @first;
is_deeply(\%got, { $accepted => 200 }, '200 first requests at once: all are accepted');
$auth->made(1, 'with one exchange', '/first');
my %by_worker = map { $_ => 1 } $t->read('workers.log') =~ m{^/first/\S+ (\d+) accepted$}mg;
is(scalar keys %by_worker, 2, 'by both workers');

ok($t->wait_for(sub { 4 == (() = $t->access_log =~ m{/leaves/.*\n}g) }), 'clients that left while they waited');
is_deeply([$t->access_log =~ m{ /leaves\S+ (\d+) outcome=not-sent }g], [(499) x 4], '... are in the log as such');
is(facts($t->cancel($id, prefix => '/leaves')), $accepted, 'the next one is served') for 1, 2;
is(scalar(grep { $_->{target} =~ m{^/leaves/} } $t->received('canopy')), 2, '... and of those that left nothing was sent');
$auth->made(1, '... with the same exchange', '/leaves', 0);

# ------------------------------------------------------------------------------------------------------ what is sent

my @names = qw(plain quick odd local_name);
$auth->made(1, "$_: a token is fetched at start, without any request", "/$_", 0) for @names;
is(scalar(grep { $_->{target} =~ m{^/(?:plain|quick|odd|local_name)/} } $t->received('canopy')), 0, 'nothing was sent upstream');

my $port = $t->port('auth');
my ($exchange) = $auth->exchanges('/plain');
my ($first_line, @headers) = split /\r\n/, $exchange->{raw} =~ s/\r\n\r\n.*//sr;
is($first_line, 'POST /plain HTTP/1.1', 'the request line');
is_deeply([sort @headers],
          ['Accept: application/json', 'Connection: close', 'Content-Length: ' . length $exchange->{body},
           'Content-Type: application/json', "Host: 127.0.0.1:$port", 'User-Agent: ngx_canopy/' . Canopy::TokenEndpoint::version()],
          'its headers');
is_deeply($exchange->{asked}, { client_id => 'client-1', client_secret => $clients{'client-1'},
                                audience => 'https://plain.example', grant_type => 'client_credentials' }, 'its body');

for my $name (@names, 'secure', 'no_path', 'live', 'sandbox') {
    is(facts($t->cancel($id, prefix => "/$name")), $accepted, "$name: a cancel") for 1, 2;
}

my %exchange_of = map { $_->{target} =~ s{^/}{}r => $_ } $auth->exchanges;
is($exchange_of{''}{target}, '/', 'an endpoint without a path');
is($exchange_of{odd}{asked}{client_id}, $odd_id, 'an id with all kinds of characters');
is($exchange_of{odd}{asked}{client_secret}, $odd_secret, 'and such a secret');
is($exchange_of{local_name}->header('Host'), "localhost:$port", 'a name as Host');
is($exchange_of{live}{asked}{audience}, 'https://api.canopy.umbra.space', 'live knows its audience');
is($exchange_of{sandbox}{asked}{audience}, 'https://api.canopy.prod.umbra-sandbox.space', 'sandbox, too');

# ------------------------------------------------------------------------------------------------ each its own token

my %tokens;
for my $req ($t->received('canopy')) {
    my ($name) = $req->{target} =~ m{^/(\w+)/};
    my $endpoint = $name eq 'secure' ? $secure : $auth;
    $tokens{$name}{$endpoint->number_of($req->header('Authorization'))}++;
}
is_deeply($tokens{$_}, { $exchange_of{$_}{n} => $_ eq 'first' ? 200 : 2 }, "$_: the token of its own exchange, and of no other")
    for @names, 'first', 'leaves', 'live', 'sandbox';

my ($by_tls) = $secure->exchanges;
is($by_tls->{sni}, 'auth.test', 'an endpoint with TLS, by its name');
is_deeply($tokens{secure}, { 1 => 2 }, '... its token');
$secure->made(1, '... with one exchange');

# local_name has a host of its own
$auth->{host} = undef;
is_deeply([map { $auth->request_faults($_) } grep { $_->{target} ne '/local_name' } $auth->exchanges], [],
          'each request is an exchange, byte for byte');
$secure->is_sound;

$t->done;
