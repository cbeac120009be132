/*
 * Keys and tokens for the tests: made with OpenSSL, as a token's issuer makes
 * them, with headers and payloads an issuer would not make.
 */

#ifndef JOSE_H
#define JOSE_H


#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "canopy_jwk.h"
#include "canopy_slice.h"
#include "tap.h"


#define JOSE_ROOM  16384

/* what a key is in a test: its EVP_PKEY, or the bytes of an oct */
typedef struct {
    const char      *kty;           /* "RSA", "P-256" ... "Ed25519", "oct" */
    EVP_PKEY        *pkey;
    canopy_slice_t   secret;
} jose_key_t;


static inline void
jose_must(int good)
{
    if (!good) {
        printf("Bail out! the test can't make its keys or tokens\n");
        exit(1);
    }
}


static inline size_t
jose_base64url(const void *data, size_t len, char *dst)
{
    size_t          i, n;
    uint32_t        bits;
    const uint8_t  *p;

    static const char  chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789-_";

    p = data;
    n = 0;

    for (i = 0; i < len; i += 3) {
        bits = (uint32_t) p[i] << 16;
        bits |= i + 1 < len ? (uint32_t) p[i + 1] << 8 : 0;
        bits |= i + 2 < len ? p[i + 2] : 0;

        dst[n++] = chars[bits >> 18];
        dst[n++] = chars[bits >> 12 & 63];

        if (i + 1 < len) {
            dst[n++] = chars[bits >> 6 & 63];
        }

        if (i + 2 < len) {
            dst[n++] = chars[bits & 63];
        }
    }

    dst[n] = '\0';

    return n;
}


static inline canopy_slice_t
jose_slice(const char *text)
{
    canopy_slice_t  slice;

    slice.data = (const uint8_t *) text;
    slice.len = strlen(text);

    return slice;
}


/* a slice that ends at a guard page */
static inline canopy_slice_t
jose_guard(const void *data, size_t len)
{
    canopy_slice_t  slice;

    slice.data = tap_guard(data, len);
    slice.len = len;

    return slice;
}


static inline jose_key_t
jose_key(const char *kty)
{
    jose_key_t  key;

    memset(&key, 0, sizeof(jose_key_t));
    key.kty = kty;

    if (strcmp(kty, "RSA") == 0) {
        key.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) 2048);

    } else if (strcmp(kty, "Ed25519") == 0) {
        key.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    } else {
        key.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", kty);
    }

    jose_must(key.pkey != NULL);

    return key;
}


static inline jose_key_t
jose_oct(const void *secret, size_t len)
{
    jose_key_t  key;

    key.kty = "oct";
    key.pkey = NULL;
    key.secret.data = secret;
    key.secret.len = len;

    return key;
}


static inline void
jose_number(const jose_key_t *key, const char *param, size_t len, char *dst)
{
    BIGNUM   *bn;
    uint8_t   bytes[2048];

    bn = NULL;
    jose_must(EVP_PKEY_get_bn_param(key->pkey, param, &bn));

    if (len == 0) {
        len = (size_t) BN_num_bytes(bn);
    }

    jose_must(BN_bn2binpad(bn, bytes, (int) len) == (int) len);
    jose_base64url(bytes, len, dst);

    BN_free(bn);
}


static inline size_t
jose_coordinate(const char *kty)
{
    return strcmp(kty, "P-256") == 0 ? 32 : strcmp(kty, "P-384") == 0 ? 48
           : 66;
}


/* a JWK; more, members with a comma in front, or "" */
static inline void
jose_jwk(const jose_key_t *key, const char *more, char *dst)
{
    char     a[JOSE_ROOM / 4], b[JOSE_ROOM / 4];
    size_t   len;
    uint8_t  raw[32];

    if (strcmp(key->kty, "RSA") == 0) {
        jose_number(key, OSSL_PKEY_PARAM_RSA_N, 0, a);
        jose_number(key, OSSL_PKEY_PARAM_RSA_E, 0, b);
        sprintf(dst, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s}", a, b,
                more);

    } else if (strcmp(key->kty, "oct") == 0) {
        jose_base64url(key->secret.data, key->secret.len, a);
        sprintf(dst, "{\"kty\":\"oct\",\"k\":\"%s\"%s}", a, more);

    } else if (strcmp(key->kty, "Ed25519") == 0) {
        len = sizeof(raw);
        jose_must(EVP_PKEY_get_raw_public_key(key->pkey, raw, &len));
        jose_base64url(raw, len, a);
        sprintf(dst, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"%s}",
                a, more);

    } else {
        len = jose_coordinate(key->kty);
        jose_number(key, OSSL_PKEY_PARAM_EC_PUB_X, len, a);
        jose_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, len, b);
        sprintf(dst, "{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\","
                "\"y\":\"%s\"%s}", key->kty, a, b, more);
    }
}


