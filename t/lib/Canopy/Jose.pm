package Canopy::Jose;

# Keys and tokens by somebody else's code, Crypt::JWT.
#
#     my $key = Canopy::Jose->new('RS256', kid => 'a');       # RS256, ES256, EdDSA, HS256
#     $t->write('keys.jwks', Canopy::Jose::set($key, ...));
#     $key->token(aud => 'gateway', scope => 'x');            # an exp is added; undef leaves a claim out

use v5.36;

use Crypt::JWT qw(encode_jwt);
use Crypt::PK::ECC;
use Crypt::PK::Ed25519;
use Crypt::PK::RSA;
use Crypt::PRNG qw(random_bytes);
use JSON::PP;
use MIME::Base64 qw(encode_base64url);

my $json = JSON::PP->new->utf8->canonical;

sub new ($class, $alg, %self) {
    my $key = $alg =~ /^[RP]S/ ? Crypt::PK::RSA->new : $alg =~ /^ES/ ? Crypt::PK::ECC->new
            : $alg =~ /^HS/ ? random_bytes(64) : Crypt::PK::Ed25519->new;
    $key->generate_key($alg =~ /^[RP]S/ ? 256 : $alg =~ /^ES/ ? 'secp256r1' : ()) if ref $key;
    return bless { alg => $alg, key => $key, %self }, $class;
}

sub jwk ($self, %more) {
    my $jwk = ref $self->{key} ? $self->{key}->export_key_jwk('public', 1)
                               : { kty => 'oct', k => encode_base64url($self->{key}) };
    return { %$jwk, defined $self->{kid} ? (kid => $self->{kid}) : (), %more };
}

sub set (@keys) { return $json->encode({ keys => [map { ref $_ eq 'HASH' ? $_ : $_->jwk } @keys] }) }

# header => {...} adds to the header
sub token ($self, %claims) {
    my %header = (defined $self->{kid} ? (kid => $self->{kid}) : (), (delete $claims{header} // {})->%*);
    my %payload = (sub => 'client-1', exp => int(time) + 3600, %claims);
    defined $payload{$_} or delete $payload{$_} for keys %payload;
    return encode_jwt(key => $self->{key}, alg => $self->{alg}, payload => \%payload, extra_headers => \%header);
}

1;
