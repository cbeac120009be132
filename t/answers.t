# What the upstream's answers become: status, type, outcome, Proxy-Status and Retry-After, and nothing else of theirs.

use v5.36;

use Canopy::Test;
use JSON::PP;
use Test::More;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

$t->secret('token', 'answers-upstream-credential');

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    log_format answers escape=json '{"case": "$http_x_request_id", "status": "$status", "outcome": "$canopy_outcome",'
        '"environment": "$canopy_environment", "task": "$canopy_task_id", "error": "$canopy_error",'
        '"canopy_status": "$canopy_upstream_status", "id": "$canopy_upstream_request_id",'
        '"client": "$canopy_client", "switch": "$canopy_switch",'
        '"addr": "$upstream_addr", "upstream_status": "$upstream_status",'
        '"times": "$upstream_connect_time $upstream_header_time $upstream_response_time",'
        '"bytes": "$upstream_bytes_sent $upstream_bytes_received $upstream_response_length",'
        '"headers": "$upstream_http_server$upstream_http_x_request_id$upstream_http_set_cookie$upstream_http_retry_after'
        '$upstream_http_content_type$upstream_cookie_session$upstream_trailer_x"}';

    canopy_environment live {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        access_log %%DIR%%/answers.log answers;
        location /live/ { canopy_pass live; }
    }
}
EOC

my $json = 'Content-Type: application/json';
my $text = 'Content-Type: text/plain';
my $html = 'Content-Type: text/html';
my $says = '{"detail":"because"}';
my $own = 'http_protocol_error';

# [name, status, [headers], body, what is expected: status, type, outcome, error= of Proxy-Status]. The rest of
# Proxy-Status is received-status=, always.
my @cases = (
    # taken on
    ['204',                        204, [], '',                                    204, '', 'accepted'],
    ['204 with a JSON type',       204, [$json], '',                               204, '', 'accepted'],
    ['200, empty',                 200, [], '',                                    204, '', 'accepted'],
    ['200, empty, with a type',    200, [$html], '',                               204, '', 'accepted'],
    ['200, JSON',                  200, [$json], '{"id":1}',                       204, '', 'accepted'],
    ['200, JSON with parameters',  200, ["$json; charset=utf-8"], '{"id":1}',      204, '', 'accepted'],
    ['200, JSON in upper case',    200, ['content-TYPE:APPLICATION/JSON'], '{}',   204, '', 'accepted'],
    ['200, geo+json',              200, ['Content-Type: application/geo+json'], '{}', 204, '', 'accepted'],
    ['200, JSON, invalid',         200, [$json], '<html>',                         204, '', 'accepted'],
    ['200, JSON, compressed',      200, [$json, 'Content-Encoding: gzip'], "\x1f\x8b\x08", 204, '', 'accepted'],
    ['200, JSON, an error inside', 200, [$json], $says,                            204, '', 'accepted'],
    ['200, JSON, too large',       200, [$json], 'x' x 70_000,                     204, '', 'accepted'],
    ['202, empty',                 202, [], '',                                    204, '', 'accepted'],
    ['202, JSON',                  202, [$json], '{"status":"CANCEL_REQUESTED"}',  204, '', 'accepted'],

    # not part of the API
    ['200, HTML',                  200, [$html], '<h1>Login</h1>',                 502, $own, 'unknown', $own],
    ['200, text',                  200, [$text], 'ok',                             502, $own, 'unknown', $own],
    ['200, without a type',        200, [], '{}',                                  502, $own, 'unknown', $own],
    ['200, text that says json',   200, ['Content-Type: text/json'], '{}',         502, $own, 'unknown', $own],
    ['200, not quite JSON',        200, ['Content-Type: application/jsonp'], '{}', 502, $own, 'unknown', $own],
    ['200, HTML, too large',       200, [$html], 'x' x 70_000,                     502, $own, 'unknown', $own],
    ['202, HTML',                  202, [$html], '<h1>Login</h1>',                 502, $own, 'unknown', $own],
    (map { ["$_, empty",           $_, [], '',                                     502, $own, 'unknown', $own] }
        201, 203, 205, 206, 207, 226, 299, 300, 301, 302, 303, 304, 305, 307, 308, 399),
    ['201, JSON',                  201, [$json], '{"id":1}',                       502, $own, 'unknown', $own],
    ['301 to itself',              301, ['Location: /tasking'], '',                502, $own, 'unknown', $own],
    ['307 elsewhere',              307, ['Location: http://127.0.0.1/'], '',       502, $own, 'unknown', $own],

    # refused
    (map { ["$_, a reason",        $_, [$json], $says,                             $_, 'value_error', 'rejected'] }
        404, 409, 410, 422),
    (map { ["$_, a reason",        $_, [$json], $says,                             $_, 'upstream_error', 'rejected'] }
        403, 429),
    (map { ["$_, empty",           $_, [], '',                                     $_, 'value_error', 'rejected'] }
        404, 409, 410, 422),
    (map { ["$_, empty",           $_, [], '',                                     $_, 'upstream_error', 'rejected'] }
        403, 429),
    ['422 as FastAPI says it',     422, [$json],
        '{"detail":[{"type":"uuid_parsing","loc":["path","id"],"msg":"no","input":"x","ctx":{}}]}',
                                                                                   422, 'uuid_parsing', 'rejected'],
    ['401',                        401, [$json, 'WWW-Authenticate: Bearer'], $says, 502, 'credential_rejected', 'rejected'],
    (map { ["$_",                  $_, [$json], $says,                             502, $own, 'rejected', $own] }
        400, 402, 405, 406, 407, 411, 412, 413, 414, 415, 416, 417, 418, 421, 423, 425, 426, 428, 431, 444, 451, 460,
        494, 495, 497, 499),

    # failed
    ['408',                        408, [$json], $says, 504, 'http_response_timeout', 'unknown', 'http_response_timeout'],
    (map { ["$_, a reason",        $_, [$json], $says,                             $_, 'upstream_error', 'unknown'] }
        500, 502, 503, 504),
    (map { ["$_, HTML",            $_, [$html], '<h1>no</h1>',                     $_, 'upstream_error', 'unknown'] }
        500, 502, 503, 504),
    (map { ["$_, a reason",        $_, [$json], $says,                             502, 'upstream_error', 'unknown'] }
        501, 505, 506, 507, 508, 511, 520, 521, 522, 523, 524, 525, 526, 527, 530, 561, 599),
);

