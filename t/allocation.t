# No memory: the n-th allocation of a worker fails, for every n of an exchange. The client is told the truth or nothing, and
# the next one is served.

use v5.36;

use Canopy::Process qw(run);
use Canopy::Test;
use JSON::PP;
use Test::More;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $cert = $t->certificate('upstream');

# Two credentials: the file goes from one to the other whenever the upstream refuses one.
my @credentials = map { "allocation-upstream-credential-$_" } 1, 2;
$t->plant($_) for @credentials;
$t->secret('token', $credentials[0]);
$t->secret('changing', $credentials[0]);

$t->expect_alert(qr/\[emerg\] \S+ (?:\*\d+ )?(?:malloc|posix_memalign)\([\d, ]+\) failed/);
$t->expect_alert(qr/\[alert\] \S+ (?:\*\d+ )?(?:SSL_\w+\(\) failed|ignoring stale global SSL error) \(SSL: /);
$t->expect_alert(qr/\[alert\] \S+ \*\d+ peer closed connection in SSL handshake \(12: /);                   # OpenSSL 3.5

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment new {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        keepalive         0;
    }
    canopy_environment kept {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        keepalive_timeout 60s;
    }
    canopy_environment changing {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/changing;
        keepalive_timeout 60s;
    }
    canopy_environment tls {
        server            https://localhost:%%PORT_tls%%/tasking;
        bearer_token_file %%DIR%%/token;
        ssl_trusted_certificate %%DIR%%/ca.pem;
        keepalive         0;
    }
    log_format outcomes '$http_x_request_id $status $canopy_outcome';
    access_log %%DIR%%/outcomes.log outcomes;
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\w+)/ { canopy_pass $environment; }
        location ^~ /denied/ { canopy_pass new; deny all; }
    }
}
EOC

# ------------------------------------------------------------------------------------------------------- the upstream

# What it does stands in front of the request's X-Request-ID, "CASE-N".
my $json = 'Content-Type: application/json';
my $detail = '{"detail":[{"loc":["path","id"],"msg":"because of %s","type":"t","input":["é",1.5]},{"a":{"b":[null,"%s"]}},"c"]}';

my %script = (
    accept  => sub ($conn, $req) { reply(204) },
    body    => sub ($conn, $req) { reply(204) },
    refuse  => sub ($conn, $req) {
        my $credential = $req->header('Authorization');
        reply(422, $detail =~ s/%s/$credential/gr, $json);
    },
    fail    => sub ($conn, $req) { reply(503, 'x' x 3000, 'Content-Type: text/plain', 'Retry-After: 30') },
    chunks  => sub ($conn, $req) {
        my $chunks = join '', map { "3e8\r\n" . $_ x 1000 . "\r\n" } 'a' .. 'e';
        "HTTP/1.1 409 No\r\n$json\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n";
    },
    stale   => sub ($conn, $req) { $req->{req_no} > 1 ? 'close' : reply(204) },
    changed => sub ($conn, $req) {
        my $repeat = $t->path('seen-' . $req->header('X-Request-ID'));
        return reply(204) if -e $repeat;
        $t->write($repeat =~ s{.*/}{}r, '');
        $t->secret('changing', $req->header('Authorization') =~ /1$/ ? $credentials[1] : $credentials[0]);
        return reply(401);
    },
);

