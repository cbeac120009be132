/*
 * The token is what stands behind "Bearer", in any case, and spaces, to the
 * end.  base64url is decoded as OpenSSL decodes the same in base64, into
 * exactly as much memory as the result needs; a text that has a character out
 * of the alphabet or a length no coding has is refused, decoded or only
 * checked; strictly, so is one that OpenSSL would not have written.
 *
 * Input: the value of an Authorization field, and a text in base64url.
 */

#include <strings.h>

#include <openssl/evp.h>

#include "canopy_bearer.h"
#include "fuzz.h"


static void check_bearer(canopy_slice_t value);
static void check_base64url(canopy_slice_t text);
static int oracle(canopy_slice_t text, unsigned char *dst);
static int is_canonical(canopy_slice_t text, const unsigned char *decoded,
    int n);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    canopy_slice_t  text;

    text = fuzz_copy(data, size);

    check_bearer(text);
    check_base64url(text);

    fuzz_free(text);

    return 0;
}


static void
check_bearer(canopy_slice_t value)
{
    int             rc;
    size_t          n;
    canopy_slice_t  token;

    token.data = NULL;
    token.len = 0;

    rc = canopy_bearer(value, &token);

    n = strlen("Bearer");

    if (value.len > n
        && strncasecmp((const char *) value.data, "Bearer", n) == 0
        && value.data[n] == ' ')
    {
        while (n < value.len && value.data[n] == ' ') {
            n++;
        }

        if (n < value.len) {
            check(rc == 0);
            check(token.data == value.data + n);
            check(token.len == value.len - n);

            check_base64url(token);
            return;
        }
    }

    check(rc == -1 && token.data == NULL && token.len == 0);
}


static void
check_base64url(canopy_slice_t text)
{
    int              want;
    long             n;
    size_t           size;
    unsigned char   *oracle_dst;
    canopy_slice_t   dst;

    size = text.len / 4 * 3 + text.len % 4 * 3 / 4;
    check(size <= canopy_base64url_size(text.len));

    oracle_dst = malloc(text.len + 4);
    check(oracle_dst != NULL);
    memset(oracle_dst, 0, text.len + 4);

    dst = fuzz_copy(oracle_dst, size);

    want = oracle(text, oracle_dst);
    n = canopy_base64url(text, (uint8_t *) dst.data);

    check(n == want);
    check(n == canopy_base64url(text, NULL));

    if (n != -1) {
        check((size_t) n == size);
        check(size == 0 || memcmp(dst.data, oracle_dst, size) == 0);

        if (!is_canonical(text, oracle_dst, want)) {
            want = -1;
        }
    }

    check(canopy_base64url_strict(text, NULL) == want);
    check(canopy_base64url_strict(text, (uint8_t *) dst.data) == want);

    fuzz_free(dst);
    free(oracle_dst);
}


static int
oracle(canopy_slice_t text, unsigned char *dst)
{
    int             n;
    size_t          i, pad;
    unsigned char  *src;

    static const char  alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "abcdefghijklmnopqrstuvwxyz0123456789-_";

    pad = (4 - text.len % 4) % 4;

    if (pad == 3) {
        return -1;
    }

    for (i = 0; i < text.len; i++) {
        if (memchr(alphabet, text.data[i], sizeof(alphabet) - 1) == NULL) {
            return -1;
        }
    }

    src = malloc(text.len + 4);
    check(src != NULL);

    for (i = 0; i < text.len; i++) {
        src[i] = text.data[i] == '-' ? '+'
                 : text.data[i] == '_' ? '/' : text.data[i];
    }

    memset(src + text.len, '=', pad);

    n = EVP_DecodeBlock(dst, src, (int) (text.len + pad));
    check(n >= (int) pad);

    free(src);

    return n - (int) pad;
}


static int
is_canonical(canopy_slice_t text, const unsigned char *decoded, int n)
{
    int             same;
    unsigned char  *again, last;

    if (text.len == 0) {
        return 1;
    }

    again = malloc(text.len + 8);
    check(again != NULL);

    EVP_EncodeBlock(again, decoded, n);

    last = again[text.len - 1];
    last = last == '+' ? '-' : last == '/' ? '_' : last;
    same = last == text.data[text.len - 1];

    free(again);

    return same;
}
