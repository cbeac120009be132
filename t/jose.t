# Tokens by somebody else's code, Crypt::JWT, for every algorithm: each passes, and none of which a byte was changed.

use v5.36;

use Crypt::JWT qw(encode_jwt);
use Crypt::PK::ECC;
use Crypt::PK::Ed25519;
use Crypt::PK::RSA;
use Crypt::PRNG qw(random_bytes);
use File::Temp;
use JSON::PP;
use MIME::Base64 qw(encode_base64url);

# the program of the unit tests looks at them, and its TAP is ours

my $program = 'build/unit/forgery';
local $ENV{MAKEFLAGS};
system('make', '-s', $program) == 0 or die "$program can't be built\n";

my %algs = (
    RSA     => [qw(RS256 RS384 RS512 PS256 PS384 PS512)],
    'P-256' => ['ES256'],
    'P-384' => ['ES384'],
    'P-521' => ['ES512'],
    Ed25519 => ['EdDSA'],
    oct     => [qw(HS256 HS384 HS512)],
);

my %payload = (
    'a claim'     => { exp => 1760000000 },
    'many claims' => {
        iss => 'https://issuer.example/', sub => "\x{e9}\x{20ac}\x{1f600}\"\\", aud => ['canopy-gateway', 'other'],
        exp => 1760000000, nbf => 1759990000.5, iat => 1759990000, scope => 'canopy:read canopy:cancel',
        realm_access => { roles => ['operator', 'x' x 200] }, n => JSON::PP::null, t => JSON::PP::true,
    },
);

sub generate ($kind) {
    return random_bytes(64) if $kind eq 'oct';

    my $key = $kind eq 'RSA' ? Crypt::PK::RSA->new : $kind eq 'Ed25519' ? Crypt::PK::Ed25519->new : Crypt::PK::ECC->new;

    $key->generate_key($kind eq 'RSA'       ? 256
                       : $kind eq 'Ed25519' ? ()
                       : { 'P-256' => 'secp256r1', 'P-384' => 'secp384r1', 'P-521' => 'secp521r1' }->{$kind});
    return $key;
}

sub jwk ($key, %more) {
    my $jwk = ref $key ? $key->export_key_jwk('public', 1) : { kty => 'oct', k => encode_base64url($key) };
    return { %$jwk, %more };
}

sub token ($key, $alg, $payload, %header) {
    return encode_jwt(key => $key, alg => $alg, payload => $payload, extra_headers => \%header);
}

my (@keys, @lines);

for my $kind (sort keys %algs) {
    my ($key, $other) = (generate($kind), generate($kind));

    push @keys, jwk($key, kid => "the $kind key", use => 'sig');

    for my $alg ($algs{$kind}->@*) {
        for my $name (sort keys %payload) {
            my $token = token($key, $alg, $payload{$name}, kid => "the $kind key", typ => 'JWT');
            push @lines, [$alg, $name, $token];
        }

        push @lines, [$alg, 'no kid', token($key, $alg, $payload{'a claim'})];
        push @lines, ["not-$alg", 'another key', token($other, $alg, $payload{'a claim'}, kid => "the $kind key")];
        push @lines, ["not-$alg", 'another key, no kid', token($other, $alg, $payload{'a claim'})];
        push @lines, ["not-$alg", "another's kid",
                      token($key, $alg, $payload{'a claim'}, kid => $kind eq 'RSA' ? 'the oct key' : 'the RSA key')];
    }
}

push @lines, ['not-none', 'none', encode_jwt(payload => $payload{'a claim'}, alg => 'none', allow_none => 1)];
push @lines, ['not-JWE', 'encrypted', encode_jwt(payload => $payload{'a claim'}, alg => 'dir', enc => 'A256GCM',
                                                 key => random_bytes(32))];

my $dir = File::Temp->newdir;

sub file ($name, $content) {
    open my $fh, '>:raw', "$dir/$name" or die "$dir/$name: $!\n";
    print $fh $content;
    close $fh or die "$dir/$name: $!\n";
    return "$dir/$name";
}

# a name is one word

my $set = file('set', encode_json({ keys => \@keys }));
my $tokens = file('tokens', join '', map { my ($alg, $name, $token) = @$_; "$alg," . $name =~ tr/ /_/r . " $token\n" } @lines);

exit(system($program, $set, $tokens) == 0 ? 0 : 1);
