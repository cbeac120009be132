/*
 * A token passes only if it is, byte for byte, one that was made with the
 * private keys of the set.
 *
 * As the text of a header under which the signature is right, what becomes of
 * a token is what jansson's tree of the header says: its alg, crit, b64 and
 * kid.
 *
 * Input: a token, and a header.
 */

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "canopy_jwk.h"
#include "canopy_token.h"
#include "fuzz.h"
#include "tokens.h"


#define PAYLOAD  ".e30"


static void check_token(canopy_slice_t text);
static void check_header(canopy_slice_t text);
static canopy_signature_e expected(json_t *header);
static int is(json_t *string, const char *text);
static size_t encode(const uint8_t *data, size_t len, char *dst);


static const char *const  algs[] = {
    "HS256", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
    "ES384", "ES512", "EdDSA", "HS384", "HS512"
};

static canopy_jwks_t  *set;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char            fault[CANOPY_JWKS_FAULT];
    canopy_slice_t  text;

    if (set == NULL) {
        text = fuzz_copy(tokens_set, strlen(tokens_set));
        check(canopy_jwks_read(text, &set, fault) == 0);
        fuzz_free(text);
    }

    text = fuzz_copy(data, size);

    check_token(text);
    check_header(text);

    check(ERR_peek_error() == 0);

    fuzz_free(text);

    return 0;
}


static void
check_token(canopy_slice_t text)
{
    size_t              i, known;
    canopy_signature_e  result;

    known = 0;

    for (i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        known |= text.len == strlen(tokens[i])
                 && memcmp(text.data, tokens[i], text.len) == 0;
    }

    result = canopy_jwks_verify(set, text);

    check(result <= CANOPY_SIGNATURE_INVALID);
    check(known == (result == CANOPY_SIGNATURE_OK));
}


static void
check_header(canopy_slice_t text)
{
    char                 token[12000];
    size_t               n, len;
    json_t              *header;
    uint8_t              mac[32];
    canopy_slice_t       copy;
    canopy_claims_t      claims;
    canopy_signature_e   result;

    if (text.len == 0 || text.len > CANOPY_TOKEN_MAX / 2) {
        return;
    }

    n = encode(text.data, text.len, token);
    memcpy(token + n, PAYLOAD, strlen(PAYLOAD));
    n += strlen(PAYLOAD);

    check(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, TOKENS_SECRET,
                    strlen(TOKENS_SECRET), (const uint8_t *) token, n, mac,
                    sizeof(mac), &len) != NULL);

    token[n++] = '.';
    n += encode(mac, sizeof(mac), token + n);

    copy = fuzz_copy(token, n);

    result = canopy_jwks_verify(set, copy);

    if (canopy_token_check(copy, &claims) == CANOPY_TOKEN_OK) {
        header = json_loadb((const char *) text.data, text.len,
                            JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL
                            |JSON_DECODE_INT_AS_REAL, NULL);

        /* but for its limits, of numbers and of depth */

        check(header == NULL || result == expected(header));

        json_decref(header);

    } else {
        check(result != CANOPY_SIGNATURE_OK);
    }

    fuzz_free(copy);
}


static canopy_signature_e
expected(json_t *header)
{
    size_t   i, n;
    json_t  *alg, *kid, *b64;

    static const char *const  kids[] = {
        "oct", "RSA", "RSA", "RSA", "RSA", "RSA", "RSA", "P-256", "P-384",
        "P-521", "Ed25519", "oct", "oct"
    };

    alg = json_object_get(header, "alg");
    kid = json_object_get(header, "kid");
    b64 = json_object_get(header, "b64");

    n = sizeof(algs) / sizeof(algs[0]);

    for (i = 0; i < n && !is(alg, algs[i]); i++) { /* void */ }

    if (i == n) {
        return CANOPY_SIGNATURE_ALGORITHM;
    }

    if (json_object_get(header, "crit") || (b64 && !json_is_true(b64))) {
        return CANOPY_SIGNATURE_CRITICAL;
    }

    if (kid && !is(kid, kids[i])) {
        return CANOPY_SIGNATURE_KEY;
    }

    return i == 0 ? CANOPY_SIGNATURE_OK : CANOPY_SIGNATURE_INVALID;
}


static int
is(json_t *string, const char *text)
{
    return json_is_string(string)
           && json_string_length(string) == strlen(text)
           && memcmp(json_string_value(string), text, strlen(text)) == 0;
}


static size_t
encode(const uint8_t *data, size_t len, char *dst)
{
    size_t  i, n;

    n = (size_t) EVP_EncodeBlock((unsigned char *) dst, data, (int) len);

    while (n && dst[n - 1] == '=') {
        n--;
    }

    for (i = 0; i < n; i++) {
        dst[i] = dst[i] == '+' ? '-' : dst[i] == '/' ? '_' : dst[i];
    }

    return n;
}
