/*
 * canopy_refresh over years of made-up time: workers that ask, begin, send,
 * end and die; an endpoint and an upstream whose manners change; a clock that
 * is right or jumps.  Always the same years.
 *
 * Whatever happens: no token after its expiry, no two exchanges at once, no
 * more than the limit in any 24 hours, a quarter of it for refused tokens; and
 * a day after all is well again there is a token.
 */

#include "canopy_refresh.h"
#include "tap.h"


#define SECOND  1000
#define MINUTE  60000
#define HOUR    3600000
#define DAY     ((int64_t) CANOPY_BUDGET_WINDOW)
#define YEAR    (365 * DAY)

#define START    INT64_C(1764000000000)
#define TIMEOUT  (60 * SECOND)
#define SENT     8192                   /* exchanges of a year, at most */


typedef enum {
    ENDPOINT_WELL = 0,
    ENDPOINT_SHORT,             /* tokens of minutes */
    ENDPOINT_FLAKY,
    ENDPOINT_DOWN,              /* no connection */
    ENDPOINT_BROKEN,            /* 5xx, wrong secret */
    ENDPOINT_LIMIT,             /* names a time */
    ENDPOINT_HANGS,
    ENDPOINT_MANNERS
} endpoint_e;


typedef enum {
    UPSTREAM_WELL = 0,
    UPSTREAM_REFUSES,
    UPSTREAM_REVOKED,           /* the tokens it knew before */
    UPSTREAM_MANNERS
} upstream_e;


typedef struct {
    int64_t            t;       /* what time it really is */
    int64_t            offset;  /* of the clock */
    unsigned           jumps;   /* it does that */
    unsigned           storms;  /* endpoint and upstream change */
    uint64_t           random;

    endpoint_e         endpoint;
    int64_t            endpoint_since, endpoint_until;
    upstream_e         upstream;
    int64_t            upstream_since, upstream_until;

    canopy_refresh_t   e;
    canopy_budget_t    b;
    int64_t            expires; /* the token, really */
    int64_t            obtained;

    unsigned           live;    /* the exchange */
    unsigned           sent;
    int64_t            name;    /* its e.until */
    int64_t            done;    /* when it ends */
    int64_t            begun;

    struct {
        int64_t        t;
        unsigned       forced;
    } log[SENT];
    unsigned           n;

    unsigned           renewals, forced, failures, waits, jumped;

    unsigned           stale;           /* faults, from here on */
    unsigned           twice;
    unsigned           over;
    unsigned           hasty;
    unsigned           dead;
} year_t;


static void year(const char *name, uint32_t limit, unsigned storms,
    unsigned jumps);
static void weather(year_t *y);
static void jump(year_t *y);
static void ask(year_t *y);
static void request(year_t *y);
static void begin(year_t *y, unsigned forced);
static void exchange(year_t *y);
static void end(year_t *y);
static void count(year_t *y);
static int64_t now(const year_t *y);
static unsigned chance(year_t *y, unsigned one_in);
static int64_t pick(year_t *y, int64_t n);


int
main(void)
{
    static const uint32_t  limits[] = { 4, 5, 8, 20, 50, 1000 };

    size_t    i;
    char      name[64];
    unsigned  k;

    year("a calm year", 20, 0, 0);

    for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        for (k = 0; k < 4; k++) {
            snprintf(name, sizeof(name), "limit %u%s", (unsigned) limits[i],
                     k & 1 ? ", the clock jumps" : "");
            year(name, limits[i], 1 + k, k & 1);
        }
    }

    return tap_done();
}


static void
year(const char *name, uint32_t limit, unsigned storms, unsigned jumps)
{
    static year_t  y;

    memset(&y, 0, sizeof(y));

    y.t = START;
    y.storms = storms;
    y.jumps = jumps;
    y.random = 88172645463325252u + limit * 8 + storms;
    y.b.limit = limit;

    while (y.t < START + YEAR) {
        weather(&y);
        jump(&y);
        exchange(&y);
        ask(&y);

        /* bursts, and quiet times */
        y.t += chance(&y, 4) ? pick(&y, 5 * MINUTE) : pick(&y, 10 * SECOND);
    }

    ok(y.stale == 0, "%s: no token after its expiry", name);
    ok(y.over == 0, "%s: no exchange above the limit", name);

    if (jumps) {
        ok(y.jumped > 100, "%s: %u times", name, y.jumped);
        return;
    }

    ok(y.twice == 0, "%s: one exchange at once", name);
    ok(y.hasty == 0, "%s: no token is renewed too early", name);
    ok(y.dead == 0, "%s: after bad times it comes back", name);

    if (storms) {
        ok(y.renewals && y.failures && y.waits && (y.forced || limit < 4),
           "%s: %u exchanges, %u forced, %u failed", name, y.n, y.forced,
           y.failures);
        return;
    }

    ok(y.n >= 429 && y.n <= 488 && y.forced == 0 && y.failures == 0,
       "%s: %u exchanges, between 365 / 0.85 and 365 / 0.75", name, y.n);
}


static void
weather(year_t *y)
{
    if (y->storms == 0) {
        return;
    }

    if (y->t >= y->endpoint_until) {
        y->endpoint = chance(y, 3) ? ENDPOINT_WELL
                                   : (endpoint_e) pick(y, ENDPOINT_MANNERS);
        y->endpoint_since = y->t;
        y->endpoint_until = y->t + (chance(y, 2) ? pick(y, 3 * HOUR)
                                                 : pick(y, 4 * DAY));
    }

    if (y->t >= y->upstream_until) {
        y->upstream = chance(y, 3) ? UPSTREAM_WELL
                                   : (upstream_e) pick(y, UPSTREAM_MANNERS);
        y->upstream_since = y->t;
        y->upstream_until = y->t + (chance(y, 2) ? pick(y, 3 * HOUR)
                                                 : pick(y, 4 * DAY));
    }

    /* a reload */
    if (chance(y, 100000)) {
        canopy_refresh_new_secret(&y->e);
    }
}


