#include <openssl/crypto.h>

#include "canopy_jansson.h"


/* stands before each of jansson's blocks, and keeps them aligned */
struct canopy_jansson_block_s {
    canopy_jansson_block_t  *prev;
    canopy_jansson_block_t  *next;
    size_t                   size;      /* behind this */
    size_t                   unused;
};


static void *canopy_jansson_malloc(size_t size);
static void canopy_jansson_free(void *p);


/* jansson's functions are told of no context */
static canopy_jansson_t  *canopy_jansson;


void
canopy_jansson_begin(canopy_jansson_t *j)
{
    j->blocks = NULL;
    j->failed = NULL;

    canopy_jansson = j;

    json_get_alloc_funcs(&j->malloc, &j->free);
    json_set_alloc_funcs(canopy_jansson_malloc, canopy_jansson_free);
}


void
canopy_jansson_end(canopy_jansson_t *j)
{
    json_set_alloc_funcs(j->malloc, j->free);

    canopy_jansson = NULL;
}


int
canopy_jansson_load(canopy_slice_t text, size_t flags, json_t **root,
    json_error_t *error)
{
    jmp_buf                           failed;
    canopy_jansson_t         *const   j = canopy_jansson;
    canopy_jansson_block_t   *const   before = j->blocks;

    if (setjmp(failed) != 0) {
        j->failed = NULL;

        while (j->blocks != before) {
            canopy_jansson_free(j->blocks + 1);
        }

        return -1;
    }

    j->failed = &failed;

    *root = json_loadb((const char *) text.data, text.len, flags, error);

    j->failed = NULL;

    return 0;
}


static void *
canopy_jansson_malloc(size_t size)
{
    canopy_jansson_t        *j;
    canopy_jansson_block_t  *block;

    j = canopy_jansson;

    block = j->malloc(sizeof(canopy_jansson_block_t) + size);

    if (block == NULL) {
        if (j->failed) {
            longjmp(*j->failed, 1);
        }

        return NULL;
    }

    block->size = size;
    block->prev = NULL;
    block->next = j->blocks;

    if (block->next) {
        block->next->prev = block;
    }

    j->blocks = block;

    return block + 1;
}


static void
canopy_jansson_free(void *p)
{
    canopy_jansson_t        *j;
    canopy_jansson_block_t  *block;

    if (p == NULL) {
        return;
    }

    j = canopy_jansson;
    block = (canopy_jansson_block_t *) p - 1;

    if (block->prev) {
        block->prev->next = block->next;

    } else {
        j->blocks = block->next;
    }

    if (block->next) {
        block->next->prev = block->prev;
    }

    OPENSSL_cleanse(p, block->size);

    j->free(block);
}
