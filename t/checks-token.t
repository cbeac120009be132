# The client's token: where it must stand, the shape it must have, and when it is too old.

use strict;
use warnings;

use MIME::Base64 qw(encode_base64url);
use Test::More;

use Canopy::Expect;
use Canopy::Test;

my $t = Canopy::Test->new;
$t->secret('token', 'upstream-secret-1');
$t->upstream('canopy');

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    large_client_header_buffers 4 32k;
    canopy_environment sandbox { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/token; }

    server {
        listen 127.0.0.1:%%PORT_http%%;
        location / { canopy_pass sandbox; }
        location /strict/ { canopy_pass sandbox; canopy_client_leeway 0; }
    }

    server {
        listen 127.0.0.1:%%PORT_wide%%;
        canopy_client_leeway 1h;
        location / { canopy_pass sandbox; }
        location /narrow/ { canopy_pass sandbox; canopy_client_leeway 10s; }
    }
}
EOC
$t->start;

my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my @at = (path => "/tasks/$id/cancel");
my @about = (status => 401, environment => 'sandbox', loc => ['header', 'authorization']);
my %missing = (@about, type => 'missing', msg => qr/^A bearer token is required/, 'WWW-Authenticate' => 'Bearer realm="canopy"');

sub part  { my ($text) = @_; return encode_base64url($text) }
sub token { my ($header, $payload, $signature) = @_; return join '.', part($header), part($payload), $signature // part('signature of a client') }

sub authorized   { my (@values) = @_; return (@at, headers => [map { ['Authorization', $_] } @values]) }
sub fits         { my ($name, $token, %at) = @_; passes($t, $name, "/tasks/$id/cancel", authorized("Bearer $token"), %at) }
sub lacks        { my ($value) = @_; refused($t, "Authorization: $value", \%missing, authorized($value)) }

sub invalid { my ($name, $type, $msg, $token, %at) = @_;
    my %wanted = (@about, type => $type, msg => qr/^\Q$msg\E$/,
                  'WWW-Authenticate' => "Bearer realm=\"canopy\", error=\"invalid_token\", error_description=\"$msg\"");
    my $res = refused($t, $name, \%wanted, authorized("Bearer $token"), %at);
    my @echoed = grep { length > 3 && index($res->raw, $_) >= 0 } split /\./, $token;
    is_deeply(\@echoed, [], 'and not echoed');
}

# Where it stands

refused($t, 'no Authorization', \%missing, @at);
refused($t, 'a token in the query', \%missing, path => "/tasks/$id/cancel?access_token=" . $t->client_token);
refused($t, 'a token in the body', \%missing, @at, body => 'access_token=' . $t->client_token,
        headers => [['Content-Type', 'application/x-www-form-urlencoded']]);
refused($t, "a token in $_", \%missing, @at, headers => [[$_, 'Bearer ' . $t->client_token]])
    for qw(Proxy-Authorization X-Authorization Authorization_ Cookie);

my $good = $t->client_token;
lacks($_) for '', 'Bearer', 'Bearer ', "Bearer\t", 'bearer', 'B', 'Basic dXNlcjpwYXNzd29yZA==', 'Digest username="x"', "Basic $good", $good,
    "Token $good", "Bearer:$good", "Bearer=$good", "Bearer\t$good", "Bearer\xa0$good", "Bearer$good", "Bearers $good", "XBearer $good",
    "\"Bearer $good\"", "Basic x, Bearer $good", "DPoP $good", 'Negotiate YII=';
passes($t, "Authorization: $_", "/tasks/$id/cancel", authorized("$_$good"))
    for 'Bearer ', 'bearer ', 'BEARER ', 'bEaReR ', 'Bearer    ', "  Bearer ", 'Bearer' . ' ' x 500;
passes($t, 'white space at the end', "/tasks/$id/cancel", authorized("Bearer $good  "));

for my $second ("Bearer $good", 'Basic x', '') {
    my $res = $t->request(authorized("Bearer $good", $second));
    is($res->status . $res->header('Canopy-Outcome'), 400, "two Authorization headers: nginx refuses (the second: '" . substr($second, 0, 8) . "')");
}

# Its length

my $json = '{"alg":"RS256"}';
sub of_length { my ($length) = @_;
    for my $claim (1000 .. 1010) {
        my $token = token($json, '{"x":"' . 'x' x $claim . '"}', '');
        my $rest = $length - length $token;
        return $token . 's' x $rest if $rest % 4 != 1;
    }
}
my $long = 'The token is too long: 8192 bytes are accepted at most';
fits("$_ bytes", of_length($_)) for 8190, 8191, 8192;
invalid("$_ bytes", 'token_malformed', $long, of_length($_)) for 8193, 8194, 16385, 30000;
invalid('8193 bytes of anything', 'token_malformed', $long, 'x' x 8193);
fits('a payload of 8k', token($json, '{"x":"' . 'x' x 6087 . '"}', 'xx'));

# Its parts

my ($head, $body, $sig) = (part($json), part('{"sub":"client-1"}'), part('signature of a client'));
my $parts = 'The token is not a JWT: it must have three parts, none of them empty, separated by dots';
my $jwe = 'The token is an encrypted one (JWE, five parts): a signed one (JWS, three parts) is needed';
my $base = 'The token is not a JWT: a part of it is not base64url without padding';
invalid("parts: $_", 'token_malformed', $parts, $_) for
    'x', $head, "$head.$body", "$head.$body.", "$head..$sig", ".$body.$sig", '..', '.', '...', ".$head.$body.$sig", "$head.$body.$sig.",
    "$head.$body.$sig.$sig", "$head.$body.$sig.$sig.$sig.$sig", '.' x 5, '.' x 3000, 'opaque-token';
invalid("five parts: $_", 'token_malformed', $jwe, $_) for "$head.$sig.$sig.$sig.$sig", '....', "$head..$sig.$sig.$sig", "$head.$body.$sig..";
invalid("base64url: $_", 'token_malformed', $base, $_) for
    "$head=.$body.$sig", "$head.$body=.$sig", "$head.$body.$sig=", "$head.$body.$sig==", "$head.$body.=", "$head.$body.a", "$head.$body.abcde",
    "$head.$body.ab+d", "$head.$body.ab/d", "ab+d.$body.$sig", "$head.ab/d.$sig", "$head.$body.ab d", "$head.$body. $sig", "$head.$body.$sig,$sig",
    "$head.$body.$sig extra", "$head.$body.ab%3D", "$head.$body.\"abcd\"", "$head.$body.\xc3\xa4", "$head.$body.ab\x80d", "$head.$body.ab\xffd",
    "$head.$body.ab\@d", "$head.$body.ab[d", "$head.$body.ab`d", "$head.$body.ab{d", "$head.$body.ab:d", "$head.$body.ab,d", "a.$body.$sig";
fits("signature: $_", "$head.$body.$_") for 'ab', 'abc', 'abcd', 'A-_9', 'aa' x 300;

# JSON in both

my @bad = (
    ['empty', ' '], ['an array', '[]'], ['an array with it', '[{"alg":"RS256"}]'], ['a string', '"alg"'], ['a number', '1'], ['null', 'null'],
    ['true', 'true'], ['cut off', '{"alg":"RS256"'], ['more behind', '{"alg":"RS256"}x'], ['two objects', '{"alg":"RS256"}{}'],
    ['a comma at the end', '{"alg":"RS256",}'], ['no comma', '{"alg":"RS256" "a":1}'], ['a comment', '{"alg":"RS256"/**/}'], ['no quotes', '{alg:"RS256"}'],
    ['single quotes', "{'alg':'RS256'}"], ['NaN', '{"alg":"RS256","a":NaN}'], ['Infinity', '{"alg":"RS256","a":-Infinity}'],
    ['a leading zero', '{"alg":"RS256","a":01}'], ['a plus', '{"alg":"RS256","a":+1}'], ['hexadecimal', '{"alg":"RS256","a":0x1}'],
    ['a point at the end', '{"alg":"RS256","a":1.}'], ['True', '{"alg":"RS256","a":True}'], ['a control character', "{\"alg\":\"RS256\",\"a\":\"\n\"}"],
    ['NUL', "{\"alg\":\"RS256\",\"a\":\"\0\"}"], ['NUL behind', "{\"alg\":\"RS256\"}\0"], ['an unknown escape', '{"alg":"RS256","a":"\x41"}'],
    ['half an escape', '{"alg":"RS256","a":"\u12"}'], ['a byte order mark', "\xef\xbb\xbf{\"alg\":\"RS256\"}"], ['UTF-16', "{\0\"\0a\0\"\0:\0001\0}\0"],
    ['Latin-1', "{\"alg\":\"RS256\",\"a\":\"\xe4\"}"], ['an overlong form', "{\"alg\":\"RS256\",\"a\":\"\xc0\x80\"}"], ['a cut character', "{\"alg\":\"RS256\",\"a\":\"\xe2\x82\"}"],
    ['a surrogate in UTF-8', "{\"alg\":\"RS256\",\"a\":\"\xed\xa0\x80\"}"], ['above U+10FFFF', "{\"alg\":\"RS256\",\"a\":\"\xf4\x90\x80\x80\"}"],
    ['a name twice', '{"alg":"RS256","alg":"RS256"}'], ['a name twice, the rest differs', '{"a":1,"alg":"RS256","a":2}'],
    ['a name twice by an escape', '{"alg":"RS256","\u0061lg":"RS256"}'], ['a name twice below', '{"alg":"RS256","x":{"a":1,"b":{},"a":2}}'],
    ['a name twice in an array', '{"alg":"RS256","x":[[{"a":1,"a":2}]]}'], ['the empty name twice', '{"alg":"RS256","":1,"":2}'],
);
my $not_header = 'The token is not a JWT: its header must be a JSON object in UTF-8 without duplicate names';
my $not_payload = 'The token is not a JWT: its payload must be a JSON object in UTF-8 without duplicate names';
for (@bad) {
    invalid("header: $_->[0]", 'token_malformed', $not_header, token($_->[1], '{}'));
    invalid("payload: $_->[0]", 'token_malformed', $not_payload, token($json, $_->[1]));
}
fits("header $_", token($_, '{}')) for
    ' { "alg" : "RS256" } ', "\n{\"typ\":\"JWT\",\t\"alg\":\"RS256\"}\r\n", '{"\u0061lg":"RS256"}', '{"alg":"RS256","ALG":"none","x":{"alg":"none"}}',
    '{"x":{"alg":1},"alg":"ES256","crit":[]}', '{"alg":"x"}', '{"alg":"nonesuch"}', '{"alg":"HS256"}', '{"alg":"EdDSA"}', '{"alg":"no"}';
fits("payload $_", token($json, $_)) for
    '{}', ' {} ', "{\"sub\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"}", '{"a":1,"b":{"a":1,"c":[{"a":1},{"a":1}]}}', '{"x":"\ud83d\ude00\"\\\\\/"}',
    '{"Exp":"x","x":{"exp":"x"},"exp2":null}', '{"a":-0.0e-12,"b":1E+2,"c":123456789012345678901234567890}',
    '{' . join(',', map { "\"k$_\":$_" } 1 .. 500) . '}';

