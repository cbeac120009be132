/*
 * canopy_refresh, with a made-up clock: one table of what to do now, one of
 * what to do about a refused token, then each change of state.  A whole year
 * of them is in year.c.
 */

#include "canopy_refresh.h"
#include "tap.h"


#define SECOND  1000
#define MINUTE  60000
#define HOUR    3600000
#define DAY     ((int64_t) CANOPY_BUDGET_WINDOW)

#define T  INT64_C(1764000000000)       /* some time in 2025: now */

#define USE    CANOPY_REFRESH_USE
#define RENEW  CANOPY_REFRESH_RENEW
#define FETCH  CANOPY_REFRESH_FETCH
#define WAIT   CANOPY_REFRESH_WAIT
#define FAIL   CANOPY_REFRESH_FAIL

/* a token that is so old, lives a day and is renewed after 20 hours */
#define TOKEN(age)                                                            \
    .obtained = T - (age), .expires = T - (age) + DAY,                        \
    .renew = T - (age) + 20 * HOUR


typedef struct {
    const char               *name;
    canopy_refresh_t          e;
    unsigned                  used;     /* of 8, an hour ago */
    unsigned                  forced;   /* of these, the latest */
    canopy_refresh_action_e   action;
    int64_t                   next;
    unsigned                  spent;
} case_t;


static void decide(void);
static void refused(void);
static void run(const case_t *c, size_t n, const char *name,
    canopy_refresh_decision_t (*f)(const canopy_refresh_t *,
                                   canopy_budget_t *, int64_t));
static void begin(void);
static void sending(void);
static void succeeded(void);
static void failed(void);
static void limited(void);
static void refusals(void);
static void set_back(void);
static void extremes(void);
static canopy_refresh_t *guarded(const canopy_refresh_t *e);
static canopy_budget_t *budget(uint32_t limit, unsigned used, unsigned forced);


static const case_t  decide_table[] = {
    { "nothing there", { 0 }, 0, 0, FETCH, T, 0 },
    { "a new token", { TOKEN(0) }, 0, 0, USE, T + 20 * HOUR, 0 },
    { "a millisecond before its renewal", { TOKEN(20 * HOUR - 1) }, 0, 0,
      USE, T + 1, 0 },
    { "its renewal", { TOKEN(20 * HOUR) }, 0, 0, RENEW, T, 0 },
    { "a millisecond before it expires", { TOKEN(DAY - 1) }, 0, 0,
      RENEW, T, 0 },
    { "expired now", { TOKEN(DAY) }, 0, 0, FETCH, T, 0 },
    { "expired for long", { TOKEN(99 * DAY) }, 0, 0, FETCH, T, 0 },
    { "expired before its renewal",
      { .obtained = T - 2, .expires = T - 1, .renew = T + HOUR }, 0, 0,
      FETCH, T, 0 },
    { "a token of the next minute", { TOKEN(-MINUTE) }, 0, 0,
      USE, T + MINUTE + 20 * HOUR, 0 },
    { "one of later", { TOKEN(-MINUTE - 1) }, 0, 0, RENEW, T, 0 },

    { "none, under way", { .until = T + 1 }, 0, 0, WAIT, T + 1, 0 },
    { "none, given up", { .until = T }, 0, 0, FETCH, T, 0 },
    { "none, given up long ago", { .until = T - DAY }, 0, 0, FETCH, T, 0 },
    { "none, under way for a day and a minute",
      { .until = T + DAY + MINUTE }, 0, 0, WAIT, T + DAY + MINUTE, 0 },
    { "none, for longer, which can't be", { .until = T + DAY + MINUTE + 1 },
      0, 0, FETCH, T, 0 },
    { "new, under way", { TOKEN(HOUR), .until = T + SECOND }, 0, 0,
      USE, T + 19 * HOUR, 0 },
    { "due, under way", { TOKEN(21 * HOUR), .until = T + SECOND }, 0, 0,
      USE, T + SECOND, 0 },
    { "due, given up", { TOKEN(21 * HOUR), .until = T }, 0, 0, RENEW, T, 0 },
    { "expired, under way", { TOKEN(DAY), .until = T + SECOND }, 0, 0,
      WAIT, T + SECOND, 0 },
    { "under way, budget spent", { .until = T + SECOND }, 8, 0,
      WAIT, T + SECOND, 0 },

    { "none, back-off", { .failures = 1, .retry = T + 1 }, 0, 0,
      FAIL, T + 1, 0 },
    { "none, back-off over", { .failures = 1, .retry = T }, 0, 0,
      FETCH, T, 0 },
    { "due, back-off", { TOKEN(21 * HOUR), .failures = 1, .retry = T + 1 },
      0, 0, USE, T + 1, 0 },
    { "expired, back-off", { TOKEN(DAY), .failures = 1, .retry = T + 1 }, 0, 0,
      FAIL, T + 1, 0 },
    { "a back-off of half an hour and a minute",
      { .failures = 9, .retry = T + 31 * MINUTE }, 0, 0,
      FAIL, T + 31 * MINUTE, 0 },
    { "a longer one, which can't be",
      { .failures = 9, .retry = T + 31 * MINUTE + 1 }, 0, 0, FETCH, T, 0 },
    { "the endpoint's own of a day and a minute",
      { .retry = T + DAY + MINUTE, .limited = T + DAY + MINUTE }, 0, 0,
      FAIL, T + DAY + MINUTE, 0 },
    { "a longer one of it, which can't be",
      { .retry = T + DAY + MINUTE + 1, .limited = T + DAY + MINUTE + 1 }, 0, 0,
      FETCH, T, 0 },
    { "back-off for refusals only", { .refusals = 3, .force = T + MINUTE },
      0, 0, FETCH, T, 0 },

    { "none, all but one used", { 0 }, 7, 0, FETCH, T, 0 },
    { "none, all used", { 0 }, 8, 0, FAIL, T + 23 * HOUR, 1 },
    { "none, more than all used", { 0 }, 10, 0, FAIL, T + 23 * HOUR + 2, 1 },
    { "none, all forced ones used", { 0 }, 2, 2, FETCH, T, 0 },
    { "new, all used", { TOKEN(HOUR) }, 8, 0, USE, T + 19 * HOUR, 0 },
    { "due, all used", { TOKEN(21 * HOUR) }, 8, 0, USE, T + 23 * HOUR, 1 },
    { "back-off, then all used", { .failures = 1, .retry = T + SECOND }, 8, 0,
      FAIL, T + 23 * HOUR, 1 },
    { "all used, then the endpoint's own", { .limited = T + DAY,
      .retry = T + DAY }, 8, 0, FAIL, T + DAY, 1 },
};


