# rate_limit: no more is sent in any window than it says, over all workers and reloads, and whoever has to wait is told how
# long.

use v5.36;

use Test::More;
use Time::HiRes qw(time sleep);

use Canopy::Client;
use Canopy::Test;

my $t = Canopy::Test->new(workers => 2);
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

$t->secret('token', 'rate-upstream-credential');

my $conf = <<'EOC';
%%HEAD%%
http {
    %%HTTP%%
    %%BURSTS%%
    canopy_environment hour {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        rate_limit        3r/h;
        keepalive_timeout 60s;
    }
    canopy_environment nobody {
        server            http://127.0.0.1:%%PORT_nobody%%/tasking;
        bearer_token_file %%DIR%%/token;
        rate_limit        1r/h;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\w+)/ { canopy_pass $environment; }
    }
}
EOC
# one for each attempt
my $burst = 'canopy_environment burst%d { server http://127.0.0.1:%%%%PORT_canopy%%%%/%d; bearer_token_file %%%%DIR%%%%/token; rate_limit 5r/s 40r/m; }';
$conf =~ s{%%BURSTS%%}{join "\n    ", map { sprintf $burst, $_, $_ } 1 .. 6}e;
$t->conf($conf);

# "again" is found closed on a kept connection
$t->upstream('canopy', handler => sub ($conn, $req, $n) {
    return $req->header('X-Request-ID') eq 'again' && $req->{req_no} > 1 ? 'close' : reply(204);
});
$t->start;

sub cancel ($environment, @headers) { return $t->cancel($id, prefix => "/$environment", headers => [@headers]) }

sub refused ($res, $name) {
    my $detail = (eval { $res->json } // {})->{detail}[0] // {};
    is(join(' ', $res->status, $detail->{type} // '', $res->header('Canopy-Outcome'), "@{ $detail->{loc} // [] }"),
       '429 rate_limited not-sent environment', $name) || diag($res->raw);
    $t->ensures_schema($res, "$name: its body");
    return $res->header('Retry-After');
}

# 20 clients at once, again and again, until 30 are through. Where the upstream is held up what was sent apart comes together: then
# once more.
my ($accepted, $all, $most, @waits) = (0, 0);
for my $attempt (1 .. 6) {
    $accepted = burst("burst$attempt");
    $all += $accepted;
    my @sent = map { $_->{at} } grep { $_->{target} =~ m{^/$attempt/} } $t->received('canopy');
    is(scalar @sent, $accepted, 'what was sent was accepted');
    $most = 0;
    for my $i (0 .. $#sent) {
        my $n = grep { $_ > $sent[$i] - 1 && $_ <= $sent[$i] } @sent;
        $most = $n if $n > $most;
    }
    last if $most == 5;
    diag("$most in a second, once more");
}
cmp_ok($accepted, '>=', 30, 'thirty are sent in the end');
is($most, 5, 'five in a second, not one more and not one less');
is_deeply([grep { $_ !~ /^[12]$/ } @waits], [], 'the others are to wait for a second or two');

sub burst ($environment) {
    my $deadline = time + 60;
    my $through = 0;
    while ($through < 30 && time < $deadline) {
        my @sockets = map { $t->connect } 1 .. 20;
        my $text = Canopy::Client::request_text(path => "/$environment/tasks/$id/cancel",
            headers => [['Authorization', 'Bearer ' . $t->client_token]]);
        syswrite $_, $text for @sockets;
        for my $res (map { $t->response($_, keep => 0) } @sockets) {
            $through++ if $res->status == 204;
            push @waits, $res->header('Retry-After') if $res->status == 429;
        }
        sleep 0.05;
    }
    return $through;
}

# what is not sent does not count
for my $round (1, 2, 3) {
    my $res = cancel('nobody');
    is($res->status . ' ' . $res->header('Canopy-Outcome'), '502 not-sent', "nothing was sent, nothing counts ($round)");
}

# a repeat takes a place of its own
is(cancel('hour')->status, 204, 'the first of three');
my $again = cancel('hour', ['X-Request-ID', 'again']);
is($again->status, 204, 'the second, on a kept connection or not');
my @again = grep { $_->header('X-Request-ID') eq 'again' } $t->received('canopy');
is(cancel('hour')->status, 204, 'the third') if @again == 1;
for my $round (1, 2) {
    my $wait = refused(cancel('hour'), "the fourth ($round)");
    ok($wait > 3500 && $wait <= 3601, "has to wait for an hour ($round)") || diag($wait);
}
is(scalar(grep { $_->{target} =~ /cancel/ } $t->received('canopy')), $all + 3, 'three were sent');

$t->reload;
refused(cancel('hour'), 'after a reload');
$t->conf($conf =~ s{3r/h}{4r/h}r);
$t->reload;
is(cancel('hour')->status, 204, 'a larger window: one more');
refused(cancel('hour'), 'and no further one');
$t->conf($conf =~ s{3r/h}{2r/h}r);
$t->reload;
refused(cancel('hour'), 'a smaller one');

# nginx -t
for my $case (['0r/s', 'invalid rate "0r/s"'], ['5', 'invalid rate "5"'], ['10001r/h', 'invalid rate "10001r/h"'],
              ['1r/s 2r/s 3r/s 4r/s 5r/m 6r/m 7r/m 8r/h 9r/h', 'has more than 8 rates'],
              ["1r/s;\n rate_limit 2r/s", 'is duplicate']) {
    my ($status, $output) = $t->test_conf($conf =~ s{5r/s 40r/m}{$case->[0]}r);
    is($status, 1, "rate_limit $case->[0] is refused");
    like($output, qr/\Q$case->[1]/, 'and why is said');
}

$t->done;
