/*
 * Whole key sets: PEM, thousands of keys, sizes, and what is left behind.
 */

#include <openssl/err.h>
#include <openssl/pem.h>

#include "tap.h"
#include "jose.h"
#include "canopy_jwk.h"


#define KEYS      5000
#define ED_KEYS   300

#define OCT                                                                   \
    "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T\"}"

/* 24 bytes, 71 c7 1c and so on */
#define SHORT  "cccccccccccccccccccccccccccccccc"

#define OFF_CURVE                                                             \
    "{\"kty\":\"EC\",\"crv\":\"P-256\","                                      \
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                  \
    "\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}"

#define SET(keys)  "{\"keys\":[" keys "]}"


static void good_points(void);
static void pem(void);
static void pem_case(EVP_PKEY *pkey, const char *alg, const char *fault);
static void pem_other(void);
static void many_keys(void);
static void sizes(void);
static void errors(void);
#ifndef __SANITIZE_ADDRESS__
static void wiped(void);
static int on_heap(const void *what, size_t len);
#endif


int
main(void)
{
    good_points();
    pem();
    pem_other();
    many_keys();
    sizes();
    errors();

#ifndef __SANITIZE_ADDRESS__

    /* with it nothing is on the heap of libc */

    wiped();

#endif

    return tap_done();
}



/* the check of points refuses none */
static void
good_points(void)
{
    char            text[1024], jwk[512];
    size_t          i, good;
    jose_key_t      key;

    good = 0;

    for (i = 0; i < ED_KEYS; i++) {
        key = jose_key("Ed25519");
        jose_jwk(&key, "", jwk);
        sprintf(text, SET("%s"), jwk);

        good += (size_t) jose_reads(text, strlen(text), NULL);

        EVP_PKEY_free(key.pkey);
    }

    ok(good == ED_KEYS, "%d random keys of Ed25519", ED_KEYS);
}



static void
pem(void)
{
    EVP_PKEY  *key;

    pem_case(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) 2048), "RS384",
             NULL);
    pem_case(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"), "ES256", NULL);
    pem_case(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384"), "ES384", NULL);
    pem_case(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521"), "ES512", NULL);
    pem_case(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "EdDSA", NULL);

    pem_case(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) 1024), "RS256",
             "PEM: \"n\" has less than 2048 bits");
    pem_case(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1"), "ES256K",
             "PEM: its curve is none of P-256, P-384 and P-521");
    pem_case(EVP_PKEY_Q_keygen(NULL, NULL, "ED448"), "Ed448",
             "PEM: its algorithm is none of RSA, EC and Ed25519");
    pem_case(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), "X25519",
             "PEM: its algorithm is none of RSA, EC and Ed25519");

    key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
                                      (const uint8_t *) (char[32]) { 0 }, 32);
    pem_case(key, "all zeros", "PEM: \"x\" is a point of small order");
}



static void
pem_case(EVP_PKEY *pkey, const char *alg, const char *fault)
{
    BIO            *bio;
    int             good;
    char           *text, header[64], token[JOSE_ROOM];
    long            len;
    jose_key_t      key;
    canopy_jwks_t  *set;

    jose_must(pkey != NULL);

    bio = BIO_new(BIO_s_mem());
    jose_must(PEM_write_bio_PUBKEY(bio, pkey));
    len = BIO_get_mem_data(bio, &text);

    good = jose_reads(text, (size_t) len, fault);

    if (fault == NULL) {
        key.kty = strcmp(alg, "ES256") == 0 ? "P-256"
                  : strcmp(alg, "ES384") == 0 ? "P-384"
                  : strcmp(alg, "ES512") == 0 ? "P-521"
                  : strcmp(alg, "EdDSA") == 0 ? "Ed25519" : "RSA";
        key.pkey = pkey;

        sprintf(header, "{\"alg\":\"%s\"}", alg);
        jose_sign(&key, alg, header, "{}", token);

        BIO_write(bio, "\r\n", 3);     /* and its NUL */
        BIO_get_mem_data(bio, &text);
        set = jose_set(text);

        good = good
               && canopy_jwks_verify(set, jose_slice(token))
                  == CANOPY_SIGNATURE_OK;

        canopy_jwks_free(set);
    }

    ok(good, "PEM, %s: %s", alg, fault ? fault : "a key");

    BIO_free(bio);
    EVP_PKEY_free(pkey);
}



