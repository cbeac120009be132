#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "canopy_jwk_key.h"


static canopy_jwk_result_e read_kty(json_t *jwk, canopy_jwk_t *key,
    const char **fault);
static canopy_jwk_result_e read_crv(json_t *jwk, canopy_jwk_t *key,
    canopy_jwk_kind_e first, canopy_jwk_kind_e last, const char **fault);
static canopy_jwk_result_e read_use(json_t *jwk, const char **fault);
static canopy_jwk_result_e read_key_ops(json_t *jwk, const char **fault);
static canopy_jwk_result_e read_alg(json_t *jwk, canopy_jwk_t *key,
    const char **fault);
static canopy_jwk_result_e read_kid(json_t *jwk, canopy_jwk_t *key,
    const char **fault);
static int says(json_t *string, const char *text);
static canopy_jwk_result_e refuse(const char **fault, const char *why);


static const char *const  kinds[] = {
    "RSA", "P-256", "P-384", "P-521", "Ed25519", "oct"
};


canopy_jwk_result_e
canopy_jwk_read(json_t *jwk, canopy_jwk_t *key, const char **fault)
{
    canopy_jwk_result_e  result;

    if (!json_is_object(jwk)) {
        return refuse(fault, "it is not an object");
    }

    result = read_kty(jwk, key, fault);

    if (result == CANOPY_JWK_OK) {
        result = read_use(jwk, fault);
    }

    if (result == CANOPY_JWK_OK) {
        result = read_key_ops(jwk, fault);
    }

    if (result == CANOPY_JWK_OK) {
        result = read_alg(jwk, key, fault);
    }

    if (result == CANOPY_JWK_OK) {
        result = read_kid(jwk, key, fault);
    }

    if (result != CANOPY_JWK_OK) {
        return result;
    }

    return canopy_jwk_read_numbers(jwk, key, fault) == 0 ? CANOPY_JWK_OK
                                                         : CANOPY_JWK_FAULT;
}


void
canopy_jwk_clear(canopy_jwk_t *key)
{
    if (key->secret) {
        OPENSSL_cleanse(key->secret, key->secret_len);
    }

    EVP_PKEY_free(key->public);
    free(key->secret);
    free(key->kid);

    memset(key, 0, sizeof(canopy_jwk_t));
}


static canopy_jwk_result_e
read_kty(json_t *jwk, canopy_jwk_t *key, const char **fault)
{
    json_t  *kty;

    kty = json_object_get(jwk, "kty");

    if (kty == NULL) {
        return refuse(fault, "\"kty\" is missing");
    }

    if (!json_is_string(kty)) {
        return refuse(fault, "\"kty\" is not a string");
    }

    if (says(kty, "RSA")) {
        key->kind = CANOPY_JWK_RSA;
        return CANOPY_JWK_OK;
    }

    if (says(kty, "oct")) {
        key->kind = CANOPY_JWK_OCT;
        return CANOPY_JWK_OK;
    }

    if (says(kty, "EC")) {
        return read_crv(jwk, key, CANOPY_JWK_P256, CANOPY_JWK_P521, fault);
    }

    if (says(kty, "OKP")) {
        return read_crv(jwk, key, CANOPY_JWK_ED25519, CANOPY_JWK_ED25519,
                        fault);
    }

    return CANOPY_JWK_PASSED_OVER;
}


static canopy_jwk_result_e
read_crv(json_t *jwk, canopy_jwk_t *key, canopy_jwk_kind_e first,
    canopy_jwk_kind_e last, const char **fault)
{
    json_t             *crv;
    canopy_jwk_kind_e   kind;

    crv = json_object_get(jwk, "crv");

    if (crv == NULL) {
        return refuse(fault, "\"crv\" is missing");
    }

    if (!json_is_string(crv)) {
        return refuse(fault, "\"crv\" is not a string");
    }

    for (kind = first; kind <= last; kind++) {
        if (says(crv, kinds[kind])) {
            key->kind = kind;
            return CANOPY_JWK_OK;
        }
    }

    return CANOPY_JWK_PASSED_OVER;
}


static canopy_jwk_result_e
read_use(json_t *jwk, const char **fault)
{
    json_t  *use;

    use = json_object_get(jwk, "use");

    if (use == NULL) {
        return CANOPY_JWK_OK;
    }

    if (!json_is_string(use)) {
        return refuse(fault, "\"use\" is not a string");
    }

    return says(use, "sig") ? CANOPY_JWK_OK : CANOPY_JWK_PASSED_OVER;
}


static canopy_jwk_result_e
read_key_ops(json_t *jwk, const char **fault)
{
    size_t                i, n;
    json_t               *ops, *op;
    canopy_jwk_result_e   result;

    ops = json_object_get(jwk, "key_ops");

    if (ops == NULL) {
        return CANOPY_JWK_OK;
    }

    if (!json_is_array(ops)) {
        return refuse(fault, "\"key_ops\" is not an array");
    }

    result = CANOPY_JWK_PASSED_OVER;

    n = json_array_size(ops);

    for (i = 0; i < n; i++) {
        op = json_array_get(ops, i);

        if (!json_is_string(op)) {
            return refuse(fault, "\"key_ops\" is not an array of strings");
        }

        if (says(op, "verify")) {
            result = CANOPY_JWK_OK;
        }
    }

    return result;
}


static canopy_jwk_result_e
read_alg(json_t *jwk, canopy_jwk_t *key, const char **fault)
{
    json_t          *alg;
    canopy_slice_t   name;

    alg = json_object_get(jwk, "alg");

    if (alg == NULL) {
        return CANOPY_JWK_OK;
    }

    if (!json_is_string(alg)) {
        return refuse(fault, "\"alg\" is not a string");
    }

    name.data = (const uint8_t *) json_string_value(alg);
    name.len = json_string_length(alg);

    key->alg = canopy_jwk_alg(name);

    if (key->alg == NULL) {

        /* no token can be its: RSA-OAEP, say, without a use */

        return CANOPY_JWK_PASSED_OVER;
    }

    if (key->alg->kind != key->kind) {
        return refuse(fault, "\"alg\" is not one of its kty and crv");
    }

    return CANOPY_JWK_OK;
}


static canopy_jwk_result_e
read_kid(json_t *jwk, canopy_jwk_t *key, const char **fault)
{
    json_t  *kid;

    kid = json_object_get(jwk, "kid");

    if (kid == NULL) {
        return CANOPY_JWK_OK;
    }

    if (!json_is_string(kid)) {
        return refuse(fault, "\"kid\" is not a string");
    }

    key->kid_len = json_string_length(kid);
    key->kid = malloc(key->kid_len + 1);

    if (key->kid == NULL) {
        return refuse(fault, CANOPY_JWK_NO_MEMORY);
    }

    memcpy(key->kid, json_string_value(kid), key->kid_len + 1);

    return CANOPY_JWK_OK;
}


static int
says(json_t *string, const char *text)
{
    size_t  len;

    len = strlen(text);

    return json_string_length(string) == len
           && memcmp(json_string_value(string), text, len) == 0;
}


static canopy_jwk_result_e
refuse(const char **fault, const char *why)
{
    *fault = why;
    return CANOPY_JWK_FAULT;
}
