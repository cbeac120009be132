/*
 * A check of JSON text in one pass, without a tree (RFC 8259).  It exists for
 * speed: a token is looked at on every request.  Trees are jansson's.
 */

#ifndef CANOPY_JSON_H
#define CANOPY_JSON_H


#include "canopy_slice.h"


typedef enum {
    CANOPY_JSON_OBJECT = 0,
    CANOPY_JSON_ARRAY,
    CANOPY_JSON_STRING,
    CANOPY_JSON_NUMBER,
    CANOPY_JSON_TRUE,
    CANOPY_JSON_FALSE,
    CANOPY_JSON_NULL
} canopy_json_e;


/*
 * A member of the top-level object that the caller asks for by name.
 */
typedef struct {
    canopy_slice_t  name;       /* in: without escapes, UTF-8 */
    unsigned        found;      /* out: 0 or 1 */
    canopy_json_e   type;       /* out, if found */
    canopy_slice_t  value;      /* out, if found: the value's text as it stands
                                   in the input; a string's without quotes and
                                   with its escapes still in it */
} canopy_json_member_t;


/*
 * Checks that text is one JSON object in UTF-8, with white space around it at
 * most, in which no object at any depth has a name twice (compared after
 * unescaping), and reports the asked-for members of the top-level object.
 * Refused like everywhere in this code: a lone surrogate, U+0000 in a name.
 *
 * In:      text, any bytes, at most CANOPY_JSON_MAX of them;
 *          members, n of them.
 * Out:     members[i].found, .type, .value; slices of text.  Of use only after
 *          a 0.
 * Returns  0; -1 if text is not that.  Time is linear in text.len but for
 *          names: one whose hash may have come before is compared by it with
 *          those of its own object.  Allocates nothing; takes about 50k of
 *          the stack, of which it touches what the text's names and
 *          brackets need.
 */
#define CANOPY_JSON_MAX  16384

int canopy_json_object(canopy_slice_t text, canopy_json_member_t *members,
    size_t n);


/*
 * The value of a JSON number's text (RFC 8259, section 6), as a double: the
 * nearest one, however long the text is and whatever the locale.
 *
 * In:      text, any bytes, any length.
 * Out:     *value; not touched after a -1.
 * Returns  0; -1 if it is not a number or too large for a double.
 */
int canopy_json_number(canopy_slice_t text, double *value);


#endif /* CANOPY_JSON_H */
