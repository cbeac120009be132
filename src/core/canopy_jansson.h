/*
 * jansson's memory: what it frees is wiped, since texts may hold secrets, and
 * its decoder may run out of it.  On its own it does not bear that (2.14): a
 * character for which its buffer can't grow is left out, so that texts change
 * without a word, and a secret in them is no longer found; if it was a string's
 * last quote, the copying goes on past both ends.
 */

#ifndef CANOPY_JANSSON_H
#define CANOPY_JANSSON_H


#include <setjmp.h>

#include <jansson.h>

#include "canopy_slice.h"


typedef struct canopy_jansson_block_s  canopy_jansson_block_t;

/* the caller's, from begin to end */
typedef struct {
    json_malloc_t            malloc;    /* what was set before */
    json_free_t              free;
    canopy_jansson_block_t  *blocks;    /* in use */
    jmp_buf                 *failed;    /* where to go then, or NULL */
} canopy_jansson_t;


/*
 * From begin to end all trees are of this *j: those made before must not be
 * freed between them, nor those made between them after.  jansson's allocation
 * functions are of the process, and so is this: one at a time, in one thread.
 */
void canopy_jansson_begin(canopy_jansson_t *j);
void canopy_jansson_end(canopy_jansson_t *j);


/*
 * json_loadb(), between begin and end.
 *
 * Out:     *root, a new reference; NULL: the text is at fault, see *error.
 * Returns  0; -1 if there was no memory; other trees are as they were.
 */
int canopy_jansson_load(canopy_slice_t text, size_t flags, json_t **root,
    json_error_t *error);


#endif /* CANOPY_JANSSON_H */
