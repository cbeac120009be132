# Reloads leave nothing behind in the master: no memory, no descriptor.

use v5.36;

use Canopy::DNS;
use Canopy::Process qw(children descriptors resident);
use Canopy::Test;
use Test::More;

$ENV{RES_OPTIONS} = 'timeout:1 attempts:1';     # for the name that nginx asks libc for at start, in vain

my $warm = 10;
my $reloads = $ENV{CANOPY_TEST_SOAK} ? 200 : 30;

my $t = Canopy::Test->new(log_level => 'notice', workers => 2);
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $cert = $t->certificate('upstream', san => 'DNS:canopy.test');
my $dns = Canopy::DNS->new($t, 'dns');

$t->secret('token', 'master-upstream-credential');
$dns->set('canopy.test', a => ['127.0.0.1']);
$t->upstream('canopy', tls => { %$cert, client_ca => $cert->{ca} }, handler => sub { reply(204) });

# All that is allocated with a configuration: the system's CA bundle, contexts, certificates, names, secrets, locations.
$t->conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    resolver 127.0.0.1:%%PORT_dns%%;
    canopy_environment live {
        server            https://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        closed_file       %%DIR%%/closed;
        keepalive         1000;
    }
    canopy_environment sandbox {
        server                  https://canopy.test:%%PORT_canopy%%/tasking;
        bearer_token_file       %%DIR%%/token;
        ssl_trusted_certificate %%DIR%%/ca.pem;
        ssl_certificate         $cert->{cert};
        ssl_certificate_key     $cert->{key};
    }
    canopy_environment other {
        server            http://unix:%%DIR%%/none.sock:/tasking;
        bearer_token_file %%DIR%%/token;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /sandbox/ { canopy_pass sandbox; }
        location ~ ^/(?<environment>\\w+)/ { canopy_pass \$environment; }
    }
}
EOC
$t->start;

my $master = $t->master;
my @at;
my $status = '';

# The channels to old workers are closed when they have left, a moment after the new ones are there.
sub held () {
    my ($least, $now);
    $t->wait_for(sub { children($master) == 2 });
    for (1 .. 5) {
        $now = descriptors($master);
        $least = $now if !defined $least || $now < $least;
        select undef, undef, undef, 0.02;
    }
    return $least;
}

for my $reload (1 .. $reloads) {
    $t->reload;
    $status .= $t->cancel($id)->status . ' ' if $reload % 10 == 0;
    push @at, [resident($master), $reload == $warm || $reload == $reloads ? held() : descriptors($master)];
}

is($status, '204 ' x ($reloads / 10), 'cancels after reloads');
is($t->master, $master, 'one master all the time');
is(scalar(() = $t->log =~ /\] \S+ reconfiguring$/mg), $reloads, "$reloads reloads");

my $growth = $at[-1][0] - $at[$warm - 1][0];
SKIP: {
    skip 'a sanitizer holds back what is freed', 1 if $ENV{ASAN_OPTIONS};
    cmp_ok($growth, '<=', 256, "the master's memory did not grow");
}
is($at[-1][1], $at[$warm - 1][1], 'nor did the number of its descriptors');
note(sprintf '%d reloads, resident: %d kB after the first, %d kB after %d, %d kB at the end: %+d kB; descriptors: %d, %d, %d',
     $reloads, $at[0][0], $at[$warm - 1][0], $warm, $at[-1][0], $growth, $at[0][1], $at[$warm - 1][1], $at[-1][1]);

$t->done;
