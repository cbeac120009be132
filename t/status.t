# canopy_status: its numbers are what was done here, over both workers, reloads and a killed worker; and it shows no secret.

use v5.36;

use Test::More;

use JSON::PP;

use Canopy::Client;
use Canopy::Lifecycle;
use Canopy::Test;
use Canopy::Upstream qw(reply);

my $t = Canopy::Test->new(workers => 2);
$t->secret('token', 'status-upstream-credential');
$t->secret('other', 'status-another-credential');
$t->secret('expired', Canopy::Client::jwt(exp => time - 5, sub => 'status-upstream'));

# the task's last four digits are the status; or it does something else
my $detail = '{"detail":[{"loc":["path","id"],"msg":"no","type":"value_error"}]}';
$t->upstream('canopy', handler => sub ($conn, $req, $n) {
    my ($what) = $req->{target} =~ m{(\w{4})/cancel$};
    return 'close' if $what eq '0000';
    Time::HiRes::sleep(0.3) if $what eq '0001';
    return 'close' if $what eq '0002' && $req->{req_no} > 1;
    return reply(204) if $what =~ /^(?:0204|0001|0002)$/;
    return reply($what + 0, $detail, 'Content-Type: application/json');
});

my $conf = <<'EOC';
%%HEAD%%
http {
    %%HTTP%%
    limit_req_zone $arg_limit zone=limit:64k rate=1r/m;
    canopy_environment live    { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/token; keepalive_timeout 60s; }
    canopy_environment sandbox { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/other; closed_file %%DIR%%/closed; }
    canopy_environment expired { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/expired; closed_file %%DIR%%/night; }
    canopy_environment away    { server http://127.0.0.1:%%PORT_away%%; bearer_token_file %%DIR%%/token; }
    canopy_environment limited { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/token; rate_limit 2r/h; }
    canopy_environment idle    { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/token; keepalive_timeout 60s; }
    canopy_switch_file %%DIR%%/switch;
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\w+)/ {
            canopy_pass $environment;
            limit_req zone=limit;
        }
        location /plain { return 200 plain; }
        location = /status     { canopy_status; }
        location = /prometheus { canopy_status prometheus; }
        location = /ready      { canopy_status ready; }
        location = /some       { canopy_status; limit_except GET { deny all; } if ($arg_x) { set $y 1; } }
    }
}
EOC
$t->write('switch', 'live');
$t->conf($conf);
$t->start;

my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c';
my @outcomes = qw(accepted rejected denied not-sent unknown);
my (%done, %copies, %repeats);

sub status (%args) { return $t->request(method => 'GET', path => '/status', %args) }

