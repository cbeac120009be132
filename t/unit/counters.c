/*
 * canopy_counters: each request and each copy is counted once, in its place;
 * an hour of minutes, whatever the clock does.
 */

#include "canopy_counters.h"
#include "tap.h"


#define MINUTE  INT64_C(60000)
#define M       INT64_C(29926800)       /* 2026-11-25 12:00 */
#define T       (M * MINUTE)


static void requests(void);
static void statuses(void);
static void latencies(void);
static void hour(void);
static void gaps(void);
static void clock_set(void);
static void any_clock(void);
static canopy_counters_t *counters(void);
static uint64_t sum(const canopy_counters_t *c, int64_t first, int64_t last);


int
main(void)
{
    requests();
    statuses();
    latencies();
    hour();
    gaps();
    clock_set();
    any_clock();

    return tap_done();
}


static void
requests(void)
{
    int                 i, k, good;
    canopy_counters_t  *c;

    c = counters();

    for (i = 0; i < CANOPY_OUTCOMES; i++) {
        for (k = 0; k <= i; k++) {
            canopy_counters_request(c, (canopy_outcome_e) i, 204, T + k);
        }
    }

    for (good = 1, i = 0; i < CANOPY_OUTCOMES; i++) {
        good &= (c->outcomes[i] == (uint64_t) i + 1
                 && canopy_counters_minute(c, M, (canopy_outcome_e) i)
                    == (uint32_t) i + 1);
    }

    ok(good, "outcomes, each in its place and its minute");
    ok(canopy_counters_status(1) == 204 && c->statuses[1] == 15
       && c->repeats == 0 && c->latency == 0,
       "their status, and nothing else");
    ok(canopy_counters_within(c, CANOPY_LATENCIES - 1) == 0, "no copy");

    c->outcomes[CANOPY_UNKNOWN] = UINT64_C(0xffffffff);
    canopy_counters_request(c, CANOPY_UNKNOWN, 502, T);
    ok(c->outcomes[CANOPY_UNKNOWN] == UINT64_C(0x100000000), "over 2^32");
}


static void
statuses(void)
{
    int                 good;
    size_t              i, k;
    canopy_counters_t  *c;

    static const unsigned  places[] = {
        204, 401, 403, 404, 405, 409, 410, 413, 421, 422, 429, 499, 500, 502,
        503, 504
    };

    static const unsigned  others[] = {
        0, 1, 100, 203, 299, 418, 505, 599, 999, 65536 + 204, 0x80000000u,
        0xffffffffu
    };

    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        c = counters();
        canopy_counters_request(c, CANOPY_DENIED, places[i], T);

        for (k = 0; k < CANOPY_COUNTED && c->statuses[k] == 0; k++) {
            /* void */
        }

        ok(k < CANOPY_COUNTED && canopy_counters_status(k) == places[i],
           "%u has a place", places[i]);
    }

    c = counters();

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        canopy_counters_request(c, CANOPY_DENIED, others[i], T);
        ok(c->statuses[CANOPY_COUNTED - 1] == i + 1, "%u is another one",
           others[i]);
    }

    for (good = 1, i = 1; i < CANOPY_COUNTED - 1; i++) {
        good &= (canopy_counters_status(i) > canopy_counters_status(i - 1));
    }

    ok(good, "places are ascending");
    ok(canopy_counters_status(CANOPY_COUNTED - 1) == 0
       && canopy_counters_status(CANOPY_COUNTED) == 0
       && canopy_counters_status((size_t) -1) == 0, "the last one has none");
}


static void
latencies(void)
{
    int                 good;
    size_t              i;
    uint64_t            all;
    canopy_counters_t  *c;

    static const unsigned  bounds[] = {
        5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000
    };

    c = counters();
    all = 0;

    for (good = 1, i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        canopy_counters_copy(c, bounds[i], 0);
        canopy_counters_copy(c, bounds[i] + 1, 0);
        all += 2 * bounds[i] + 1;

        good &= (canopy_counters_bound(i) == bounds[i]);
    }

    ok(good && canopy_counters_bound(i) == 0
       && canopy_counters_bound(i + 1) == 0
       && canopy_counters_bound((size_t) -1) == 0, "bounds");
    ok(c->latency == all, "the sum: %llu", (unsigned long long) c->latency);

    for (good = 1, i = 0; i < CANOPY_LATENCIES; i++) {
        good &= (c->latencies[i] == (i == 0 || i == CANOPY_LATENCIES - 1
                                     ? 1u : 2u));
        good &= (canopy_counters_within(c, i)
                 == (i == CANOPY_LATENCIES - 1 ? 26u : 2 * i + 1));
    }

    ok(good, "a bound belongs to its bucket, one more to the next");
    ok(canopy_counters_within(c, (size_t) -1) == 26, "not over the last one");
    ok(c->repeats == 0, "no repeats");

    canopy_counters_copy(c, 0, 1);
    canopy_counters_copy(c, UINT64_C(0x100000005), 2);

    ok(c->latencies[0] == 2 && c->latencies[CANOPY_LATENCIES - 1] == 2,
       "the shortest and the longest");
    ok(c->repeats == 2, "repeats");
}


