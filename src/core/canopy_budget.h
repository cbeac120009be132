/*
 * How many exchanges there may be in any 24 hours.  All times are milliseconds
 * since the Epoch, on whatever clock the caller has; it may jump.
 *
 * The structure holds no pointers: it can live in shared memory, and the
 * caller locks it.
 */

#ifndef CANOPY_BUDGET_H
#define CANOPY_BUDGET_H


#include <stdint.h>


#define CANOPY_BUDGET_MAX     1000      /* exchanges in any 24 hours */
#define CANOPY_BUDGET_WINDOW  86400000  /* ms */


/*
 * The exchanges of the last 24 hours by one client at one endpoint, over all
 * environments that share them.  Starts zeroed, but for its limit, which may
 * change at any time.
 */
typedef struct {
    uint32_t  limit;                    /* 1 to CANOPY_BUDGET_MAX */
    uint32_t  n;
    struct {
        int64_t   at;
        uint32_t  forced;               /* 0 or 1: for a refused token */
    } spent[CANOPY_BUDGET_MAX];         /* in the order of time */
} canopy_budget_t;


/*
 * How many exchanges were made in the 24 hours before now.  Those older are
 * forgotten, and one of the future (the clock was set back) becomes one of
 * now.
 */
unsigned canopy_budget_used(canopy_budget_t *b, int64_t now);

/*
 * Is there none left, or none for a refused token, which get a quarter of the
 * limit?
 *
 * Out:     *next, when there will be one; not touched after a 0.
 * Returns  1 or 0.
 */
int canopy_budget_out(canopy_budget_t *b, unsigned forced, int64_t now,
    int64_t *next);

/*
 * Counts an exchange.
 *
 * Returns  0; -1 if there is none left.
 */
int canopy_budget_spend(canopy_budget_t *b, unsigned forced, int64_t now);

/*
 * Takes note of an exchange that somebody else has made; the same twice (same
 * time, same kind) is one.
 */
void canopy_budget_note(canopy_budget_t *b, int64_t at, unsigned forced,
    int64_t now);

/*
 * Takes note of all exchanges of another one, read from a file: how often each
 * of them is in one of both is how often it is there then.  One of the future
 * that canopy_budget_used() has made one of now is another one by that: reading
 * a file again counts too many rather than too few.
 */
void canopy_budget_merge(canopy_budget_t *b, const canopy_budget_t *other,
    int64_t now);


#endif /* CANOPY_BUDGET_H */
