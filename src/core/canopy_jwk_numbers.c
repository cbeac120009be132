#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "canopy_bearer.h"
#include "canopy_jwk_key.h"


#define MISSING     0
#define NO_STRING   1
#define NO_BASE64   2

#define FAULTS(name)                                                          \
    { "\"" name "\" is missing", "\"" name "\" is not a string",              \
      "\"" name "\" is not base64url without padding" }


/* one decoded member, its memory is the caller's to free */
typedef struct {
    uint8_t         *p;
    canopy_slice_t   value;
} member_t;


static int read_rsa(json_t *jwk, canopy_jwk_t *key, const char **fault);
static int read_ec(json_t *jwk, canopy_jwk_t *key, const char **fault);
static int read_ed25519(json_t *jwk, canopy_jwk_t *key, const char **fault);
static int read_oct(json_t *jwk, canopy_jwk_t *key, const char **fault);
static int read_member(json_t *jwk, const char *name,
    const char *const *faults, member_t *member, const char **fault);
static void free_member(member_t *member);


static const char *const  n_faults[] = FAULTS("n");
static const char *const  e_faults[] = FAULTS("e");
static const char *const  x_faults[] = FAULTS("x");
static const char *const  y_faults[] = FAULTS("y");
static const char *const  k_faults[] = FAULTS("k");


int
canopy_jwk_read_numbers(json_t *jwk, canopy_jwk_t *key, const char **fault)
{
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


static int
read_rsa(json_t *jwk, canopy_jwk_t *key, const char **fault)
{
    int       rc;
    member_t  n, e;

    rc = read_member(jwk, "n", n_faults, &n, fault);
    if (rc != 0) {
        return -1;
    }

    rc = read_member(jwk, "e", e_faults, &e, fault);

    if (rc == 0) {
        rc = canopy_jwk_rsa(key, n.value, e.value, fault);
        free_member(&e);
    }

    free_member(&n);

    return rc;
}


static int
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
        return -1;
    }

    rc = read_member(jwk, "y", y_faults, &y, fault);
    if (rc != 0) {
        free_member(&x);
        return -1;
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

    return rc;
}


static int
read_ed25519(json_t *jwk, canopy_jwk_t *key, const char **fault)
{
    int       rc;
    member_t  x;

    rc = read_member(jwk, "x", x_faults, &x, fault);

    if (rc == 0) {
        rc = canopy_jwk_ed25519(key, x.value, fault);
        free_member(&x);
    }

    return rc;
}


static int
read_oct(json_t *jwk, canopy_jwk_t *key, const char **fault)
{
    size_t             least;
    member_t           k;
    canopy_jwk_hash_e  hash;

    if (read_member(jwk, "k", k_faults, &k, fault) != 0) {
        return -1;
    }

    key->secret = k.p;
    key->secret_len = k.value.len;

    /* RFC 7518, section 3.2 */

    hash = key->alg ? key->alg->hash : CANOPY_JWK_SHA256;
    least = canopy_jwk_hash_len(hash);

    if (key->secret_len < least) {
        *fault = least == 32 ? "\"k\" is shorter than 32 bytes"
                 : least == 48 ? "\"k\" is shorter than 48 bytes"
                 : "\"k\" is shorter than 64 bytes";
        return -1;
    }

    return 0;
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
        *fault = CANOPY_JWK_NO_MEMORY;
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
