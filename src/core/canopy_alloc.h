/*
 * Where the results of core go: memory of the caller's.
 */

#ifndef CANOPY_ALLOC_H
#define CANOPY_ALLOC_H


#include <stddef.h>


/*
 * Returns  size bytes that live as long as the caller wants, or NULL.  A pool:
 *          it may be called more than once, and what it gave before is then
 *          left behind.
 */
typedef void *(*canopy_alloc_pt)(void *data, size_t size);


#endif /* CANOPY_ALLOC_H */
