# examples/nginx.conf is what it says: with nothing but its names and addresses changed it starts, cancels tasks at the
# sandbox over TLS on both sides, writes that down, and keeps to its limits.

use v5.36;

use JSON::PP;
use Test::More;

use Canopy::Example;
use Canopy::Jose;
use Canopy::Process qw(run);
use Canopy::Test;

my $t = Canopy::Test->new(workers => 2, http_port => 'https');
my ($active, $scheduled, $expired, $submitted) = map { "00000000-0000-4000-8000-0000000000$_" } qw(04 05 07 18);

my $canopy = $t->certificate('upstream', san => 'IP:127.0.0.1');
my $front = $t->certificate('canopy', san => 'DNS:canopy.internal.example');
rename $front->{chain}, $t->path('canopy.crt') or die "canopy.crt: $!";

my $key = Canopy::Jose->new('ES256', kid => 'a');
$t->write('clients.jwks', Canopy::Jose::set($key));
$t->secret('live.secret', 'examples-live-client-secret');
$t->secret('sandbox.token', 'examples-sandbox-credential');

$t->sandbox('canopy', certificate => $canopy, tokens => ['examples-sandbox-credential'],
            client => ['AbC123', 'examples-live-client-secret']);

# ------------------------------------------------------------------------------------------ what an operator changes

my $example = Canopy::Example->new('examples/nginx.conf');
my $upstream = 'server https://127.0.0.1:%%PORT_canopy%%/tasking; ssl_trusted_certificate %%DIR%%/ca.pem;';
my $exchange = 'oauth2_token_url https://127.0.0.1:%%PORT_canopy%%/oauth/token; oauth2_audience https://api.canopy.prod.umbra-sandbox.space;';

