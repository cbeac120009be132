/*
 * Signatures: which key is for which token, and that nothing but the issuer's
 * own bytes pass.
 *
 * With arguments, the name of a set's file and one of lines "<name> <token>",
 * the tokens are somebody else's: each must pass, and no change of one of its
 * bytes may; one whose name begins with "not-" must not pass.
 */

#include "tap.h"
#include "jose.h"
#include "canopy_jwk.h"
#include "canopy_token.h"


#define MUTATIONS  100000

#define ALGS   13
#define KINDS  6
#define TRIES  16

#define PAYLOAD  "{\"iss\":\"https://issuer/\",\"sub\":\"a\",\"exp\":1760000000}"

#define GOOD     CANOPY_SIGNATURE_OK
#define NOALG    CANOPY_SIGNATURE_ALGORITHM
#define CRIT     CANOPY_SIGNATURE_CRITICAL
#define NOKEY    CANOPY_SIGNATURE_KEY
#define INVALID  CANOPY_SIGNATURE_INVALID


typedef struct {
    const char          *header;
    const char          *alg;           /* it is signed like that */
    canopy_signature_e   result;
} header_case_t;


static void make_keys(void);
static void free_keys(void);
static void headers(void);
static void kinds_and_algs(void);
static void oct_lengths(void);
static void same_kid(void);
static void tries(void);
static void tries_case(size_t n, const char *kid, canopy_signature_e result);
static void lengths(void);
static void ecdsa_numbers(void);
static void rsa_numbers(void);
static void pss_salts(void);
static void eddsa_numbers(void);
static void left_over(void);
static void not_tokens(void);
static void faults(void);
static void mutations(void);
static size_t mutate(char *text, size_t len, char texts[][2048], size_t n);
static int foreign(const char *set, const char *tokens);
static int unforgeable(const canopy_jwks_t *set, const char *token);
static char *contents(const char *file);
static void sign(const char *alg, const char *header, char *dst);
static canopy_signature_e verify(const canopy_jwks_t *set, const char *text);
static canopy_signature_e verify_signed(const canopy_jwks_t *set,
    const char *header, const void *signature, size_t len);
static canopy_jwks_t *set_of_all(void);
static canopy_jwks_t *set_of_one(const jose_key_t *key, const char *more);
static jose_key_t *key_of(const char *alg);
static uint64_t xorshift(void);


static const char *const  algs[ALGS] = {
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
    "ES512", "EdDSA", "HS256", "HS384", "HS512"
};

static const char *const  kinds[KINDS] = {
    "RSA", "P-256", "P-384", "P-521", "Ed25519", "oct"
};

/* their kids are their kinds, and they have no alg */
static jose_key_t  keys[KINDS];

static const uint8_t  secret[64] = "a secret of sixty-four bytes, known to "
                                   "whoever reads the test.";


