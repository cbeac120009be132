/*
 * One key, and how it is made.  For canopy_jwk*.c only.
 */

#ifndef CANOPY_JWK_KEY_H
#define CANOPY_JWK_KEY_H


#include <jansson.h>
#include <openssl/evp.h>

#include "canopy_jwk_alg.h"


#define CANOPY_JWK_RSA_MIN       2048       /* bits */
#define CANOPY_JWK_RSA_MAX       16384
#define CANOPY_JWK_EXPONENT_MAX  64         /* bits: what e costs is bounded */

#define CANOPY_JWK_COORDINATE_MAX  66       /* bytes: P-521 */

#define CANOPY_JWK_NO_MEMORY  "there is no memory for it"
#define CANOPY_JWK_OFF_CURVE  "its point is not on its curve"


typedef struct {
    canopy_jwk_kind_e        kind;
    const canopy_jwk_alg_t  *alg;           /* NULL: any of its kind */
    EVP_PKEY                *public;        /* NULL: it is an oct */
    uint8_t                 *secret;        /* of an oct, its own */
    size_t                   secret_len;
    uint8_t                 *kid;           /* NULL: none; its own */
    size_t                   kid_len;
} canopy_jwk_t;


struct canopy_jwks_s {
    size_t                   n;
    canopy_jwk_t            *keys;
    EVP_MD                  *hashes[CANOPY_JWK_HASHES];
};


typedef enum {
    CANOPY_JWK_OK = 0,
    CANOPY_JWK_PASSED_OVER,
    CANOPY_JWK_FAULT
} canopy_jwk_result_e;


/*
 * Reads a JWK.
 *
 * In:      *key, zeroed.
 * Out:     *key, to be given to canopy_jwk_clear() whatever is returned;
 *          after CANOPY_JWK_FAULT *fault, what is wrong with it, constant: "n"
 *          is missing.
 */
canopy_jwk_result_e canopy_jwk_read(json_t *jwk, canopy_jwk_t *key,
    const char **fault);

/*
 * Reads a public key in PEM, as above; it is never passed over.
 */
canopy_jwk_result_e canopy_jwk_read_pem(canopy_slice_t text,
    canopy_jwk_t *key, const char **fault);

void canopy_jwk_clear(canopy_jwk_t *key);


/*
 * The members that are the key itself.
 *
 * In:      key->kind and key->alg.
 * Out:     key->public or key->secret.
 * Returns  0; -1 and *fault, constant.
 */
int canopy_jwk_read_numbers(json_t *jwk, canopy_jwk_t *key,
    const char **fault);


/*
 * The public keys, from big-endian numbers and points.
 *
 * Out:     key->public.
 * Returns  0; -1 and *fault, constant.
 */
int canopy_jwk_rsa(canopy_jwk_t *key, canopy_slice_t n, canopy_slice_t e,
    const char **fault);

/*
 * In:      key->kind, the curve; point, uncompressed (SEC 1, section 2.3.3).
 */
int canopy_jwk_ec(canopy_jwk_t *key, canopy_slice_t point,
    const char **fault);

int canopy_jwk_ed25519(canopy_jwk_t *key, canopy_slice_t x,
    const char **fault);

/*
 * The curves of EC: the length of a coordinate in bytes.
 */
size_t canopy_jwk_coordinate(canopy_jwk_kind_e kind);


#endif /* CANOPY_JWK_KEY_H */