/* back only: a clock that goes forward makes things old that are not */
static void
jump(year_t *y)
{
    if (y->jumps && chance(y, 2000)) {
        y->offset -= chance(y, 10) ? pick(y, 100 * DAY)
                     : chance(y, 2) ? pick(y, 2 * DAY) : pick(y, HOUR);
        y->jumped++;
    }
}


/* a worker's timer, or a request */
static void
ask(year_t *y)
{
    unsigned                   usable;
    canopy_refresh_decision_t  d;

    d = canopy_refresh_decide(&y->e, &y->b, now(y));
    usable = d.action == CANOPY_REFRESH_USE || d.action == CANOPY_REFRESH_RENEW;

    y->stale += usable && now(y) >= y->e.expires;
    y->stale += usable && !y->jumps && y->t >= y->expires;
    y->stale += !usable && y->e.obtained && now(y) < y->e.expires;

    y->dead += !usable && !y->jumps && y->endpoint == ENDPOINT_WELL
               && y->storms && y->t > y->endpoint_since + 25 * HOUR;

    if (d.action == CANOPY_REFRESH_RENEW || d.action == CANOPY_REFRESH_FETCH) {
        y->hasty += usable && y->t < y->obtained
                                     + (y->expires - y->obtained) / 4 * 3;
        begin(y, 0);

    } else if (d.action == CANOPY_REFRESH_WAIT) {
        y->waits++;
    }

    if (usable) {
        request(y);
    }
}


static void
request(year_t *y)
{
    canopy_refresh_decision_t  d;

    if (y->upstream == UPSTREAM_WELL
        || (y->upstream == UPSTREAM_REVOKED
            && y->obtained > y->upstream_since))
    {
        canopy_refresh_accepted(&y->e);
        return;
    }

    d = canopy_refresh_refused(&y->e, &y->b, now(y));

    if (d.action == CANOPY_REFRESH_FETCH) {
        y->hasty += y->t < y->obtained + CANOPY_REFRESH_YOUNG;
        begin(y, 1);

    } else {
        y->stale += d.action != CANOPY_REFRESH_WAIT
                    && d.action != CANOPY_REFRESH_FAIL;
    }
}


static void
begin(year_t *y, unsigned forced)
{
    y->twice += y->live && y->t < y->begun + TIMEOUT;

    canopy_refresh_begin(&y->e, now(y), TIMEOUT, forced);

    y->live = 1;
    y->sent = 0;
    y->begun = y->t;
    y->name = y->e.until;
    y->done = y->t + (y->endpoint == ENDPOINT_HANGS ? DAY
                                                    : pick(y, 20 * SECOND));
}


static void
exchange(year_t *y)
{
    if (!y->live) {
        return;
    }

    /* its worker dies, somebody notices it or not */
    if (y->endpoint != ENDPOINT_WELL && chance(y, 100)) {
        y->live = 0;

        if (chance(y, 2)) {
            canopy_refresh_dropped(&y->e);
        }

        return;
    }

    if (!y->sent && y->endpoint != ENDPOINT_DOWN) {
        if (canopy_refresh_send(&y->e, &y->b, now(y)) != 0) {
            y->live = 0;
            canopy_refresh_failed(&y->e, now(y), 0, 0, (uint32_t) y->random);
            return;
        }

        y->sent = 1;
        count(y);
    }

    if (y->t >= y->done || y->t >= y->begun + TIMEOUT) {
        y->live = 0;
        end(y);
    }
}


static void
end(year_t *y)
{
    int64_t  life;

    if (!y->sent || y->endpoint >= ENDPOINT_BROKEN
        || (y->endpoint == ENDPOINT_FLAKY && chance(y, 2)))
    {
        canopy_refresh_failed(&y->e, now(y), y->sent,
                              y->endpoint == ENDPOINT_LIMIT
                              ? now(y) + pick(y, 30 * HOUR) : 0,
                              (uint32_t) y->random);
        y->failures++;
        return;
    }

    life = y->endpoint == ENDPOINT_SHORT ? 1 + pick(y, HOUR) : DAY;

    y->obtained = y->t;
    y->expires = y->t + life;
    canopy_refresh_succeeded(&y->e, now(y), life, (uint32_t) y->random);
    y->renewals++;
}


static void
count(year_t *y)
{
    unsigned  i, all, forced;

    if (y->n == SENT) {
        y->over++;
        return;
    }

    y->log[y->n].t = y->t;
    y->log[y->n].forced = y->e.forced;
    y->n++;
    y->forced += y->e.forced;

    for (all = 0, forced = 0, i = y->n; i > 0; i--) {
        if (y->t - y->log[i - 1].t >= DAY) {
            break;
        }

        all++;
        forced += y->log[i - 1].forced;
    }

    y->over += all > y->b.limit || forced > y->b.limit / 4;
}


static int64_t
now(const year_t *y)
{
    return y->t + y->offset;
}


static unsigned
chance(year_t *y, unsigned one_in)
{
    return pick(y, one_in) == 0;
}


/* xorshift */
static int64_t
pick(year_t *y, int64_t n)
{
    y->random ^= y->random << 13;
    y->random ^= y->random >> 7;
    y->random ^= y->random << 17;

    return (int64_t) ((y->random >> 1) % (uint64_t) n);
}