# Retry-After: what comes, and what is left of it (undef: nothing), on a status where it is kept.
my $date = 'Fri, 31 Dec 1999 23:59:59 GMT';
my @retries = (
    (map { [$_, $_] } 0, 1, 30, 86_399, 86_400, $date, 'Sun, 06 Nov 1994 08:49:37 GMT', 'Tue, 29 Feb 2028 00:00:00 GMT'),
    ['Sunday, 06-Nov-94 08:49:37 GMT', 'Sun, 06 Nov 1994 08:49:37 GMT'],
    ['Sun Nov  6 08:49:37 1994', 'Sun, 06 Nov 1994 08:49:37 GMT'],
    (map { [$_, undef] } 86_401, 99_999, '9' x 19, '18446744073709551646', '9' x 130, -1, '+1', '1.5', '1e2', '0x1e', '30s',
        '1 0', '30, 60', '', 'soon', 'Sun, 32 Nov 1994 08:49:37 GMT', 'Sun, 06 Foo 1994 08:49:37 GMT',
        'Sun, 06 Nov 1994 08:49:37 PST', 'Sun, 06 Nov 1994 08:49:37', 'Sun, 06 Nov 1994 08:49:37 GMT, soon', 'then, 06 Nov 1994 08:49:37 GMT',
        'Sun, 06 Nov 1994 08-49-37 GMT', 'Sun, 06 Nov 1994 25:49:37 GMT', 'Wed, 29 Feb 2027 00:00:00 GMT', 'Sun, 06 Nov 1994', "30\tx", "3\x{e9}0"),
);
push @cases, map { ["429 with Retry-After: $_->[0]", 429, [$json, "Retry-After: $_->[0]"], $says,
                    429, 'upstream_error', 'rejected', undef, $_->[1]] } @retries;
