/*
 * Reading JSON piece by piece, as far as it is plain: names, and texts that
 * are wanted, have no escapes, numbers are short, brackets not deep.  For who
 * has a slow way to do the rest.
 *
 * All of it reads what begins at p, with the white space in front of that.
 * Returns  the place behind it; NULL: there is another thing, or one that is
 *          not plain, or p is NULL.
 */

#ifndef CANOPY_JSON_PLAIN_H
#define CANOPY_JSON_PLAIN_H


#include "canopy_slice.h"


/*
 * Returns  the first place at or behind p where no white space is; NULL if
 *          that is the end, or p is NULL.
 */
static inline const uint8_t *
canopy_json_plain_next(const uint8_t *p, const uint8_t *last)
{
    if (p == NULL) {
        return NULL;
    }

    while (p < last && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        p++;
    }

    return (p < last) ? p : NULL;
}


/*
 * A bracket or the like.
 */
const uint8_t *canopy_json_plain_token(const uint8_t *p, const uint8_t *last,
    uint8_t ch);

/*
 * The comma or the closing bracket behind a member or element.
 *
 * Out:     *p, the place behind it, or NULL.
 * Returns  1 if it is a comma, else 0.
 */
int canopy_json_plain_more(const uint8_t **p, const uint8_t *last,
    uint8_t closing);

/*
 * A string without escapes: it says what it is.
 *
 * Out:     *text, the string with its quotes.
 */
const uint8_t *canopy_json_plain_string(const uint8_t *p, const uint8_t *last,
    canopy_slice_t *text);

/*
 * A member's name, as a string, and its colon.
 */
const uint8_t *canopy_json_plain_name(const uint8_t *p, const uint8_t *last,
    canopy_slice_t *text);

/*
 * An integer of at most 18 characters in the one way to write it.
 */
const uint8_t *canopy_json_plain_integer(const uint8_t *p,
    const uint8_t *last, canopy_slice_t *text);

/*
 * Any value.  Its strings may have escapes, its numbers are none that could be
 * out of a double's or a 64-bit integer's range.
 */
const uint8_t *canopy_json_plain_value(const uint8_t *p, const uint8_t *last);


#endif /* CANOPY_JSON_PLAIN_H */
