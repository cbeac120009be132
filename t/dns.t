# The upstream's name is resolved by nginx's resolver: when it is needed, again when its time to live ends, and all of
# its addresses are used. (What is not tested here: the name servers of /etc/resolv.conf, which a test can't change.)

use v5.36;

use Test::More;
use Time::HiRes qw(time);

use Canopy::DNS;
use Canopy::Test;

$ENV{RES_OPTIONS} = 'timeout:1 attempts:1';     # for the names that nginx asks libc for at start, in vain

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $dns = Canopy::DNS->new($t, 'dns');

$t->secret('token', 'upstream-secret-1');

# Five servers on one port of 127.0.0.1 to .5; the fourth shows a wrong certificate, the sixth is dead.

my $port = $t->port('upstream');
my $cert = $t->certificate('upstream', san => 'DNS:*.canopy.test');
my $wrong = $t->certificate('wrong', san => 'DNS:canopy.example');
for my $no (1 .. 5) {
    $t->upstream("no$no", address => "127.0.0.$no", port => $port, tls => $no == 4 ? $wrong : $cert,
                 handler => sub { reply(204) });
}
my ($one, $two, $three, $untrusted, $five, $dead) = map { "127.0.0.$_" } 1 .. 6;

# One environment and one location for each host name; "kept" keeps connections

my @names = qw(late broken empty silent slow turns mixed dead many six moves kept fails returns);
my @blocks = map {
    my $keepalive = $_ eq 'kept' ? 'keepalive 4; keepalive_timeout 600s;' : 'keepalive 0;';
    "canopy_environment $_ {
        server https://$_.canopy.test:%%PORT_upstream%%;
        bearer_token_file %%DIR%%/token;
        ssl_trusted_certificate %%DIR%%/ca.pem;
        $keepalive
    }"
} @names;
my @locations = map { "location /$_/ { canopy_pass $_; }" } @names;

$dns->set('turns.canopy.test', a => [$one, $two, $three], ttl => 3600);
$dns->set('mixed.canopy.test', a => [$dead, $one, $untrusted], ttl => 3600);
$dns->set('dead.canopy.test', a => [$dead, '127.0.0.7', $untrusted]);
$dns->set('many.canopy.test', a => [map { "127.0.1.$_" } 1 .. 40]);
$dns->set('six.canopy.test', a => [$one], aaaa => ['::1']);
$dns->set('broken.canopy.test', rcode => 2);
$dns->set('empty.canopy.test', a => []);
$dns->set('silent.canopy.test', silent => 1);
$dns->set('slow.canopy.test', rcode => 3);
$dns->set("$_.canopy.test", a => [$one], ttl => 1) for qw(moves kept fails);
$dns->set('returns.canopy.test', a => [$one], ttl => 1);

$t->conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    resolver 127.0.0.1:%%PORT_dns%%;
    resolver_timeout 2s;
    @blocks
    server {
        listen 127.0.0.1:%%PORT_http%%;
        @locations
    }
}
EOC
$t->start;

my %asked;

sub cancel ($environment) {
    $asked{$environment}++;
    return $t->cancel($id, prefix => "/$environment");
}

sub send_cancel ($environment) {
    $asked{$environment}++;
    my $socket = $t->connect;
    $socket->syswrite(Canopy::Client::request_text(path => "/$environment/tasks/$id/cancel",
                                                   headers => [['Authorization', 'Bearer ' . $t->client_token]]));
    return $socket;
}

sub is_accepted ($environment, $what) {
    is(cancel($environment)->status, 204, "$what, request $_") for 1, 2;
}

sub is_refused ($environment, $status, $type, $what) {
    for my $time (1, 2) {
        my $res = cancel($environment);
        is($res->status . ' ' . $res->header('Canopy-Outcome'), "$status not-sent", "$what, request $time");
        like($res->body, qr/"type":"$type"/, '... and why');
        is($res->header('Proxy-Status'), "ngx_canopy; error=$type", '... with Proxy-Status');
    }
}

