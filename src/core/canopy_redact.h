/*
 * Secrets out of texts: each is replaced by "[redacted]".  A text is bytes
 * with no escapes in them; what a secret looks like once it is written as JSON
 * or the like is not looked for.
 *
 * Secrets are n slices of any bytes; empty ones are passed over.  Time is
 * linear in the length of the text, once for each secret.
 */

#ifndef CANOPY_REDACT_H
#define CANOPY_REDACT_H


#include "canopy_slice.h"


typedef struct {
    canopy_slice_t   text;
    uint8_t         *buf;       /* what text is a slice of, if not of the */
    size_t           size;      /* input */
} canopy_redacted_t;


/*
 * Is a secret in the text?
 *
 * Returns  1 or 0.
 */
int canopy_redact_found(const canopy_slice_t *secrets, size_t n,
    canopy_slice_t text);


/*
 * Replaces all secrets in a text, and cuts what that gives.  Where secrets
 * overlap, one itself included, or one contains another, all of it is replaced
 * as one.  If what is left around them makes a secret again, or is not UTF-8
 * (a secret was half a character), nothing but "[redacted]" is left.
 *
 * In:      text, UTF-8 if the result has to be; max, so many bytes at most are
 *          left, and no piece of a character.
 * Out:     *out; out->text is a slice of text, or of memory from malloc().  To
 *          be given to canopy_redact_free() in both cases.
 * Returns  0; -1 if there was no memory, and there is nothing to be freed.
 */
int canopy_redact(const canopy_slice_t *secrets, size_t n, canopy_slice_t text,
    size_t max, canopy_redacted_t *out);


/*
 * Wipes and frees what *out has of its own; out->text is gone with it.
 */
void canopy_redact_free(canopy_redacted_t *out);


/*
 * Is the text UTF-8 (RFC 3629)?
 *
 * Returns  1 or 0.
 */
int canopy_redact_is_utf8(canopy_slice_t text);


#endif /* CANOPY_REDACT_H */
