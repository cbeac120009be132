# A worker that is killed under load takes with it only the requests of its own clients: all others are answered, and so is
# everybody who comes later.

use v5.36;

use Canopy::Client;
use Canopy::Load;
use Canopy::LoadUpstream;
use Canopy::Process qw(freeze sockets);
use Canopy::Test;
use Test::More;

my $seconds = $ENV{CANOPY_TEST_SOAK} ? 60 : 6;

my $t = Canopy::Test->new(log_level => 'notice', workers => 2);
my $upstream = Canopy::LoadUpstream->new($t);

$t->secret('token', 'kill-upstream-credential');
$t->expect_alert(qr/worker process \d+ exited on signal 9/);

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment plain {
        server            http://127.0.0.1:%%PORT_plain%%/tasking;
        bearer_token_file %%DIR%%/token;
    }
    canopy_environment tls {
        server                  https://127.0.0.1:%%PORT_tls%%/tasking;
        bearer_token_file       %%DIR%%/token;
        ssl_trusted_certificate %%DIR%%/upstream-ca.pem;
    }
    canopy_environment slow {
        server            http://127.0.0.1:%%PORT_slow%%/tasking;
        bearer_token_file %%DIR%%/token;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        access_log off;
        location ~ ^/(?<environment>\w+)/ { canopy_pass $environment; }
    }
}
EOC
# Whoever comes here is on the way long enough to be met by a kill.
$t->upstream('slow', handler => sub ($conn, $req, $n) { $conn->sleep(0.2); return reply(204) });
$t->start;

sub id ($n) { return sprintf 'a0000000-0000-4000-8000-%012x', $n }

# The ports of the clients that a process has accepted.
sub clients ($pid) {
    my %own = map { $_ => 1 } sockets($pid);
    my $here = sprintf '%04X', $t->port('http');
    open my $fh, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!\n";
    return map { hex } map { /^\s*\d+: 0100007F:$here 0100007F:([0-9A-F]{4}) (?:\S+\s+){6}(\d+)/ && $own{$2} ? $1 : () } <$fh>;
}

my (%doomed, $kills);

# A worker that is stopped takes nobody in any more: what it has then is what is lost with it.
sub kill_workers (@workers) {
    for my $worker (@workers) {
        freeze($worker);
        $doomed{$_}++ for clients($worker);
        kill 'KILL', $worker;
        $kills++;
    }
}

# One after the other, and each third time both.
my $tick = 0;
my @texts = map { Canopy::Client::request_text(path => "/$_/tasks/%s/cancel",
                                               headers => [['Authorization', 'Bearer ' . $t->client_token]]) }
            ((qw(plain tls)) x 20, 'slow');
my $load = Canopy::Load->new(
    port => $t->port('http'), connections => 48,
    request => sub ($n) { sprintf $texts[$n % @texts], id($n) },
    tick => sub { my @workers = $t->workers; kill_workers(++$tick % 3 && @workers ? $workers[$tick % @workers] : @workers) },
);
$load->run(seconds => $seconds);

my $requests = $load->requests;
my @lost = $load->failures;
cmp_ok($kills, '>=', $seconds / 3, 'workers are killed under load');
cmp_ok(scalar @lost, '>=', $kills, 'in the middle of requests');
is_deeply([grep { !$_->{port} || !$doomed{$_->{port}} } @lost], [], 'no request is lost but of clients they had');
is_deeply($load->answers, { '204 accepted' => $requests - @lost }, 'all others are answered');

ok($t->wait_for(sub { $t->workers == 2 }, 30), 'there are new workers');
$load->{tick} = undef;
$load->run(requests => 2000);
is(scalar $load->failures, scalar @lost, 'then nothing is lost any more');
is_deeply($load->answers, { '204 accepted' => $requests + 2000 - @lost }, 'all are answered');

# Each was sent once, those that were lost at most.
my %lost = map { id($_->{n}) => 1 } @lost;
my @slow = map { $_->{target} =~ m{/tasks/([^/]+)/cancel} } $t->received('slow');
my $arrived = $upstream->arrived($load->requests - @lost - grep { !$lost{$_} } @slow);
my %times;
$times{$_}++ for @slow, $arrived->{204}->@*;
is(scalar(grep { $_ > 1 } values %times), 0, 'the upstream has seen no cancel twice');
is(scalar(grep { !$lost{$_} } keys %times), $load->requests - @lost, 'and each that was answered');

note(sprintf '%d requests, %d kills, %d lost, %d of them had been sent', $load->requests, $kills, scalar @lost,
     scalar grep { $times{$_} } keys %lost);

$upstream->done;
$t->done;
