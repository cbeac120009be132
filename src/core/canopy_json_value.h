/*
 * What is inside a JSON text that canopy_json_object() has found right: the
 * members of objects, the elements of arrays, the bytes of strings.  No tree,
 * no memory of its own.
 */

#ifndef CANOPY_JSON_VALUE_H
#define CANOPY_JSON_VALUE_H


#include "canopy_json.h"


/*
 * Strings, and so names, are what stands between their quotes, with escapes;
 * the closing quote is behind the slice.
 */
typedef struct {
    canopy_slice_t  name;           /* empty in an array */
    canopy_json_e   type;
    canopy_slice_t  value;
} canopy_json_value_t;


typedef struct {
    const uint8_t  *p;
    const uint8_t  *last;
} canopy_json_cursor_t;


/*
 * In:      text, an object or array with its brackets and nothing around them.
 */
void canopy_json_enter(canopy_json_cursor_t *c, canopy_slice_t text);

/*
 * Out:     *v, the next member or element.
 * Returns  1; 0 if there is none, then *v is not touched.
 */
int canopy_json_each(canopy_json_cursor_t *c, canopy_json_value_t *v);


/*
 * What a string says, in UTF-8.
 *
 * Out:     dst, size bytes of the caller's; string.len are always enough.
 * Returns  the number of bytes it says, which may be more than were written.
 */
size_t canopy_json_content(canopy_slice_t string, uint8_t *dst, size_t size);

/*
 * Returns  1 if the string says that, else 0.
 */
int canopy_json_says(canopy_slice_t string, canopy_slice_t what);


#endif /* CANOPY_JSON_VALUE_H */
