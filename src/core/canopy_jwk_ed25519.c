#include <string.h>

#include <openssl/bn.h>

#include "canopy_jwk_key.h"


#define LEN  32

/* RFC 8032, section 5.1 */
#define P  "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed"
#define D  "52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3"


static const char *point_fault(const uint8_t *x);
static const char *number_fault(const BIGNUM *y, const BIGNUM *p,
    const BIGNUM *d, BN_CTX *ctx);


int
canopy_jwk_ed25519(canopy_jwk_t *key, canopy_slice_t x, const char **fault)
{
    if (x.len != LEN) {
        *fault = "\"x\" has not the length of its curve";
        return -1;
    }

    *fault = point_fault(x.data);
    if (*fault) {
        return -1;
    }

    key->public = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL,
                                                 x.data, x.len);
    if (key->public == NULL) {
        *fault = CANOPY_JWK_NO_MEMORY;
        return -1;
    }

    return 0;
}


/*
 * OpenSSL takes any bytes; by a key that is no point nothing is ever verified,
 * and by one of small order, such as all zeros, nearly anything.
 */
static const char *
point_fault(const uint8_t *x)
{
    BIGNUM      *y, *p, *d;
    BN_CTX      *ctx;
    uint8_t      bytes[LEN];
    const char  *fault;

    memcpy(bytes, x, LEN);
    bytes[LEN - 1] &= 0x7f;     /* the sign of the other coordinate */

    p = NULL;
    d = NULL;
    y = BN_lebin2bn(bytes, LEN, NULL);
    ctx = BN_CTX_new();

    if (y == NULL || ctx == NULL || !BN_hex2bn(&p, P) || !BN_hex2bn(&d, D)) {
        fault = CANOPY_JWK_NO_MEMORY;

    } else if (BN_cmp(y, p) >= 0) {
        fault = CANOPY_JWK_OFF_CURVE;

    } else {
        BN_CTX_start(ctx);
        fault = number_fault(y, p, d, ctx);
        BN_CTX_end(ctx);
    }

    BN_CTX_free(ctx);
    BN_free(y);
    BN_free(p);
    BN_free(d);

    return fault;
}


/*
 * y is of a point if u/v is a square, for u = y^2 - 1 and v = dy^2 + 1, which
 * is if uv is one; the orders of 1, 2, 4 and 8 have u = 0, y = 0 and, for the
 * double has no y, vy^2 + u = 0.
 */
static const char *
number_fault(const BIGNUM *y, const BIGNUM *p, const BIGNUM *d, BN_CTX *ctx)
{
    int      residue;
    BIGNUM  *u, *v, *w;

    u = BN_CTX_get(ctx);
    v = BN_CTX_get(ctx);
    w = BN_CTX_get(ctx);

    if (w == NULL
        || !BN_mod_sqr(w, y, p, ctx)
        || !BN_mod_sub(u, w, BN_value_one(), p, ctx)
        || !BN_mod_mul(v, w, d, p, ctx)
        || !BN_mod_add(v, v, BN_value_one(), p, ctx)
        || !BN_mod_mul(w, w, v, p, ctx)
        || !BN_mod_add(w, w, u, p, ctx))
    {
        return CANOPY_JWK_NO_MEMORY;
    }

    if (BN_is_zero(y) || BN_is_zero(u) || BN_is_zero(w)) {
        return "\"x\" is a point of small order";
    }

    if (!BN_mod_mul(v, v, u, p, ctx)) {
        return CANOPY_JWK_NO_MEMORY;
    }

    residue = BN_kronecker(v, p, ctx);

    return residue == 1 ? NULL
           : residue == -1 ? CANOPY_JWK_OFF_CURVE
           : CANOPY_JWK_NO_MEMORY;
}
