/*
 * Any order of what workers do with a token and its budget, on a clock that
 * jumps to and fro, to the ends of int64_t too, and that each worker reads a
 * bit differently:
 *
 *   - no token is used after its expiry, and none that is there is not used
 *   - no exchange begins while another one is under way
 *   - nothing is sent above the limit in any 24 hours, a quarter of it for
 *     refused tokens: by any clock as the workers saw it, and by a right one
 *     where the clock was never set forward
 *   - the back-offs are kept, unless the clock was set back
 *   - what is refused now is possible at the time that is told
 *   - asking changes nothing, and what is allowed can be sent
 *
 * Input: the limit, then operations of one byte and their arguments.
 */

#include "canopy_refresh.h"
#include "fuzz.h"


#define DAY     ((int64_t) CANOPY_BUDGET_WINDOW)
#define MINUTE  INT64_C(60000)
#define START   INT64_C(1764000000000)

#define WORKERS  3
#define SENT     512


typedef __int128  wide_t;       /* times whose differences fit */


typedef struct {
    wide_t                   true_time;
    int64_t                  clock;
    unsigned                 forth;     /* it was set forward once */
    int64_t                  lag[WORKERS];

    canopy_refresh_t        *e;
    canopy_budget_t         *b;

    unsigned                 token;
    int64_t                  obtained, expires;

    struct {
        unsigned             live;
        unsigned             forced;
        int64_t              until;     /* its name, too */
    } exchange[WORKERS];

    unsigned                 failed;    /* back-off of failures holds */
    unsigned                 limited;
    int64_t                  failed_at, wait, limit_at;

    unsigned                 refusals;
    int64_t                  refused_at;

    struct {
        wide_t               true_time;
        int64_t              at;
        int64_t              least;     /* what any clock said since */
        unsigned             old;       /* a clock said so */
        unsigned             forced;
    } sent[SENT];
    unsigned                 n;

    const uint8_t           *p, *last;
} world_t;


static void operation(world_t *w);
static void advance(world_t *w);
static void jump(world_t *w);
static void see(world_t *w, int64_t now);
static void ask(world_t *w, unsigned who, int64_t now);
static void refuse(world_t *w, unsigned who, int64_t now);
static void begin(world_t *w, unsigned who, int64_t now, unsigned forced);
static void send(world_t *w, unsigned who, int64_t now);
static void end(world_t *w, unsigned who, int64_t now);
static void succeed(world_t *w, unsigned who, int64_t now);
static void fail(world_t *w, unsigned who, int64_t now);
static void check_next(world_t *w, const canopy_refresh_decision_t *d,
    int64_t now, unsigned refused);
static void check_spent(const world_t *w, int64_t now, unsigned forced);
static void check_allowed(const world_t *w, int64_t now, unsigned forced);
static canopy_refresh_decision_t call(world_t *w, int64_t now,
    unsigned refused);
static int64_t span(world_t *w);
static uint32_t number(world_t *w, unsigned bytes);
static int64_t clamp(wide_t t);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    world_t  w;

    memset(&w, 0, sizeof(w));

    w.true_time = START;
    w.clock = START;
    w.p = data;
    w.last = data + size;

    /* blocks of their own: ASan sees what is behind them */
    w.e = calloc(1, sizeof(canopy_refresh_t));
    w.b = calloc(1, sizeof(canopy_budget_t));
    check(w.e != NULL && w.b != NULL);

    w.b->limit = 1 + number(&w, 1) % 24;

    while (w.p < w.last) {
        operation(&w);
    }

    free(w.e);
    free(w.b);

    return 0;
}


