# examples/kubernetes/: Kubernetes takes the manifests and they fit together, the job spends no exchange in vain and loses no
# token, and the gateways use what it has brought. The API server and the kubelet are played by this test.

use v5.36;

use JSON::PP;
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;

use Canopy::Example;
use Canopy::Jose;
use Canopy::Process qw(run);
use Canopy::Test;
use Canopy::TokenEndpoint;

my $example = 'examples/kubernetes';
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $json = JSON::PP->new->canonical;

my $t = Canopy::Test->new(workers => 2, http_port => 'https');
my $key = Canopy::Jose->new('ES256', kid => 'a');

sub text ($file) { open my $fh, '<', $file or BAIL_OUT("$file: $!"); local $/; return <$fh> }

# ---------------------------------------------------------------------------------------------------------- manifests

# As the README says: clients' keys beside the files, two Secrets that are there before.
sub manifests ($file, $from, $to) {
    my $dir = $t->path('manifests');
    mkdir $dir;
    $t->write("manifests/$_->[0]", $_->[1]) for map { [s{.*/}{}r, text($_)] } glob "$example/*.*";
    $t->write('manifests/clients.jwks', Canopy::Jose::set($key));
    if ($file) {
        my $changed = $t->read("manifests/$file") =~ s/$from/$to/r;
        $changed ne $t->read("manifests/$file") or BAIL_OUT("$file has no $from");
        $t->write("manifests/$file", $changed);
    }
    my (undef, $faults) = run('t/kubernetes-check', $dir, text("$example/README.md") =~ /create secret \w+ (\S+)/g);
    return $faults;
}

is(manifests(undef, undef, undef), '', 'the manifests are what Kubernetes takes, and fit together');
isnt(manifests(@$_), '', "... and not with $_->[2] for $_->[1]") for
    ['gateway.yaml', 'replicas: 2', 'replicas: two'], ['gateway.yaml', 'maxSurge', 'maxSurges'], ['gateway.yaml', 'port: status', 'port: statuses'],
    ['gateway.yaml', 'secretName: canopy-tokens', 'secretName: tokens'], ['gateway.yaml', 'targetPort: https', 'targetPort: http'],
    ['gateway.yaml', 'runAsUser: 33', 'runAsUser: 0'], ['gateway.yaml', 'readOnlyRootFilesystem: true', ''],
    ['tokens.yaml', 'name: canopy-renew\n---', "name: renew\n---"], ['tokens.yaml', '"canopy-tokens"', '"canopy"'],
    ['tokens.yaml', 'schedule: ', 'schedules: '];

SKIP: {
    manifests(undef, undef, undef);
    skip 'no kubectl', 1 if !grep { -x "$_/kubectl" } split /:/, $ENV{PATH};
    my (undef, $output) = run('kubectl', 'kustomize', $t->path('manifests'));
    is(join(' ', sort $output =~ /^kind: (\S+)$/mg),
       'ConfigMap ConfigMap ConfigMap CronJob Deployment Role RoleBinding Secret Service ServiceAccount', 'kubectl makes all objects of it')
        || diag($output);
}

