#include <string.h>

#include "canopy_budget.h"


static uint32_t canopy_budget_limit(const canopy_budget_t *b, unsigned forced);
static uint32_t canopy_budget_count(const canopy_budget_t *b, uint32_t n,
    int64_t at, unsigned forced);
static void canopy_budget_add(canopy_budget_t *b, int64_t at, unsigned forced);
static int canopy_budget_old(int64_t at, int64_t now);
static int64_t canopy_budget_frees(int64_t at);


unsigned
canopy_budget_used(canopy_budget_t *b, int64_t now)
{
    uint32_t  i, old;

    for (old = 0; old < b->n; old++) {
        if (!canopy_budget_old(b->spent[old].at, now)) {
            break;
        }
    }

    if (old) {
        b->n -= old;
        memmove(b->spent, b->spent + old, b->n * sizeof(b->spent[0]));
    }

    for (i = b->n; i > 0 && b->spent[i - 1].at > now; i--) {
        b->spent[i - 1].at = now;
    }

    return b->n;
}


int
canopy_budget_out(canopy_budget_t *b, unsigned forced, int64_t now,
    int64_t *next)
{
    uint32_t  i, n, limit, over;

    n = canopy_budget_used(b, now);
    limit = canopy_budget_limit(b, forced);

    if (forced) {
        for (n = 0, i = 0; i < b->n; i++) {
            n += b->spent[i].forced;
        }
    }

    if (n < limit) {
        return 0;
    }

    if (limit == 0) {
        *next = canopy_budget_frees(now);
        return 1;
    }

    /* that many have to grow old, and one more */
    over = n - limit;

    for (i = 0; i < b->n - 1; i++) {
        if ((!forced || b->spent[i].forced) && over-- == 0) {
            break;
        }
    }

    *next = canopy_budget_frees(b->spent[i].at);

    return 1;
}


int
canopy_budget_spend(canopy_budget_t *b, unsigned forced, int64_t now)
{
    int64_t  next;

    if (canopy_budget_out(b, 0, now, &next)
        || (forced && canopy_budget_out(b, 1, now, &next)))
    {
        return -1;
    }

    canopy_budget_add(b, now, forced);

    return 0;
}


void
canopy_budget_note(canopy_budget_t *b, int64_t at, unsigned forced,
    int64_t now)
{
    if (!canopy_budget_old(at, now)
        && canopy_budget_count(b, b->n, at, forced) == 0)
    {
        canopy_budget_add(b, at, forced);
    }
}


void
canopy_budget_merge(canopy_budget_t *b, const canopy_budget_t *other,
    int64_t now)
{
    int64_t   at;
    uint32_t  i, forced;

    for (i = 0; i < other->n; i++) {
        at = other->spent[i].at;
        forced = other->spent[i].forced;

        if (!canopy_budget_old(at, now)
            && canopy_budget_count(b, b->n, at, forced)
               < canopy_budget_count(other, i + 1, at, forced))
        {
            canopy_budget_add(b, at, forced);
        }
    }
}


static uint32_t
canopy_budget_limit(const canopy_budget_t *b, unsigned forced)
{
    uint32_t  limit;

    limit = b->limit < CANOPY_BUDGET_MAX ? b->limit : CANOPY_BUDGET_MAX;

    return forced ? limit / 4 : limit;
}


/* how often it is among the first n */
static uint32_t
canopy_budget_count(const canopy_budget_t *b, uint32_t n, int64_t at,
    unsigned forced)
{
    uint32_t  i, count;

    for (count = 0, i = 0; i < n; i++) {
        count += b->spent[i].at == at && !b->spent[i].forced == !forced;
    }

    return count;
}


/*
 * If there is no room the oldest one is forgotten: no limit is above what is
 * kept, so until all that are kept are newer than a day it makes no difference.
 */
static void
canopy_budget_add(canopy_budget_t *b, int64_t at, unsigned forced)
{
    uint32_t  i;

    for (i = b->n; i > 0 && b->spent[i - 1].at > at; i--) { /* void */ }

    if (b->n == CANOPY_BUDGET_MAX) {
        if (i == 0) {
            return;
        }

        i--;
        memmove(b->spent, b->spent + 1, i * sizeof(b->spent[0]));

    } else {
        memmove(b->spent + i + 1, b->spent + i,
                (b->n - i) * sizeof(b->spent[0]));
        b->n++;
    }

    b->spent[i].at = at;
    b->spent[i].forced = forced ? 1 : 0;
}


/* the differences of two times may be more than an int64_t holds */
static int
canopy_budget_old(int64_t at, int64_t now)
{
    return at <= now
           && (uint64_t) now - (uint64_t) at >= CANOPY_BUDGET_WINDOW;
}


static int64_t
canopy_budget_frees(int64_t at)
{
    return at > INT64_MAX - CANOPY_BUDGET_WINDOW ? INT64_MAX
                                                 : at + CANOPY_BUDGET_WINDOW;
}
