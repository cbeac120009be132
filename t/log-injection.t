# Logs: one request is one record, and no byte of a client's or of an upstream's begins a line or makes a record its own;
# the README's log format is JSON whatever comes.

use v5.36;

use Canopy::Client;
use Canopy::Test;
use Canopy::Wire;
use JSON::PP;
use Test::More;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

$t->secret('token', 'log-injection-upstream-credential');

# The format as the README shows it.
my ($readme) = do { local (@ARGV, $/) = 'README.md'; <> } =~ /^ *(log_format canopy .*?;)$/ms or BAIL_OUT('no log_format in README.md');

$t->conf(<<'EOC' =~ s/README/$readme/r);
%%HEAD%%
error_log %%DIR%%/info.log info;
http {
    %%HTTP%%
    README
    # what a careless operator may write: nothing is escaped, so only what the variables themselves promise holds
    log_format bare escape=none 'begin|$canopy_environment|$canopy_task_id|$canopy_outcome|$canopy_error|$canopy_client|$canopy_upstream_status|'
                                '$canopy_upstream_request_id|$canopy_switch|$sent_http_x_request_id|$upstream_status|$status|end';
    log_format quoted '"$canopy_environment" "$canopy_task_id" "$canopy_outcome" "$canopy_error" "$canopy_upstream_request_id" '
                      '"$sent_http_x_request_id" "$request" "$http_referer" "$http_user_agent"';
    access_log %%DIR%%/json.log canopy;
    access_log %%DIR%%/bare.log bare;
    access_log %%DIR%%/quoted.log quoted;
    large_client_header_buffers 4 16k;

    canopy_environment live {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        keepalive_timeout 60s;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/          { canopy_pass live; add_header X-Canopy-Error $canopy_error always; }
        location ~ (?s)^/regex/  { canopy_pass live; }
        location ~ (?s)^/choice/(.*?)/ { canopy_pass $1; }
        location /deny/          { canopy_pass live; deny all; }
    }
}
EOC

# ------------------------------------------------------------------------------------------------- what is written there

# Each of them is a line of its own in some log, if it gets there as it is.
my $forged = '2026/01/01 00:00:00 [crit] 1#1: *1 forged';
my $record = '{"forged":1}';
my @texts = (
    "\n$forged", "\r\n$forged", "\r$forged", "\n$record\n", "x\n\n\n$forged\n", "\0\n$forged", "\x0b$forged", "\x0c$forged", "\x1b[2J\x1b]0;forged\x07", "\x7f\x08\x08forged",
    "\"\n$record", '"}' . "\n" . $record . "\n{\"", '","forged":"1', '\\"forged', '\\', '\\\\"', '"', '|forged|', "\xc2\x85$forged", "\xc2\x9b31mforged", "\xe2\x80\xa8$forged",
    "\xe2\x80\xa9$forged",
    '%0a' . $forged, '\n' . $forged, '\u000a' . $forged, '${canopy_error}', '$request', '%s%n%x', "\t", "\xef\xbf\xbf", "\xf0\x9f\x98\x80",
    "x" x 4096, "\n" x 4096, "x\n" x 2048,
    join('', map { chr } 1 .. 127),
);

