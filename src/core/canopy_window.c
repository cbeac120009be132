#include "canopy_window.h"


static int64_t canopy_window_time(const canopy_window_ring_t *ring,
    uint32_t back);


int
canopy_window_parse(canopy_slice_t text, canopy_window_t *window)
{
    size_t    i;
    uint32_t  limit;

    limit = 0;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            break;
        }

        limit = limit * 10 + (text.data[i] - (uint32_t) '0');

        if (limit > CANOPY_WINDOW_LIMIT) {
            return -1;
        }
    }

    if (limit == 0 || text.len - i != 3
        || text.data[i] != 'r' || text.data[i + 1] != '/')
    {
        return -1;
    }

    switch (text.data[i + 2]) {

    case 's':
        window->period = 1000;
        break;

    case 'm':
        window->period = 60000;
        break;

    case 'h':
        window->period = 3600000;
        break;

    case 'd':
        window->period = 86400000;
        break;

    default:
        return -1;
    }

    window->limit = limit;

    return 0;
}


size_t
canopy_window_ring_size(uint32_t limit)
{
    return offsetof(canopy_window_ring_t, times) + limit * sizeof(int64_t);
}


void
canopy_window_ring_init(canopy_window_ring_t *ring, uint32_t limit)
{
    ring->size = limit;
    ring->n = 0;
    ring->next = 0;
}


void
canopy_window_ring_copy(canopy_window_ring_t *ring,
    const canopy_window_ring_t *from)
{
    uint32_t  back;

    back = from->n < ring->size ? from->n : ring->size;

    for ( /* void */ ; back > 0; back--) {
        canopy_window_take(ring, canopy_window_time(from, back));
    }
}


int64_t
canopy_window_wait(const canopy_window_ring_t *ring,
    const canopy_window_t *windows, size_t n, int64_t now)
{
    size_t    i;
    int64_t   wait, most;
    uint32_t  limit;

    most = 0;

    for (i = 0; i < n; i++) {
        limit = windows[i].limit < ring->size ? windows[i].limit : ring->size;

        if (ring->n < limit) {
            continue;
        }

        wait = canopy_window_time(ring, limit) + windows[i].period
               + CANOPY_WINDOW_SLACK - now;

        if (wait > most) {
            most = wait;
        }
    }

    return most;
}


void
canopy_window_take(canopy_window_ring_t *ring, int64_t now)
{
    ring->times[ring->next] = now;
    ring->next = (ring->next + 1) % ring->size;

    if (ring->n < ring->size) {
        ring->n++;
    }
}


uint32_t
canopy_window_used(const canopy_window_ring_t *ring,
    const canopy_window_t *window, int64_t now)
{
    int64_t   since;
    uint32_t  low, high, middle;

    /* those behind low are in, those from high on are out */

    since = now - window->period - CANOPY_WINDOW_SLACK;
    low = 0;
    high = ring->n + 1;

    while (high - low > 1) {
        middle = low + (high - low) / 2;

        if (canopy_window_time(ring, middle) > since) {
            low = middle;

        } else {
            high = middle;
        }
    }

    return low;
}


/* that of the last one, the last but one ...: back is 1, 2 ... n */
static int64_t
canopy_window_time(const canopy_window_ring_t *ring, uint32_t back)
{
    return ring->times[(ring->next + ring->size - back) % ring->size];
}
