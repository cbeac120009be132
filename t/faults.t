# Faults at every point of an exchange: what the client is told is true, whatever the upstream or the network does.

use v5.36;

use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Test::More;
use Time::HiRes qw(time);

use Canopy::Client;
use Canopy::Test;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

$t->secret('token', 'faults-upstream-credential');

my $conf = <<'EOC';
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment steady {
        server            http://127.0.0.1:%%PORT_steady%%/tasking;
        bearer_token_file %%DIR%%/token;
        keepalive_timeout 60s;
    }
    canopy_environment single {
        server            http://127.0.0.1:%%PORT_steady%%/tasking;
        bearer_token_file %%DIR%%/token;
        keepalive         0;
    }
    canopy_environment hasty {
        server            http://127.0.0.1:%%PORT_steady%%/tasking;
        bearer_token_file %%DIR%%/token;
        connect_timeout   3s;
        read_timeout      3s;
        keepalive_timeout 60s;
    }
    canopy_environment patient {
        server            http://127.0.0.1:%%PORT_steady%%/tasking;
        bearer_token_file %%DIR%%/token;
        read_timeout      6s;
    }
    canopy_environment hurried {
        server            http://127.0.0.1:%%PORT_steady%%/tasking;
        bearer_token_file %%DIR%%/token;
        exchange_timeout  3s;
        keepalive_timeout 60s;
    }
    canopy_environment closed {
        server            http://127.0.0.1:%%PORT_closed%%/tasking;
        bearer_token_file %%DIR%%/token;
    }
    canopy_environment gone {
        server            http://unix:%%DIR%%/gone.sock:/tasking;
        bearer_token_file %%DIR%%/token;
    }
    canopy_environment full {
        server            http://127.0.0.1:%%PORT_full%%/tasking;
        bearer_token_file %%DIR%%/token;
        connect_timeout   300ms;
    }
    canopy_environment full_hurried {
        server            http://127.0.0.1:%%PORT_full%%/tasking;
        bearer_token_file %%DIR%%/token;
        exchange_timeout  300ms;
    }
    canopy_environment hooked {
        server            http://127.0.0.1:%%PORT_hooked%%/tasking;
        bearer_token_file %%DIR%%/token;
        read_timeout      3s;
    }
    log_format times '$http_x_request_id $request_time';
    server {
        listen 127.0.0.1:%%PORT_http%%;
        access_log %%DIR%%/times.log times;
        location ~ ^/(?<environment>\w+)/ { canopy_pass $environment; }
    }
}
EOC

# What the scripted upstream does stands in the request's X-Request-ID, the name of a case below.

my $unknown = '502 connection_terminated unknown "ngx_canopy; error=connection_terminated"';
my $malformed = '502 http_protocol_error unknown "ngx_canopy; error=http_protocol_error"';
my $timed_out = '504 http_response_timeout unknown "ngx_canopy; error=http_response_timeout"';
my $accepted = '204  accepted ""';
my $rejected = '422 value_error rejected "ngx_canopy; received-status=422"';
my $failed = '503 upstream_error unknown "ngx_canopy; received-status=503"';

my $detail = '{"detail":"because"}';
my $json = 'Content-Type: application/json';
my $refusal = reply(422, $detail, $json);
my $head = "HTTP/1.1 422 No\r\n$json\r\n";
my $chunked = "${head}Transfer-Encoding: chunked\r\n\r\n";

sub says ($bytes) { return sub ($conn) { $conn->print($bytes); return 'close' } }
sub resets ($bytes) { return sub ($conn) { $conn->print($bytes); $conn->reset; return } }
sub stalls ($bytes) { return sub ($conn) { $conn->print($bytes); $conn->wait_closed(20); return 'close' } }

sub trickles ($bytes) {
    return sub ($conn) {
        setsockopt $conn->{socket}, IPPROTO_TCP, TCP_NODELAY, 1;
        for my $byte (split //, $bytes) {
            $conn->print($byte);
            $conn->sleep(0.001);
        }
        return 'close';
    };
}