static void
operation(world_t *w)
{
    int64_t   now;
    unsigned  op, who;

    op = number(w, 1);
    who = op / 16 % WORKERS;

    now = clamp((wide_t) w->clock - w->lag[who]);
    see(w, now);

    switch (op % 16) {

    case 0:
    case 1:
        advance(w);
        break;

    case 2:
        jump(w);
        break;

    case 3:
        /* the time it has kept since the last turn of its loop */
        w->lag[who] = number(w, 2) % 3000;
        w->forth = 1;
        break;

    case 4:
        w->b->limit = 1 + number(w, 1) % 24;
        break;

    case 5:
        canopy_refresh_new_secret(w->e);
        w->failed = 0;
        break;

    case 6:
        canopy_refresh_accepted(w->e);
        w->refusals = 0;
        break;

    case 7:
        /* it dies, and nobody notices; or somebody does */
        if (w->exchange[who].live && number(w, 1) & 1
            && w->exchange[who].until == w->e->until)
        {
            canopy_refresh_dropped(w->e);
        }

        w->exchange[who].live = 0;
        break;

    case 8:
    case 9:
    case 10:
        ask(w, who, now);
        break;

    case 11:
        refuse(w, who, now);
        break;

    case 12:
    case 13:
        send(w, who, now);
        break;

    default:
        end(w, who, now);
    }
}


static void
advance(world_t *w)
{
    int64_t  ms;

    ms = span(w);

    w->true_time += ms;
    w->clock = clamp((wide_t) w->clock + ms);
}


static void
jump(world_t *w)
{
    int64_t  clock;

    static const int64_t  ends[] = {
        START, 0, INT64_MAX, INT64_MIN, 1, -1, INT64_MAX - 1000,
        INT64_MIN + 1000
    };

    switch (number(w, 1) % 8) {

    case 0:
        clock = ends[number(w, 1) % 8];
        break;

    case 1:
        clock = clamp((wide_t) w->clock + span(w));
        break;

    default:
        clock = clamp((wide_t) w->clock - span(w));
    }

    if (clock > w->clock) {
        w->forth = 1;
    }

    w->clock = clock;
}


/* a worker reads its clock */
static void
see(world_t *w, int64_t now)
{
    unsigned  i;

    for (i = 0; i < w->n; i++) {
        if (now < w->sent[i].least) {
            w->sent[i].least = now;
        }

        w->sent[i].old |= (wide_t) now - w->sent[i].least >= DAY;
    }

    /* set back: what was to be waited for is not known any more */

    if (now < w->failed_at) {
        w->failed = 0;
        w->limited = 0;
    }

    if (now < w->refused_at) {
        w->refusals = 0;
    }
}


static void
ask(world_t *w, unsigned who, int64_t now)
{
    unsigned                   i, usable;
    canopy_refresh_decision_t  d;

    d = call(w, now, 0);

    usable = d.action == CANOPY_REFRESH_USE || d.action == CANOPY_REFRESH_RENEW;
    check(usable == (w->token && now < w->expires));

    switch (d.action) {

    case CANOPY_REFRESH_WAIT:
        check(d.next > now && d.next == w->e->until && !d.spent);
        return;

    case CANOPY_REFRESH_USE:
    case CANOPY_REFRESH_FAIL:
        check(d.next > now || now == INT64_MAX);
        check_next(w, &d, now, 0);
        return;

    default:
        check(d.next == now && !d.spent);
    }

    for (i = 0; i < WORKERS; i++) {
        check(!w->exchange[i].live || w->exchange[i].until != w->e->until
              || now >= w->exchange[i].until
              || (wide_t) w->exchange[i].until - now > DAY);
    }

    check(!w->failed || (wide_t) now - w->failed_at >= w->wait);
    check(!w->limited || now >= w->limit_at);

    check_allowed(w, now, 0);

    /* not everybody who may does */
    if (!w->exchange[who].live) {
        begin(w, who, now, 0);
    }
}


static void
refuse(world_t *w, unsigned who, int64_t now)
{
    unsigned                   i;
    canopy_refresh_decision_t  d;

    d = call(w, now, 1);

    switch (d.action) {

    case CANOPY_REFRESH_WAIT:
        check(d.next > now && d.next == w->e->until && !d.spent);
        return;

    case CANOPY_REFRESH_FAIL:
        check(d.next >= now);
        check_next(w, &d, now, 1);
        return;

    default:
        check(d.action == CANOPY_REFRESH_FETCH);
        check(d.next == now && !d.spent);
    }

    for (i = 0; i < WORKERS; i++) {
        check(!w->exchange[i].live || w->exchange[i].until != w->e->until
              || now >= w->exchange[i].until
              || (wide_t) w->exchange[i].until - now > DAY);
    }

    check(!w->failed || (wide_t) now - w->failed_at >= w->wait);
    check(!w->limited || now >= w->limit_at);

    /* no time is later than the last one */

    check(!w->token || now < w->obtained
          || (wide_t) now - w->obtained >= CANOPY_REFRESH_YOUNG
          || now == INT64_MAX);
    check(w->refusals == 0
          || (wide_t) now - w->refused_at
             >= (w->refusals > 6 ? 60 : 1 << (w->refusals - 1)) * MINUTE
          || now == INT64_MAX);

    check_allowed(w, now, 1);

    if (!w->exchange[who].live) {
        begin(w, who, now, 1);
    }
}