static const header_case_t  header_table[] = {
    { "{\"alg\":\"RS256\"}", "RS256", GOOD },
    { "{\"alg\":\"RS256\",\"kid\":\"RSA\"}", "RS256", GOOD },
    { " {\t\"alg\" : \"RS256\" , \"kid\" : \"RSA\" } ", "RS256", GOOD },
    { "{\"kid\":\"RS\\u0041\",\"alg\":\"RS256\"}", "RS256", GOOD },
    { "{\"k\\u0069d\":\"RSA\",\"alg\":\"RS256\"}", "RS256", GOOD },
    { "{\"alg\":\"EdDSA\",\"kid\":\"Ed25519\"}", "EdDSA", GOOD },
    { "{\"alg\":\"RS256\",\"x\":{\"kid\":1,\"crit\":1}}", "RS256", GOOD },

    /* the kid */
    { "{\"alg\":\"RS256\",\"kid\":\"P-256\"}", "RS256", NOKEY },
    { "{\"alg\":\"RS256\",\"kid\":\"\"}", "RS256", NOKEY },
    { "{\"alg\":\"RS256\",\"kid\":\"RS\"}", "RS256", NOKEY },
    { "{\"alg\":\"RS256\",\"kid\":\"RSAA\"}", "RS256", NOKEY },
    { "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", "RS256", NOKEY },
    { "{\"alg\":\"RS256\",\"kid\":\" RSA\"}", "RS256", NOKEY },
    { "{\"alg\":\"RS256\",\"kid\":\"RSA\\u0000\"}", "RS256", NOKEY },
    { "{\"alg\":\"RS256\",\"k\\u0069d\":\"no\"}", "RS256", NOKEY },
    { "{\"alg\":\"RS256\",\"kid\":null}", "RS256", NOKEY },
    { "{\"alg\":\"RS256\",\"kid\":1}", "RS256", NOKEY },
    { "{\"alg\":\"RS256\",\"kid\":true}", "RS256", NOKEY },
    { "{\"alg\":\"RS256\",\"kid\":[\"RSA\"]}", "RS256", NOKEY },
    { "{\"alg\":\"RS256\",\"kid\":{\"RSA\":\"RSA\"}}", "RS256", NOKEY },

    /* the alg */
    { "{\"alg\":\"rs256\"}", "RS256", NOALG },
    { "{\"alg\":\"RS256 \"}", "RS256", NOALG },
    { "{\"alg\":\"RS25\"}", "RS256", NOALG },
    { "{\"alg\":\"RS2566\"}", "RS256", NOALG },
    { "{\"alg\":\"RS1\"}", "RS256", NOALG },
    { "{\"alg\":\"ES256K\"}", "ES256", NOALG },
    { "{\"alg\":\"Ed25519\"}", "EdDSA", NOALG },
    { "{\"alg\":\"A128KW\"}", "HS256", NOALG },
    { "{\"alg\":\"dir\"}", "HS256", NOALG },
    { "{\"alg\":\"none\"}", "HS256", NOALG },
    { "{\"alg\":\"\"}", "HS256", NOALG },
    { "{\"alg\":[\"HS256\"]}", "HS256", NOALG },
    { "{}", "HS256", NOALG },
    { "[]", "HS256", NOALG },
    { "{\"alg\":\"HS256\",\"alg\":\"HS256\"}", "HS256", NOALG },
    { "{\"alg\":\"RS384\"}", "RS256", INVALID },
    { "{\"alg\":\"PS256\"}", "RS256", INVALID },
    { "{\"alg\":\"RS256\"}", "PS256", INVALID },
    { "{\"alg\":\"ES384\"}", "ES256", INVALID },
    { "{\"alg\":\"ES256\"}", "ES512", INVALID },
    { "{\"alg\":\"HS384\"}", "HS256", INVALID },
    { "{\"alg\":\"HS256\"}", "HS512", INVALID },

    /* extensions */
    { "{\"alg\":\"RS256\",\"crit\":[\"exp\"],\"exp\":1}", "RS256", CRIT },
    { "{\"alg\":\"RS256\",\"crit\":[\"b64\"],\"b64\":true}", "RS256", CRIT },
    { "{\"alg\":\"RS256\",\"crit\":[\"b64\"],\"b64\":false}", "RS256", CRIT },
    { "{\"alg\":\"RS256\",\"crit\":[\"alg\"]}", "RS256", CRIT },
    { "{\"alg\":\"RS256\",\"crit\":[]}", "RS256", CRIT },
    { "{\"alg\":\"RS256\",\"crit\":null}", "RS256", CRIT },
    { "{\"alg\":\"RS256\",\"cr\\u0069t\":[\"x\"]}", "RS256", CRIT },
    { "{\"alg\":\"RS256\",\"b64\":false}", "RS256", CRIT },
    { "{\"alg\":\"RS256\",\"b64\":null}", "RS256", CRIT },
    { "{\"alg\":\"RS256\",\"b64\":\"true\"}", "RS256", CRIT },
    { "{\"alg\":\"RS256\",\"b64\":true}", "RS256", GOOD },
    { "{\"alg\":\"RS256\",\"Crit\":[\"x\"]}", "RS256", GOOD },

    /* the order of the faults */
    { "{\"alg\":\"RS1\",\"crit\":[\"x\"],\"kid\":1}", "RS256", NOALG },
    { "{\"alg\":\"RS256\",\"crit\":[\"x\"],\"kid\":1}", "RS256", CRIT },
    { "{\"alg\":\"RS256\",\"kid\":\"no\"}", "RS384", NOKEY },

    /* what is not looked at */
    { "{\"alg\":\"RS256\",\"typ\":\"JOSE+JSON\",\"cty\":\"JWT\"}", "RS256",
      GOOD },
    { "{\"alg\":\"RS256\",\"typ\":1,\"cty\":null,\"x\":1e400}", "RS256",
      GOOD }
};


