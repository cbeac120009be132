# Reloads under load cost nobody an answer: not a client on a new connection, nor one on a kept connection if nginx has
# taken its request in. The upstream sees each cancel once.

use v5.36;

use Canopy::Client;
use Canopy::Load;
use Canopy::LoadUpstream;
use Canopy::Process qw(children);
use Canopy::Test;
use Test::More;

my $seconds = $ENV{CANOPY_TEST_SOAK} ? 300 : 6;

my $t = Canopy::Test->new(log_level => 'notice', workers => 2);
my $upstream = Canopy::LoadUpstream->new($t);

$t->secret('token', 'reload-upstream-credential');

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
    server {
        listen 127.0.0.1:%%PORT_http%%;
        access_log off;
        location ~ ^/(?<environment>\w+)/ { canopy_pass $environment; }
    }
}
EOC
$t->start;

my @authorization = (['Authorization', 'Bearer ' . $t->client_token]);

# Three of four are accepted, half of all go over TLS.
sub id ($n) { return sprintf '%s0000000-0000-4000-8000-%012x', $n % 4 ? 'a' : 'b', $n }
sub right ($n) { return $n % 4 ? '204 accepted' : '422 rejected' }

# One byte for each request: how often it was answered.
my $answered = '';
my $requests = 0;

sub reloads () { return scalar(() = $t->log =~ /^\S+ \S+ \[notice\] \S+ reconfiguring$/mg) }

# So many seconds of load with a reload in each.
sub run ($name, %args) {
    my @texts = map { Canopy::Client::request_text(path => "/$_/tasks/%s/cancel", headers => \@authorization, %args) }
                qw(plain tls);
    my @wrong;
    my $load = Canopy::Load->new(
        port => $t->port('http'), next => $requests, %args,
        request => sub ($n) { sprintf $texts[$n / 2 % 2], id($n) },
        answered => sub ($n, $answer, $) {
            push @wrong, "$n: $answer" if $answer ne right($n);
            vec($answered, $n, 8)++;
        },
        tick => sub { $t->signal('HUP') },
    );
    my $reloads = reloads();
    $load->run(seconds => $seconds);
    $reloads = reloads() - $reloads;

    my $count = $load->requests - $requests;
    $requests = $load->requests;

    cmp_ok($reloads, '>=', $seconds / 3, "$name: reloads under load");
    cmp_ok($count, '>=', 50 * $seconds, "$name: requests");
    is_deeply([$load->failures], [], "$name: each has an answer");
    is_deeply(\@wrong, [], "$name: the right one");
    ok($t->wait_for(sub { children($t->master) == 2 }, 30), "$name: the old workers have left");

    note(sprintf '%s: %d requests in %d s, %d reloads, %d without an answer, %d met a closed connection and were sent again',
         $name, $count, $seconds, $reloads, scalar $load->failures, scalar $load->unread);
}

run('new connections');

# A worker that leaves closes the idle connections of its clients. A request that such a close meets was not read, so the
# client may send it again; one that was read is answered.
run('kept connections', keep => 1);

ok($answered eq "\1" x $requests, 'each request has one answer');

my $arrived = $upstream->arrived($requests);
for my $status (sort keys %$arrived) {
    my @of_it = grep { right($_) =~ /^$status/ } 0 .. $requests - 1;
    my $as_it_should = join(' ', map { id($_) } @of_it) eq join(' ', sort $arrived->{$status}->@*);
    ok($as_it_should, "the upstream has seen each of those cancels once, and answered $status");
}

$upstream->done;
$t->done;
