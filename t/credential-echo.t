# An upstream that repeats the gateway's credential, wherever it can: neither the client nor a log gets to see it.

use v5.36;

use Test::More;

use Canopy::Test;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

my %secrets = (plain => 'plain-secret-1', odd => 'up"stream\\secret/<&>\'-2', dotted => 'aaa.aaa.aaab');
$t->secret("$_.token", $secrets{$_}) for keys %secrets;

my $json = 'Content-Type: application/json';

sub escaped ($text) { return $text =~ s/(.)/sprintf '\\u%04x', ord $1/ger }
sub quoted ($text)  { return $text =~ s/(["\\])/\\$1/gr }

# What the upstream answers, by the client's X-Request-ID. $s is the credential, $q as it stands in a JSON string.

my %answers = (
    'reason'         => sub ($s, $q) { "HTTP/1.1 422 $s\r\nContent-Length: 0\r\n\r\n" },
    'reason-204'     => sub ($s, $q) { "HTTP/1.1 204 $s\r\nX-Echo: $s\r\n\r\n" },
    'headers'        => sub ($s, $q) { reply(422, '{}', $json, map { "$_: $s" } qw(X-Echo Set-Cookie Location Server
                                             WWW-Authenticate Retry-After Content-Language Date Warning)) },
    'retry-after'    => sub ($s, $q) { reply(503, '', "Retry-After: $s") },
    'content-type'   => sub ($s, $q) { reply(422, '{}', "Content-Type: $s") },
    'encoding'       => sub ($s, $q) { reply(422, '{}', $json, "Content-Encoding: $s") },
    'length'         => sub ($s, $q) { reply(422, '{}', $json, "Content-Length: $s") },
    'request-id'     => sub ($s, $q) { reply(422, '{}', $json, "X-Request-ID: $s") },
    'request-id-in'  => sub ($s, $q) { reply(422, '{}', $json, "X-Request-ID: id-$s-id") },
    'amzn-id'        => sub ($s, $q) { reply(422, '{}', $json, "x-amzn-RequestId: $s") },
    'apigw-id'       => sub ($s, $q) { reply(422, '{}', $json, "apigw-requestid: $s") },
    'cf-ray'         => sub ($s, $q) { reply(204, undef, "CF-Ray: $s") },
    'no-status'      => sub ($s, $q) { "HTTP/1.1 $s\r\n\r\n" },
    'no-http'        => sub ($s, $q) { "$s\r\n\r\n" },
    'no-header'      => sub ($s, $q) { "HTTP/1.1 422 No\r\n$s\r\n\r\n" },
    'status-299'     => sub ($s, $q) { reply(299, $s, "Content-Type: text/plain") },
    'interim'        => sub ($s, $q) { "HTTP/1.1 103 $s\r\nLink: $s\r\n\r\n" . reply(422, '{}', $json) },
    'text'           => sub ($s, $q) { reply(422, "The token $s is $s.", 'Content-Type: text/plain') },
    'html'           => sub ($s, $q) { reply(422, "<p>$s</p>", 'Content-Type: text/html') },
    'empty-type'     => sub ($s, $q) { reply(422, $s) },
    'detail'         => sub ($s, $q) { reply(422, qq({"detail":"$q"}), $json) },
    'msg'            => sub ($s, $q) { reply(422, qq({"detail":[{"msg":"a$q$q"}]}), $json) },
    'type'           => sub ($s, $q) { reply(422, qq({"detail":[{"type":"$q","msg":"x"}]}), $json) },
    'loc'            => sub ($s, $q) { reply(422, qq({"detail":[{"loc":["$q",1],"msg":"x"}]}), $json) },
    'loc-object'     => sub ($s, $q) { reply(422, qq({"detail":[{"loc":[{"$q":["$q"]}],"msg":"x"}]}), $json) },
    'key'            => sub ($s, $q) { reply(422, qq({"detail":[{"$q":1}]}), $json) },
    'value'          => sub ($s, $q) { reply(422, qq({"detail":[{"input":["$q"]}]}), $json) },
    'deep'           => sub ($s, $q) { reply(422, qq({"detail":[{"a":{"b":{"c":["$q","$q"]}}}]}), $json) },
    'problem'        => sub ($s, $q) { reply(500, qq({"title":"$q","type":"$q"}), $json) },
    'errors'         => sub ($s, $q) { reply(409, qq({"errors":["$q",{"message":"$q","code":"$q"}]}), $json) },
    'array'          => sub ($s, $q) { reply(403, qq(["$q"]), $json) },
    'escaped'        => sub ($s, $q) { reply(422, qq({"detail":") . escaped($s) . '"}', $json) },
    'escaped-key'    => sub ($s, $q) { reply(422, qq({"detail":[{") . escaped($s) . '":1}]}', $json) },
    'bad-json'       => sub ($s, $q) { reply(422, qq({"detail":"$q"), $json) },
    '401'            => sub ($s, $q) { reply(401, qq({"detail":"$q"}), $json, "WWW-Authenticate: Bearer error=$s") },
    '403'            => sub ($s, $q) { reply(403, qq({"message":"$q"}), $json) },
    '503'            => sub ($s, $q) { reply(503, $s, 'Content-Type: text/plain') },
    'cut'            => sub ($s, $q) { reply(422, 'a' x 4090 . $s, 'Content-Type: text/plain') },
    'cut-json'       => sub ($s, $q) { reply(422, '{"detail":"' . 'a' x 4090 . qq($q"}), $json) },
    'chunk-ext'      => sub ($s, $q) { "HTTP/1.1 422 No\r\n$json\r\nTransfer-Encoding: chunked\r\n\r\n"
                                       . "2;a=\"$s\"\r\n{}\r\n0\r\nTrailer: $s\r\n\r\n" },
    'chunk-size'     => sub ($s, $q) { "HTTP/1.1 422 No\r\n$json\r\nTransfer-Encoding: chunked\r\n\r\n$s\r\n" },
    'after-the-end'  => sub ($s, $q) { reply(422, '{}', $json) . $s },
);
# these say it to a place that a text is made of: [redacted] stands there
my %redacted = map { $_ => 1 } qw(text detail msg type loc loc-object key value deep problem errors array escaped
                                  escaped-key 403 503);

$t->upstream('up', handler => sub {
    my ($conn, $req) = @_;
    my $secret = $req->header('Authorization') =~ s/^Bearer //r;
    return $answers{$req->header('X-Request-ID')}->($secret, quoted($secret));
});

my @names = sort keys %secrets;
$t->conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    @{[map { "canopy_environment $_ {
        server http://127.0.0.1:%%PORT_up%%;
        bearer_token_file %%DIR%%/$_.token;
    }" } @names]}
    log_format variables '\$canopy_environment \$canopy_task_id \$canopy_outcome \$canopy_error \$canopy_client '
                         '\$canopy_upstream_status \$canopy_upstream_request_id "\$canopy_switch" '
                         '\$upstream_addr \$upstream_status \$sent_http_proxy_status \$sent_http_retry_after '
                         '\$upstream_http_x_echo \$upstream_http_set_cookie';
    server {
        listen 127.0.0.1:%%PORT_http%%;
        access_log %%DIR%%/variables.log variables;
        @{[map { "location /$_/ { canopy_pass $_; }" } @names]}
    }
}
EOC
$t->start;

for my $name (@names) {
    my $secret = $secrets{$name};
    my @forms = ($secret, quoted($secret), quoted(quoted($secret)));
    my $any = join '|', map { quotemeta } @forms, substr $secret, 0, 6;

    for my $case (sort keys %answers) {
        for my $time (1, 2) {
            my $res = $t->cancel($id, prefix => "/$name", headers => [['X-Request-ID', $case]]);
            is($res->header('X-Request-ID'), $case, "$name, $case, request $time: an answer");
            unlike($res->raw, qr/$any/, 'it does not tell');
            like($res->body, qr/\[redacted\]/, 'but says so') if $redacted{$case};
            $t->ensures_schema($res) if $res->status != 204;
        }
    }
}

# The logs are looked through for the secrets as they are; here, for the pieces of them.

for my $name (@names) {
    my $pieces = join '|', map { quotemeta } $secrets{$name}, substr($secrets{$name}, 0, 6), substr $secrets{$name}, -6;
    my @lines = grep { /$pieces/ } split /\n/, $t->read('variables.log');
    is(scalar @lines, 0, "$name is in no variable") or diag($lines[0]);
}

my ($status, $output) = $t->dump;
is($status, 0, 'nginx -T');
unlike($output, qr/\Q$secrets{$_}/, "does not show $_") for @names;

$t->done;
