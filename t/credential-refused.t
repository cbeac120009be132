# The upstream answers 401: the file is read again, a different credential is tried once, and the operator is told once.

use v5.36;

use Canopy::Process qw(alive children);
use Canopy::Test;
use Test::More;
use Time::HiRes qw(time);

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

# credentials of one length: a file's size does not tell them apart
my %token = map { $_ => "upstream-credential-$_" } 'A' .. 'Z';
$t->plant($_) for values %token;
my $expired = $t->client_token(sub => 'expired-credential', exp => time - 10);
my $malformed = "upstream-credential-A\nupstream-credential-B";

$t->secret('token', $token{A});

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment live {
        server            http://unix:%%DIR%%/canopy.sock:/tasking;
        bearer_token_file %%DIR%%/token;
        read_timeout      25s;
        exchange_timeout  5s;
        keepalive_timeout 60s;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/ { canopy_pass live; }
    }
}
EOC

# What the upstream does stands in the request's X-Request-ID behind a number, one word for each copy that comes: a status, or what else
# happens; "B_401" puts B's credential into the file first, "b_401" does so in place.

my %script = (
    close => sub ($conn) { 'close' },
    reset => sub ($conn) { $conn->reset; return },
    stall => sub ($conn) { $conn->wait_closed; 'close' },
    gone  => sub ($conn) { kill 'KILL', getppid; $conn->sleep(5); 'close' },
    # 401, and then nobody can be connected to
    last  => sub ($conn) { unlink $t->path('canopy.sock'); reply(401) },
    cut   => sub ($conn) { $conn->print("HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nno"); 'close' },
);

sub put ($what) {
    my $file = $t->path('token');
    return unlink $file if $what eq 'none';
    return $t->secret('token', $token{$what}) if $token{$what};
    return $t->secret('token', $expired) if $what eq 'expired';

    # in place: the same inode, and the same size
    open my $fh, '+<', $file or die "$file: $!";
    truncate $fh, 0 if $what eq 'empty' || $what eq 'malformed';
    print $fh $what eq 'malformed' ? "$malformed\n" : $what eq 'empty' ? '' : $token{uc $what} . "\n";
}

