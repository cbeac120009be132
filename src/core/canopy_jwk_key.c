#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "canopy_bearer.h"
#include "canopy_jwk_key.h"


#define MISSING     0
#define NO_STRING   1
#define NO_BASE64   2


/* one decoded member, its memory is the caller's to free */
typedef struct {
    uint8_t         *p;
    canopy_slice_t   value;
} member_t;


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
static canopy_jwk_result_e read_rsa(json_t *jwk, canopy_jwk_t *key,
    const char **fault);
static canopy_jwk_result_e read_ec(json_t *jwk, canopy_jwk_t *key,
    const char **fault);
static canopy_jwk_result_e read_ed25519(json_t *jwk, canopy_jwk_t *key,
    const char **fault);
static canopy_jwk_result_e read_oct(json_t *jwk, canopy_jwk_t *key,
    const char **fault);
static int read_member(json_t *jwk, const char *name,
    const char *const *faults, member_t *member, const char **fault);
static void free_member(member_t *member);
static int says(json_t *string, const char *text);
static canopy_jwk_result_e refuse(const char **fault, const char *why);


static const char *const  kinds[] = {
    "RSA", "P-256", "P-384", "P-521", "Ed25519", "oct"
};


#define FAULTS(name)                                                          \
    { "\"" name "\" is missing", "\"" name "\" is not a string",              \
      "\"" name "\" is not base64url without padding" }

static const char *const  n_faults[] = FAULTS("n");
static const char *const  e_faults[] = FAULTS("e");
static const char *const  x_faults[] = FAULTS("x");
static const char *const  y_faults[] = FAULTS("y");
static const char *const  k_faults[] = FAULTS("k");


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

    switch (key->kind) {

    case CANOPY_JWK_RSA:
        return read_rsa(jwk, key, fault);

    case CANOPY_JWK_ED25519:
        return read_ed25519(jwk, key, fault);

    case CANOPY_JWK_OCT:
        return read_oct(jwk, key, fault);

    default:
        return read_ec(jwk, key, fault);
    }
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
    size_t   i, n;
    json_t  *ops, *op;
    canopy_jwk_result_e  result;

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
        return refuse(fault, "there is no memory for it");
    }

    memcpy(key->kid, json_string_value(kid), key->kid_len + 1);

    return CANOPY_JWK_OK;
}


static canopy_jwk_result_e
read_rsa(json_t *jwk, canopy_jwk_t *key, const char **fault)
{
    int       rc;
    member_t  n, e;

    rc = read_member(jwk, "n", n_faults, &n, fault);
    if (rc != 0) {
        return CANOPY_JWK_FAULT;
    }

    rc = read_member(jwk, "e", e_faults, &e, fault);

    if (rc == 0) {
        rc = canopy_jwk_rsa(key, n.value, e.value, fault);
        free_member(&e);
    }

    free_member(&n);

    return rc == 0 ? CANOPY_JWK_OK : CANOPY_JWK_FAULT;
}


static canopy_jwk_result_e
read_ec(json_t *jwk, canopy_jwk_t *key, const char **fault)
{
    int             rc;
    size_t          len;
    uint8_t         bytes[1 + 2 * CANOPY_JWK_COORDINATE_MAX];
    member_t        x, y;
    canopy_slice_t  point;

    len = canopy_jwk_coordinate(key->kind);

    rc = read_member(jwk, "x", x_faults, &x, fault);
    if (rc != 0) {
        return CANOPY_JWK_FAULT;
    }

    rc = read_member(jwk, "y", y_faults, &y, fault);
    if (rc != 0) {
        free_member(&x);
        return CANOPY_JWK_FAULT;
    }

    if (x.value.len != len) {
        *fault = "\"x\" has not the length of its curve";
        rc = -1;

    } else if (y.value.len != len) {
        *fault = "\"y\" has not the length of its curve";
        rc = -1;

    } else {
        bytes[0] = 0x04;
        memcpy(bytes + 1, x.value.data, len);
        memcpy(bytes + 1 + len, y.value.data, len);

        point.data = bytes;
        point.len = 1 + 2 * len;

        rc = canopy_jwk_ec(key, point, fault);
    }

    free_member(&x);
    free_member(&y);

    return rc == 0 ? CANOPY_JWK_OK : CANOPY_JWK_FAULT;
}


static canopy_jwk_result_e
read_ed25519(json_t *jwk, canopy_jwk_t *key, const char **fault)
{
    int       rc;
    member_t  x;

    rc = read_member(jwk, "x", x_faults, &x, fault);

    if (rc == 0) {
        rc = canopy_jwk_ed25519(key, x.value, fault);
        free_member(&x);
    }

    return rc == 0 ? CANOPY_JWK_OK : CANOPY_JWK_FAULT;
}


static canopy_jwk_result_e
read_oct(json_t *jwk, canopy_jwk_t *key, const char **fault)
{
    size_t             least;
    member_t           k;
    canopy_jwk_hash_e  hash;

    if (read_member(jwk, "k", k_faults, &k, fault) != 0) {
        return CANOPY_JWK_FAULT;
    }

    key->secret = k.p;
    key->secret_len = k.value.len;

    /* RFC 7518, section 3.2 */

    hash = key->alg ? key->alg->hash : CANOPY_JWK_SHA256;
    least = canopy_jwk_hash_len(hash);

    if (key->secret_len < least) {
        return refuse(fault, least == 32 ? "\"k\" is shorter than 32 bytes"
                             : least == 48 ? "\"k\" is shorter than 48 bytes"
                             : "\"k\" is shorter than 64 bytes");
    }

    return CANOPY_JWK_OK;
}


static int
read_member(json_t *jwk, const char *name, const char *const *faults,
    member_t *member, const char **fault)
{
    long             n;
    json_t          *value;
    canopy_slice_t   text;

    value = json_object_get(jwk, name);

    if (value == NULL) {
        *fault = faults[MISSING];
        return -1;
    }

    if (!json_is_string(value)) {
        *fault = faults[NO_STRING];
        return -1;
    }

    text.data = (const uint8_t *) json_string_value(value);
    text.len = json_string_length(value);

    member->p = malloc(canopy_base64url_size(text.len));
    if (member->p == NULL) {
        *fault = "there is no memory for it";
        return -1;
    }

    n = canopy_base64url_strict(text, member->p);

    member->value.data = member->p;
    member->value.len = n > 0 ? (size_t) n : 0;

    if (n == -1) {
        OPENSSL_cleanse(member->p, canopy_base64url_size(text.len));
        free_member(member);
        *fault = faults[NO_BASE64];
        return -1;
    }

    return 0;
}


static void
free_member(member_t *member)
{
    free(member->p);
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
