# The state directory: what is in it and for whom, how it is written, and that a file which is not as the module wrote it
# is refused, is told of, and costs one exchange at most.

use v5.36;

use Fcntl qw(:mode);
use POSIX qw(mkfifo);
use Test::More;
use Time::HiRes qw(sleep time);

use Canopy::Lifecycle;
use Canopy::State;
use Canopy::Test;
use Canopy::TokenEndpoint;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $root = $> == 0;
my ($uid, $gid) = $root ? (getpwnam 'www-data')[2, 3] : ($>, $));
my %clients = map { ("client-$_" => "planted-client-secret-$_") } 1, 2;
my $auth = Canopy::TokenEndpoint->new($t, 'auth', clients => \%clients);
$t->secret("secret-$_", $clients{"client-$_"}) for 1, 2;
$t->upstream('canopy');

sub environment ($name, %other) {
    my %with = (path => $name, client => 1, audience => "https://$name.example", %other);
    return "canopy_environment $name {
        server                    http://127.0.0.1:%%PORT_canopy%%/$name;
        oauth2_client_id          client-$with{client};
        oauth2_client_secret_file %%DIR%%/secret-$with{client};
        oauth2_token_url          http://127.0.0.1:%%PORT_auth%%/$with{path};
        oauth2_audience           $with{audience};
    }\n    ";
}

sub set_conf (@blocks) {
    $t->conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    canopy_zone       8m;
    canopy_state_path %%DIR%%/state;
    @blocks
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\\w+)/ { canopy_pass \$environment; }
    }
}
EOC
}

sub cancel ($name) {
    my $res = $t->cancel($id, prefix => "/$name");
    return $res->status . ' ' . $res->header('Canopy-Outcome');
}

sub token_used ($name) {
    return $auth->number_of((grep { $_->{target} =~ m{^/$name/} } $t->received('canopy'))[-1]->header('Authorization'));
}

sub slurp ($path) {
    open my $fh, '<:raw', $path or die "$path: $!\n";
    local $/;
    return <$fh> // '';
}

# What the log says of a file, from a length of the log on.
sub lines_of ($path, $since = 0) {
    my $log = substr $t->log, $since;
    return $log =~ /^\S+ \S+ (\[(?:warn|error|crit)\] [^\n]*\Q$path\E[^\n]*)/mg;
}

my $accepted = '204 accepted';

# ------------------------------------------------------------------------------------------------- what is in it

$auth->answers_at('/renews', { expires_in => 10 }, {});
set_conf(environment('live'), environment('renews'));
$t->start;
is(cancel($_), $accepted, "$_: a token") for qw(live renews live renews);

my @directory = stat $t->path('state');
is(sprintf('%04o', S_IMODE($directory[2])), '0700', 'the directory is its user\'s alone');
is($directory[4], $uid, 'the workers\' user');
is(scalar state_files($t), 4, 'two tokens, and the exchanges of a client at two endpoints');
for my $file (state_files($t)) {
    my @stat = lstat $file;
    is(sprintf('%04o', S_IMODE($stat[2])) . " $stat[4]", "0600 $uid", 'each file is its user\'s alone');
    unlike(slurp($file), qr/planted-client-secret/, 'no client\'s secret is in it');
}

my ($live) = state_of($t, 'live');
my $of_live = read_state($live);
is($auth->number_of("Bearer $of_live->{token}"), ($auth->exchanges('/live'))[0]{n}, 'the token');
my $issued = ($auth->exchanges('/live'))[0]{at} * 1000;
ok($of_live->{obtained} <= $issued && $of_live->{obtained} > $issued - 5000, 'when it was asked for');
is($of_live->{expires} - $of_live->{obtained}, 86_400_000, 'and its end');

# A file that is replaced: who has it open goes on to read the old one, whole.

my ($renews) = state_of($t, 'renews');
open my $open, '<', $renews or die "$renews: $!\n";
my $was = slurp($renews);
ok($t->wait_for(sub { slurp($renews) ne $was }), 'a token is renewed');
is(do { local $/; <$open> }, $was, 'its file is replaced, not written over');
is(scalar state_files($t), 4, 'nothing else is left behind');

# ------------------------------------------------------------------------------------------------------------ its keys