my $handler = sub ($conn, $req, $n) {
    my ($no, @words) = split /[-.]/, $req->header('X-Request-ID');
    $t->append("copies-$no", '.');
    my $copy = -s $t->path("copies-$no");
    my ($put, $word) = ($words[$copy - 1] // '') =~ /^(?:([^_]+)_)?(\w+)$/ or die "copy $copy of @words\n";
    put($put) if $put;
    return $script{$word} ? $script{$word}->($conn)
         : $word eq '204'  ? reply(204)
         : reply($word, '{"detail":"because of ' . $req->header('Authorization') . '"}', 'Content-Type: application/json');
};
$t->upstream('canopy', unix => $t->path('canopy.sock'), handler => $handler);
$t->start;

sub restart () {
    my @connections = children($t->{upstreams}{canopy}{pid});
    $t->stop_upstream('canopy');
    $t->wait_for(sub { !grep { alive($_) } @connections }) or die "connections live on\n";
    $t->upstream('canopy', unix => $t->path('canopy.sock'), handler => $handler);
}

sub facts ($res) {
    my $type = length $res->body ? $res->json->{detail}[0]{type} : '';
    return $res->status . " $type " . $res->header('Canopy-Outcome') . ' "' . $res->header('Proxy-Status') . '"';
}

# A cancel with such a script, and the credentials of its copies, "A" or "A, B".
my $no = 0;
my ($copies, $seen);
sub cancel ($script) {
    my $case = ++$no . "-$script";
    my $res = $t->cancel($id, prefix => '/live', headers => [['X-Request-ID', $case]]);
    my @received = grep { $_->header('X-Request-ID') eq $case } $t->received('canopy');
    $copies = join ', ', map { $_->header('Authorization') =~ s/^Bearer upstream-credential-//r } @received;
    return $res;
}

# How often the log has said so since the last call.
my %told;
sub told ($pattern) {
    my $times = () = $t->log =~ /\[crit\] [^\n]*$pattern/g;
    my $new = $times - ($told{$pattern} // 0);
    $told{$pattern} = $times;
    return $new;
}

sub is_cancel ($script, $facts, $credentials, $name) {
    my $res = cancel($script);
    is(facts($res), $facts, $name);
    is($copies, $credentials, "$name: the copies");
    $t->ensures_schema($res, "$name: the body") if $res->status != 204;
    return $res;
}

my $accepted = '204  accepted ""';
my $rejected = '502 credential_rejected rejected "ngx_canopy; received-status=401"';
my $unknown = '502 connection_terminated unknown "ngx_canopy; error=connection_terminated"';
my $refused = qr/refused the credential of environment "live"/;

# -------------------------------------------------------------------------------------------------- the same credential

my $res = is_cancel('401', $rejected, 'A', 'refused');
unlike($res->body, qr/because/, 'nothing of the upstream\'s body');
is($res->header('WWW-Authenticate'), '', 'no challenge for the client');
is(told($refused), 1, 'the operator is told');
is_cancel('401', $rejected, 'A', 'refused again');
is_cancel('cut', $rejected, 'A', 'and with a body that is cut off');
is(told($refused), 0, 'and is not told again');

is_cancel('500', '500 upstream_error unknown "ngx_canopy; received-status=500"', 'A', 'an answer that does not tell');
is_cancel('401', $rejected, 'A', 'then refused again');
is(told($refused), 0, 'is no change');

is_cancel('204', $accepted, 'A', 'accepted after all');
is_cancel('401', $rejected, 'A', 'refused again') for 1, 2;
is(told($refused), 1, 'is a change');

is_cancel('422', '422 value_error rejected "ngx_canopy; received-status=422"', 'A', 'another refusal');
is_cancel('401', $rejected, 'A', 'refused again') for 1, 2;
is(told($refused), 1, 'is a change as well');
is_cancel('204', $accepted, 'A', 'accepted');

# ---------------------------------------------------------------------------------------------- a different credential

is_cancel('B_401.204', $accepted, 'A, B', 'refused, and another is in the file');
is_cancel('204', $accepted, 'B', 'which is used from now on');
is_cancel('C_401.204', $accepted, 'B, C', 'and once more');
is_cancel('d_401.204', $accepted, 'C, D', 'written in place, of the same length');
is_cancel('e_401.204', $accepted, 'D, E', 'and once more in place');
is(told($refused), 0, 'nothing of this needs the operator');

my @second = (
    ['200',   $accepted],
    ['422',   '422 value_error rejected "ngx_canopy; received-status=422"'],
    ['404',   '404 value_error rejected "ngx_canopy; received-status=404"'],
    ['403',   '403 upstream_error rejected "ngx_canopy; received-status=403"'],
    ['429',   '429 upstream_error rejected "ngx_canopy; received-status=429"'],
    ['503',   '503 upstream_error unknown "ngx_canopy; received-status=503"'],
    ['418',   '502 http_protocol_error rejected "ngx_canopy; error=http_protocol_error; received-status=418"'],
    ['close', $unknown],
    ['reset', $unknown],
    ['gone',  $unknown],
    ['stall', '504 http_response_timeout unknown "ngx_canopy; error=http_response_timeout"'],
);
my $current = 'E';
for my $case (@second) {
    my ($word, $facts) = @$case;
    my $next = chr 1 + ord $current;
    my $since = time;
    $res = is_cancel("${next}_401.$word", $facts, "$current, $next", "refused, then $word");
    cmp_ok(time - $since, '<', 20, 'the time holds for both') if $word eq 'stall';
    unlike($res->body, qr/upstream-credential/, "refused, then $word: neither credential is in the answer");
    restart() if $word eq 'gone';
    $current = $next;
}
is(told($refused), 0, 'nothing of this needs the operator');

# Refused twice: no third copy, although yet another credential is there.
is_cancel("Q_401.401", $rejected, 'P, Q', 'refused with both');
is(told($refused), 1, 'the operator is told');
is_cancel("R_401.S_401.204", $rejected, 'Q, R', 'refused with both, and a third is in the file');
is_cancel('204', $accepted, 'S', 'which is used from now on');
is_cancel("T_401.S_401.204", $rejected, 'S, T', 'refused with both, and the first is back in the file');
is_cancel('204', $accepted, 'S', 'which is used again');
is(told($refused), 1, 'the operator is told of the change');

# One repeat at most, for whatever reason.
is_cancel('close.T_401.204', '502 credential_rejected unknown "ngx_canopy; received-status=401"', 'S, S',
          'a kept connection found closed, then refused');
is_cancel('204', $accepted, 'T', 'the credential that came too late is used');
is_cancel('U_401.close.204', $unknown, 'T, U', 'refused, then closed');
is_cancel('204', $accepted, 'U', 'a kept connection');

# Refused, then nobody listens.
for my $next ('V', 'W') {
    is_cancel("${next}_last.204", '502 connection_refused rejected "ngx_canopy; error=connection_refused"', $current = $next eq 'V' ? 'U' : 'V',
              'refused, and the repeat is not connected');
    restart();
    is_cancel('204', $accepted, $next, 'the other credential is used');
}

# ------------------------------------------------------------------------------------------------ nothing usable there

my $stays = qr/the last good secret stays in use/;
told($_) for $refused, $stays;
for my $what (qw(none empty malformed)) {
    is_cancel("${what}_401.204", $rejected, 'W', "refused, and the file is now: $what");
    is(told($stays), 1, 'the operator is told of the file');
    is(told($refused), 1, 'and of the refusal');
    is_cancel('401.204', $rejected, 'W', 'refused again');
    is_cancel('204', $accepted, 'W', 'the last good one stays');
    is(told($_), 0, 'and is told no more') for $stays, $refused;
    $t->secret('token', $token{W});
}

is_cancel('expired_401.204', $rejected, 'W', 'refused, and the credential in the file is expired');
is(told($refused), 1, 'the operator is told');
for (1, 2) {
    $res = is_cancel('204', '503 credential_unavailable not-sent ""', '', 'it is not sent, nor is the old one');
    is($res->header('Retry-After'), 30, 'try again later');
}
is(told(qr/has expired/), 1, 'the operator is told');
$t->secret('token', $token{X});
$t->wait_for(sub { cancel('204')->status == 204 });
is_cancel('204', $accepted, 'X', 'a good one again');

# No connection has ever carried two credentials.
my %carried;
my $upstream = 0;
for my $event ($t->events('canopy')) {
    $upstream++ if $event->{event} eq 'accept' && $event->{conn_no} == 1;
    next if $event->{event} ne 'request';
    $carried{"$upstream/$event->{conn_no}"}{$event->header('Authorization')}++;
}
is_deeply([grep { keys $carried{$_}->%* > 1 } sort keys %carried], [], 'a connection is used with one credential only');
cmp_ok(scalar(grep { my ($n) = values $carried{$_}->%*; $n > 1 } keys %carried), '>', 0, 'and more than once');

$t->done;
