# The harness does what the other tests lean on: shown with a plain nginx, without the module.

use strict;
use warnings;

use File::Temp;
use MIME::Base64 qw(encode_base64 encode_base64url);
use Test::More;

use Canopy::Test;

my $t = Canopy::Test->new(module => 0);

$t->secret('planted', 'a-planted-secret');
my $cert = $t->certificate('upstream', intermediates => 2);

$t->upstream('scripted', handler => sub {
    my ($conn, $req, $n) = @_;
    my %script = (
        '/number'   => sub { reply(200, "$n " . $req->{conn_no} . ' ' . $req->{req_no}) },
        '/error'    => sub { reply(422, '{"detail":[]}', 'Content-Type: application/json') },
        '/reset'    => sub { $conn->reset },
        '/close'    => sub { 'close' },
        '/slow'     => sub { $conn->print("HTTP/1.1 200 OK\r\n"); $conn->sleep(0.1); "Content-Length: 4\r\n\r\nslow" },
        '/half'     => sub {
            $conn->print("HTTP/1.0 200 OK\r\n\r\nhalf");
            $conn->half_close;
            return $conn->wait_closed ? 'close' : die "the client does not close\n";
        },
        '/chunks'   => sub { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nchu\r\n3\r\nnks\r\n0\r\n\r\n" },
        '/stall'    => sub { $conn->print("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"); undef },
    );
    return $script{$req->{target}}->();
});
$t->upstream('early', hook => sub { my ($conn) = @_; $conn->print(reply(503)); return 'close' });
$t->upstream('tls', tls => $cert, handler => sub { reply(200, 'secure') });
$t->upstream('unix', unix => $t->path('socket'), handler => sub { reply(200, 'local') });
$t->sandbox('canopy', tokens => ['sandbox-token']);
$t->sandbox('canopy_tls', certificate => $cert);

my $conf = <<'EOC';
%%HEAD%%
http {
    %%HTTP%%
    proxy_http_version 1.1;
    proxy_ssl_trusted_certificate %%DIR%%/ca.pem;
    proxy_ssl_verify_depth 4;
    proxy_ssl_verify on;
    proxy_ssl_server_name on;
    proxy_ssl_name localhost;
    server {
        listen 127.0.0.1:%%PORT_http%%;
        return 200 first;
    }
    server {
        listen 127.0.0.1:%%PORT_proxy%%;
        location / { proxy_pass http://127.0.0.1:%%PORT_scripted%%; }
        location /early { proxy_pass http://127.0.0.1:%%PORT_early%%; }
        location /tls { proxy_pass https://127.0.0.1:%%PORT_tls%%; }
        location /unix { proxy_pass http://unix:%%DIR%%/socket; }
        location /sandbox/ {
            proxy_pass http://127.0.0.1:%%PORT_canopy%%/tasking/;
            proxy_set_header Authorization "Bearer sandbox-token";
        }
    }
}
EOC

# Starting, reloading, checking

$t->conf($conf);
$t->start;
is($t->request->status, 200, 'nginx answers');
is($t->request->body, 'first', 'with its body');

my @before = $t->workers;
$t->conf($conf =~ s/first/second/r);
$t->reload;
is($t->request->body, 'second', 'after a reload by the new configuration');
isnt("@before", join(' ', $t->workers), 'from a new worker');

is_deeply([$t->test_conf($conf)]->[0], 0, 'nginx -t is content');
my ($status, $output) = $t->test_conf('nonsense;');
is($status, 1, 'nginx -t refuses nonsense');
like($output, qr/unknown directive "nonsense"/, 'and says so');
like([$t->dump]->[1], qr/return 200 second/, 'nginx -T prints the configuration');

# The client

my $res = $t->request(raw => "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", keep => 1);
is($res->body, 'second', 'the first of two answers');
is($t->response($res->socket)->body, 'second', 'the second, on the same connection');
is($t->request(socket => $res->socket)->header('Connection'), 'close', 'and a third request');
like($res->raw, qr{^HTTP/1\.1 200 OK\r\n.*\r\n\r\nsecond$}s, 'the bytes of an answer');
is($t->request(port => 'nobody')->end, 'not connected', 'no listener');
is($t->request(port => 'scripted', path => '/stall', timeout => 0.2)->end, 'timeout', 'a time limit');

# The scripted upstream

sub proxied { $t->request(port => 'proxy', path => @_) }

my $before = $t->received('scripted');
like(proxied('/number')->body, qr/^\d+ \d+ 1$/, 'a handler answers');
is(proxied('/error')->status, 422, 'with a status');
is_deeply(proxied('/error')->json, { detail => [] }, 'and a body');
is(proxied('/reset')->status, 502, 'or resets');
is(proxied('/close')->status, 502, 'or closes');
is(proxied('/slow')->body, 'slow', 'or is slow');
is(proxied('/half')->body, 'half', 'or closes its half');
is(proxied('/chunks')->body, 'chunks', 'or sends chunks');
is(proxied('/early')->status, 503, 'a hook speaks first');

my @received = $t->received('scripted');
is(@received - $before, 8, 'all its requests are known');
is($received[-1]{target}, '/chunks', 'with their targets');
is($received[-1]->header('Host'), '127.0.0.1:' . $t->port('scripted'), 'their headers');
like($received[-1]{raw}, qr{^PATCH /chunks HTTP/1\.1\r\n}, 'their bytes');

my $first = $t->request(port => 'scripted', path => '/number', keep => 1);
my $second = $t->request(socket => $first->socket, path => '/number');
like($first->body . ' ' . $second->body, qr/^(\d+) (\d+) 1 (\d+) \2 2$/, 'two requests on a connection are counted');

is(proxied('/tls')->body, 'secure', 'TLS, with a chain of two intermediates');
is(($t->received('tls'))[0]{sni}, 'localhost', 'its server name is known');
is(proxied('/unix')->body, 'local', 'a unix socket');

$t->stop_upstream('scripted');
is(proxied('/number')->status, 502, 'a stopped upstream');

# Certificates

for my $case ([expired => 1], [self_signed => 1], [san => 'DNS:other.example']) {
    $t->stop_upstream('tls');
    $t->upstream('tls', tls => $t->certificate("@$case[0]", @$case), handler => sub { reply(200) });
    is(proxied('/tls')->status, 502, "a certificate that is refused: @$case");
}

# The sandbox

my $active = '00000000-0000-4000-8000-000000000004';
my $mine = '10000000-0000-4000-8000-000000000000';
is($t->cancel($active, port => 'proxy')->status, 204, 'the sandbox cancels a task');
is($t->cancel($active, port => 'proxy')->status, 422, 'only once');
is($t->cancel($mine, port => 'proxy')->status, 404, 'a task that is not there');
$t->sandbox_task('canopy', $mine, 'SUBMITTED');
is($t->cancel($mine, port => 'proxy')->status, 204, 'a task made for the test');
is($t->request(port => 'canopy', path => '/tasking/anything')->status, 401, 'a token is needed for every path');
is(($t->sandbox_requests('canopy'))[0]{path}, "/tasking/tasks/$active/cancel", 'its requests are known');
is(scalar $t->sandbox_requests('canopy_tls'), 0, 'it speaks TLS');

# Answers of the gateway

my $error = '{"detail":[{"loc":["path",1],"msg":"m","type":"t"}]}';
my @always = ('Content-Type: application/json', 'Cache-Control: no-store', 'X-Request-ID: 1', 'Canopy-Outcome: denied');

sub answer { my ($body, @headers) = @_;
    $t->stop_upstream('early');
    $t->upstream('early', handler => sub { reply(422, $body, @headers) });
    return $t->request(port => 'early');
}

$t->ensures_schema(answer($error, @always));
for my $wrong ('', '{}', '[]', '{"detail":[]}', $error =~ s/1/1.5/r, $error =~ s/"m"/5/r, $error =~ s/"type"/"x"/r,
               $error =~ s/}]}/}],"a":1}/r, $error =~ s/\["path",1\]/"path"/r) {
    isnt(scalar Canopy::Client::schema_faults(answer($wrong, @always)), 0, "not the schema: $wrong");
}
isnt(scalar Canopy::Client::schema_faults(answer($error, @always[1 .. 3])), 0, 'a header that is missing');

