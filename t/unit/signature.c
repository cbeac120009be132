/*
 * Signatures: which key is for which token.
 */

#include "tap.h"
#include "jose.h"
#include "signer.h"
#include "canopy_jwk.h"


#define TRIES  16

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


static void headers(void);
static void kinds_and_algs(void);
static void oct_lengths(void);
static void same_kid(void);
static void tries(void);
static void tries_case(size_t n, const char *kid, canopy_signature_e result);
static void not_tokens(void);
static void faults(void);


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
main(void)
{
    signer_begin();

    headers();
    kinds_and_algs();
    oct_lengths();
    same_kid();
    tries();
    not_tokens();
    faults();

    signer_end();

    return tap_done();
}


static void
headers(void)
{
    char                  text[JOSE_ROOM];
    size_t                i;
    canopy_jwks_t        *set;
    canopy_signature_e    first, second;
    const header_case_t  *c;

    set = signer_set();

    for (i = 0; i < sizeof(header_table) / sizeof(header_case_t); i++) {
        c = &header_table[i];

        signer_sign(c->alg, c->header, text);

        first = signer_verify(set, text);
        second = signer_verify(set, text);

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

    for (i = 0; i < SIGNER_ALGS; i++) {
        sprintf(header, "{\"alg\":\"%s\"}", signer_algs[i]);
        signer_sign(signer_algs[i], header, text);

        bad = 0;

        for (k = 0; k < SIGNER_KINDS; k++) {
            set = signer_set_of(&signer_keys[k], "");
            want = signer_key(signer_algs[i]) == &signer_keys[k] ? GOOD
                                                                 : NOKEY;
            bad += signer_verify(set, text) != want;
            canopy_jwks_free(set);
        }

        ok(bad == 0, "%s: a key of its kind, no other", signer_algs[i]);

        for (k = 0; k < SIGNER_ALGS; k++) {
            key = signer_key(signer_algs[k]);
            sprintf(more, ",\"alg\":\"%s\"", signer_algs[k]);
            set = signer_set_of(key, more);
            bad += signer_verify(set, text) != (i == k ? GOOD : NOKEY);
            canopy_jwks_free(set);
        }

        ok(bad == 0, "%s: a key of its alg, no other", signer_algs[i]);
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
        key = jose_oct(signer_secret, sizes[i]);
        set = signer_set_of(&key, "");

        for (k = 256; k <= 512; k += 128) {
            sprintf(header, "HS%zu", k);
            jose_sign(&key, header, k == 256 ? "{\"alg\":\"HS256\"}"
                                    : k == 384 ? "{\"alg\":\"HS384\"}"
                                    : "{\"alg\":\"HS512\"}", SIGNER_PAYLOAD,
                      text);

            want = sizes[i] >= k / 8 ? GOOD : NOKEY;
            bad += signer_verify(set, text) != want;
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
    jose_jwk(&signer_keys[1], ",\"kid\":\"k\"", b);
    sprintf(set_text, "{\"keys\":[%s,%s]}", a, b);
    set = jose_set(set_text);

    signer_sign("ES256", "{\"alg\":\"ES256\",\"kid\":\"k\"}", text);
    ok(signer_verify(set, text) == GOOD, "the second key of a kid");

    jose_sign(&other, "ES256", "{\"alg\":\"ES256\",\"kid\":\"k\"}",
              SIGNER_PAYLOAD, text);
    ok(signer_verify(set, text) == GOOD, "the first key of a kid");

    canopy_jwks_free(set);

    /* of two keys with the same numbers, the kid's alg decides */

    jose_jwk(&signer_keys[0], ",\"kid\":\"a\",\"alg\":\"PS256\"", a);
    jose_jwk(&signer_keys[0], ",\"kid\":\"b\",\"alg\":\"RS256\"", b);
    sprintf(set_text, "{\"keys\":[%s,%s]}", a, b);
    set = jose_set(set_text);

    signer_sign("RS256", "{\"alg\":\"RS256\",\"kid\":\"b\"}", text);
    ok(signer_verify(set, text) == GOOD, "the kid of a key with that alg");

    signer_sign("RS256", "{\"alg\":\"RS256\",\"kid\":\"a\"}", text);
    ok(signer_verify(set, text) == NOKEY, "the kid of a key with another alg");

    canopy_jwks_free(set);

    /* a kid is never found in a key that has none */

    set = signer_set_of(&signer_keys[0], "");
    signer_sign("RS256", "{\"alg\":\"RS256\",\"kid\":\"a\"}", text);
    ok(signer_verify(set, text) == NOKEY, "a kid, and a key without one");
    signer_sign("RS256", "{\"alg\":\"RS256\",\"kid\":\"\"}", text);
    ok(signer_verify(set, text) == NOKEY,
       "an empty kid, and a key without one");
    canopy_jwks_free(set);

    set = signer_set_of(&signer_keys[0], ",\"kid\":\"\"");
    ok(signer_verify(set, text) == GOOD, "an empty kid, and a key with one");
    canopy_jwks_free(set);

    set = signer_set_of(&signer_keys[0], ",\"kid\":\"\\u00e9\\\"\\\\\"");
    signer_sign("RS256", "{\"alg\":\"RS256\",\"kid\":\"\xc3\xa9\\u0022\\\\\"}",
         text);
    ok(signer_verify(set, text) == GOOD, "a kid with escapes on both sides");
    canopy_jwks_free(set);

    set = signer_set_of(&signer_keys[0], ",\"kid\":\"a\\u0000b\"");
    signer_sign("RS256", "{\"alg\":\"RS256\",\"kid\":\"a\\u0000b\"}", text);
    ok(signer_verify(set, text) == GOOD, "a kid with a NUL");
    signer_sign("RS256", "{\"alg\":\"RS256\",\"kid\":\"a\"}", text);
    ok(signer_verify(set, text) == NOKEY, "a kid up to the NUL");
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
        jose_jwk(&signer_keys[4], "", jwk);
        p += sprintf(p, "%s,", jwk);
    }

    jose_jwk(&signer_keys[1], ",\"kid\":\"last\"", jwk);
    sprintf(p, "%s]}", jwk);

    set = jose_set(text);

    if (kid) {
        sprintf(header, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", kid);

    } else {
        strcpy(header, "{\"alg\":\"ES256\"}");
    }

    signer_sign("ES256", header, token);

    ok(signer_verify(set, token) == result,
       "%zu keys that fit before, %s kid", n, kid ? "a" : "no");

    canopy_jwks_free(set);
    free(text);
    EVP_PKEY_free(other.pkey);
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

    set = signer_set();
    good = 0;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        good += signer_verify(set, table[i]) == GOOD;
    }

    ok(good == 0, "what is not a token");

    signer_sign("HS256", "{\"alg\":\"HS256\"}", text);
    i = strlen(text);

    big = malloc(65536 + i + 1);
    memset(big, 'A', 65536);
    memcpy(big + 65536, text, i + 1);

    ok(signer_verify(set, big) != GOOD
       && signer_verify(set, big + 65536) == GOOD,
       "what is longer than a token");

    memset(big, 'A', 65536);
    memcpy(big, text, i);
    big[65536] = '\0';
    ok(signer_verify(set, big) != GOOD, "what has a longer signature");

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
