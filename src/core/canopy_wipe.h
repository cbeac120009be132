/*
 * jansson's memory while a tree with secrets is read: what it frees is wiped.
 */

#ifndef CANOPY_WIPE_H
#define CANOPY_WIPE_H


#include <jansson.h>


typedef struct {
    json_malloc_t  malloc_fn;
    json_free_t    free_fn;
} canopy_wipe_t;


/*
 * From now on what jansson frees is wiped, until canopy_wipe_end().  Blocks
 * are malloc()'s as before, so one that outlives this may be given to free().
 * Functions other than malloc() and free() that somebody has set stay in
 * force, and what they do is theirs.
 *
 * The functions are one for the whole process: no thread beside this one may
 * use jansson in the meantime.
 */
void canopy_wipe_begin(canopy_wipe_t *saved);
void canopy_wipe_end(const canopy_wipe_t *saved);


#endif /* CANOPY_WIPE_H */
