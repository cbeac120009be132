# The token endpoint fails, in every way: each fault has its effect and its line in the log, exchanges are made ever more
# seldom, requests do not notice while the old token lives, and all is well again when the endpoint is.

use v5.36;

use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(sleep time);

use Canopy::Lifecycle;
use Canopy::Process qw(spawn wait_until);
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
$t->upstream('no_tls', hook => sub ($conn, $no) { $conn->read; $conn->print(reply(400)); return 'close' });

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
    ['echo',            error(401, $secret, "$secret"), 'refused the client or its secret'],

    ['limit',           error(400, 'invalid_request', limit(in_seconds(600))), 'allows no exchange', 600, 500],
    ['limit_text',      error(400, 'invalid_request', encoded(limit(in_seconds(700)))), 'allows no exchange', 700, 600],
    ['limit_number',    error(400, 'invalid_request', limit(int(time) + 600)), 'allows no exchange', 601, 500],
    ['limit_past',      error(400, 'invalid_request', limit('2001-01-01T00:00:00Z')), 'allows no exchange'],
    ['status_429',      { status => 429, headers => ['Retry-After: 300'], body => '{"error":"Too Many Requests"}' }, 'allows no exchange', 300, 200],

    ['status_500',      { status => 500 }, 'is unavailable'],
    ['status_503',      { status => 503, headers => ['Retry-After: 300'], body => '' }, 'is unavailable', 300, 200],
    ['status_408',      { status => 408 }, 'timed out'],
    ['status_204',      raw('204 No Content'), 'unexpected status'],
    ['status_101',      raw('101 Switching Protocols'), 'upstream sent'],
    (map { ["redirect_$_", { status => $_, headers => [$elsewhere], body => $good }, 'redirect'] } 302, 307),

    ['hangs',           { cut => 0, end => 'hang' }, 'timed out'],
    ['hangs_in_body',   { cut => 100, end => 'hang' }, 'timed out|closed|cut'],
    ['closes',          { cut => 0 }, 'closed'],
    ['resets',          { cut => 0, end => 'reset' }, 'reset|closed|recv'],
    ['closes_in_head',  { cut => 20 }, 'closed'],
    ['closes_in_body',  { cut => 100 }, 'closed'],
    ['garbage',         { raw => "\x15\x03\x01\x00\x02\x02\x46 what?\r\n\r\n" }, 'upstream sent an invalid'],
    ['two_lengths',     raw("200 OK\r\nContent-Length: 3\r\nContent-Length: 4", $good), 'upstream sent an invalid'],
    ['endless_head',    { raw => "HTTP/1.1 200 OK\r\n" . "X-Endless: $secret\r\n" x 4000 . "\r\n$good" }, 'upstream sent an invalid'],
    ['too_large',       { body => $good =~ s/^{/'{"x":"' . 'x' x 65536 . '",'/er }, 'too large'],
    ['chunks',          raw("200 OK\r\nTransfer-Encoding: chunked", sprintf("%x\r\n%s\r\n", 3000, ' ' x 3000) x 30 . "0\r\n\r\n"), 'too large'],

    ['empty',           { body => '' }, 'empty'],
    ['cut_json',        { body => '{"access_token":"%TOKEN%"' }, 'token endpoint'],
    ['no_token',        { body => '{"expires_in":86400,"token_type":"Bearer"}' }, 'no access_token'],
    ['empty_token',     { body => '{"access_token":""}' }, 'empty access_token'],
    ['line_token',      { body => '{"access_token":"%TOKEN%\r\nX-Evil: 1"}' }, 'invalid character'],
    ['long_token',      { body => '{"access_token":"%TOKEN%' . 'x' x 16384 . '"}' }, 'long'],
    ['other_type',      token(',"token_type":"mac"'), 'bearer'],
    ['expired',         token(',"expires_in":0'), 'expired'],
    ['negative',        token(',"expires_in":-1'), 'expired'],
    ['expired_jwt',     { exp => int(time) - 10 }, 'expired'],
);

# These are taken: name, answer, seconds of life.

