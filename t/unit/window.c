/*
 * canopy_window: never more than so many in any period, and never fewer than
 * could be; held against all pairs of times.
 */

#include "canopy_window.h"
#include "tap.h"


#define N  4000


static void parsing(void);
static void places(void);
static void grown(void);
static void any_period(void);
static canopy_window_ring_t *ring_of(uint32_t limit);


int
main(void)
{
    parsing();
    places();
    grown();
    any_period();

    return tap_done();
}


static void
parsing(void)
{
    size_t           i;
    canopy_slice_t   text;
    canopy_window_t  window;

    static const struct {
        const char  *text;
        uint32_t     limit;
        int64_t      period;
    } tests[] = {
        { "2r/s", 2, 1000 },
        { "120r/m", 120, 60000 },
        { "300r/h", 300, 3600000 },
        { "10000r/d", 10000, 86400000 },
        { "007r/s", 7, 1000 },
        { "", 0, 0 },
        { "r/s", 0, 0 },
        { "0r/s", 0, 0 },
        { "-1r/s", 0, 0 },
        { "1", 0, 0 },
        { "1r", 0, 0 },
        { "1r/", 0, 0 },
        { "1r/x", 0, 0 },
        { "1R/s", 0, 0 },
        { "1r/s ", 0, 0 },
        { "1 r/s", 0, 0 },
        { "1.5r/s", 0, 0 },
        { "10001r/s", 0, 0 },
        { "4294967298r/s", 0, 0 },
        { "99999999999999999999999r/s", 0, 0 }
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        text.len = strlen(tests[i].text);
        text.data = tap_guard(tests[i].text, text.len);

        if (tests[i].limit == 0) {
            ok(canopy_window_parse(text, &window) == -1, "no rate: \"%s\"",
               tests[i].text);
            continue;
        }

        ok(canopy_window_parse(text, &window) == 0
           && window.limit == tests[i].limit
           && window.period == tests[i].period, "\"%s\"", tests[i].text);
    }
}


static void
places(void)
{
    canopy_window_ring_t   *ring;
    const canopy_window_t   windows[] = { { 2, 1000 }, { 3, 60000 } };

    ring = ring_of(3);

    ok(canopy_window_wait(ring, windows, 2, 0) == 0, "a place at first");
    canopy_window_take(ring, 0);
    ok(canopy_window_wait(ring, windows, 2, 10) == 0, "a second one");
    canopy_window_take(ring, 10);
    ok(canopy_window_wait(ring, windows, 2, 10) == 1090,
       "the third waits for the first one's second");
    ok(canopy_window_wait(ring, windows, 2, 1099) == 1, "to its last ms");
    ok(canopy_window_wait(ring, windows, 2, 1100) == 0, "and no longer");
    canopy_window_take(ring, 1100);
    ok(canopy_window_wait(ring, windows, 2, 3000) == 57100,
       "the fourth for its minute");
    ok(canopy_window_used(ring, &windows[0], 1100) == 2, "two in the second");
    ok(canopy_window_used(ring, &windows[1], 1100) == 3, "three in the minute");
    ok(canopy_window_used(ring, &windows[1], 70000) == 0, "then none");
    ok(canopy_window_wait(ring, windows, 0, 0) == 0, "no window, no wait");
}


/* a reload has larger or smaller windows */
static void
grown(void)
{
    int                     i;
    canopy_window_ring_t   *small, *large;
    const canopy_window_t   five = { 5, 1000 };

    small = ring_of(3);

    for (i = 0; i < 7; i++) {
        canopy_window_take(small, i);
    }

    ok(canopy_window_wait(small, &five, 1, 10) == 1094,
       "a limit over the ring is the ring's");

    large = ring_of(5);
    canopy_window_ring_copy(large, small);
    ok(canopy_window_used(large, &five, 10) == 3, "what is known is kept");
    ok(canopy_window_wait(large, &five, 1, 10) == 0, "and there is more room");

    small = ring_of(2);
    canopy_window_ring_copy(small, large);
    ok(canopy_window_used(small, &five, 10) == 2, "the newest, if it is less");
    ok(canopy_window_wait(small, &five, 1, 10) == 1095, "these");
}


static void
any_period(void)
{
    size_t                  i, j, n, w, bad, late;
    int64_t                 now, wait;
    static int64_t          sent[N];
    canopy_window_ring_t   *ring;

    static const canopy_window_t  windows[] = {
        { 2, 1000 }, { 120, 60000 }, { 300, 3600000 }
    };

    ring = ring_of(300);
    srand(1);

    bad = late = n = 0;

    for (now = 0; n < N; now += rand() % 400) {
        wait = canopy_window_wait(ring, windows, 3, now);

        if (wait > 0) {

            /* there is one then, and none before */

            late += canopy_window_wait(ring, windows, 3, now + wait) != 0;
            late += canopy_window_wait(ring, windows, 3, now + wait - 1) == 0;

            if (rand() % 2) {
                continue;
            }

            now += wait;
        }

        canopy_window_take(ring, now);
        sent[n++] = now;
    }

    for (w = 0; w < 3; w++) {
        for (i = 0, j = 0; i < n; i++) {
            while (sent[i] - sent[j] >= windows[w].period) {
                j++;
            }

            bad += i - j + 1 > windows[w].limit;
        }
    }

    ok(bad == 0, "never more than so many in any period");
    ok(late == 0, "the time to wait is exact");
}


static canopy_window_ring_t *
ring_of(uint32_t limit)
{
    size_t                 size;
    uint8_t               *zero;
    canopy_window_ring_t  *ring;

    size = canopy_window_ring_size(limit);
    zero = calloc(1, size);

    ring = (canopy_window_ring_t *) tap_guard(zero, size);
    free(zero);

    canopy_window_ring_init(ring, limit);

    return ring;
}