int
main(int argc, char **argv)
{
    if (argc == 3) {
        return foreign(argv[1], argv[2]);
    }

    make_keys();

    headers();
    kinds_and_algs();
    oct_lengths();
    same_kid();
    tries();
    lengths();
    ecdsa_numbers();
    rsa_numbers();
    pss_salts();
    eddsa_numbers();
    left_over();
    not_tokens();
    faults();
    mutations();

    free_keys();

    return tap_done();
}


static void
make_keys(void)
{
    size_t  i;

    for (i = 0; i < KINDS - 1; i++) {
        keys[i] = jose_key(kinds[i]);
    }

    keys[i] = jose_oct(secret, sizeof(secret));
}


static void
free_keys(void)
{
    size_t  i;

    for (i = 0; i < KINDS; i++) {
        EVP_PKEY_free(keys[i].pkey);
    }
}


static void
headers(void)
{
    char                  text[JOSE_ROOM];
    size_t                i;
    canopy_jwks_t        *set;
    canopy_signature_e    first, second;
    const header_case_t  *c;

    set = set_of_all();

    for (i = 0; i < sizeof(header_table) / sizeof(header_case_t); i++) {
        c = &header_table[i];

        sign(c->alg, c->header, text);

        first = verify(set, text);
        second = verify(set, text);

        ok(first == c->result && second == c->result, "%s: %s", c->header,
           canopy_signature_fault(c->result));
    }

    canopy_jwks_free(set);
}


/* each alg, with keys of each kind and of each alg; every token is right */
static void
kinds_and_algs(void)
{
    char                 text[JOSE_ROOM], more[64], header[64];
    size_t               i, k, bad;
    jose_key_t          *key;
    canopy_jwks_t       *set;
    canopy_signature_e   want;

    for (i = 0; i < ALGS; i++) {
        sprintf(header, "{\"alg\":\"%s\"}", algs[i]);
        sign(algs[i], header, text);

        bad = 0;

        for (k = 0; k < KINDS; k++) {
            set = set_of_one(&keys[k], "");
            want = key_of(algs[i]) == &keys[k] ? GOOD : NOKEY;
            bad += verify(set, text) != want;
            canopy_jwks_free(set);
        }

        ok(bad == 0, "%s: a key of its kind, no other", algs[i]);

        for (k = 0; k < ALGS; k++) {
            key = key_of(algs[k]);
            sprintf(more, ",\"alg\":\"%s\"", algs[k]);
            set = set_of_one(key, more);
            bad += verify(set, text) != (i == k ? GOOD : NOKEY);
            canopy_jwks_free(set);
        }

        ok(bad == 0, "%s: a key of its alg, no other", algs[i]);
    }
}


static void
oct_lengths(void)
{
    char                 text[JOSE_ROOM], header[64];
    size_t               i, k, bad;
    jose_key_t           key;
    canopy_jwks_t       *set;
    canopy_signature_e   want;

    static const size_t  sizes[] = { 32, 47, 48, 63, 64 };

    bad = 0;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        key = jose_oct(secret, sizes[i]);
        set = set_of_one(&key, "");

        for (k = 256; k <= 512; k += 128) {
            sprintf(header, "HS%zu", k);
            jose_sign(&key, header, k == 256 ? "{\"alg\":\"HS256\"}"
                                    : k == 384 ? "{\"alg\":\"HS384\"}"
                                    : "{\"alg\":\"HS512\"}", PAYLOAD, text);

            want = sizes[i] >= k / 8 ? GOOD : NOKEY;
            bad += verify(set, text) != want;
        }

        canopy_jwks_free(set);
    }

    ok(bad == 0, "an oct is for no hash longer than itself");
}