# Done, and noted by what the client was told.
sub done ($environment, $task, %args) {
    my $copies = delete $args{copies} // 1;
    my $query = delete $args{query} // '';
    my $token = exists $args{token} ? delete $args{token} : $t->client_token;
    my $res = $t->request(path => "/$environment/tasks/$task/cancel$query",
                          headers => [defined $token ? ['Authorization', "Bearer $token"] : (), (delete $args{headers} // [])->@*], %args);
    note_done($res->header('Canopy-Environment'), $res->header('Canopy-Outcome'), $res->status, $copies);
    return $res;
}

sub note_done ($environment, $outcome, $status, $copies) {
    $done{$environment}{outcomes}{$outcome}++;
    $done{$environment}{answers}{$status}++;
    $copies{$environment} += $copies;
    $repeats{$environment}++ if $copies == 2;
}

# A request counts when it has ended, a moment after its answer; and the other worker may be asked.
sub is_counted ($name) {
    my $report;
    $t->wait_for(sub {
        $report = status()->json;
        my %counted = ('' => $report->{unassigned}, $report->{environments}->%*);
        return !grep { text($counted{$_}{answers}) ne text($done{$_}{answers} // {}) } keys %counted;
    }, 10);
    for my $environment ('', qw(live sandbox expired away limited idle)) {
        my $counted = $environment ? $report->{environments}{$environment} : $report->{unassigned};
        my $outcomes = { map { $_ => $done{$environment}{outcomes}{$_} // 0 } @outcomes };
        my $called = $environment || 'no environment';
        is_deeply($counted->{outcomes}, $outcomes, "$name: outcomes of $called") || diag(explain($counted->{outcomes}));
        is_deeply($counted->{answers}, $done{$environment}{answers} // {}, "$name: answers of $called") || diag(explain($counted->{answers}));
        next if !$environment;
        is($counted->{latency}{count}, $copies{$environment} // 0, "$name: copies of $called");
        is($counted->{latency}{buckets}{'+Inf'}, $copies{$environment} // 0, "$name: ... all in a bucket");
        is($counted->{repeats}, $repeats{$environment} // 0, "$name: repeats of $called");
        my %hour = map { my $word = $_; my $sum = 0; $sum += $_ for $counted->{history}{$word}->@*; $word => $sum } @outcomes;
        is_deeply(\%hour, $outcomes, "$name: the last hour of $called");
    }
}

sub text ($counts) { return join ' ', map { "$_:$counts->{$_}" } sort keys %$counts }

is_counted('before anything');

sub all_sorts {
    done('live', "${id}0204") for 1 .. 5;
    done('live', "$id$_") for qw(0422 0404 0409 0429 0403 0400 0500 0503 0520 0301);
    done('live', "${id}0401");
    done('sandbox', "${id}0204") for 1 .. 3;
    done('away', "${id}0204", copies => 0);
    done('expired', "${id}0204", copies => 0);
    done('live', "${id}0204", token => undef, copies => 0);
    done('live', "${id}0204", token => 'x', copies => 0);
    done('live', 'no-uuid', copies => 0);
    done('live', "${id}0204", headers => [['Canopy-Environment', 'sandbox']], copies => 0);
    done('nowhere', "${id}0204", copies => 0);
    done('live', "${id}0204", method => 'POST', copies => 0);
    note_done('', 'denied', 404, 0) if $t->request(path => '/live/else')->status == 404;
    $t->request(path => '/plain', method => 'GET');
}

all_sorts();
is_counted('all sorts of requests');

$t->write('closed', '');
done('sandbox', "${id}0204", copies => 0) for 1, 2;
unlink $t->path('closed');

# The client's connection stays with one worker, so that the second request finds what the first one left: a connection that is
# closed when it is used again.
my $socket = $t->connect;
for my $copies (1, 2) {
    done('idle', "${id}0002", copies => $copies, socket => $socket, keep => 1);
}
close $socket;
is(scalar(grep { $_->{target} =~ /0002/ } $t->received('canopy')), 3, 'a repeat');

done('limited', "${id}0204", copies => $_ <= 2 ? 1 : 0) for 1 .. 4;

# a client that is gone: what became of it counts
{
    my $gone = $t->connect;
    print {$gone} Canopy::Client::request_text(path => "/live/tasks/${id}0001/cancel", headers => [['Authorization', 'Bearer ' . $t->client_token]]);
    $t->wait_for(sub { grep { $_->{target} =~ /0001/ } $t->received('canopy') });
    close $gone;
    $t->wait_for(sub { $t->access_log =~ m{0001\S* \d+ outcome=\S+ } });
    my ($status, $word) = $t->access_log =~ m{0001\S* (\d+) outcome=(\S+)};
    is($word, 'accepted', 'a client that was gone: accepted');
    note_done('live', 'accepted', $status, 1);
}

# nginx's own refusals
done('live', "${id}0204", query => '?limit=1');
is(done('live', "${id}0204", query => '?limit=1', copies => 0)->status, 503, 'refused by limit_req');
is_counted('refusals, a repeat, a client that was gone');

$t->reload;
all_sorts();
is_counted('after a reload');

kill_worker($t);
all_sorts();
is_counted('after a killed worker');

my $since = status()->json->{since};
like($since, qr/^\d{10}(?:\.\d+)?$/, 'since when it is counted');

# ---------------------------------------------------------------------------------------------------------- the numbers

my $report = status()->json;
is_deeply([sort keys $report->{environments}->%*], [sort qw(live sandbox expired away limited idle)], 'all environments are there');
is($report->{switch}, 'live', 'the switch');
cmp_ok(abs($report->{now} - time), '<', 5, 'the time');

my $live = $report->{environments}{live};
my $buckets = $live->{latency}{buckets};
my @bounds = sort { ($a eq '+Inf') <=> ($b eq '+Inf') || $a <=> $b } keys %$buckets;
is(join(' ', @bounds), '0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 30 60 +Inf', 'the buckets');
is(scalar(grep { $buckets->{$bounds[$_]} < $buckets->{$bounds[$_ - 1]} } 1 .. $#bounds), 0, '... each has those before it');
cmp_ok($live->{latency}{sum}, '>=', 0.3, 'the sum of all latencies has the slow one');
cmp_ok($buckets->{'+Inf'} - $buckets->{'0.25'}, '>=', 1, '... and a bucket, too');

# ------------------------------------------------------------------------------------------------------ the credentials

is_deeply([map { $report->{environments}{$_}{ready} ? 1 : 0 } qw(live sandbox expired)], [1, 1, 0], 'which environments are ready');
is($live->{credential}{kind}, 'bearer_token_file', 'the credential\'s kind');
is($live->{credential}{sha256}, substr(sha256('status-upstream-credential'), 0, 8), '... its fingerprint');
is($live->{credential}{expires_in}, undef, '... it does not expire');
cmp_ok($live->{credential}{age}, '>=', 0, '... its age');
cmp_ok($live->{credential}{age}, '<', 600, '... since the file was put there');
ok(!exists $live->{credential}{budget}, '... and no exchanges');
is($live->{credential}{refused} ? 1 : 0, 1, '... which the upstream refused');
like($live->{credential}{last_error}{message}, qr/^upstream refused the credential$/, '... that is the last error');
cmp_ok($live->{credential}{last_error}{ago}, '<', 60, '... of a moment ago');

done('live', "${id}0204");
ok($t->wait_for(sub { !status()->json->{environments}{live}{credential}{refused} }), 'it was taken again');
is($report->{environments}{idle}{credential}{last_error}, undef, 'nothing happened to the credential of another one');
my $expired = $report->{environments}{expired}{credential};
is($expired->{usable} ? 1 : 0, 0, 'one that has expired');
cmp_ok($expired->{expires_in}, '<', 0, '... it is said since when');
like($expired->{last_error}{message}, qr/has expired$/, '... that is the last error');

sub sha256 ($text) { require Digest::SHA; return Digest::SHA::sha256_hex($text) }

$t->write('other', "two\nlines\n");
ok($t->wait_for(sub { (status()->json->{environments}{sandbox}{credential}{last_error}{message} // '') =~ /holds more than one line|one line/ }),
   'a file that is not usable is seen when the status is asked for') || diag(status()->body);
ok(status()->json->{environments}{sandbox}{ready}, '... the last good content still is');
$t->secret('other', 'status-third-credential');
ok($t->wait_for(sub { status()->json->{environments}{sandbox}{credential}{sha256} eq substr(sha256('status-third-credential'), 0, 8) }),
   'a new credential\'s fingerprint');

# ----------------------------------------------------------------------------------------------------------- the forms

my $json = status();
is($json->status, 200, 'JSON');
is($json->header('Content-Type'), 'application/json', '... its type');
is($json->header('Vary'), 'Accept', '... a browser gets something else');
is($json->header('Cache-Control'), 'no-store', '... it is not stored');
for my $accept ('*/*', 'application/json', 'application/json, text/html;q=0.5', 'text/html;q=0') {
    is(status(headers => [['Accept', $accept]])->header('Content-Type'), 'application/json', "Accept: $accept");
}
for my $accept ('text/html', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8') {
    my $page = status(headers => [['Accept', $accept]]);
    is($page->header('Content-Type'), 'text/html; charset=utf-8', "Accept: $accept");
    like($page->body, qr/^<!doctype html>/i, '... a page');
    like($page->header('Content-Security-Policy'), qr/default-src 'none'/, '... that can load nothing');
    is($page->header('Vary'), 'Accept', '... a program gets something else');
    is($page->header('X-Content-Type-Options'), 'nosniff', '... nothing is guessed');
}

my $text = $t->request(method => 'GET', path => '/prometheus');
is($text->header('Content-Type'), 'text/plain; version=0.0.4; charset=utf-8', 'Prometheus');
my $now = status()->json;
for my $environment (qw(live sandbox away)) {
    my %of = $text->body =~ /^canopy_requests_total\{environment="$environment",outcome="([a-z-]+)"\} (\d+)$/mg;
    is_deeply(\%of, $now->{environments}{$environment}{outcomes}, "... the same outcomes of $environment");
}
SKIP: {
    skip 'promtool is not installed', 1 if system('command -v promtool >/dev/null 2>&1') != 0;
    $t->write('metrics', $text->body);
    my $said = qx{promtool check metrics 2>&1 < @{[$t->path('metrics')]}};
    is($? >> 8 . $said, '0', '... promtool finds nothing') || diag($said);
}

for my $path (qw(/status /prometheus /ready)) {
    my $head = $t->request(method => 'HEAD', path => $path);
    ok($head->header('Content-Length') > 0 && $head->body eq '', "HEAD $path");
    for my $method (qw(POST PUT DELETE PATCH OPTIONS)) {
        my $res = $t->request(method => $method, path => $path, body => 'x' x 1000);
        is($res->status . ' ' . $res->header('Allow'), '405 GET, HEAD', "$method $path");
    }
}
is($t->request(method => 'GET', path => '/some')->status, 200, 'limit_except: GET');
is($t->request(method => 'POST', path => '/some')->status, 403, '... and not POST');
is($t->request(method => 'GET', path => '/some?x=1')->json->{switch}, 'live', 'with if');
is($t->request(method => 'GET', path => '/status', body => 'x' x 100)->status, 200, 'a body is dropped');

for my $res (status(), status(headers => [['Accept', 'text/html']]), map { $t->request(method => 'GET', path => $_) } qw(/prometheus /ready)) {
    my @shown = grep { index($res->raw, $_) >= 0 } keys $t->{secrets}->%*;
    is(join(' ', @shown), '', 'no secret is shown');
}

# ---------------------------------------------------------------------------------------------------------------- ready

sub ready { my $res = $t->request(method => 'GET', path => '/ready'); return $res->status . ' ' . $res->body }

is(ready(), "503 not ready: expired\n", 'not ready: a credential has expired') for 1, 2;
$t->write('night', '');
is(ready(), "200 ready\n", 'ready: what is closed needs no credential') for 1, 2;
$t->write('closed', '');
is(ready(), "200 ready\n", 'ready: another one is closed') for 1, 2;
is(status()->json->{environments}{sandbox}{closed} ? 1 : 0, 1, '... which is seen');
ok(!status()->json->{environments}{sandbox}{ready}, '... and so it is not ready');
unlink $t->path('night');
is(ready(), "503 not ready: expired\n", 'open again');

# ------------------------------------------------------------------------------------------------------------- restart

cmp_ok(status()->json->{since}, '==', $since, 'a reload and a killed worker have not changed since when');
restart($t);
cmp_ok(status()->json->{since}, '>=', $since, 'a restart begins anew');
is_deeply(status()->json->{environments}{live}{answers}, {}, '... without a request');

$t->done;
