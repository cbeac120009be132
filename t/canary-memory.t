# In a worker's memory there is one copy of a credential, and after it was replaced none: however requests ended, and
# whatever the upstream said again of what it was told.

use v5.36;

use Canopy::Client;
use Canopy::Test;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $cert = $t->certificate('canopy');

# Credentials of many words, so that what is left of one is seen when a part of it has been overwritten.
my $words = 50;
my @environments = qw(plain once tls tls12 echoes echoestls refused away);
my %generation = map { $_ => 0 } @environments;

# One word of all of them is looked for in the logs: the whole of each would take a minute.
sub renew ($environment) {
    my $generation = ++$generation{$environment};
    my $new = $t->write('new.token', join('-', map { "$environment-$generation-word-$_" } 101 .. 100 + $words), 0640);
    chown 0, scalar getgrnam('www-data'), $new if $> == 0;
    rename $new, $t->path("$environment.token") or die "$new: $!\n";
}
renew($_) for @environments;
$t->plant('-word-101');

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment plain     { server http://127.0.0.1:%%PORT_plain%%; bearer_token_file %%DIR%%/plain.token; keepalive_timeout 60s; }
    canopy_environment once      { server http://127.0.0.1:%%PORT_plain%%; bearer_token_file %%DIR%%/once.token; keepalive 0; }
    canopy_environment echoes    { server http://127.0.0.1:%%PORT_plain%%; bearer_token_file %%DIR%%/echoes.token; keepalive_timeout 60s; }
    canopy_environment refused   { server http://127.0.0.1:%%PORT_plain%%; bearer_token_file %%DIR%%/refused.token; keepalive_timeout 60s; }
    canopy_environment away      { server http://127.0.0.1:%%PORT_plain%%; bearer_token_file %%DIR%%/away.token; exchange_timeout 1s; }
    canopy_environment tls       { server https://127.0.0.1:%%PORT_tls%%; bearer_token_file %%DIR%%/tls.token; keepalive_timeout 60s;
                                   ssl_trusted_certificate %%DIR%%/ca.pem; }
    canopy_environment tls12     { server https://127.0.0.1:%%PORT_tls%%; bearer_token_file %%DIR%%/tls12.token; keepalive_timeout 60s;
                                   ssl_trusted_certificate %%DIR%%/ca.pem; ssl_protocols TLSv1.2; }
    canopy_environment echoestls { server https://127.0.0.1:%%PORT_tls%%; bearer_token_file %%DIR%%/echoestls.token; keepalive_timeout 60s;
                                   ssl_trusted_certificate %%DIR%%/ca.pem; }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\w+)/ { canopy_pass $environment; }
    }
}
EOC

# What the upstream answers, by the client's X-Request-ID; $s is the credential.
my $json = 'Content-Type: application/json';
my $text = 'Content-Type: text/plain';

sub escaped ($s) { return $s =~ s/(.)/sprintf '\\u%04x', ord $1/ger }

my %ends = (
    accepted => sub ($conn, $s) { reply(204) },
    rejected => sub ($conn, $s) { reply(422, '{"detail":"because"}', $json) },
    failed   => sub ($conn, $s) { reply(503, 'no', $text) },
    closed   => sub ($conn, $s) { 'close' },
    reset    => sub ($conn, $s) { $conn->reset; return },
    garbage  => sub ($conn, $s) { $conn->print("what?\r\n\r\n"); 'close' },
    stale    => sub ($conn, $s) { $conn->{used}++ ? 'close' : reply(204) },
    401      => sub ($conn, $s) { reply(401) },
);
my %echoes = (
    head     => sub ($conn, $s) { "HTTP/1.1 422 $s\r\n" . join('', map { "$_: $s\r\n" } qw(X-Request-ID CF-Ray Location X))
                                  . join('', map { "$_: " . substr($s, 0, 128) . "\r\n" } qw(Content-Type Retry-After)) . "Set-Cookie: $s\r\nContent-Length: 0\r\n\r\n" },
    interim  => sub ($conn, $s) { "HTTP/1.1 103 $s\r\nLink: $s\r\n\r\n" . reply(204, undef, "X: $s") },
    json     => sub ($conn, $s) { reply(422, qq({"detail":[{"loc":["$s",{"$s":1}],"msg":"a $s","type":"$s"},{"$s":["$s"]}],"$s":1}), $json) },
    escapes  => sub ($conn, $s) { reply(422, '{"detail":[{"msg":"' . escaped($s) . '","' . escaped($s) . '":1}]}', $json) },
    invalid  => sub ($conn, $s) { reply(422, qq({"detail":"$s","a":"$s), $json) },
    many     => sub ($conn, $s) { reply(503, '{"errors":[' . join(',', (qq("$s")) x 40) . ']}', $json) },
    text     => sub ($conn, $s) { reply(422, "no $s, no", $text) },
    html     => sub ($conn, $s) { reply(422, "<p>$s", 'Content-Type: text/html') },
    taken    => sub ($conn, $s) { reply(200, qq({"token":"$s"}), $json) },
    large    => sub ($conn, $s) { reply(422, ($s) x 100, $text) },
    chunks   => sub ($conn, $s) { "HTTP/1.1 422 No\r\n$text\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  . join('', map { sprintf "%x;$s\r\n%s\r\n", length, $_ } $s =~ /(.{1,99})/g) . "0\r\nX: $s\r\n\r\n" },
    cut      => sub ($conn, $s) { $conn->print("HTTP/1.1 422 No\r\n$json\r\nContent-Length: 9999\r\n\r\n{\"detail\":\"$s"); 'close' },
    refusal  => sub ($conn, $s) { reply(401, qq({"detail":"$s"}), $json, "WWW-Authenticate: Bearer error=\"$s\"") },
    garbled  => sub ($conn, $s) { $conn->print("$s\r\n$s\r\n\r\n"); 'close' },
    behind   => sub ($conn, $s) { reply(204) . reply(422, $s, $text) },
);

my $handler = sub ($conn, $req, $n) {
    my $case = $req->header('X-Request-ID');
    my $secret = $req->header('Authorization') =~ s/^Bearer //r;
    if ($case eq 'renewed') {
        return reply(204) if $secret !~ /^refused-1-/;
        renew('refused');
        return reply(401, qq({"detail":"$secret"}), $json);
    }
    if ($case eq 'away') {
        $conn->print("HTTP/1.1 422 No\r\n$text\r\nContent-Length: 99999\r\n\r\n$secret");
        $conn->wait_closed;
        return 'close';
    }
    return ($ends{$case} // $echoes{$case})->($conn, $secret);
};
$t->upstream('plain', handler => $handler);
$t->upstream('tls', tls => $cert, handler => $handler);
$t->start;

sub cancel ($environment, $case, $times) {
    my %answers;
    for (1 .. $times) {
        my $res = $t->cancel($id, prefix => "/$environment", headers => [['X-Request-ID', $case]]);
        $answers{$res->status}++;
        fail("$environment, $case: an answer tells") if $res->raw =~ /-word-/;
    }
    return \%answers;
}

# How many words there are in what a process may write to, by "ENVIRONMENT-GENERATION".
sub in_memory ($pid) {
    open my $maps, '<', "/proc/$pid/maps" or return;
    open my $mem, '<:raw', "/proc/$pid/mem" or return;
    my %found;
    for my $line (<$maps>) {
        my ($from, $to) = $line =~ /^(\w+)-(\w+) rw/ or next;
        no warnings 'portable';
        return if hex($to) - hex $from > 1 << 30;       # a sanitizer's
        sysseek $mem, hex $from, 0 or next;
        sysread $mem, my $bytes, hex($to) - hex $from or next;
        $found{$1}++ while $bytes =~ /\b(\w+-\d+)-word-\d\d\d/g;
    }
    return \%found;
}

sub once () { return { map { ("$_-$generation{$_}" => $words) } @environments } }

sub is_once ($name) {
    # an exchange may outlive its client for a moment
    $t->wait_for(sub { my $found = in_memory(($t->workers)[0]); !grep { $_ != $words } values %$found });
    is_deeply(in_memory(($t->workers)[0]), once(), $name);
}

plan skip_all => 'the memory of a worker cannot be read' if !in_memory(($t->workers)[0]);

# ------------------------------------------------------------------------------------------------------ one live copy

is_once('each credential is in memory once at start');
for my $environment (qw(plain once tls tls12)) {
    is_deeply(cancel($environment, 'accepted', 100), { 204 => 100 }, "$environment: a hundred cancels");
    is_once("$environment: one copy afterwards");
    for my $end (sort keys %ends) {
        cancel($environment, $end, 5);
        is_once("$environment, $end: one copy afterwards");
    }
}

for my $environment (qw(echoes echoestls)) {
    for my $echo (sort keys %echoes) {
        cancel($environment, $echo, 5);
        is_once("$environment, $echo: one copy afterwards");
    }
}

# Clients that go away, in an exchange that then ends by its timeout
for my $round (1, 2) {
    for (1 .. 5) {
        my $socket = $t->connect;
        syswrite $socket, Canopy::Client::request_text(path => "/away/tasks/$id/cancel", headers => [['X-Request-ID', 'away'],
            ['Authorization', 'Bearer ' . $t->client_token]]);
        setsockopt $socket, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
        select undef, undef, undef, 0.05;
        close $socket;
    }
    ok($t->wait_for(sub { 5 * $round == (() = $t->access_log =~ /env=away/g) }, 20), 'five exchanges without a client end');
    is_once("away: one copy afterwards ($round)");
}

# ------------------------------------------------------------------------------------------------------ none of the old

# With 401 the new one is found in the middle of a request, whose two copies have one credential each.
is_deeply(cancel('refused', 'renewed', 1), { 204 => 1 }, 'a credential that is refused and replaced');
$generation{refused}++;
is_once('the refused one is gone');

for my $round (1, 2) {
    renew($_) for @environments;
    for my $environment (@environments) {
        $t->wait_for(sub { cancel($environment, 'accepted', 1); $t->log =~ /environment "$environment" has a new credential/ });
        ok($t->wait_for(sub { cancel($environment, 'accepted', 1); (in_memory(($t->workers)[0])->{"$environment-$generation{$environment}"} // 0) == $words }),
           "$environment: a new credential ($round)");
    }
    is_once('the replaced ones are gone');
}

# The master has what it had at start, which is nothing after a reload.
ok($t->wait_for(sub { $t->reload; 1 }), 'a reload');
is_once('one copy in the new worker');
is_deeply(in_memory($t->master), once(), 'and in the master');

$t->done;
