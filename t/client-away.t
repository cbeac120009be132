# A client that goes away does not cut the exchange: it is finished, never sent again for it, and logged with its true outcome.

use v5.36;

use Canopy::Client;
use Canopy::HTTP2;
use Canopy::Test;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $path = "/live/tasks/$id/cancel";

$t->plant("client-away-credential-$_") for 1 .. 3;
$t->secret('token', 'client-away-credential-1');

my $conf = <<'EOC';
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment live {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        keepalive_timeout 60s;
    }
    canopy_environment hasty {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        read_timeout      1s;
        keepalive         0;
    }
    map $http_x_request_id $environment {
        default           live;
        ~^stalled         hasty;
    }
    log_format ends '$http_x_request_id $status $canopy_outcome [$canopy_error] $upstream_status';
    server {
        listen 127.0.0.1:%%PORT_http%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        access_log %%DIR%%/ends.log ends;
        location /live/ { canopy_pass $environment; }
    }
}
EOC
$t->conf($conf);

# X-Request-ID is "CASE-NUMBER". The upstream says that it has the request, and goes on when the client is gone.
my %script = (
    accepted => sub ($conn, $req) { reply(204) },
    rejected => sub ($conn, $req) { reply(422, '{"detail":"because"}', 'Content-Type: application/json') },
    failed   => sub ($conn, $req) { reply(503) },
    closed   => sub ($conn, $req) { $conn->print('HTTP/1.1 2'); 'close' },
    garbage  => sub ($conn, $req) { "what?\r\n\r\n" },
    stalled  => sub ($conn, $req) { $conn->wait_closed; 'close' },
    parts    => sub ($conn, $req) {
        $conn->print("HTTP/1.1 422 No\r\nContent-Type: text/plain\r\n");
        $conn->sleep(0.1);
        $conn->print("Content-Length: 7\r\n\r\nbec");
        $conn->sleep(0.1);
        return 'ause';
    },
    # a kept connection, found closed; the second copy is accepted
    repeated => sub ($conn, $req) { $req->{req_no} > 1 ? 'close' : reply(204) },
    # refused; the second copy has another credential
    renewed  => sub ($conn, $req) {
        my $next = $req->header('Authorization') =~ /1$/ ? 2 : 1;
        return reply(204) if -e $t->path('renewed');
        $t->secret('token', "client-away-credential-$next");
        $t->write('renewed', '');
        return reply(401);
    },
);
my %log = (
    accepted => '204 accepted [] 204', rejected => '422 rejected [value_error] 422', failed => '503 unknown [upstream_error] 503',
    closed => '502 unknown [connection_terminated] 502', garbage => '502 unknown [http_protocol_error] 502',
    stalled => '504 unknown [http_response_timeout] 504', parts => '422 rejected [value_error] 422',
    repeated => '204 accepted [] 502, 204', renewed => '204 accepted [] 401, 204',
);

