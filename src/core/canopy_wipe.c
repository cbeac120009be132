#include <malloc.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "canopy_wipe.h"


static void canopy_wipe_free(void *p);


void
canopy_wipe_begin(canopy_wipe_t *saved)
{
    json_get_alloc_funcs(&saved->malloc_fn, &saved->free_fn);

    if (saved->malloc_fn == malloc && saved->free_fn == free) {
        json_set_alloc_funcs(malloc, canopy_wipe_free);
    }
}


void
canopy_wipe_end(const canopy_wipe_t *saved)
{
    json_set_alloc_funcs(saved->malloc_fn, saved->free_fn);
}


/* jansson tells no size; that of the whole block is at least as much */
static void
canopy_wipe_free(void *p)
{
    if (p) {
        OPENSSL_cleanse(p, malloc_usable_size(p));
        free(p);
    }
}