static void
pem_other(void)
{
    BIO       *bio;
    char      *text, twice[4096];
    long       len;
    EVP_PKEY  *key;

    key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    jose_must(key != NULL);

    bio = BIO_new(BIO_s_mem());
    jose_must(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    len = BIO_get_mem_data(bio, &text);

    ok(jose_reads(text, (size_t) len, "PEM: it is not a PUBLIC KEY"),
       "PEM, a private key");

    (void) BIO_reset(bio);
    jose_must(PEM_write_bio_PUBKEY(bio, key));
    len = BIO_get_mem_data(bio, &text);

    sprintf(twice, "%.*s%.*s", (int) len, text, (int) len, text);
    ok(jose_reads(twice, strlen(twice),
             "PEM: there is more than one key, or other text, in it"),
       "PEM, two keys");

    sprintf(twice, "%.*s{}", (int) len, text);
    ok(jose_reads(twice, strlen(twice),
             "PEM: there is more than one key, or other text, in it"),
       "PEM, and other text");

    ok(jose_reads(text, (size_t) len - 2, "PEM: it is damaged"),
       "PEM, without its end");

    memcpy(twice, text, (size_t) len);
    twice[60] = '!';
    ok(jose_reads(twice, (size_t) len, "PEM: it is damaged"),
       "PEM, a character");

    memcpy(twice, text, (size_t) len);
    memmove(twice + 22, twice + 21, (size_t) len - 21);
    twice[21] = '\0';
    ok(jose_reads(twice, (size_t) len + 1, "PEM: it is damaged"),
       "PEM, a NUL in its first line");

    memcpy(twice, text, (size_t) len);
    memcpy(twice + 27, "AAAA", 4);
    ok(jose_reads(twice, (size_t) len, "PEM: it is damaged"), "PEM, no DER");

    /* the point's last byte but one: the text's last group is two of it */

    memcpy(twice, text, (size_t) len);
    twice[len - 31] = twice[len - 31] == 'A' ? 'B' : 'A';
    ok(jose_reads(twice, (size_t) len, "PEM: it is damaged"),
       "PEM, a point off its curve");

    ok(jose_reads("-----BEGIN PUBLIC KEY-----", 26, "PEM: it is damaged"),
       "PEM, its beginning only");

    BIO_free(bio);
    EVP_PKEY_free(key);
}



static void
many_keys(void)
{
    char           *text, *p, header[64], token[JOSE_ROOM];
    size_t          i, good;
    jose_key_t      key, other;
    canopy_jwks_t  *set;

    key = jose_key("P-256");
    other = jose_key("P-256");

    text = malloc(CANOPY_JWKS_MAX);
    p = text + sprintf(text, "{\"keys\":[");

    for (i = 0; i < KEYS; i++) {
        sprintf(header, ",\"kid\":\"%zu\"", i);
        jose_jwk(i % 2 ? &key : &other, header, p);
        p += strlen(p);
        *p++ = ',';
    }

    strcpy(p - 1, "]}");

    set = jose_set(text);
    good = 0;

    for (i = KEYS - 20; i < KEYS; i++) {
        sprintf(header, "{\"alg\":\"ES256\",\"kid\":\"%zu\"}", i);
        jose_sign(&key, "ES256", header, "{}", token);

        good += canopy_jwks_verify(set, jose_slice(token))
                == (i % 2 ? CANOPY_SIGNATURE_OK : CANOPY_SIGNATURE_INVALID);
    }

    ok(good == 20, "each of %d keys has its own kid", KEYS);

    canopy_jwks_free(set);
    free(text);
    EVP_PKEY_free(key.pkey);
    EVP_PKEY_free(other.pkey);
}



static void
sizes(void)
{
    char  *text;

    text = malloc(CANOPY_JWKS_MAX + 1);
    memset(text, ' ', CANOPY_JWKS_MAX + 1);
    memcpy(text, SET(OCT), sizeof(SET(OCT)) - 1);

    ok(jose_reads(text, CANOPY_JWKS_MAX, NULL), "the longest set");
    ok(jose_reads(text, CANOPY_JWKS_MAX + 1,
                  "it is longer than 1048576 bytes"),
       "a longer one");

    /* jansson's own limit of depth is what ends it */

    memset(text, '[', CANOPY_JWKS_MAX);
    ok(jose_reads(text, CANOPY_JWKS_MAX, "it is neither a JSON object nor "
                  "a public key in PEM, line 1, column 2049"),
       "brackets only");

    free(text);
}



/* nginx would find ours, and tell of them as of its own */
static void
errors(void)
{
    char            text[2048], jwk[512];
    jose_key_t      key;
    canopy_jwks_t  *set;
    unsigned long   error;

    ERR_clear_error();

    ok(jose_reads(SET(OFF_CURVE), strlen(SET(OFF_CURVE)),
                  "keys[0]: its point is not on its curve")
       && ERR_peek_error() == 0,
       "no errors are left by a set");

    key = jose_key("P-256");
    jose_jwk(&key, "", jwk);
    sprintf(text, SET("%s"), jwk);
    set = jose_set(text);

    /* r and s of zeros */

    jose_input("{\"alg\":\"ES256\"}", "{}", text);
    jose_append(text, (uint8_t[64]) { 0 }, 64);

    ok(canopy_jwks_verify(set, jose_slice(text)) == CANOPY_SIGNATURE_INVALID
       && ERR_peek_error() == 0,
       "no errors are left by a signature");

    ERR_raise(ERR_LIB_USER, 1);
    error = ERR_peek_error();

    canopy_jwks_verify(set, jose_slice(text));
    jose_reads(SET(OFF_CURVE), strlen(SET(OFF_CURVE)),
               "keys[0]: its point is not on its curve");

    ok(ERR_get_error() == error && ERR_get_error() == 0,
       "an error of before stays");

    canopy_jwks_free(set);
    EVP_PKEY_free(key.pkey);
}


#ifndef __SANITIZE_ADDRESS__

static void
wiped(void)
{
    char            text[512], token[JOSE_ROOM];
    uint8_t         secret[48];
    unsigned        i, held;
    jose_key_t      key;
    canopy_slice_t  where;
    canopy_jwks_t  *set;

    /* not known to the compiler, and in no other block */

    for (i = 0; i < sizeof(secret); i++) {
        secret[i] = (uint8_t) (i * 37 + 129 + (unsigned) getpid());
    }

    key = jose_oct(secret, sizeof(secret));
    jose_jwk(&key, "", text);
    where = jose_slice(strstr(text, "\"k\":\"") + 5);

    sprintf(token, SET("%s"), text);
    set = jose_set(token);

    /* at once: malloc() gives it away again */

    ok(!on_heap(where.data + 24, 32), "the text of a secret is wiped");

    jose_sign(&key, "HS256", "{\"alg\":\"HS256\"}", "{}", token);

    held = (unsigned) (canopy_jwks_verify(set, jose_slice(token))
                       == CANOPY_SIGNATURE_OK
                       && on_heap(secret, sizeof(secret)));

    canopy_jwks_free(set);

    /* what malloc() keeps for itself overwrites the first 16 bytes */

    ok(held && !on_heap(secret + 16, 24), "a freed secret is wiped");

    ok(jose_reads(SET("{\"kty\":\"oct\",\"k\":\"" SHORT "\"}"),
                  strlen(SET("{\"kty\":\"oct\",\"k\":\"" SHORT "\"}")),
                  "keys[0]: \"k\" is shorter than 32 bytes")
       && !on_heap("cccccccccccccccccccc", 14)
       && !on_heap("\x71\xc7\x1c\x71\xc7\x1c\x71\xc7\x1c", 9),
       "a refused one is, too");
}


static int
on_heap(const void *what, size_t len)
{
    int            found;
    char           line[512];
    FILE          *maps;
    unsigned long  first, last;

    maps = fopen("/proc/self/maps", "r");
    jose_must(maps != NULL);

    found = 0;

    while (fgets(line, sizeof(line), maps)) {
        if (strstr(line, "[heap]")
            && sscanf(line, "%lx-%lx", &first, &last) == 2
            && memmem((const void *) first, last - first, what, len))
        {
            found = 1;
        }
    }

    fclose(maps);

    return found;
}

#endif