static void
same_kid(void)
{
    char            a[2048], b[2048], set_text[8192], text[JOSE_ROOM];
    jose_key_t      other;
    canopy_jwks_t  *set;

    other = jose_key("P-256");

    jose_jwk(&other, ",\"kid\":\"k\"", a);
    jose_jwk(&keys[1], ",\"kid\":\"k\"", b);
    sprintf(set_text, "{\"keys\":[%s,%s]}", a, b);
    set = jose_set(set_text);

    sign("ES256", "{\"alg\":\"ES256\",\"kid\":\"k\"}", text);
    ok(verify(set, text) == GOOD, "the second key of a kid");

    jose_sign(&other, "ES256", "{\"alg\":\"ES256\",\"kid\":\"k\"}", PAYLOAD,
              text);
    ok(verify(set, text) == GOOD, "the first key of a kid");

    canopy_jwks_free(set);

    /* of two keys with the same numbers, the kid's alg decides */

    jose_jwk(&keys[0], ",\"kid\":\"a\",\"alg\":\"PS256\"", a);
    jose_jwk(&keys[0], ",\"kid\":\"b\",\"alg\":\"RS256\"", b);
    sprintf(set_text, "{\"keys\":[%s,%s]}", a, b);
    set = jose_set(set_text);

    sign("RS256", "{\"alg\":\"RS256\",\"kid\":\"b\"}", text);
    ok(verify(set, text) == GOOD, "the kid of a key with that alg");

    sign("RS256", "{\"alg\":\"RS256\",\"kid\":\"a\"}", text);
    ok(verify(set, text) == NOKEY, "the kid of a key with another alg");

    canopy_jwks_free(set);

    /* a kid is never found in a key that has none */

    set = set_of_one(&keys[0], "");
    sign("RS256", "{\"alg\":\"RS256\",\"kid\":\"a\"}", text);
    ok(verify(set, text) == NOKEY, "a kid, and a key without one");
    sign("RS256", "{\"alg\":\"RS256\",\"kid\":\"\"}", text);
    ok(verify(set, text) == NOKEY, "an empty kid, and a key without one");
    canopy_jwks_free(set);

    set = set_of_one(&keys[0], ",\"kid\":\"\"");
    ok(verify(set, text) == GOOD, "an empty kid, and a key with one");
    canopy_jwks_free(set);

    set = set_of_one(&keys[0], ",\"kid\":\"\\u00e9\\\"\\\\\"");
    sign("RS256", "{\"alg\":\"RS256\",\"kid\":\"\xc3\xa9\\u0022\\\\\"}",
         text);
    ok(verify(set, text) == GOOD, "a kid with escapes on both sides");
    canopy_jwks_free(set);

    set = set_of_one(&keys[0], ",\"kid\":\"a\\u0000b\"");
    sign("RS256", "{\"alg\":\"RS256\",\"kid\":\"a\\u0000b\"}", text);
    ok(verify(set, text) == GOOD, "a kid with a NUL");
    sign("RS256", "{\"alg\":\"RS256\",\"kid\":\"a\"}", text);
    ok(verify(set, text) == NOKEY, "a kid up to the NUL");
    canopy_jwks_free(set);

    EVP_PKEY_free(other.pkey);
}


static void
tries(void)
{
    tries_case(TRIES - 1, NULL, GOOD);
    tries_case(TRIES, NULL, INVALID);
    tries_case(TRIES, "last", GOOD);
    tries_case(TRIES * 10, "last", GOOD);
}


