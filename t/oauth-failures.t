# The token endpoint fails, in every way: each fault has its effect and its line in the log, exchanges are made ever more
# seldom, requests do not notice while the old token lives, and all is well again when the endpoint is.

use v5.36;

use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(time);

use Canopy::Lifecycle;
use Canopy::Steady;
use Canopy::State;
use Canopy::Test;
use Canopy::TokenEndpoint;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $json = JSON::PP->new->canonical;
my $secret = 'planted-client-secret';

my $auth = Canopy::TokenEndpoint->new($t, 'auth', clients => { 'client-1' => $secret });
my $untrusted = Canopy::TokenEndpoint->new($t, 'untrusted', tls => $t->certificate('untrusted', self_signed => 1));
my $misnamed = Canopy::TokenEndpoint->new($t, 'misnamed', tls => $t->certificate('misnamed', san => 'DNS:auth.example'));
my $down = Canopy::TokenEndpoint->new($t, 'down');
$down->stop;
$t->secret('secret', $secret);
$t->plant('planted-wrong-secret');
$t->secret('wrong', 'planted-wrong-secret');
$t->upstream('canopy');

sub in_seconds ($seconds, $format = '%Y-%m-%dT%H:%M:%SZ') { return strftime($format, gmtime(time + $seconds)) }
sub error ($status, $error, $description) {
    return { status => $status, body => $json->encode({ error => $error, error_description => $description }) };
}
sub limit ($refresh) { return { code => 429, message => 'rate_limit', rate_limit => 50, rate_limit_refresh => $refresh } }
sub encoded ($value) { return $json->encode($value) }
sub token ($more) { return { body => qq({"access_token":"%TOKEN%"$more}) } }
sub raw ($head, $body = '') { return { raw => "HTTP/1.1 $head\r\n\r\n$body" } }

my $good = '{"access_token":"%TOKEN%","expires_in":86400,"token_type":"Bearer"}';
my $elsewhere = 'Location: http://127.0.0.1:' . $t->port('auth') . '/elsewhere';

# Name, answer, what the log says; the longest and the shortest Retry-After at first where that is not 1.

