# Canaries: a credential for each environment, one that replaced another, and the clients' tokens are looked for in all that
# nginx and the module answer, log, print, write and show of themselves, after requests of every kind.

use v5.36;

use Canopy::Client;
use Canopy::HTTP2;
use Canopy::Process qw(run);
use Canopy::Test;
use File::Find;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Test::More;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $cert = $t->certificate('canopy');

# One of them is a JWT, as Canopy's are; of that one, neither payload nor signature may show.
my $jwt = $t->client_token(sub => 'canary-of-live', header => { kid => 'canary-of-live' });
my %credentials = (live => $jwt, sandbox => 'canary-of-sandbox.old', tls => 'canary-of-tls/+~==');
my $renewed = 'canary-of-sandbox.new';
$t->secret("$_.token", $credentials{$_}) for keys %credentials;

my %tokens = map { $_ => $t->client_token(sub => "canary-client-$_") =~ s/[^.]+$/canary-signature-$_/r } 1, 2;

my $variables = join ' ', map { "\$$_" } qw(canopy_environment canopy_task_id canopy_outcome canopy_error canopy_client canopy_switch
    canopy_upstream_status canopy_upstream_request_id upstream_addr upstream_status upstream_connect_time upstream_header_time
    upstream_response_time upstream_bytes_sent upstream_bytes_received upstream_response_length upstream_cache_status
    upstream_http_authorization upstream_http_x_echo upstream_http_set_cookie upstream_http_location upstream_http_retry_after
    upstream_http_content_type upstream_http_x_request_id upstream_http_www_authenticate upstream_cookie_session upstream_trailer_x_echo
    sent_http_authorization sent_http_content_type sent_http_x_request_id sent_http_canopy_outcome sent_http_canopy_environment
    sent_http_proxy_status sent_http_retry_after sent_http_www_authenticate sent_http_x_echo sent_http_set_cookie sent_http_location
    sent_trailer_x_echo proxy_host proxy_port request uri args request_id status body_bytes_sent request_body request_body_file
    remote_user host server_name document_uri request_filename);

$t->conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    log_format everything escape=none '$variables';
    access_log %%DIR%%/everything.log everything;
    client_body_buffer_size 1k;
    limit_req_zone \$server_name zone=one:32k rate=1r/m;
    error_page 404 /page;

    canopy_environment live {
        server            http://127.0.0.1:%%PORT_plain%%;
        bearer_token_file %%DIR%%/live.token;
        keepalive_timeout 60s;
    }
    canopy_environment sandbox {
        server            http://127.0.0.1:%%PORT_plain%%;
        bearer_token_file %%DIR%%/sandbox.token;
        closed_file       %%DIR%%/closed;
        read_timeout      1s;
    }
    canopy_environment tls {
        server            https://127.0.0.1:%%PORT_tls%%;
        bearer_token_file %%DIR%%/tls.token;
        keepalive_timeout 60s;
        ssl_trusted_certificate %%DIR%%/ca.pem;
    }
    canopy_environment nobody {
        server            https://127.0.0.1:%%PORT_plain%%;
        bearer_token_file %%DIR%%/tls.token;
    }
    canopy_environment impostor {
        server            https://127.0.0.1:%%PORT_tls%%;
        server_name       wrong.example;
        bearer_token_file %%DIR%%/tls.token;
        ssl_trusted_certificate %%DIR%%/ca.pem;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        location /page     { return 200 page; }
        location /live/    { canopy_pass live; add_header X-Error \$canopy_error always; add_header X-Id \$canopy_upstream_request_id always; }
        location /sandbox/ { canopy_pass sandbox; }
        location /tls/     { canopy_pass tls; }
        location /nobody/  { canopy_pass nobody; }
        location /impostor/ { canopy_pass impostor; }
        location /deny/    { canopy_pass live; deny all; }
        location /limit/   { canopy_pass live; limit_req zone=one; }
        location /page/    { canopy_pass live; error_page 422 503 /page; }
        location ~ ^/any/(?<environment>\\w*)/ { canopy_pass \$environment; }
    }
}
EOC

