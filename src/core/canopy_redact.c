#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* memmem(), which POSIX has since 2024 only */
#endif

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "canopy_redact.h"


#define REDACTED      "[redacted]"
#define REDACTED_LEN  (sizeof(REDACTED) - 1)


/* what becomes of a byte of a text when secrets are replaced */
typedef enum {
    MARK_KEEP = 0,
    MARK_REPLACE,               /* by REDACTED */
    MARK_DROP
} canopy_redact_mark_e;


static size_t canopy_redact_mark(const canopy_slice_t *secrets, size_t n,
    canopy_slice_t text, uint8_t *marks);
static size_t canopy_redact_cut(canopy_slice_t text, size_t max);


int
canopy_redact_found(const canopy_slice_t *secrets, size_t n,
    canopy_slice_t text)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (secrets[i].len && secrets[i].len <= text.len
            && memmem(text.data, text.len, secrets[i].data, secrets[i].len))
        {
            return 1;
        }
    }

    return 0;
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

    out->size = canopy_redact_mark(secrets, n, text, marks);

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
 * Marks every secret in a text.
 *
 * Returns the length of the text once they are replaced.
 */
static size_t
canopy_redact_mark(const canopy_slice_t *secrets, size_t n,
    canopy_slice_t text, uint8_t *marks)
{
    size_t                 i, k, len;
    uint8_t               *m;
    const uint8_t         *p, *last;
    const canopy_slice_t  *secret;

    last = text.data + text.len;

    for (i = 0; i < n; i++) {
        secret = &secrets[i];

        if (secret->len == 0) {
            continue;
        }

        for (p = text.data;
             (p = memmem(p, last - p, secret->data, secret->len)) != NULL;
             p += secret->len)
        {
            m = marks + (p - text.data);

            if (m[0] == MARK_KEEP) {
                m[0] = MARK_REPLACE;
            }

            memset(m + 1, MARK_DROP, secret->len - 1);
        }
    }

    for (len = 0, k = 0; k < text.len; k++) {
        len += (marks[k] == MARK_KEEP) ? 1 : 0;
        len += (marks[k] == MARK_REPLACE) ? REDACTED_LEN : 0;
    }

    return len;
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
