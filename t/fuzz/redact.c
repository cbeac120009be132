/*
 * A text without its secrets is what a slow oracle makes of it: a byte inside
 * of any place where any secret stands is dropped, its first one replaced; if
 * a secret is left, or no UTF-8, nothing but "[redacted]" is; then it is cut,
 * and never inside of a character.
 *
 * Input: a byte, the length to be cut at (255: none); the secrets, a line
 * each; the text behind the last line feed.
 */

#include <jansson.h>

#include "canopy_redact.h"
#include "fuzz.h"


#define SECRETS  4

static const canopy_slice_t  mark = canopy_slice("[redacted]");


static size_t oracle(const canopy_slice_t *secrets, size_t n,
    canopy_slice_t text, size_t max, uint8_t *out);
static int stands_at(canopy_slice_t secret, canopy_slice_t text, size_t at);
static int found(const canopy_slice_t *secrets, size_t n,
    canopy_slice_t text);
static int is_utf8(canopy_slice_t text);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t              i, n, len, max;
    uint8_t            *want;
    const uint8_t      *lf;
    canopy_slice_t      text, secrets[SECRETS];
    canopy_redacted_t   out;

    if (size == 0) {
        return 0;
    }

    max = *data == 255 ? SIZE_MAX : *data;
    data++;
    size--;

    for (n = 0; n < SECRETS && size; n++) {
        lf = memchr(data, '\n', size);

        if (lf == NULL) {
            break;
        }

        secrets[n] = fuzz_copy(data, (size_t) (lf - data));
        size -= (size_t) (lf + 1 - data);
        data = lf + 1;
    }

    text = fuzz_copy(data, size);

    want = malloc(text.len * mark.len + mark.len);
    check(want != NULL);

    len = oracle(secrets, n, text, max, want);

    check(canopy_redact_found(secrets, n, text) == found(secrets, n, text));
    check(canopy_redact_is_utf8(text) == is_utf8(text));

    check(canopy_redact(secrets, n, text, max, &out) == 0);
    check(out.text.len == len);
    check(len == 0 || memcmp(out.text.data, want, len) == 0);
    check(!is_utf8(text) || is_utf8(out.text));

    canopy_redact_free(&out);
    check(out.buf == NULL);

    free(want);
    fuzz_free(text);

    for (i = 0; i < n; i++) {
        fuzz_free(secrets[i]);
    }

    return 0;
}


static size_t
oracle(const canopy_slice_t *secrets, size_t n, canopy_slice_t text,
    size_t max, uint8_t *out)
{
    int              first, inside;
    size_t           i, k, at;
    canopy_slice_t   result;

    result.data = out;
    result.len = 0;

    for (at = 0; at < text.len; at++) {
        first = 0;
        inside = 0;

        for (k = 0; k < n; k++) {
            first |= stands_at(secrets[k], text, at);

            for (i = 1; i < secrets[k].len && i <= at; i++) {
                inside |= stands_at(secrets[k], text, at - i);
            }
        }

        if (first && !inside) {
            memcpy(out + result.len, mark.data, mark.len);
            result.len += mark.len;

        } else if (!inside) {
            out[result.len++] = text.data[at];
        }
    }

    if (found(secrets, n, text)
        && (found(secrets, n, result) || !is_utf8(result)))
    {
        memcpy(out, mark.data, mark.len);
        result.len = mark.len;
    }

    if (result.len > max) {

        /* to where a character begins */

        for (result.len = max;
             result.len && out[result.len] >= 0x80 && out[result.len] < 0xc0;
             result.len--)
        {
            /* void */
        }
    }

    return result.len;
}


static int
stands_at(canopy_slice_t secret, canopy_slice_t text, size_t at)
{
    return secret.len && secret.len <= text.len - at
           && memcmp(secret.data, text.data + at, secret.len) == 0;
}


static int
found(const canopy_slice_t *secrets, size_t n, canopy_slice_t text)
{
    size_t  at, k;

    for (at = 0; at < text.len; at++) {
        for (k = 0; k < n; k++) {
            if (stands_at(secrets[k], text, at)) {
                return 1;
            }
        }
    }

    return 0;
}


/* jansson's opinion */
static int
is_utf8(canopy_slice_t text)
{
    json_t  *string;

    string = json_stringn((const char *) text.data, text.len);
    json_decref(string);

    return string != NULL;
}
