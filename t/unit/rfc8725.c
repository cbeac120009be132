/*
 * The attacks of RFC 8725 (JSON Web Token best current practices), by the
 * sections of it that name them: none of them makes a token pass.
 */

#include <openssl/pem.h>

#include "tap.h"
#include "jose.h"
#include "canopy_jwk.h"
#include "canopy_policy.h"
#include "canopy_token.h"


#define NOW      1760000000
#define PAYLOAD  "{\"iss\":\"https://issuer/\",\"aud\":\"gateway\","          \
                 "\"exp\":1760000060}"


static void none(void);
static void key_confusion(void);
static void confusion_case(const jose_key_t *key, const char *name);
static void signature_stripped(void);
static void weak_symmetric_keys(void);
static void encryption_without_signature(void);
static void invalid_curve(void);
static void multiplicity_of_encodings(void);
static void substitution(void);
static void cross_jwt(void);
static void kid_injection(void);
static void foreign_keys(void);
static void weak_algorithms(void);
static void psychic_signatures(void);
static void small_order(void);
static void critical(void);
static canopy_signature_e verify(const canopy_jwks_t *set, const char *text);
static canopy_token_fault_e shape(const char *text);
static canopy_policy_e policy(const char *payload);
static canopy_jwks_t *set_of(const jose_key_t *key, const char *more);
static int refused(const char *set, const char *fault);


/* the issuer's keys, and one of the attacker's */
static jose_key_t  rsa, ec, ed, oct, attacker;

static const uint8_t  secret[64] = "a secret of sixty-four bytes, known to "
                                   "whoever reads the test.";


int
main(void)
{
    rsa = jose_key("RSA");
    ec = jose_key("P-256");
    ed = jose_key("Ed25519");
    oct = jose_oct(secret, sizeof(secret));
    attacker = jose_key("RSA");

    none();
    key_confusion();
    signature_stripped();
    weak_symmetric_keys();
    encryption_without_signature();
    invalid_curve();
    multiplicity_of_encodings();
    substitution();
    cross_jwt();
    kid_injection();
    foreign_keys();
    weak_algorithms();
    psychic_signatures();
    small_order();
    critical();

    EVP_PKEY_free(rsa.pkey);
    EVP_PKEY_free(ec.pkey);
    EVP_PKEY_free(ed.pkey);
    EVP_PKEY_free(attacker.pkey);

    return tap_done();
}


static void
none(void)
{
    char            text[JOSE_ROOM];
    size_t          i, bad;
    canopy_jwks_t  *set;

    static const char *const  headers[] = {
        "{\"alg\":\"none\"}", "{\"alg\":\"None\"}", "{\"alg\":\"NONE\"}",
        "{\"alg\":\"nOnE\"}", "{\"alg\":\"n\\u006fne\"}", "{\"alg\":\"\"}",
        "{\"alg\":null}", "{\"alg\":false}", "{\"typ\":\"JWT\"}",
        "{\"alg\":[\"none\",\"RS256\"]}"
    };

    set = set_of(&rsa, "");
    bad = 0;

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {

        /* with the issuer's signature, somebody's, and none */

        jose_sign(&rsa, "RS256", headers[i], PAYLOAD, text);
        bad += verify(set, text) != CANOPY_SIGNATURE_ALGORITHM;
        bad += shape(text) != CANOPY_TOKEN_ALG;

        strcpy(strrchr(text, '.'), ".AA");
        bad += verify(set, text) != CANOPY_SIGNATURE_ALGORITHM;
        bad += shape(text) != CANOPY_TOKEN_ALG;

        strcpy(strrchr(text, '.'), ".");
        bad += verify(set, text) == CANOPY_SIGNATURE_OK;
        bad += shape(text) != CANOPY_TOKEN_PARTS;
    }

    ok(bad == 0, "2.1: alg none, in any case and type");

    canopy_jwks_free(set);

    ok(refused("{\"kty\":\"oct\",\"alg\":\"none\",\"k\":\"\"}",
               "no key in it is one for verifying signatures"),
       "2.1: a key for alg none");
}


static void
key_confusion(void)
{
    confusion_case(&rsa, "RSA");
    confusion_case(&ec, "EC");
    confusion_case(&ed, "Ed25519");
}