my @cases = (
    # closed or reset at each point
    ['closed-at-once',           says(''), $unknown],
    ['reset-at-once',            resets(''), $unknown],
    ['closed-in-version',        says('HTTP/1.'), $unknown],
    ['closed-in-status',         says('HTTP/1.1 20'), $unknown],
    ['reset-in-status',          resets('HTTP/1.1 20'), $unknown],
    ['closed-after-204',         says('HTTP/1.1 204'), $unknown],
    ['closed-after-status-line', says("HTTP/1.1 204 No Content\r\n"), $unknown],
    ['closed-in-name',           says("HTTP/1.1 204 No Content\r\nServ"), $unknown],
    ['closed-in-value',          says("HTTP/1.1 204 No Content\r\nServer: x"), $unknown],
    ['closed-before-empty-line', says("HTTP/1.1 204 No Content\r\nServer: x\r\n"), $unknown],
    ['closed-in-empty-line',     says("HTTP/1.1 204 No Content\r\nServer: x\r\n\r"), $unknown],
    ['reset-before-empty-line',  resets("HTTP/1.1 204 No Content\r\nServer: x\r\n"), $unknown],
    ['closed-after-100',         says("HTTP/1.1 100 Continue\r\n\r\n"), $unknown],
    ['closed-after-103',         says("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"), $unknown],
    ['closed-in-second-head',    says("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No"), $unknown],
    ['reset-after-204',          resets("HTTP/1.1 204 No Content\r\n\r\n"), $accepted],
    ['reset-after-422',          resets($refusal), $rejected],
    ['closed-before-body',       says("${head}Content-Length: 20\r\n\r\n"), $rejected, qr/cut off/],
    ['closed-in-body',           says("${head}Content-Length: 20\r\n\r\n{\"detail\""), $rejected, qr/cut off/],
    ['reset-in-body',            resets("${head}Content-Length: 20\r\n\r\n{\"detail\""), $rejected, qr/cut off/],
    ['closed-before-chunks',     says($chunked), $rejected, qr/cut off/],
    ['closed-in-size',           says("${chunked}1"), $rejected, qr/cut off/],
    ['closed-in-chunk',          says("${chunked}14\r\n{\"de"), $rejected, qr/cut off/],
    ['closed-before-last-chunk', says("${chunked}14\r\n$detail\r\n"), $rejected, qr/cut off/],
    ['closed-in-last-chunk',     says("${chunked}14\r\n$detail\r\n0\r\n"), $rejected, qr/cut off/],
    ['closed-in-body-of-200',    says("HTTP/1.1 200 OK\r\n$json\r\nContent-Length: 9\r\n\r\n{"), $accepted],
    ['closed-before-body-of-200', says("HTTP/1.1 200 OK\r\n$json\r\nContent-Length: 9\r\n\r\n"), $accepted],
    ['closed-before-text-of-200', says("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n"),
        '502 http_protocol_error unknown "ngx_canopy; error=http_protocol_error; received-status=200"'],
    ['closed-in-body-of-503',    says("HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\n{"), $failed, qr/cut off/],

    # garbage in the place of a head
    ['tls',                 says("\x15\x03\x01\x00\x02\x02\x46"), $malformed],
    ['smtp',                says("220 mail.example ESMTP\r\n"), $malformed],
    ['html',                says("<html>204</html>"), $malformed],
    ['line-first',          says("\r\nHTTP/1.1 204 No Content\r\n\r\n"), $malformed],
    ['http2',               says("HTTP/2 204\r\n\r\n"), $malformed],
    ['http2-frame',         says("\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64"), $malformed],
    ['http0.9',             says("HTTP/0.9 204 No Content\r\n\r\n"), $malformed],
    ['lower-case',          says("http/1.1 204 No Content\r\n\r\n"), $malformed],
    ['status-2o4',          says("HTTP/1.1 2o4 No Content\r\n\r\n"), $malformed],
    ['status-20',           says("HTTP/1.1 20 No Content\r\n\r\n"), $malformed],
    ['status-2040',         says("HTTP/1.1 2040 No Content\r\n\r\n"), $malformed],
    ['status--204',         says("HTTP/1.1 -204 No Content\r\n\r\n"), $malformed],
    ['status-none',         says("HTTP/1.1  204 No Content\r\n\r\n"), $malformed],
    ['no-colon',            says("HTTP/1.1 204 No Content\r\nServer\r\n\r\n"), $malformed],
    ['no-name',             says("HTTP/1.1 204 No Content\r\n: x\r\n\r\n"), $malformed],
    ['space-in-name',       says("HTTP/1.1 204 No Content\r\nContent-Length : 0\r\n\r\n"), $malformed],
    ['folded',              says("HTTP/1.1 204 No Content\r\nServer: a\r\n b\r\n\r\n"), $malformed],
    ['nul',                 says("HTTP/1.1 204 No Content\r\nServer: a\0b\r\n\r\n"), $malformed],
    ['cr',                  says("HTTP/1.1 204 No Content\r\nServer: a\rb\r\n\r\n"), $malformed],
    ['overlong-line',       says("HTTP/1.1 204 No Content\r\nServer: " . 'x' x 70_000), $malformed],
    ['overlong-head',       says("HTTP/1.1 204 No Content\r\n" . "Server: xxxxxxxxxxx\r\n" x 4000 . "\r\n"), $malformed],
    ['overlong-reason',     says('HTTP/1.1 204 ' . 'x' x 70_000), $malformed],
    ['endless-100',         says("HTTP/1.1 100 Continue\r\n\r\n" x 4000), $malformed],
    ['101',                 says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"),
        '502 http_protocol_error unknown "ngx_canopy; error=http_protocol_error; received-status=101"'],
    ['099',                 says("HTTP/1.1 099 What\r\n\r\n"), $malformed],
    ['600',                 says("HTTP/1.1 600 What\r\nContent-Length: 0\r\n\r\n"),
        '502 http_protocol_error unknown "ngx_canopy; error=http_protocol_error; received-status=600"'],

    # contradictions
    ['length-and-chunked',  says("${head}Content-Length: 20\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), $malformed],
    ['chunked-and-length',  says("${head}Transfer-Encoding: chunked\r\nContent-Length: 20\r\n\r\n0\r\n\r\n"), $malformed],
    ['204-both',            says("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"), $malformed],
    ['two-lengths',         says("${head}Content-Length: 20\r\nContent-Length: 21\r\n\r\n$detail"), $malformed],
    ['two-equal-lengths',   says("${head}Content-Length: 20\r\nContent-Length: 20\r\n\r\n$detail"), $rejected, qr/^because$/],
    (map { ["length-$_->[0]", says("${head}Content-Length: $_->[1]\r\n\r\n$detail"), $malformed] }
        ['empty', ''], ['word', 'twenty'], ['plus', '+20'], ['minus', '-20'], ['hex', '0x14'], ['real', '20.0'],
        ['list', '20, 20'], ['space', '2 0'], ['huge', '9' x 30], ['over', '18446744073709551636'], ['long', '0' x 300 . '20']),
    ['length-of-204',       says("HTTP/1.1 204 No Content\r\nContent-Length: x\r\n\r\n"), $malformed],
    ['length-of-100',       says("HTTP/1.1 100 Go\r\nContent-Length: x\r\n\r\n$refusal"), $rejected, qr/^because$/],
    (map { ["chunk-$_->[0]", says("$chunked$_->[1]\r\n$detail\r\n0\r\n\r\n"), $rejected, qr/cut off/] }
        ['word', 'size'], ['empty', ''], ['minus', '-14'], ['plus', '+14'], ['0x', '0x14'], ['huge', 'f' x 40], ['short', '13']),
    ['chunk-long',          says("${chunked}16\r\n$detail\r\n0\r\n\r\n"), $rejected, qr/cut off/],
    ['coding-unknown',      says("${head}Transfer-Encoding: gzip\r\n\r\n$detail"), $rejected, qr/cut off/],
    ['coding-twice',        says("${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), $rejected, qr/cut off/],

    # odd, and fine
    ['byte-by-byte',        trickles($refusal), $rejected, qr/^because$/],
    ['chunks-byte-by-byte', trickles("${chunked}5\r\n{\"det\r\nf;x=\"y\"\r\nail\":\"because\"}\r\n0\r\nX: y\r\n\r\n"), $rejected, qr/^because$/],
    ['204-byte-by-byte',    trickles("HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n"), $accepted],
    ['no-reason',           says("HTTP/1.1 204\r\n\r\n"), $accepted],
    ['lf-only',             says("HTTP/1.1 204 No Content\nServer: x\n\n"), $accepted],
    ['http1.0',             says("HTTP/1.0 422 No\r\n$json\r\n\r\n$detail"), $rejected, qr/^because$/],
    ['close-delimited',     says("$head\r\n$detail"), $rejected, qr/^because$/],
    ['100-then-204',        says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"), $accepted],
    ['100-103-then-422',    says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 3\r\n\r\n$refusal"), $rejected, qr/^because$/],
    ['big-head',            says("HTTP/1.1 204 No Content\r\n" . "Server: xxxxxxxxxxx\r\n" x 3000 . "\r\n"), $accepted],
    ['bytes-after-204',     says("HTTP/1.1 204 No Content\r\n\r\nmore"), $accepted],
    ['204-with-body',       says("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nmore"), $accepted],
    ['two-answers',         says($refusal . reply(204)), $rejected, qr/^because$/],
    ['1xx-after',           says("${refusal}HTTP/1.1 100 Continue\r\n\r\n"), $rejected, qr/^because$/],
);

# stalled at each point; the body's time is fixed, or ends with that of the exchange
my @stalls = (
    ['stalled-at-once',        'hasty',   '', $timed_out],
    ['stalled-in-status',      'hasty',   'HTTP/1.1 204', $timed_out],
    ['stalled-in-head',        'hasty',   "HTTP/1.1 204 No Content\r\nServer: x\r\n", $timed_out],
    ['stalled-after-100',      'hasty',   "HTTP/1.1 100 Continue\r\n\r\n", $timed_out],
    ['hurried-at-once',        'hurried', '', $timed_out],
    ['hurried-in-head',        'hurried', "HTTP/1.1 204 No Content\r\n", $timed_out],
    ['hurried-in-body',        'hurried', "${head}Content-Length: 20\r\n\r\n{\"detail\"", $rejected, qr/cut off/],
    ['hurried-in-body-of-200', 'hurried', "HTTP/1.1 200 OK\r\n$json\r\nContent-Length: 20\r\n\r\n{\"detail\"", $accepted],
    ['body-stalled',           'hasty',   "${head}Content-Length: 20\r\n\r\n{\"detail\"", $rejected, qr/cut off/],
    ['body-missing',           'hasty',   "${head}Content-Length: 20\r\n\r\n", $rejected, qr/cut off/],
    ['body-endless',           'hasty',   "$head\r\n$detail", $rejected, qr/cut off/],
    ['slow-body',              'hasty',   undef, $rejected, qr/cut off/],
    ['slow-head',              'patient', undef, $accepted],
    ['chunk-missing',          'hasty',   "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n", $failed, qr/cut off/],
);

my %script = map { $_->[0] => $_->[1] } @cases;
$script{$_->[0]} = stalls($_->[2]) for grep { defined $_->[2] } @stalls;
$script{'slow-body'} = sub ($conn) {
    $conn->print("${head}Content-Length: 20\r\n\r\n");
    for my $byte (split //, $detail) {
        last if !$conn->print($byte);
        $conn->sleep(1.2);
    }
    return 'close';
};
$script{'slow-head'} = sub ($conn) {
    for my $part (split /(?<=\n)/, "HTTP/1.1 204 No Content\r\nA: b\r\nC: d\r\n\r\n") {
        $conn->print($part);
        $conn->sleep(2.2);
    }
    return;
};

$t->upstream('steady', handler => sub {
    my ($conn, $req) = @_;
    my $case = $req->header('X-Request-ID');
    return $case =~ /^prime-/ ? reply(204) : $script{$case}->($conn);
});

# In front of a request: its first byte is waited for, so that the connection is made when the fault comes.
my %hook = (
    reset => sub ($conn, $no) { IO::Select->new($conn->{socket})->can_read(30); $conn->reset; return 'close' },
    half  => sub ($conn, $no) { $conn->half_close; return },
    early => sub ($conn, $no) { $conn->print(reply(503)); return 'close' },
    early_open => sub ($conn, $no) { $conn->print(reply(503)); $conn->wait_closed; return 'close' },
    banner => sub ($conn, $no) { $conn->print("220 hello\r\n"); $conn->wait_closed; return 'close' },
);

# a listener whose queue is full
my $full = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $t->port('full'), Listen => 1) or die "listen: $!";
my @queued = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $t->port('full'), Blocking => 0) } 1 .. 8;

$t->conf($conf);
$t->start;

# ------------------------------------------------------------------------------------------------------- what is seen

# status, type, outcome and "Proxy-Status" of an answer
sub facts ($res) {
    my $type = length $res->body ? $res->json->{detail}[0]{type} : '';
    return $res->status . " $type " . $res->header('Canopy-Outcome') . ' "' . $res->header('Proxy-Status') . '"';
}

sub cancel ($environment, $case) {
    return $t->cancel($id, prefix => "/$environment", headers => [['X-Request-ID', $case]]);
}

# all that was received, by case
sub copies () {
    my %copies;
    push $copies{$_->header('X-Request-ID')}->@*, $_ for $t->received('steady');
    return %copies;
}

sub is_answer ($res, $facts, $msg, $name) {
    is(facts($res), $facts, $name);
    return if $res->status == 204;
    my @faults = Canopy::Client::schema_faults($res);
    push @faults, 'the message is ' . $res->json->{detail}[0]{msg}
        if $msg && $res->json->{detail}[0]{msg} !~ $msg;
    push @faults, 'the message does not tell of the uncertainty'
        if $facts =~ /^\S+ (?!upstream_error)\S+ unknown/ && $res->json->{detail}[0]{msg} !~ /unknown.*status/;
    is_deeply(\@faults, [], "$name: its body");
}

# -------------------------------------------------------------------------------------------------------- stalls begin

# All at once and first, since they take their time; the answers are read at the end.
my @waiting = map { my $case = $_; map { [$case, begin($case->[1], $case->[0])] } 1, 2 } @stalls;

sub begin ($environment, $case) {
    my $socket = $t->connect;
    $socket->syswrite(Canopy::Client::request_text(
        path => "/$environment/tasks/$id/cancel",
        headers => [['Authorization', 'Bearer ' . $t->client_token], ['X-Request-ID', $case]]));
    return $socket;
}

# ----------------------------------------------------------------------------------------------------- not connected

for my $round (1, 2) {
    my $refused = '502 connection_refused not-sent "ngx_canopy; error=connection_refused"';
    my $late = '504 connection_timeout not-sent "ngx_canopy; error=connection_timeout"';
    is_answer(cancel('closed', 'a'), $refused, qr/connect/, "nobody listens ($round)");
    is_answer(cancel('gone', 'a'), $refused, qr/connect/, "no socket there ($round)");
    is_answer(cancel('full', 'a'), $late, qr/in time/, "the listener's queue is full ($round)");
    is_answer(cancel('full_hurried', 'a'), $late, qr/in time/, "and exchange_timeout is the shorter one ($round)");
}
@queued = ();
my $got = '';
while (IO::Select->new($full)->can_read(0.2)) {
    my $queued = $full->accept;
    $queued->blocking(0);
    sysread $queued, $got, 1000, length $got;
}
is($got, '', 'nothing had been sent there');

# ------------------------------------------------------------------------------------------------------ before a request

for my $round (1, 2) {
    for my $case (['reset', $unknown], ['half', $unknown], ['early', $failed], ['early_open', $failed],
                  ['banner', $malformed]) {
        $t->upstream('hooked', hook => $hook{$case->[0]});
        is_answer(cancel('hooked', 'a'), $case->[1], undef, "fault before the request: $case->[0] ($round)");
        $t->stop_upstream('hooked');
    }
}

# -------------------------------------------------------------------- at each point, on a new and on a kept connection

for my $case (@cases) {
    my ($name, undef, $facts, $msg) = @$case;
    is_answer(cancel('single', $name), $facts, $msg, "$name, on a new connection");
    is(facts(cancel('steady', "prime-$name")), $accepted, "$name: a connection to be kept");
    is_answer(cancel('steady', $name), $facts, $msg, "$name, on a kept connection");
}

my %copies = copies();
for my $name (map { $_->[0] } @cases) {
    my ($prime) = $copies{"prime-$name"}->@*;
    my ($new, $kept, @again) = $copies{$name}->@*;
    is($new->{req_no}, 1, "$name: received on a new connection");
    is("$kept->{conn_no} $kept->{req_no}", "$prime->{conn_no} " . ($prime->{req_no} + 1), "$name: and on the kept one");
    is_deeply([map { $_->{req_no} } @again], $name =~ /^(?:closed|reset)-at-once$/ ? [1] : [],
              "$name: and again only if the kept one was found closed");
}

# ---------------------------------------------------------------------------------------------------------- stalls end

for my $waiting (@waiting) {
    my ($case, $socket) = @$waiting;
    my ($name, undef, undef, $facts, $msg) = @$case;
    is_answer($t->response($socket, keep => 0), $facts, $msg, $name);
}

my $timed = qr/^(?:body-|chunk-missing|slow-body).*\n/m;
$t->wait_for(sub { 10 == (() = $t->read('times.log') =~ /$timed/g) });
for my $line (grep { /^(?:body-|chunk-missing|slow-body)/ } split /\n/, $t->read('times.log')) {
    my ($case, $seconds) = split / /, $line;
    ok($seconds > 4.9 && $seconds < 15, "$case: a body has 5 seconds, however it trickles") || diag($line);
}

# A kept connection that stalls is not found closed: no second copy.
is(facts(cancel('hasty', 'prime-stall')), $accepted, 'a connection to be kept');
is_answer(cancel('hasty', 'stalled-at-once'), $timed_out, undef, 'stalled on a kept connection');

%copies = copies();
is(scalar $copies{$_}->@*, $_ eq 'stalled-at-once' ? 3 : 2, "$_: each was sent once") for map { $_->[0] } @stalls;
cmp_ok($copies{'stalled-at-once'}[2]{req_no}, '>', 1, 'the last one on a kept connection');

$t->done;