sub json_text ($text) { return JSON::PP->new->utf8->allow_nonref->encode(utf8($text)) }
sub utf8 ($text) { utf8::decode(my $copy = $text); return $copy }
sub escaped ($text) { return '"' . join('', map { sprintf ord > 0xffff ? '\\u%04x\\u%04x' : '\\u%04x', ord > 0xffff
    ? (0xd800 + (ord($_) - 0x10000 >> 10), 0xdc00 + (ord($_) - 0x10000 & 0x3ff)) : ord } split //, utf8($text)) . '"' }

# What the upstream says, by the number in the client's X-Request-ID.
my @answers;
my $json = 'Content-Type: application/json';
for my $text (@texts) {
    my $raw = $text =~ s/[\0\r\n]/_/gr;
    push @answers,
        reply(422, '{"detail":[{"type":' . json_text($text) . ',"msg":"m","loc":["a"]}]}', $json),
        reply(503, '{"detail":[{"type":' . escaped($text) . ',"msg":"m","loc":["a"]}]}', $json),
        reply(404, '{"title":' . json_text($text) . ',"code":' . json_text($text) . '}', $json),
        reply(409, '{"type":' . json_text("a-$text-b") . ',"detail":null,"msg":' . json_text($text) . '}', $json),
        (map { reply(204, undef, "$_: $raw") } 'X-Request-ID', 'x-amzn-requestid', 'apigw-requestid', 'CF-Ray'),
        "HTTP/1.1 204 $raw\r\nX-Request-ID: a\r\n\r\n",
        reply(422, $text, 'Content-Type: text/plain'), reply(503, '', "Retry-After: $raw", "Server: $raw", "X-Request-ID: a\"b$raw"),
        $text . reply(204), "HTTP/1.1 $text 204\r\n\r\n", "HTTP/1.1 422 No\r\n$text: x\r\n\r\n", "HTTP/1.1 422 No\r\nTransfer-Encoding: chunked\r\n\r\n$text\r\n";
}
$t->upstream('canopy', handler => sub ($conn, $req, $n) {
    my $i = $req->header('X-Request-ID');
    $conn->print($i =~ /^\d+$/ ? $answers[$i] : reply(204));
    return $i =~ /^\d+$/ ? 'close' : undef;
});
$t->start;

# --------------------------------------------------------------------------------------------------- hostile upstreams

# All answers of the gateway in the order of their requests, which is that of the logs, and what is wrong with their heads.
my (@responses, @faults);

sub ask ($name, %request) {
    my $res = $t->request(%request);
    push @responses, $res if $res->status;
    my $head = $res->headers_raw =~ s/^X-Canopy-Error: [^\0-\x1f\x7f]*\r\n//mr;
    push @faults, map { "$name: $_" } head_faults(bless { %$res, head => $head }, ref $res) if $res->header('Canopy-Outcome');
}

sub authorized (@headers) { return [['Authorization', 'Bearer ' . $t->client_token], @headers] }

ask("answer $_", path => "/live/tasks/$id/cancel", headers => authorized(['X-Request-ID', $_])) for 0 .. $#answers;
is_deeply(\@faults, [], scalar(@answers) . ' hostile answers: no line of an answer\'s head is theirs');
is(scalar @responses, scalar @answers, 'each request is answered');

# ----------------------------------------------------------------------------------------------------- hostile clients

for my $text (@texts) {
    my $name = printable(substr $text, 0, 30);
    my $path = join '', map { sprintf '%%%02x', ord } split //, substr($text, 0, 900) =~ s/\0//gr;
    my $field = $text =~ s/[\0\r\n]/ /gr;
    my @everywhere = map { [$_, $field] } qw(Referer User-Agent Cookie X-Anything X-Forwarded-For);

    ask($name, path => $_, headers => authorized(@everywhere)) for
        "/live/tasks/$path/cancel", "/live/tasks/$id$path/cancel", "/regex/$path/tasks/$id/cancel", "/choice/$path/tasks/$id/cancel",
        "/choice/live$path/tasks/$id/cancel", "/live/$path", "/live/tasks/$id/cancel?$path", "/deny/$path";
    ask($name, path => "/live/tasks/$id/cancel", headers => [['Authorization', "Bearer $field"], @everywhere]);
    ask($name, path => "/live/tasks/$id/cancel", headers => authorized([$_, $field])) for 'X-Request-ID', 'Canopy-Environment';
    ask($name, path => "/live/tasks/$id/cancel", headers => [['Host', $field]]);
    ask($name, path => "/live/tasks/$id/cancel", headers => authorized(@everywhere), method => 'GET');

    # what is no request at all is nginx's own affair, and its lines are lines, too
    ask($name, raw => "PATCH /live/tasks/$text HTTP/1.1\r\nHost: x\r\nReferer: $text\r\n\r\n");
    ask($name, raw => "$text /live/tasks/$id/cancel HTTP/1.1\r\nHost: x\r\n\r\n");
}
is_deeply(\@faults, [], 'no line of an answer\'s head is a client\'s');
ok($t->wait_for(sub { $t->read('json.log') =~ /\n\z/ && @responses <= (() = $t->read('json.log') =~ /\n/g) }), 'all is logged');
$t->stop;

# -------------------------------------------------------------------------------------------------------------- the logs

# Each line in turn with its answer: what nginx logs without an answer, or answers without a head, is no gateway's.
my @json = map { eval { JSON::PP->new->utf8->decode($_) } // "no JSON: $_" } split /\n/, $t->read('json.log');
my @keys = sort $readme =~ /"(\w+)":/g;
my @bare = split /\n/, $t->read('bare.log'), -1;
my @quoted = split /\n/, $t->read('quoted.log'), -1;

is_deeply([grep { !ref } @json], [], scalar(@json) . ' lines of the README\'s format are JSON');
is_deeply([grep { ref && join(' ', sort keys %$_) ne "@keys" } @json], [], 'with its keys and no others');
is(pop @bare, '', 'a log ends with a line\'s end');
is(pop @quoted, '', 'and so does another');
is_deeply([scalar @bare, scalar @quoted], [scalar @json, scalar @json], 'all logs have the same number of lines');
is_deeply([grep { !/^begin\|(?:live)?\|(?:[0-9a-f-]{36})?\|[a-z-]*\|[^\0-\x1f\x7f]*\|\|[\d]*\|[A-Za-z0-9+.\/:=_-]*\|\|[A-Za-z0-9._:-]*\|[\d, :-]*\|\d{3}\|end\z/ } @bare], [],
          'without escapes each line is one, from its beginning to its end');
is_deeply([grep { !/^(?:"[^"\0-\x1f\x7f]*" ?){9}\z/ } @quoted], [], 'with nginx\'s escapes each field is one');

my @answered = grep { length $_->header('Canopy-Outcome') } @responses;
my @logged = grep { ref && length $_->{outcome} } @json;
is(scalar @logged, scalar @answered, 'a line for each of the gateway\'s answers') or BAIL_OUT('lines and answers do not match');
my @wrong;
for my $i (0 .. $#logged) {
    my ($line, $res) = ($logged[$i], $answered[$i]);
    my $type = length $res->body ? $res->json->{detail}[0]{type} =~ s/[\0-\x1f\x7f]/ /gr =~ s/[\x{80}-\x{9f}]/  /gr : '';
    my %wanted = (status => $res->status, outcome => $res->header('Canopy-Outcome'), request_id => $res->header('X-Request-ID'),
                  environment => $res->header('Canopy-Environment'), error => $type, client => '127.0.0.1');
    push @wrong, map { "line $i, $_: $line->{$_}" } grep { $line->{$_} ne $wanted{$_} } sort keys %wanted;
    push @wrong, "line $i, task: $line->{task}" if $line->{task} !~ /^(?:\Q$id\E)?\z/;
}
is_deeply(\@wrong, [], 'and it tells of that answer');

# nginx begins each line, and it is not the process that is spoken of above.
my @info = split /\n/, $t->read('info.log');
my $begins = qr{^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(?:emerg|alert|crit|error|warn|notice|info)\] (?!1#)\d+#\d+: };
cmp_ok(scalar @info, '>', @texts * 10, 'the error log has many lines');
is_deeply([grep { !/$begins/ } @info], [], 'each of which is nginx\'s');
my @own = map { s/$begins//r =~ s/^\*\d+ //r =~ s/, client: .*//sr } grep { /client sent|canopy|upstream (?:sent|prem|answ)/ } @info;
cmp_ok(scalar @own, '>', @texts * 5, 'the module has its part in it');
is_deeply([grep { /forged|[^ -~]/ } grep { !/^client sent (?:invalid|too long|plain)/ || /task id/ } @own], [], 'and quotes nobody');

$t->done;
