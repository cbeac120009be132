#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "canopy_jwk_key.h"


static canopy_jwk_result_e read_block(BIO *bio, canopy_jwk_t *key,
    const char **fault);
static canopy_jwk_result_e read_spki(const uint8_t *der, long len,
    canopy_jwk_t *key, const char **fault);
static int read_rsa(EVP_PKEY *public, canopy_jwk_t *key, const char **fault);
static int read_ec(EVP_PKEY *public, canopy_jwk_t *key, const char **fault);
static int read_ed25519(EVP_PKEY *public, canopy_jwk_t *key,
    const char **fault);
static int read_number(EVP_PKEY *public, const char *name, uint8_t *buf,
    size_t size, canopy_slice_t *number);


canopy_jwk_result_e
canopy_jwk_read_pem(canopy_slice_t text, canopy_jwk_t *key,
    const char **fault)
{
    BIO                  *bio;
    canopy_jwk_result_e   result;

    /* OpenSSL would read a line up to it */

    if (memchr(text.data, '\0', text.len) != NULL) {
        *fault = "it is damaged";
        return CANOPY_JWK_FAULT;
    }

    bio = BIO_new_mem_buf(text.data, (int) text.len);
    if (bio == NULL) {
        *fault = CANOPY_JWK_NO_MEMORY;
        return CANOPY_JWK_FAULT;
    }

    result = read_block(bio, key, fault);

    if (result == CANOPY_JWK_OK && !BIO_eof(bio)) {
        *fault = "there is more than one key, or other text, in it";
        result = CANOPY_JWK_FAULT;
    }

    BIO_free(bio);

    return result;
}


static canopy_jwk_result_e
read_block(BIO *bio, canopy_jwk_t *key, const char **fault)
{
    char                 *name, *header;
    long                  len;
    unsigned char        *der;
    canopy_jwk_result_e   result;

    name = NULL;
    header = NULL;
    der = NULL;
    len = 0;

    if (PEM_read_bio(bio, &name, &header, &der, &len) != 1) {
        *fault = "it is damaged";
        return CANOPY_JWK_FAULT;
    }

    if (strcmp(name, "PUBLIC KEY") != 0) {
        *fault = "it is not a PUBLIC KEY";
        result = CANOPY_JWK_FAULT;

    } else {
        result = read_spki(der, len, key, fault);
    }

    /* it may have been a private one */

    OPENSSL_clear_free(der, (size_t) len);
    OPENSSL_free(name);
    OPENSSL_free(header);

    return result;
}


static canopy_jwk_result_e
read_spki(const uint8_t *der, long len, canopy_jwk_t *key,
    const char **fault)
{
    int             rc;
    EVP_PKEY       *public;
    const uint8_t  *p;

    p = der;
    public = d2i_PUBKEY(NULL, &p, len);

    if (public == NULL || p != der + len) {
        *fault = "it is damaged";
        EVP_PKEY_free(public);
        return CANOPY_JWK_FAULT;
    }

    /* made anew from its numbers, with none of the parameters it came with */

    if (EVP_PKEY_is_a(public, "RSA")) {
        rc = read_rsa(public, key, fault);

    } else if (EVP_PKEY_is_a(public, "EC")) {
        rc = read_ec(public, key, fault);

    } else if (EVP_PKEY_is_a(public, "ED25519")) {
        rc = read_ed25519(public, key, fault);

    } else {
        *fault = "its algorithm is none of RSA, EC and Ed25519";
        rc = -1;
    }

    EVP_PKEY_free(public);

    return rc == 0 ? CANOPY_JWK_OK : CANOPY_JWK_FAULT;
}


static int
read_rsa(EVP_PKEY *public, canopy_jwk_t *key, const char **fault)
{
    uint8_t         n_bytes[CANOPY_JWK_RSA_MAX / 8];
    uint8_t         e_bytes[CANOPY_JWK_RSA_MAX / 8];
    canopy_slice_t  n, e;

    key->kind = CANOPY_JWK_RSA;

    if (read_number(public, OSSL_PKEY_PARAM_RSA_N, n_bytes, sizeof(n_bytes),
                    &n) != 0
        || read_number(public, OSSL_PKEY_PARAM_RSA_E, e_bytes,
                       sizeof(e_bytes), &e) != 0)
    {
        *fault = "it has more than 16384 bits";
        return -1;
    }

    return canopy_jwk_rsa(key, n, e, fault);
}


static int
read_number(EVP_PKEY *public, const char *name, uint8_t *buf, size_t size,
    canopy_slice_t *number)
{
    int      n;
    BIGNUM  *bn;

    bn = NULL;

    if (EVP_PKEY_get_bn_param(public, name, &bn) != 1) {
        return -1;
    }

    n = BN_num_bytes(bn);

    if ((size_t) n <= size) {
        number->data = buf;
        number->len = (size_t) BN_bn2bin(bn, buf);
    }

    BN_free(bn);

    return (size_t) n <= size ? 0 : -1;
}


static int
read_ec(EVP_PKEY *public, canopy_jwk_t *key, const char **fault)
{
    char            group[64];
    size_t          i;
    uint8_t         bytes[1 + 2 * CANOPY_JWK_COORDINATE_MAX];
    canopy_slice_t  point;

    static const struct {
        const char         *group;
        canopy_jwk_kind_e   kind;
    } groups[] = {
        { "prime256v1", CANOPY_JWK_P256 },
        { "secp384r1", CANOPY_JWK_P384 },
        { "secp521r1", CANOPY_JWK_P521 }
    };

    if (EVP_PKEY_get_group_name(public, group, sizeof(group), NULL) == 1) {

        for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {

            if (strcmp(group, groups[i].group) != 0) {
                continue;
            }

            point.data = bytes;

            if (EVP_PKEY_get_octet_string_param(public,
                       OSSL_PKEY_PARAM_PUB_KEY, bytes, sizeof(bytes),
                       &point.len) != 1)
            {
                *fault = CANOPY_JWK_OFF_CURVE;
                return -1;
            }

            key->kind = groups[i].kind;

            return canopy_jwk_ec(key, point, fault);
        }
    }

    *fault = "its curve is none of P-256, P-384 and P-521";

    return -1;
}


static int
read_ed25519(EVP_PKEY *public, canopy_jwk_t *key, const char **fault)
{
    uint8_t         bytes[32];
    canopy_slice_t  x;

    key->kind = CANOPY_JWK_ED25519;

    x.data = bytes;
    x.len = sizeof(bytes);

    if (EVP_PKEY_get_raw_public_key(public, bytes, &x.len) != 1) {
        *fault = CANOPY_JWK_NO_MEMORY;
        return -1;
    }

    return canopy_jwk_ed25519(key, x, fault);
}