my @keys = (
    ['another audience', audience => 'https://other.example'],
    ['another client',   client => 2],
    ['another endpoint', path => 'other'],
);
is(token_used('live'), my $first = ($auth->exchanges('/live'))[0]{n}, 'the token of "live"');
for my $key (@keys) {
    my ($name, @other) = @$key;
    my $count = $auth->count;
    set_conf(environment('live', @other));
    restart($t);
    is(cancel('live'), $accepted, "$name") for 1, 2;
    isnt(token_used('live'), $first, "$name: gets another token");
    is($auth->count, $count + 1, "$name: with one exchange");
}
my $count = $auth->count;
set_conf(environment('live2', path => 'live', audience => 'https://live.example'));
restart($t);
is(cancel('live2'), $accepted, 'another name') for 1, 2;
is($auth->count, $count + 1, 'another name: with one exchange');

set_conf(environment('live'));
restart($t);
is(cancel('live'), $accepted, 'as it was') for 1, 2;
is(token_used('live'), $first, 'as it was: the first token');
is($auth->count, $count + 1, 'as it was: without an exchange');

# ------------------------------------------------------------------------------------- files that are not as they were

sub rewrite ($path, $text) {
    open my $fh, '+<', $path or die "$path: $!\n";
    truncate $fh, 0;
    print $fh $text;
}

sub shift_times ($state, $seconds) { $state->{$_} += 1000 * $seconds for qw(obtained renew expires) }
sub changes ($code) { return sub ($path) { edit_state($path, $code) } }

my %damage = (
    empty      => sub ($path) { rewrite($path, '') },
    garbage    => sub ($path) { rewrite($path, "what?\n") },
    cut        => sub ($path) { rewrite($path, substr slurp($path), 0, 100) },
    zeros      => sub ($path) { rewrite($path, "\0" x 4096) },
    large      => sub ($path) { rewrite($path, slurp($path) . ' ' x 70_000) },
    array      => sub ($path) { rewrite($path, '[' . slurp($path) . ']') },
    twice      => sub ($path) { rewrite($path, slurp($path) =~ s/}\s*$/,"token":"xxxxxxxx"}/r) },
    format     => changes(sub { $_->{format} = 2 }),
    more       => changes(sub { $_->{more} = 1 }),
    less       => changes(sub { delete $_->{renew} }),
    typed      => changes(sub { $_->{expires} .= '' }),
    future     => changes(sub { shift_times($_, 3600) }),
    backwards  => changes(sub { $_->{expires} = $_->{obtained} - 1 }),
    forever    => changes(sub { $_->{expires} += 365 * 86_400_000 }),
    line       => changes(sub { $_->{token} .= "\r\nX-Evil: 1" }),
    no_token   => changes(sub { $_->{token} = '' }),
    public     => sub ($path) { chmod 0604, $path },
    writable   => sub ($path) { chmod 0602, $path },
    directory  => sub ($path) { unlink $path; mkdir $path or die "$path: $!\n"; chown $uid, $gid, $path },
    fifo       => sub ($path) { unlink $path; mkfifo($path, 0600); chown $uid, $gid, $path },
    symlink    => sub ($path) { rename $path, $t->path('elsewhere'); symlink $t->path('elsewhere'), $path },
    dangling   => sub ($path) { unlink $path; symlink $t->path('nowhere'), $path },
    foreign    => sub ($path) { rewrite($path, slurp((state_of($t, 'live'))[0])) },
    $root ? (owner => sub ($path) { chown 1, 1, $path }) : (),
);

# no damage, so nothing to tell: a file that is not there, and a token that has ended
my %harmless = (
    gone    => sub ($path) { unlink $path },
    expired => changes(sub { shift_times($_, -90_000) }),
    good    => sub ($path) { },
);

my @names = (sort keys %damage, sort keys %harmless);
my %before = map { $_ => 1 } budget_files($t);
set_conf(map { environment($_) } 'live', @names);
restart($t);
is(cancel($_), $accepted, "$_: a token") for @names;
is($auth->count("/$_"), 1, "$_: by one exchange") for @names;
my @budgets = grep { !$before{$_} } budget_files($t);
is(scalar @budgets, scalar @names, 'each client at each endpoint has a file of its exchanges');
my %file = map { my $name = $_; $name => (state_of($t, $name))[0] } @names;

