#include <string.h>

#include "canopy_jwk_alg.h"


#define ALG(name, kind, scheme, hash)                                         \
    { canopy_slice(name), CANOPY_JWK_ ## kind, CANOPY_JWK_ ## scheme,         \
      CANOPY_JWK_ ## hash }


static const canopy_jwk_alg_t  algs[] = {
    ALG("RS256", RSA, PKCS1, SHA256),
    ALG("RS384", RSA, PKCS1, SHA384),
    ALG("RS512", RSA, PKCS1, SHA512),
    ALG("PS256", RSA, PSS, SHA256),
    ALG("PS384", RSA, PSS, SHA384),
    ALG("PS512", RSA, PSS, SHA512),
    ALG("ES256", P256, ECDSA, SHA256),
    ALG("ES384", P384, ECDSA, SHA384),
    ALG("ES512", P521, ECDSA, SHA512),
    ALG("EdDSA", ED25519, EDDSA, SHA512),
    ALG("HS256", OCT, HMAC, SHA256),
    ALG("HS384", OCT, HMAC, SHA384),
    ALG("HS512", OCT, HMAC, SHA512)
};


static const struct {
    const char  *name;
    size_t       len;
} hashes[CANOPY_JWK_HASHES] = {
    { "SHA256", 32 },
    { "SHA384", 48 },
    { "SHA512", 64 }
};


const canopy_jwk_alg_t *
canopy_jwk_alg(canopy_slice_t name)
{
    size_t  i;

    for (i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
        if (name.len == algs[i].name.len
            && memcmp(name.data, algs[i].name.data, name.len) == 0)
        {
            return &algs[i];
        }
    }

    return NULL;
}


const char *
canopy_jwk_hash_name(canopy_jwk_hash_e hash)
{
    return hashes[hash].name;
}


size_t
canopy_jwk_hash_len(canopy_jwk_hash_e hash)
{
    return hashes[hash].len;
}