my $passed = 0;
for my $deep ('{"a":' x 900 . '1' . '}' x 900, '{"a":' . '[' x 2900 . ']' x 2900 . '}', '{"a":' . '[' x 5900, '[' x 6000) {
    for (1, 2) {
        my $res = $t->request(authorized('Bearer ' . token($json, $deep)));
        like($res->status, qr/^(?:204|401)$/, 'a deep payload does no harm');
        $passed++ if $res->status == 204;
    }
}

# alg

my $alg = 'The token is not a signed JWT: its header must have an alg that is a non-empty string other than none';
invalid("alg: $_", 'token_malformed', $alg, token($_, '{}')) for
    '{}', '{"typ":"JWT"}', '{"ALG":"RS256"}', '{"x":{"alg":"RS256"}}', '{"alg":""}', '{"alg":null}', '{"alg":1}', '{"alg":true}', '{"alg":["RS256"]}',
    '{"alg":{"alg":"RS256"}}', (map { "{\"alg\":\"$_\"}" } qw(none None NONE nOnE nonE)), '{"\u0061lg":"none"}', '{"alg":"\u006eone"}',
    '{"alg":"non\u0065"}', '{"alg":"\u004eONE"}';
invalid('alg none without a signature', 'token_malformed', $parts, token('{"alg":"none"}', '{}', ''));