/* n keys that fit, and many that don't, before the token's own */
static void
tries_case(size_t n, const char *kid, canopy_signature_e result)
{
    char            *text, *p, jwk[2048], header[64], token[JOSE_ROOM];
    size_t           i;
    jose_key_t       other;
    canopy_jwks_t   *set;

    other = jose_key("P-256");

    text = malloc(1048576);
    p = text + sprintf(text, "{\"keys\":[");

    for (i = 0; i < n; i++) {
        jose_jwk(&other, ",\"kid\":\"x\"", jwk);
        p += sprintf(p, "%s,", jwk);
        jose_jwk(&keys[4], "", jwk);
        p += sprintf(p, "%s,", jwk);
    }

    jose_jwk(&keys[1], ",\"kid\":\"last\"", jwk);
    sprintf(p, "%s]}", jwk);

    set = jose_set(text);

    if (kid) {
        sprintf(header, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", kid);

    } else {
        strcpy(header, "{\"alg\":\"ES256\"}");
    }

    sign("ES256", header, token);

    ok(verify(set, token) == result, "%zu keys that fit before, %s kid", n,
       kid ? "a" : "no");

    canopy_jwks_free(set);
    free(text);
    EVP_PKEY_free(other.pkey);
}


/* all bytes there, and one more or less */
static void
lengths(void)
{
    char            header[64], input[JOSE_ROOM];
    size_t          i, k, n, bad;
    uint8_t         bytes[JOSE_ROOM];
    canopy_jwks_t  *set;

    set = set_of_all();

    for (i = 0; i < ALGS; i++) {
        sprintf(header, "{\"alg\":\"%s\"}", algs[i]);
        sign(algs[i], header, input);

        memset(bytes, 0, sizeof(bytes));
        *strrchr(input, '.') = '\0';
        n = jose_signature(key_of(algs[i]), jose_hash(algs[i]),
                           jose_salt(algs[i]), input, bytes + 1);

        bad = verify_signed(set, header, bytes + 1, n) != GOOD;

        for (k = 1; k < n; k++) {
            if (k < 40 || k + 40 > n || k == n / 2) {
                bad += verify_signed(set, header, bytes + 1, k) != INVALID;
            }
        }

        /* zeros behind it, before it, in their place */

        bad += verify_signed(set, header, bytes + 1, n + 1) != INVALID;
        bad += verify_signed(set, header, bytes + 1, 2 * n) != INVALID;
        bad += verify_signed(set, header, bytes + 1, 4000) != INVALID;
        bad += verify_signed(set, header, bytes, n + 1) != INVALID;

        memset(bytes, 0, n + 1);
        bad += verify_signed(set, header, bytes, n) != INVALID;

        memset(bytes, 0xff, n + 1);
        bad += verify_signed(set, header, bytes, n) != INVALID;

        ok(bad == 0, "%s: no signature of another length, no zeros", algs[i]);
    }

    canopy_jwks_free(set);
}


/* r and s are 1 to the order less one (SEC 1, section 4.1.4) */
static void
ecdsa_numbers(void)
{
    char            header[64], text[JOSE_ROOM];
    BIGNUM         *order, *r, *s, *v;
    size_t          i, n, len, bad;
    uint8_t         raw[132], bytes[132], der[160], *p;
    ECDSA_SIG      *sig;
    canopy_jwks_t  *set;

    set = set_of_all();
    v = BN_new();

    for (i = 0; i < 3; i++) {
        sprintf(header, "{\"alg\":\"%s\"}", algs[6 + i]);
        len = jose_coordinate(kinds[1 + i]);

        jose_input(header, PAYLOAD, text);
        jose_signature(&keys[1 + i], jose_hash(algs[6 + i]), -1, text, raw);

        r = BN_bin2bn(raw, (int) len, NULL);
        s = BN_bin2bn(raw + len, (int) len, NULL);
        order = NULL;
        jose_must(EVP_PKEY_get_bn_param(keys[1 + i].pkey,
                                        OSSL_PKEY_PARAM_EC_ORDER, &order));

        bad = verify_signed(set, header, raw, 2 * len) != GOOD;

        for (n = 0; n < 2; n++) {
            memcpy(bytes, raw, 2 * len);
            memset(bytes + n * len, 0, len);
            bad += verify_signed(set, header, bytes, 2 * len) != INVALID;

            BN_bn2binpad(order, bytes + n * len, (int) len);
            bad += verify_signed(set, header, bytes, 2 * len) != INVALID;

            /* the same number but for the order, where there is room for it */

            BN_add(v, n ? s : r, order);

            if (BN_num_bytes(v) <= (int) len) {
                BN_bn2binpad(v, bytes + n * len, (int) len);
                bad += verify_signed(set, header, bytes, 2 * len) != INVALID;
            }
        }

        /* r and s in the other order, in DER, and in DER of that very length */

        memcpy(bytes, raw + len, len);
        memcpy(bytes + len, raw, len);
        bad += verify_signed(set, header, bytes, 2 * len) != INVALID;

        sig = ECDSA_SIG_new();
        ECDSA_SIG_set0(sig, r, s);
        p = der;
        n = (size_t) i2d_ECDSA_SIG(sig, &p);
        ECDSA_SIG_free(sig);

        bad += verify_signed(set, header, der, n) != INVALID;
        bad += verify_signed(set, header, der, 2 * len) != INVALID;

        ok(bad == 0, "%s: r and s of their range, and nothing else",
           algs[6 + i]);

        BN_free(order);
    }

    BN_free(v);
    canopy_jwks_free(set);
}


/* a signature's number is less than n (RFC 8017, section 5.2.2) */
static void
rsa_numbers(void)
{
    char            text[JOSE_ROOM];
    BIGNUM         *n, *s;
    size_t          len, bad;
    uint8_t         raw[512];
    canopy_jwks_t  *set;

    set = set_of_all();

    jose_input("{\"alg\":\"RS256\"}", PAYLOAD, text);
    len = jose_signature(&keys[0], "SHA256", -1, text, raw);

    s = BN_bin2bn(raw, (int) len, NULL);
    n = NULL;
    jose_must(EVP_PKEY_get_bn_param(keys[0].pkey, OSSL_PKEY_PARAM_RSA_N, &n));

    bad = verify_signed(set, "{\"alg\":\"RS256\"}", raw, len) != GOOD;

    BN_add(s, s, n);
    BN_bn2binpad(s, raw + 256, (int) len + 1);
    bad += verify_signed(set, "{\"alg\":\"RS256\"}",
                         raw + 256 + !raw[256], len + raw[256]) != INVALID;

    BN_bn2binpad(n, raw, (int) len);
    bad += verify_signed(set, "{\"alg\":\"RS256\"}", raw, len) != INVALID;

    BN_one(s);
    BN_bn2binpad(s, raw, (int) len);
    bad += verify_signed(set, "{\"alg\":\"RS256\"}", raw, len) != INVALID;

    BN_sub(s, n, BN_value_one());
    BN_bn2binpad(s, raw, (int) len);
    bad += verify_signed(set, "{\"alg\":\"RS256\"}", raw, len) != INVALID;

    ok(bad == 0, "RS256: no number but the signature's own");

    BN_free(s);
    BN_free(n);
    canopy_jwks_free(set);
}


/* only the hash's length (RFC 7518, section 3.5) */
static void
pss_salts(void)
{
    int             salt;
    char            header[64], text[JOSE_ROOM];
    size_t          i, n, bad;
    uint8_t         raw[512];
    canopy_jwks_t  *set;

    set = set_of_all();

    for (i = 0; i < 3; i++) {
        sprintf(header, "{\"alg\":\"%s\"}", algs[3 + i]);
        jose_input(header, PAYLOAD, text);

        bad = 0;

        for (salt = 0; salt <= 128; salt += 16) {
            n = jose_signature(&keys[0], jose_hash(algs[3 + i]), salt, text,
                               raw);

            bad += verify_signed(set, header, raw, n)
                   != (salt == jose_salt(algs[3 + i]) ? GOOD : INVALID);
        }

        ok(bad == 0, "%s: no salt of another length", algs[3 + i]);
    }

    canopy_jwks_free(set);
}


/* S is less than the order (RFC 8032, section 5.1.7) */
static void
eddsa_numbers(void)
{
    char            text[JOSE_ROOM];
    BIGNUM         *order, *s;
    uint8_t         raw[64];
    canopy_jwks_t  *set;

    set = set_of_all();

    jose_input("{\"alg\":\"EdDSA\"}", PAYLOAD, text);
    jose_signature(&keys[4], NULL, -1, text, raw);

    order = NULL;
    BN_hex2bn(&order, "1000000000000000000000000000000014def9dea2f79cd65812"
              "631a5cf5d3ed");
    s = BN_lebin2bn(raw + 32, 32, NULL);
    BN_add(s, s, order);
    BN_bn2lebinpad(s, raw + 32, 32);

    ok(verify_signed(set, "{\"alg\":\"EdDSA\"}", raw, 64) == INVALID,
       "EdDSA: no S but the least");

    BN_free(s);
    BN_free(order);
    canopy_jwks_free(set);
}


/* the last character of a signature has bits that say nothing */
static void
left_over(void)
{
    char            header[64], text[JOSE_ROOM], *last;
    size_t          i, ch, good, same;
    canopy_jwks_t  *set;

    static const char  chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789-_";

    set = set_of_all();

    for (i = 0; i < ALGS; i++) {
        sprintf(header, "{\"alg\":\"%s\"}", algs[i]);
        sign(algs[i], header, text);

        last = text + strlen(text) - 1;
        same = 0;
        good = 0;
        header[0] = *last;

        for (ch = 0; ch < 64; ch++) {
            *last = chars[ch];

            if (verify(set, text) == GOOD) {
                good++;
                same += *last == header[0];
            }
        }

        ok(good == 1 && same == 1, "%s: one last character", algs[i]);
    }

    canopy_jwks_free(set);
}


/* what should not have come here, as it has not the shape of a token */
static void
not_tokens(void)
{
    char            text[JOSE_ROOM], *big;
    size_t          i, good;
    canopy_jwks_t  *set;

    static const char *const  table[] = {
        "", ".", "..", "...", "a", "a.b", "e30.e30", "e30.e30.", ".e30.AA",
        "e30..AA", "eyJhbGciOiJIUzI1NiJ9.e30.", "eyJhbGciOiJIUzI1NiJ9..AA",
        "e30.e30.AA.AA", "e30.e30.AA.AA.AA", "!!.e30.AA", "\xff.\xff.\xff"
    };

    set = set_of_all();
    good = 0;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        good += verify(set, table[i]) == GOOD;
    }

    ok(good == 0, "what is not a token");

    sign("HS256", "{\"alg\":\"HS256\"}", text);
    i = strlen(text);

    big = malloc(65536 + i);
    memset(big, 'A', 65536);
    memcpy(big + 65536, text, i + 1);

    ok(verify(set, big) != GOOD && verify(set, big + 65536) == GOOD,
       "what is longer than a token");

    memset(big, 'A', 65536);
    memcpy(big, text, i);
    big[65536] = '\0';
    ok(verify(set, big) != GOOD, "what has a longer signature");

    free(big);
    canopy_jwks_free(set);
}


