# A client's token is what its key says: the right ones pass, also when they are remembered, and nothing else does.

use v5.36;

use Test::More;
use Time::HiRes qw(sleep);

use Canopy::Expect;
use Canopy::Jose;
use Canopy::Test;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $target = "/tasking/tasks/$id/cancel";

$t->secret('token', 'verified-upstream-credential');
$t->upstream('canopy', handler => sub { reply(204) });

my %key = map { $_ => Canopy::Jose->new($_, kid => lc $_) } qw(RS256 ES256 EdDSA HS256);
my $stranger = Canopy::Jose->new('RS256', kid => 'rs256');
my $next = Canopy::Jose->new('ES256', kid => 'next');
$t->write('keys.jwks', Canopy::Jose::set(values %key));
$t->write('no-kid.jwks', Canopy::Jose::set({ $key{RS256}->jwk->%*, kid => undef }) =~ s/"kid":null,//r);

my $conf = <<'EOC';
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment live {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
    }
    log_format clients escape=json '{"sub":"$canopy_client","error":"$canopy_error","uri":"$uri"}';
    limit_req_zone $canopy_client zone=clients:1m rate=1r/m;
    server {
        listen 127.0.0.1:%%PORT_http%%;
        access_log %%DIR%%/clients.json clients;
        canopy_client_jwks     %%DIR%%/keys.jwks;
        canopy_client_audience gateway;
        canopy_client_issuer   https://login.example/;
        location /live/   { canopy_pass live; }
        location /strict/ { canopy_pass live; canopy_client_leeway 0; }
        location /any/    { canopy_pass live; canopy_client_audience any; canopy_client_issuer off; }
        location /other/  { canopy_pass live; canopy_client_audience other; }
        location /plain/  { canopy_pass live; canopy_client_jwks off; }
        location /limit/  { canopy_pass live; limit_req zone=clients; limit_req_status 429; }
        location /file/   { canopy_pass live; canopy_client_jwks %%DIR%%/no-kid.jwks; }
    }
}
EOC
$t->conf($conf);
$t->start;

sub by ($key, %claims) { return $key->token(iss => 'https://login.example/', aud => 'gateway', %claims) }

sub request ($token, $prefix = '/live') {
    return (path => "$prefix/tasks/$id/cancel", headers => [['Authorization', "Bearer $token"]]);
}

sub good ($name, $token, @prefix) { passes($t, $name, $target, request($token, @prefix)) }

sub bad ($name, $type, $token, @prefix) {
    my $res = $t->request(request($token, @prefix));
    my ($description) = $res->header('WWW-Authenticate') =~ /error_description="([^"\\]+)"$/;
    ok(defined $description, "$name: what is wrong is said") || diag($res->raw);
    return refused($t, $name,
        { status => 401, loc => ['header', 'authorization'], type => $type, environment => 'live',
          'WWW-Authenticate' => qq(Bearer realm="canopy", error="invalid_token", error_description="$description") },
        request($token, @prefix));
}

# A request's line comes behind its answer, and before that of the next one.
my $looks = 0;
sub lines () {
    my $last = '/look' . ++$looks;
    $t->request(path => $last);
    $t->wait_for(sub { $t->read('clients.json') =~ m{"$last"\}\n} });
    return grep { $_->{uri} !~ m{^/look} } map { JSON::PP->new->utf8->decode($_) } split /\n/, $t->read('clients.json');
}

# ------------------------------------------------------------------------------------------------------- signatures

good($_, by($key{$_})) for sort keys %key;
good('a key without kid takes a token without', Canopy::Jose::token(bless({ $key{RS256}->%*, kid => undef }, 'Canopy::Jose'),
     iss => 'https://login.example/', aud => 'gateway'), '/file');

bad('somebody else\'s key of that name', 'token_signature', by($stranger));
bad('a kid that nobody has', 'token_signature', by(Canopy::Jose->new('RS256', kid => 'nobody')));
bad("another key's name ($_)", 'token_signature', by($key{$_}, header => { kid => $_ eq 'ES256' ? 'rs256' : 'es256' }))
    for sort keys %key;
bad('an extension nobody knows', 'token_signature', by($key{RS256}, header => { crit => ['exp'] }));

for my $alg (sort keys %key) {
    my ($head, $payload, $signature) = split /\./, by($key{$alg});
    my $other = (split /\./, by($key{$alg}, sub => 'somebody-else'))[1];
    bad("$alg: another payload", 'token_signature', "$head.$other.$signature");
    bad("$alg: a signature of nothing", 'token_signature', "$head.$payload." . 'A' x length $signature);
}
bad('alg none', 'token_malformed', by($key{RS256}) =~ s/^[^.]+/eyJhbGciOiJub25lIn0/r);