# exp

my $not_number = 'The token is not a JWT: its exp must be a number';
invalid("exp: $_", 'token_malformed', $not_number, token($json, "{\"exp\":$_}")) for
    '"9999999999"', '""', 'null', 'true', 'false', '[]', '[9999999999]', '{}', '{"exp":9999999999}', '"2099-01-01T00:00:00Z"';

my $expired = 'The token has expired';
my $now = time;
invalid("exp: $_", 'token_expired', $expired, token($json, "{\"exp\":$_}")) for
    0, '-0', 1, -1, 1.5, '1e3', '1.6E9', '-1e300', '0.0', -9999999999, '1e-400', $now - 61, $now - 100, ($now - 61) . '.5', $now - 61 . 'e0';
fits("exp: $_", token($json, "{\"exp\":$_}")) for
    9999999999, '9999999999.5', '1e12', '99999999999999999999', '1e300', $now + 3600, $now - 30, $now - 30 . '.25', '9.9e9';
fits('no exp', token($json, '{"iat":1,"nbf":99999999999}'));

invalid("leeway 0, exp $_ s ago", 'token_expired', $expired, $t->client_token(exp => time - $_), path => "/strict/tasks/$id/cancel") for 0, 1, 30;
fits('leeway 0, exp ahead', $t->client_token(exp => time + 20), path => "/strict/tasks/$id/cancel");
fits('leeway 1h, of the server', $t->client_token(exp => time - 3500), port => 'wide');
invalid('leeway 1h, more than that', 'token_expired', $expired, $t->client_token(exp => time - 3601), port => 'wide');
invalid('leeway 10s in a location', 'token_expired', $expired, $t->client_token(exp => time - 11), port => 'wide', path => "/narrow/tasks/$id/cancel");
fits('leeway 10s in a location', $t->client_token(exp => time - 3), port => 'wide', path => "/narrow/tasks/$id/cancel");
invalid('leeway is not a second life', 'token_expired', $expired, $t->client_token(exp => time - 61));

# What has been sent, and what the log says

ends_with_all_sent($t, $passed);
$t->stop;
clients_mistakes($t, 'client sent no bearer token', 'client sent "Authorization" without a bearer token', 'client sent expired token',
    map { "client sent malformed token: $_" } $long, $parts, $jwe, $base, $not_header, $not_payload, $alg, $not_number);

$t->done;