static const case_t  refused_table[] = {
    { "old enough", { TOKEN(5 * MINUTE) }, 0, 0, FETCH, T, 0 },
    { "a millisecond too young", { TOKEN(5 * MINUTE - 1) }, 0, 0,
      FAIL, T + 1, 0 },
    { "new", { TOKEN(0) }, 0, 0, FAIL, T + 5 * MINUTE, 0 },
    { "of the next minute", { TOKEN(-MINUTE) }, 0, 0,
      FAIL, T + 6 * MINUTE, 0 },
    { "of later", { TOKEN(-MINUTE - 1) }, 0, 0, FETCH, T, 0 },
    { "expired in the meantime", { TOKEN(DAY) }, 0, 0, FETCH, T, 0 },
    { "expired, and young",
      { .obtained = T - 2, .expires = T - 1, .renew = T - 1 }, 0, 0,
      FAIL, T, 0 },
    { "gone", { 0 }, 0, 0, FETCH, T, 0 },

    { "under way", { TOKEN(HOUR), .until = T + 1 }, 0, 0, WAIT, T + 1, 0 },
    { "young, under way", { TOKEN(0), .until = T + 1 }, 0, 0, WAIT, T + 1, 0 },
    { "given up", { TOKEN(HOUR), .until = T }, 0, 0, FETCH, T, 0 },

    { "back-off of refusals",
      { TOKEN(HOUR), .refusals = 1, .force = T + 1 }, 0, 0, FAIL, T + 1, 0 },
    { "which is over", { TOKEN(HOUR), .refusals = 1, .force = T }, 0, 0,
      FETCH, T, 0 },
    { "of an hour and a minute",
      { TOKEN(HOUR), .refusals = 7, .force = T + 61 * MINUTE }, 0, 0,
      FAIL, T + 61 * MINUTE, 0 },
    { "of more, which can't be",
      { TOKEN(HOUR), .refusals = 7, .force = T + 61 * MINUTE + 1 }, 0, 0,
      FETCH, T, 0 },
    { "back-off of refusals, but the renewal is earlier",
      { TOKEN(19 * HOUR + 59 * MINUTE), .refusals = 7, .force = T + HOUR },
      0, 0, FAIL, T + MINUTE, 0 },
    { "or its own back-off",
      { TOKEN(21 * HOUR), .retry = T + MINUTE, .force = T + HOUR }, 0, 0,
      FAIL, T + MINUTE, 0 },
    { "back-off of failures",
      { TOKEN(HOUR), .failures = 1, .retry = T + 1 }, 0, 0, FAIL, T + 1, 0 },
    { "of both",
      { TOKEN(HOUR), .retry = T + SECOND, .force = T + MINUTE }, 0, 0,
      FAIL, T + MINUTE, 0 },

    { "one forced of two", { TOKEN(HOUR) }, 1, 1, FETCH, T, 0 },
    { "two forced of two", { TOKEN(HOUR) }, 2, 2, FAIL, T + 19 * HOUR, 1 },
    { "two of two, nearly expired", { TOKEN(DAY - 1) }, 2, 2, FAIL, T, 1 },
    { "all but one used", { TOKEN(HOUR) }, 7, 1, FETCH, T, 0 },
    { "all used", { TOKEN(HOUR) }, 8, 0, FAIL, T + 23 * HOUR, 1 },
};