my @lives = (
    ['usual',           {}, 86400],
    ['no_type',         token(',"expires_in":100'), 100],
    ['life_missing',    token(''), 3600],
    ['life_null',       token(',"expires_in":null'), 3600],
    ['life_text',       token(',"expires_in":"86400"'), 86400],
    ['life_huge',       token(',"expires_in":1e300'), 2592000],
    ['life_long',       token(',"expires_in":2592001'), 2592000],
    ['long_token_ok',   { body => '{"access_token":"%TOKEN%","x":"' . 'x' x 60_000 . '"}' }, 3600],
    ['continue',        raw("100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json", $good), 86400],
    ['in_chunks',       { chunked => 7 }, 86400],
    ['hangs_later',     {}, 86400],
    ['http10',          { raw => "HTTP/1.0 200 OK\r\n\r\n$good" }, 86400],
    ['jwt',             { exp => int(time) + 7200 }, 7200, 60],
    ['jwt_later',       { exp => int(time) + 7200, expires_in => 100 }, 100],
);

sub environment ($name, $more = '') {
    my %with = (server => "http://127.0.0.1:%%PORT_canopy%%/$name", oauth2_client_id => 'client-1',
                oauth2_client_secret_file => '%%DIR%%/secret', oauth2_audience => "https://$name.example",
                oauth2_token_url => "http://127.0.0.1:%%PORT_auth%%/$name",
                exchange_timeout => $name eq 'hangs_later' ? '5s' : $name =~ /^hangs/ ? '2s' : '60s');
    $with{$1} = $2 while $more =~ /(\w+) (.*?);/g;
    return "canopy_environment $name {\n" . join('', map { "        $_ $with{$_};\n" } sort keys %with) . "    }\n    ";
}

my @not_sent = (
    ['down',        'oauth2_token_url http://127.0.0.1:%%PORT_down%%/;', 'connect|refused'],
    ['untrusted',   'oauth2_token_url https://127.0.0.1:%%PORT_untrusted%%/;', 'certificate'],
    ['misnamed',    'oauth2_token_url https://127.0.0.1:%%PORT_misnamed%%/; ssl_trusted_certificate %%DIR%%/ca.pem;', 'certificate|name'],
    ['no_tls',      'oauth2_token_url https://127.0.0.1:%%PORT_no_tls%%/;', 'SSL|TLS|handshake'],
);
# "hangs_later" is the first one: its first exchange is not to come late because of all the others.
my $environments = join '', environment('hangs_later'),
    (map { environment($_->[0], $_->[0] eq 'wrong_secret' ? 'oauth2_client_secret_file %%DIR%%/wrong;' : '') }
        @faults, grep { $_->[0] ne 'hangs_later' } @lives),
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

# What an operator is told of each environment's exchanges, so far.
my %lines;
my $read = 0;
sub read_log () {
    open my $fh, '<', $t->path('error.log') or die "error.log: $!\n";
    seek $fh, $read, 0;
    while (my $line = <$fh>) {
        last if $line !~ /\n\z/;
        $read += length $line;
        push $lines{$1}->@*, $line if $line =~ /\[(?:warn|error|crit)\] .*environment:? "(\w+)"/;
    }
}

