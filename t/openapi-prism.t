# The running gateway behind Stoplight Prism, which holds requests and answers against docs/openapi.yaml and answers 500 where they part.
# Prism is an npm package (npm install @stoplight/prism-cli); CANOPY_PRISM names its program if it is not in PATH.

use v5.36;

use Test::More;

use Canopy::Client;
use Canopy::Process qw(end_process spawn wait_until);
use Canopy::Test;
use Canopy::Upstream qw(reply);

my $prism = $ENV{CANOPY_PRISM} // (grep { -x } map { "$_/prism" } split /:/, $ENV{PATH})[0];
plan(skip_all => 'prism is not installed') if !$prism;

my $t = Canopy::Test->new;
$t->secret('token', 'upstream-secret-1');
$t->upstream('canopy', handler => sub ($conn, $req, $n) {
    my ($what) = $req->{target} =~ m{(\w{4})/cancel$};
    return $what == 204 ? reply(204)
                        : reply($what + 0, '{"detail":[{"loc":["path","id"],"msg":"x","type":"y","ctx":{}}]}', 'Content-Type: application/json');
});
$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment sandbox { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/token; }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location / { canopy_pass sandbox; }
        # not as the document says
        location /tasks/3f2504e0-4f89-41d3-9a0c-0305e82c0000/ { default_type application/json; return 422 '{"detail":"x"}'; }
    }
}
EOC
$t->start;

my $document = $ENV{CANOPY_OPENAPI} // 'docs/openapi.yaml';
my ($port, $gateway) = map { $t->port($_) } qw(prism http);
our $pid = spawn(sub {
    open STDOUT, '>', $t->path('prism.log') or die "prism.log: $!\n";
    open STDERR, '>&', \*STDOUT or die "prism.log: $!\n";
    exec $prism, 'proxy', $document, "http://127.0.0.1:$gateway", '--errors', '--host', '127.0.0.1', '--port', $port;
});
wait_until(sub { -e $t->path('prism.log') && $t->read('prism.log') =~ /Prism is listening/ }, 60) or BAIL_OUT('prism does not start');

my $token = Canopy::Client::jwt(sub => 'x');
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c';
my %status = (401 => 502, 408 => 504, 418 => 502, 520 => 502);
for my $said (qw(0204 0401 0403 0404 0408 0409 0410 0418 0422 0429 0500 0502 0503 0504 0520)) {
    my $res = $t->request(port => $port, path => "/tasks/$id$said/cancel", headers => [['Authorization', "Bearer $token"]]);
    is($res->status, $status{$said + 0} // $said + 0, "upstream says $said: the document agrees") || diag($res->raw);
    like($res->header('Canopy-Outcome'), qr/^(?:accepted|rejected|unknown)$/, '... and the answer is the gateway\'s');
}
my $res = $t->request(port => $port, path => "/tasks/${id}0204/cancel", headers => [['Authorization', 'Bearer no.jwt']]);
is($res->status, 401, 'a refusal: the document agrees') || diag($res->raw);

$res = $t->request(port => $port, path => "/tasks/${id}0000/cancel", headers => [['Authorization', 'Bearer x']]);
is($res->status, 500, 'an answer that is not as the document says is found');
like($res->body, qr/VIOLATIONS/, '... by Prism');

$t->done;

END {
    local $?;
    end_process($pid) if $pid;
}
