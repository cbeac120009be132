# The checks of a request in their order, what each refusal looks like, and that nothing is sent after one.

use strict;
use warnings;

use Test::More;

use Canopy::Client;
use Canopy::Expect;
use Canopy::Test;

my $t = Canopy::Test->new;
$t->secret('token', 'upstream-secret-1');
$t->secret('expired', Canopy::Client::jwt(exp => time - 1, sub => 'upstream'));
$t->secret('short', Canopy::Client::jwt(exp => time + 14, sub => 'upstream'));
$t->upstream('canopy');

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment sandbox { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/token; closed_file %%DIR%%/closed; }
    canopy_environment live    { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/token; closed_file always/closed; }
    canopy_environment expired { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/expired; closed_file missing/closed; }
    canopy_environment short   { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/short; }
    canopy_environment hidden  { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/token; closed_file hidden/closed; }
    canopy_environment both    { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/expired; closed_file always; }
    canopy_environment shut    { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/token; closed_file always; }

    error_page 401 404 405 421 422 503 /page;

    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /page { return 200 page; }
        location /sandbox/ { canopy_pass sandbox; }
        location /arg/ { canopy_pass $arg_e; }
        location /part/ { canopy_pass sand$arg_e; }
        location /header/ { canopy_pass $http_x_environment; }
    }
}
EOC
$t->write('always', '');
mkdir $t->path('hidden'), 0755;
$t->start;

my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $target = "/tasks/$id/cancel";
my $token = $t->client_token;
my @token = (['Authorization', "Bearer $token"]);
my @cancel = (path => "/sandbox/tasks/$id/cancel", headers => [@token]);
my @short = (path => "/arg/tasks/$id/cancel?e=short", headers => [@token]);

passes($t, 'a credential that will expire soon', $target, @short);

# ------------------------------------------------------------------------------------------------------- environment

my %unknown = (status => 422, loc => ['environment'], type => 'unknown_environment');
for my $e (qw(sandbox live)) {
    is(passes($t, "the environment $e", $target, path => "/arg/tasks/$id/cancel?e=$e", headers => [@token])
           ->header('Canopy-Environment'), $e, 'is named in the answer');
}
passes($t, 'a name that is put together', $target, path => "/part/tasks/$id/cancel?e=box", headers => [@token]);
refused($t, "the environment '$_'", \%unknown, path => "/arg/tasks/$id/cancel?e=$_", headers => [@token]) for
    '', 'nowhere', 'SANDBOX', 'Live', 'sandbox2', 'sandbo', 'sandbox%20', 'sandbox%00', '%73andbox', 'sandbox,live', 'live/', '..', '*', '$arg_x',
    'x' x 4000;
refused($t, 'no environment at all', \%unknown, path => "/$_/tasks/$id/cancel", headers => [@token]) for qw(arg part header);
for my $e ('', 'no where', "\xc3\xa4", "\xff", 'sandbox live', '"sandbox"', '<script>alert(1)</script>') {
    my $res = refused($t, "the environment '$e' from a header", \%unknown, path => "/header/tasks/$id/cancel", headers => [@token, ['X-Environment', $e]]);
    ok(index($res->raw, $e) < 0, 'is not echoed') if $e;
}
passes($t, 'the environment from a header', $target, path => "/header/tasks/$id/cancel", headers => [@token, ['X-Environment', ' live ']]);

# Canopy-Environment: what the client has in mind

my %mismatch = (status => 421, loc => ['header', 'canopy-environment'], type => 'environment_mismatch', environment => 'sandbox');
sub in_mind { return (path => "/sandbox/tasks/$id/cancel", headers => [@token, map { ['Canopy-Environment', $_] } @_]) }

passes($t, 'the environment in mind', $target, in_mind('sandbox'));
passes($t, 'the same twice', $target, in_mind('sandbox', 'sandbox'));
passes($t, 'the header in another case', $target, path => "/sandbox/tasks/$id/cancel", headers => [@token, ['cAnOpY-environment', 'sandbox']]);
refused($t, "another in mind: $_", \%mismatch, in_mind($_)) for
    'live', 'nowhere', '', 'Sandbox', 'SANDBOX', 'sandbox2', 'sandbo', 'sandbox, sandbox', 'sandbox live', '"sandbox"', "sandbox\0" =~ s/\0/%00/r;