my @faults = (
    ['wrong_secret',    {}, 'refused the client or its secret'],
    ['unauthorized',    error(401, 'access_denied', 'Unauthorized'), 'refused the client or its secret.*access_denied'],
    ['audience',        error(403, 'access_denied', 'Service not enabled within domain: a'), 'refused .*the audience.*access_denied'],
    ['bad_request',     error(400, 'invalid_request', 'because'), 'refused the request.*invalid_request'],
    ['not_found',       { status => 404, body => '' }, 'refused the request'],
    ['echo',            error(401, $secret, "$secret"), 'refused the client or its secret'],
    ['echo_400',        error(400, "x-$secret-x", limit($secret)), 'allows no exchange'],
    ['no_json',         { status => 403, body => '<html>no</html>', headers => ['Content-Type: text/html'] }, 'refused'],

    ['limit',           error(400, 'invalid_request', limit(in_seconds(600))), 'allows no exchange', 600, 500],
    ['limit_text',      error(400, 'invalid_request', encoded(limit(in_seconds(700)))), 'allows no exchange', 700, 600],
    ['limit_fraction',  error(400, 'invalid_request', limit(in_seconds(600, '%Y-%m-%dT%H:%M:%S.123456+00:00'))), 'allows no exchange', 602, 500],
    ['limit_offset',    error(400, 'invalid_request', limit(in_seconds(600 + 7200, '%Y-%m-%dT%H:%M:%S+02:00'))), 'allows no exchange', 600, 500],
    ['limit_number',    error(400, 'invalid_request', limit(int(time) + 600)), 'allows no exchange', 601, 500],
    ['limit_far',       error(400, 'invalid_request', limit('2099-01-01T00:00:00Z')), 'allows no exchange', 86400, 86300],
    ['limit_past',      error(400, 'invalid_request', limit('2001-01-01T00:00:00Z')), 'allows no exchange'],
    ['limit_unknown',   error(400, 'invalid_request', limit('tomorrow')), 'allows no exchange'],
    ['limit_missing',   error(400, 'invalid_request', { code => 429 }), 'allows no exchange'],
    ['status_429',      { status => 429, headers => ['Retry-After: 300'], body => '{"error":"Too Many Requests"}' }, 'allows no exchange', 300, 200],

    ['status_500',      { status => 500 }, 'is unavailable'],
    ['status_503',      { status => 503, headers => ['Retry-After: 300'], body => '' }, 'is unavailable', 300, 200],
    ['status_504',      { status => 504, body => '<html>', headers => ['Content-Type: text/html'] }, 'is unavailable'],
    ['status_408',      { status => 408 }, 'timed out'],
    ['status_201',      { status => 201 }, 'unexpected status'],
    ['status_204',      raw('204 No Content'), 'unexpected status'],
    ['status_101',      raw('101 Switching Protocols'), 'token endpoint'],
    ['status_600',      { status => 600 }, 'token endpoint'],
    (map { ["redirect_$_", { status => $_, headers => [$elsewhere], body => $good }, 'redirect'] } 301, 302, 303, 307, 308),

    ['hangs',           { cut => 0, end => 'hang' }, 'timed out'],
    ['hangs_in_head',   { cut => 20, end => 'hang' }, 'timed out'],
    ['hangs_in_body',   { cut => 100, end => 'hang' }, 'timed out|closed|cut'],
    ['closes',          { cut => 0 }, 'closed'],
    ['resets',          { cut => 0, end => 'reset' }, 'reset|closed|recv'],
    ['closes_in_head',  { cut => 20 }, 'closed'],
    ['closes_in_body',  { cut => 100 }, 'closed'],
    ['garbage',         { raw => "\x15\x03\x01\x00\x02\x02\x46 what?\r\n\r\n" }, 'token endpoint'],
    ['two_lengths',     raw("200 OK\r\nContent-Length: 3\r\nContent-Length: 4", $good), 'token endpoint'],
    ['endless_head',    { raw => "HTTP/1.1 200 OK\r\n" . "X-Endless: $secret\r\n" x 4000 . "\r\n$good" }, 'token endpoint'],
    ['too_large',       { body => $good =~ s/^{/'{"x":"' . 'x' x 65536 . '",'/er }, 'too large'],
    ['endless',         raw("200 OK\r\nContent-Type: application/json", $good . ' ' x 70_000), 'too large'],
    ['chunks',          raw("200 OK\r\nTransfer-Encoding: chunked", sprintf("%x\r\n%s\r\n", 3000, ' ' x 3000) x 30 . "0\r\n\r\n"), 'too large'],

    ['empty',           { body => '' }, 'empty'],
    ['cut_json',        { body => '{"access_token":"%TOKEN%"' }, 'token endpoint'],
    ['text',            { body => '%TOKEN%', headers => ['Content-Type: text/plain'] }, 'token endpoint'],
    ['array',           { body => '["%TOKEN%"]' }, 'token endpoint'],
    ['twice',           { body => '{"access_token":"%TOKEN%","access_token":"%TOKEN%"}' }, 'token endpoint'],
    ['not_utf8',        { body => "{\"access_token\":\"%TOKEN%\",\"x\":\"\xff\"}" }, 'token endpoint'],
    ['no_token',        { body => '{"expires_in":86400,"token_type":"Bearer"}' }, 'no access_token'],
    ['null_token',      { body => '{"access_token":null}' }, 'no access_token'],
    ['number_token',    { body => '{"access_token":12345678}' }, 'no access_token'],
    ['empty_token',     { body => '{"access_token":""}' }, 'empty access_token'],
    ['space_token',     { body => '{"access_token":"%TOKEN% x"}' }, 'invalid character'],
    ['line_token',      { body => '{"access_token":"%TOKEN%\r\nX-Evil: 1"}' }, 'invalid character'],
    ['nul_token',       { body => '{"access_token":"%TOKEN%\u0000"}' }, 'token endpoint'],
    ['long_token',      { body => '{"access_token":"%TOKEN%' . 'x' x 16384 . '"}' }, 'long'],
    ['other_type',      token(',"token_type":"mac"'), 'bearer'],
    ['expired',         token(',"expires_in":0'), 'expired'],
    ['negative',        token(',"expires_in":-1'), 'expired'],
    ['negative_text',   token(',"expires_in":"-1"'), 'expired'],
    ['expired_jwt',     { exp => int(time) - 10 }, 'expired'],
);

# These are taken: name, answer, seconds of life.

my @lives = (
    ['usual',           {}, 86400],
    ['lower_case',      token(',"token_type":"bearer","expires_in":100'), 100],
    ['no_type',         token(',"expires_in":100'), 100],
    ['life_missing',    token(''), 3600],
    ['life_null',       token(',"expires_in":null'), 3600],
    ['life_true',       token(',"expires_in":true'), 3600],
    ['life_object',     token(',"expires_in":{}'), 3600],
    ['life_word',       token(',"expires_in":"soon"'), 3600],
    ['life_text',       token(',"expires_in":"86400"'), 86400],
    ['life_fraction',   token(',"expires_in":100.9'), 100],
    ['life_huge',       token(',"expires_in":1e300'), 2592000],
    ['life_long',       token(',"expires_in":2592001'), 2592000],
    ['long_token_ok',   { body => '{"access_token":"%TOKEN%","x":"' . 'x' x 60_000 . '"}' }, 3600],
    ['continue',        raw("100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json", $good), 86400],
    ['in_chunks',       { chunked => 7 }, 86400],
    ['http10',          { raw => "HTTP/1.0 200 OK\r\n\r\n$good" }, 86400],
    ['jwt',             { exp => int(time) + 7200 }, 7200, 60],
    ['jwt_later',       { exp => int(time) + 7200, expires_in => 100 }, 100],
    ['jwt_only',        { exp => int(time) + 7200, body => '{"access_token":"%TOKEN%"}' }, 7200, 60],
    ['jwt_no_exp',      { exp => undef, expires_in => 100 }, 100],
);

sub environment ($name, $more = '') {
    my %with = (server => "http://127.0.0.1:%%PORT_canopy%%/$name", oauth2_client_id => 'client-1',
                oauth2_client_secret_file => '%%DIR%%/secret', oauth2_audience => "https://$name.example",
                oauth2_token_url => "http://127.0.0.1:%%PORT_auth%%/$name", exchange_timeout => '2s');
    $with{$1} = $2 while $more =~ /(\w+) (.*?);/g;
    return "canopy_environment $name {\n" . join('', map { "        $_ $with{$_};\n" } sort keys %with) . "    }\n    ";
}

my @not_sent = (
    ['down',        'oauth2_token_url http://127.0.0.1:%%PORT_down%%/;', 'connect|refused'],
    ['untrusted',   'oauth2_token_url https://127.0.0.1:%%PORT_untrusted%%/;', 'certificate'],
    ['misnamed',    'oauth2_token_url https://127.0.0.1:%%PORT_misnamed%%/; ssl_trusted_certificate %%DIR%%/ca.pem;', 'certificate|name'],
    ['no_tls',      'oauth2_token_url https://127.0.0.1:%%PORT_auth%%/no_tls;', 'SSL|TLS|handshake'],
);
my $environments = join '',
    (map { environment($_->[0], $_->[0] eq 'wrong_secret' ? 'oauth2_client_secret_file %%DIR%%/wrong;' : '') } @faults, @lives),
    map { environment($_->[0], $_->[1]) } @not_sent;

$t->conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    canopy_zone       16m;
    canopy_state_path %%DIR%%/state;
    $environments
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\\w+)/ { canopy_pass \$environment; }
    }
}
EOC

