# Slow clients and slow upstreams, fifty at a time, are in nobody's way: others are answered as soon as ever, and the worker
# does nothing for those that hang.

use v5.36;

use Canopy::Client;
use Canopy::Load;
use Canopy::LoadUpstream;
use Canopy::Process qw(cpu sockets wait_until);
use Canopy::Test;
use IO::Select;
use Test::More;

my $rounds = $ENV{CANOPY_TEST_SOAK} ? 10 : 2;

my $t = Canopy::Test->new(log_level => 'notice');
my $upstream = Canopy::LoadUpstream->new($t);
my $id = 'af2504e0-4f89-41d3-9a0c-0305e82c3301';

$t->secret('token', 'slow-upstream-credential');

my $environment = sub ($name, $scheme) { "
    canopy_environment $name {
        server                  $scheme://127.0.0.1:%%PORT_$name%%/tasking;
        bearer_token_file       %%DIR%%/token;
        ssl_trusted_certificate %%DIR%%/upstream-ca.pem;
        connect_timeout         60s;
        read_timeout            60s;
        exchange_timeout        120s;
        keepalive_timeout       500ms;
    }"
};
my @plain = map { $environment->($_, 'http') } qw(plain silent trickling);
my @tls = map { $environment->($_, 'https') } qw(tls mute);

$t->conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    client_header_timeout 60s;
    client_body_timeout   60s;
    @plain
    @tls
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\\w+)/ { canopy_pass \$environment; }
    }
}
EOC

# Slow ones go on when the test says so.
sub told () { wait_until(sub { -e $t->path('go') }, 100) or die "not told\n" }

my %upstreams = (
    silent    => [handler => sub ($conn, $req, $n) { told(); return reply(204) }],
    trickling => [handler => sub ($conn, $req, $n) {
        $conn->print("HTTP/1.1 204 No Content\r\nServer: x");
        for (1 .. 2000) {
            last if -e $t->path('go');
            $conn->print('x');
            $conn->sleep(0.05);
        }
        return "\r\n\r\n";
    }],
    mute      => [tls => $upstream->certificate, hook => sub ($conn, $no) { told(); return }],
);
$t->upstream($_, $upstreams{$_}->@*) for sort keys %upstreams;
$t->start;

my ($worker) = $t->workers;
my @authorization = (['Authorization', 'Bearer ' . $t->client_token]);

sub text ($environment, %args) {
    return Canopy::Client::request_text(path => "/$environment/tasks/$id/cancel", %args,
                                        headers => [@authorization, ($args{headers} // [])->@*]);
}

# Ten of each kind: what they send now, and what they send when told.
sub slow () {
    my $half = text('plain');
    my $rest = substr $half, 100, length $half, '';
    my $body = text('plain', headers => [['Content-Length', 1000]]);
    my @slow = map { [$half, $rest], [$body, 'x' x 1000], [text('silent'), ''], [text('trickling'), ''], [text('mute'), ''] }
               1 .. 10;
    return map { my $socket = $t->connect; syswrite $socket, $_->[0]; { socket => $socket, rest => $_->[1] } } @slow;
}

# A byte more of those bodies that are on their way.
sub trickle (@slow) {
    for my $slow (grep { $_->{rest} =~ /^xx/ } @slow) {
        syswrite $slow->{socket}, substr $slow->{rest}, 0, 1, '';
    }
}

sub hanging (@slow) { return grep { !IO::Select->new($_->{socket})->can_read(0) } @slow }

# The times that a thousand cancels take, in order.
sub seconds ($each = sub { }) {
    my @seconds;
    my @texts = map { text($_) } qw(plain tls);
    my $load = Canopy::Load->new(
        port => $t->port('http'), connections => 4,
        request => sub ($n) { $texts[$n % 2] },
        answered => sub ($n, $answer, $seconds) { push @seconds, $seconds; $each->() if $n % 50 == 0 },
    );
    $load->run(requests => 1000);
    is_deeply($load->answers, { '204 accepted' => 1000 }, 'a thousand cancels');
    return sort { $a <=> $b } @seconds;
}

my $own = sockets($worker);
my @alone = seconds();

for my $round (1 .. $rounds) {
    ok($t->wait_for(sub { sockets($worker) == $own }), "no connection is left ($round)");
    unlink $t->path('go');
    my @slow = slow();
    ok($t->wait_for(sub { sockets($worker) == $own + 80 }, 20), "fifty hang ($round)") || diag(sockets($worker) - $own);

    my $cpu = cpu($worker);
    select undef, undef, undef, 1;
    $cpu = cpu($worker) - $cpu;
    cmp_ok($cpu, '<', 0.25, "the worker has next to nothing to do ($round)");

    my @beside = seconds(sub { trickle(@slow) });
    is(scalar hanging(@slow), 50, "the fifty still hang ($round)");
    cmp_ok($beside[500], '<', 3 * $alone[500] + 0.05, "half of the others are answered as soon as without them ($round)");
    cmp_ok($beside[950], '<', 3 * $alone[950] + 0.5, "almost all are ($round)");
    note(sprintf 'median: %.1f ms alone, %.1f ms beside fifty slow ones; 95 %%: %.1f, %.1f; 99 %%: %.1f, %.1f; CPU: %.2f s',
         (map { ($alone[$_] * 1000, $beside[$_] * 1000) } 500, 950, 990), $cpu);

    $t->write('go', '');
    syswrite $_->{socket}, $_->{rest} for @slow;
    my @answers = map { $t->response($_->{socket}, timeout => 30) } @slow;
    is(scalar(grep { $_->status == 204 && $_->header('Canopy-Outcome') eq 'accepted' } @answers), 50,
       "they are answered in the end ($round)");
}

$upstream->done;
$t->done;
