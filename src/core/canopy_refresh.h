/*
 * When to exchange client credentials for a token, and when not to: a pure
 * state machine.  All times are milliseconds since the Epoch, on whatever
 * clock the caller has.  The structures hold no pointers: they can live in
 * shared memory, and the caller locks them.
 *
 * Starts zeroed.
 */

#ifndef CANOPY_REFRESH_H
#define CANOPY_REFRESH_H


#include <stdint.h>

#include "canopy_budget.h"


#define CANOPY_REFRESH_YOUNG     300000     /* ms: a token so young is not
                                               renewed for a refusal */
#define CANOPY_REFRESH_SKEW      60000      /* ms: clocks may differ by that; a
                                               time further ahead than it can
                                               be shows that the clock was set
                                               back, and blocks nothing */


/*
 * One environment's token, without its text.
 */
typedef struct {
    int64_t   obtained;         /* 0: there is no token */
    int64_t   expires;          /* it is not sent from then on */
    int64_t   renew;            /* it is renewed from then on */

    int64_t   until;            /* an exchange is under way, until then at
                                   most; 0: none */
    uint32_t  forced;           /* that one is for a refused token */

    uint32_t  failures;         /* in a row */
    int64_t   retry;            /* no exchange before; 0: any time */
    int64_t   limited;          /* the endpoint said so, until then; 0: it
                                   didn't */

    uint32_t  refusals;         /* forced exchanges since a token was taken */
    int64_t   force;            /* no forced exchange before; 0: any time */
} canopy_refresh_t;


typedef enum {
    CANOPY_REFRESH_USE = 0,     /* the token that is there */
    CANOPY_REFRESH_RENEW,       /* the same, and begin an exchange */
    CANOPY_REFRESH_FETCH,       /* begin an exchange and wait for it */
    CANOPY_REFRESH_WAIT,        /* wait for the exchange under way */
    CANOPY_REFRESH_FAIL         /* no token, and none to be had now */
} canopy_refresh_action_e;


typedef struct {
    canopy_refresh_action_e  action;
    int64_t                  next;      /* USE: when to ask again for a renewal;
                                           WAIT: when the exchange is given up;
                                           FAIL: when the next exchange is
                                           possible; else now */
    unsigned                 spent:1;   /* the budget allows no exchange,
                                           whatever else blocks one */
} canopy_refresh_decision_t;


/*
 * What to do now.  Changes nothing in *e; *b only forgets what is old.
 */
canopy_refresh_decision_t canopy_refresh_decide(const canopy_refresh_t *e,
    canopy_budget_t *b, int64_t now);

/*
 * What to do about a token that the upstream refused with 401 and that is the
 * one of *e.
 *
 * Returns  CANOPY_REFRESH_FETCH, CANOPY_REFRESH_WAIT (an exchange is under way,
 *          whatever for) or CANOPY_REFRESH_FAIL: the token is younger than
 *          CANOPY_REFRESH_YOUNG, the back-off of failures or of refusals is
 *          not over, or a quarter of the budget went to forced exchanges.
 *          action and next as above; the next exchange may be a regular one.
 */
canopy_refresh_decision_t canopy_refresh_refused(const canopy_refresh_t *e,
    canopy_budget_t *b, int64_t now);

/*
 * An exchange begins (a connection is made; nothing is sent yet).  It is to
 * end by canopy_refresh_succeeded(), _failed() or _dropped(); after timeout
 * ms, 24 hours at most, it counts as given up.  forced: for a refused token;
 * the next of these is possible after 1, 2, 4 ... 60 minutes.
 *
 * e->until is then like a name of it: if it is another one at the end, the
 * exchange was given up and another one is under way, which only a token may
 * end, but neither a failure nor canopy_refresh_dropped().
 */
void canopy_refresh_begin(canopy_refresh_t *e, int64_t now, int64_t timeout,
    unsigned forced);

/*
 * Before the first byte of the exchange's request: it counts from now on.
 *
 * Returns  0; -1 if the budget is spent in the meantime or the exchange was
 *          given up: nothing may be sent.
 */
int canopy_refresh_send(const canopy_refresh_t *e, canopy_budget_t *b,
    int64_t now);

/*
 * The exchange gave a token.
 *
 * In:      sent, when its request was sent: from then on lifetime counts, ms,
 *          above 0; random, any number of 32 bits.  It is renewed after 75 to
 *          85 % of the lifetime.
 */
void canopy_refresh_succeeded(canopy_refresh_t *e, int64_t sent,
    int64_t lifetime, uint32_t random);

/*
 * The exchange failed.  The next one is possible after 1, 2, 4 ... seconds, at
 * most 60 if nothing was sent and 30 minutes if something was, the half of it
 * at random; and not before refresh, a time the endpoint named (0: none; more
 * than 24 hours from now is 24 hours).
 */
void canopy_refresh_failed(canopy_refresh_t *e, int64_t now, unsigned sent,
    int64_t refresh, uint32_t random);

/*
 * Who made the exchange is gone: another one may begin at once.
 */
void canopy_refresh_dropped(canopy_refresh_t *e);

/*
 * The upstream took the present token: refusals are over.
 */
void canopy_refresh_accepted(canopy_refresh_t *e);

/*
 * The client's secret was replaced: failures so far say nothing of it.  The
 * endpoint's own refresh time stays if it is the reason for waiting.
 */
void canopy_refresh_new_secret(canopy_refresh_t *e);


#endif /* CANOPY_REFRESH_H */