static void
faults(void)
{
    size_t       i;
    const char  *p, *text;

    for (i = CANOPY_SIGNATURE_OK; i <= CANOPY_SIGNATURE_MEMORY; i++) {
        text = canopy_signature_fault(i);

        for (p = text; *p >= ' ' && *p <= '~' && *p != '"' && *p != '\\';
             p++)
        {
            /* void */
        }

        ok(p - text > 20 && *p == '\0', "%s", text);
    }
}


/* most of them fast ones */
static void
mutations(void)
{
    char            texts[4][2048], text[4096];
    size_t          i, k, len, bad, changed, controls, invalid;
    canopy_jwks_t  *set;

    static const char *const  names[] = { "HS256", "RS256", "ES256", "EdDSA" };
    static const uint8_t      mix[] = { 0, 0, 0, 0, 0, 0, 1, 1, 2, 3 };

    set = set_of_all();

    for (i = 0; i < 4; i++) {
        sprintf(text, "{\"alg\":\"%s\"}", names[i]);
        sign(names[i], text, texts[i]);
    }

    bad = changed = controls = invalid = 0;

    for (i = 0; changed < MUTATIONS; i++) {
        k = mix[i % sizeof(mix)];

        len = strlen(texts[k]);
        memcpy(text, texts[k], len + 1);

        if (i % 1000 == 999) {
            controls += verify(set, text) != GOOD;
            continue;
        }

        len = mutate(text, len, texts, 4);
        text[len] = '\0';

        for (k = 0; k < 4 && strcmp(text, texts[k]) != 0; k++) { /* void */ }

        if (k == 4) {
            changed++;

            switch (verify(set, text)) {

            case CANOPY_SIGNATURE_OK:
                bad++;
                printf("# %s\n", text);
                break;

            case CANOPY_SIGNATURE_INVALID:
                invalid++;
                break;

            default:
                break;
            }
        }
    }

    ok(bad == 0 && controls == 0, "%zu mutated tokens", changed);
    ok(invalid > MUTATIONS / 2, "most of them came to a key: %zu", invalid);

    canopy_jwks_free(set);
}