# A token is remembered as a whole: another one in any of its bytes, or a part of it, is not the one that was seen.
{
    my $seen = by($key{RS256});
    is($t->request(request($seen))->status, 204, 'a token is seen') for 1, 2;
    my @taken;
    for my $at (0 .. length($seen) - 1) {
        my $other = $seen;
        substr($other, $at, 1) = substr($other, $at, 1) eq 'A' ? 'B' : 'A';
        push @taken, $at if $t->request(request($other))->status != 401;
    }
    is("@taken", '', 'changed at any place it is refused');
    is($t->request(request($_))->status, 401, 'and so is a part of it, or more') for substr($seen, 0, -1), substr($seen, 1), $seen . 'A';
    is($t->request(request($seen))->status, 204, 'itself is not');
}

# ----------------------------------------------------------------------------------------------------------- claims

bad('no exp', 'token_expired', by($key{ES256}, exp => undef));
bad('an exp that is past', 'token_expired', by($key{ES256}, exp => time - 61));
good('an exp that is past, within the leeway', by($key{ES256}, exp => time - 30));
bad('the same without leeway', 'token_expired', by($key{ES256}, exp => time - 1), '/strict');
bad('an nbf in the future', 'token_not_yet_valid', by($key{ES256}, nbf => time + 120));
good('an nbf in the future, within the leeway', by($key{ES256}, nbf => time + 30));
bad('an iat in the future', 'token_not_yet_valid', by($key{ES256}, iat => time + 120));
bad('another issuer', 'token_issuer', by($key{ES256}, iss => 'https://login.example'));
bad('no issuer', 'token_issuer', by($key{ES256}, iss => undef));
bad('another audience', 'token_audience', by($key{ES256}, aud => 'gateway2'));
bad('no audience', 'token_audience', by($key{ES256}, aud => undef));
bad('a list without it', 'token_audience', by($key{ES256}, aud => ['a', 'b']));
good('a list with it', by($key{ES256}, aud => ['a', 'gateway']));
good('any audience and issuer', by($key{ES256}, aud => 'x', iss => 'y'), '/any');

# A verdict is of the rules it was found by.
my $token = by($key{ES256});
good('here it is right', $token);
bad('elsewhere the same token is not', 'token_audience', $token, '/other');
good('and here it still is', $token);

# Remembered, but not longer than it lives.
my $brief = by($key{EdDSA}, exp => int(time) + 8);
is($t->request(request($brief, '/strict'))->status, 204, 'a token of eight seconds');
sleep 9;
bad('eight seconds later', 'token_expired', $brief, '/strict');

# Without keys a shape is enough, and nobody is known by it.
good('without keys', $t->client_token, '/plain');
my @lines = lines();
is($lines[-1]{sub}, '', 'a client that is not verified has no name');
is($lines[0]{sub}, 'client-1', 'one that is has one');
is_deeply([grep { $_->{error} =~ /^token_/ && $_->{sub} ne '' } @lines], [], 'nobody has a name by a token that was refused');

# ---------------------------------------------------------------------------------------------------- $canopy_client

$t->request(request(by($key{ES256}, sub => "a\"b\n{\x{1}", jti => 1)));
$t->request(request(by($key{ES256}, sub => 'x' x 300)));
$t->request(request(by($key{ES256}, sub => qq(mission "ops" \\ \x{e9}))));
@lines = lines();
is_deeply([map { $_->{sub} } @lines[-3 .. -1]], ['', '', qq(mission "ops" \\ \x{e9})],
          'a name of control characters or of more than 256 bytes is none, others are as they are');

for my $who ('ann', 'bob') {
    is($t->request(request(by($key{HS256}, sub => $who), '/limit'))->status, 204, "$who: the first request of a minute");
    is($t->request(request(by($key{HS256}, sub => $who), '/limit'))->status, 429, "$who: a limit by the client's name");
}

# ------------------------------------------------------------------------------------------------------- rotation

my $old = by($key{RS256});
is($t->request(request($old))->status, 204, 'a token of a key that is to go');
$t->write('keys.new', Canopy::Jose::set($next, $key{ES256}));
rename $t->path('keys.new'), $t->path('keys.jwks');
ok($t->wait_for(sub { $t->request(request($old))->status == 401 }), 'the key is gone, and what was remembered by it');
bad('a token of a key that is gone', 'token_signature', $old);
is($t->request(request(by($next)))->status, 204, 'the new key is there');

$t->write('keys.new', '{"keys":[{"kty":"RSA","n":"AQAB"}]}');
rename $t->path('keys.new'), $t->path('keys.jwks');
my $refusal = qr/key set ".*keys\.jwks" is malformed: keys\[0\]: .*, the last good one stays in use/;
ok($t->wait_for(sub { $t->request(request(by($next))); $t->log =~ $refusal }), 'a malformed set is refused');
sleep 2.5;
is($t->request(request(by($next)))->status, 204, 'the last good one stays') for 1, 2;
is(scalar(() = $t->log =~ /key set ".*keys\.jwks" .*stays in use/g), 1, 'one line for it');

$t->write('keys.new', Canopy::Jose::set($next));
rename $t->path('keys.new'), $t->path('keys.jwks');
sleep 2;
$t->reload;
is($t->request(request(by($next)))->status, 204, 'after a reload');
bad('after a reload, another key', 'token_signature', by($key{ES256}));

$t->done;