int
main(void)
{
    decide();
    refused();
    begin();
    sending();
    succeeded();
    failed();
    limited();
    refusals();
    set_back();
    extremes();

    return tap_done();
}


static void
decide(void)
{
    run(decide_table, sizeof(decide_table) / sizeof(decide_table[0]),
        "decide", canopy_refresh_decide);
}


static void
refused(void)
{
    run(refused_table, sizeof(refused_table) / sizeof(refused_table[0]),
        "refused", canopy_refresh_refused);
}


/* each twice: nothing changes */
static void
run(const case_t *c, size_t n, const char *name,
    canopy_refresh_decision_t (*f)(const canopy_refresh_t *,
                                   canopy_budget_t *, int64_t))
{
    size_t                      i, k;
    canopy_budget_t            *b;
    canopy_refresh_t           *e;
    canopy_refresh_decision_t   d;

    for (i = 0; i < n; i++, c++) {
        e = guarded(&c->e);
        b = budget(8, c->used, c->forced);

        for (k = 0; k < 2; k++) {
            d = f(e, b, T);

            if (!ok(d.action == c->action && d.next == c->next
                    && d.spent == c->spent
                    && memcmp(e, &c->e, sizeof(*e)) == 0
                    && b->n == c->used,
                    "%s: %s%s", name, c->name, k ? ", again" : ""))
            {
                printf("# action %d, next T%+lld, spent %u\n", d.action,
                       (long long) (d.next - T), d.spent);
            }
        }
    }
}


static void
begin(void)
{
    canopy_budget_t            *b;
    canopy_refresh_t           *e;
    canopy_refresh_decision_t   d;

    e = guarded(&(canopy_refresh_t) { 0 });
    b = budget(8, 0, 0);

    canopy_refresh_begin(e, T, 40 * SECOND, 0);
    ok(e->until == T + 40 * SECOND && e->forced == 0 && e->force == 0
       && e->refusals == 0, "begun");

    d = canopy_refresh_decide(e, b, T + 40 * SECOND - 1);
    ok(d.action == WAIT && d.next == T + 40 * SECOND, "others wait for it");

    d = canopy_refresh_decide(e, b, T + 40 * SECOND);
    ok(d.action == FETCH, "until it is given up");

    canopy_refresh_dropped(e);
    d = canopy_refresh_decide(e, b, T + 1);
    ok(d.action == FETCH, "or dropped");

    canopy_refresh_begin(e, T, 0, 0);
    ok(e->until == T + 1, "no timeout is a short one");
    canopy_refresh_begin(e, T, INT64_MIN, 0);
    ok(e->until == T + 1, "so is a negative one");
    canopy_refresh_begin(e, T, INT64_MAX, 0);
    ok(e->until == T + DAY, "none is longer than a day");
    canopy_refresh_begin(e, -5, 5, 0);
    ok(e->until != 0, "one that ends at the Epoch is under way");

    *e = (canopy_refresh_t) { 0 };
    ok(canopy_refresh_decide(e, b, -T).action == FETCH
       && canopy_refresh_refused(e, b, -T).action == FETCH
       && canopy_refresh_decide(e, b, -5).action == FETCH
       && canopy_refresh_refused(e, b, -5).action == FETCH,
       "what is not there blocks nothing, before the Epoch too");
}


