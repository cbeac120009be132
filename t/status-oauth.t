# canopy_status and exchanged tokens: what is there, how long it lives, what was spent, what went wrong; and it costs no exchange.

use v5.36;

use Test::More;

use Digest::SHA qw(sha256_hex);

use Canopy::Lifecycle;
use Canopy::Test;
use Canopy::TokenEndpoint;

my $t = Canopy::Test->new(workers => 2);
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $auth = Canopy::TokenEndpoint->new($t, 'auth', clients => { 'client-1' => 'planted-client-secret-1' });
$t->secret('secret', 'planted-client-secret-1');
$t->secret('wrong', 'planted-client-secret-9');
$t->upstream('canopy');

my $environment = sub ($name, $secret) { <<"EOC" };
    canopy_environment $name {
        server                    http://127.0.0.1:%%PORT_canopy%%/$name;
        oauth2_client_id          client-1;
        oauth2_client_secret_file %%DIR%%/$secret;
        oauth2_token_url          http://127.0.0.1:%%PORT_auth%%/$name;
        oauth2_audience           https://$name.example;
        oauth2_budget             4;
    }
EOC
$t->conf(<<'EOC' =~ s/%%ENVIRONMENTS%%/$environment->('good', 'secret') . $environment->('bad', 'wrong') . $environment->('slow', 'secret')/er);
%%HEAD%%
http {
    %%HTTP%%
    canopy_state_path %%DIR%%/state;
    %%ENVIRONMENTS%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\w+)/ { canopy_pass $environment; }
        location = /status     { canopy_status; }
        location = /prometheus { canopy_status prometheus; }
        location = /ready      { canopy_status ready; }
    }
}
EOC
$auth->answers_at('/good', { expires_in => 7200 });
$auth->answers_at('/slow', { delay => 3, expires_in => 7200 });
$t->start;

sub credential ($name) { return $t->request(method => 'GET', path => '/status')->json->{environments}{$name}{credential} }

ok($t->wait_for(sub { credential('good')->{usable} }), 'the first worker gets a token');
my $ready = $t->request(method => 'GET', path => '/ready');
my $slow = credential('slow');
SKIP: {
    skip 'it took too long to look', 4 if $slow->{usable};
    is_deeply([@$slow{qw(age expires_in sha256)}], [undef, undef, undef], 'one that is not there yet');
    is($slow->{exchanges}, 1, '... its exchange is counted');
    is($ready->status, 503, '... it is not ready');
    like($ready->body, qr/ slow\b/, '... which is said');
}

my $good = credential('good');
is($good->{kind}, 'oauth2', 'its kind');
is($good->{budget}, 4, '... its budget');
is($good->{exchanges}, 1, '... of which one is spent');
cmp_ok($good->{age}, '<', 60, '... its age');
cmp_ok($good->{expires_in}, '<=', 7200, '... its life');
cmp_ok($good->{expires_in}, '>', 7100, '... as the endpoint said');
$t->cancel($id, prefix => '/good');
my ($token) = $t->received('canopy');
is($good->{sha256}, substr(sha256_hex($token->header('Authorization') =~ s/^Bearer //r), 0, 8), '... its fingerprint');

ok($t->wait_for(sub { credential('bad')->{last_error} }), 'one whose secret is wrong');
like(credential('bad')->{last_error}{message}, qr/^token endpoint refused.*status: 401, error: "access_denied/, '... why');
is(credential('bad')->{usable} ? 1 : 0, 0, '... there is none');

ok($t->wait_for(sub { credential('slow')->{usable} }), 'the slow one is there');
is($t->request(method => 'GET', path => '/ready')->body, "not ready: bad\n", 'ready but for the bad one');

my $text = $t->request(method => 'GET', path => '/prometheus')->body;
like($text, qr/^canopy_token_exchanges\{environment="good"\} 1$/m, 'Prometheus: exchanges');
like($text, qr/^canopy_token_exchange_budget\{environment="good"\} 4$/m, '... the budget');
like($text, qr/^canopy_credential_expiry_seconds\{environment="good"\} 71\d\d/m, '... the life of the token');
like($text, qr/^canopy_credential_usable\{environment="bad"\} 0$/m, '... one that is not there');
unlike($text, qr/^canopy_credential_expiry_seconds\{environment="bad"\}/m, '... and so does not expire');

# the end of the budget
ok($t->wait_for(sub { credential('bad')->{exchanges} == 4 }, 30), 'attempts are repeated until the budget is spent');
ok($t->wait_for(sub { credential('bad')->{last_error}{message} =~ /^all 4 token exchanges of 24 hours are spent$/ }, 30), '... which is said')
    || diag(explain(credential('bad')));

my $before = $auth->count;
credential('good') for 1 .. 20;
$t->reload;
my $later = credential('good');
is($later->{sha256}, $good->{sha256}, 'a reload: the same token');
like(credential('bad')->{last_error}{message}, qr/^all 4 token/, '... and the last error is still known');
restart($t);
is(credential('good')->{sha256}, $good->{sha256}, 'a restart: the same token');
cmp_ok(credential('good')->{age}, '>=', $good->{age}, '... of its age');
is(credential('good')->{exchanges}, $good->{exchanges}, '... and what was spent');
is($auth->count, $before, 'none of that has cost an exchange');

for my $path (qw(/status /prometheus /ready)) {
    my $raw = $t->request(method => 'GET', path => $path)->raw;
    my @shown = grep { index($raw, $_) >= 0 } keys $t->{secrets}->%*;
    is(join(' ', @shown), '', "no secret in $path");
}

$t->done;
