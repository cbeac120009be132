/*
 * A slice: bytes that somebody else owns, with their length.  Never
 * NUL-terminated, never freed; valid as long as what it points into.
 */

#ifndef CANOPY_SLICE_H
#define CANOPY_SLICE_H


#include <stddef.h>
#include <stdint.h>


typedef struct {
    size_t          len;
    const uint8_t  *data;
} canopy_slice_t;


#define canopy_slice(text)  { sizeof(text) - 1, (const uint8_t *) text }


/*
 * Returns  text without white space around it (isspace() in the C locale),
 *          which may be nothing.
 */
canopy_slice_t canopy_slice_trim(canopy_slice_t text);


#endif /* CANOPY_SLICE_H */