sub lines ($name) {
    read_log();
    return ($lines{$name} // [])->@*;
}

# How often the gateway tries to connect to where nobody listens, and how often it may: the shortest pauses between two
# exchanges are 0.5, 1, 2, 4 ... seconds.
my $down_port = $t->port('down');
sub tries () { return scalar(() = $t->log =~ /connect to 127\.0\.0\.1:$down_port,/g) }

sub most_tries ($seconds) {
    my ($tries, $pause) = (1, 0.5);
    for (my $at = 0; $at < $seconds; $at += $pause, $pause *= 2) { $tries++ }
    return $tries;
}

# ------------------------------------------------------------------------------------------------- from the beginning

$auth->answers_at("/$_->[0]", $_->[1]) for @faults, @lives;
my $began = time;
$t->start;
my $load = Canopy::Steady->new($t, prefix => '/down');

my %log = map { $_->[0] => $_->[2] } @faults, @not_sent;
ok($t->wait_for(sub { !grep { !lines($_) } keys %log }, 60), 'the log has a line for each fault')
    || diag(join ' ', grep { !lines($_) } sort keys %log);

$t->wait_for(sub { sleep 0.2; tries() >= 3 && $load->answers > 20 });
my $tries = tries();
my $lasted = time - $began;
my @answers = $load->stop;
$down->start;
is_deeply([grep { $_->{type} ne 'credential_unavailable' || $_->{outcome} ne 'not-sent' } @answers], [],
          'nobody listens at the endpoint: requests are told so');
cmp_ok(scalar @answers, '>', 20, 'at once');
ok($tries >= 3 && $tries <= most_tries($lasted), 'a handful of exchanges are tried') || diag("$tries in $lasted s");

sub check_fault ($fault) {
    my ($name, undef, $log, $most, $least) = @$fault;
    like((lines($name))[0], qr/\[(?:error|crit)\] .*$log/i, "$name: it says why");
    for (1, 2) {
        my $res = cancel($name);
        is(facts($res), $unavailable, "$name: no token, nothing is sent");
        my $seconds = $res->header('Retry-After');
        ok($seconds =~ /^\d+$/ && $seconds >= ($least // 1) && $seconds <= ($most // 60), "$name: Retry-After") || diag($seconds);
    }
}

# Most of them are well again as soon as they have been looked at, some later, some never.

my %fails_on = map { $_ => 1 } qw(wrong_secret unauthorized status_500 redirect_302 hangs hangs_in_body closes garbage no_token expired);
my @limited = grep { defined $_->[3] } @faults;
my @well = grep { !defined $_->[3] && !$fails_on{$_->[0]} } @faults;
check_fault($_) for grep { $_->[0] eq 'wrong_secret' } @faults;

# As soon as it has been refused once more, five times at least, the right secret is put in its place.
my $refused = $auth->count('/wrong_secret');
spawn(sub {
    wait_until(sub { sleep 0.1; $auth->count('/wrong_secret') > ($refused < 4 ? 4 : $refused) }, 120);
    $t->secret('wrong', $secret);
});

check_fault($_) for @well;
$auth->answers_at("/$_->[0]", {}) for @well;
check_fault($_) for @limited, (grep { $fails_on{$_->[0]} && $_->[0] ne 'wrong_secret' } @faults),
    map { [@$_[0, 1, 2]] } grep { $_->[0] ne 'down' } @not_sent;

like((lines($_))[0], qr/\[crit\]/, "$_: somebody must act") for qw(wrong_secret unauthorized audience);
is(scalar $auth->exchanges('/elsewhere'), 0, 'no redirect is followed');
is(scalar(map { $_->exchanges } $untrusted, $misnamed), 0, 'nothing is sent to a peer that is not verified');

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

# ----------------------------------------------------------------------------------------- all is well, but for some

my %left = map { $_->[0] => 1 } @well;
$t->wait_for(sub {
    sleep 0.2;
    facts(cancel($_)) eq $accepted and delete $left{$_} for sort keys %left;
    return !%left;
}, 120);
is_deeply([sort keys %left], [], 'an endpoint that is well again is found so');
is(facts(cancel($_->[0])), $accepted, "$_->[0]: served again") for @well;

# ------------------------------------------------------------------------------------------------------------ back-off

for my $name (sort grep { $_ ne 'wrong_secret' } keys %fails_on) {
    $t->wait_for(sub { $auth->count("/$name") >= 2 });
    my $count = $auth->count("/$name");
    my $times = grep { /token endpoint/ } lines($name);
    ok($times >= 1 && $times <= $count, "$name: no more than a line for each") || diag("$times $count");
    $lasted = time - $began;
    ok($count >= 2 && $count <= most_tries($lasted), "$name: again, and ever more seldom") || diag("$count in $lasted s");
}
for my $fault (@limited) {
    my ($name) = @$fault;
    is(facts(cancel($name)), $unavailable, "$name: not before the time that the endpoint named");
    is($auth->count("/$name"), 1, "$name: ... for there was no exchange");
    is(scalar(grep { /token endpoint/ } lines($name)), 1, "$name: one line tells it");
}
ok($t->wait_for(sub { sleep 0.2; facts(cancel('down')) eq $accepted }, 90), 'somebody listens at the endpoint again');

ok($t->wait_for(sub { sleep 0.2; facts(cancel('wrong_secret')) eq $accepted }, 90), 'the right secret is in its file');
my @asked = $auth->exchanges('/wrong_secret');
my @secrets = map { $_->{asked}{client_secret} } @asked;
is_deeply(\@secrets, [('planted-wrong-secret') x $#secrets, $secret], '... and is used');
cmp_ok($asked[-1]{at} - $asked[-2]{at}, '<', 2 ** $#secrets / 4, '... at once: what failed before says nothing of it');

# ---------------------------------------------------------------------------------------------- the old token lives on

my @renewals = (
    ['life_huge',     error(400, 'invalid_request', limit(in_seconds(600))), 1],
    ['life_long',     { cut => 0, end => 'reset' }],
    ['in_chunks',     token(',"expires_in":0')],
    ['usual',         { status => 503 }],
    ['http10',        error(401, 'access_denied', 'Unauthorized')],
    ['life_missing',  { cut => 50 }],
    ['life_null',     { body => '{}' }],
    ['life_text',     { status => 302, headers => [$elsewhere] }],
    ['hangs_later',   { cut => 0, end => 'hang' }],
);
my %old;
for my $case (@renewals) {
    my ($name, $step) = @$case;
    $auth->answers_at("/$name", $step);
    ($old{$name}) = map { $_->{n} } $auth->exchanges("/$name");
}
my $restarted;
restart($t, sub {
    $restarted = time;
    for my $case (@renewals) {
        edit_state((state_of($t, $case->[0]))[0], sub {
            my $state = $_;
            $state->{$_} -= 60_000 for qw(obtained expires);
            $state->{renew} = $state->{obtained} + 1000;
        });
    }
});
my $usual = Canopy::Steady->new($t, prefix => '/usual', pause => 0.05);

sub token_used ($name) {
    return $auth->number_of((grep { $_->{target} =~ m{^/$name/} } $t->received('canopy'))[-1]->header('Authorization'));
}

# a busy machine may have come to the next attempt by now
for my $case (@renewals) {
    my ($name) = @$case;
    ok($t->wait_for(sub { $auth->count("/$name") >= 2 }), "$name: a token is to be renewed, and can't be");
}
for my $case (@renewals) {
    my ($name) = @$case;
    is(facts(cancel($name)), $accepted, "$name: a request does not notice") for 1, 2;
    is(token_used($name), $old{$name}, "$name: the old token serves");
    ok($t->wait_for(sub { lines($name) }), "$name: the operator is told") if $name ne 'hangs_later';
}

$t->wait_for(sub { time > $restarted + 2 });
for my $case (@renewals) {
    my ($name, undef, $limited) = @$case;
    my $count = $auth->count("/$name");
    my $most = $limited ? 2 : 1 + most_tries(time - $restarted);
    ok($count <= $most, "$name: renewals back off as well") || diag("$count, not $most");
    $auth->answers_at("/$name", {}) if !$limited;
}
ok($t->wait_for(sub { lines('hangs_later') }), 'hangs_later: the operator is told');
for my $case (grep { !$_->[2] } @renewals) {
    my ($name) = @$case;
    ok($t->wait_for(sub { sleep 0.1; cancel($name)->status == 204 && token_used($name) ne $old{$name} }, 90),
       "$name: renewed in the end");
}
is(token_used('life_huge'), $old{life_huge}, 'life_huge: the old token serves until the endpoint\'s own time');
is_deeply([grep { $_->{type} ne '' || $_->{outcome} ne 'accepted' } $usual->stop], [], 'no request has failed');

$auth->is_sound;
$t->done;