static inline size_t
jose_raw_ecdsa(const uint8_t *der, size_t len, size_t coordinate,
    uint8_t *dst)
{
    ECDSA_SIG  *sig;

    sig = d2i_ECDSA_SIG(NULL, &der, (long) len);
    jose_must(sig != NULL);

    BN_bn2binpad(ECDSA_SIG_get0_r(sig), dst, (int) coordinate);
    BN_bn2binpad(ECDSA_SIG_get0_s(sig), dst + coordinate, (int) coordinate);

    ECDSA_SIG_free(sig);

    return 2 * coordinate;
}


/* any mechanism with any hash, whether they fit or not; salt -1: PKCS #1 */
static inline size_t
jose_signature(const jose_key_t *key, const char *hash, int salt,
    const char *input, uint8_t *dst)
{
    size_t         len, n;
    uint8_t        der[JOSE_ROOM / 4];
    EVP_MD_CTX    *md;
    EVP_PKEY_CTX  *ctx;

    len = strlen(input);

    if (key->pkey == NULL) {
        jose_must(EVP_Q_mac(NULL, "HMAC", NULL, hash, NULL, key->secret.data,
                            key->secret.len, (const uint8_t *) input, len,
                            dst, EVP_MAX_MD_SIZE, &n) != NULL);
        return n;
    }

    md = EVP_MD_CTX_new();
    jose_must(md != NULL);
    jose_must(EVP_DigestSignInit_ex(md, &ctx, hash, NULL, NULL, key->pkey,
                                    NULL));

    if (salt >= 0) {
        jose_must(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0
                  && EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, salt) > 0);
    }

    n = sizeof(der);
    jose_must(EVP_DigestSign(md, der, &n, (const uint8_t *) input, len));

    EVP_MD_CTX_free(md);

    if (key->kty[0] == 'P') {
        return jose_raw_ecdsa(der, n, jose_coordinate(key->kty), dst);
    }

    memcpy(dst, der, n);

    return n;
}


/* "<header>.<payload>" */
static inline size_t
jose_input(const char *header, const char *payload, char *dst)
{
    size_t  n;

    n = jose_base64url(header, strlen(header), dst);
    dst[n++] = '.';

    return n + jose_base64url(payload, strlen(payload), dst + n);
}


/* behind an input */
static inline void
jose_append(char *input, const void *signature, size_t len)
{
    size_t  n;

    n = strlen(input);
    input[n++] = '.';

    jose_base64url(signature, len, input + n);
}


static inline const char *
jose_hash(const char *alg)
{
    return strcmp(alg, "EdDSA") == 0 ? NULL
           : strcmp(alg + 2, "256") == 0 ? "SHA256"
           : strcmp(alg + 2, "384") == 0 ? "SHA384" : "SHA512";
}


static inline int
jose_salt(const char *alg)
{
    return alg[0] == 'P' ? atoi(alg + 2) / 8 : -1;
}


/* as alg says, whatever the header says */
static inline void
jose_sign(const jose_key_t *key, const char *alg, const char *header,
    const char *payload, char *dst)
{
    size_t   n;
    uint8_t  signature[JOSE_ROOM / 4];

    jose_input(header, payload, dst);
    n = jose_signature(key, jose_hash(alg), jose_salt(alg), dst, signature);
    jose_append(dst, signature, n);
}



static inline canopy_jwks_t *
jose_set(const char *text)
{
    char            fault[CANOPY_JWKS_FAULT];
    canopy_jwks_t  *set;

    set = NULL;

    if (canopy_jwks_read(jose_slice(text), &set, fault) != 0) {
        printf("Bail out! %s\n", fault);
        exit(1);
    }

    return set;
}



/* twice, that with the fault, or as a set; prints what is not expected */
static inline int
jose_reads(const void *data, size_t len, const char *fault)
{
    int             rc, good;
    char            got[CANOPY_JWKS_FAULT];
    canopy_slice_t  text;
    canopy_jwks_t  *set;

    text.len = len;
    text.data = len > 65536 ? data : tap_guard(data, len);

    set = NULL;
    memset(got, 0, sizeof(got));

    rc = canopy_jwks_read(text, &set, got);

    if (fault == NULL) {
        good = rc == 0 && set != NULL;

    } else {
        good = rc == -1 && set == NULL && strcmp(got, fault) == 0;
    }

    if (!good) {
        printf("# %s\n", rc == 0 ? "it is a set" : got);
    }

    canopy_jwks_free(set);

    return good;
}


#endif /* JOSE_H */
