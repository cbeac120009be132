/*
 * A text is a set, or not with a message that is printable and holds nothing
 * of it; always the same for the same text.  A set is a JSON object with keys,
 * or PEM.  Whatever its keys are, no token passes without a signature, or with
 * one by an empty secret or of zeros; and no error is left for OpenSSL's next
 * caller.
 *
 * Input: the text.
 */

#include <jansson.h>
#include <openssl/err.h>

#include "canopy_jwk.h"
#include "fuzz.h"


static void check_set(canopy_slice_t text, const canopy_jwks_t *set);
static void check_fault(canopy_slice_t text, const char *fault);
static int is_json_set(canopy_slice_t text);


/* alg none; the others with {}, an HMAC of the empty secret, or zeros */
static const char *const  tokens[] = {
    "eyJhbGciOiJub25lIn0.e30.AA",
    "eyJhbGciOiJIUzI1NiJ9.e30.4E_Bsx-pJi3kOW9wVXN8CgbATwP09D9V5gxh9-9zSZ0",
    "eyJhbGciOiJIUzI1NiJ9.e30."
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "eyJhbGciOiJFUzI1NiJ9.e30."
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAA",
    "eyJhbGciOiJFZERTQSJ9.e30."
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAA",

    /* R is the point of order 1 */
    "eyJhbGciOiJFZERTQSJ9.e30."
        "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAAAA",
    "eyJhbGciOiJSUzI1NiJ9.e30.AA"
};


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int             rc;
    char            fault[CANOPY_JWKS_FAULT], again[CANOPY_JWKS_FAULT];
    canopy_slice_t  text;
    canopy_jwks_t  *set, *other;

    text = fuzz_copy(data, size);
    set = NULL;
    other = NULL;
    memset(fault, 0x7f, sizeof(fault));

    rc = canopy_jwks_read(text, &set, fault);
    check(rc == canopy_jwks_read(text, &other, again));

    check(ERR_peek_error() == 0);

    if (rc == 0) {
        check(set != NULL && other != NULL);
        check_set(text, set);

    } else {
        check(rc == -1 && set == NULL && other == NULL);
        check(strcmp(fault, again) == 0);
        check_fault(text, fault);
    }

    canopy_jwks_free(set);
    canopy_jwks_free(other);
    fuzz_free(text);

    return 0;
}


static void
check_set(canopy_slice_t text, const canopy_jwks_t *set)
{
    size_t              i;
    canopy_slice_t      token;
    canopy_signature_e  result;

    check(text.len <= CANOPY_JWKS_MAX);

    text = canopy_slice_trim(text);

    check(is_json_set(text)
          || (text.len > 52
              && memcmp(text.data, "-----BEGIN PUBLIC KEY-----", 26) == 0));

    for (i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        token = fuzz_copy(tokens[i], strlen(tokens[i]));

        result = canopy_jwks_verify(set, token);

        check(i == 0 ? result == CANOPY_SIGNATURE_ALGORITHM
              : result == CANOPY_SIGNATURE_KEY
                || result == CANOPY_SIGNATURE_INVALID);

        fuzz_free(token);
    }

    check(ERR_peek_error() == 0);
}


static void
check_fault(canopy_slice_t text, const char *fault)
{
    size_t  i, n;

    n = strnlen(fault, CANOPY_JWKS_FAULT);

    check(n > 0 && n < CANOPY_JWKS_FAULT);

    for (i = 0; i < n; i++) {
        check(fault[i] >= ' ' && fault[i] <= '~');
    }

    check(strcmp(fault, "there is no memory for it") != 0
          && strstr(fault, ": there is no memory for it") == NULL);

    check((text.len > CANOPY_JWKS_MAX)
          == (strncmp(fault, "it is longer", 12) == 0));
}


/* has it an array of keys with an object that has a kty in it? */
static int
is_json_set(canopy_slice_t text)
{
    int      found;
    size_t   i;
    json_t  *root, *keys;

    root = json_loadb((const char *) text.data, text.len,
                      JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL
                      |JSON_DECODE_INT_AS_REAL, NULL);

    keys = json_object_get(root, "keys");
    found = 0;

    for (i = 0; i < json_array_size(keys); i++) {
        found |= json_is_string(json_object_get(json_array_get(keys, i),
                                                "kty"));
    }

    json_decref(root);

    return found;
}
