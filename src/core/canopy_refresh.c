#include "canopy_refresh.h"


#define CANOPY_REFRESH_SECOND  1000
#define CANOPY_REFRESH_MINUTE  60000

/* the longest back-offs: nothing was sent, something was, forced ones */
#define CANOPY_REFRESH_UNSENT  (60 * CANOPY_REFRESH_SECOND)
#define CANOPY_REFRESH_FAILED  (30 * CANOPY_REFRESH_MINUTE)
#define CANOPY_REFRESH_FORCED  (60 * CANOPY_REFRESH_MINUTE)


static unsigned canopy_refresh_under_way(const canopy_refresh_t *e,
    int64_t now);
static unsigned canopy_refresh_due(const canopy_refresh_t *e, int64_t now);
static void canopy_refresh_hold_failures(canopy_refresh_decision_t *d,
    const canopy_refresh_t *e, int64_t now);
static void canopy_refresh_hold_refusals(canopy_refresh_decision_t *d,
    const canopy_refresh_t *e, int64_t now);
static void canopy_refresh_hold_budget(canopy_refresh_decision_t *d,
    canopy_budget_t *b, unsigned forced, int64_t now);
static void canopy_refresh_hold(canopy_refresh_decision_t *d, int64_t until);

static int64_t canopy_refresh_backoff(uint32_t n, int64_t unit, int64_t most);
static int64_t canopy_refresh_part(int64_t ms, uint32_t random);
static int64_t canopy_refresh_later(int64_t t, int64_t ms);
static int64_t canopy_refresh_mark(int64_t t);
static unsigned canopy_refresh_ahead(int64_t t, int64_t now, int64_t ms);


canopy_refresh_decision_t
canopy_refresh_decide(const canopy_refresh_t *e, canopy_budget_t *b,
    int64_t now)
{
    unsigned                   usable;
    canopy_refresh_decision_t  d;

    usable = e->obtained != 0 && now < e->expires;

    d.action = usable ? CANOPY_REFRESH_RENEW : CANOPY_REFRESH_FETCH;
    d.next = now;
    d.spent = 0;

    if (usable && !canopy_refresh_due(e, now)) {
        d.action = CANOPY_REFRESH_USE;
        d.next = e->renew;
        return d;
    }

    if (canopy_refresh_under_way(e, now)) {
        d.action = usable ? CANOPY_REFRESH_USE : CANOPY_REFRESH_WAIT;
        d.next = e->until;
        return d;
    }

    canopy_refresh_hold_failures(&d, e, now);
    canopy_refresh_hold_budget(&d, b, 0, now);

    if (d.action == CANOPY_REFRESH_FAIL && usable) {
        d.action = CANOPY_REFRESH_USE;
    }

    return d;
}


canopy_refresh_decision_t
canopy_refresh_refused(const canopy_refresh_t *e, canopy_budget_t *b,
    int64_t now)
{
    canopy_refresh_decision_t  d, regular;

    d.action = CANOPY_REFRESH_FETCH;
    d.next = now;
    d.spent = 0;

    if (canopy_refresh_under_way(e, now)) {
        d.action = CANOPY_REFRESH_WAIT;
        d.next = e->until;
        return d;
    }

    regular = d;

    canopy_refresh_hold_refusals(&d, e, now);
    canopy_refresh_hold_failures(&d, e, now);
    canopy_refresh_hold_budget(&d, b, 0, now);
    canopy_refresh_hold_budget(&d, b, 1, now);

    if (d.action == CANOPY_REFRESH_FETCH) {
        return d;
    }

    if (!canopy_refresh_due(e, now)) {
        canopy_refresh_hold(&regular, e->renew);
    }

    canopy_refresh_hold_failures(&regular, e, now);
    canopy_refresh_hold_budget(&regular, b, 0, now);

    if (regular.next < d.next) {
        d.next = regular.next;
    }

    return d;
}


void
canopy_refresh_begin(canopy_refresh_t *e, int64_t now, int64_t timeout,
    unsigned forced)
{
    if (timeout < 1) {
        timeout = 1;

    } else if (timeout > CANOPY_BUDGET_WINDOW) {
        timeout = CANOPY_BUDGET_WINDOW;
    }

    e->until = canopy_refresh_mark(canopy_refresh_later(now, timeout));
    e->forced = forced ? 1 : 0;

    if (forced) {
        e->refusals += e->refusals < UINT32_MAX;
        e->force = canopy_refresh_later(now,
                       canopy_refresh_backoff(e->refusals,
                                              CANOPY_REFRESH_MINUTE,
                                              CANOPY_REFRESH_FORCED));
    }
}


int
canopy_refresh_send(const canopy_refresh_t *e, canopy_budget_t *b,
    int64_t now)
{
    if (!canopy_refresh_under_way(e, now)) {
        return -1;
    }

    return canopy_budget_spend(b, e->forced, now);
}


void
canopy_refresh_succeeded(canopy_refresh_t *e, int64_t sent, int64_t lifetime,
    uint32_t random)
{
    int64_t  renew;

    if (lifetime < 1) {
        lifetime = 1;
    }

    renew = lifetime - lifetime / 4
            + canopy_refresh_part(lifetime / 10, random);

    e->obtained = canopy_refresh_mark(sent);
    e->expires = canopy_refresh_later(sent, lifetime);
    e->renew = canopy_refresh_later(sent, renew);

    e->failures = 0;
    e->retry = 0;
    e->limited = 0;

    canopy_refresh_dropped(e);
}