refused($t, 'two in mind', \%mismatch, in_mind(@$_)) for ['sandbox', 'live'], ['live', 'sandbox'], ['sandbox', ''], ['sandbox', 'sandbox', 'Sandbox'];
refused($t, 'another in mind, in another case', \%mismatch, path => "/sandbox/tasks/$id/cancel", headers => [@token, ['CANOPY-ENVIRONMENT', 'live']]);
refused($t, "another in mind, behind $_ headers", \%mismatch, path => "/sandbox/tasks/$id/cancel",
        headers => [@token, (map { ["X-Filler-$_", $_] } 1 .. $_), ['Canopy-Environment', 'live']]) for 16 .. 20, 60;
passes($t, 'the environment in mind, behind many headers', $target, path => "/sandbox/tasks/$id/cancel",
       headers => [@token, (map { ["X-Filler-$_", $_] } 1 .. 60), ['Canopy-Environment', 'sandbox']]);

# -------------------------------------------------------------------------------------------------------------- UUID

my %no_uuid = (status => 422, loc => ['path', 'id'], type => 'uuid_parsing', environment => 'sandbox');
sub uuid    { my ($text) = @_; passes($t, "the id $text", '/tasks/' . lc($text) . '/cancel', path => "/sandbox/tasks/$text/cancel", headers => [@token]) }
sub no_uuid { my ($text, $fault, $plain) = @_;
    my $res = refused($t, "the id $text", { %no_uuid, msg => qr/^Input should be a valid UUID, $fault$/ },
                      path => "/sandbox/tasks/$text/cancel", headers => [@token]);
    $plain //= $text =~ s/%(..)/chr hex $1/ger;
    ok(length $plain < 4 || index($res->raw, $plain) < 0, 'is not echoed');
}

uuid($_) for
    '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
    '01234567-89ab-cdef-0123-456789abcdef', '01234567-89AB-CDEF-0123-456789ABCDEF', '018f0000-0000-7000-8000-000000000000',
    'c232ab00-9414-11ec-b3c8-9f6bdeced846', '3F2504e0-4F89-f1D3-1A0C-0305E82c3301';

