/*
 * The names of a JSON text's open objects, to find one that an object has
 * twice.  Only canopy_json.c uses this.
 */

#ifndef CANOPY_JSON_NAMES_H
#define CANOPY_JSON_NAMES_H


#include "canopy_json.h"


/*
 * Most names are new to the text, and a bit tells.  Else hundreds of short
 * names in one token would have a client keep us busy for long, comparing.
 */
#define CANOPY_JSON_SEEN        8192
#define CANOPY_JSON_SEEN_SHIFT  19      /* of a hash, to one of these bits */


typedef struct {
    uint32_t             hash;
    uint16_t             offset;        /* of its first byte in the text */
    uint16_t             first;         /* the first name of its object */
} canopy_json_name_t;


/*
 * All stand on one stack; a closed object's are gone.  It can't overflow: a
 * name is put there after 4 bytes of its own, its "{" or ",", two quotes and
 * a ":".
 */
typedef struct {
    canopy_slice_t       text;
    uint32_t             basis;         /* of the hashes */
    size_t               first;         /* of the innermost object */
    size_t               n;
    uint8_t              seen[CANOPY_JSON_SEEN / 8];    /* bits of hashes */
    canopy_json_name_t   names[CANOPY_JSON_MAX / 4];
} canopy_json_names_t;


/*
 * In:      text, at most CANOPY_JSON_MAX bytes.
 */
void canopy_json_names_init(canopy_json_names_t *s, canopy_slice_t text);


/*
 * An object begins inside the innermost one.
 */
void canopy_json_names_open(canopy_json_names_t *s);


/*
 * A name of the innermost object.
 *
 * In:      p, the place behind its first quote, a checked string.
 * Returns  0; -1 if the object has it already, or U+0000 is in it.
 */
int canopy_json_names_add(canopy_json_names_t *s, const uint8_t *p);


/*
 * The innermost object ends; it is not the outermost one.
 */
void canopy_json_names_close(canopy_json_names_t *s);


#endif /* CANOPY_JSON_NAMES_H */
