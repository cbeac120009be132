# canopy_switch_file under load, rewritten twenty times a second in every way an operator might: each cancel goes to the
# environment that its answer names, once, and none that asks for an environment is moved to another one.

use v5.36;

use Test::More;
use Time::HiRes qw(sleep time);

use Canopy::Client;
use Canopy::Load;
use Canopy::Process qw(end_process spawn);
use Canopy::Test;

my $seconds = $ENV{CANOPY_TEST_SOAK} ? 120 : 8;
my $t = Canopy::Test->new(workers => 2, log_level => 'notice');
my $canopy = Canopy::Test->new(module => 0, log_level => 'notice');
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

# Two upstreams in a fast nginx; who brings the other one's credential gets 401.
$canopy->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    log_format arrived '$status $request_uri';
    server {
        listen 127.0.0.1:%%PORT_live%%;
        access_log %%DIR%%/live.log arrived;
        if ($http_authorization != "Bearer switch-credential-of-live") { return 401; }
        location / { return 204; }
    }
    server {
        listen 127.0.0.1:%%PORT_sandbox%%;
        access_log %%DIR%%/sandbox.log arrived;
        if ($http_authorization != "Bearer switch-credential-of-sandbox") { return 401; }
        location / { return 204; }
    }
}
EOC
$canopy->start;

$t->{ports}{$_} = $canopy->port($_) for qw(live sandbox);
$t->secret("$_.token", "switch-credential-of-$_") for qw(live sandbox);
$t->write('switch', "sandbox\n");

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    access_log off;
    canopy_switch_file %%DIR%%/switch;
    canopy_environment live    { server http://127.0.0.1:%%PORT_live%%;    bearer_token_file %%DIR%%/live.token; }
    canopy_environment sandbox { server http://127.0.0.1:%%PORT_sandbox%%; bearer_token_file %%DIR%%/sandbox.token; }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location / { canopy_pass $canopy_switch; }
    }
}
EOC
$t->start;

# In one step, as the manual says.
sub replace ($content) {
    $t->write('switch.new', $content);
    rename $t->path('switch.new'), $t->path('switch') or die "switch: $!";
}

# In place: empty for a moment, then half a word.
sub overwrite ($content, $pause = 0.01) {
    open my $fh, '>', $t->path('switch') or die "switch: $!";
    $fh->autoflush(1);
    for my $part ($content =~ /^(..)(.*)$/s) {
        sleep $pause;
        print $fh $part;
    }
    close $fh or die "switch: $!";
}

# ------------------------------------------------------------------------------------------------ rewritten under load

my $rewriter = spawn(sub {
    my @ways = (\&replace, \&overwrite);
    my @words = ("live\n", "sandbox\n", "live\n", "sandbox", "nowhere\n", "live\n", "", "  sandbox \n", "live sandbox\n");
    for (my $n = 0; ; $n++) {
        $ways[rand @ways]->($words[rand @words]);
        sleep 0.05;
    }
});

# One of three says nothing, one asks for live, one for sandbox.
my @pins = ('', 'live', 'sandbox');
my @texts = map { Canopy::Client::request_text(path => '/tasks/%s/cancel', keep => 1, headers =>
    [['Authorization', 'Bearer ' . $t->client_token], $_ ? ['Canopy-Environment', $_] : ()]) } @pins;

sub id ($n) { return sprintf '00000000-0000-4000-8000-%012x', $n }

my (%went, @wrong);
my $load = Canopy::Load->new(
    port => $t->port('http'), keep => 1, header => 'Canopy-Environment', request => sub ($n) { sprintf $texts[$n % 3], id($n) },
    answered => sub ($n, $answer, $) {
        my $pin = $pins[$n % 3];
        my ($environment) = $answer =~ /^204 accepted (live|sandbox)$/;
        push $went{$environment}->@*, id($n) if $environment;
        push @wrong, "$n asks for '$pin': $answer"
            if !($environment && (!$pin || $pin eq $environment)) && !($pin && $answer =~ /^421 denied (?!$pin)(?:live|sandbox)$/);
    },
);
sub switches () { return scalar(() = $t->log =~ /switched from environment/g) }

# The file is looked at once a second, and what stands in it then is chance: longer, if it was always nonsense.
my $began = time;
$load->run(seconds => $seconds);
$load->run(seconds => 1) while switches() < 4 && time - $began < 120;
end_process($rewriter);
my $lasted = time - $began;
note(explain($load->answers));

cmp_ok($load->requests, '>=', 100 * $seconds, 'there was load');
is_deeply([$load->failures], [], 'each has an answer');
is_deeply([splice @wrong, 0, 10], [], 'who asks for an environment is served by it or not at all, who does not is served');
cmp_ok(switches(), '>=', 4, 'there were switches') || diag($t->log);
is_deeply([sort keys %went], ['live', 'sandbox'], 'to and fro');

for my $name (sort keys %went) {
    my @arrived;
    $canopy->wait_for(sub {
        @arrived = $canopy->read("$name.log") =~ m{^(\d+ /tasks/.*)/cancel$}mg;
        return @arrived >= $went{$name}->@*;
    });
    ok(join("\n", sort @arrived) eq join("\n", map { "204 /tasks/$_" } sort $went{$name}->@*),
       "$name has got each cancel that was answered in its name, once, with its credential, and no other") || diag(scalar @arrived, " of ", scalar $went{$name}->@*);
}

# A look a second and worker, and so at most a line.
my $refusals = () = $t->log =~ /switch file ".*" .*, the last good environment stays in use/g;
cmp_ok($refusals, '<=', 2 * ($lasted + 3), 'nonsense does not flood the log');

# -------------------------------------------------------------------------------------------------------- within a second

sub where () {
    my %seen;
    $seen{$_->status . ' ' . $_->header('Canopy-Environment')}++ for map { $t->cancel($id, prefix => '') } 1 .. 40;
    return join ', ', sort keys %seen;
}

# Who asks a second later, or more, is served by the new one. Two of these changes leave the file's size as it was.
replace("live\n");
sleep 1.1;
is(where(), '204 live', 'the file comes to rest');
my $n = 0;
for my $word (qw(sandbox live sandbox live sandbox live)) {
    $n++ % 2 ? overwrite(sprintf('%7s', $word), 0) : replace(sprintf '%7s', $word);
    sleep 1;
    is(where(), "204 $word", "a second later all workers are there: $word ($n)");
    sleep 0.1 * $n;
}

# Half a word that stays is nonsense: what was there is kept.
overwrite('sandb');
sleep 1;
is(where(), '204 live', 'half a word moves nobody');

$canopy->stop;
is_deeply([$canopy->faults], [], 'nothing was wrong with the upstreams');
$t->done;
