/*
 * Rolling rate windows: so many in any period of that length.  Exact, by the
 * times of the last ones.  All times are milliseconds on a clock of the
 * caller's that does not go back; a ring holds no pointer, so it can live in
 * shared memory, and the caller locks it.
 */

#ifndef CANOPY_WINDOW_H
#define CANOPY_WINDOW_H


#include <stddef.h>
#include <stdint.h>

#include "canopy_slice.h"


#define CANOPY_WINDOW_MAX    8          /* windows of one limit */
#define CANOPY_WINDOW_LIMIT  10000      /* in one window */
#define CANOPY_WINDOW_SLACK  100        /* ms that each is longer than named:
                                           the upstream counts on arrival */


typedef struct {
    uint32_t  limit;                    /* 1 to CANOPY_WINDOW_LIMIT */
    int64_t   period;                   /* ms */
} canopy_window_t;


/*
 * The times of the last ones, the newest in front of next.
 */
typedef struct {
    uint32_t  size;
    uint32_t  n;
    uint32_t  next;
    int64_t   times[1];
} canopy_window_ring_t;


/*
 * Reads "2r/s", "120r/m", "300r/h", "1000r/d".
 *
 * Returns  0; -1 if it is nothing like that, or out of range.
 */
int canopy_window_parse(canopy_slice_t text, canopy_window_t *window);

/*
 * The bytes of a ring for limits up to that one; and makes it, empty, or with
 * what is in another one (the newest, as many as fit).
 */
size_t canopy_window_ring_size(uint32_t limit);
void canopy_window_ring_init(canopy_window_ring_t *ring, uint32_t limit);
void canopy_window_ring_copy(canopy_window_ring_t *ring,
    const canopy_window_ring_t *from);

/*
 * How long until there is a place in all windows, ms; 0: there is one now.  A
 * limit above the ring's size is taken for that.
 */
int64_t canopy_window_wait(const canopy_window_ring_t *ring,
    const canopy_window_t *windows, size_t n, int64_t now);

/*
 * Takes a place, whether there is one or not.
 */
void canopy_window_take(canopy_window_ring_t *ring, int64_t now);

/*
 * How many are in a window now, for show.
 */
uint32_t canopy_window_used(const canopy_window_ring_t *ring,
    const canopy_window_t *window, int64_t now);


#endif /* CANOPY_WINDOW_H */