void
canopy_refresh_failed(canopy_refresh_t *e, int64_t now, unsigned sent,
    int64_t refresh, uint32_t random)
{
    int64_t  most, wait;

    canopy_refresh_dropped(e);

    e->failures += e->failures < UINT32_MAX;

    most = sent ? CANOPY_REFRESH_FAILED : CANOPY_REFRESH_UNSENT;
    wait = canopy_refresh_backoff(e->failures, CANOPY_REFRESH_SECOND, most);
    wait = wait / 2 + canopy_refresh_part(wait / 2, random);

    e->retry = canopy_refresh_later(now, wait);
    e->limited = 0;

    if (refresh == 0 || refresh <= now) {
        return;
    }

    if (canopy_refresh_ahead(refresh, now, CANOPY_BUDGET_WINDOW)) {
        refresh = canopy_refresh_later(now, CANOPY_BUDGET_WINDOW);
    }

    e->limited = refresh;

    if (refresh > e->retry) {
        e->retry = refresh;
    }
}


void
canopy_refresh_dropped(canopy_refresh_t *e)
{
    e->until = 0;
    e->forced = 0;
}


void
canopy_refresh_accepted(canopy_refresh_t *e)
{
    e->refusals = 0;
    e->force = 0;
}


void
canopy_refresh_new_secret(canopy_refresh_t *e)
{
    e->failures = 0;
    e->retry = e->limited;
}


static unsigned
canopy_refresh_under_way(const canopy_refresh_t *e, int64_t now)
{
    return e->until != 0 && now < e->until
           && !canopy_refresh_ahead(e->until, now,
                                 CANOPY_BUDGET_WINDOW + CANOPY_REFRESH_SKEW);
}


/* that of a token of the future, too: nobody knows how old it is */
static unsigned
canopy_refresh_due(const canopy_refresh_t *e, int64_t now)
{
    return now >= e->renew
           || canopy_refresh_ahead(e->obtained, now, CANOPY_REFRESH_SKEW);
}


static void
canopy_refresh_hold_failures(canopy_refresh_decision_t *d,
    const canopy_refresh_t *e, int64_t now)
{
    int64_t  most;

    most = e->limited ? CANOPY_BUDGET_WINDOW : CANOPY_REFRESH_FAILED;

    if (e->retry != 0 && e->retry > now
        && !canopy_refresh_ahead(e->retry, now, most + CANOPY_REFRESH_SKEW))
    {
        canopy_refresh_hold(d, e->retry);
    }
}


static void
canopy_refresh_hold_refusals(canopy_refresh_decision_t *d,
    const canopy_refresh_t *e, int64_t now)
{
    int64_t  old;

    old = canopy_refresh_later(e->obtained, CANOPY_REFRESH_YOUNG);

    if (e->obtained != 0 && now < old
        && !canopy_refresh_ahead(e->obtained, now, CANOPY_REFRESH_SKEW))
    {
        canopy_refresh_hold(d, old);
    }

    if (e->force != 0 && e->force > now
        && !canopy_refresh_ahead(e->force, now,
                                 CANOPY_REFRESH_FORCED + CANOPY_REFRESH_SKEW))
    {
        canopy_refresh_hold(d, e->force);
    }
}


static void
canopy_refresh_hold_budget(canopy_refresh_decision_t *d, canopy_budget_t *b,
    unsigned forced, int64_t now)
{
    int64_t  next;

    if (canopy_budget_out(b, forced, now, &next)) {
        d->spent = 1;
        canopy_refresh_hold(d, next);
    }
}


static void
canopy_refresh_hold(canopy_refresh_decision_t *d, int64_t until)
{
    d->action = CANOPY_REFRESH_FAIL;

    if (until > d->next) {
        d->next = until;
    }
}


/* the n-th wait: 1, 2, 4 ... units */
static int64_t
canopy_refresh_backoff(uint32_t n, int64_t unit, int64_t most)
{
    int64_t  wait;

    for (wait = unit; n > 1 && wait < most; n--) {
        wait *= 2;
    }

    return wait < most ? wait : most;
}


/* ms * random / 2^32 */
static int64_t
canopy_refresh_part(int64_t ms, uint32_t random)
{
    uint64_t  high, low;

    high = (uint64_t) ms >> 32;
    low = (uint64_t) ms & UINT32_MAX;

    return (int64_t) (high * random + (low * random >> 32));
}


static int64_t
canopy_refresh_later(int64_t t, int64_t ms)
{
    return t > INT64_MAX - ms ? INT64_MAX : t + ms;
}


/* 0 means that there is none */
static int64_t
canopy_refresh_mark(int64_t t)
{
    return t ? t : 1;
}


/* is t more than that behind now? */
static unsigned
canopy_refresh_ahead(int64_t t, int64_t now, int64_t ms)
{
    return t > now && (uint64_t) t - (uint64_t) now > (uint64_t) ms;
}