/* the public key, in all the ways it is written, as the secret of an HMAC */
static void
confusion_case(const jose_key_t *key, const char *name)
{
    int             n, i;
    BIO            *bio;
    char           *pem, jwk[4096], text[JOSE_ROOM];
    size_t          bad, len;
    jose_key_t      secrets[6];
    unsigned char  *der;
    canopy_jwks_t  *set;

    n = 0;

    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, key->pkey);
    len = (size_t) BIO_get_mem_data(bio, &pem);
    secrets[n++] = jose_oct(pem, len);
    secrets[n++] = jose_oct(pem, len - 1);

    der = NULL;
    i = i2d_PUBKEY(key->pkey, &der);
    secrets[n++] = jose_oct(der, (size_t) i);
    secrets[n++] = jose_oct(der + i - 32, 32);

    jose_jwk(key, "", jwk);
    secrets[n++] = jose_oct(jwk, strlen(jwk));
    secrets[n++] = jose_oct("", 0);

    set = set_of(key, ",\"kid\":\"k\"");
    bad = 0;

    for (i = 0; i < n; i++) {
        jose_sign(&secrets[i], "HS256", "{\"alg\":\"HS256\"}", PAYLOAD, text);
        bad += verify(set, text) != CANOPY_SIGNATURE_KEY;

        jose_sign(&secrets[i], "HS256", "{\"alg\":\"HS256\",\"kid\":\"k\"}",
                  PAYLOAD, text);
        bad += verify(set, text) != CANOPY_SIGNATURE_KEY;

        jose_sign(&secrets[i], "HS512", "{\"alg\":\"HS512\",\"kid\":\"k\"}",
                  PAYLOAD, text);
        bad += verify(set, text) != CANOPY_SIGNATURE_KEY;
    }

    ok(bad == 0, "2.1: the public key of %s as the secret of an HMAC", name);

    canopy_jwks_free(set);
    OPENSSL_free(der);
    BIO_free(bio);
}


static void
signature_stripped(void)
{
    char            text[JOSE_ROOM], other[JOSE_ROOM], *p;
    size_t          bad;
    canopy_jwks_t  *set;

    set = set_of(&oct, "");

    jose_sign(&oct, "HS256", "{\"alg\":\"HS256\"}", PAYLOAD, text);
    jose_sign(&oct, "HS256", "{\"alg\":\"HS256\"}", "{\"exp\":1}", other);

    bad = verify(set, text) != CANOPY_SIGNATURE_OK;

    /* another payload's, half of it, none */

    p = strrchr(text, '.');
    strcpy(p, strrchr(other, '.'));
    bad += verify(set, text) != CANOPY_SIGNATURE_INVALID;

    p[22] = '\0';
    bad += verify(set, text) != CANOPY_SIGNATURE_INVALID;

    p[1] = '\0';
    bad += verify(set, text) != CANOPY_SIGNATURE_INVALID;

    p[0] = '\0';
    bad += verify(set, text) != CANOPY_SIGNATURE_INVALID;

    ok(bad == 0, "2.1: a signature that is another's, cut, or not there");

    canopy_jwks_free(set);
}


static void
weak_symmetric_keys(void)
{
    ok(refused("{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}",
               "keys[0]: \"k\" is shorter than 32 bytes"),
       "2.2, 3.5: a password as the secret of an HMAC");
}


static void
encryption_without_signature(void)
{
    char            text[JOSE_ROOM];
    canopy_jwks_t  *set;

    set = set_of(&rsa, "");

    jose_input("{\"alg\":\"RSA-OAEP\",\"enc\":\"A256GCM\"}", PAYLOAD, text);
    strcat(text, ".AAAA.AAAA.AAAA");

    ok(shape(text) == CANOPY_TOKEN_ENCRYPTED
       && verify(set, text) == CANOPY_SIGNATURE_INVALID,
       "2.3, 2.4, 3.6: what is encrypted, or compressed, to our public key");

    jose_sign(&rsa, "RS256", "{\"alg\":\"dir\",\"enc\":\"A256GCM\"}",
              PAYLOAD, text);

    ok(verify(set, text) == CANOPY_SIGNATURE_ALGORITHM,
       "2.3: an algorithm of encryption");

    canopy_jwks_free(set);
}


static void
invalid_curve(void)
{
    ok(refused("{\"kty\":\"EC\",\"crv\":\"P-256\","
               "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
               "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}",
               "keys[0]: its point is not on its curve"),
       "2.5, 3.4: a point that is not on its curve");
}


static void
multiplicity_of_encodings(void)
{
    char            text[JOSE_ROOM];
    size_t          i, bad;
    canopy_jwks_t  *set;

    /* "{}" in UTF-16, a byte order mark, Latin-1, an overlong slash */

    static const char *const  parts[] = {
        "AHsAfQ", "ewB9AA", "_v8AewB9", "77u_e30", "eyJhIjoi6SJ9",
        "eyJhIjoiwK8ifQ"
    };

    set = set_of(&oct, "");
    bad = 0;

    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        sprintf(text, "eyJhbGciOiJIUzI1NiJ9.%s.AA", parts[i]);
        bad += shape(text) != CANOPY_TOKEN_PAYLOAD;

        sprintf(text, "%s.e30.AA", parts[i]);
        bad += shape(text) != CANOPY_TOKEN_HEADER;
        bad += verify(set, text) != CANOPY_SIGNATURE_ALGORITHM;
    }

    ok(bad == 0, "2.6, 3.7: JSON that is not in UTF-8");

    jose_sign(&oct, "HS256", "{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}",
              PAYLOAD, text);
    bad = shape(text) != CANOPY_TOKEN_HEADER
          || verify(set, text) != CANOPY_SIGNATURE_ALGORITHM;

    jose_sign(&oct, "HS256", "{\"alg\":\"HS256\"}",
              "{\"exp\":1760000060,\"\\u0065xp\":9e9}", text);
    bad += shape(text) != CANOPY_TOKEN_PAYLOAD;

    ok(bad == 0, "2.6: a name twice, which parsers read differently");

    canopy_jwks_free(set);
}


