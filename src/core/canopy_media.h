/*
 * Media types (RFC 9110, section 8.3.1), as a Content-Type field's value has
 * them: in any case, with or without parameters, with space around.
 */

#ifndef CANOPY_MEDIA_H
#define CANOPY_MEDIA_H


#include "canopy_slice.h"


/*
 * In:      value, any bytes, or none.
 * Returns  the media type alone, a slice of value; empty if there is none.
 *          It is not checked to be one.
 */
canopy_slice_t canopy_media_type(canopy_slice_t value);


/*
 * Is it this media type?
 *
 * In:      value, any bytes, or none; type in lower case, without parameters.
 * Returns  1 or 0.
 */
int canopy_media_is(canopy_slice_t value, const char *type);


/*
 * Is it JSON: application/json or application/<any>+json (RFC 6839, 3.1)?
 *
 * In:      value, any bytes, or none.
 * Returns  1 or 0.
 */
int canopy_media_is_json(canopy_slice_t value);


#endif /* CANOPY_MEDIA_H */
