/*
 * canopy_budget: never more exchanges than allowed in any 24 hours, whatever
 * the clock does, and none of them kept for longer.
 */

#include "canopy_budget.h"
#include "tap.h"


#define DAY   CANOPY_BUDGET_WINDOW
#define HOUR  3600000

#define T  INT64_C(1764000000000)       /* some time in 2025 */


static canopy_budget_t *fresh(uint32_t limit);
static void spending(void);
static void forced(void);
static void limits(void);
static void set_back(void);
static void notes(void);
static void merging(void);
static void full(void);
static void extremes(void);
static int ordered(const canopy_budget_t *b);


int
main(void)
{
    spending();
    forced();
    limits();
    set_back();
    notes();
    merging();
    full();
    extremes();

    return tap_done();
}


/* at the end of a page */
static canopy_budget_t *
fresh(uint32_t limit)
{
    canopy_budget_t  b;

    memset(&b, 0, sizeof(b));
    b.limit = limit;

    return (canopy_budget_t *) tap_guard(&b, sizeof(b));
}


static void
spending(void)
{
    int64_t           next;
    canopy_budget_t  *b;

    b = fresh(3);
    next = 7;

    ok(canopy_budget_used(b, T) == 0, "nothing is used");
    ok(canopy_budget_out(b, 0, T, &next) == 0 && next == 7, "none out");
    ok(canopy_budget_spend(b, 0, T) == 0, "the first one");
    ok(canopy_budget_spend(b, 0, T) == 0, "one in the same millisecond");
    ok(canopy_budget_spend(b, 0, T + HOUR) == 0, "one an hour later");
    ok(canopy_budget_used(b, T + HOUR) == 3, "three are used");
    ok(canopy_budget_spend(b, 0, T + HOUR) == -1, "no fourth");
    ok(canopy_budget_used(b, T + HOUR) == 3, "and it is not counted");

    ok(canopy_budget_out(b, 0, T + HOUR, &next) == 1 && next == T + DAY,
       "the next one a day after the first");
    ok(canopy_budget_spend(b, 0, T + DAY - 1) == -1,
       "not a millisecond before");
    ok(canopy_budget_spend(b, 0, T + DAY) == 0, "but then");
    ok(canopy_budget_used(b, T + DAY) == 2, "the first two are forgotten");
    ok(canopy_budget_spend(b, 0, T + DAY) == 0, "so there is one more");
    ok(canopy_budget_out(b, 0, T + DAY, &next) == 1
       && next == T + DAY + HOUR, "and then an hour's wait");
    ok(canopy_budget_used(b, T + 5 * (int64_t) DAY) == 0,
       "days later all is forgotten");
}


static void
forced(void)
{
    int64_t           next;
    canopy_budget_t  *b;

    b = fresh(11);

    ok(canopy_budget_spend(b, 0, T) == 0
       && canopy_budget_spend(b, 1, T + 1) == 0
       && canopy_budget_spend(b, 0, T + 2) == 0
       && canopy_budget_spend(b, 1, T + 3) == 0, "two of each, of 11");
    ok(canopy_budget_spend(b, 1, T + 4) == -1, "no third forced one");
    ok(canopy_budget_out(b, 1, T + 4, &next) == 1 && next == T + 1 + DAY,
       "until the first forced one is old");
    ok(canopy_budget_out(b, 0, T + 4, &next) == 0, "others may go on");

    while (canopy_budget_spend(b, 0, T + 5) == 0) { /* void */ }

    ok(canopy_budget_used(b, T + 5) == 11, "to 11");

    b = fresh(4);

    ok(canopy_budget_spend(b, 0, T) == 0 && canopy_budget_spend(b, 0, T) == 0
       && canopy_budget_spend(b, 0, T) == 0
       && canopy_budget_spend(b, 0, T) == 0, "four of 4");
    ok(canopy_budget_spend(b, 1, T) == -1 && b->n == 4,
       "a forced one is one of all");

    b = fresh(3);
    ok(canopy_budget_spend(b, 1, T) == -1, "a quarter of 3 is none");
    ok(canopy_budget_out(b, 1, T, &next) == 1 && next == T + DAY,
       "and none tomorrow");
}


