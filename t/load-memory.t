# Many requests of all kinds leave nothing behind in a worker: no memory, no descriptor.

use v5.36;

use Canopy::Client;
use Canopy::Load;
use Canopy::LoadUpstream;
use Canopy::Process qw(descriptors resident);
use Canopy::Test;
use Test::More;
use Time::HiRes qw(time);

my $warm = 10_000;
my $requests = $ENV{CANOPY_TEST_SOAK} ? 1_000_000 : 40_000;

my $t = Canopy::Test->new(log_level => 'notice');
my $upstream = Canopy::LoadUpstream->new($t);

$t->secret('token', 'memory-upstream-credential');

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment plain {
        server            http://127.0.0.1:%%PORT_plain%%/tasking;
        bearer_token_file %%DIR%%/token;
        keepalive_timeout 500ms;
    }
    canopy_environment tls {
        server                  https://127.0.0.1:%%PORT_tls%%/tasking;
        bearer_token_file       %%DIR%%/token;
        ssl_trusted_certificate %%DIR%%/upstream-ca.pem;
        keepalive_timeout       500ms;
    }
    canopy_environment single {
        server                  https://127.0.0.1:%%PORT_tls%%/tasking;
        bearer_token_file       %%DIR%%/token;
        ssl_trusted_certificate %%DIR%%/upstream-ca.pem;
        keepalive               0;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        access_log /dev/null canopy_test;
        keepalive_requests 500;
        location ~ ^/(?<environment>\w+)/ { canopy_pass $environment; }
    }
}
EOC
$t->start;

my $token = $t->client_token;
my $expired = $t->client_token(exp => 1);

sub text ($path, $token, %args) {
    return Canopy::Client::request_text(path => $path, keep => 1, %args,
        headers => [defined $token ? ['Authorization', "Bearer $token"] : (), ($args{headers} // [])->@*]);
}

# Ten kinds of requests in turn, each in two environments.
my @kinds = (
    ['204 accepted', [qw(plain tls)],    'tasks/a0000000-0000-4000-8000-%012x/cancel', $token],
    ['204 accepted', [qw(plain single)], 'tasks/a0000000-0000-4000-8000-%012x/cancel', $token],
    ['204 accepted', [qw(plain tls)],    'tasks/a0000000-0000-4000-8000-%012x/cancel', $token, body => '{"reason":"none"}'],
    ['204 accepted', [qw(plain tls)],    'tasks/a0000000-0000-4000-8000-%012x/cancel', $token, keep => 0],
    ['422 rejected', [qw(plain tls)],    'tasks/b0000000-0000-4000-8000-%012x/cancel', $token],
    ['422 rejected', [qw(plain single)], 'tasks/b0000000-0000-4000-8000-%012x/cancel', $token],
    ['422 denied',   [qw(plain tls)],    'tasks/a0000000-%012x/cancel',                $token],
    ['401 denied',   [qw(plain tls)],    'tasks/a0000000-0000-4000-8000-%012x/cancel', undef],
    ['401 denied',   [qw(plain tls)],    'tasks/a0000000-0000-4000-8000-%012x/cancel', $expired],
    ['404 denied',   [qw(plain tls)],    'tasks/a0000000-0000-4000-8000-%012x',        $token],
);
my @texts = map { my ($answer, $environments, $path, @rest) = @$_; map { text("/$_/$path", @rest) } @$environments } @kinds;

my $load = Canopy::Load->new(port => $t->port('http'), keep => 1,
                             request => sub ($n) { sprintf $texts[$n % @texts], $n });
my ($worker) = $t->workers;

# What there is when all clients have gone and no upstream connection is kept any more.
my $descriptors = descriptors($worker);
sub left () {
    $t->wait_for(sub { descriptors($worker) <= $descriptors }, 10);
    return (resident($worker), descriptors($worker));
}

# The first ones are sent by twice as many clients, so that what a busier moment needs is there already.
my @before = left();
$load->run(requests => $warm, connections => 64);
my @warm = left();
my $since = time;
$load->run(requests => $requests - $warm, connections => 32);
my $took = time - $since;
my @end = left();

# -------------------------------------------------------------------------------------------------- all accounted for

my %wanted;
$wanted{$_->[0]} += $requests / @kinds for @kinds;
is_deeply($load->answers, \%wanted, "each of $requests requests has its answer");
is_deeply([$load->failures], [], 'no request without one');
is_deeply([$load->unread], [], 'no connection was closed on a request');

my $arrived = $upstream->arrived($wanted{'204 accepted'} + $wanted{'422 rejected'});
is_deeply({ map { $_ => scalar $arrived->{$_}->@* } keys %$arrived },
          { 204 => $wanted{'204 accepted'}, 422 => $wanted{'422 rejected'} }, 'as many cancels have arrived as were answered');

# ------------------------------------------------------------------------------------------------------- nothing left

# The least that could be lost is 16 bytes with every request, or some hundred with every TLS handshake.
my $limit = 128;
my $growth = $end[0] - $warm[0];
is_deeply([$t->workers], [$worker], 'all by one worker');
SKIP: {
    skip 'a sanitizer holds back what is freed', 1 if $ENV{ASAN_OPTIONS};
    cmp_ok($growth, '<=', $limit, "the worker's memory did not grow");
}
is($end[1], $descriptors, 'nor did the number of its descriptors');

note(sprintf '%d requests, %.0f/s; resident: %d kB at start, %d kB after %d, %d kB at the end: %+d kB; descriptors: %d, %d, %d',
     $requests, ($requests - $warm) / $took, $before[0], $warm[0], $warm, $end[0], $growth, $before[1], $warm[1], $end[1]);

$upstream->done;
$t->done;
