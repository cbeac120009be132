# What the tests of exchanged tokens lean on: the scripted token endpoint, the sandbox's, and what happens to an nginx in
# its life. Shown with a plain nginx, without the module.

use v5.36;

use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(time);

use Canopy::Lifecycle;
use Canopy::Steady;
use Canopy::State;
use Canopy::Test;
use Canopy::TokenEndpoint;

my $t = Canopy::Test->new(module => 0, workers => 2);
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $json = JSON::PP->new->utf8->canonical;
my $sandbox_audience = 'https://api.canopy.prod.umbra-sandbox.space';
my $live_audience = 'https://api.canopy.umbra.space';

my $endpoint = Canopy::TokenEndpoint->new($t, 'auth', clients => { 'client-1' => 'client-secret-1' });
my $open = Canopy::TokenEndpoint->new($t, 'open', tls => $t->certificate('auth'), host => 'localhost', audience => 'here');
$t->plant('client-secret-of-the-sandbox');
$t->sandbox('canopy', client => ['client-2', 'client-secret-of-the-sandbox'], tokens => ['listed-token']);
$t->upstream('canopy_up', handler => sub ($conn, $req, $n) { $conn->sleep(1) if $req->{target} =~ /slow/; reply(204) });

sub body (%with) {
    my %all = (client_id => 'client-1', client_secret => 'client-secret-1', audience => 'here', %with);
    my ($i, $s, $a) = map { $json->allow_nonref->encode($_) } @all{qw(client_id client_secret audience)};
    return qq({"client_id":$i,"client_secret":$s,"audience":$a,"grant_type":"client_credentials"});
}

sub headers ($host) {
    return [['Host', $host], ['Accept', 'application/json'], ['Content-Type', 'application/json'],
            ['User-Agent', 'ngx_canopy/' . Canopy::TokenEndpoint::version()]];
}

sub exchange ($body = body(), %with) {
    return $t->request(port => 'auth', method => 'POST', path => '/oauth/token', body => $body,
                       headers => headers('127.0.0.1:' . $t->port('auth')), %with);
}

# ------------------------------------------------------------------------------------------------ the scripted endpoint

my $res = exchange();
is($res->status, 200, 'it issues a token');
is_deeply([sort keys $res->json->%*], [qw(access_token expires_in token_type)], 'as Canopy does');
is($endpoint->number_of('Bearer ' . $res->json->{access_token}), 1, 'with a number');
isnt(exchange()->json->{access_token}, $res->json->{access_token}, 'and the next time another one');
is($endpoint->number_of('Bearer x'), 'other', 'not any token is its own');
is(exchange(body(client_secret => 'wrong'))->status, 401, 'a wrong secret');
is(exchange(body(client_id => 'client-9'))->status, 401, 'an unknown client');

$endpoint->made(4, 'exchanges are counted');
$endpoint->made(4, '... at a path', '/oauth/token', 0);
$endpoint->made(0, '... and another one', '/other', 0);
$endpoint->is_sound;

my %wrong = (
    'another method' => exchange(body(), method => 'PUT'),
    'a header more'  => exchange(body(), headers => [headers('127.0.0.1:' . $t->port('auth'))->@*, ['X', 'y']]),
    'a header less'  => exchange(body(), headers => [(headers('127.0.0.1:' . $t->port('auth'))->@*)[0 .. 2]]),
    'another host'   => exchange(body(), headers => headers('localhost')),
    'a member more'  => exchange(body() =~ s/}$/,"a":1}/r),
    'white space'    => exchange(body() =~ s/:/: /r),
    'no object'      => exchange('[]'),
);
my @sound = map { scalar $endpoint->request_faults($_) } $endpoint->exchanges;
is(scalar(grep { $_ } @sound), keys %wrong, 'what is not an exchange is found: ' . join ', ', sort keys %wrong);

sub steps ($step, %with) {
    $endpoint->answers($step);
    return exchange(body(), %with);
}