like($t->client_token, qr/^[\w-]+\.[\w-]+\.[\w-]+$/, 'a client token has a JWT\'s shape');
is(() = $t->client_token(exp => undef) =~ /\./g, 2, 'with or without exp');

# The end

is_deeply([$t->faults], [], 'nothing to complain about');

sub complaint { my ($text) = @_;
    $t->write('planted.log', "before $text after");
    my @faults = $t->faults;
    unlink $t->path('planted.log');
    return "@faults";
}

like(complaint('a-planted-secret'), qr/^planted secret no\. 1 is in planted\.log$/, 'a secret in a log is found');
for my $before ('', 'u', 'us', 'user:') {
    for my $after ('', '.', '..') {
        my $code = encode_base64("${before}a-planted-secret$after", '');
        like(complaint($code), qr/planted secret/, "in base64: $code");
    }
}
$t->plant("secret\xff\xfe\xfb\xff\xbe");
like(complaint(encode_base64url("secret\xff\xfe\xfb\xff\xbe")), qr/planted secret/, 'in base64url');
like(complaint("==1==ERROR: AddressSanitizer: x\n"), qr/AddressSanitizer/, 'a sanitizer report is found');

my $log = $t->log;
for my $line ('[alert] 1#1: worker process 2 exited on signal 11', '[emerg] 1#1: x',
              'worker process 2 exited with code 2') {
    $t->write('error.log', "$log\n$line\n");
    like(join('', $t->faults), qr/\Q$line/, "found: $line");
}
my $locked = '[alert] 1#1: shared memory zone "x" was locked by 2';
my $died = '[alert] 1#1: worker process 2 exited on signal';
$t->write('error.log', "$log\n$locked\n$died 11\n");
like(join('', $t->faults), qr/was locked by 2/, 'found: a lock of a worker that crashed');
$t->write('error.log', "$log\n$locked\n$died 9\n");
is(join(' ', $t->faults), "$died 9", 'not found: a lock of a worker that was killed');
$t->write('error.log', "$log\nworker process 2 exited with code 2\n");
$t->expect_alert(qr/exited with code 2/);
is_deeply([$t->faults], [], 'an expected alert is none');
$t->write('error.log', $log);

# A test that is killed leaves nothing

my $file = File::Temp->new;
my $child = fork // die "fork: $!";
if (!$child) {
    delete $ENV{CANOPY_TEST_LEAVE};
    my $orphan = Canopy::Test->new(module => 0);
    $orphan->upstream('up');
    $orphan->conf("%%HEAD%%\nhttp { %%HTTP%% server { listen 127.0.0.1:%%PORT_http%%; } }\n");
    $orphan->start;
    print $file join "\n", $orphan->dir, $orphan->port('http'), $orphan->port('up');
    close $file;
    kill 'KILL', $$;
}
waitpid $child, 0;
my ($dir, $http, $up) = split /\n/, do { local (@ARGV, $/) = "$file"; <> };
ok($t->wait_for(sub { !-d $dir }), 'its directory is gone');
is($t->request(port => $http)->end, 'not connected', 'its nginx is gone');
is($t->request(port => $up)->end, 'not connected', 'its upstream is gone');

$t->done;
