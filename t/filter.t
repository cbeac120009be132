# What nginx's own modules say in a canopy location is said in the gateway's schema; what they lead into it is checked
# there as everything else; and no other location notices.

use v5.36;

use IO::Uncompress::Gunzip qw(gunzip);
use Test::More;

use Canopy::Process qw(run);
use Canopy::Test;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $slow = 'ffffffff-4f89-41d3-9a0c-0305e82c3301';

$t->secret('token', 'upstream-secret-1');
$t->write('users', "user:{PLAIN}password\n");
$t->upstream('up', handler => sub {
    my ($conn, $req) = @_;
    $t->wait_for(sub { -e $t->path('go') }) if $req->{target} =~ /$slow/;
    return reply(204);
});

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment sandbox {
        server http://127.0.0.1:%%PORT_up%%;
        bearer_token_file %%DIR%%/token;
    }
    limit_req_zone $server_name zone=one:1m rate=1r/m;
    limit_req_zone $server_name zone=two:1m rate=1r/m;
    limit_conn_zone $server_name zone=three:1m;

    server {
        listen 127.0.0.1:%%PORT_http%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        server_name localhost;
        error_page 400 401 403 404 405 413 422 429 500 502 503 504 /page.html;

        location = /page.html { return 200 "a page\n"; }
        location /plain/      { }
        location /ok          { return 200 "fine\n"; }
        location /auth/401    { add_header WWW-Authenticate "Other" always; return 401; }
        location /auth/403    { return 403; }
        location /auth/500    { return 500; }
        location /auth/204    { return 204; }

        location /sandbox/    { canopy_pass sandbox; }
        location /deny/       { canopy_pass sandbox; deny all; }
        location /limit/      { canopy_pass sandbox; limit_req zone=one; }
        location /limit429/   { canopy_pass sandbox; limit_req zone=two; limit_req_status 429; }
        location /conn/       { canopy_pass sandbox; limit_conn three 1; }
        location /auth401/    { canopy_pass sandbox; auth_request /auth/401; }
        location /auth403/    { canopy_pass sandbox; auth_request /auth/403; }
        location /auth500/    { canopy_pass sandbox; auth_request /auth/500; }
        location /auth204/    { canopy_pass sandbox; auth_request /auth/204; }
        location /basic/      { canopy_pass sandbox; auth_basic users; auth_basic_user_file %%DIR%%/users; }
        location /any/        { canopy_pass sandbox; auth_basic users; auth_basic_user_file %%DIR%%/users;
                                satisfy any; deny all; }
        location /either/     { canopy_pass sandbox; auth_basic users; auth_basic_user_file %%DIR%%/users;
                                satisfy any; allow all; }
        location /small/      { canopy_pass sandbox; client_max_body_size 10; }
        location /except/     { canopy_pass sandbox; limit_except PATCH { deny all; } }
        location /internal/   { canopy_pass sandbox; internal; }
        location /if/         { canopy_pass sandbox; if ($arg_no) { return 403; } }
        location /r400/       { canopy_pass sandbox; return 400; }
        location /r403/       { canopy_pass sandbox; return 403 "some text"; }
        location /r404/       { canopy_pass sandbox; return 404 "some text"; }
        location /r500/       { canopy_pass sandbox; return 500 "some text"; }
        location /r599/       { canopy_pass sandbox; return 599; }
        location /r200/       { canopy_pass sandbox; return 200 "some text"; }
        location /r204/       { canopy_pass sandbox; return 204; }
        location /r301/       { canopy_pass sandbox; return 301 /ok; }
        location /own/        { canopy_pass sandbox; deny all; error_page 403 /page.html; }
        location /away/       { canopy_pass sandbox; deny all; error_page 403 = @away; }
        location @away        { return 409 "away\n"; }
        location /added/      { canopy_pass sandbox; add_header X-Added always always; add_header X-Some some; }
        location /gzip/       { canopy_pass sandbox; gzip on; gzip_min_length 1; gzip_types application/json; }
        location /gzipdeny/   { canopy_pass sandbox; gzip on; gzip_min_length 1; gzip_types application/json;
                                deny all; }

        location /rewrite/    { rewrite ^/rewrite/(.*)$ /sandbox/$1 last; }
        location /denied/     { rewrite ^/denied/(.*)$ /deny/$1 last; }
        location /named/      { try_files /nothing @named; }
        location @named       { canopy_pass sandbox; }
        location /mirror/     { mirror /sandbox/tasks/3f2504e0-4f89-41d3-9a0c-0305e82c3301/cancel;
                                proxy_pass http://127.0.0.1:%%PORT_http%%/ok; }
        location /ask/        { auth_request /sandbox/tasks/3f2504e0-4f89-41d3-9a0c-0305e82c3301/cancel;
                                proxy_pass http://127.0.0.1:%%PORT_http%%/ok; }
    }
}
EOC
$t->start;

sub cancel ($location, %args) { return $t->cancel($args{id} // $id, prefix => "/$location", %args) }

sub sent () { return scalar $t->received('up') }

# nginx's refusal: status and outcome, in the schema, as gateway_refused, and nothing was sent.
sub is_refusal ($res, $status, $outcome, $what) {
    is($res->status . ' ' . $res->header('Canopy-Outcome'), "$status $outcome", $what);
    like($res->body, qr/\A\{"detail":\[\{"loc":\["gateway"\],"msg":"[^"]+","type":"gateway_refused"\}\]\}\z/,
         '... in our words');
    $t->ensures_schema($res);
}

sub is_refused ($location, $status, $outcome, $what, %args) {
    my $before = sent();
    is_refusal(cancel($location, %args), $status, $outcome, "$what, request $_") for 1, 2;
    is(sent(), $before, '... and nothing is sent');
}

# nginx's own refusals

is_refused('deny', 403, 'denied', 'deny');
is(cancel('limit')->status, 204, 'limit_req: the first request');
is_refused('limit', 503, 'not-sent', 'limit_req');
is(cancel('limit429')->status, 204, 'limit_req_status: the first request');
is_refused('limit429', 429, 'not-sent', 'limit_req_status');
is_refused('auth401', 401, 'denied', 'auth_request: 401');
is_refused('auth403', 403, 'denied', 'auth_request: 403');
is_refused('auth500', 500, 'not-sent', 'auth_request: 500');
is(cancel('auth204')->status, 204, 'auth_request: 204') for 1, 2;
is_refused('basic', 401, 'denied', 'auth_basic');
is(cancel('basic')->header('WWW-Authenticate'), 'Basic realm="users"', '... with its challenge');
is_refused('any', 401, 'denied', 'satisfy any: neither');
is(cancel('either')->status, 204, 'satisfy any: one of both');
is(cancel('either', token => undef)->json->{detail}[0]{type}, 'missing', '... does not replace the token') for 1, 2;
is_refused('small', 413, 'denied', 'a large body', body => 'x' x 11);
is_refused('small', 413, 'denied', 'a large body in chunks', headers => [['Transfer-Encoding', 'chunked']],
           body => "b\r\n" . 'x' x 11 . "\r\n0\r\n\r\n");
is(cancel('small', body => 'x' x 10)->status, 204, 'a small body') for 1, 2;
is_refused('sandbox', 400, 'denied', 'a body in bad chunks', headers => [['Transfer-Encoding', 'chunked']],
           body => "nonsense\r\n\r\n");
is_refused('except', 403, 'denied', 'limit_except', method => 'GET');
is(cancel('except')->status, 204, '... for other methods only') for 1, 2;
is_refused('internal', 404, 'denied', 'internal');
is_refused('if', 403, 'denied', 'if', path => "/if/tasks/$id/cancel?no=1");

is_refused('r400', 400, 'denied', 'return 400');
is_refused('r403', 403, 'denied', 'return 403 with a text');
is_refused('r404', 404, 'denied', 'return 404 with a text');
is_refused('r500', 500, 'not-sent', 'return 500 with a text');
is_refused('r599', 599, 'not-sent', 'return 599');

for my $time (1, 2) {
    my $res = cancel('r200');
    is($res->status . ' ' . $res->body, '200 some text', 'return 200 is what it is');
    like($res->header('Canopy-Outcome'), qr/^(?:denied|not-sent)$/, '... and cancels nothing');
    is($res->header('Cache-Control'), 'no-store', '... with our headers');
    $res = cancel('r204');
    like($res->status . ' ' . $res->header('Canopy-Outcome'), qr/^204 (?:denied|not-sent)$/, 'so is return 204');
    $res = cancel('r301');
    like($res->status . ' ' . $res->header('Location'), qr{^301 http://.*/ok$}, 'so is return 301');
    like($res->header('Canopy-Outcome'), qr/^(?:denied|not-sent)$/, '... with our headers');
}

my $waiting = $t->connect;
$waiting->syswrite(Canopy::Client::request_text(path => "/conn/tasks/$slow/cancel",
                                                headers => [['Authorization', 'Bearer ' . $t->client_token]]));
my $under_way = sub { grep { $_->{target} =~ /$slow/ } $t->received('up') };
ok($t->wait_for($under_way), 'a request is under way');
is_refused('conn', 503, 'not-sent', 'limit_conn');
$t->write('go', '');
is($t->response($waiting)->status, 204, '... which ends well');
unlink $t->path('go');

# error_page, HEAD, headers, gzip

is_refused('sandbox', 400, 'denied', 'error_page of the server does not apply', body => "x\r\n",
           headers => [['Transfer-Encoding', 'chunked']]);
is(cancel('sandbox', id => 'no')->json->{detail}[0]{type}, 'uuid_parsing', '... nor to our own answers');
is(cancel('own')->status . ' ' . cancel('own')->body, "403 a page\n", 'error_page of the location does');
is(cancel('away')->status . ' ' . cancel('away')->body, "409 away\n", '... and may lead to a named one');

for my $time (1, 2) {
    my $res = cancel('deny', method => 'HEAD');
    is($res->status . ' ' . $res->body . $res->header('Canopy-Outcome'), '403 denied', 'HEAD has no body');
    is($res->header('Content-Length'), length cancel('deny')->body, '... but its length');
    is($res->header('Content-Type'), 'application/json', '... and type');

    $res = cancel('added', id => 'no');
    is($res->header('X-Added'), 'always', 'add_header with "always"');
    is($res->header('X-Some'), '', '... and without, with an error');
    is(cancel('added')->header('X-Some'), 'some', '... and without, with a success');

    for my $case (['gzip', path => '/gzip/unknown'], ['gzipdeny']) {
        my ($location, @args) = @$case;
        my $res = cancel($location, @args, headers => [['Accept-Encoding', 'gzip']]);
        is($res->header('Content-Encoding'), 'gzip', "gzip, /$location/");
        gunzip(\$res->body, \my $body);
        is($body, cancel($location, @args)->body, '... is the same body');
    }
    $res = cancel('gzip', headers => [['Accept-Encoding', 'gzip']]);
    is($res->status . $res->header('Content-Encoding'), '204', '... and 204 stays without a body');
}

# Ways into a canopy location

for my $time (1, 2) {
    my $before = sent();
    is(cancel('rewrite')->status, 204, 'a rewrite into it');
    is(cancel('rewrite', id => 'no')->json->{detail}[0]{type}, 'uuid_parsing', '... with all checks');
    is(cancel('rewrite', token => undef)->json->{detail}[0]{type}, 'missing', '... the token, too');
    is(cancel('named')->status, 204, 'a named location');
    is(sent() - $before, 2, '... send one request each');
}
is_refused('denied', 403, 'denied', 'a rewrite into one that is denied');

for my $time (1, 2) {
    my $before = sent();
    my $res = cancel('mirror');
    is($res->status . ' ' . $res->body, "200 fine\n", 'a mirrored request');
    is(cancel('ask')->status, 403, 'auth_request by a canopy location');
    is(cancel('sandbox')->status, 204, 'after both');
    is(sent(), $before + 1, '... neither has canceled anything');
}

# Other locations

for my $path ('/plain/nothing', '/ok') {
    for my $time (1, 2) {
        my $res = $t->request(method => 'GET', path => $path);
        my ($status, $body) = $path eq '/ok' ? (200, "fine\n") : (404, "a page\n");
        is($res->status . ' ' . $res->body, "$status $body", "$path is as it was");
        unlike($res->headers_raw, qr/^(?:Canopy|X-Request-ID|Cache-Control|Proxy)/mi, '... without our headers');
    }
}

# Several requests on a connection

sub text (%args) {
    return Canopy::Client::request_text(method => 'PATCH', path => "/sandbox/tasks/$id/cancel", keep => 1, %args,
                                        headers => [['Authorization', 'Bearer ' . $t->client_token],
                                                    ['X-Request-ID', $args{no}]]);
}

my $before = sent();
my $logged = () = $t->access_log =~ /\n/g;
my $socket = $t->connect;
$socket->syswrite(text(no => 1) . text(no => 2, path => '/sandbox/tasks/no/cancel') . text(no => 3, body => 'dropped')
                  . text(no => 4, path => "/deny/tasks/$id/cancel", body => 'x' x 5000) . text(no => 5, method => 'GET')
                  . text(no => 6));
my @answers = map { $t->response($socket) } 1 .. 6;
is(join(' ', map { $_->status } @answers), '204 422 204 403 405 204', 'pipelined requests');
is(join(' ', map { $_->header('X-Request-ID') } @answers), '1 2 3 4 5 6', 'are answered in order');
is(join(' ', map { $_->header('Canopy-Outcome') } @answers), 'accepted denied accepted denied denied accepted',
   'each with its outcome');
is(sent() - $before, 3, 'those that are right are sent');
ok($t->wait_for(sub { 6 == (() = $t->access_log =~ /\n/g) - $logged }), 'and each is logged once');

# HTTP/2

SKIP: {
    my ($status, $version) = eval { run('curl', '--version') };
    skip 'curl with HTTP/2 is needed', 6 unless ($version // '') =~ /HTTP2/;

    my $curl = sub ($path) {
        my ($status, $output) = run('curl', '-sSi', '--http2-prior-knowledge', '--max-time', 60, '-X', 'PATCH',
            '-H', 'Authorization: Bearer ' . $t->client_token, 'http://127.0.0.1:' . $t->port('h2') . $path);
        return $output;
    };
    for my $time (1, 2) {
        like($curl->("/sandbox/tasks/$id/cancel"), qr{^HTTP/2 204 .*^canopy-outcome: accepted}ms, 'HTTP/2');
        like($curl->('/sandbox/tasks/no/cancel'), qr{^HTTP/2 422 .*"uuid_parsing"}s, 'HTTP/2, our refusal');
        like($curl->("/deny/tasks/$id/cancel"), qr{^HTTP/2 403 .*"gateway_refused"}s, 'HTTP/2, nginx\'s refusal');
    }
}

# A client that resets its stream, or closes its connection, while the upstream is answering

sub frame ($type, $flags, $stream, $payload = '') {
    return substr(pack('N', length $payload), 1) . pack('C C N', $type, $flags, $stream) . $payload;
}

sub hpack (@headers) {                  # literals without indexing
    my $string = sub ($s) { length $s < 127 ? chr(length $s) . $s
        : "\x7f" . chr(0x80 | (length($s) - 127) & 0x7f) . chr((length($s) - 127) >> 7) . $s };
    return join '', map { "\0" . $string->($_->[0]) . $string->($_->[1]) } @headers;
}

sub send_stream ($socket, $stream, $id, $body_follows = 0) {
    $socket->syswrite(frame(1, $body_follows ? 4 : 5, $stream, hpack([':method', 'PATCH'], [':scheme', 'http'],
        [':authority', 'localhost'], [':path', "/sandbox/tasks/$id/cancel"],
        ['authorization', 'Bearer ' . $t->client_token])));
}

sub open_h2 () {
    my $socket = $t->connect(port => 'h2');
    $socket->syswrite("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(4, 0, 0));
    return $socket;
}

sub logged () { return scalar(() = $t->access_log =~ m{^PATCH /sandbox/tasks/$slow/cancel 204 outcome=accepted }mg) }

for my $how ('resets its stream', 'closes its connection') {
    my ($before, $logged) = (scalar $under_way->(), logged());
    my $h2 = open_h2();
    send_stream($h2, 1, $slow);
    ok($t->wait_for(sub { $under_way->() == $before + 1 }), 'HTTP/2: a request is under way');

    $how =~ /stream/ ? $h2->syswrite(frame(3, 0, 1, pack 'N', 8)) : close $h2;
    is(cancel('sandbox')->status, 204, "a client that $how");
    $t->write('go', '');
    ok($t->wait_for(sub { logged() == $logged + 1 }), '... has its request logged with its true outcome');
    is(scalar $under_way->(), $before + 1, '... which was sent once');
    unlink $t->path('go');

    next if $how !~ /stream/;
    send_stream($h2, 3, $id);
    my $bytes = '';
    $t->wait_for(sub { sysread $h2, $bytes, 4096, length $bytes; $bytes =~ /\x01[\x04\x05]\0\0\0\x03\x89/ });
    like($bytes, qr/\x01[\x04\x05]\0\0\0\x03\x89/, '... and its next one answered');       # 0x89 is ":status: 204"
}

# A body that does not come to its end

my $cut = '00000000-4f89-41d3-9a0c-0305e82c3301';
my $h2 = open_h2();
send_stream($h2, 1, $cut, 1);
$h2->syswrite(frame(0, 0, 1, 'half') . frame(3, 0, 1, pack 'N', 8));

$socket = $t->connect;
$socket->syswrite(text(no => 1, path => "/sandbox/tasks/$cut/cancel", body => 'x' x 10) =~ s/x{5}\z//r);
close $socket;

ok($t->wait_for(sub { 2 == (() = $t->access_log =~ m{^PATCH /sandbox/tasks/$cut/}mg) }), 'a body that is cut off');
is(scalar(grep { $_->{target} =~ /$cut/ } $t->received('up')), 0, '... is no request');
close $h2;

$t->done;
