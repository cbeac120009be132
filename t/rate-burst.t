# Canopy's published limits, set in rate_limit, are never met at Canopy: an upstream that counts by the same rolling windows,
# at arrival, refuses nothing, whatever twenty clients do, over reloads and killed workers.

use v5.36;

use Fcntl qw(:flock :seek);
use Test::More;
use Time::HiRes qw(sleep time);

use Canopy::Client;
use Canopy::Load;
use Canopy::Test;

my $t = Canopy::Test->new(workers => 2, log_level => 'notice');
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $soak = $ENV{CANOPY_TEST_SOAK};

# A worker that is held up on the way to the upstream, with the place in the windows taken, is not the module's fault. The
# windows are 100 ms longer than named: with less than that, nothing may be refused.
my $held_up = 0.09;

my %limits = (
    burst     => '2r/s 120r/m 300r/h',
    (map { ("minute$_" => '2r/s 5r/m 300r/h') } 1 .. 5),       # one for each attempt
    disturbed => '2r/s 120r/m 300r/h',
    patient   => '2r/s 120r/m 300r/h',
    alone     => '2r/s 120r/m 300r/h',
);
my %seconds = (s => 1, m => 60, h => 3600);

$t->secret('token', 'burst-upstream-credential');
$t->conf(<<'EOC' =~ s/ENVIRONMENTS/join "\n", map { environment($_) } sort keys %limits/er);
%%HEAD%%
http {
    %%HTTP%%
    access_log off;
    keepalive_requests 1000000;
ENVIRONMENTS
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\w+)/ { canopy_pass $environment; }
    }
}
EOC

sub environment ($name) {
    return <<"EOC";
    canopy_environment $name {
        server            http://127.0.0.1:%%PORT_$name%%/tasking;
        bearer_token_file %%DIR%%/token;
        rate_limit        $limits{$name};
    }
EOC
}

# Judges at arrival, all connections by one file of times; what it refuses does not count, as with us.
sub stand_in ($name) {
    my @windows = map { m{^(\d+)r/(\w)$} ? [$seconds{$2}, $1] : () } split / /, $limits{$name};
    open my $fh, '+>', $t->path("arrived-$name") or die "arrived-$name: $!";
    $t->upstream($name, handler => sub ($conn, $req, $) {
        open my $fh, '+<', $t->path("arrived-$name") or die "arrived-$name: $!";
        flock $fh, LOCK_EX;
        my @times = map { chomp; $_ } <$fh>;
        my $now = time;
        my ($full) = grep { my ($period, $limit) = @$_; $limit <= grep { $_ > $now - $period } @times } @windows;
        return reply(429) if $full;
        seek $fh, 0, SEEK_END;
        printf $fh "%.6f\n", $now;
        return reply(204);
    });
}

stand_in($_) for sort keys %limits;
$t->start;

my @authorization = (['Authorization', 'Bearer ' . $t->client_token]);

# Answers are counted by status, outcome and Retry-After; each (answered) may be looked at as well.
sub load ($name, %args) {
    my %until = map { $_ => delete $args{$_} } grep { $args{$_} } qw(requests seconds);
    my $each = delete $args{each};
    my $text = Canopy::Client::request_text(path => "/$name/tasks/$id/cancel", headers => \@authorization, keep => 1);
    my $slowest = 0;
    my $load = Canopy::Load->new(
        port => $t->port('http'), connections => 20, keep => 1, header => 'Retry-After', request => sub ($) { $text }, %args,
        answered => sub ($, $answer, $seconds) {
            $slowest = $seconds if $answer !~ /^429 not-sent/ && $seconds > $slowest;
            $each->($answer) if $each;
        },
    );
    $load->run(%until);
    note("$name: ", explain($load->answers));
    return { load => $load, answers => $load->answers, slowest => $slowest };
}

sub count ($run, $answer) {
    my $count = 0;
    $count += $run->{answers}{$_} for grep { /^$answer(?: |$)/ } keys $run->{answers}->%*;
    return $count;
}

# What is neither accepted nor to wait.
sub others ($run) { return join ', ', grep { !/^(?:204 accepted|429 not-sent \d+)$/ } sort keys $run->{answers}->%* }

sub waits ($run) { return join ' ', sort { $a <=> $b } map { /^429 not-sent (\d+)$/ } keys $run->{answers}->%* }

sub sent ($name) { return scalar $t->received($name) }

# One test, with as many attempts as the machine needs to send something without being held up. What was late in one is not to
# be in the next one's way.
sub refuses_nothing ($doing, $code) {
    my $run;
    for my $attempt (1 .. 5) {
        $run = $code->($attempt);
        last if !count($run, '429 rejected') || $run->{slowest} < $held_up;
        diag(sprintf '%s: a request took %.3f s, once more', $doing, $run->{slowest});
        sleep 1.5;
    }
    is(count($run, '429 rejected'), 0, "$doing: the upstream has refused nothing");
    return $run;
}

# --------------------------------------------------------------------------------------------- a thousand, as fast as can be