$example->main(qr{^user .*}m);
$example->load(qr{^load_module .*}m);
$example->paths;
$example->change(qr{^worker_processes .*}m, 'worker_processes 2;', 1);
$example->change(qr{/run/}, '%%DIR%%/', 1);
$example->change(qr{/var/lib/nginx/canopy}, '%%DIR%%/state', 1);
$example->change(qr{/var/log/nginx/}, '%%DIR%%/', 4);
$example->change(qr{(?<= )/etc/(?:canopy|nginx/tls)/(?=\S+;)}, '%%DIR%%/', 6);
$example->change(qr{canopy_environment \w+ \{\K}, " $upstream", 2);
$example->change(qr{(?=oauth2_client_id )}, "$exchange ", 1);
$example->change(qr{\b10\.0\.0\.53}, '127.0.0.1', 1);
$example->change(qr{listen +\K443(?= ssl http2)}, '127.0.0.1:%%PORT_https%%', 2);
$example->change(qr{.*\[::\]:443.*\n}, '', 2);
$example->change(qr{listen +\K8081}, '127.0.0.1:%%PORT_status%%', 1);

my ($status, $output) = $t->test_conf($example->text);
is($status, 0, 'nginx -t takes it');
is(join("\n", grep { !/"listen \.\.\. http2" directive is deprecated/ } $output =~ /^(.*\[warn\].*)$/mg), '', 'without a warning')
    || diag($output);

$t->conf($example->text);
$t->start;

# ------------------------------------------------------------------------------------------------------------ clients

my %tls = (SSL_ca_file => $t->path('ca.pem'), SSL_hostname => 'canopy.internal.example',
           SSL_verifycn_name => 'canopy.internal.example', SSL_verifycn_scheme => 'http', SSL_verify_mode => 1);
my $number = 0;

sub token (%claims) {
    return $key->token(iss => 'https://login.example/', aud => 'canopy-gateway', sub => 'planner', scope => 'tasks canopy:cancel', %claims);
}

sub cancel ($prefix, $id, %args) {
    my $token = delete $args{token} // token();
    $t->plant($token);
    return $t->request(path => "/$prefix/tasks/$id/cancel", tls => \%tls, %args, headers =>
        [['Host', 'canopy.internal.example'], ['Authorization', "Bearer $token"], ['X-Request-ID', 'examples-' . ++$number]]);
}

my @audit;

# One test: what the client gets; and what the audit's line of it has to say is kept for later.
sub answers ($name, $wanted, $res, %line) {
    my ($code, $outcome, $error) = split / /, $wanted;
    my $type = length $res->body ? $res->json->{detail}[0]{type} : '';
    is(join(' ', grep { length } $res->status, $res->header('Canopy-Outcome'), $type), $wanted, $name) || diag($res->raw, $t->log);
    push @audit, { request_id => "examples-$number", status => $code, outcome => $outcome, error => $error // '', sub => 'planner',
                   environment => 'live', method => 'PATCH', client => '127.0.0.1', upstream_status => '', %line };
    return $res;
}

answers('a cancel', '204 accepted', cancel('live', $scheduled), task => $scheduled, upstream_status => 204);
answers('again', '422 rejected value_error.task_status', cancel('live', $scheduled), task => $scheduled, upstream_status => 422);
answers('in the sandbox', '204 accepted', cancel('sandbox', $active), task => $active, environment => 'sandbox', upstream_status => 204);
answers('a client that may not', '403 denied token_claim', cancel('live', $submitted, token => token(scope => 'tasks')), task => $submitted);
answers('somebody else\'s token', '401 denied token_signature',
        cancel('live', $submitted, token => Canopy::Jose->new('ES256', kid => 'a')->token(aud => 'canopy-gateway')), task => $submitted, sub => '');
answers('no task', '422 denied uuid_parsing', cancel('live', 'no-task'), task => '');
answers('another method', '405 denied method_not_allowed', cancel('live', $submitted, method => 'GET'),
        task => $submitted, method => 'GET', environment => '');
answers('a body that is too large', '413 denied gateway_refused', cancel('live', $submitted, body => 'x' x 5000), task => '', environment => '');

my ($code, $answer) = run('curl', '-sS', '--http2', '-o', $t->path('curl.out'), '-w', '%{http_code} %{http_version}', '-X', 'PATCH',
    '--cacert', $t->path('ca.pem'), '--resolve', 'canopy.internal.example:' . $t->port('https') . ':127.0.0.1',
    '-H', 'Authorization: Bearer ' . token(sub => 'curl'), '-H', 'X-Request-ID: examples-curl',
    'https://canopy.internal.example:' . $t->port('https') . "/sandbox/tasks/$submitted/cancel");
is($answer, '204 2', 'a cancel over HTTP/2');
push @audit, { request_id => 'examples-curl', status => 204, outcome => 'accepted', sub => 'curl', environment => 'sandbox', task => $submitted };

is($t->request(path => '/', method => 'GET', tls => \%tls, headers => [['Host', 'canopy.internal.example']])->status, 404, 'nothing else is there');
ok(!eval { $t->connect(tls => { %tls, SSL_hostname => 'elsewhere.example', SSL_verify_mode => 0 }) }, 'a client of another name gets no certificate');

# ----------------------------------------------------------------------------------------------------------- operators

sub look ($path, %args) { return $t->request(port => 'status', method => 'GET', path => $path, %args) }

is(look('/ready')->status, 200, 'ready');
my $live;
$t->wait_for(sub { $live = look('/status')->json->{environments}{live}; $live->{outcomes}{accepted} });      # by the other worker
is($live->{outcomes}{accepted}, 1, 'the status has counted the cancel');
is($live->{credential}{kind}, 'oauth2', 'and knows of what kind the credential is');
like(look('/metrics')->body, qr/^canopy_requests_total\{environment="sandbox",outcome="accepted"\} 2$/m, 'so do the metrics');
is(look('/')->status, 404, 'nothing else is there');

my $stranger = IO::Socket::INET->new(LocalAddr => '127.0.0.2', PeerAddr => '127.0.0.1', PeerPort => $t->port('status'));
is(look('/status', socket => $stranger)->status, 403, 'who is not on the list sees nothing');
is($t->request(path => '/status', method => 'GET', tls => \%tls, headers => [['Host', 'canopy.internal.example']])->status, 404,
   'nor does a client');

$t->write('live.closed', '');
answers('live is closed', '503 not-sent environment_closed', cancel('live', $expired), task => $expired);
answers('the sandbox is not', '422 rejected value_error.task_status', cancel('sandbox', $expired), task => $expired,
        environment => 'sandbox', upstream_status => 422);
is(look('/ready')->status, 200, 'a closed environment keeps nobody from being ready');

# -------------------------------------------------------------------------------------------------------------- limits

# The burst is 30, and one a second comes back.
my %limited;
for (1 .. 60) {
    my $res = cancel('live', $expired, token => token(sub => 'wild'));
    $limited{join ' ', $res->status, $res->header('Canopy-Outcome'), $res->json->{detail}[0]{type}}++;
}
cmp_ok($limited{'429 not-sent gateway_refused'} // 0, '>=', 10, 'a client that runs wild is held back') || diag(explain(\%limited));
cmp_ok($limited{'503 not-sent environment_closed'} // 0, '>=', 30, 'not before its thirtieth cancel');
answers('another one is not', '503 not-sent environment_closed', cancel('live', $expired, token => token(sub => 'tame')),
        task => $expired, sub => 'tame');

# --------------------------------------------------------------------------------------------------------------- audit

$t->wait_for(sub { $t->read('canopy-audit.log') =~ /"request_id":"examples-$number"/ });
$t->stop;

my @lines = split /\n/, $t->read('canopy-audit.log');
my %line = map { my $line = eval { JSON::PP->new->utf8->decode($_) } || BAIL_OUT("no JSON: $_"); $line->{request_id} => $line } @lines;
is(scalar @lines, $number + 1, 'each request has one line in the audit log');

for my $wanted (@audit) {
    my $line = $line{ $wanted->{request_id} };
    is_deeply({ map { $_ => $line->{$_} } keys %$wanted }, $wanted, "the line of $wanted->{request_id}: $wanted->{status} $wanted->{outcome}");
}

my $first = $line{'examples-1'};
like($first->{time}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$/, 'when');
ok(abs($first->{timestamp} - time) < 300, 'when, in seconds');
is($first->{upstream}, '127.0.0.1:' . $t->port('canopy'), 'who was asked');
# the last one is a number: 0.010 is 0.01
like($first->{$_}, qr{^\d+(?:\.\d{1,3})?$}, "a time: $_") for qw(time_connect time_upstream time_total);
ok($first->{time_total} > $first->{time_upstream} - 0.1, 'the whole is no less than its part');
is($line{'examples-4'}{$_}, '', "nothing was sent: $_") for qw(upstream time_connect time_upstream);

unlike($t->read('access.log'), qr/cancel/, 'no cancel is in the other log');
like($t->read('access.log'), qr/"GET \/status HTTP\/1\.1" 404/, 'which has the rest');

$t->done;