static void
begin(world_t *w, unsigned who, int64_t now, unsigned forced)
{
    int64_t   timeout;
    unsigned  i;

    timeout = number(w, 1) ? span(w) : INT64_MAX;

    canopy_refresh_begin(w->e, now, timeout, forced);
    check(w->e->until > now || now == INT64_MAX);
    check(w->e->until != 0);

    /* set back to the millisecond, a clock gives one name twice */

    for (i = 0; i < WORKERS; i++) {
        w->exchange[i].live &= w->exchange[i].until != w->e->until;
    }

    w->exchange[who].live = 1;
    w->exchange[who].forced = forced;
    w->exchange[who].until = w->e->until;

    if (forced) {
        w->refusals++;
        w->refused_at = now;
    }
}


static void
send(world_t *w, unsigned who, int64_t now)
{
    unsigned  i, n, forced, all, all_forced;

    if (!w->exchange[who].live || w->exchange[who].until != w->e->until
        || w->n == SENT)
    {
        return;
    }

    if (canopy_refresh_send(w->e, w->b, now) != 0) {
        if (now < w->e->until && (wide_t) w->e->until - now <= DAY) {
            check_spent(w, now, w->exchange[who].forced);
        }

        return;
    }

    check(now < w->e->until);

    w->sent[w->n].true_time = w->true_time;
    w->sent[w->n].at = now;
    w->sent[w->n].least = now;
    w->sent[w->n].old = 0;
    w->sent[w->n].forced = w->exchange[who].forced;
    w->n++;

    n = forced = all = all_forced = 0;

    for (i = 0; i < w->n; i++) {
        if (!w->sent[i].old) {
            n++;
            forced += w->sent[i].forced;
        }

        if (w->true_time - w->sent[i].true_time < DAY) {
            all++;
            all_forced += w->sent[i].forced;
        }
    }

    check(n <= w->b->limit);
    check(!w->exchange[who].forced || forced <= w->b->limit / 4);

    check(w->forth || all <= w->b->limit);
    check(w->forth || !w->exchange[who].forced
          || all_forced <= w->b->limit / 4);
}


static void
end(world_t *w, unsigned who, int64_t now)
{
    if (!w->exchange[who].live) {
        return;
    }

    w->exchange[who].live = 0;

    if (number(w, 1) & 1) {
        succeed(w, who, now);

    } else if (w->exchange[who].until == w->e->until) {
        fail(w, who, now);
    }
}


/* a token is a token, even if the exchange was given up */
static void
succeed(world_t *w, unsigned who, int64_t now)
{
    int64_t  life;

    (void) who;

    life = 1 + span(w);

    canopy_refresh_succeeded(w->e, now, life, number(w, 4));

    w->token = 1;
    w->obtained = now;
    w->expires = clamp((wide_t) now + life);
    w->failed = 0;
    w->limited = 0;

    check(w->e->obtained != 0 && w->e->until == 0);
    check((wide_t) w->e->renew - now <= (wide_t) life * 85 / 100 + 1);
    check((wide_t) w->e->renew - now >= (wide_t) life * 3 / 4
          || w->e->renew == INT64_MAX);
}