# What the upstream answers, by the client's X-Request-ID. \$a is all that it was sent, \$s the credential.
my $json = 'Content-Type: application/json';
my $text = 'Content-Type: text/plain';

sub string ($s) { return JSON::PP->new->allow_nonref->encode($s) }
sub escaped ($s) { return $s =~ s/(.)/sprintf '\\u%04x', ord $1/ger }

my %answers = (
    204     => sub ($conn, $s, $a) { reply(204, undef, "X-Echo: $s", "Authorization: Bearer $s", "Set-Cookie: session=$s") },
    422     => sub ($conn, $s, $a) { reply(422, '{"detail":[{"msg":' . string("it is $s") . ',"type":' . string($s) . ',"loc":[' . string($s) . ']}]}', $json) },
    head    => sub ($conn, $s, $a) { "HTTP/1.1 503 $s\r\n" . join('', map { "$_: $s\r\n" } qw(X-Request-ID X-Amzn-RequestId Apigw-RequestId CF-Ray Retry-After
                                     Content-Type Location Server Via WWW-Authenticate Proxy-Status Canopy-Outcome Canopy-Environment)) . "Content-Length: 0\r\n\r\n" },
    types   => sub ($conn, $s, $a) { reply(422, $s, "Content-Type: application/json; x=\"$s\"") },
    request => sub ($conn, $s, $a) { reply(422, string($a), $json) },
    raw     => sub ($conn, $s, $a) { reply(502, $a, $text) },
    unicode => sub ($conn, $s, $a) { reply(409, '{"detail":"' . escaped($a) . '","' . escaped($s) . '":1}', $json) },
    nested  => sub ($conn, $s, $a) { reply(422, '{"detail":[{"input":' . string(string(string($s))) . '}]}', $json) },
    edge    => sub ($conn, $s, $a) { reply(422, 'x' x (4096 - length($s) / 2) . $s, $text) },
    401     => sub ($conn, $s, $a) { reply(401, string($s), $json, "WWW-Authenticate: Bearer error=\"$s\"") },
    429     => sub ($conn, $s, $a) { reply(429, $s, $text, "Retry-After: $s") },
    299     => sub ($conn, $s, $a) { reply(299, $s, $text) },
    302     => sub ($conn, $s, $a) { reply(302, '', "Location: https://x/?token=$s") },
    interim => sub ($conn, $s, $a) { "HTTP/1.1 103 $s\r\nLink: <$s>\r\n\r\n" . reply(404, string({}), $json) },
    garbage => sub ($conn, $s, $a) { $conn->print($a); 'close' },
    trailer => sub ($conn, $s, $a) { "HTTP/1.1 422 No\r\n$json\r\nTransfer-Encoding: chunked\r\n\r\n2;$s\r\n{}\r\n0\r\nX-Echo: $s\r\n\r\n" },
    # one byte a segment, one a chunk: the credential is never in one read
    split   => sub ($conn, $s, $a) { dribble($conn, reply(422, string("it is $s, it is"), $json)) },
    chunks  => sub ($conn, $s, $a) { dribble($conn, "HTTP/1.1 422 No\r\n$json\r\nTransfer-Encoding: chunked\r\n\r\n"
                                     . join('', map { "1\r\n$_\r\n" } split //, string($s)) . "0\r\n\r\n") },
    closed  => sub ($conn, $s, $a) { 'close' },
    stalled => sub ($conn, $s, $a) { $conn->print("HTTP/1.1 422 $s\r\n"); $conn->wait_closed; 'close' },
    cut     => sub ($conn, $s, $a) { $conn->print("HTTP/1.1 422 No\r\n$text\r\nContent-Length: 9999\r\n\r\n$s"); 'close' },
);

sub dribble ($conn, $bytes) {
    setsockopt $conn->{socket}, IPPROTO_TCP, TCP_NODELAY, 1;
    $conn->print($_) for split //, $bytes;
    return;
}

my $handler = sub ($conn, $req, $n) {
    $conn->sleep(0.01);
    return $answers{$req->header('X-Request-ID')}->($conn, $req->header('Authorization') =~ s/^Bearer //r, $req->{raw});
};
$t->upstream('plain', handler => $handler);
$t->upstream('tls', tls => $cert, handler => $handler);
$t->start;

# ---------------------------------------------------------------------------------------------- requests of every kind

my $said = '';
sub ask ($path, %args) {
    my $res = $t->request(path => $path, %args);
    $said .= "$path: " . $res->raw . "\n";
    return $res->status;
}

sub requests () {
    my %statuses;
    for my $token (sort values %tokens) {
        my $authorization = ['Authorization', "Bearer $token"];
        for my $case (sort keys %answers) {
            for my $environment (qw(live sandbox tls)) {
                next if $case eq 'stalled' && $environment ne 'sandbox';
                $statuses{ask("/$environment/tasks/$id/cancel", headers => [$authorization, ['X-Request-ID', $case]])}++;
            }
        }
        $statuses{ask("/$_/tasks/$id/cancel", headers => [$authorization, ['X-Request-ID', '422']], body => 'x' x 5000)}++
            for qw(nobody impostor deny limit limit page any/ any/live any/unknown);
        my @cancel = ("/live/tasks/$id/cancel", headers => [$authorization, ['X-Request-ID', '204']]);
        ask($_, @cancel[1, 2]) for '/live/', '/live/tasks/x/cancel', "/nowhere?access_token=x";
        ask(@cancel, method => $_) for qw(GET HEAD POST OPTIONS TRACE);
        ask($cancel[0], headers => $_) for [['Authorization', $token]], [['Authorization', "Bearer $token."]], [['Authorization', "Bearer $token $token"]],
            [['Authorization', "Basic $token"]], [$authorization, $authorization], [$authorization, ['Canopy-Environment', 'other']], [];
        ask($cancel[0], raw => "PATCH $cancel[0] HTTP/1.1\r\nAuthorization: Bearer $token\r\n\0\r\n\r\n");

        my $socket = $t->connect(port => 'h2');
        syswrite $socket, preface() . headers(1, END_STREAM, [[':method', 'PATCH'], [':scheme', 'http'], [':path', $cancel[0]], [':authority', 'x'],
            ['authorization', "Bearer $token"], ['x-request-id', '422']]);
        is({ stream_answers($socket, 1) }->{1} =~ s/ .*//r, '422', 'a request of HTTP/2');
    }
    return \%statuses;
}

my $statuses = requests();
cmp_ok($statuses->{$_} // 0, '>', 0, "some are answered $_") for 204, 403, 404, 409, 422, 429, 502, 503, 504;
$t->write('closed', '');
is(ask("/sandbox/tasks/$id/cancel", headers => [['Authorization', "Bearer $tokens{1}"]]), 503, 'one that is closed');
unlink $t->path('closed');

$t->secret('sandbox.token', $renewed);
ok($t->wait_for(sub { ask("/sandbox/tasks/$id/cancel", headers => [['Authorization', "Bearer $tokens{1}"], ['X-Request-ID', '204']]);
                      $t->log =~ /environment "sandbox" has a new credential/ }), 'a new credential');
requests();
$t->write('sandbox.token', "$renewed $renewed");
ok($t->wait_for(sub { ask("/sandbox/tasks/$id/cancel", headers => [['Authorization', "Bearer $tokens{1}"], ['X-Request-ID', '422']]);
                      $t->log =~ /secret file ".*sandbox.token" holds a space/ }), 'a bad content of its file');
$t->secret('sandbox.token', $renewed);
$t->reload;
is(ask("/$_/tasks/$id/cancel", headers => [['Authorization', "Bearer $tokens{2}"], ['X-Request-ID', '422']]), 422, "$_ after a reload") for qw(live sandbox tls);

# ------------------------------------------------------------------------------------------------------ what nginx prints

my ($status, $dump) = $t->dump;
is($status, 0, 'nginx -T');
my $conf = $t->read('nginx.conf');
my @wrong = (
    # a file with a secret in the place of another file
    $conf =~ s/ssl_trusted_certificate \S+/ssl_trusted_certificate %%DIR%%\/tls.token;/r,
    $conf =~ s/ssl_trusted_certificate/ssl_certificate %%DIR%%\/tls.token; ssl_certificate_key %%DIR%%\/live.token; $&/r,
    $conf =~ s/(bearer_token_file)/$1 x; $1/r, $conf =~ s/bearer_token_file (\S+)/bearer_token_file $1 $1/r, $conf =~ s/read_timeout +1s/read_timeout x/r,
    $conf =~ s/(bearer_token_file .*)live/$1live.token\/x/r, $conf =~ s/http:/ftp:/r,
);
for my $wrong (@wrong) {
    my ($status, $output) = $t->test_conf($wrong =~ s/\Q@{[$t->path('nginx.pid')]}/@{[$t->path('conf-test.pid')]}/r =~ s/error\.log/conf-test.log/r);
    isnt($status, 0, 'a configuration that is refused: ' . ($output =~ /\[emerg\] \S* ?(.{0,60})/)[0]);
    $dump .= $output;
}

# ---------------------------------------------------------------------------------------------------------- the search

# A canary as it is, in base64, in JSON, in percent-encoding, in hexadecimal; of the JWT each part that is its own.
my %canaries = (
    'the credential of sandbox' => ['canary-of-sandbox'], 'the credential of tls' => ['canary-of-tls'],
    'the credential of live' => ['canary-of-live', grep { length } (split /\./, $jwt)[1]],
    'a client\'s token' => ['canary-client-', 'canary-signature-', map { (split /\./)[1] } values %tokens],
);

sub pattern ($canary) {
    my @forms = map { $_, unpack('H*', $_), uc unpack('H*', $_), $_ =~ s/(.)/sprintf '%%%02x', ord $1/ger, escaped($_), join('\\0', split //) } @$canary;
    my $any = join '|', (map { quotemeta } @forms), map { Canopy::Test::_traces($_) } @$canary;
    return qr/$any/;
}
my %patterns = map { $_ => pattern($canaries{$_}) } keys %canaries;

sub told ($text) {
    return map { $text =~ $patterns{$_} ? "$_: " . substr $text, $-[0] > 60 ? $-[0] - 60 : 0, 120 : () } sort keys %patterns;
}

like($said, qr/\[redacted\]/, 'the upstream has said a lot');
is_deeply([told($said)], [], 'no answer tells');
is_deeply([told($dump)], [], 'nginx -T and nginx -t do not tell');
for my $pid ($t->master, $t->workers) {
    my $shown = join ' ', map { open my $fh, '<:raw', "/proc/$pid/$_" or (); local $/; $fh ? <$fh> // '' : () } qw(cmdline environ comm status mountinfo);
    is_deeply([told($shown)], [], "process $pid does not show it");
}

# All files of nginx's directory but for the secrets themselves and what the scripted upstreams noted.
$t->stop;
my (@found, @temporary, $files);
find(sub {
    return if !-f || -p || /\.token(?:\.new)?\z/ || /^upstream-/;
    $files++;
    push @temporary, $File::Find::name if $File::Find::dir =~ m{/temp_};
    my $file = $File::Find::name;
    my $content = $t->read(substr $file, 1 + length $t->dir);
    # nginx's own lines of what a client sent: each field at debug, those sent twice at info
    $content =~ s/^.*\] \S+ \*\d+ (?:http header|http2 header|client sent duplicate header line): "authorization: .*\n//gim if $file =~ /error\.log\z/;
    push @found, map { "$file: $_" } told($content);
}, $t->dir);
cmp_ok($files, '>', 8, 'the files of the directory');
is_deeply(\@temporary, [], 'no temporary file is left');
is_deeply(\@found, [], 'tell nothing');

$t->done;
