#include <string.h>

#include "canopy_counters.h"


#define MINUTE  60000                   /* ms */


static canopy_minute_t *counters_minute(canopy_counters_t *c, int64_t minute);


/*
 * What the contract has the gateway answer, and what nginx's own modules say
 * most often in front of it; all ascending.
 */
static const uint16_t  counters_statuses[CANOPY_COUNTED - 1] = {
    200, 204, 301, 302, 308, 400, 401, 403, 404, 405, 408, 409, 410, 413, 421,
    422, 429, 444, 499, 500, 502, 503, 504
};

static const uint16_t  counters_bounds[CANOPY_LATENCIES - 1] = {
    5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000
};


void
canopy_counters_request(canopy_counters_t *c, canopy_outcome_e outcome,
    unsigned status, int64_t now)
{
    size_t            i;
    canopy_minute_t  *m;

    for (i = 0; i < CANOPY_COUNTED - 1; i++) {
        if (counters_statuses[i] == status) {
            break;
        }
    }

    c->outcomes[outcome]++;
    c->statuses[i]++;

    m = counters_minute(c, now / MINUTE);

    if (m) {
        m->outcomes[outcome]++;
    }
}


void
canopy_counters_copy(canopy_counters_t *c, uint64_t ms, unsigned repeat)
{
    size_t  i;

    for (i = 0; i < CANOPY_LATENCIES - 1; i++) {
        if (ms <= counters_bounds[i]) {
            break;
        }
    }

    c->latencies[i]++;
    c->latency += ms;
    c->repeats += (repeat != 0);
}


unsigned
canopy_counters_status(size_t i)
{
    return (i < CANOPY_COUNTED - 1) ? counters_statuses[i] : 0;
}


unsigned
canopy_counters_bound(size_t i)
{
    return (i < CANOPY_LATENCIES - 1) ? counters_bounds[i] : 0;
}


uint64_t
canopy_counters_within(const canopy_counters_t *c, size_t i)
{
    size_t    k;
    uint64_t  n;

    for (n = 0, k = 0; k <= i && k < CANOPY_LATENCIES; k++) {
        n += c->latencies[k];
    }

    return n;
}


uint32_t
canopy_counters_minute(const canopy_counters_t *c, int64_t minute,
    canopy_outcome_e outcome)
{
    const canopy_minute_t  *m;

    if (minute < 1) {
        return 0;
    }

    m = &c->history[minute % CANOPY_HISTORY];

    return (m->minute == minute) ? m->outcomes[outcome] : 0;
}


/* the place of a minute, emptied of an earlier one; NULL: before the Epoch */
static canopy_minute_t *
counters_minute(canopy_counters_t *c, int64_t minute)
{
    size_t            i;
    canopy_minute_t  *m;

    if (minute < 1) {
        return NULL;
    }

    m = &c->history[minute % CANOPY_HISTORY];

    if (m->minute == minute) {
        return m;
    }

    /*
     * The clock was set back: what was counted ahead of it must not come true.
     * The next minute is let be, another worker may be a little ahead.
     */

    for (i = 0; i < CANOPY_HISTORY; i++) {
        if (c->history[i].minute > minute + 1) {
            memset(&c->history[i], 0, sizeof(canopy_minute_t));
        }
    }

    memset(m, 0, sizeof(canopy_minute_t));
    m->minute = minute;

    return m;
}