static void
substitution(void)
{
    ok(policy(PAYLOAD) == CANOPY_POLICY_OK
       && policy("{\"iss\":\"https://issuer/\",\"exp\":1760000060,"
                 "\"aud\":\"another\"}") == CANOPY_POLICY_AUDIENCE
       && policy("{\"iss\":\"https://issuer/\",\"exp\":1760000060}")
          == CANOPY_POLICY_AUDIENCE,
       "2.7, 3.9: a token that the same issuer made for somebody else");

    ok(policy("{\"iss\":\"https://issuer\",\"exp\":1760000060,"
              "\"aud\":\"gateway\"}") == CANOPY_POLICY_ISSUER
       && policy("{\"exp\":1760000060,\"aud\":\"gateway\"}")
          == CANOPY_POLICY_ISSUER
       && policy("{\"iss\":[\"https://issuer/\"],\"exp\":1760000060,"
                 "\"aud\":\"gateway\"}") == CANOPY_POLICY_ISSUER,
       "3.8: a token of another issuer");
}


/* an id token or a logout token has no place here: other aud, no exp */
static void
cross_jwt(void)
{
    ok(policy("{\"iss\":\"https://issuer/\",\"exp\":1760000060,"
              "\"aud\":\"a-client-id\",\"nonce\":\"n\",\"sub\":\"a\"}")
       == CANOPY_POLICY_AUDIENCE
       && policy("{\"iss\":\"https://issuer/\",\"aud\":\"gateway\","
                 "\"iat\":1760000000,\"events\":{}}")
          == CANOPY_POLICY_NO_EXPIRY,
       "2.8, 3.11, 3.12: a token of another kind by the same issuer");
}


static void
kid_injection(void)
{
    char            text[JOSE_ROOM];
    size_t          i, bad;
    jose_key_t      empty;
    canopy_jwks_t  *set;

    static const char *const  headers[] = {
        "{\"alg\":\"HS256\",\"kid\":\"../../../../dev/null\"}",
        "{\"alg\":\"HS256\",\"kid\":\"/proc/sys/kernel/randomize_va_space\"}",
        "{\"alg\":\"HS256\",\"kid\":\"x' UNION SELECT 'secret'--\"}",
        "{\"alg\":\"HS256\",\"kid\":\"|id\"}",
        "{\"alg\":\"HS256\",\"kid\":\"k\\u0000\"}",
        "{\"alg\":\"HS256\",\"kid\":\"%6b\"}",
        "{\"alg\":\"HS256\",\"kid\":\"K\"}"
    };

    set = set_of(&oct, ",\"kid\":\"k\"");
    empty = jose_oct("", 0);
    bad = 0;

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        jose_sign(&empty, "HS256", headers[i], PAYLOAD, text);
        bad += verify(set, text) != CANOPY_SIGNATURE_KEY;
    }

    ok(bad == 0, "2.9, 3.10: a kid that is a path, a query, a command");

    canopy_jwks_free(set);
}


static void
foreign_keys(void)
{
    char            jwk[4096], header[8192], text[JOSE_ROOM];
    canopy_jwks_t  *set;

    set = set_of(&rsa, ",\"kid\":\"k\"");
    jose_jwk(&attacker, ",\"kid\":\"k\"", jwk);

    sprintf(header, "{\"alg\":\"RS256\",\"kid\":\"k\",\"jwk\":%s}", jwk);
    jose_sign(&attacker, "RS256", header, PAYLOAD, text);
    ok(verify(set, text) == CANOPY_SIGNATURE_INVALID,
       "3.10: a key that the token brings along (jwk)");

    sprintf(header, "{\"alg\":\"RS256\",\"jwk\":%s}", jwk);
    jose_sign(&attacker, "RS256", header, PAYLOAD, text);
    ok(verify(set, text) == CANOPY_SIGNATURE_INVALID,
       "3.10: the same without a kid");

    jose_sign(&attacker, "RS256", "{\"alg\":\"RS256\","
              "\"jku\":\"http://127.0.0.1/keys\",\"x5u\":\"file:///k\","
              "\"x5c\":[\"AA==\"],\"x5t\":\"AA\"}", PAYLOAD, text);
    ok(verify(set, text) == CANOPY_SIGNATURE_INVALID,
       "2.9, 3.10: a place of keys that the token names (jku, x5u)");

    canopy_jwks_free(set);
}