is(steps({ status => 503 })->status, 503, 'it can be out of order');
is(steps({ expires_in => '17' })->json->{expires_in}, '17', 'or say a lifetime in its own way');
is(steps({ body => 'x %TOKEN%' })->body =~ /^x issued-token-auth-/, 1, 'or a body of its own');
is(steps({ raw => "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n" })->header('Location'), '/', 'or whatever bytes');
is(steps({ cut => 20 })->raw, 'HTTP/1.1 200 Said by', 'or half of it');
is(steps({ end => 'reset', cut => 0 })->end, 'reset', 'or reset');
is(steps({ end => 'hang', cut => 0 }, timeout => 0.2)->end, 'timeout', 'or hang');
my $began = time;
is(steps({ delay => 0.3 })->status, 200, 'or be slow');
cmp_ok(time - $began, '>=', 0.3, 'as slow as it was told');
like(steps({ exp => 4102444800 })->json->{access_token}, qr/^[\w-]+\.[\w-]+\.[\w-]+$/, 'or issue a JWT');

$endpoint->answers({ status => 500 }, { status => 501 }, {});
is(join(' ', map { exchange()->status } 1 .. 4), '500 501 200 200', 'one step after the other, and the last one stays');
$endpoint->answers_at('/other', { status => 502 });
is(join(' ', map { exchange(body(), path => $_)->status } '/other', '/oauth/token', '/other'), '502 200 502', 'for each path');

my $before = $endpoint->connections;
$endpoint->stop;
is(exchange()->end, 'not connected', 'nobody there');
$endpoint->start;
is(exchange()->status, 200, 'there again');
is($endpoint->connections, $before + 1, 'connections are counted');
cmp_ok(abs(time - ($endpoint->exchanges)[-1]{at}), '<', 5, 'the time of an exchange is known');

is($t->request(port => 'open', tls => 1, method => 'POST', path => '/', body => body(client_id => 'x'),
               headers => headers('localhost'))->status, 200, 'TLS, and any client');
$open->is_sound;
$t->request(port => 'open', tls => 1, method => 'POST', path => '/', body => body(audience => 'there'),
            headers => headers('localhost'));
is(scalar(grep { $open->request_faults($_) } $open->exchanges), 1, 'another audience than wanted is found');

$t->write('planted.log', "x $open->{mark}.1 x");
like(join(' ', $t->faults), qr/planted secret/, 'a token in a log is found');
$t->write('planted.log', Canopy::Client::jwt(jti => "$open->{mark}.77"));
like(join(' ', $t->faults), qr/planted secret/, 'and one that is a JWT');
unlink $t->path('planted.log');

# ------------------------------------------------------------------------------------------------------- the sandbox's

my $active = '/tasking/tasks/00000000-0000-4000-8000-000000000004/cancel';
my %client = (client_id => 'client-2', client_secret => 'client-secret-of-the-sandbox');

sub door ($method, $path, $body = undef) {
    return $t->request(port => 'canopy', method => $method, path => "/_sandbox/$path",
                       headers => [['Content-Type', 'application/json']], defined $body ? (body => $json->encode($body)) : ());
}

sub issued (%with) { return exchange(body(%client, audience => $sandbox_audience, %with), port => 'canopy') }

sub status_with ($token) {
    return $t->request(port => 'canopy', path => $active, headers => [['Authorization', "Bearer $token"]])->status;
}

$res = issued();
is($res->status, 200, 'the sandbox issues a token');
my $token = $res->json->{access_token};
is_deeply($res->json, { access_token => $token, expires_in => 86400, token_type => 'Bearer' }, 'for a day');
my $claims = decode_claims($token);
is($claims->{aud}, $sandbox_audience, 'for its own audience');
is($claims->{iss}, 'https://auth.canopy.umbra.space/', 'from an issuer with a slash at its end');
cmp_ok(abs($claims->{exp} - time - 86400), '<', 5, 'with its end');

sub decode_claims ($jwt) { return $json->decode(MIME::Base64::decode_base64url((split /\./, $jwt)[1])) }

is(status_with($token), 204, 'its API takes it');
is(status_with('listed-token'), 422, 'and the listed one still, for a task that is canceled now');
is(status_with($_->[1]), 401, "but not $_->[0]") for
    ['any other', 'x'], ['a changed one', $token . 'x'],
    ['one of the other environment', issued(audience => $live_audience)->json->{access_token}];

