package Canopy::Bench::Tokens;

# Clients' tokens of a given size, any number of different ones: they differ in their jti, which stands where three digits
# are four characters of base64url, so that the n-th token is three strings put together.
#
#     my $tokens = Canopy::Bench::Tokens->new;
#     $t->write('keys.jwks', $tokens->jwks);
#     $tokens->broken($tokens->signed($n));           # its payload is no JSON
#     $tokens->signed($n);                            # real: RS256; alg => 'HS256', size => 900, claims => {...}
#     my ($before, $after) = $tokens->around;         # of the shape of one: size => 900
#     $before . digits($n) . $after;

use v5.36;

use Carp qw(croak);
use Crypt::PK::RSA;
use Crypt::PRNG qw(random_bytes);
use Digest::SHA qw(hmac_sha256);
use Exporter qw(import);
use JSON::PP;
use MIME::Base64 qw(decode_base64url encode_base64url);

our @EXPORT_OK = qw(digits);

use constant { AUDIENCE => 'canopy-gateway', ISSUER => 'https://login.example/' };

my $json = JSON::PP->new->utf8->canonical;
my @three = map { encode_base64url(sprintf '%03d', $_) } 0 .. 999;
my $hour = 3600;

sub new ($class) {
    my $rsa = Crypt::PK::RSA->new;
    $rsa->generate_key(256);
    return bless { rsa => $rsa, secret => random_bytes(64), exp => int(time) + 48 * $hour }, $class;
}

sub jwks ($self) {
    my $rsa = $self->{rsa}->export_key_jwk('public', 1);
    return $json->encode({ keys => [
        { %$rsa, kid => 'bench-RS256', alg => 'RS256', use => 'sig' },
        { kty => 'oct', k => encode_base64url($self->{secret}), kid => 'bench-HS256', alg => 'HS256' },
    ] });
}

# The twelve characters by which the n-th token is another one.
sub digits ($n) { return $three[$n / 1e6 % 1000] . $three[$n / 1e3 % 1000] . $three[$n % 1000] }

sub signed ($self, $n, %opt) {
    my $alg = $opt{alg} // 'RS256';
    my ($before, $after) = $self->_content($alg, %opt);
    my $content = $before . digits($n) . $after;
    my $signature = $alg eq 'RS256' ? $self->{rsa}->sign_message($content, 'SHA256', 'v1.5')
                                    : hmac_sha256($content, $self->{secret});
    return "$content." . encode_base64url($signature);
}

# What stands before and behind digits($n). Nobody has signed these; below 500 bytes they look like ES256's.
sub around ($self, %opt) {
    my $alg = ($opt{size} // 900) < 500 ? 'ES256' : 'RS256';
    my ($before, $after) = $self->_content($alg, %opt);
    return ($before, "$after." . encode_base64url(random_bytes($alg eq 'RS256' ? 256 : 64)));
}

# The same token, but its payload's last claim has no end. Its length and its form remain.
sub broken ($self, $token) {
    my ($header, $payload, $signature) = split /\./, $token;
    my $claims = decode_base64url($payload);
    substr $claims, -2, 2, '  ';
    return join '.', $header, encode_base64url($claims), $signature;
}

# Header and payload up to the size, which base64url can miss by a byte.
sub _content ($self, $alg, %opt) {
    my $signature = { RS256 => 342, ES256 => 86, HS256 => 43 }->{$alg};
    my $header = encode_base64url($json->encode({ alg => $alg, kid => "bench-$alg", typ => 'JWT' }));
    my $room = int((($opt{size} // 900) - length($header) - 2 - $signature) * 3 / 4);

    my $claims = $json->encode({ exp => $self->{exp}, aud => AUDIENCE, iss => ISSUER, sub => 'client-1',
                                 scope => 'openid canopy:cancel', ($opt{claims} // {})->%* });
    my $payload = '{"jti":"a000000000",' . substr $claims, 1;
    if ($room < length $payload) {
        croak 'a token needs more room for its claims' if $opt{claims};
        $payload = qq({"jti":"a000000000","exp":$self->{exp}});
    }

    # what remains is a list of permissions, as identity providers write them
    my $left = $room - length($payload) - length ',"permissions":[""]';
    if ($left >= 0) {
        my $list = join '","', ('task:read', 'task:write', 'archive:read') x (1 + $left / 30);
        my $fill = substr $list, 0, $left;
        $fill =~ s/("?,?"?)\z/'x' x length $1/e;
        substr $payload, -1, 0, qq(,"permissions":["$fill"]);
    }

    # {"jti":"a are 9 bytes: 12 characters
    my $code = encode_base64url($payload);
    return ("$header." . substr($code, 0, 12), substr $code, 24);
}

1;