# The addresses that the requests of an environment tried, a list of lists, as $upstream_addr has them.
sub tried ($environment) {
    my @tried;
    $t->wait_for(sub {
        @tried = map { [map { s/:$port$//r } split /, /] }
                 $t->access_log =~ m{^PATCH /$environment/\S+ .* ua=(.*?) urid=}mg;
        return @tried >= $asked{$environment};
    });
    return @tried;
}

# What changes later: most of it is looked at below, for it takes its time

sub complaints ($name, $pattern) { return scalar(() = $t->log =~ /"$name\.canopy\.test" $pattern/g) }

is_accepted('fails', 'while the name can be resolved');
is_accepted('returns', 'while another can be');
is_accepted('moves', 'the first address');
is_accepted('kept', 'a kept connection');
$dns->set("$_.canopy.test", rcode => 3) for qw(fails returns);
$dns->set("$_.canopy.test", a => [$two], ttl => 1) for qw(moves kept);
my $kept = $dns->queries('kept.canopy.test');

ok($t->wait_for(sub { complaints($_, 'could not be resolved') }), "$_ is unknown now") for qw(fails returns);
is_accepted('fails', 'its last address stays in use');
$dns->set('fails.canopy.test', silent => 1);
$dns->set('returns.canopy.test', a => [$five], ttl => 60);

# Names that nobody knows

like($t->read('output.log'), qr/\[warn\] host not found "late\.canopy\.test", it will be resolved when it is needed/,
     'a name unknown at start is a warning');

is_refused('late', 502, 'dns_error', 'an unknown name');
$dns->set('late.canopy.test', a => [$two]);
is(cancel('late')->status, 204, 'a name that has become known');
my $queries = $dns->queries('late.canopy.test');
is_accepted('late', 'and stays so');
is($dns->queries('late.canopy.test'), $queries, 'one query is enough for all');

is_refused('broken', 502, 'dns_error', 'a name server that fails');
is_refused('empty', 502, 'dns_error', 'a name without addresses');

my $began = time;
is_refused('silent', 504, 'dns_timeout', 'a name server that is silent');
cmp_ok(time - $began, '>=', 0.99, 'after "resolver_timeout"');
is(join(',', map { @$_ } tried('silent')), '-,-', 'no address was tried');

# Requests that wait for a name

$dns->set('slow.canopy.test', a => [$three], delay => 0.3);
my @waiting = map { send_cancel('slow') } 1 .. 4;
close shift @waiting;
is(join(' ', map { $t->response($_)->status } @waiting), '204 204 204', 'all that wait for a name get the answer');
is(scalar tried('slow'), 4, 'a client that went away in the meantime is served, too');

# All addresses

is_accepted('turns', 'several addresses') for 1 .. 3;
is(join(',', sort map { @$_ } tried('turns')), "$one,$one,$two,$two,$three,$three", 'are used in turn');

is_accepted('mixed', 'a dead address and one with a wrong certificate are passed over') for 1 .. 3;
my @mixed = tried('mixed');
is_deeply([map { $_->[-1] } @mixed], [($one) x 6], 'the last one of $upstream_addr is the one that answered');
is(join(',', sort map { @$_ } @mixed), join(',', ($one) x 6, $untrusted, $dead), 'the bad ones are tried only once');
is(scalar $t->received('no4'), 0, 'the wrong server got no request');
like($t->access_log, qr{^PATCH /mixed/.* us=502, (?:502, )?204 ua=}m, '$upstream_status has as many entries');

my $res = cancel('dead');
is($res->status . ' ' . $res->header('Canopy-Outcome'), '502 not-sent', 'no address is left');
cancel('dead');
is(join(' | ', map { join ',', sort @$_ } tried('dead')), join(' | ', ("$untrusted,$dead,127.0.0.7") x 2),
   'all are tried every time');

is_refused('many', 502, 'connection_refused', 'forty dead addresses');
is(join(',', map { scalar @$_ } tried('many')), '32,32', 'of which 32 are known');
$dns->set('many.canopy.test', a => [$one]);

is_accepted('six', 'IPv6 without a listener');

# Addresses that change

ok($t->wait_for(sub { cancel('moves')->status == 204 && (tried('moves'))[-1][0] eq $two }),
   'a new address is used without a reload');
is_accepted('moves', 'the new address');
is(join(',', map { @$_ } (tried('moves'))[-2, -1]), "$two,$two", 'and the old one is not');

ok($t->wait_for(sub { $dns->queries('kept.canopy.test') > $kept + 1 }), 'the other name has a new address as well');
is_accepted('kept', 'its kept connection');
is(join(',', map { @$_ } tried('kept')), join(',', ($one) x 4), 'survives that');
my %connections = map { $_->{conn_no} => 1 } (grep { $_->{req_no} > 1 } $t->received('no1'));
is(scalar(keys %connections), 1, 'there is but one');

# A resolver that fails, and one that comes back

ok($t->wait_for(sub { complaints('returns', 'is resolved again') }), 'a name that comes back is noticed');
is_accepted('returns', 'its new address');
is(join(',', map { @$_ } (tried('returns'))[-2, -1]), "$five,$five", 'is used');

ok($t->wait_for(sub { complaints('fails', 'could not be resolved') > 1 }), 'a resolver that has become silent');
is_accepted('fails', 'the last address stays in use again');
is(complaints('fails', 'could not be resolved .*its last known addresses stay in use'), 2, 'a line for each change');

# A reload

$dns->set('slow.canopy.test', rcode => 3);
$t->reload;
ok($t->wait_for(sub { complaints('slow', 'could not be resolved') > 1 }), 'a new worker resolves anew');
$queries = $dns->queries('slow.canopy.test');
$dns->set('slow.canopy.test', a => [$three], delay => 0.3);

my $socket = send_cancel('slow');
$t->wait_for(sub { $dns->queries('slow.canopy.test') > $queries });
$t->reload;
is($t->response($socket)->status, 204, 'a request that waits for a name outlives a reload');
is_accepted('late', 'after a reload');

$t->done;