static void
sending(void)
{
    canopy_budget_t   *b;
    canopy_refresh_t  *e;

    e = guarded(&(canopy_refresh_t) { 0 });
    b = budget(8, 7, 0);

    ok(canopy_refresh_send(e, b, T) == -1 && b->n == 7,
       "nothing is sent where nothing is under way");

    canopy_refresh_begin(e, T, 40 * SECOND, 0);
    ok(canopy_refresh_send(e, b, T + 40 * SECOND) == -1 && b->n == 7,
       "nor what was given up");
    ok(canopy_refresh_send(e, b, T + SECOND) == 0 && b->n == 8
       && b->spent[7].at == T + SECOND && b->spent[7].forced == 0,
       "sent and counted");
    ok(canopy_refresh_send(e, b, T + SECOND) == -1 && b->n == 8,
       "not above the limit");

    b = budget(8, 2, 1);
    canopy_refresh_begin(e, T, 40 * SECOND, 1);
    ok(canopy_refresh_send(e, b, T) == 0 && b->n == 3
       && b->spent[2].forced == 1, "a forced one is counted as that");
    ok(canopy_refresh_send(e, b, T) == -1 && b->n == 3,
       "not above a quarter of the limit");

    canopy_refresh_begin(e, T, 40 * SECOND, 0);
    ok(canopy_refresh_send(e, b, T) == 0 && b->n == 4, "but others are");
}


static void
succeeded(void)
{
    size_t            i;
    int64_t           spread;
    canopy_refresh_t  *e, was;

    static const int64_t  lives[] = {
        1, 2, 9, 10, 99, SECOND, HOUR, DAY, 30 * DAY, INT64_MAX - T, INT64_MAX
    };

    was = (canopy_refresh_t) {
        .obtained = 1, .expires = 2, .renew = 3, .until = T + 1, .forced = 1,
        .failures = 4, .retry = T + 5, .limited = T + 5, .refusals = 6,
        .force = T + 7
    };

    e = guarded(&was);
    canopy_refresh_succeeded(e, T, DAY, 0);

    ok(e->obtained == T && e->expires == T + DAY && e->until == 0
       && e->forced == 0 && e->failures == 0 && e->retry == 0
       && e->limited == 0, "a token: failures are over");
    ok(e->refusals == 6 && e->force == T + 7, "refusals are not");

    ok(e->renew == T + 18 * HOUR, "renewed after 75 %% at least");
    canopy_refresh_succeeded(e, T, DAY, UINT32_MAX);
    ok(e->renew < T + DAY / 100 * 85 && e->renew > T + DAY / 1000 * 849,
       "and 85 %% at most");
    canopy_refresh_succeeded(e, T, DAY, UINT32_MAX / 2);
    ok(e->renew > T + DAY / 1000 * 799 && e->renew < T + DAY / 1000 * 801,
       "80 %% in the middle");

    for (i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
        canopy_refresh_succeeded(e, 0, lives[i], UINT32_MAX);
        spread = e->renew;
        canopy_refresh_succeeded(e, 0, lives[i], 0);
        spread -= e->renew;

        ok(e->obtained == 1 && e->expires == lives[i]
           && e->renew >= 0 && e->renew <= lives[i]
           && e->renew >= lives[i] / 4 * 3
           && spread >= 0 && spread <= lives[i] / 10,
           "a lifetime of %lld ms", (long long) lives[i]);
    }

    canopy_refresh_succeeded(e, T, 0, 0);
    ok(e->obtained == T && e->expires == T + 1, "none shorter than 1 ms");

    canopy_refresh_succeeded(e, T, INT64_MAX, 0);
    ok(e->expires == INT64_MAX && e->renew > T && e->renew < INT64_MAX,
       "none longer");
}


