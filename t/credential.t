# The credential's file: looked at again while nginx runs, believed only if it is good, and its content shown to nobody
# but the environment's own upstream.

use v5.36;

use MIME::Base64 qw(encode_base64url);
use POSIX qw(mkfifo);
use Test::More;
use Time::HiRes qw(sleep time);

use Canopy::Test;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

$t->upstream('up', handler => sub {
    my ($conn, $req) = @_;
    $t->append('sent', $req->header('Authorization') . "\n");
    return reply(204);
});

# "keeps" sees when a connection is closed, and lets a request wait

$t->upstream('keeps', hook => sub {
    my ($conn, $no) = @_;
    while (my $req = $conn->read_request) {
        $t->append('connections', "$no $req->{target}\n");
        my $slow = $req->{target} =~ /ffffffff/;
        $t->wait_for(sub { -e $t->path('go') }) if $slow;
        $conn->print(reply(204));
    }
    $t->append('connections', "$no closed\n");
    return 'close';
});

sub wrap ($payload) { return join '.', encode_base64url('{"alg":"RS256"}'), encode_base64url($payload), 'c2lnbmF0dXJl' }

my %bad = (
    empty      => sub ($file) { $t->write($file, '') },
    blank      => sub ($file) { $t->write($file, " \t\r\n\n") },
    lines      => sub ($file) { $t->write($file, "bad-secret-one\nbad-secret-two\n") },
    carriage   => sub ($file) { $t->write($file, "bad-secret-one\rbad-secret-two\n") },
    control    => sub ($file) { $t->write($file, "bad-secret-one\x01") },
    nul        => sub ($file) { $t->write($file, "bad-secret-one\0bad-secret-two") },
    space      => sub ($file) { $t->write($file, 'Bearer bad-secret-one') },
    unicode    => sub ($file) { $t->write($file, "bad-secret-one\xc3\xa9") },
    long       => sub ($file) { $t->write($file, 'bad-secret-one' x 1171) },          # 16k and some bytes
    unreadable => sub ($file) { $t->write($file, 'bad-secret-one', 0000) },
    vanished   => sub ($file) { unlink $t->path($file) },
    directory  => sub ($file) { unlink $t->path($file); mkdir $t->path($file) },
    fifo       => sub ($file) { unlink $t->path($file); mkfifo($t->path($file), 0644) },
    dangling   => sub ($file) { unlink $t->path($file); symlink 'nowhere', $t->path($file) },
    loop       => sub ($file) { unlink $t->path($file); symlink $file, $t->path($file) },
);
$t->plant($_) for 'bad-secret-one', 'bad-secret-two';

my $past = int(time) - 10;
my %usable = (
    far          => wrap('{"exp":4102444800}'),
    far_float    => wrap('{"exp":4102444800.75}'),
    far_exponent => wrap('{"exp":4.1e9}'),
    far_huge     => wrap('{"exp":1e300}'),
    far_integer  => wrap('{"exp":99999999999999999999999999}'),
    no_exp       => wrap('{"sub":"x"}'),
    null         => wrap('{"exp":null}'),
    string       => wrap(qq({"exp":"$past"})),
    nested       => wrap(qq({"a":{"exp":$past},"b":"\\"exp\\":$past","expires":$past,"ex":$past})),
    array        => wrap(qq([{"exp":$past}])),
    opaque       => 'an.opaque.token',
    two_parts    => join('.', (split /\./, wrap(qq({"exp":$past})))[0, 1]),
);
my %expired = (
    past        => wrap(qq({"exp":$past})),
    past_float  => wrap(qq({"exp":$past.75})),
    past_blanks => wrap(qq( { "a" : [ 1 , {} ] , "exp" : $past } )),
    past_escape => wrap(qq({"\\u0065xp":$past})),
    zero        => wrap('{"exp":0}'),
    negative    => wrap('{"exp":-4102444800}'),
    small       => wrap('{"exp":1e-300}'),
);

$t->secret("$_.token", "good-secret-$_") for keys %bad;
$t->secret("$_.token", { %usable, %expired }->{$_}) for keys %usable, keys %expired;
$t->secret($_, 'upstream-secret-1') for qw(file.token kept.token slow.token);
$t->secret('other.token', 'upstream-secret-other');
$t->secret('inplace.token', 'in-place-secret-0');
$t->secret('large.token', my $large = join '-', map { "large-piece-$_" } 1001 .. 1800);

mkdir $t->path($_) for qw(mount mount/..1 mount/..2);
$t->secret("mount/..$_/token", "mounted-secret-$_") for 1, 2;
utime 1e9, 1e9, $t->path("mount/..$_/token") for 1, 2;
symlink '..1', $t->path('mount/..data');
symlink '..data/token', $t->path('mount/token');