static void
weak_algorithms(void)
{
    char            text[JOSE_ROOM];
    size_t          i, bad;
    canopy_jwks_t  *set;

    static const char *const  headers[] = {
        "{\"alg\":\"RS1\"}", "{\"alg\":\"HS1\"}", "{\"alg\":\"ES256K\"}",
        "{\"alg\":\"HS256/64\"}", "{\"alg\":\"RSA1_5\"}", "{\"alg\":\"Ed448\"}"
    };

    set = set_of(&rsa, "");
    bad = 0;

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        jose_sign(&rsa, "RS256", headers[i], PAYLOAD, text);
        bad += verify(set, text) != CANOPY_SIGNATURE_ALGORITHM;
    }

    ok(bad == 0, "3.2: algorithms that are not of now");

    canopy_jwks_free(set);

    /* a key is for one algorithm, if it says so */

    set = set_of(&rsa, ",\"alg\":\"PS512\"");
    jose_sign(&rsa, "RS256", "{\"alg\":\"RS256\"}", PAYLOAD, text);
    bad = verify(set, text) != CANOPY_SIGNATURE_KEY;
    jose_sign(&rsa, "PS256", "{\"alg\":\"PS256\"}", PAYLOAD, text);
    bad += verify(set, text) != CANOPY_SIGNATURE_KEY;
    jose_sign(&rsa, "PS512", "{\"alg\":\"PS512\"}", PAYLOAD, text);
    bad += verify(set, text) != CANOPY_SIGNATURE_OK;
    canopy_jwks_free(set);

    ok(bad == 0, "3.1: an algorithm that the key is not for");
}


/* CVE-2022-21449 */
static void
psychic_signatures(void)
{
    char            text[JOSE_ROOM];
    canopy_jwks_t  *set;

    static const uint8_t  zeros[64];

    set = set_of(&ec, "");

    jose_input("{\"alg\":\"ES256\"}", PAYLOAD, text);
    jose_append(text, zeros, sizeof(zeros));

    ok(verify(set, text) == CANOPY_SIGNATURE_INVALID,
       "3.3: an ECDSA signature of zeros");

    canopy_jwks_free(set);
}


static void
small_order(void)
{
    ok(refused("{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
               "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
               "keys[0]: \"x\" is a point of small order"),
       "3.4: a key by which anybody can sign");
}


static void
critical(void)
{
    char            text[JOSE_ROOM];
    canopy_jwks_t  *set;

    set = set_of(&oct, "");

    jose_sign(&oct, "HS256", "{\"alg\":\"HS256\",\"crit\":[\"bork\"],"
              "\"bork\":1}", PAYLOAD, text);
    ok(verify(set, text) == CANOPY_SIGNATURE_CRITICAL,
       "3.3: an extension that must be understood, and is not");

    jose_sign(&oct, "HS256", "{\"alg\":\"HS256\",\"b64\":false,"
              "\"crit\":[\"b64\"]}", PAYLOAD, text);
    ok(verify(set, text) == CANOPY_SIGNATURE_CRITICAL,
       "3.3: a payload that is not encoded");

    canopy_jwks_free(set);
}


static canopy_signature_e
verify(const canopy_jwks_t *set, const char *text)
{
    return canopy_jwks_verify(set, jose_guard(text, strlen(text)));
}


static canopy_token_fault_e
shape(const char *text)
{
    canopy_claims_t  claims;

    return canopy_token_check(jose_slice(text), &claims);
}


static canopy_policy_e
policy(const char *payload)
{
    char              text[JOSE_ROOM];
    canopy_verdict_t  verdict;

    static const canopy_policy_t  policy = {
        .now = NOW,
        .issuer = canopy_slice("https://issuer/"),
        .audience = canopy_slice("gateway")
    };

    jose_input("{\"alg\":\"RS256\"}", payload, text);
    strcat(text, ".AA");

    return canopy_policy_check(jose_guard(text, strlen(text)), &policy,
                               &verdict);
}


static canopy_jwks_t *
set_of(const jose_key_t *key, const char *more)
{
    char  jwk[4096], text[JOSE_ROOM];

    jose_jwk(key, more, jwk);
    sprintf(text, "{\"keys\":[%s]}", jwk);

    return jose_set(text);
}


static int
refused(const char *key, const char *fault)
{
    char  text[JOSE_ROOM];

    sprintf(text, "{\"keys\":[%s]}", key);

    return jose_reads(text, strlen(text), fault);
}