static void
failed(void)
{
    int                bad;
    int64_t            wait, last, most;
    unsigned           i, sent;
    canopy_refresh_t  *e;

    for (sent = 0; sent < 2; sent++) {
        e = guarded(&(canopy_refresh_t) { TOKEN(HOUR), .refusals = 1,
                                          .force = T });
        most = sent ? 30 * MINUTE : MINUTE;
        last = SECOND;
        bad = 0;

        for (i = 1; i < 100; i++) {
            canopy_refresh_begin(e, T, MINUTE, 0);
            canopy_refresh_failed(e, T, sent, 0, 0);

            wait = e->retry - T;
            bad += wait != (last < most ? last : most) / 2;

            e->failures--;
            canopy_refresh_failed(e, T, sent, 0, UINT32_MAX);

            bad += e->retry - T < 2 * wait - 1 || e->retry - T >= 2 * wait;
            bad += e->failures != i || e->until != 0;

            last = last * 2 < HOUR ? last * 2 : HOUR;
        }

        ok(bad == 0, "back-off, %s sent", sent ? "something" : "nothing");
        ok(e->obtained == T - HOUR && e->expires == T + 23 * HOUR
           && e->refusals == 1, "the token stays");
    }

    e->failures = UINT32_MAX;
    canopy_refresh_failed(e, T, 1, 0, 0);
    ok(e->failures == UINT32_MAX && e->retry == T + 15 * MINUTE,
       "the number of failures does not run over");

    canopy_refresh_failed(e, T, 0, 0, 0);
    ok(e->retry == T + 30 * SECOND,
       "a back-off for what was sent does not hold for what was not");

    canopy_refresh_new_secret(e);
    ok(e->failures == 0 && e->retry == 0, "a new secret may be tried at once");
}


/* by the endpoint's own refresh time */
static void
limited(void)
{
    canopy_refresh_t  *e;

    e = guarded(&(canopy_refresh_t) { 0 });

    canopy_refresh_failed(e, T, 1, T + HOUR, 0);
    ok(e->retry == T + HOUR && e->limited == T + HOUR && e->failures == 1,
       "not before the time the endpoint names");

    canopy_refresh_new_secret(e);
    ok(e->retry == T + HOUR && e->failures == 0,
       "a new secret does not change that");

    canopy_refresh_failed(e, T, 1, T + DAY, 0);
    ok(e->retry == T + DAY, "which is a day away");
    canopy_refresh_failed(e, T, 1, T + DAY + 1, 0);
    ok(e->retry == T + DAY && e->limited == T + DAY, "but not more");
    canopy_refresh_failed(e, T, 1, INT64_MAX, 0);
    ok(e->retry == T + DAY, "not much more either");

    canopy_refresh_failed(e, T, 1, T, 0);
    ok(e->limited == 0 && e->retry > T && e->retry < T + HOUR,
       "one that is over says nothing");
    canopy_refresh_failed(e, T, 1, INT64_MIN, 0);
    ok(e->limited == 0 && e->retry < T + HOUR, "nor one of long ago");

    canopy_refresh_failed(e, -T, 1, 0, 0);
    ok(e->limited == 0 && e->retry < HOUR - T, "nor none, before the Epoch");

    e->failures = 20;
    canopy_refresh_failed(e, T, 1, T + SECOND, 0);
    ok(e->retry == T + 15 * MINUTE && e->limited == T + SECOND,
       "the back-off may be longer");
    canopy_refresh_new_secret(e);
    ok(e->retry == T + SECOND, "a new secret waits for the endpoint only");
}


static void
refusals(void)
{
    unsigned           i;
    canopy_refresh_t  *e;

    static const int64_t  minutes[] = { 1, 2, 4, 8, 16, 32, 60, 60, 60 };

    e = guarded(&(canopy_refresh_t) { TOKEN(HOUR) });

    for (i = 0; i < sizeof(minutes) / sizeof(minutes[0]); i++) {
        canopy_refresh_begin(e, T, MINUTE, 1);
        canopy_refresh_succeeded(e, T, DAY, 0);

        ok(e->refusals == i + 1 && e->force == T + minutes[i] * MINUTE,
           "refusal %u: %d minutes", i + 1, (int) minutes[i]);
    }

    canopy_refresh_begin(e, T, MINUTE, 0);
    ok(e->refusals == i && e->force == T + HOUR,
       "a regular exchange does not count");

    e->refusals = UINT32_MAX;
    canopy_refresh_begin(e, T, MINUTE, 1);
    ok(e->refusals == UINT32_MAX && e->force == T + HOUR,
       "the number of refusals does not run over");

    canopy_refresh_accepted(e);
    ok(e->refusals == 0 && e->force == 0 && e->until != 0, "accepted: over");

    canopy_refresh_begin(e, T, MINUTE, 1);
    ok(e->force == T + MINUTE, "the next one is the first one");
}


