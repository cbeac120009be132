# What is left in memory: the client's secret and the token are there where they are kept, and nowhere else once an
# exchange is over; of a token that was replaced, nothing is left.

use v5.36;

use Test::More;
use Time::HiRes qw(sleep time);

use Canopy::Test;
use Canopy::TokenEndpoint;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

# Long ones, of pieces that can be counted: a short one would be overwritten by chance.
my $secret = join '', map { sprintf 'secret-piece-%03d.', $_ } 1 .. 700;
my %token = map { my $name = $_; $name => join '', map { sprintf '%s-piece-%03d.', $name, $_ } 1 .. 700 } qw(first second);

my $auth = Canopy::TokenEndpoint->new($t, 'auth', clients => { 'client-1' => $secret });
my $secure = Canopy::TokenEndpoint->new($t, 'secure', clients => { 'client-1' => $secret }, tls => $t->certificate('auth'));
$t->secret('secret', $secret);
$t->plant($_) for 'secret-piece-350', 'first-piece-350', 'second-piece-350';
$t->upstream('canopy', handler => sub ($conn, $req, $n) {
    my ($name) = $req->header('Authorization') =~ /^Bearer (\w+)-piece/;
    $t->append('used', "$name\n");
    return reply(204);
});

sub set_conf ($url) {
    $t->conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    canopy_state_path %%DIR%%/state;
    canopy_environment live {
        server                    http://127.0.0.1:%%PORT_canopy%%;
        oauth2_client_id          client-1;
        oauth2_client_secret_file %%DIR%%/secret;
        oauth2_token_url          $url;
        oauth2_audience           https://live.example;
        ssl_trusted_certificate   %%DIR%%/ca.pem;
        keepalive                 0;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/ { canopy_pass live; }
    }
}
EOC
}

# How many of the pieces are in the memory of a process.
sub in_memory ($what, $pid = ($t->workers)[0]) {
    open my $maps, '<', "/proc/$pid/maps" or return;
    open my $mem, '<:raw', "/proc/$pid/mem" or return;
    my $found = 0;
    for my $line (<$maps>) {
        my ($from, $to) = $line =~ /^(\w+)-(\w+) rw/ or next;
        no warnings 'portable';
        return if hex($to) - hex $from > 1 << 30;       # a sanitizer's
        sysseek $mem, hex $from, 0 or next;
        sysread $mem, my $bytes, hex($to) - hex $from or next;
        $found += () = $bytes =~ /$what-piece-\d/g;
    }
    return $found;
}

# What is left when a request has ended, a moment after its answer.
sub is_left ($what, $count, $name) {
    my $found;
    $t->wait_for(sub { ($found = in_memory($what)) == $count }, 5);
    is($found, $count, $name);
}

sub used () { return -e $t->path('used') ? (split /\n/, $t->read('used'))[-1] : '' }
sub body ($name, $life) { return { body => qq({"access_token":"$token{$name}","expires_in":$life,"token_type":"Bearer"}) } }

$auth->answers(body('first', 10), body('second', 86400));
set_conf('http://127.0.0.1:%%PORT_auth%%/');
$t->start;

SKIP: {
    defined in_memory('secret') or skip 'the memory of a worker cannot be read', 7;
    $t->cancel($id, prefix => '/live') for 1, 2;
    is(used(), 'first', 'a token is used');
    is_left('secret', 700, 'the secret is where it is kept, and nowhere else');
    is_left('first', 1400, 'the token is with all workers and with this one');
    $t->wait_for(sub { sleep 0.1; $t->cancel($id, prefix => '/live'); used() eq 'second' });
    is(used(), 'second', 'it is renewed');
    is_left('first', 0, 'nothing is left of the first one');
    is_left('second', 1400, 'the second one is where the first one was');
    is_left('secret', 700, 'the secret is where it was');
}
$t->stop;

# With TLS, OpenSSL has buffers of its own for what it reads.

$secure->answers(body('first', 86400));
set_conf('https://localhost:%%PORT_secure%%/');
$t->start;
SKIP: {
    defined in_memory('secret') or skip 'the memory of a worker cannot be read', 2;
    $t->cancel($id, prefix => '/live') for 1, 2;
    is(used(), 'first', 'a token by TLS');
    is_left('secret', 700, 'the secret is where it is kept');
}

$t->done;