my @environments = (sort(keys %bad, keys %usable, keys %expired), qw(file inplace large other soon));
my @blocks = map {
    "canopy_environment $_ { server http://127.0.0.1:%%PORT_up%%; bearer_token_file %%DIR%%/$_.token; }"
} @environments;
my @locations = map { "location /$_/ { canopy_pass $_; }" } @environments, qw(mounted kept);

$t->conf(<<"EOC");
%%HEAD%%
error_log %%DIR%%/crit.log crit;
http {
    %%HTTP%%
    @blocks
    canopy_environment mounted {
        server http://127.0.0.1:%%PORT_up%%;
        bearer_token_file %%DIR%%/mount/token;
    }
    canopy_environment kept {
        server http://127.0.0.1:%%PORT_keeps%%;
        bearer_token_file %%DIR%%/kept.token;
        keepalive_timeout 60s;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        @locations
    }
}
EOC
$t->secret('soon.token', my $soon = Canopy::Client::jwt(exp => int(time) + 14));
$t->start;

sub cancel ($environment, %args) { return $t->cancel($args{id} // $id, prefix => "/$environment") }

# The credential that a request carries; the status where none is sent.
sub credential ($environment) {
    unlink $t->path('sent');
    my $res = cancel($environment);
    return $res->status if !-e $t->path('sent');
    return $t->read('sent') =~ s/\ABearer (.*)\n\z/$1/r;
}

sub is_used ($environment, $secret, $what) { is(credential($environment), $secret, "$what, request $_") for 1, 2 }

# The file is looked at once a second: who asks a little later is served with the new content, however often others have asked
# meanwhile.
sub is_noticed ($environment, $secret, $what) {
    my $until = time + 1.1;
    while (time < $until) {
        credential($environment);
        sleep 0.1;
    }
    is_used($environment, $secret, $what);
}

sub lines ($file) { return grep { /secret file "\Q@{[$t->path($file)]}\E"/ } split /\n/, $t->read('crit.log') }

# A new content

is_used('soon', $soon, 'a token that will expire below');
is_used('file', 'upstream-secret-1', 'the first content');
is_used('mounted', 'mounted-secret-1', 'a file behind a symbolic link');

for my $no (2, 1) {
    my @stat = stat $t->path('inplace.token');
    $t->plant("in-place-secret-$no");
    open my $fh, '+<', $t->path('inplace.token') or die "inplace.token: $!";
    print $fh "in-place-secret-$no";
    close $fh;
    utime $stat[8], $stat[9], $t->path('inplace.token');
    is_deeply([(stat $t->path('inplace.token'))[1, 7, 9]], [@stat[1, 7, 9]], 'inode, size and time are the same');

    $t->secret('file.token', "upstream-secret-$no$no");
    symlink "..$no", $t->path('mount/..new');
    rename $t->path('mount/..new'), $t->path('mount/..data');

    is_noticed('file', "upstream-secret-$no$no", 'a new file');
    is_noticed('inplace', "in-place-secret-$no", 'a content rewritten in place');
    is_noticed('mounted', "mounted-secret-$no", 'a link switched on the way');
}
is_used('other', 'upstream-secret-other', 'another environment with the same upstream');
is(lines('file.token') + lines('mount/token'), 0, 'none of this is an error');

# A bad content: the last good one stays, and the log has one line for it

my @bad = sort keys %bad;
is_used($_, "good-secret-$_", "$_: the good content") for @bad;
$bad{$_}->("$_.token") for @bad;

my $until = time + 3.5;                 # for a while, a file that was just changed is read each second
while (time < $until) {
    credential($_) eq "good-secret-$_" or fail("$_: the last good content stays in use") for @bad;
    sleep 0.2;
}
for my $name (@bad) {
    is_used($name, "good-secret-$name", "$name: the last good content");
    my @lines = lines("$name.token");
    is(scalar @lines, 1, "$name: one line in the log") or diag(@lines);
    like($lines[0] // '', qr/\[crit\] .*, the last good secret stays in use/, "$name: which says so");
}

for my $name (@bad) {
    rmdir $t->path("$name.token");
    $t->secret("$name.token", "new-secret-$name");
}
sleep 1.1;
is_used($_, "new-secret-$_", "$_: a good content again") for @bad;

$bad{$_}->("$_.token") for @bad;
for my $name (@bad) {
    ok($t->wait_for(sub { credential($name); lines("$name.token") == 2 }), "$name: a bad one again is one line more");
    rmdir $t->path("$name.token");
    $t->secret("$name.token", "last-secret-$name");
}

# Tokens that say when they end

for my $name (sort keys %usable) { is_used($name, $usable{$name}, "$name: not known to be expired") }

for my $name (sort keys %expired) {
    for my $time (1, 2) {
        unlink $t->path('sent');
        my $res = cancel($name);
        is($res->status . ' ' . $res->header('Canopy-Outcome') . ' ' . $res->header('Retry-After'), '503 not-sent 30',
           "$name: expired, request $time");
        like($res->body, qr/"type":"credential_unavailable"/, '... is absent');
        ok(!-e $t->path('sent'), '... and not sent');
    }
    is(scalar lines("$name.token"), 1, 'the log says so once');
}

ok($t->wait_for(sub { credential('soon') eq '503' }), 'a token that expires while nginx runs');
is_used('soon', 503, 'it is not sent');
$t->secret('soon.token', 'upstream-secret-5');
$t->secret('past.token', 'upstream-secret-6');
is_noticed('soon', 'upstream-secret-5', 'its successor');
is_noticed('past', 'upstream-secret-6', 'the successor of one that was expired from the beginning');

# Connections that carried a replaced credential

sub connections () {
    my @lines = -e $t->path('connections') ? split /\n/, $t->read('connections') : ();
    return @lines;
}

my @idle = map { $t->connect } 1 .. 3;
$_->syswrite(Canopy::Client::request_text(path => '/kept/tasks/ffffffff-4f89-41d3-9a0c-0305e82c3301/cancel',
             headers => [['Authorization', 'Bearer ' . $t->client_token]])) for @idle;
ok($t->wait_for(sub { connections() == 3 }), 'three requests are under way');
is(cancel('kept')->status, 204, 'a fourth connection, now idle');

$t->secret('kept.token', 'upstream-secret-7');
sleep 1.1;
is(cancel('kept')->status, 204, 'a new credential');
ok($t->wait_for(sub { grep { $_ eq '4 closed' } connections() }), 'closes the idle connection');
sub last_connection () { return (grep { m{ /} } connections())[-1] =~ s/ .*//r }
is(last_connection(), 5, 'and goes on a new one');

$t->write('go', '');
is(join(' ', map { $t->response($_)->status } @idle), '204 204 204', 'what was under way ends well');
ok($t->wait_for(sub { 4 == grep { / closed/ } connections() }), 'but its connections are not kept');
is(cancel('kept')->status, 204, 'the new credential');
is(last_connection(), 5, 'is on the kept one');

# Nothing is left of a replaced credential in memory. It is a long one: a short one would be overwritten by chance

sub in_memory ($pattern, $pid = ($t->workers)[0]) {
    open my $maps, '<', "/proc/$pid/maps" or return;
    open my $mem, '<:raw', "/proc/$pid/mem" or return;
    my $found = 0;
    for my $line (<$maps>) {
        my ($from, $to) = $line =~ /^(\w+)-(\w+) rw/ or next;
        no warnings 'portable';
        return if hex($to) - hex $from > 1 << 30;       # a sanitizer's
        sysseek $mem, hex $from, 0 or next;
        sysread $mem, my $bytes, hex($to) - hex $from or next;
        $found += () = $bytes =~ /$pattern/g;
    }
    return $found;
}

# As soon as a request has ended, a moment after its answer.
sub is_left ($pattern, $count, $name) {
    my $found;
    $t->wait_for(sub { ($found = in_memory($pattern)) == $count }, 5);
    is($found, $count, $name);
}

is_used('large', $large, 'a long credential');
SKIP: {
    defined in_memory(qr/large-piece/) or skip 'the memory of a worker cannot be read', 7;
    is_left(qr/large-piece/, 800, 'it is in memory once, between two requests');
    $t->secret('large.token', 'upstream-secret-10');
    is_noticed('large', 'upstream-secret-10', 'a short one');
    is_left(qr/large-piece/, 0, 'it is wiped when it is replaced');
    is_left(qr/upstream-secret-22/, 0, 'so is another one');
    is(in_memory(qr/large-piece/, $t->master), 800, 'the master has what it had at start');
}

# Reloads

$t->secret('file.token', 'upstream-secret-8');
$t->reload;
is_used('file', 'upstream-secret-8', 'after a reload');
is(in_memory(qr/large-piece/, $t->master) // 0, 0, 'the master wipes what it had');
$t->secret('file.token', 'upstream-secret-9');
is_noticed('file', 'upstream-secret-9', 'a new file after a reload');

my @workers = $t->workers;
$t->write('file.token', '');
$t->expect_alert(qr/\[emerg\] .* secret file "[^"]+" /);
$t->signal('HUP');
ok($t->wait_for(qr/\[emerg\] .* secret file "\S*" /), 'a reload with a bad content is refused');
is_deeply([$t->workers], \@workers, 'the old workers go on');
is_used('file', 'upstream-secret-9', 'with the last good content');

$t->done;
