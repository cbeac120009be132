# Each folder of t/cases/problem over the wire: what the client reads is expected.json, however the body was framed.

use v5.36;

use Canopy::Test;
use JSON::PP;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Test::More;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

# ----------------------------------------------------------------------------------------------------------- the cases

sub slurp ($path) {
    open my $fh, '<:raw', $path or die "$path: $!\n";
    local $/;
    return <$fh> // '';
}

# Lines of "status: 422", "content-type: TEXT", "encoded: 1", "cut: 1", "too_large: 1", "secret: TEXT", "unit-only: 1".
sub read_case ($folder) {
    my %case = (name => $folder =~ s{.*/}{}r, body => slurp("$folder/body"), expected => slurp("$folder/expected.json"));
    for my $line (split /\n/, slurp("$folder/meta")) {
        my ($key, $value) = $line =~ /^([\w-]+): (.*)$/ or die "$folder/meta: $line\n";
        push $case{secrets}->@*, $value and next if $key eq 'secret';
        $case{$key} = $value;
    }
    return \%case;
}

my @cases = grep { !$_->{'unit-only'} } map { read_case($_) } sort glob 't/cases/problem/*';
cmp_ok(scalar @cases, '>', 150, 'there are cases') or BAIL_OUT('no cases');

# A secret is the environment's credential, if it can be one: a field's value of visible ASCII characters.
my $no = 0;
my @environments = 'plain';
$t->secret('plain.token', 'normalize-upstream-credential');
for my $case (@cases) {
    $case->{environment} = 'plain';
    my $secret = ($case->{secrets} // [])->[0] // next;
    next if $case->{secrets}->@* > 1 || $secret !~ /^[!-~]{1,16384}$/;
    $case->{environment} = 's' . ++$no;
    push @environments, $case->{environment};
    $t->plant($secret) if length $secret >= 12;
    $t->write("$case->{environment}.token", $secret, 0640);
    chown 0, scalar getgrnam('www-data'), $t->path("$case->{environment}.token") if $> == 0;
}
for my $i (0 .. $#cases) {
    my $case = $cases[$i];
    $case->{skip} = $case->{secrets} && $case->{environment} eq 'plain';
    $case->{close} = $i % 4 == 0 || $case->{cut} || $case->{too_large};
}

$t->conf("%%HEAD%%\nhttp {\n    %%HTTP%%\n" . join('', map { <<"EOC" } @environments, 'tiny') . <<'EOC');
    canopy_environment $_ {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/@{[$_ eq 'tiny' ? 'plain' : $_]}.token;
        response_limit    @{[$_ eq 'tiny' ? 10 : '64k']};
    }
EOC
    server {
        listen 127.0.0.1:%%PORT_http%%;
        large_client_header_buffers 4 8k;
        location ~ ^/(?<environment>\w+)/ { canopy_pass $environment; }
    }
}
EOC

# --------------------------------------------------------------------------------------------------------- the upstream