push @cases, map { ["$_ with Retry-After", $_, [$json, 'Retry-After: 30', "Retry-After: $date"], $says,
                    $_, 'upstream_error', 'unknown', undef, 30] } 500, 502, 503, 504;
push @cases, map { my ($name, $status, $headers, $body, @expected) = @$_;
                   ["$name, with Retry-After", $status, [@$headers, 'Retry-After: 30'], $body, @expected] }
    grep { $_->[0] !~ /Retry-After/ && $_->[1] !~ /^(?:429|500|502|503|504)$/ } @cases;

# Headers that an upstream sends, and that are nobody else's business.
my @alien = ('Server: alien/1', 'X-Powered-By: alien', 'Set-Cookie: session=alien', 'X-Anything: alien', 'Via: 1.1 alien',
             'Date: Sat, 01 Jan 2000 00:00:00 GMT', 'ETag: "alien"', 'Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT', 'Age: 7',
             'Cache-Control: public, max-age=77777', 'Expires: Sat, 01 Jan 2050 00:00:00 GMT', 'Location: http://alien/',
             'WWW-Authenticate: Bearer realm="alien"', 'Proxy-Status: alien; error=alien', 'Allow: ALIEN', 'Vary: alien',
             'Canopy-Outcome: denied', 'Canopy-Environment: alien', 'X-Accel-Redirect: /alien', 'X-Accel-Limit-Rate: 1',
             'X-Accel-Buffering: no', 'X-Accel-Charset: alien', 'X-Accel-Expires: 77777', 'Content-Language: alien',
             'Content-Disposition: alien', 'Strict-Transport-Security: max-age=77777', 'Access-Control-Allow-Origin: alien',
             'Refresh: 0; url=http://alien/', 'Link: <http://alien/>', 'Trailer: X-Alien', 'Warning: 199 alien', 'X-Request-ID: theirs');
push @cases, map { my ($name, $status, $headers, $body, @expected) = @$_;
                   ["$name, with headers", $status, [@$headers, @alien], $body, @expected] }
    grep { $_->[0] =~ /^(?:204|200, (?:JSON|HTML)|301 to itself|422, a reason|401|403, a reason|408|418|429, a reason|503, a reason|520, a reason)$/ } @cases;

# The upstream's own name of the request, the last item of a case: for the log only.
my @ids = (
    (map { ["$_: a-1", 'a-1'] } qw(X-Request-ID x-amzn-requestid x-amzn-RequestId Apigw-Requestid CF-RAY)),
    ['X-Request-ID: AZaz09._:-', 'AZaz09._:-'],
    ['X-Request-ID: ' . 'x' x 128, 'x' x 128],
    ['Apigw-Requestid: Zn_8hh-4CYcEJoA=', 'Zn_8hh-4CYcEJoA='],
    (map { ["X-Request-ID: $_", ''] } '', 'a b', 'a"b', 'a\\b', "a\x{e9}", 'a;b', 'a<b>', '{a}', 'x' x 129, 'x' x 5000),
    ['X-Request: a', ''],
);
push @cases, map { ["204 named $_->[0]", 204, [$_->[0]], '', 204, '', 'accepted', undef, undef, $_->[1]] } @ids;
push @cases, ['204 with four names', 204, ['CF-RAY: ray', 'apigw-requestid: apigw', 'x-amzn-requestid: amzn', 'x-request-id: x'], '',
              204, '', 'accepted', undef, undef, 'x'],
             ['204 with the others', 204, ['x-amzn-requestid: amzn', 'apigw-requestid: apigw', 'CF-RAY: ray'], '',
              204, '', 'accepted', undef, undef, 'amzn'],
             ['204 with a bad name first', 204, ['x-request-id: a b', 'CF-RAY: ray'], '', 204, '', 'accepted', undef, undef, 'ray'],
             ['503 named', 503, ['x-request-id: a'], '', 503, 'upstream_error', 'unknown', undef, undef, 'a'];

