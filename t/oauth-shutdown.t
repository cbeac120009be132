# A worker that has to leave in the middle of an exchange, with requests that wait for it: it leaves in its time, what it
# has to drop is logged with what is known of it, and the exchange is taken over.

use v5.36;

use Test::More;
use Time::HiRes qw(time);

use Canopy::Steady;
use Canopy::Process qw(alive);
use Canopy::State;
use Canopy::Test;
use Canopy::TokenEndpoint;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $auth = Canopy::TokenEndpoint->new($t, 'auth', clients => { 'client-1' => 'planted-client-secret' });
$t->secret('secret', 'planted-client-secret');
$t->upstream('canopy', handler => sub ($conn, $req, $n) {
    return reply(204) if $req->{target} !~ m{^/refused/} || $auth->number_of($req->header('Authorization')) ne $t->read('number');
    return reply(401);
});
$t->write('number', 0);

sub environment ($name) {
    return "canopy_environment $name {
        server                    http://127.0.0.1:%%PORT_canopy%%/$name;
        oauth2_client_id          client-1;
        oauth2_client_secret_file %%DIR%%/secret;
        oauth2_token_url          http://127.0.0.1:%%PORT_auth%%/$name;
        oauth2_audience           https://$name.example;
    }\n    ";
}

$t->conf(<<"EOC");
%%HEAD%%
worker_shutdown_timeout 1s;

http {
    %%HTTP%%
    canopy_state_path %%DIR%%/state;
    @{[map { environment($_) } qw(first refused)]}
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\\w+)/ { canopy_pass \$environment; }
    }
}
EOC

sub cancel ($name) {
    my $res = $t->cancel($id, prefix => "/$name");
    return $res->status . ' ' . $res->header('Canopy-Outcome');
}

my $accepted = '204 accepted';
my $hangs = { cut => 0, end => 'hang' };

# "refused" has a token that is 10 minutes old, and is refused from now on; "first" has none.

$t->start;
is(cancel('refused'), $accepted, 'a token');
$t->stop;
age_token($t, 'refused', 600);
unlink state_of($t, 'first');
$t->write('number', ($auth->exchanges('/refused'))[0]{n});
$auth->answers_at($_, $hangs, {}) for '/first', '/refused';
my $first = $auth->count('/first');
my $refused = $auth->count('/refused');
$t->start;

my ($worker) = $t->workers;
my @waiting = map { begin_cancel($t, '/first'), begin_cancel($t, '/refused') } 1 .. 3;
ok($t->wait_for(sub { $auth->count('/first') > $first && $auth->count('/refused') > $refused && $t->received('canopy') == 4 }),
   'exchanges are under way, requests wait for them');

my $began = time;
$t->reload;
ok($t->wait_for(sub { !alive($worker) }), 'the worker leaves');
cmp_ok(time - $began, '>', 0.9, 'when it has to');
for my $socket (@waiting) {
    isnt($t->response($socket, keep => 0)->end, 'timeout', 'a client is let go');
}
ok($t->wait_for(sub { 6 == (() = $t->access_log =~ m{outcome=(?!accepted).*\n}g) }), 'all of them are logged');
is(scalar $t->received('canopy'), 4, 'nothing was sent for them in the end');
like($t->access_log, qr{ /first/\S+ \d+ outcome=(?:not-sent|denied) }, 'those that waited for a first token: nothing was sent');
unlike($t->access_log, qr{ /first/\S+ \d+ outcome=(?:unknown|rejected) }, '... none else');
like($t->access_log, qr{ /refused/\S+ \d+ outcome=rejected .*us=401 }, 'those that were refused: the one answer counts');
unlike($t->access_log, qr{ /refused/\S+ \d+ outcome=(?:unknown|not-sent|denied) }, '... none else');

ok($t->wait_for(sub { cancel('first') eq $accepted }), 'the next worker has a token') for 1, 2;
is($auth->count('/first'), $first + 2, 'each worker has made one exchange');

# nginx itself

$t->stop;
unlink state_of($t, 'first');
$auth->answers_at('/first', $hangs);
$first = $auth->count('/first');
$t->start;
@waiting = map { begin_cancel($t, '/first') } 1 .. 3;
ok($t->wait_for(sub { $auth->count('/first') > $first }), 'an exchange is under way');
$began = time;
$t->stop;
cmp_ok(time - $began, '<', 20, 'nginx ends');

$auth->is_sound;
$t->done;