# X-Request-ID is "CASE-FRAMING".
my %framing = (
    length => sub ($conn, $head, $body) { $conn->print("${head}Content-Length: " . length($body) . "\r\n\r\n$body") },
    pieces => sub ($conn, $head, $body) {
        $conn->print("${head}Transfer-Encoding: chunked\r\n\r\n");
        setsockopt $conn->{socket}, IPPROTO_TCP, TCP_NODELAY, 1;
        # the first ones one by one, then as many at once as there are
        my @chunks = map { "1\r\n$_\r\n" } split //, $body;
        $conn->print($_) for splice @chunks, 0, 20;
        $conn->print(join '', @chunks, "0\r\n\r\n");
    },
    close => sub ($conn, $head, $body) { $conn->print("$head\r\n$body"); $conn->close },
);
my %cut = (
    length => sub ($conn, $head, $body) { $conn->print("${head}Content-Length: " . (1 + length $body) . "\r\n\r\n$body"); $conn->close },
    pieces => sub ($conn, $head, $body) {
        $conn->print("${head}Transfer-Encoding: chunked\r\n\r\n" . join '', map { "1\r\n$_\r\n" } split //, $body);
        $conn->close;
    },
    # the end of a connection is the body's end; a reset is not
    close => sub ($conn, $head, $body) { $conn->print("$head\r\n$body"); $conn->sleep(0.1); $conn->reset },
);

$t->upstream('canopy', handler => sub ($conn, $req, $n) {
    my ($i, $framing) = split /-/, $req->header('X-Request-ID');
    my $case = $cases[$i];
    my $head = "HTTP/1.1 $case->{status} Said by the test\r\n";
    $head .= "Content-Type: $case->{'content-type'}\r\n" if defined $case->{'content-type'};
    $head .= "Content-Encoding: gzip\r\n" if $case->{encoded};
    ($case->{cut} ? \%cut : \%framing)->{$framing}->($conn, $head, $case->{body});
    return;
});
$t->start;

# ----------------------------------------------------------------------------------------------------------- the answers

my %outcome = map { $_ => 'rejected' } 403, 404, 409, 410, 422, 429;

sub is_normalized ($i, $framing) {
    my $case = $cases[$i];
    my $name = "$case->{name}, $framing";
    my $environment = $case->{too_large} ? 'tiny' : $case->{environment};
    my $res = $t->cancel($id, prefix => "/$environment", headers => [['X-Request-ID', "$i-$framing"]]);

    is($res->body, $case->{expected}, $name);
    is(join(' ', $res->status, $res->header('Canopy-Outcome'), $res->header('Proxy-Status')),
       "$case->{status} " . ($outcome{$case->{status}} // 'unknown') . " ngx_canopy; received-status=$case->{status}", "$name: the head");
    $t->ensures_schema($res, "$name: the schema");
}

for my $i (0 .. $#cases) {
    SKIP: {
        skip "$cases[$i]{name}: its secret is no credential", 1 if $cases[$i]{skip};
        is_normalized($i, 'length');
        is_normalized($i, 'pieces');
        is_normalized($i, 'close') if $cases[$i]{close};
    }
}

cmp_ok(scalar(grep { $_->{skip} } @cases), '<', 5, 'few had to be left out');
cmp_ok(scalar @environments, '>', 15, 'many had a secret of their own');

# The access log has the first entry's type.
my $asked = 0;
$asked += $_->{close} ? 3 : 2 for grep { !$_->{skip} } @cases;
$t->wait_for(sub { $asked <= (() = $t->access_log =~ /\n/g) });
my @lines = split /\n/, $t->access_log;
for my $case (grep { !$_->{skip} } @cases) {
    my $type = JSON::PP->new->utf8->decode($case->{expected})->{detail}[0]{type};
    for my $line (splice @lines, 0, $case->{close} ? 3 : 2) {
        like($line, qr/ error=\Q$type\E us=$case->{status} /, "$case->{name}: in the access log") if $type =~ /^[\w.]+$/;
    }
}

# ------------------------------------------------------------------------------------------------- secrets over the wire

# Both the client's token and the credential, wherever the upstream repeats them.
my $token = $t->client_token;
for my $round (1, 2) {
    $t->stop_upstream('canopy');
    $t->upstream('canopy', handler => sub ($conn, $req, $n) {
        my $authorization = $req->header('Authorization');
        return reply(422, qq({"detail":[{"loc":["header","$token"],"msg":"$authorization is not $token","type":"$token"},)
            . qq({"$token":{"x":"normalize-upstream-credential"}}],"$token":1}), 'Content-Type: application/json');
    });
    my $res = $t->cancel($id, prefix => '/plain', token => $token);
    unlike($res->raw, qr/\Q$token\E|normalize-upstream/, "neither token is in the answer ($round)");
    is_deeply($res->json->{detail}[0], { loc => ['header', '[redacted]'], msg => 'Bearer [redacted] is not [redacted]', type => '[redacted]' },
              "they are replaced ($round)") || diag($res->body);
    $t->ensures_schema($res);
}
unlike($t->access_log, qr/\Q$token\E/, 'nor in the access log');

# response_limit: a body of that length is read, one byte more is not.
for my $framing (qw(length pieces close)) {
    for my $length (10, 11) {
        $t->stop_upstream('canopy');
        $t->upstream('canopy', handler => sub ($conn, $req, $n) {
            $framing{$framing}->($conn, "HTTP/1.1 503 No\r\nContent-Type: text/plain\r\n", 'x' x $length);
            return;
        });
        for my $round (1, 2) {
            my $msg = $t->cancel($id, prefix => '/tiny')->json->{detail}[0]{msg};
            $length == 10 ? is($msg, 'x' x 10, "$framing: at the limit ($round)")
                          : like($msg, qr/larger than the limit/, "$framing: above the limit ($round)");
        }
    }
}

# A body that would never end is not waited for.
$t->stop_upstream('canopy');
$t->upstream('canopy', handler => sub ($conn, $req, $n) {
    $conn->print("HTTP/1.1 422 No\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    1 while $conn->print("400\r\n" . 'x' x 1024 . "\r\n");
    return 'close';
});
for my $round (1, 2) {
    my $res = $t->cancel($id, prefix => '/plain', timeout => 30);
    is($res->status, 422, "an endless body ($round)");
    like($res->json->{detail}[0]{msg}, qr/larger than the limit/, "is too large ($round)");
}

$t->done;