/* returns the length; there is room for twice of it */
static size_t
mutate(char *text, size_t len, char texts[][2048], size_t n)
{
    size_t       i, k, from, count;
    const char  *other;

    static const char  chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789-_";

    i = xorshift() % len;
    k = xorshift() % len;

    switch (xorshift() % 12) {

    case 0:
        text[i] = (char) (1 + xorshift() % 255);
        return len;

    case 1:
        memmove(text + i, text + i + 1, len - i);
        return len - 1;

    case 2:
        memmove(text + i + 1, text + i, len - i);
        text[i] = chars[xorshift() % 64];
        return len + 1;

    case 3:
        return i + 1;

    case 4:

        /* a part of it by one of another, or of its own */

        other = texts[xorshift() % n];
        count = strlen(other);
        from = xorshift() % count;
        count = xorshift() % (count - from);
        count = count > len - i ? len - i : count;
        memcpy(text + i, other + from, count);
        return len;

    case 5:

        /* the signature of another */

        other = texts[xorshift() % n];
        count = (size_t) (strrchr(text, '.') - text);
        strcpy(text + count, strrchr(other, '.'));
        return strlen(text);

    default:

        /* behind the header, mostly in the signature */

        from = (size_t) (strchr(text, '.') - text) + 1;
        i = from + i % (len - from);
        k = from + k % (len - from);

        if (text[i] != '.') {
            text[i] = chars[xorshift() % 64];
        }

        if (xorshift() % 2 && text[k] != '.') {
            text[k] = chars[xorshift() % 64];
        }

        return len;
    }
}