static void
limits(void)
{
    int64_t           i, next;
    canopy_budget_t  *b;

    b = fresh(20);

    for (i = 0; i < 12; i++) {
        (void) canopy_budget_spend(b, i % 3 == 0, T + i);
    }

    b->limit = 5;

    ok(canopy_budget_out(b, 0, T + 12, &next) == 1 && next == T + 7 + DAY,
       "a limit that shrinks from 20 to 5: eight of 12 have to grow old");
    ok(canopy_budget_spend(b, 0, next - 1) == -1
       && canopy_budget_spend(b, 0, next) == 0, "and then there is one");

    b->limit = 5;
    ok(canopy_budget_out(b, 1, T + 12, &next) == 1 && next == T + 9 + DAY,
       "all forced ones but none have to");

    b->limit = 1;
    ok(canopy_budget_out(b, 0, T + 12, &next) == 1
       && next == b->spent[b->n - 1].at + DAY,
       "from 20 to 1: all of them have to grow old");

    b = fresh(0);
    ok(canopy_budget_out(b, 0, T, &next) == 1 && next == T + DAY
       && canopy_budget_spend(b, 0, T) == -1, "a limit of 0");

    b = fresh(UINT32_MAX);

    for (i = 0; canopy_budget_spend(b, 0, T) == 0; i++) { /* void */ }

    ok(i == CANOPY_BUDGET_MAX, "a limit above the most is the most");
    ok(canopy_budget_out(b, 0, T, &next) == 1 && next == T + DAY,
       "all of them at once");
}


static void
set_back(void)
{
    int64_t           next;
    canopy_budget_t  *b;

    b = fresh(3);

    (void) canopy_budget_spend(b, 0, T);
    (void) canopy_budget_spend(b, 1, T + HOUR);
    (void) canopy_budget_spend(b, 0, T + HOUR);

    ok(canopy_budget_used(b, T - 99 * (int64_t) DAY) == 2,
       "set back by 99 days: as many are used");
    ok(canopy_budget_out(b, 0, T - 99 * (int64_t) DAY, &next) == 0,
       "with the third there is one left");
    ok(b->spent[0].at == T - 99 * (int64_t) DAY
       && b->spent[1].at == T - 99 * (int64_t) DAY, "they are of now");
    ok(canopy_budget_used(b, T - 98 * (int64_t) DAY) == 0,
       "for a day and no longer");

    b = fresh(8);

    (void) canopy_budget_spend(b, 0, T);
    (void) canopy_budget_spend(b, 0, T + 1);
    (void) canopy_budget_spend(b, 1, T + HOUR);
    (void) canopy_budget_spend(b, 1, T + HOUR);

    ok(canopy_budget_used(b, T) == 4 && b->spent[0].at == T
       && b->spent[3].at == T && b->spent[3].forced == 1 && ordered(b),
       "set back by an hour: those after it are of now");
    ok(canopy_budget_out(b, 1, T, &next) == 1 && next == T + DAY,
       "and forced still");
    ok(canopy_budget_spend(b, 0, T) == 0 && ordered(b), "one more is in order");
}


static void
notes(void)
{
    canopy_budget_t  *b;

    b = fresh(8);

    canopy_budget_note(b, T + 10, 0, T + 20);
    canopy_budget_note(b, T + 10, 0, T + 20);
    ok(canopy_budget_used(b, T + 20) == 1, "noted twice: one");

    canopy_budget_note(b, T + 10, 1, T + 20);
    ok(canopy_budget_used(b, T + 20) == 2, "of another kind: two");

    canopy_budget_note(b, T + 5, 0, T + 20);
    canopy_budget_note(b, T + 15, 7, T + 20);
    ok(canopy_budget_used(b, T + 20) == 4 && ordered(b), "in order");
    ok(b->spent[3].at == T + 15 && b->spent[3].forced == 1, "forced is 0 or 1");

    canopy_budget_note(b, T + 20 - DAY, 0, T + 20);
    ok(b->n == 4 && b->spent[0].at == T + 5, "a day old: not noted");

    canopy_budget_note(b, T + 21 - DAY, 0, T + 20);
    ok(b->n == 5 && b->spent[0].at == T + 21 - DAY, "a bit less: noted");

    b = fresh(8);

    canopy_budget_note(b, T + HOUR, 0, T);
    canopy_budget_note(b, T + HOUR + 1, 0, T);
    canopy_budget_note(b, T + HOUR, 0, T);
    ok(canopy_budget_used(b, T) == 2 && b->spent[1].at == T,
       "two of the future are two of now");
}