no_uuid($_->[0], "invalid length: expected 36 characters, found $_->[1]") for
    ['x', 1], ['-', 1], [substr($id, 0, 35), 35], ["${id}0", 37], ["%7B$id%7D", 38], ["urn:uuid:$id", 45], ["URN:UUID:$id", 45], [$id =~ tr/-//dr, 32],
    ["$id,$id", 73], ["%20$id", 37], ["$id%0A", 37], ["$id%0D%0A", 38], ['null', 4], ['1' x 36 . '1', 37], ['x' x 5000, 5000], ["0x$id", 38], ["\"$id\"", 38],
    ["%2533f2504e0-4f89-41d3-9a0c-0305e82c3301", 38];
no_uuid("3f2504e0-4f89-41d3-9a0c-0305e82c33%D9%A1", 'invalid character: expected a hexadecimal digit at 35');
for my $at (0 .. 35) {
    my $text = $id;
    if (substr($text, $at, 1) eq '-') {
        substr $text, $at, 1, 'a';
        no_uuid($text, 'invalid character: expected a hyphen at ' . ($at + 1));
    } else {
        substr $text, $at, 1, ('g', '-', 'G', 'z')[$at % 4];
        no_uuid($text, 'invalid character: expected a hexadecimal digit at ' . ($at + 1));
    }
}
no_uuid("3f2504e0-4f89-41d3-9a0c-0305e82c330$_", 'invalid character: expected a hexadecimal digit at 36') for
    '%20', '%0A', '%09', '%7F', '%01', '%80', '%FF', '%22', '%5C', '@', '`', ':', '%5B', '%7B', '+', '!', 'G', 'g', '%C6', '%27', '_';
no_uuid("3f2504e0$_-4f89-41d3-9a0c-0305e82c330", 'invalid character: expected a hyphen at 9') for '0', '_', '%20';
no_uuid('3f2504e0_4f89_41d3_9a0c_0305e82c3301', 'invalid character: expected a hyphen at 9');
no_uuid('%3Cscript%3Ealert(1)%3C%2Fscript%3E' =~ s/%2F//r, 'invalid length: .*', '<script>');

# Other letters and digits: each is one character, whatever its bytes

no_uuid('%EF%BC%93f2504e0-4f89-41d3-9a0c-0305e82c3301', '.*');
no_uuid('%D9%A3f2504e0-4f89-41d3-9a0c-0305e82c3301', '.*');
no_uuid('3f2504e0%E2%80%904f89-41d3-9a0c-0305e82c3301', '.*');

# ------------------------------------------------------------------------------------------------ closed, no credential

my %closed = (status => 503, outcome => 'not-sent', loc => ['environment'], type => 'environment_closed', environment => 'sandbox', 'Retry-After' => 30);
my %no_credential = (%closed, type => 'credential_unavailable', environment => 'expired');

for my $round (1, 2) {
    passes($t, 'open', $target, @cancel);
    $t->write('closed', '');
    refused($t, 'closed at once', \%closed, @cancel);
    passes($t, 'another environment is open', $target, path => "/arg/tasks/$id/cancel?e=live", headers => [@token]);
    unlink $t->path('closed');
}
passes($t, 'open at once', $target, @cancel);
mkdir $t->path('closed');
refused($t, 'closed by a directory', \%closed, @cancel);
rmdir $t->path('closed');
symlink 'always', $t->path('closed');
refused($t, 'closed by a link', \%closed, @cancel);
unlink $t->path('closed');
SKIP: {
    skip 'only root can hide a file from www-data', 3 if $> != 0;
    chmod 0700, $t->path('hidden');
    refused($t, 'closed if nobody can tell', { %closed, environment => 'hidden' }, path => "/arg/tasks/$id/cancel?e=hidden", headers => [@token]);
    chmod 0755, $t->path('hidden');
    is($t->request(path => "/arg/tasks/$id/cancel?e=hidden", headers => [@token])->status, 204, 'open again');
}

# A body is read first: what comes while it does counts.

my $socket = $t->connect;
$socket->syswrite("PATCH /sandbox/tasks/$id/cancel HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $token\r\nContent-Length: 4\r\n\r\nbo");
ok($t->wait_for(qr/http read client request body|http client request body/), 'the body is being read') if $t->log =~ /\[debug\]/;
$t->write('closed', '');
$socket->syswrite('dy');
is($t->response($socket)->status, 503, 'closed while the body came');
unlink $t->path('closed');

my @expired = (path => "/arg/tasks/$id/cancel?e=expired", headers => [@token]);
refused($t, 'an expired credential', \%no_credential, @expired);
$t->secret('expired', 'upstream-secret-2');
ok($t->wait_for(sub { $t->request(@expired)->status == 204 }), 'a new one is taken within seconds');
passes($t, 'and stays', $target, @expired);
$t->secret('expired', Canopy::Client::jwt(exp => 1));
ok($t->wait_for(sub { $t->request(@expired)->status == 503 }), 'an expired one again');
refused($t, 'an expired credential again', \%no_credential, @expired);

ok($t->wait_for(sub { $t->request(@short)->status == 503 }), 'a credential expires while in use');
refused($t, 'a credential that has expired while in use', { %no_credential, environment => 'short' }, @short);

# ------------------------------------------------------------------------------------------------------------- order

# Faults in the order of the table; each changes a request in its way.

my @authorization = (status => 401, loc => ['header', 'authorization'], environment => 'sandbox');
my $old = time - 1000;
my @faults = (
    ['path',       { status => 404, loc => ['path'], type => 'not_found' }, sub { $_[0]{end} = 'undo' }],
    ['method',     { status => 405, loc => ['method'], type => 'method_not_allowed', Allow => 'PATCH' }, sub { $_[0]{method} = 'POST' }],
    ['unknown',    \%unknown, sub { $_[0]{e} = 'nowhere' }],
    ['mismatch',   \%mismatch, sub { push $_[0]{headers}->@*, ['Canopy-Environment', 'other'] }],
    ['missing',    { @authorization, type => 'missing', 'WWW-Authenticate' => 'Bearer realm="canopy"' }, sub { $_[0]{token} = undef }],
    ['malformed',  { @authorization, type => 'token_malformed' }, sub { $_[0]{claims}{header} = { alg => 'none' } }],
    ['expired',    { @authorization, type => 'token_expired' }, sub { $_[0]{claims}{exp} = $old }],
    ['uuid',       \%no_uuid, sub { $_[0]{id} = 'x' }],
    ['closed',     \%closed, sub { $_[0]{e} = $_[0]{e} eq 'sandbox' ? 'shut' : $_[0]{e} }],
    ['credential', \%no_credential, sub { $_[0]{e} = { sandbox => 'expired', shut => 'both' }->{$_[0]{e}} // $_[0]{e} }],
);

sub faulty { my ($wanted, @applied) = @_;
    my $r = { end => 'cancel', method => 'PATCH', e => 'sandbox', headers => [], claims => {}, id => $id, token => '' };
    $_->[2]->($r) for @applied;
    my @authorization = defined $r->{token} ? ['Authorization', 'Bearer ' . $t->client_token($r->{claims}->%*)] : ();
    my %with = $wanted->{environment} ? (environment => $r->{e}) : ();
    my $www = { token_malformed => 'The token is not a signed JWT: its header must have an alg that is a non-empty string other than none',
                token_expired => 'The token has expired' }->{$wanted->{type}};
    $with{'WWW-Authenticate'} = "Bearer realm=\"canopy\", error=\"invalid_token\", error_description=\"$www\"" if $www;
    refused($t, join(' before ', map { $_->[0] } @applied), { %$wanted, %with }, method => $r->{method},
            path => "/arg/tasks/$r->{id}/$r->{end}?e=$r->{e}", headers => [$r->{headers}->@*, @authorization]);
}

for my $first (0 .. $#faults) {
    faulty($faults[$first][1], $faults[$first]);
    faulty($faults[$first][1], $faults[$first], $faults[$_]) for $first + 1 .. $#faults;
    faulty($faults[$first][1], @faults[$first .. $#faults]);
}

# ---------------------------------------------------------------------------------------- every answer, and the logs

is($t->request(path => '/sandbox/x', headers => [['X-Request-ID', 'abc.DEF:1_2-3']])->header('X-Request-ID'), 'abc.DEF:1_2-3',
   'a refusal has the client\'s X-Request-ID');
like($t->request(path => '/sandbox/x', headers => [['X-Request-ID', $_]])->header('X-Request-ID'), qr/^[0-9a-f]{32}$/, "or one of nginx: not '$_'")
    for '', 'a b', 'x' x 129, "\xc3\xa4", 'a,b', '<x>';

my $res = $t->request(raw => "POST /sandbox/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" . 'x' x 100000
    . "PATCH /sandbox/tasks/x/cancel HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $token\r\nContent-Length: 3\r\n\r\nabc"
    . "PATCH /sandbox/tasks/$id/cancel HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $token\r\n\r\n", keep => 1);
is($res->status, 404, 'a refusal on a connection');
is($t->response($res->socket)->status, 422, 'does not mistake its body for the next request,');
is($t->response($res->socket)->status, 204, 'which is served');

my $proto = $t->request(raw => "PATCH /sandbox/tasks/x/cancel HTTP/1.0\r\nAuthorization: Bearer $token\r\n\r\n");
is($proto->status, 422, 'HTTP/1.0');
$t->ensures_schema($proto);

refused($t, 'no token, for the log', { @authorization, type => 'missing', 'WWW-Authenticate' => 'Bearer realm="canopy"' },
        path => '/sandbox/tasks/' . uc($id) . '/cancel');
ok($t->wait_for(sub { $t->access_log =~ m{^PATCH /sandbox/tasks/\U$id\E/cancel 401 outcome=denied env=sandbox task=$id error=missing us=- ua=- urid=-?$}m }),
   'the access log says which task was not canceled, and why') || diag($t->access_log =~ /(.*)\n\z/);
like($t->access_log, qr{^PATCH /sandbox/tasks/x/cancel 422 outcome=denied env=sandbox task=-? error=uuid_parsing us=- }m, 'no task where there is none');
like($t->access_log, qr{^PATCH /arg/tasks/$id/cancel 422 outcome=denied env=-? task=$id error=unknown_environment us=- }m, 'no environment where there is none');
like($t->access_log, qr{^PATCH /arg/tasks/$id/cancel 503 outcome=not-sent env=shut task=$id error=environment_closed us=- }m, 'a closed environment');

$t->stop;
is(() = $t->log =~ /\[crit\] .* the token in secret file "\Q@{[$t->path('expired')]}\E" has expired,/g, 2, 'an expired credential: one line each time');
unlike($t->log, qr/\[(?:warn|error|alert|emerg)\]/, 'nothing else above notice');
my %said = map { s/, client: .*//r =~ s/\d+$/N/r => 1 } $t->log =~ /\[\w+\] \S+ \*\d+ (client sent .*)/g;
is_deeply([sort keys %said], [sort
    'client sent request for an unknown path', 'client sent method "POST" instead of PATCH', 'client sent request for an unknown environment',
    (map { "client sent \"Canopy-Environment\" of another environment than \"$_\"" } qw(sandbox shut expired both)),
    'client sent no bearer token', 'client sent expired token',
    'client sent malformed token: The token is not a signed JWT: its header must have an alg that is a non-empty string other than none',
    (map { "client sent invalid task id: Input should be a valid UUID, $_ N" } 'invalid length: expected 36 characters, found',
        'invalid character: expected a hyphen at', 'invalid character: expected a hexadecimal digit at'),
], 'clients\' mistakes in the module\'s own words');
is(() = $t->log =~ /\[(?!info)\w+\] \S+ \*\d+ client sent/g, 0, 'at level info');

$t->done;
