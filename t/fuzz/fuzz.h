/*
 * What the fuzz targets share: copies of exactly the input's size, so that
 * AddressSanitizer sees one byte read too far, and a check that is a crash.
 */

#ifndef FUZZ_H
#define FUZZ_H


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "canopy_slice.h"


#define check(good)                                                           \
    do {                                                                      \
        if (!(good)) {                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #good);        \
            abort();                                                          \
        }                                                                     \
    } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* a copy of nothing is the end of a block of one byte */
static inline canopy_slice_t
fuzz_copy(const void *data, size_t len)
{
    uint8_t         *p;
    canopy_slice_t   copy;

    p = malloc(len ? len : 1);
    check(p != NULL);

    if (len) {
        memcpy(p, data, len);
    }

    copy.data = len ? p : p + 1;
    copy.len = len;

    return copy;
}


static inline void
fuzz_free(canopy_slice_t copy)
{
    free((uint8_t *) copy.data - (copy.len ? 0 : 1));
}


static inline int
fuzz_same(canopy_slice_t a, canopy_slice_t b)
{
    return a.len == b.len
           && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


static inline int
fuzz_inside(canopy_slice_t part, canopy_slice_t whole)
{
    return part.data >= whole.data
           && part.data + part.len <= whole.data + whole.len;
}


/* numbers that look random, always the same for the same input */
static inline uint32_t
fuzz_random(uint32_t *state, uint32_t n)
{
    *state = *state * 1664525 + 1013904223;

    return (uint32_t) ((uint64_t) *state * n >> 32);
}


static inline uint32_t
fuzz_hash(const uint8_t *data, size_t size)
{
    uint32_t  hash;

    for (hash = 2166136261u; size > 0; size--) {
        hash = (hash ^ *data++) * 16777619u;
    }

    return hash;
}


#endif /* FUZZ_H */