static int
foreign(const char *file, const char *tokens)
{
    char             *name, *token, *save, *text;
    canopy_jwks_t    *set;
    canopy_claims_t   claims;

    text = contents(file);
    set = jose_set(text);
    free(text);

    text = contents(tokens);

    for (name = strtok_r(text, " \n", &save);
         name != NULL;
         name = strtok_r(NULL, " \n", &save))
    {
        token = strtok_r(NULL, " \n", &save);
        jose_must(token != NULL);

        if (strncmp(name, "not-", 4) == 0) {
            ok(verify(set, token) != GOOD, "%s", name);
            continue;
        }

        ok(canopy_token_check(jose_slice(token), &claims) == CANOPY_TOKEN_OK
           && verify(set, token) == GOOD && verify(set, token) == GOOD,
           "%s", name);

        ok(unforgeable(set, token), "%s, each byte changed", name);
    }

    free(text);
    canopy_jwks_free(set);

    return tap_done();
}


/* twice a byte: another character of base64url, another byte */
static int
unforgeable(const canopy_jwks_t *set, const char *token)
{
    char     text[8192], ch;
    size_t   i, len, good;

    static const char  chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789-_";

    len = strlen(token);
    jose_must(len < sizeof(text));
    strcpy(text, token);

    good = 0;

    for (i = 0; i < len; i++) {

        do {
            ch = chars[xorshift() % 64];
        } while (ch == token[i]);

        text[i] = ch;
        good += verify(set, text) == GOOD;

        text[i] = (char) (token[i] ^ 1 << xorshift() % 7);
        text[i] = text[i] ? text[i] : '\x01';
        good += verify(set, text) == GOOD;

        text[i] = token[i];
    }

    return good == 0 && verify(set, text) == GOOD;
}


static char *
contents(const char *file)
{
    FILE    *f;
    char    *text;
    size_t   n;

    f = fopen(file, "r");
    jose_must(f != NULL);

    text = malloc(CANOPY_JWKS_MAX + 1);
    n = fread(text, 1, CANOPY_JWKS_MAX, f);
    text[n] = '\0';

    fclose(f);

    return text;
}


static void
sign(const char *alg, const char *header, char *dst)
{
    jose_sign(key_of(alg), alg, header, PAYLOAD, dst);
}


/* a copy: valgrind and AddressSanitizer see where it ends */
static canopy_signature_e
verify(const canopy_jwks_t *set, const char *text)
{
    uint8_t             *copy;
    canopy_slice_t       token;
    canopy_signature_e   result;

    token.len = strlen(text);

    copy = malloc(token.len ? token.len : 1);
    token.data = memcpy(copy, text, token.len);

    result = canopy_jwks_verify(set, token);

    free(copy);

    return result;
}


static canopy_signature_e
verify_signed(const canopy_jwks_t *set, const char *header,
    const void *signature, size_t len)
{
    char  text[JOSE_ROOM];

    jose_input(header, PAYLOAD, text);
    jose_append(text, signature, len);

    return canopy_jwks_verify(set, jose_guard(text, strlen(text)));
}


static canopy_jwks_t *
set_of_all(void)
{
    char    text[JOSE_ROOM], more[64], *p;
    size_t  i;

    p = text + sprintf(text, "{\"keys\":[");

    for (i = 0; i < KINDS; i++) {
        sprintf(more, ",\"kid\":\"%s\"", kinds[i]);
        jose_jwk(&keys[i], more, p);
        p += strlen(p);
        *p++ = i + 1 < KINDS ? ',' : ']';
    }

    strcpy(p, "}");

    return jose_set(text);
}


static canopy_jwks_t *
set_of_one(const jose_key_t *key, const char *more)
{
    char  jwk[4096], text[JOSE_ROOM];

    jose_jwk(key, more, jwk);
    sprintf(text, "{\"keys\":[%s]}", jwk);

    return jose_set(text);
}


static jose_key_t *
key_of(const char *alg)
{
    return strcmp(alg, "EdDSA") == 0 ? &keys[4]
           : alg[0] == 'H' ? &keys[5]
           : alg[0] != 'E' ? &keys[0]
           : alg[2] == '2' ? &keys[1]
           : alg[2] == '3' ? &keys[2] : &keys[3];
}


static uint64_t
xorshift(void)
{
    static uint64_t  x = 88172645463325252ull;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;

    return x;
}
