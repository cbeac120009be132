#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* memmem(), which POSIX has since 2024 only */
#endif

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "canopy_redact.h"


#define REDACTED      "[redacted]"
#define REDACTED_LEN  (sizeof(REDACTED) - 1)

#define BEGINNING     32


/* what becomes of a byte of a text when secrets are replaced */
typedef enum {
    MARK_KEEP = 0,
    MARK_REPLACE,               /* by REDACTED */
    MARK_DROP
} canopy_redact_mark_e;


static int canopy_redact_in(canopy_slice_t secret, canopy_slice_t text);
static int canopy_redact_mark(canopy_slice_t secret, canopy_slice_t text,
    uint8_t *marks);
static size_t *canopy_redact_borders(canopy_slice_t secret);
static size_t canopy_redact_size(const uint8_t *marks, size_t len);
static size_t canopy_redact_cut(canopy_slice_t text, size_t max);


int
canopy_redact_found(const canopy_slice_t *secrets, size_t n,
    canopy_slice_t text)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (secrets[i].len && secrets[i].len <= text.len
            && canopy_redact_in(secrets[i], text))
        {
            return 1;
        }
    }

    return 0;
}


/*
 * A long secret by its beginning first: what memmem() does before it looks for
 * a token of a kilobyte takes longer than to look through most texts.
 */
static int
canopy_redact_in(canopy_slice_t secret, canopy_slice_t text)
{
    size_t          n;
    const uint8_t  *p;

    /* it has bytes, which gcc does not see under its sanitizers */

    if (secret.data == NULL) {
        return 0;
    }

    n = (secret.len < BEGINNING) ? secret.len : BEGINNING;

    p = memmem(text.data, text.len, secret.data, n);

    if (p == NULL || n == secret.len) {
        return p != NULL;
    }

    text.len -= (size_t) (p - text.data);

    return memmem(p, text.len, secret.data, secret.len) != NULL;
}


int
canopy_redact(const canopy_slice_t *secrets, size_t n, canopy_slice_t text,
    size_t max, canopy_redacted_t *out)
{
    size_t    i;
    uint8_t  *marks, *p;

    out->text = text;
    out->buf = NULL;
    out->size = 0;

    if (!canopy_redact_found(secrets, n, text)) {
        out->text.len = canopy_redact_cut(text, max);
        return 0;
    }

    marks = calloc(text.len, 1);
    if (marks == NULL) {
        return -1;
    }

    for (i = 0; i < n; i++) {
        if (canopy_redact_found(&secrets[i], 1, text)
            && canopy_redact_mark(secrets[i], text, marks) != 0)
        {
            free(marks);
            return -1;
        }
    }

    out->size = canopy_redact_size(marks, text.len);

    out->buf = malloc(out->size);
    if (out->buf == NULL) {
        free(marks);
        return -1;
    }

    for (p = out->buf, i = 0; i < text.len; i++) {
        if (marks[i] == MARK_KEEP) {
            *p++ = text.data[i];

        } else if (marks[i] == MARK_REPLACE) {
            memcpy(p, REDACTED, REDACTED_LEN);
            p += REDACTED_LEN;
        }
    }

    free(marks);

    out->text.data = out->buf;
    out->text.len = out->size;

    if (canopy_redact_found(secrets, n, out->text)
        || !canopy_redact_is_utf8(out->text))
    {
        /* what was left has closed up to one, or was half a character */
        memcpy(out->buf, REDACTED, REDACTED_LEN);
        out->text.len = REDACTED_LEN;
    }

    out->text.len = canopy_redact_cut(out->text, max);

    return 0;
}


void
canopy_redact_free(canopy_redacted_t *out)
{
    if (out->buf) {
        OPENSSL_cleanse(out->buf, out->size);
        free(out->buf);
        out->buf = NULL;
    }
}


int
canopy_redact_is_utf8(canopy_slice_t text)
{
    size_t          n;
    uint32_t        c, least;
    const uint8_t  *p, *last;

    p = text.data;
    last = p + text.len;

    while (p < last) {
        c = *p++;

        if (c < 0x80) {
            continue;
        }

        n = (c >= 0xf0) ? 3 : (c >= 0xe0) ? 2 : 1;
        least = (n == 3) ? 0x10000 : (n == 2) ? 0x800 : 0x80;

        if (c < 0xc0 || c > 0xf7 || (size_t) (last - p) < n) {
            return 0;
        }

        for (c &= 0x3f >> n; n; n--) {
            if ((*p & 0xc0) != 0x80) {
                return 0;
            }

            c = c << 6 | (*p++ & 0x3f);
        }

        if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
            return 0;
        }
    }

    return 1;
}


/*
 * Marks a secret wherever it stands in a text, over itself too (Knuth, Morris,
 * Pratt: no byte is looked at again and again).
 */
static int
canopy_redact_mark(canopy_slice_t secret, canopy_slice_t text, uint8_t *marks)
{
    size_t  i, first, marked, n, *borders;

    borders = canopy_redact_borders(secret);
    if (borders == NULL) {
        return -1;
    }

    marked = 0;

    for (n = 0, i = 0; i < text.len; i++) {

        while (n && text.data[i] != secret.data[n]) {
            n = borders[n - 1];
        }

        n += (text.data[i] == secret.data[n]);

        if (n < secret.len) {
            continue;
        }

        first = i + 1 - n;

        if (marks[first] == MARK_KEEP) {
            marks[first] = MARK_REPLACE;
        }

        marked = (marked > first + 1) ? marked : first + 1;
        memset(marks + marked, MARK_DROP, i + 1 - marked);
        marked = i + 1;

        n = borders[n - 1];
    }

    free(borders);

    return 0;
}


/*
 * How long is the longest end of the secret's first i + 1 bytes that they
 * begin with, too, and that is not all of them?
 */
static size_t *
canopy_redact_borders(canopy_slice_t secret)
{
    size_t  i, n, *borders;

    borders = malloc(secret.len * sizeof(size_t));
    if (borders == NULL) {
        return NULL;
    }

    borders[0] = 0;

    for (n = 0, i = 1; i < secret.len; i++) {

        while (n && secret.data[i] != secret.data[n]) {
            n = borders[n - 1];
        }

        n += (secret.data[i] == secret.data[n]);
        borders[i] = n;
    }

    return borders;
}


/* of a marked text once its secrets are replaced */
static size_t
canopy_redact_size(const uint8_t *marks, size_t len)
{
    size_t  i, size;

    for (size = 0, i = 0; i < len; i++) {
        size += (marks[i] == MARK_KEEP) ? 1 : 0;
        size += (marks[i] == MARK_REPLACE) ? REDACTED_LEN : 0;
    }

    return size;
}


/* the length of what is left of a text in UTF-8 when it is cut at max bytes */
static size_t
canopy_redact_cut(canopy_slice_t text, size_t max)
{
    if (text.len <= max) {
        return text.len;
    }

    while (max && (text.data[max] & 0xc0) == 0x80) {
        max--;
    }

    return max;
}
