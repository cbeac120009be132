# canopy_switch_file: a rewrite of one word moves all workers within a second, and nobody who has asked for one environment.

use v5.36;

use Test::More;
use Time::HiRes qw(sleep time);

use Canopy::Process qw(freeze);
use Canopy::Test;

my $t = Canopy::Test->new(workers => 2);
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

$t->secret("$_.token", "switch-credential-of-$_") for qw(live sandbox);
for my $name (qw(live sandbox)) {
    $t->upstream($name, handler => sub ($conn, $req, $n) {
        return $req->header('Authorization') eq "Bearer switch-credential-of-$name" ? reply(204) : reply(401);
    });
}
$t->write('switch', "sandbox\n");

my $conf = <<'EOC';
%%HEAD%%
http {
    %%HTTP%%
    canopy_switch_file %%DIR%%/switch;
    canopy_environment live    { server http://127.0.0.1:%%PORT_live%%;    bearer_token_file %%DIR%%/live.token; }
    canopy_environment sandbox { server http://127.0.0.1:%%PORT_sandbox%%; bearer_token_file %%DIR%%/sandbox.token; }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location / { canopy_pass $canopy_switch; }
        location /which { return 200 "$canopy_switch"; }
    }
}
EOC
$t->conf($conf);
$t->start;

sub cancel (@headers) { return $t->cancel($id, prefix => '', headers => [@headers]) }

sub all_go_to ($name, $times = 40) {
    my %seen;
    $seen{$_->status . ' ' . $_->header('Canopy-Environment')}++ for map { cancel() } 1 .. $times;
    return join ', ', sort keys %seen;
}

sub switch ($content) {
    $t->write('switch.new', $content);
    rename $t->path('switch.new'), $t->path('switch') or die "switch: $!";
}

is(all_go_to('sandbox'), '204 sandbox', 'the word at start');
is($t->request(path => '/which')->body, 'sandbox', 'and the variable');

switch('live');
sleep 2;
is(all_go_to('live'), '204 live', 'rewritten: all workers have moved');
is(cancel(['Canopy-Environment', 'live'])->status, 204, 'who asks for live gets live');
my $res = cancel(['Canopy-Environment', 'sandbox']);
is($res->status . ' ' . $res->json->{detail}[0]{type}, '421 environment_mismatch', 'who asks for sandbox is not moved');

for my $nonsense ("nowhere\n", '', "live sandbox\n", "LIVE\n", "live\0\n") {
    my $before = () = $t->log =~ /switch file ".*" .*, the last good environment stays in use/g;
    switch($nonsense);
    sleep 2.2;
    is(all_go_to('live'), '204 live', 'nonsense: the last good one stays');
    my $after = () = $t->log =~ /switch file ".*" .*, the last good environment stays in use/g;
    ok($after > $before && $after <= $before + 2, 'one line of each worker') || diag($after - $before);
}

like($t->log, qr/switch file ".*switch" $_, the last good environment stays in use/, "the log says: $_")
    for 'names no environment', 'is empty', 'holds a space inside', 'holds a control character inside';

# A worker that is new has never seen a good content but the one at start, which is another one by now.
sub new_workers () {
    my %old = map { $_ => 1 } $t->workers;
    kill 'KILL', keys %old;
    ok($t->wait_for(sub { my @now = $t->workers; @now == 2 && !grep { $old{$_} } @now }), 'workers die, and there are new ones');
}

$t->expect_alert(qr/worker process \d+ exited on signal 9/);
new_workers();
is(all_go_to('live'), '204 live', 'nonsense, and new workers: the last good one stays');

unlink $t->path('switch');
sleep 1.5;
is(all_go_to('live'), '204 live', 'no file: the last good one stays');
new_workers();
is(all_go_to('live'), '204 live', 'no file, and new workers: the last good one stays');
switch("  sandbox  \n");
sleep 2;
is(all_go_to('sandbox'), '204 sandbox', 'and there it is again');
new_workers();
is(all_go_to('sandbox'), '204 sandbox', 'new workers read it as well');
$t->reload;
is(all_go_to('sandbox'), '204 sandbox', 'after a reload');

# one worker does not see a good word before it is gone
{
    my ($one, $other) = $t->workers;
    freeze($one);
    switch("live\n");
    sleep 2;
    is(all_go_to('live', 1), '204 live', 'one worker sees another word');
    switch("nowhere\n");
    sleep 2;
    is(all_go_to('live', 1), '204 live', '... and nonsense');
    freeze($other);
    kill 'CONT', $one;
    is(all_go_to('live', 1), '204 live', 'the other sees the nonsense only, and has the last good word all the same');
    kill 'CONT', $other;
    switch("sandbox\n");
    sleep 2;
    is(all_go_to('sandbox'), '204 sandbox', 'and both see the next one');
}

for my $case (["nowhere\n", qr/switch file ".*switch" names no environment/], ['', qr/switch file ".*switch" is empty/],
              [undef, qr/switch file ".*switch" cannot be opened/]) {
    defined $case->[0] ? switch($case->[0]) : unlink $t->path('switch');
    my ($status, $output) = $t->test_conf($conf);
    is($status, 1, 'nginx -t refuses it');
    like($output, $case->[1], 'and says why');
    like($output, qr/"canopy_switch_file" needs a file with the name of an environment in it, in .*conf-test\.conf:\d+/, 'and where');
}

switch("sandbox\n");
$t->done;
