/*
 * What is counted of an environment.  Holds no pointers: it can live in shared
 * memory, and the caller locks it.  Starts zeroed.  No counter is expected to
 * come to 2^63.
 */

#ifndef CANOPY_COUNTERS_H
#define CANOPY_COUNTERS_H


#include "canopy_outcome.h"


#define CANOPY_OUTCOMES         5       /* words, as numbered in the enum */
#define CANOPY_COUNTED          24      /* statuses, the last one: any other */
#define CANOPY_LATENCIES        14      /* buckets, the last one: longer */
#define CANOPY_HISTORY          60      /* minutes */


typedef struct {
    int64_t   minute;                   /* since the Epoch; 0: not used yet */
    uint32_t  outcomes[CANOPY_OUTCOMES];
} canopy_minute_t;


typedef struct {
    uint64_t         outcomes[CANOPY_OUTCOMES];     /* of requests */
    uint64_t         statuses[CANOPY_COUNTED];      /* answered to clients */
    uint64_t         repeats;                       /* copies but the first */
    uint64_t         latencies[CANOPY_LATENCIES];   /* of copies, each in one
                                                       bucket */
    uint64_t         latency;                       /* ms, their sum */
    canopy_minute_t  history[CANOPY_HISTORY];
} canopy_counters_t;


/*
 * A request is at its end.
 *
 * In:      status, that the client was answered (499: the client was gone);
 *          now, ms since the Epoch, by a clock that may be set: then minutes
 *          that are ahead of it by more than one are forgotten, and none before
 *          1970-01-01 00:01 is kept.
 */
void canopy_counters_request(canopy_counters_t *c, canopy_outcome_e outcome,
    unsigned status, int64_t now);

/*
 * A copy that was sent is at its end.
 *
 * In:      ms, from its begin to its end; repeat, 1 if it was not the first.
 */
void canopy_counters_copy(canopy_counters_t *c, uint64_t ms, unsigned repeat);

/*
 * What is counted in place i of statuses; 0: any status that has no place.
 */
unsigned canopy_counters_status(size_t i);

/*
 * The upper bound of bucket i of latencies, ms; 0: none.
 */
unsigned canopy_counters_bound(size_t i);

/*
 * How many copies took no longer than the upper bound of bucket i; the last
 * bucket: how many there are.
 */
uint64_t canopy_counters_within(const canopy_counters_t *c, size_t i);

/*
 * How many requests had an outcome in a minute (since the Epoch, any number);
 * 0 for one that is not, or no longer, known.
 */
uint32_t canopy_counters_minute(const canopy_counters_t *c, int64_t minute,
    canopy_outcome_e outcome);


#endif /* CANOPY_COUNTERS_H */
