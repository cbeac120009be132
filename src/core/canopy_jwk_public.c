#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "canopy_jwk_key.h"


static const char *rsa_fault(const BIGNUM *n, const BIGNUM *e);
static EVP_PKEY *rsa_key(const BIGNUM *n, const BIGNUM *e);
static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params);
static int on_curve(EVP_PKEY *key);


static const struct {
    const char  *group;
    size_t       coordinate;
} curves[] = {
    [CANOPY_JWK_P256] = { "P-256", 32 },
    [CANOPY_JWK_P384] = { "P-384", 48 },
    [CANOPY_JWK_P521] = { "P-521", 66 }
};


int
canopy_jwk_rsa(canopy_jwk_t *key, canopy_slice_t n, canopy_slice_t e,
    const char **fault)
{
    BIGNUM  *bn, *be;

    /* a number of so many bytes could not be used; nor could its length */

    if (n.len > CANOPY_JWK_RSA_MAX || e.len > CANOPY_JWK_RSA_MAX) {
        *fault = "\"n\" or \"e\" is too long";
        return -1;
    }

    bn = BN_bin2bn(n.data, (int) n.len, NULL);
    be = BN_bin2bn(e.data, (int) e.len, NULL);

    if (bn == NULL || be == NULL) {
        *fault = CANOPY_JWK_NO_MEMORY;

    } else {
        *fault = rsa_fault(bn, be);

        if (*fault == NULL) {
            key->public = rsa_key(bn, be);
            *fault = CANOPY_JWK_NO_MEMORY;
        }
    }

    BN_free(bn);
    BN_free(be);

    return key->public ? 0 : -1;
}


static const char *
rsa_fault(const BIGNUM *n, const BIGNUM *e)
{
    if (BN_num_bits(n) < CANOPY_JWK_RSA_MIN) {
        return "\"n\" has less than 2048 bits";
    }

    if (BN_num_bits(n) > CANOPY_JWK_RSA_MAX) {
        return "\"n\" has more than 16384 bits";
    }

    if (!BN_is_odd(n)) {
        return "\"n\" is even";
    }

    if (!BN_is_odd(e) || BN_is_one(e)) {
        return "\"e\" is not an odd number of 3 or more";
    }

    if (BN_num_bits(e) > CANOPY_JWK_EXPONENT_MAX) {
        return "\"e\" has more than 64 bits";
    }

    return NULL;
}


static EVP_PKEY *
rsa_key(const BIGNUM *n, const BIGNUM *e)
{
    EVP_PKEY        *key;
    OSSL_PARAM      *params;
    OSSL_PARAM_BLD  *build;

    build = OSSL_PARAM_BLD_new();
    if (build == NULL) {
        return NULL;
    }

    key = NULL;

    if (OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n)
        && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e))
    {
        params = OSSL_PARAM_BLD_to_param(build);

        if (params) {
            key = from_params("RSA", params);
            OSSL_PARAM_free(params);
        }
    }

    OSSL_PARAM_BLD_free(build);

    return key;
}


size_t
canopy_jwk_coordinate(canopy_jwk_kind_e kind)
{
    return curves[kind].coordinate;
}


int
canopy_jwk_ec(canopy_jwk_t *key, canopy_slice_t point, const char **fault)
{
    OSSL_PARAM  params[3];

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                        (char *) curves[key->kind].group, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
                                        (void *) point.data, point.len);
    params[2] = OSSL_PARAM_construct_end();

    key->public = from_params("EC", params);

    if (key->public && on_curve(key->public)) {
        return 0;
    }

    *fault = CANOPY_JWK_OFF_CURVE;

    return -1;
}


static EVP_PKEY *
from_params(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY      *key;
    EVP_PKEY_CTX  *ctx;

    ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (ctx == NULL) {
        return NULL;
    }

    key = NULL;

    if (EVP_PKEY_fromdata_init(ctx) != 1
        || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
    {
        key = NULL;
    }

    EVP_PKEY_CTX_free(ctx);

    return key;
}


static int
on_curve(EVP_PKEY *key)
{
    int            rc;
    EVP_PKEY_CTX  *ctx;

    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    if (ctx == NULL) {
        return 0;
    }

    /* of a prime order, and so not its point's order, which takes a while */

    rc = EVP_PKEY_public_check_quick(ctx);

    EVP_PKEY_CTX_free(ctx);

    return rc == 1;
}
