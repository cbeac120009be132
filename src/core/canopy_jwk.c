#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "canopy_jansson.h"
#include "canopy_jwk.h"
#include "canopy_jwk_key.h"


#define LOAD_FLAGS                                                            \
    (JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL|JSON_DECODE_INT_AS_REAL)


static int read_set(canopy_slice_t text, canopy_jwks_t *set, char *fault);
static int read_pem(canopy_slice_t text, canopy_jwks_t *set, char *fault);
static int read_json(canopy_slice_t text, canopy_jwks_t *set, char *fault);
static int read_keys(json_t *keys, canopy_jwks_t *set, char *fault);
static int fetch_hashes(canopy_jwks_t *set);
static int load_fault(const json_error_t *error, char *fault);
static int is_pem(canopy_slice_t text);
static int refuse(char *fault, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));


int
canopy_jwks_read(canopy_slice_t text, canopy_jwks_t **set,
    char fault[CANOPY_JWKS_FAULT])
{
    int                rc;
    canopy_jwks_t     *s;
    canopy_jansson_t   j;

    s = calloc(1, sizeof(canopy_jwks_t));
    if (s == NULL) {
        return refuse(fault, CANOPY_JWK_NO_MEMORY);
    }

    /* whoever looks at OpenSSL's errors next is not to see ours */

    ERR_set_mark();
    canopy_jansson_begin(&j);

    rc = read_set(text, s, fault);

    canopy_jansson_end(&j);
    ERR_pop_to_mark();

    if (rc != 0) {
        canopy_jwks_free(s);
        return -1;
    }

    *set = s;

    return 0;
}


void
canopy_jwks_free(canopy_jwks_t *set)
{
    size_t  i;

    if (set == NULL) {
        return;
    }

    for (i = 0; i < set->n; i++) {
        canopy_jwk_clear(&set->keys[i]);
    }

    for (i = 0; i < CANOPY_JWK_HASHES; i++) {
        EVP_MD_free(set->hashes[i]);
    }

    free(set->keys);
    free(set);
}


static int
read_set(canopy_slice_t text, canopy_jwks_t *set, char *fault)
{
    if (text.len > CANOPY_JWKS_MAX) {
        return refuse(fault, "it is longer than %d bytes", CANOPY_JWKS_MAX);
    }

    text = canopy_slice_trim(text);

    if (text.len == 0) {
        return refuse(fault, "it is empty");
    }

    if (fetch_hashes(set) != 0) {
        return refuse(fault, CANOPY_JWK_NO_MEMORY);
    }

    return is_pem(text) ? read_pem(text, set, fault)
                        : read_json(text, set, fault);
}


static int
fetch_hashes(canopy_jwks_t *set)
{
    size_t  i;

    for (i = 0; i < CANOPY_JWK_HASHES; i++) {
        set->hashes[i] = EVP_MD_fetch(NULL, canopy_jwk_hash_name(i), NULL);

        if (set->hashes[i] == NULL) {
            return -1;
        }
    }

    return 0;
}


static int
is_pem(canopy_slice_t text)
{
    static const char  begin[] = "-----BEGIN ";

    return text.len >= sizeof(begin) - 1
           && memcmp(text.data, begin, sizeof(begin) - 1) == 0;
}


static int
read_pem(canopy_slice_t text, canopy_jwks_t *set, char *fault)
{
    const char  *why;

    set->keys = calloc(1, sizeof(canopy_jwk_t));
    if (set->keys == NULL) {
        return refuse(fault, CANOPY_JWK_NO_MEMORY);
    }

    set->n = 1;

    if (canopy_jwk_read_pem(text, &set->keys[0], &why) != CANOPY_JWK_OK) {
        return refuse(fault, "PEM: %s", why);
    }

    return 0;
}


static int
read_json(canopy_slice_t text, canopy_jwks_t *set, char *fault)
{
    int           rc;
    json_t       *root, *keys;
    json_error_t  error;

    if (canopy_jansson_load(text, LOAD_FLAGS, &root, &error) != 0) {
        return refuse(fault, CANOPY_JWK_NO_MEMORY);
    }

    if (root == NULL) {
        rc = load_fault(&error, fault);

        /* it quotes the text */
        OPENSSL_cleanse(&error, sizeof(json_error_t));

        return rc;
    }

    keys = json_object_get(root, "keys");

    if (!json_is_object(root)) {
        rc = refuse(fault, "it is not a JSON object");

    } else if (keys == NULL) {
        rc = refuse(fault, "\"keys\" is missing");

    } else if (!json_is_array(keys)) {
        rc = refuse(fault, "\"keys\" is not an array");

    } else {
        rc = read_keys(keys, set, fault);
    }

    json_decref(root);

    return rc;
}


static int
load_fault(const json_error_t *error, char *fault)
{
    switch (json_error_code(error)) {

    case json_error_duplicate_key:
        return refuse(fault, "an object has a name twice, line %d, column %d",
                      error->line, error->column);

    case json_error_numeric_overflow:
        return refuse(fault, "a number is out of range, line %d, column %d",
                      error->line, error->column);

    default:
        return refuse(fault, "it is neither a JSON object nor a public key in "
                      "PEM, line %d, column %d", error->line, error->column);
    }
}


static int
read_keys(json_t *keys, canopy_jwks_t *set, char *fault)
{
    size_t                i, n;
    canopy_jwk_t         *key;
    const char           *why;
    canopy_jwk_result_e   result;

    n = json_array_size(keys);

    if (n) {
        set->keys = calloc(n, sizeof(canopy_jwk_t));
        if (set->keys == NULL) {
            return refuse(fault, CANOPY_JWK_NO_MEMORY);
        }
    }

    for (i = 0; i < n; i++) {
        key = &set->keys[set->n];

        result = canopy_jwk_read(json_array_get(keys, i), key, &why);

        if (result == CANOPY_JWK_OK) {
            set->n++;
            continue;
        }

        canopy_jwk_clear(key);

        if (result == CANOPY_JWK_FAULT) {
            return refuse(fault, "keys[%zu]: %s", i, why);
        }
    }

    if (set->n == 0) {
        return refuse(fault, "no key in it is one for verifying signatures");
    }

    return 0;
}


static int
refuse(char *fault, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    vsnprintf(fault, CANOPY_JWKS_FAULT, fmt, args);
    va_end(args);

    return -1;
}
