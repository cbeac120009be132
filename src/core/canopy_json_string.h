/*
 * JSON's strings (RFC 8259, section 7): their check, and what they say.  Only
 * canopy_json*.c use this.
 */

#ifndef CANOPY_JSON_STRING_H
#define CANOPY_JSON_STRING_H


#include "canopy_slice.h"


/* what a checked string says, byte by byte, without escapes */
typedef struct {
    const uint8_t  *p;          /* first, the place behind its first quote */
    const uint8_t  *last;       /* of the text around it */
    uint32_t        rest;       /* first, 0; then what is left of an escape, in
                                   UTF-8, the next byte lowest */
} canopy_json_content_t;


/*
 * Checks a string: UTF-8, no control character, no escape that RFC 8259 does
 * not have, no lone surrogate.
 *
 * In:      p, the place behind its first quote.
 * Returns  the place behind its last quote; NULL if it is none.
 */
const uint8_t *canopy_json_string(const uint8_t *p, const uint8_t *last);


/*
 * The next byte of a content's escape: what is left of it, or else its first.
 */
int canopy_json_unescape(canopy_json_content_t *c);


/*
 * Returns  the next byte of the content, in UTF-8; -1 at its end.
 */
static inline int
canopy_json_next(canopy_json_content_t *c)
{
    if (*c->p == '\\' || c->rest) {
        return canopy_json_unescape(c);
    }

    return (*c->p == '"') ? -1 : *c->p++;
}


#endif /* CANOPY_JSON_STRING_H */