/* by any time: nothing blocks for more than a day and a minute */
static void
set_back(void)
{
    int                bad;
    int64_t            back, now;
    canopy_budget_t   *b;
    canopy_refresh_t  *e;

#define blocks(f, t)  (f(e, b, t).action != FETCH)
#define stuck(f)      (blocks(f, now) && blocks(f, now + DAY + MINUTE))

    bad = 0;

    for (back = 1; back < INT64_MAX / 3; back *= 3) {
        now = T - back;

        b = budget(4, 4, 1);
        e = guarded(&(canopy_refresh_t) { 0 });
        bad += stuck(canopy_refresh_decide);

        b = budget(4, 0, 0);
        canopy_refresh_begin(e, T, DAY, 1);
        bad += stuck(canopy_refresh_decide);

        canopy_refresh_dropped(e);
        bad += stuck(canopy_refresh_refused);

        canopy_refresh_failed(e, T, 1, INT64_MAX, 0);
        bad += stuck(canopy_refresh_decide);

        e->failures = 99;
        canopy_refresh_failed(e, T, 1, 0, 0);
        bad += stuck(canopy_refresh_decide);

        canopy_refresh_accepted(e);
        canopy_refresh_succeeded(e, T, 30 * DAY, 0);
        bad += stuck(canopy_refresh_refused);
        bad += back > MINUTE
               && canopy_refresh_decide(e, b, now).action != RENEW;
    }

#undef blocks
#undef stuck

    ok(bad == 0, "a clock that is set back");
}


/* nothing is undefined, no expired token is used, what is spent is spent */
static void
extremes(void)
{
    int                        bad;
    size_t                     i, k, m, n;
    canopy_budget_t           *b;
    canopy_refresh_t           e;
    canopy_refresh_decision_t  d;

    static const int64_t  times[] = {
        INT64_MIN, INT64_MIN + 1, -1, 0, 1, T, INT64_MAX - 1, INT64_MAX
    };

    n = sizeof(times) / sizeof(times[0]);
    b = budget(1, 0, 0);
    bad = 0;

#define at(i)  times[(i) % n]

    for (i = 0; i < n * n; i++) {
        for (k = 0; k < n * n; k++) {
            e = (canopy_refresh_t) {
                .obtained = at(i), .expires = at(i / n), .renew = at(i + k),
                .until = at(k), .retry = at(k / n), .limited = at(k + 1),
                .force = at(i + k / n), .failures = UINT32_MAX,
                .refusals = UINT32_MAX, .forced = i & 1
            };

            for (m = 0; m < n; m++) {
                d = canopy_refresh_decide(&e, b, times[m]);
                bad += (d.action == USE || d.action == RENEW)
                       && (e.obtained == 0 || times[m] >= e.expires);
                bad += (d.action == FETCH || d.action == RENEW) && d.spent;
                bad += d.next < times[m];

                d = canopy_refresh_refused(&e, b, times[m]);
                bad += d.action == USE || d.action == RENEW;
                bad += d.action == FETCH && d.spent;

                b->n = 0;
                bad += canopy_refresh_send(&e, b, times[m]) == 0
                       && canopy_refresh_send(&e, b, times[m]) == 0;

                d = canopy_refresh_decide(&e, b, at(m + i));

                canopy_refresh_begin(&e, times[m], at(i), 1);
                canopy_refresh_failed(&e, times[m], 1, at(k), UINT32_MAX);
                bad += times[m] < INT64_MAX && e.retry <= times[m];
                canopy_refresh_succeeded(&e, times[m], at(k), UINT32_MAX);
                bad += e.obtained == 0 || e.renew > e.expires;
            }
        }
    }

#undef at

    ok(bad == 0, "times at the ends of int64_t");
}


static canopy_refresh_t *
guarded(const canopy_refresh_t *e)
{
    return (canopy_refresh_t *) tap_guard(e, sizeof(*e));
}


/* used an hour ago, a millisecond apart */
static canopy_budget_t *
budget(uint32_t limit, unsigned used, unsigned forced)
{
    unsigned         i;
    canopy_budget_t  b;

    memset(&b, 0, sizeof(b));
    b.limit = limit;

    for (i = 0; i < used; i++) {
        b.spent[i].at = T - HOUR + i;
        b.spent[i].forced = i >= used - forced;
    }

    b.n = used;

    return (canopy_budget_t *) tap_guard(&b, sizeof(b));
}