my $refused = sub ($res) { return [$res->status, $res->json] };
is_deeply($refused->(issued(client_secret => 'wrong')),
          [401, { error => 'access_denied', error_description => 'Unauthorized' }], 'a wrong secret');
is_deeply($refused->(issued(audience => 'https://elsewhere')),
          [403, { error => 'access_denied', error_description => 'Service not enabled within domain: https://elsewhere' }],
          'an unknown audience');
is(exchange('nonsense', port => 'canopy')->status, 400, 'no JSON');
is_deeply([map { $_->{status} } door('GET', 'exchanges')->json->@*], [200, 200, 401, 403, 400], 'all are listed');

door('PATCH', 'issuing', { budget => 3, lifetime => 5 });
my $short = issued()->json;
is($short->{expires_in}, 5, 'a lifetime that is set');
is(status_with($short->{access_token}), 422, 'a token that is valid');
$res = issued();
is($res->status, 400, 'past its budget of tokens it refuses');
my $why = $res->json->{error_description};
is_deeply([$res->json->{error}, @$why{qw(code message rate_limit)}], ['invalid_request', 429, 'rate_limit', 3],
          'in Canopy\'s own way');
my $tomorrow = join '|', map { strftime('%Y-%m-%dT%H:%M', gmtime(time + 86400 - 60 * $_)) } 0, 1;
like($why->{rate_limit_refresh}, qr/^(?:$tomorrow)/, 'until the first exchange is a day old');
door('PATCH', 'issuing', { encoded => JSON::PP::true });
is_deeply([sort keys $json->decode(issued()->json->{error_description})->%*], [sort keys %$why],
          'or with a text in the place of the object');
ok($t->wait_for(sub { status_with($short->{access_token}) == 401 }), 'a token that has expired');

door('DELETE', 'exchanges');
is(issued()->status, 200, 'the budget is whole again');
door('DELETE', 'tokens');
is(status_with($token), 401, 'a token that is revoked');

# --------------------------------------------------------------------------------------------------- nginx and its life

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /sandbox/ { proxy_pass http://127.0.0.1:%%PORT_canopy_up%%; }
    }
}
EOC
$t->start;

my $load = Canopy::Steady->new($t);
ok($load->goes_on, 'clients ask');

my @before = $t->workers;
kill_worker($t, $before[0]);
my @after = $t->workers;
is(scalar(grep { $_ == $before[0] } @after), 0, 'a killed worker has a successor');
is(scalar(grep { $_ == $before[1] } @after), 1, 'and the other one lives on');

my $master = $t->master;
upgrade($t);
isnt($t->master, $master, 'a new binary');
ok($load->goes_on, 'clients go on');
restart($t, sub {
    is($t->request->end, 'not connected', 'nobody listens between stop and start');
    ok($t->wait_for(sub { grep { $_->{status} != 204 } $load->answers }), 'and a client meets that');
});
ok($load->goes_on, 'clients go on');
my @all = ($t->master, $t->workers);
crash($t);
is(scalar(grep { my $now = $_; grep { $_ == $now } @all } $t->master, $t->workers), 0, 'nginx after a crash: all are new');
ok($load->goes_on, 'clients go on');
my @answers = $load->stop;
is(scalar(grep { $_->{status} == 204 } @answers) > 5, 1, 'most have their answer');

my $socket = begin_cancel($t, '/sandbox/slow');
my $worker = worker_connected_to($t, $t->port('canopy_up'));
is(scalar(grep { $_ == $worker } $t->workers), 1, 'the worker that waits for the upstream');
is($t->response($socket)->status, 204, 'its client has its answer');

# --------------------------------------------------------------------------------------------------------- its state

mkdir $t->path('state');
my $old = $t->write('state/live-0123456789abcdef.json', '{"obtained":1000000,"token":"x"}');
my $times = $t->write('state/0123456789abcdef.json', '{}');
is_deeply([state_of($t, 'live')], [$old], 'the file of an environment');
is_deeply([budget_files($t)], [$times], 'the file of a client');
age_token($t, 'live', 600);
is_deeply($json->decode($t->read('state/live-0123456789abcdef.json')), { obtained => 400000, token => 'x' },
          'a token made older');

$t->done;