# What all of them together send is within Canopy's limits, and what the job asks for in a day as well.
my %limit = (s => 2, m => 120, h => 300);
my ($replicas) = text("$example/gateway.yaml") =~ /^  replicas: (\d+)$/m;
my @rates = text("$example/nginx.conf") =~ /^ +rate_limit +(.*);$/mg;
is(scalar @rates, 2, 'each environment has a rate limit');
is_deeply({ map { /^(\d+)r\/(\w)$/ ? ($2 => $1 * $replicas) : ($_ => 'no rate') } split ' ', $_ }, \%limit, "$replicas times $_ is Canopy's") for @rates;
my ($hours, $environments) = text("$example/tokens.yaml") =~ m{schedule: "\d+ \*/(\d+) \* \* \*".*renew\.py", ([^\]]*)}s;
cmp_ok(24 / $hours * (() = $environments =~ /"/g) / 2, '<=', 25, 'a day of failures is half of what Canopy allows at most');

# ------------------------------------------------------------------------------------------------------------ the job

my ($front, $api, $auth) = map { $t->certificate($_, san => 'IP:127.0.0.1') } qw(front api auth);
my $endpoint = Canopy::TokenEndpoint->new($t, 'auth', tls => $auth, clients => { 'kubernetes-client' => 'kubernetes-client-secret' });

# The API server: it knows one account and one Secret. "api-mode" is what it does with a PATCH: none is allowed, one of a token
# comes too early so many times, or somebody else was there before.
$t->secret('account/token', 'kubernetes-account-token') if mkdir $t->path('account');
$t->write('account/namespace', 'canopy');
$t->write('account/ca.crt', $t->read('ca.pem'));
$t->write('data', '{}', 0666);
$t->write('version', 1, 0666);
$t->write('api-mode', '');

$t->upstream('api', tls => $api, handler => sub ($conn, $req, $n) {
    return reply(404, '{}') if $req->{target} ne '/api/v1/namespaces/canopy/secrets/canopy-tokens';
    return reply(401, '{}') if $req->header('Authorization') ne 'Bearer kubernetes-account-token';

    my $data = $json->decode($t->read('data'));
    my $mode = $t->read('api-mode');
    my $version = $t->read('version');
    if ($req->{method} eq 'PATCH') {
        return reply(415, '{}') if $req->header('Content-Type') ne 'application/merge-patch+json';
        return reply(403, '{}') if $mode eq 'forbidden';
        my $patch = $json->decode($req->{body});
        return reply(503, '{}') if $patch->{data}{'live.token'} && $mode =~ /^busy (\d+)/ && $t->write('api-mode', $1 > 1 ? 'busy ' . ($1 - 1) : '');
        return reply(409, '{}') if ($patch->{metadata}{resourceVersion} // $version) ne $version;
        $data = { %$data, $patch->{data}->%* };
        $t->write('data', $json->encode($data));
        $t->write('version', ++$version);
    }
    $t->write('version', $version + 1) if $mode eq 'raced';
    return reply(200, $json->encode({ kind => $mode eq 'odd' ? 'Status' : 'Secret', metadata => { resourceVersion => $version }, $mode eq 'odd' ? () : (data => $data) }), 'Content-Type: application/json');
});

mkdir $t->path('client');
$t->secret('client/client_id', 'kubernetes-client');
$t->secret('client/client_secret', "kubernetes-client-secret\n");

sub stored () { my $data = $json->decode($t->read('data')); return map { $_ => decode_base64($data->{$_}) } keys %$data }
sub number ($environment) { my %stored = stored(); return $endpoint->number_of('Bearer ' . ($stored{"$environment.token"} // '')) }
sub forget (@keys) { my %stored = stored(); delete @stored{@keys}; $t->write('data', $json->encode({ map { $_ => encode_base64($stored{$_}, '') } keys %stored })) }

my $output = '';

# One run: how it ended, the exchanges it has cost, and the numbers of the tokens that are stored.
sub job (%args) {
    my $before = $endpoint->count;
    local $ENV{SSL_CERT_FILE} = $t->path('ca.pem');
    local $ENV{CANOPY_TOKEN_URL} = 'https://127.0.0.1:' . $t->port('auth') . '/oauth/token';
    local $ENV{CANOPY_CLIENT} = $t->path('client');
    local $ENV{KUBERNETES_ACCOUNT} = $t->path('account');
    local $ENV{KUBERNETES_SERVICE_HOST} = '127.0.0.1';
    local $ENV{KUBERNETES_SERVICE_PORT} = $t->port('api');
    local @ENV{keys(($args{env} // {})->%*)} = values(($args{env} // {})->%*);
    my ($status, $said) = run('/usr/bin/python3', "$example/renew.py", ($args{environments} // [qw(live sandbox)])->@*);
    $output .= $said;
    return "status $status, exchanges " . ($endpoint->count - $before) . ', tokens ' . number('live') . ' ' . number('sandbox');
}

is(job(), 'status 0, exchanges 2, tokens 1 2', 'the first run brings a token for each environment') || diag($output);
is(join(' ', map { $_->{asked}{audience} } $endpoint->exchanges),
   'https://api.canopy.umbra.space https://api.canopy.prod.umbra-sandbox.space', 'each for its own audience');
my %stored = stored();
ok(abs($stored{"$_.renew"} - time - 43200) < 60, "$_: it is renewed after half of its life") for qw(live sandbox);

is(job(), 'status 0, exchanges 0, tokens 1 2', 'the next run has nothing to do');

forget('live.renew');
is(job(), 'status 0, exchanges 1, tokens 3 2', 'what is forgotten is renewed, and nothing else');
$t->write('data', $json->encode({ map { $_ => encode_base64($stored{$_}, '') } keys %stored, }) =~ s/("sandbox.renew":")[^"]*/$1MTAw/r);
is(job(), 'status 0, exchanges 1, tokens 1 4', 'so is one whose time has come');

sub due () { forget('live.renew') }

due();
$t->write('api-mode', 'forbidden');
is(job(), 'status 1, exchanges 0, tokens 1 4', 'what could not be stored is not asked for');
$t->write('api-mode', 'odd');
is(job(), 'status 1, exchanges 0, tokens 1 4', 'what is no Secret is not taken for an empty one');
$t->write('api-mode', 'raced');
is(job(), 'status 1, exchanges 0, tokens 1 4', 'of two at once one asks for nothing');
$t->write('api-mode', '');
{
    my %stored = stored();
    $t->write('data', $json->encode({ 'live.renew' => encode_base64(time + 200, ''), map { $_ => encode_base64($stored{$_}, '') } grep { /sandbox/ } keys %stored }));
    is(job(), 'status 0, exchanges 0, tokens other 4', 'nor does one that comes while another one is at it');
    $t->write('data', $json->encode({ map { $_ => encode_base64($stored{$_}, '') } keys %stored }));
}
due();
$t->write('api-mode', 'busy 3');
is(job(), 'status 0, exchanges 1, tokens 5 4', 'what can\'t be stored at once is stored later');

for my $answer ({ status => 500 }, { status => 401 }, { status => 302, headers => ['Location: /oauth/token'] }, { body => '' }, { body => '[]' }, { body => '{' },
    { body => '{"access_token":"","expires_in":86400,"token_type":"Bearer"}' }, { body => '{"access_token":"a\nb","expires_in":86400,"token_type":"Bearer"}' },
    { body => '{"access_token":7,"expires_in":86400,"token_type":"Bearer"}' }, { body => '{"access_token":"%TOKEN%","expires_in":86400,"token_type":"mac"}' },
    (map { { expires_in => $_ } } 0, -1),
    { cut => 40 }, { cut => 0 }, { end => 'reset', cut => 0 },
) {
    due();
    $endpoint->answers($answer);
    is(job(), 'status 1, exchanges 1, tokens 5 4', 'an answer that is of no use is not asked for twice: ' . $json->encode($answer));
}
$endpoint->answers({});
like(job(), qr/^status 0, exchanges 1,/, '... and the next run asks again');

for my $answer ({ body => '{"access_token":"%TOKEN%","token_type":"Bearer"}' }, map { { expires_in => $_ } } '86400', JSON::PP::true, undef) {
    due();
    $endpoint->answers($answer);
    like(job(), qr/^status 0, exchanges 1, tokens (?!other)/, 'a token without a lifetime is good for an hour: ' . $json->encode($answer));
    my %stored = stored();
    ok(abs($stored{'live.renew'} - time - 1800) < 60, '... half of it');
}
$endpoint->answers({});

forget('live.renew', 'sandbox.renew');
$endpoint->answers({ status => 500 }, {});
like(job(), qr/^status 1, exchanges 2, tokens \d+ (?!4)\d+$/, 'one environment fails, the other one is renewed');

due();
for my $env ({ CANOPY_TOKEN_URL => 'http://127.0.0.1:' . $t->port('auth') . '/oauth/token' }, { SSL_CERT_FILE => '/dev/null' },
    { CANOPY_CLIENT => $t->path('nowhere') }, { KUBERNETES_SERVICE_PORT => 1 }, { KUBERNETES_ACCOUNT => $t->path('nowhere') }) {
    like(job(env => $env), qr/^status 1, exchanges 0,/, join ' ', 'nothing is sent:', map { s/.*\///r } %$env);
}
$t->write('account/ca.crt', $t->read($front->{chain} =~ s{.*/}{}r));
like(job(), qr/^status 1, exchanges 0,/, 'nothing is sent: the API server is another one');
$t->write('account/ca.crt', $t->read('ca.pem'));
like(job(environments => []), qr/^status 1, exchanges 0/, 'no environment');
like(job(environments => ['live', 'moon']), qr/^status 1, exchanges 0/, 'an environment that is none of Canopy\'s');
like(job(), qr/^status 0, exchanges 1/, 'and all is well again');

# ------------------------------------------------------------------------------------------------------- the gateways

# As the kubelet does it.
my $no = 0;
sub project () {
    my %stored = stored();
    my $dir = '..2026_' . ++$no;
    my (undef, undef, undef, $gid) = $> == 0 ? getpwnam 'www-data' : (0, 0, 0, $) + 0);
    mkdir $t->path('tokens');
    mkdir $t->path("tokens/$dir");
    for my $file (map { "$_.token" } qw(live sandbox)) {
        chown 0, $gid, $t->write("tokens/$dir/$file", $stored{$file}, 0440);
        symlink "..data/$file", $t->path("tokens/$file");
    }
    symlink $dir, $t->path('tokens/..data_tmp');
    rename $t->path('tokens/..data_tmp'), $t->path('tokens/..data') or BAIL_OUT("..data: $!");
}

my $canopy = $t->certificate('canopy', san => 'IP:127.0.0.1');
$t->upstream('canopy', tls => $canopy, handler => sub ($conn, $req, $n) {
    $t->append('sent', join(' ', $endpoint->number_of($req->header('Authorization')), $req->{target}) . "\n");
    return reply(204);
});

$t->write('clients.jwks', Canopy::Jose::set($key));
rename $front->{chain}, $t->path('tls.crt') or BAIL_OUT("tls.crt: $!");
rename $front->{key}, $t->path('tls.key') or BAIL_OUT("tls.key: $!");
project();

my $conf = Canopy::Example->new("$example/nginx.conf");
$conf->change(qr{/tmp/}, '%%DIR%%/', 1);
$conf->main(qr{^# not "auto".*}m);
$conf->load(qr{^include .*}m);
$conf->paths;
$conf->change(qr{error_log +\Kstderr}, '%%DIR%%/error.log', 1);
$conf->change(qr{/dev/stdout}, '%%DIR%%/audit.log', 1);
$conf->change(qr{/run/secrets/canopy/}, '%%DIR%%/tokens/', 2);
$conf->change(qr{/etc/(?:canopy|nginx/tls)/}, '%%DIR%%/', 4);
$conf->change(qr{canopy_environment (\w+) \{\K}, ' server https://127.0.0.1:%%PORT_canopy%%/tasking; ssl_trusted_certificate %%DIR%%/ca.pem;', 2);
$conf->change(qr{listen +\K8443}, '127.0.0.1:%%PORT_https%%', 1);
$conf->change(qr{listen +\K8081}, '127.0.0.1:%%PORT_status%%', 1);

my ($status, $said) = $t->test_conf($conf->text);
is($status, 0, 'nginx takes the configuration') || diag($said);
unlike($said, qr/\[warn\]/, 'without a warning');
$t->conf($conf->text);
$t->start;

sub look ($path) { return $t->request(port => 'status', method => 'GET', path => $path) }

my %tls = (SSL_ca_file => $t->path('ca.pem'), SSL_verifycn_name => '127.0.0.1', SSL_verifycn_scheme => 'http', SSL_verify_mode => 1);
sub cancel ($prefix) {
    my $token = $key->token(iss => 'https://login.example/', aud => 'canopy-gateway', sub => 'planner', scope => 'canopy:cancel');
    my $res = $t->request(path => "/$prefix/tasks/$id/cancel", tls => \%tls, headers => [['Authorization', "Bearer $token"]]);
    return join ' ', $res->status, $res->header('Canopy-Outcome');
}

is(look('/ready')->status, 200, 'a gateway is ready');
is(cancel('live'), '204 accepted', 'live: a cancel');
my $first = number('live');
forget('live.renew');
job();
isnt(number('live'), $first, 'the job has brought another token');
project();
sleep 2;
is(cancel('live'), '204 accepted', 'live: the next cancel');
is(cancel('sandbox'), '204 accepted', 'sandbox: a cancel');
is($t->read('sent'), join('', map { "$_ /tasking/tasks/$id/cancel\n" } $first, number('live'), number('sandbox')), 'each with the token of its own');

$t->write('live.closed', '');
is(cancel('live'), '503 not-sent', 'live is closed');
unlink $t->path('live.closed');
sleep 2;        # of its rate limit
is(cancel('live'), '204 accepted', 'live is open again');

like(look('/metrics')->body, qr/^canopy_environment_ready\{environment="live"\} 1$/m, 'the metrics are there');
ok($t->wait_for(sub { $t->read('audit.log') =~ /"sub":"planner".*"outcome":"accepted"/ }), 'so is the audit log');

unlike($output, qr/kubernetes-client-secret|kubernetes-account-token|issued-token/, 'the job has printed no secret');
cmp_ok(length $output, '>', 1000, '... of all it has printed');
$t->done;
