/*
 * The signature algorithms of RFC 7518, section 3.1, and RFC 8037, and which
 * kinds of keys they are for.  For canopy_jwk*.c only.
 */

#ifndef CANOPY_JWK_ALG_H
#define CANOPY_JWK_ALG_H


#include "canopy_slice.h"


typedef enum {
    CANOPY_JWK_RSA = 0,
    CANOPY_JWK_P256,
    CANOPY_JWK_P384,
    CANOPY_JWK_P521,
    CANOPY_JWK_ED25519,
    CANOPY_JWK_OCT
} canopy_jwk_kind_e;


typedef enum {
    CANOPY_JWK_PKCS1 = 0,
    CANOPY_JWK_PSS,
    CANOPY_JWK_ECDSA,
    CANOPY_JWK_EDDSA,
    CANOPY_JWK_HMAC
} canopy_jwk_scheme_e;


/* the hashes, by their place in a set */
typedef enum {
    CANOPY_JWK_SHA256 = 0,
    CANOPY_JWK_SHA384,
    CANOPY_JWK_SHA512,
    CANOPY_JWK_HASHES
} canopy_jwk_hash_e;


typedef struct {
    canopy_slice_t       name;
    canopy_jwk_kind_e    kind;
    canopy_jwk_scheme_e  scheme;
    canopy_jwk_hash_e    hash;
} canopy_jwk_alg_t;


/*
 * Returns  the algorithm of that very name, or NULL.
 */
const canopy_jwk_alg_t *canopy_jwk_alg(canopy_slice_t name);

/*
 * A hash's name, OpenSSL's, and its length in bytes.
 */
const char *canopy_jwk_hash_name(canopy_jwk_hash_e hash);
size_t canopy_jwk_hash_len(canopy_jwk_hash_e hash);


#endif /* CANOPY_JWK_ALG_H */