my $before;
my $run = refuses_nothing('a burst', sub ($) { $before = sent('burst'); load('burst', requests => 1000) });
is(count($run, '\d+ \S+'), 1000, 'a thousand cancels by twenty clients have an answer');
is_deeply([$run->{load}->failures], [], 'each its own');
is(others($run), '', 'accepted, or not sent');
cmp_ok(count($run, '204 accepted'), '>=', 2, 'two are sent at once');
is(sent('burst') - $before, count($run, '204 accepted'), 'nothing is sent but what is accepted');
like(waits($run), qr/^(?:1|2|1 2)$/, 'the others are to wait for a second or two');

# --------------------------------------------------------------------------------------------------- the minute is full first

# Once the fifth is sent, each is to wait until the first one is a minute old.
my ($first, $fifth, $minute, @wrong);
$run = refuses_nothing('a minute', sub ($attempt) {
    ($minute, $fifth, @wrong) = "minute$attempt";
    load($minute, seconds => 7, each => sub ($answer) {
        ($first, $fifth) = (map { $_->{at} } $t->received($minute))[0, 4] if !$fifth;
        my ($wait) = $answer =~ /^429 not-sent (\d+)$/ or return;
        return if !$fifth || time < $fifth + 1;
        my $due = $first + 60.1 - time;
        push @wrong, "$due: $wait" if $wait < $due - 1 || $wait > $due + 10;
    });
});
is(others($run), '', 'a minute: accepted, or not sent');
is_deeply([$run->{load}->failures], [], 'each has an answer');
is(sent($minute), 5, 'five are sent');
is_deeply([splice @wrong, 0, 10], [], 'the others are to wait until the first one is a minute old');

# --------------------------------------------------------------------------------- a reload, a killed worker, another reload

$t->expect_alert(qr/worker process \d+ exited on signal 9/);
my $tick;
my @disturbances = (sub { $t->signal('HUP') }, sub { kill 'KILL', ($t->workers)[0] }, sub { $t->signal('HUP') }, sub { kill 'KILL', $t->workers });
$run = refuses_nothing('disturbances', sub ($) {
    ($before, $tick) = (sent('disturbed'), 0);
    load('disturbed', seconds => 10, tick => sub { $disturbances[$tick / 2]->() if $tick++ % 2 == 0 && $tick < 8 });
});
cmp_ok($tick, '>=', 5, 'there were disturbances');
is(others($run), '', 'disturbances: accepted, or not sent');
cmp_ok($run->{load}->failures + $run->{load}->unread, '<=', 4 * 20, 'only what was on its way has no answer');
cmp_ok(sent('disturbed') - $before, '>=', 6, 'cancels get through');
cmp_ok(sent('disturbed') - $before, '>=', count($run, '204 accepted'), 'what was accepted was sent');

# --------------------------------------------------------------------------------------- clients that wait as they are told

# Twenty of them, each with one cancel after the other, for so many seconds.
sub patient ($seconds) {
    my ($slowest, $last, %answers) = (0, 0);
    my $end = time + $seconds;
    my @clients = map { { due => time } } 1 .. 20;
    while (1) {
        my ($client) = sort { $a->{due} <=> $b->{due} } @clients;
        last if $client->{due} > $end;
        sleep $client->{due} - time if $client->{due} > time;

        my $start = time;
        my $res = $t->cancel($id, prefix => '/patient');
        my $wait = $res->header('Retry-After');
        $answers{join ' ', grep { length } $res->status, $res->header('Canopy-Outcome'), $wait}++;
        $slowest = time - $start if $res->status == 204 && time - $start > $slowest;
        $client->{due} = time + ($wait || 0) + rand 0.5;
        $last = time + $wait if $wait;
    }
    return { answers => \%answers, slowest => $slowest, last => $last };
}

my $seconds = $soak ? 300 : 8;
$run = refuses_nothing('patience', sub ($) { $before = sent('patient'); patient($seconds) });
is(others($run), '', 'patience: accepted, or not sent');
is(sent('patient') - $before, count($run, '204 accepted'), 'nothing is sent but what is accepted');
cmp_ok(count($run, '204 accepted'), '>=', $seconds / 2, 'cancels get through');
note("$seconds s: ", explain($run->{answers}));

if ($soak) {
    is(sent('patient'), 300, 'three hundred in an hour');
    my ($first) = map { $_->{at} } $t->received('patient');
    cmp_ok(abs($first + 3600.1 - $run->{last}), '<', 3, 'the others are to wait until the first one is an hour old');
}

# Who is alone and waits so long gets through: that is what Retry-After says.
for my $round (1 .. 3) {
    my ($res, $wait, $told, $then);
    for my $attempt (1 .. 5) {
        my $slowest = 0;
        for (1 .. 10) {
            my $start = time;
            $res = $t->cancel($id, prefix => '/alone');
            last if length($wait = $res->header('Retry-After'));
            $slowest = time - $start if time - $start > $slowest;
        }
        $told = join ' ', $res->status, $res->header('Canopy-Outcome'), $res->json->{detail}[0]{type};
        sleep $wait;
        $then = $t->cancel($id, prefix => '/alone');
        last if $then->status == 204 || $slowest < $held_up;
        diag(sprintf 'alone: a request took %.3f s, once more', $slowest);
        sleep 1.5;
    }
    is($told, '429 not-sent rate_limited', "alone: too many ($round)");
    is($then->status, 204, "after $wait seconds there is a place ($round)");
}

$t->done;