static void
hour(void)
{
    int                 good;
    int64_t             m;
    canopy_counters_t  *c;

    c = counters();

    for (m = M; m < M + 60; m++) {
        canopy_counters_request(c, CANOPY_ACCEPTED, 204, m * MINUTE);
        canopy_counters_request(c, CANOPY_ACCEPTED, 204, m * MINUTE + 59999);
    }

    for (good = 1, m = M; m < M + 60; m++) {
        good &= (canopy_counters_minute(c, m, CANOPY_ACCEPTED) == 2);
        good &= (canopy_counters_minute(c, m, CANOPY_UNKNOWN) == 0);
    }

    ok(good, "sixty minutes, from their first to their last ms");
    ok(canopy_counters_minute(c, M - 1, CANOPY_ACCEPTED) == 0
       && canopy_counters_minute(c, M + 60, CANOPY_ACCEPTED) == 0,
       "none around them");

    canopy_counters_request(c, CANOPY_UNKNOWN, 504, T + 60 * MINUTE);

    ok(canopy_counters_minute(c, M, CANOPY_ACCEPTED) == 0
       && canopy_counters_minute(c, M + 60, CANOPY_ACCEPTED) == 0
       && canopy_counters_minute(c, M + 60, CANOPY_UNKNOWN) == 1
       && canopy_counters_minute(c, M + 1, CANOPY_ACCEPTED) == 2,
       "the next one takes the place of the first");
    ok(c->outcomes[CANOPY_ACCEPTED] == 120, "counters forget nothing");
}


static void
gaps(void)
{
    canopy_counters_t  *c;

    c = counters();

    canopy_counters_request(c, CANOPY_ACCEPTED, 204, T);
    canopy_counters_request(c, CANOPY_ACCEPTED, 204, T + 30 * MINUTE);

    ok(sum(c, M + 1, M + 29) == 0 && sum(c, M, M + 30) == 2, "quiet minutes");
    ok(sum(c, M + 1, M + 60) == 1, "an hour later, without a request");
    ok(sum(c, M + 60, M + 119) == 0, "and another one");

    canopy_counters_request(c, CANOPY_ACCEPTED, 204, T + 1440 * MINUTE);
    ok(sum(c, M + 1381, M + 1440) == 1, "the next day");
}


static void
clock_set(void)
{
    canopy_counters_t  *c;

    /* half an hour ahead, and back within the minute */

    c = counters();

    canopy_counters_request(c, CANOPY_ACCEPTED, 204, T);
    canopy_counters_request(c, CANOPY_ACCEPTED, 204, T + 30 * MINUTE);
    canopy_counters_request(c, CANOPY_ACCEPTED, 204, T + 1000);
    ok(sum(c, M - 59, M) == 2, "back: what was counted is there");

    canopy_counters_request(c, CANOPY_ACCEPTED, 204, T + MINUTE);
    ok(sum(c, M - 29, M + 30) == 3, "the future does not come true");

    /* a day ahead, and back */

    c = counters();

    canopy_counters_request(c, CANOPY_ACCEPTED, 204, T);
    canopy_counters_request(c, CANOPY_ACCEPTED, 204, T + 1440 * MINUTE);
    canopy_counters_request(c, CANOPY_ACCEPTED, 204, T + MINUTE);
    ok(sum(c, M - 58, M + 1) == 1 && sum(c, M + 1381, M + 1440) == 0,
       "nor does tomorrow, though it has taken a place");

    /* back by a day */

    canopy_counters_request(c, CANOPY_ACCEPTED, 204, T - 1440 * MINUTE);
    ok(sum(c, M - 1499, M - 1440) == 1, "yesterday");
    ok(sum(c, M - 58, M + 1) == 0, "and then not today again");

    /* another worker is a little ahead */

    c = counters();

    canopy_counters_request(c, CANOPY_ACCEPTED, 204, T + MINUTE);
    canopy_counters_request(c, CANOPY_ACCEPTED, 204, T + MINUTE - 1);
    canopy_counters_request(c, CANOPY_ACCEPTED, 204, T + MINUTE);
    ok(canopy_counters_minute(c, M, CANOPY_ACCEPTED) == 1
       && canopy_counters_minute(c, M + 1, CANOPY_ACCEPTED) == 2,
       "two workers around a minute's end");
}


static void
any_clock(void)
{
    size_t              i;
    int64_t             m;
    canopy_counters_t  *c;

    static const int64_t  times[] = {
        INT64_MIN, INT64_MIN + 1, -MINUTE * 61, -MINUTE - 1, -MINUTE, -1, 0, 1,
        MINUTE - 1, MINUTE, T, INT64_MAX - 1, INT64_MAX
    };

    c = counters();

    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        canopy_counters_request(c, CANOPY_DENIED, 404, times[i]);
        m = times[i] / MINUTE;

        ok(canopy_counters_minute(c, m, CANOPY_DENIED)
           == (m < 1 ? 0u : m == INT64_MAX / MINUTE ? (uint32_t) i - 10 : 1u),
           "counted at %lld", (long long) times[i]);
        ok(canopy_counters_minute(c, times[i], CANOPY_DENIED) == 0,
           "no such minute");
    }

    ok(c->outcomes[CANOPY_DENIED] == i, "all are counted");
}


/* behind it is a page that can't be touched */
static canopy_counters_t *
counters(void)
{
    static const canopy_counters_t  zero;

    return (canopy_counters_t *) (void *) tap_guard(&zero, sizeof(zero));
}


static uint64_t
sum(const canopy_counters_t *c, int64_t first, int64_t last)
{
    int       i;
    uint64_t  n;

    for (n = 0; first <= last; first++) {
        for (i = 0; i < CANOPY_OUTCOMES; i++) {
            n += canopy_counters_minute(c, first, (canopy_outcome_e) i);
        }
    }

    return n;
}