$t->upstream('canopy', handler => sub ($conn, $req, $n) {
    my (undef, $status, $headers, $body) = $cases[$req->header('X-Request-ID')]->@*;
    return reply($status, $body, @$headers);
});
$t->start;

# ------------------------------------------------------------------------------------------------------- the answers

for my $round (1, 2) {
    for my $i (0 .. $#cases) {
        my ($name, $received, undef, undef, $status, $type, $outcome, $error, $retry_after) = $cases[$i]->@*;
        my $res = $t->cancel($id, prefix => '/live', headers => [['X-Request-ID', $i]]);

        my @headers = ('Cache-Control: no-store', 'Canopy-Environment: live', "Canopy-Outcome: $outcome", 'Connection: close',
                       "X-Request-ID: $i");
        push @headers, 'Content-Length: ' . length $res->body, 'Content-Type: application/json',
            'Proxy-Status: ngx_canopy' . ($error ? "; error=$error" : '') . "; received-status=$received" if $status != 204;
        push @headers, "Retry-After: $retry_after" if defined $retry_after;
        my @got = map { "$_->[0]: $_->[1]" } $res->{headers}->@*;

        is_deeply({ status => $res->status, type => $status == 204 ? '' : $res->json->{detail}[0]{type},
                    nginx => scalar(grep { /^(?:Server: nginx|Date: .* GMT)/ } @got),
                    headers => [sort grep { !/^(?:Server: nginx|Date: )/ } @got] },
                  { status => $status, type => $type, nginx => 2, headers => [sort @headers] },
                  "$name ($round)") || diag($res->raw);
        if ($status == 204) {
            is($res->body, '', "$name: no body");
        } else {
            $t->ensures_schema($res, "$name: the body");
        }

        # What is normalized has the upstream's words; what is the gateway's own has its own.
        my $msg = length $res->body ? $res->json->{detail}[0]{msg} : '';
        is($msg, 'because', "$name: the reason") if $type =~ /^(?:value|upstream)_error$/ && $name =~ /reason|Retry-After: /;
        like($msg, qr/unknown.*status/, "$name: the message tells of the uncertainty") if $error && $outcome eq 'unknown';
    }
}

# One request each, none repeated.
is(scalar $t->received('canopy'), 2 * @cases, 'each request was sent once');

# ---------------------------------------------------------------------------------------------------------- the log

$t->wait_for(sub { 2 * @cases <= (() = $t->read('answers.log') =~ /\n/g) });
my @log = map { JSON::PP->new->decode($_) } split /\n/, $t->read('answers.log');
is(scalar @log, 2 * @cases, 'each request is logged');
for my $line (@log) {
    my ($name, $received, undef, undef, $status, $type, $outcome, undef, undef, $named) = $cases[$line->{case}]->@*;
    my ($sent, $bytes, $length) = split / /, delete $line->{bytes};
    my $times = delete $line->{times};
    is_deeply($line, { case => $line->{case}, status => $status, outcome => $outcome, environment => 'live', task => $id,
                       error => $type, canopy_status => $received, upstream_status => $received,
                       id => $named // ($name =~ /with headers/ ? 'theirs' : ''), client => '', switch => '',
                       addr => '127.0.0.1:' . $t->port('canopy'), headers => '' }, "$name: in the log")
        && like($times, qr/^\d+\.\d{3} \d+\.\d{3} \d+\.\d{3}$/, "$name: the times")
        && cmp_ok($sent, '>', 200, "$name: bytes sent")
        && cmp_ok($bytes, '>', 20, "$name: bytes received")
        || last;
}

# An error line for what an operator should see, and none for what is the client's business.
my %lines;
$lines{$_}++ for $t->log =~ /\[error\] [^\n]*upstream answered (\d+),/g;
my %expected;
for my $case (@cases) {
    $expected{$case->[1]} += 2 if $case->[4] != 204 && ($case->[1] == 403 || $case->[6] eq 'unknown' || $case->[5] =~ /protocol|credential/);
}
is_deeply(\%lines, \%expected, 'the error log has a line for each of these');

$t->done;
