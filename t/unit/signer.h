/*
 * An issuer with a key of each kind, whose kids are their kinds and which have
 * no alg.
 */

#ifndef SIGNER_H
#define SIGNER_H


#include "jose.h"


#define SIGNER_ALGS   13
#define SIGNER_KINDS  6

#define SIGNER_PAYLOAD                                                        \
    "{\"iss\":\"https://issuer/\",\"sub\":\"a\",\"exp\":1760000000}"


static const char *const  signer_algs[SIGNER_ALGS] = {
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
    "ES512", "EdDSA", "HS256", "HS384", "HS512"
};

static const char *const  signer_kinds[SIGNER_KINDS] = {
    "RSA", "P-256", "P-384", "P-521", "Ed25519", "oct"
};

static jose_key_t  signer_keys[SIGNER_KINDS];

static const uint8_t  signer_secret[64] =
    "a secret of sixty-four bytes, known to whoever reads the test.";


static inline void
signer_begin(void)
{
    size_t  i;

    for (i = 0; i < SIGNER_KINDS - 1; i++) {
        signer_keys[i] = jose_key(signer_kinds[i]);
    }

    signer_keys[i] = jose_oct(signer_secret, sizeof(signer_secret));
}


static inline void
signer_end(void)
{
    size_t  i;

    for (i = 0; i < SIGNER_KINDS; i++) {
        EVP_PKEY_free(signer_keys[i].pkey);
    }
}


static inline jose_key_t *
signer_key(const char *alg)
{
    return strcmp(alg, "EdDSA") == 0 ? &signer_keys[4]
           : alg[0] == 'H' ? &signer_keys[5]
           : alg[0] != 'E' ? &signer_keys[0]
           : alg[2] == '2' ? &signer_keys[1]
           : alg[2] == '3' ? &signer_keys[2] : &signer_keys[3];
}


static inline canopy_jwks_t *
signer_set_of(const jose_key_t *key, const char *more)
{
    char  jwk[4096], text[JOSE_ROOM];

    jose_jwk(key, more, jwk);
    sprintf(text, "{\"keys\":[%s]}", jwk);

    return jose_set(text);
}


static inline canopy_jwks_t *
signer_set(void)
{
    char    text[JOSE_ROOM], more[64], *p;
    size_t  i;

    p = text + sprintf(text, "{\"keys\":[");

    for (i = 0; i < SIGNER_KINDS; i++) {
        sprintf(more, ",\"kid\":\"%s\"", signer_kinds[i]);
        jose_jwk(&signer_keys[i], more, p);
        p += strlen(p);
        *p++ = i + 1 < SIGNER_KINDS ? ',' : ']';
    }

    strcpy(p, "}");

    return jose_set(text);
}


static inline void
signer_sign(const char *alg, const char *header, char *dst)
{
    jose_sign(signer_key(alg), alg, header, SIGNER_PAYLOAD, dst);
}


/* a copy: valgrind and AddressSanitizer see where it ends */
static inline canopy_signature_e
signer_verify(const canopy_jwks_t *set, const char *text)
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


#endif /* SIGNER_H */