$t->upstream('canopy', handler => sub ($conn, $req, $n) {
    my $case = $req->header('X-Request-ID');
    if ($case =~ /^(\w+)-/ && !-e $t->path("$case.here")) {
        $t->write("$case.here", '');
        $t->wait_for(sub { -e $t->path("$case.gone") }) or die "the client stays\n";
        $conn->sleep(0.05);
    }
    return $case eq 'prime' ? reply(204) : $script{$case =~ s/-.*//r}->($conn, $req);
});
$t->start;

my @headers = (['Authorization', 'Bearer ' . $t->client_token]);
sub text ($case) {
    return Canopy::Client::request_text(path => $path, keep => 1, headers => [@headers, ['X-Request-ID', $case]]);
}

# ------------------------------------------------------------------------------------------------------------- HTTP/2

sub h2_request ($case, $end_stream) {
    return preface() . headers(1, $end_stream ? END_STREAM : 0, [
        [':method', 'PATCH'], [':scheme', 'http'], [':path', $path], [':authority', 'x'],
        ['authorization', $headers[0][1]], ['x-request-id', $case]]);
}

sub h2_status ($socket) { return { stream_answers($socket, 1) }->{1} }

# ---------------------------------------------------------------------------------------------------- ways of going away

my %away = (
    'closes'          => ['http', sub ($socket) { close $socket }],
    'resets'          => ['http', sub ($socket) { setsockopt $socket, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0; close $socket }],
    'speaks on'       => ['http', sub ($socket) { syswrite $socket, "what\r\n\r\n"; close $socket }],
    'resets a stream' => ['h2', sub ($socket) { syswrite $socket, frame(RST_STREAM, 0, 1, pack 'N', 8) }],
    'leaves HTTP/2'   => ['h2', sub ($socket) { close $socket }],
);

my $no = 0;
my %expected;
for my $way (sort keys %away) {
    my ($port, $leave) = $away{$way}->@*;
    for my $case (sort keys %script) {
        next if $case eq 'stalled' && $way !~ /^(?:closes|resets a stream)$/;      # takes its time
        my $request = "$case-" . ++$no;
        $expected{$request} = [$case, $way];
        unlink $t->path('renewed');
        is($t->request(raw => text('prime'), keep => 1)->status, 204, 'a kept connection') if $case =~ /repeated|renewed/;

        my $socket = $t->connect(port => $port);
        syswrite $socket, $port eq 'h2' ? h2_request($request, 1) : text($request);
        ok($t->wait_for(sub { -e $t->path("$request.here") }), "$case: the upstream has the request");
        $leave->($socket);
        $t->write("$request.gone", '');

        # one after the other: what one of them keeps must not be another one's
        my $line;
        ok($t->wait_for(sub { ($line) = $t->read('ends.log') =~ /^\Q$request\E (.*)$/m }), "$case: the exchange is finished");
        is($line, $log{$case}, "$case: its true outcome is logged though the client $way");
    }
}

my %copies;
$copies{$_->header('X-Request-ID')}++ for $t->received('canopy');
for my $request (sort keys %expected) {
    my ($case, $way) = $expected{$request}->@*;
    is($copies{$request}, $case =~ /repeated|renewed/ ? 2 : 1, "$case: no other copies though the client $way");
}

# -------------------------------------------------------------------------------------------------------- still there

for my $round (1, 2) {
    my $request = "accepted-half$round";
    my $socket = $t->connect;
    syswrite $socket, text($request);
    ok($t->wait_for(sub { -e $t->path("$request.here") }), "the upstream has the request ($round)");
    shutdown $socket, 1;
    $t->write("$request.gone", '');
    is($t->response($socket)->status, 204, "a client that closes its half has its answer ($round)");

    $socket = $t->connect(port => 'h2');
    syswrite $socket, h2_request("prime", 1);
    is(h2_status($socket), '204', "a client with HTTP/2 has its answer ($round)");
}

# A body of HTTP/2 that is cut off is no request; without a length the end of the stream is its end.
my $before = $t->received('canopy');
for my $round (1, 2) {
    for my $end (frame(RST_STREAM, 0, 1, pack 'N', 8), '') {
        my $socket = $t->connect(port => 'h2');
        syswrite $socket, h2_request("cut", 0) . frame(DATA, 0, 1, 'abc') . $end;
        select undef, undef, undef, 0.1;
        close $socket;
    }
}
ok($t->wait_for(sub { 4 == (() = $t->read('ends.log') =~ /^cut /mg) }), 'four requests are cut off');
is(scalar $t->received('canopy'), $before, 'nothing was sent');
unlike($t->read('ends.log'), qr/^cut \d+ (?!denied|not-sent)/m, 'and so says the log');
for my $round (1, 2) {
    my $socket = $t->connect(port => 'h2');
    syswrite $socket, h2_request("prime", 0) . frame(DATA, 0, 1, 'abc');
    select undef, undef, undef, 0.1;
    is(scalar $t->received('canopy'), $before, "a body of HTTP/2 is on its way: nothing is sent yet ($round)");
    syswrite $socket, frame(DATA, END_STREAM, 1, 'def');
    is(h2_status($socket), '204', "its end has come ($round)");
    is(scalar $t->received('canopy'), ++$before, "it is sent ($round)");
}

# A reload while the upstream thinks: the old worker finishes what it began.
for my $round (1, 2) {
    my $request = "accepted-reload$round";
    my $socket = $t->connect;
    syswrite $socket, text($request);
    ok($t->wait_for(sub { -e $t->path("$request.here") }), "the upstream has the request ($round)");
    $t->reload;
    $t->write("$request.gone", '');
    is($t->response($socket)->header('Canopy-Outcome'), 'accepted', "answered in spite of a reload ($round)");
}

$t->done;