static void
merging(void)
{
    canopy_budget_t  *a, *b;

    a = fresh(8);
    b = fresh(2);

    (void) canopy_budget_spend(a, 0, T);
    (void) canopy_budget_spend(a, 0, T);
    (void) canopy_budget_spend(a, 1, T);
    (void) canopy_budget_spend(a, 0, T + HOUR);

    canopy_budget_merge(b, a, T + HOUR);
    ok(b->n == 4 && b->limit == 2, "two at the same time stay two");

    canopy_budget_merge(b, a, T + HOUR);
    ok(b->n == 4, "merged again: nothing new");

    b->n = 1;
    (void) canopy_budget_spend(b, 0, T + 1);
    canopy_budget_merge(b, a, T + HOUR);
    ok(b->n == 5 && ordered(b), "what is in one of both is in both");

    /* what was forgotten is there still, behind the end */

    a->n = 3;
    b = fresh(8);
    canopy_budget_merge(b, a, T + HOUR);
    ok(b->n == 3, "what is behind the end is not merged");

    a->n = 1;
    b = fresh(8);
    canopy_budget_merge(b, a, T + HOUR);
    canopy_budget_merge(b, a, T + HOUR);
    ok(b->n == 1, "nor counted");

    a->n = 4;
    b = fresh(8);
    canopy_budget_merge(b, a, T + DAY);
    ok(b->n == 1 && b->spent[0].at == T + HOUR, "but for what is a day old");

    b = fresh(8);
    canopy_budget_merge(b, a, T - HOUR);
    canopy_budget_merge(b, a, T - HOUR);
    ok(canopy_budget_used(b, T - HOUR) == 4, "those of the future are as many");
}


/* the oldest ones have to go, which changes nothing */
static void
full(void)
{
    int64_t           i, next;
    canopy_budget_t  *b;

    b = fresh(CANOPY_BUDGET_MAX);

    for (i = 1; i <= CANOPY_BUDGET_MAX; i++) {
        canopy_budget_note(b, T + 2 * i, i & 1, T + HOUR);
    }

    ok(b->n == CANOPY_BUDGET_MAX, "full");

    canopy_budget_note(b, T, 0, T + HOUR);
    ok(b->n == CANOPY_BUDGET_MAX && b->spent[0].at == T + 2,
       "one older than all has no room");

    canopy_budget_note(b, T + 7, 0, T + HOUR);
    ok(b->n == CANOPY_BUDGET_MAX && b->spent[0].at == T + 4
       && b->spent[2].at == T + 7 && ordered(b), "the oldest one goes");

    canopy_budget_note(b, T + HOUR, 0, T + HOUR);
    ok(b->n == CANOPY_BUDGET_MAX && b->spent[0].at == T + 6
       && b->spent[CANOPY_BUDGET_MAX - 1].at == T + HOUR && ordered(b),
       "one newer than all is the last");

    ok(canopy_budget_out(b, 0, T + HOUR, &next) == 1 && next == T + 6 + DAY,
       "all are used");
    ok(canopy_budget_out(b, 1, T + HOUR, &next) == 1,
       "and nothing behind them is");
}


static void
extremes(void)
{
    int               bad;
    size_t            i, k, m;
    int64_t           next;
    canopy_budget_t  *b;

    static const int64_t  times[] = {
        INT64_MIN, INT64_MIN + 1, -DAY, -1, 0, 1, DAY, T,
        INT64_MAX - DAY, INT64_MAX - 1, INT64_MAX
    };

#define N  (sizeof(times) / sizeof(times[0]))

    b = fresh(2);
    bad = 0;

    for (i = 0; i < N; i++) {
        for (k = 0; k < N; k++) {
            b->n = 0;

            bad += canopy_budget_spend(b, 0, times[i]) != 0;
            bad += canopy_budget_spend(b, 0, times[i]) != 0;

            /* the clock was set back, or they are not old */
            if (times[k] <= times[i]
                || (uint64_t) times[k] - (uint64_t) times[i] < DAY)
            {
                bad += canopy_budget_used(b, times[k]) != 2;
                bad += canopy_budget_out(b, 0, times[k], &next) != 1;
                bad += next < times[k];
                bad += canopy_budget_spend(b, 0, times[k]) != -1;

            } else {
                bad += canopy_budget_used(b, times[k]) != 0;
            }

            for (m = 0; m < N; m++) {
                canopy_budget_note(b, times[m], 0, times[k]);
                bad += !ordered(b);
            }
        }
    }

    ok(bad == 0, "times at the ends of int64_t");

#undef N
}


static int
ordered(const canopy_budget_t *b)
{
    uint32_t  i;

    for (i = 1; i < b->n; i++) {
        if (b->spent[i - 1].at > b->spent[i].at) {
            return 0;
        }
    }

    return 1;
}