static void
fail(world_t *w, unsigned who, int64_t now)
{
    int64_t   refresh, most;
    unsigned  sent;

    (void) who;

    sent = number(w, 1);
    refresh = sent & 2 ? clamp((wide_t) now + span(w)) : sent & 4 ? now : 0;
    sent &= 1;

    canopy_refresh_failed(w->e, now, sent, refresh, number(w, 4));

    check(w->e->until == 0 && w->e->failures > 0);
    check(w->e->retry > now || now == INT64_MAX);
    check((wide_t) w->e->retry - now <= DAY);
    check((wide_t) w->e->retry - now <= 30 * MINUTE || refresh > now);
    check(refresh != 0 || w->e->limited == 0);

    most = sent ? 30 * MINUTE : MINUTE;

    w->failed = now < INT64_MAX - DAY;
    w->failed_at = now;
    w->wait = w->e->failures > 11 ? most : 1000 << (w->e->failures - 1);
    w->wait = (w->wait < most ? w->wait : most) / 2;

    w->limited = refresh != 0 && refresh > now && now < INT64_MAX - DAY;
    w->limit_at = (wide_t) refresh - now > DAY ? clamp((wide_t) now + DAY)
                                               : refresh;
}


/* what is told is true, if no time of the future comes in between */
static void
check_next(world_t *w, const canopy_refresh_decision_t *d, int64_t now,
    unsigned refused)
{
    canopy_budget_t            b;
    canopy_refresh_decision_t  then, other;

    if (d->spent) {
        check_spent(w, now, refused);
    }

    if (d->action == CANOPY_REFRESH_USE
        && (now < w->e->renew || d->next == w->e->until))
    {
        return;
    }

    if (d->next == INT64_MAX || w->e->retry > d->next || w->e->until > d->next
        || (refused && (w->e->force > d->next || w->e->obtained > now)))
    {
        return;
    }

    b = *w->b;
    then = canopy_refresh_decide(w->e, &b, d->next);

    if (then.action == CANOPY_REFRESH_RENEW
        || then.action == CANOPY_REFRESH_FETCH)
    {
        return;
    }

    /* later than that: a quarter of the limit may be none */
    other = canopy_refresh_refused(w->e, &b, d->next);
    check(refused);
    check(other.action == CANOPY_REFRESH_FETCH || w->b->limit < 4);
}


/* as many as that were sent, whatever was forgotten */
static void
check_spent(const world_t *w, int64_t now, unsigned forced)
{
    unsigned  i, n, n_forced;

    n = n_forced = 0;

    for (i = 0; i < w->n; i++) {
        if ((wide_t) now - w->sent[i].at < DAY) {
            n++;
            n_forced += w->sent[i].forced;
        }
    }

    check(n >= w->b->limit || (forced && n_forced >= w->b->limit / 4));
}


static void
check_allowed(const world_t *w, int64_t now, unsigned forced)
{
    canopy_budget_t   b;
    canopy_refresh_t  e;

    b = *w->b;
    e = *w->e;

    canopy_refresh_begin(&e, now, MINUTE, forced);
    check(canopy_refresh_send(&e, &b, now) == 0 || now == INT64_MAX);
}


static canopy_refresh_decision_t
call(world_t *w, int64_t now, unsigned refused)
{
    canopy_refresh_t            before;
    canopy_refresh_decision_t   d, again;
    canopy_refresh_decision_t (*f)(const canopy_refresh_t *,
                                   canopy_budget_t *, int64_t);

    f = refused ? canopy_refresh_refused : canopy_refresh_decide;
    before = *w->e;

    d = f(w->e, w->b, now);
    again = f(w->e, w->b, now);

    check(memcmp(&before, w->e, sizeof(before)) == 0);
    check(d.action == again.action && d.next == again.next
          && d.spent == again.spent);

    return d;
}


/* a length of time, of any magnitude */
static int64_t
span(world_t *w)
{
    unsigned  unit;

    static const int64_t  units[] = {
        1, 1000, MINUTE, 60 * MINUTE, DAY, 30 * DAY, INT64_C(1) << 40,
        INT64_C(1) << 54
    };

    unit = number(w, 1);

    return units[unit % 8] * (int64_t) (unit / 8)
           + (unit & 128 ? number(w, 2) : 0);
}


static uint32_t
number(world_t *w, unsigned bytes)
{
    uint32_t  value;

    for (value = 0; bytes > 0; bytes--) {
        value = value << 8 | (w->p < w->last ? *w->p++ : 0);
    }

    return value;
}


static int64_t
clamp(wide_t t)
{
    return t > INT64_MAX ? INT64_MAX : t < INT64_MIN ? INT64_MIN : (int64_t) t;
}