$t->stop;
my $log = length $t->log;
for my $name (@names) {
    ($damage{$name} // $harmless{$name})->($file{$name});
}
$t->start;
for my $name (sort keys %damage) {
    is(cancel($name), $accepted, "$name: a request does not notice") for 1, 2;
    is(token_used($name), ($auth->exchanges("/$name"))[-1]{n}, "$name: the file is not believed");
    is($auth->count("/$name"), 2, "$name: it costs one exchange");
    my @lines = lines_of($file{$name}, $log);
    is(scalar(@lines) >= 1 && @lines <= ($name eq 'directory' ? 3 : 2), 1, "$name: the operator is told") || diag(join "\n", @lines);
    next if $name eq 'directory';
    ok(-f $file{$name} && !-l $file{$name} && $auth->number_of('Bearer ' . read_state($file{$name})->{token}) eq token_used($name),
       "$name: the file is a good one again");
}
for my $name (sort keys %harmless) {
    is(cancel($name), $accepted, "$name: a request does not notice") for 1, 2;
    is($auth->count("/$name"), $name eq 'good' ? 1 : 2, "$name: exchanges");
    is_deeply([lines_of($file{$name}, $log)], [], "$name: nothing to tell");
}
unlike(slurp($t->path('elsewhere')), qr/\.@{[token_used('symlink')]}"/, 'a link is not followed when it is replaced either');
is(-e $t->path('nowhere'), undef, 'nor a dangling one');

restart($t);
is(cancel($_), $accepted, "$_: after a restart") for @names;
is($auth->count("/$_"), $_ =~ /^good$/ ? 1 : $_ eq 'directory' ? $auth->count('/directory') : 2, "$_: no exchange more") for @names;
ok($auth->count('/directory') <= 3, 'directory: what can\'t be kept costs one at a restart');

# ------------------------------------------------------------------------------------------------- exchange times, too

$count = $auth->count;
$t->stop;
$log = length $t->log;
my @kinds = (sub ($path) { rewrite($path, 'what?') }, sub ($path) { rewrite($path, slurp($live)) },
             sub ($path) { rewrite($path, slurp($budgets[-1])) }, sub ($path) { chmod 0644, $path }, sub ($path) { unlink $path });
$kinds[$_]->($budgets[$_]) for 0 .. $#kinds;
$t->start;
is(cancel($_), $accepted, "$_: after damage to exchange times") for 'live', @names;
is($auth->count - $count <= 1, 1, 'it costs no exchange');
ok($t->wait_for(sub { lines_of($budgets[$_], $log) }), "the operator is told of file $_") for 0 .. $#kinds - 1;
is_deeply([lines_of($budgets[-1], $log), lines_of($budgets[$#kinds], $log)], [], 'and of no other');

# --------------------------------------------------------------------------------- a directory that can't be written to

$auth->answers_at($_, { delay => 3 }, {}) for '/unwritable', '/vanished';
set_conf(environment('unwritable'));
restart($t);
ok($t->wait_for(sub { $auth->count('/unwritable') }), 'an exchange is under way');
chmod 0500, $t->path('state');
$log = length $t->log;
is(cancel('unwritable'), $accepted, 'a directory that can\'t be written to: requests do not notice') for 1, 2;
ok($t->wait_for(sub { lines_of($t->path('state'), $log) }), '... the operator is told');
$t->reload;
is(cancel('unwritable'), $accepted, '... after a reload') for 1, 2;
is($auth->count('/unwritable'), 1, '... with the same token');

chmod 0700, $t->path('state');
set_conf(environment('vanished'));
$t->reload;
ok($t->wait_for(sub { $auth->count('/vanished') }), 'an exchange is under way');
rename $t->path('state'), $t->path('state-away');
$log = length $t->log;
is(cancel('vanished'), $accepted, 'a directory that has gone: requests do not notice') for 1, 2;
ok($t->wait_for(sub { lines_of($t->path('state'), $log) }), '... the operator is told');
is($auth->count('/vanished'), 1, '... with one exchange');

$auth->is_sound;
$t->done;
