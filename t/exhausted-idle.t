# Idle upstream connections take no place from anybody: when the worker needs one for a client or for another upstream, it
# closes the one that was idle for longest.

use v5.36;

use Canopy::Client;
use Canopy::Process qw(sockets wait_until);
use Canopy::Test;
use Test::More;

my $t = Canopy::Test->new(worker_connections => 24);
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $cert = $t->certificate('canopy', san => 'IP:127.0.0.1');

# nginx's listener and its channel to the master are in the table, too
my $places = 22;

$t->secret('token', 'idle-upstream-credential');
$t->expect_alert(qr/worker_connections are not enough/);

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment plain {
        server            http://127.0.0.1:%%PORT_plain%%/tasking;
        bearer_token_file %%DIR%%/token;
        keepalive_timeout 60s;
    }
    canopy_environment tls {
        server                  https://127.0.0.1:%%PORT_tls%%/tasking;
        bearer_token_file       %%DIR%%/token;
        ssl_trusted_certificate %%DIR%%/ca.pem;
        keepalive_timeout       60s;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /plain/ { canopy_pass plain; }
        location /tls/ { canopy_pass tls; }
        location = /connections { stub_status; access_log off; }
    }
}
EOC

# It answers when the test says so: the requests before that are under way at once.
my $handler = sub ($conn, $req, $n) {
    wait_until(sub { -e $t->path('go') }, 60) or die "not told\n";
    return reply(204);
};
my %upstreams = (plain => [], tls => [tls => $cert]);
$t->upstream($_, handler => $handler, $upstreams{$_}->@*) for sort keys %upstreams;
$t->start;

sub text ($environment, @headers) {
    return Canopy::Client::request_text(path => "/$environment/tasks/$id/cancel",
        headers => [['Authorization', 'Bearer ' . $t->client_token], @headers]);
}

# So many cancels at once, each over a connection of its own.
sub at_once ($environment, $count) {
    my $before = $t->received($environment);
    my @clients = map { $t->connect } 1 .. $count;
    syswrite $_, text($environment) for @clients;
    $t->wait_for(sub { $t->received($environment) == $before + $count }) or die "not all were sent\n";

    $t->write('go', '');
    my @answers = map { $t->response($_) } @clients;
    unlink $t->path('go');
    return grep { $_->status == 204 && $_->header('Canopy-Outcome') eq 'accepted' } @answers;
}

# A client that has a connection and keeps it: nginx asks for its body.
sub hold () {
    my $socket = $t->connect;
    syswrite $socket, text('plain', ['Content-Length', 1], ['Expect', '100-continue']);
    sysread $socket, my $bytes, 100;
    return ($bytes // '') =~ /^HTTP\/1.1 100 Continue/ ? $socket : ();
}

# Its sockets beyond those it had at first. Most of the time they are idle connections.
my $own = sockets($t->workers);

sub idle () { return sockets($t->workers) - $own }

# With all of the idle ones closed, and not before, there are as many places as there ever were.
sub a_full_house ($name) {
    my @held = map { hold() } 1 .. $places - 2;
    is(scalar @held, $places - 2, "$name: clients take their places");

    $t->write('go', '');
    my $res = $t->cancel($id, prefix => '/plain');
    is($res->status . ' ' . $res->header('Canopy-Outcome'), '204 accepted', "$name: the last two are a cancel's");

    push @held, hold();
    is(scalar @held, $places - 1, "$name: one more client");
    $res = $t->cancel($id, prefix => '/plain');
    is($res->status . ' ' . $res->header('Canopy-Outcome'), '500 not-sent', "$name: then the house is full");
    $t->ensures_schema($res, "$name: which is said in JSON");
    unlink $t->path('go');

    close $_ for @held;
    ok($t->wait_for(sub { idle() == 0 }), "$name: they leave") || diag(idle());
}

for my $environment (qw(plain tls)) {
    for my $round (1, 2) {
        is(scalar at_once($environment, 10), 10, "$environment: ten cancels at once ($round)");
        ok($t->wait_for(sub { idle() == 10 }), 'leave ten idle connections') || diag(idle());
        is(scalar at_once($environment, 10), 10, "$environment: ten more");
        my %conns = map { $_->{conn_no} => 1 } ($t->received($environment))[-20 .. -1];
        is(scalar keys %conns, 10, 'go over them');
        a_full_house("$environment ($round)");
    }
}

# One environment's idle connections are in nobody's way, either.
for my $round (1, 2) {
    is(scalar at_once('plain', 11), 11, "the first environment takes every place ($round)");
    is(scalar at_once('tls', 11), 11, "so does the other one ($round)");
}

# What nginx calls "Waiting" are clients. Three idle connections stay.
$t->reload;
for my $environment (qw(plain tls)) {
    is(scalar at_once($environment, 3), 3, "$environment: three cancels at once");
    ok($t->wait_for(sub { idle() == 3 + 3 * ($environment eq 'tls') }), 'leave three idle connections') || diag(idle());
    my $res = $t->request(method => 'GET', path => '/connections');
    like($res->body, qr/Active connections: 1 .*Waiting: 0 /s, 'which are not counted as waiting clients');
}

$t->done;