sub cancel ($name) { return $t->cancel($id, prefix => "/$name") }

sub facts ($res) {
    my $type = length $res->body ? $res->json->{detail}[0]{type} : '';
    return $res->status . " $type " . $res->header('Canopy-Outcome');
}

my $accepted = '204  accepted';
my $unavailable = '503 credential_unavailable not-sent';

# What an operator is told of an environment's exchanges.
sub lines ($name) { return grep { /\[(?:warn|error|crit)\]/ && /environment "$name"/ } split /\n/, $t->log }

# ------------------------------------------------------------------------------------------------- from the beginning

$auth->answers_at("/$_->[0]", $_->[1]) for @faults, @lives;
$t->start;
my $load = Canopy::Steady->new($t, prefix => '/down');
my $began = time;

my %log = map { $_->[0] => $_->[2] } @faults, @not_sent;
ok($t->wait_for(sub { !grep { !lines($_) } keys %log }, 10), 'the log has a line for each fault')
    || diag(join ' ', grep { !lines($_) } sort keys %log);

for my $fault (@faults, map { [@$_[0, 1, 2]] } @not_sent) {
    my ($name, undef, $log, $most, $least) = @$fault;
    like((lines($name))[0], qr/\[(?:error|crit)\] .*$log/i, "$name: it says why");
    for (1, 2) {
        my $res = cancel($name);
        is(facts($res), $unavailable, "$name: no token, nothing is sent");
        my $seconds = $res->header('Retry-After');
        ok($seconds =~ /^\d+$/ && $seconds >= ($least // 1) && $seconds <= ($most // 30), "$name: Retry-After") || diag($seconds);
    }
}

like((lines($_))[0], qr/\[crit\]/, "$_: somebody must act") for qw(wrong_secret unauthorized audience);
is(scalar $auth->exchanges('/elsewhere'), 0, 'no redirect is followed');
is(scalar(map { $_->exchanges } $untrusted, $misnamed), 0, 'nothing is sent to a peer that is not verified');
is(scalar $auth->exchanges('/no_tls'), 0, 'nor without TLS');

for my $case (@lives) {
    my ($name, undef, $life, $tolerance) = @$case;
    is(facts(cancel($name)), $accepted, "$name: a token") for 1, 2;
    my $state = read_state((state_of($t, $name))[0]);
    my $seconds = ($state->{expires} - $state->{obtained}) / 1000;
    ok($seconds <= $life && $seconds >= $life - ($tolerance // 0), "$name: its life") || diag($seconds);
    my $renewed = ($state->{renew} - $state->{obtained}) / ($state->{expires} - $state->{obtained});
    ok($renewed > 0.749 && $renewed < 0.851, "$name: when it is to be renewed") || diag($renewed);
    is($auth->count("/$name"), 1, "$name: one exchange");
}

# ------------------------------------------------------------------------------------------------------------ back-off

sub pause_until ($at) { my $left = $at - time; Time::HiRes::sleep($left) if $left > 0 }
pause_until($began + 4);

my @answers = $load->stop;
is_deeply([grep { $_->{type} ne 'credential_unavailable' || $_->{outcome} ne 'not-sent' } @answers], [],
          'nobody listens at the endpoint: requests are told so');
cmp_ok(scalar @answers, '>', 20, 'at once');
my $down_port = $t->port('down');
my $tries = () = $t->log =~ /connect to 127\.0\.0\.1:$down_port,/g;
ok($tries >= 2 && $tries <= 6, 'a handful of exchanges are tried') || diag($tries);

for my $fault (@faults) {
    my ($name, undef, undef, $most) = @$fault;
    my $count = $auth->count("/$name");
    my $times = lines($name);
    ok($times >= 1 && $times <= $count, "$name: no more than a line for each") || diag("$times $count");
    $most ? is($count, 1, "$name: not again before the time that the endpoint named")
          : ok($count >= 2 && $count <= 6, "$name: again, and ever more seldom") || diag($count);
}

# ------------------------------------------------------------------------------------------------------- all is well

$auth->answers_at("/$_->[0]", {}) for @faults;
$t->secret('wrong', $secret);
$down->start;
my @wait = map { $_->[0] } grep { !defined $_->[3] } @faults;
my %left = map { $_ => 1 } @wait, 'down';
$t->wait_for(sub { facts(cancel($_)) eq $accepted and delete $left{$_} for keys %left; !%left }, 20);
is_deeply([sort keys %left], [], 'an endpoint that is well again is found so');
is(facts(cancel($_)), $accepted, "$_: served again") for sort @wait, 'down';
is(facts(cancel($_->[0])), $unavailable, "$_->[0]: not before its time") for grep { defined $_->[3] } @faults;
is($auth->count("/$_->[0]"), 1, "$_->[0]: ... for there was no exchange") for grep { defined $_->[3] } @faults;

# ---------------------------------------------------------------------------------------------- the old token lives on

my @renewals = (
    ['usual',         { status => 503 }],
    ['lower_case',    { cut => 0, end => 'hang' }],
    ['no_type',       error(401, 'access_denied', 'Unauthorized')],
    ['life_missing',  { cut => 50 }],
    ['life_null',     { body => '{}' }],
    ['life_true',     error(400, 'invalid_request', limit(in_seconds(600))), 1],
    ['life_object',   { cut => 0, end => 'reset' }],
    ['life_word',     token(',"expires_in":0')],
    ['life_text',     { status => 302, headers => [$elsewhere] }],
);
my %old;
for my $case (@renewals) {
    my ($name, $step) = @$case;
    $auth->answers_at("/$name", $step);
    ($old{$name}) = map { $_->{n} } $auth->exchanges("/$name");
}
restart($t, sub {
    for my $case (@renewals) {
        edit_state((state_of($t, $case->[0]))[0], sub {
            $_->{obtained} -= 60_000;
            $_->{renew} = $_->{obtained} + 1000;
        });
    }
});
my $restarted = time;
my $loads = Canopy::Steady->new($t, prefix => '/usual');

sub token_used ($name) {
    return $auth->number_of((grep { $_->{target} =~ m{^/$name/} } $t->received('canopy'))[-1]->header('Authorization'));
}

$auth->made(2, "$_->[0]: a token is to be renewed, and can't be", "/$_->[0]", 0) for @renewals;
for my $case (@renewals) {
    my ($name) = @$case;
    is(facts(cancel($name)), $accepted, "$name: a request does not notice") for 1, 2;
    is(token_used($name), $old{$name}, "$name: the old token serves");
    ok($t->wait_for(sub { lines($name) }), "$name: the operator is told");
}

pause_until($restarted + 2);
for my $case (@renewals) {
    my ($name, undef, $limited) = @$case;
    my $count = $auth->count("/$name");
    ok($count <= ($limited ? 2 : 5), "$name: renewals back off as well") || diag($count);
    $auth->answers_at("/$name", {}) if !$limited;
}
for my $case (grep { !$_->[2] } @renewals) {
    my ($name) = @$case;
    ok($t->wait_for(sub { cancel($name)->status == 204 && token_used($name) ne $old{$name} }, 12), "$name: renewed in the end");
}
is(token_used('life_true'), $old{life_true}, 'life_true: the old token serves until the endpoint\'s own time');
is_deeply([grep { $_->{type} ne '' || $_->{outcome} ne 'accepted' } $loads->stop], [], 'no request has failed');

$auth->is_sound;
$t->done;