for my $name (qw(canopy tls)) {
    $t->upstream($name, $name eq 'tls' ? (tls => $cert) : (), handler => sub ($conn, $req, $n) {
        return $script{$req->header('X-Request-ID') =~ s/-.*//r}->($conn, $req);
    });
}

# What it was sent of a request, from where its log ended before.
sub length_of ($name) { return -s $t->path("upstream-$name.jsonl") // 0 }

sub sent ($name, $length, $request_id) {
    open my $fh, '<', $t->path("upstream-$name.jsonl") or return 0;
    seek $fh, $length, 0;
    return scalar grep { /"event":"request"/ && /"\Q$request_id\E"/ } <$fh>;
}

# --------------------------------------------------------------------------------------------------- failing allocations

my $library = $t->path('no-memory.so');
my ($status, $output) = run($ENV{CC} // 'cc', qw(-shared -fPIC -O1 -o), $library, 't/lib/no-memory.c', '-ldl');
BAIL_OUT("no-memory.c: $output") if $status != 0;

my $control = $t->write('no-memory', pack 'l3', 0, 0, 0);
chown +(getpwnam 'www-data')[2, 3], $control if $> == 0;
{
    local $ENV{LD_PRELOAD} = $library;
    local $ENV{CANOPY_NO_MEMORY} = $control;
    local $ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} // (), 'verify_asan_link_order=0';
    $t->start;
}
my ($worker) = $t->workers;

# The worker's n-th allocation from now on fails; none with 0. How many there were before this call.
sub fail_at ($n) {
    my (undef, undef, $made) = unpack 'l3', $t->read('no-memory');
    open my $fh, '+<:raw', $control or die "$control: $!\n";
    syswrite $fh, pack 'l3', $n ? $worker : 0, $n, 0;
    return $made;
}

# ---------------------------------------------------------------------------------------------------------- the cases

# Of each: the environments, the answer with memory, and what the upstream says of each copy.
my %cases = (
    accept  => { environments => [qw(new kept tls)], answer => '204 accepted', says => ['accepted'] },
    refuse  => { environments => [qw(new)], answer => '422 rejected', says => ['rejected'] },
    fail    => { environments => [qw(new)], answer => '503 unknown', says => ['unknown'] },
    chunks  => { environments => [qw(kept)], answer => '409 rejected', says => ['rejected'] },
    stale   => { environments => [qw(kept)], answer => '204 accepted', says => ['unknown', 'accepted'] },
    changed => { environments => [qw(changing)], answer => '204 accepted', says => ['rejected', 'accepted'] },
    body    => { environments => [qw(new)], answer => '204 accepted', says => ['accepted'] },
    invalid => { environments => [qw(new)], answer => '422 denied', says => [] },
    foreign => { environments => [qw(denied)], answer => '403 denied', says => [] },
);

sub facts ($res) { return $res->status . ' ' . $res->header('Canopy-Outcome') }

# May this be said of that many copies? What was answered may have been lost on the way, so "unknown" always may.
sub is_true ($word, $case, $sent) {
    my @says = $case->{says}->@*;
    return $word eq 'accepted' ? $sent == @says && $says[-1] eq 'accepted'
         : $word eq 'rejected' ? $sent && !grep { $_ ne 'rejected' } @says[0 .. $sent - 1]
         : $word eq 'unknown'  ? 1
         : $word eq 'not-sent' || $word eq 'denied' ? !$sent
         : 0;
}

sub cancel ($environment, $name, $request_id) {
    return $t->cancel($name eq 'invalid' ? 'x' : $id, prefix => "/$environment", headers => [['X-Request-ID', $request_id]],
                      $name eq 'body' ? (body => 'x' x 50_000) : ());
}

# Of each request one of whose allocations failed: its case, and how often it was sent. What they came to, by case. The bodies
# of cases with memory.
my (%attempts, %seen, %bodies);

# One request whose n-th allocation fails: what is wrong with it, '' if nothing is; undef if it has no n-th one.
sub attempt ($name, $environment, $n) {
    my $case = $cases{$name};
    my $upstream = $environment eq 'tls' ? 'tls' : 'canopy';
    my $request_id = "$name-$environment-$n";

    # no kept connection is one that another case has spoiled
    my $res = cancel($environment eq 'denied' ? 'new' : $environment, 'accept', 'accept-before');
    return 'the request before: ' . $res->raw if facts($res) ne '204 accepted';

    my $length = length_of($upstream);

    fail_at($n);
    $res = cancel($environment, $name, $request_id);
    my $made = fail_at(0);

    my $sent = sent($upstream, $length, $request_id);
    my $what = $res->status == 0 ? $res->end : facts($res);

    if ($made < $n) {
        $bodies{$name} = $res->body;
        return $what eq $case->{answer} && $sent == $case->{says}->@* ? undef : "with memory: $what, sent $sent";
    }

    my @faults;
    push @faults, 'no end' if $res->end eq 'timeout';

    if ($what eq $case->{answer}) {
        # a body that there was no room for is one that was cut off
        push @faults, 'another body: ' . $res->body if $res->body ne $bodies{$name} && $res->body !~ /that was cut off"/;

    } elsif ($res->status != 0) {
        my $word = $res->header('Canopy-Outcome');
        push @faults, "status " . $res->status if $res->status < 500;
        push @faults, Canopy::Client::schema_faults($res) if length $word;
        push @faults, 'no outcome' if !length $word && $sent;
        push @faults, 'untrue' if length $word && !is_true($word, $case, $sent);
    }

    $attempts{$request_id} = [$case, $sent];
    $seen{"$name, $environment"}{$what}++;
    return @faults ? "$what, sent $sent: @faults" : '';
}

for my $name (sort keys %cases) {
    for my $environment ($cases{$name}{environments}->@*) {
        my ($n, $tried, %wrong) = (1, 0);
        is(attempt($name, $environment, 1e6), undef, "$name, $environment: with memory");

        while ($n < 20_000 && keys %wrong < 10) {
            my $wrong = attempt($name, $environment, $n) // last;
            $wrong{$n} = $wrong if length $wrong;
            $tried++;
            # of those within OpenSSL every fifth one
            $n += $environment eq 'tls' && $n > 50 ? 5 : 1;
        }
        is_deeply(\%wrong, {}, "$name, $environment: one of " . ($n - 1) . ' allocations fails');
        cmp_ok($tried, '>', 3, "$name, $environment: $tried have");
        my $seen = $seen{"$name, $environment"};
        note(map { "    $seen->{$_} x $_\n" } sort keys %$seen);
    }
}

# The access log is the operator's truth, even where the client got none.
my @lines = grep { $attempts{$_->[0]} && @$_ == 3 } map { [split] } split /\n/, $t->read('outcomes.log');
cmp_ok(scalar @lines, '>', 300, 'the access log has many of them');
is_deeply([map { "@$_" } grep { !is_true($_->[2], $attempts{$_->[0]}->@*) } @lines], [], 'and what it says is true');

is(join(' ', $t->workers), $worker, 'the worker has lived through all of them');

$t->done;
