
/*
 * An environment's exchanged token, seen from one worker.
 */


#include "ngx_canopy_grant.h"
#include "ngx_canopy_fetch.h"


#define NGX_CANOPY_GRANT_POLL    20      /* ms, while somebody waits */
#define NGX_CANOPY_GRANT_SOON    1000    /* ms, while something is wrong */
#define NGX_CANOPY_GRANT_LATER   60000   /* ms, while all is well */


static canopy_refresh_decision_t ngx_canopy_grant_look(
    ngx_canopy_grant_t *grant, int64_t now);
static void ngx_canopy_grant_prepare(ngx_canopy_grant_t *grant, int64_t now);
static void ngx_canopy_grant_begin(ngx_canopy_grant_t *grant, int64_t now,
    ngx_uint_t forced);
static ngx_uint_t ngx_canopy_grant_newer(struct timespec *a,
    struct timespec *b);
static void ngx_canopy_grant_copy(ngx_canopy_grant_t *grant);
static void ngx_canopy_grant_expired(ngx_canopy_grant_t *grant, int64_t now);
static void ngx_canopy_grant_start_handler(ngx_event_t *ev);
static void ngx_canopy_grant_renew_handler(ngx_event_t *ev);
static void ngx_canopy_grant_poll_handler(ngx_event_t *ev);
static void ngx_canopy_grant_wake(ngx_canopy_grant_t *grant);


void
ngx_canopy_grant_init_process(ngx_canopy_grant_t *grant, ngx_cycle_t *cycle)
{
    ngx_queue_init(&grant->waiting);

    grant->start.handler = ngx_canopy_grant_start_handler;
    grant->start.data = grant;
    grant->start.log = cycle->log;

    grant->poll.handler = ngx_canopy_grant_poll_handler;
    grant->poll.data = grant;
    grant->poll.log = cycle->log;

    grant->renew.handler = ngx_canopy_grant_renew_handler;
    grant->renew.data = grant;
    grant->renew.log = cycle->log;
    grant->renew.cancelable = 1;

    ngx_add_timer(&grant->renew, 1);
}


int64_t
ngx_canopy_grant_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (int64_t) tp->sec * 1000 + tp->msec;
}


ngx_int_t
ngx_canopy_grant_token(ngx_canopy_grant_t *grant, time_t *retry_after)
{
    int64_t                    now;
    canopy_refresh_decision_t  decision;

    now = ngx_canopy_grant_now();

    /* renewing ahead of time is not the requests' business */

    if (grant->generation && grant->generation == grant->shared->version
        && now < grant->shared->refresh.expires)
    {
        return NGX_OK;
    }

    decision = ngx_canopy_grant_look(grant, now);

    switch (decision.action) {

    case CANOPY_REFRESH_USE:
    case CANOPY_REFRESH_RENEW:

        /* without memory there is no copy of it */

        if (grant->generation && now < grant->expires) {
            return NGX_OK;
        }

        break;

    case CANOPY_REFRESH_FETCH:
    case CANOPY_REFRESH_WAIT:
        return NGX_AGAIN;

    default: /* CANOPY_REFRESH_FAIL */
        *retry_after = (time_t) ((decision.next - now + 999) / 1000);
    }

    return NGX_DECLINED;
}


static canopy_refresh_decision_t
ngx_canopy_grant_look(ngx_canopy_grant_t *grant, int64_t now)
{
    ngx_uint_t                 spent;
    canopy_refresh_decision_t  decision;

    ngx_canopy_secret_refresh(grant->secret, ngx_cycle->log, 0);

    ngx_canopy_zone_lock(grant->shpool);

    ngx_canopy_grant_prepare(grant, now);

    decision = canopy_refresh_decide(&grant->shared->refresh,
                                     &grant->budget->budget, now);

    if (decision.action == CANOPY_REFRESH_FETCH
        || decision.action == CANOPY_REFRESH_RENEW)
    {
        if (grant->fetch == NULL) {
            ngx_canopy_grant_begin(grant, now, 0);

        } else if (decision.action == CANOPY_REFRESH_FETCH) {

            /* the clock was set: the one under way is still that */

            decision.action = CANOPY_REFRESH_WAIT;
        }
    }

    spent = (decision.spent && !grant->budget->spent);

    /* who needs no exchange says nothing of the others who share the budget */

    if (decision.spent
        || (decision.action != CANOPY_REFRESH_USE
            && decision.action != CANOPY_REFRESH_WAIT))
    {
        grant->budget->spent = decision.spent;
    }

    ngx_canopy_zone_unlock(grant->shpool);

    if (spent) {
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                      "all %i token exchanges of 24 hours are spent, "
                      "environment: \"%V\", client: \"%V\"",
                      grant->limit, grant->server.environment,
                      &grant->client_id);

        ngx_canopy_count_failure(grant->count,
                         "all %i token exchanges of 24 hours are spent",
                         grant->limit);
    }

    ngx_canopy_grant_expired(grant, now);

    return decision;
}


/*
 * What has changed since somebody last looked.  The zone is locked.
 */

static void
ngx_canopy_grant_prepare(ngx_canopy_grant_t *grant, int64_t now)
{
    ngx_canopy_zone_token_t  *shared;

    shared = grant->shared;

    if (shared->refresh.until > now) {

        /* a worker that died does not finish what it began */

        if (shared->owner == ngx_pid
                ? (grant->fetch == NULL && !grant->start.posted)
                : (kill(shared->owner, 0) == -1 && ngx_errno == NGX_ESRCH))
        {
            canopy_refresh_dropped(&shared->refresh);
        }
    }

    if (grant->seen != grant->secret->generation) {
        grant->seen = grant->secret->generation;

        if (ngx_canopy_grant_newer(&grant->secret->file.id.ctime,
                                   &shared->secret))
        {
            shared->secret = grant->secret->file.id.ctime;
            canopy_refresh_new_secret(&shared->refresh);
        }
    }

    ngx_canopy_grant_copy(grant);
}


static ngx_uint_t
ngx_canopy_grant_newer(struct timespec *a, struct timespec *b)
{
    return a->tv_sec > b->tv_sec
           || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}


static void
ngx_canopy_grant_copy(ngx_canopy_grant_t *grant)
{
    u_char                   *data;
    ngx_canopy_zone_token_t  *shared;

    shared = grant->shared;

    if (grant->generation == shared->version) {
        grant->expires = shared->refresh.expires;
        return;
    }

    data = ngx_alloc(shared->len, ngx_cycle->log);
    if (data == NULL) {
        return;
    }

    ngx_canopy_grant_wipe(grant);

    ngx_memcpy(data, shared->token, shared->len);

    grant->token.data = data;
    grant->token.len = shared->len;
    grant->generation = shared->version;
    grant->expires = shared->refresh.expires;
}


void
ngx_canopy_grant_state(ngx_canopy_grant_t *grant,
    ngx_canopy_grant_state_t *state)
{
    int64_t  now;

    now = ngx_canopy_grant_now();

    ngx_canopy_zone_lock(grant->shpool);

    ngx_canopy_grant_copy(grant);

    state->obtained = grant->shared->refresh.obtained;
    state->expires = grant->shared->refresh.expires;
    state->exchanges = canopy_budget_used(&grant->budget->budget, now);

    ngx_canopy_zone_unlock(grant->shpool);
}


void
ngx_canopy_grant_wipe(void *data)
{
    ngx_canopy_grant_t *grant = data;

    if (grant->token.data) {
        ngx_explicit_memzero(grant->token.data, grant->token.len);
        ngx_free(grant->token.data);
        ngx_str_null(&grant->token);
    }

    grant->generation = 0;
}


static void
ngx_canopy_grant_begin(ngx_canopy_grant_t *grant, int64_t now,
    ngx_uint_t forced)
{
    /* the exchange ends before others take it for given up */

    canopy_refresh_begin(&grant->shared->refresh, now,
                         grant->timeout + NGX_CANOPY_GRANT_SOON, forced);

    grant->shared->owner = ngx_pid;
    grant->until = grant->shared->refresh.until;

    /* whoever asks must not be called back before it has its answer */

    ngx_post_event(&grant->start, &ngx_posted_events);
}


/*
 * One line for each change of state.
 */

static void
ngx_canopy_grant_expired(ngx_canopy_grant_t *grant, int64_t now)
{
    ngx_uint_t  expired;

    expired = (grant->generation && grant->expires <= now);

    if (expired && !grant->expired) {
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                      "the token of environment \"%V\" has expired",
                      grant->server.environment);

        ngx_canopy_count_failure(grant->count, "the token has expired");
    }

    grant->expired = expired;
}


ngx_int_t
ngx_canopy_grant_refused(ngx_canopy_grant_t *grant, ngx_uint_t generation)
{
    int64_t                    now;
    canopy_refresh_decision_t  decision;

    now = ngx_canopy_grant_now();

    ngx_canopy_secret_refresh(grant->secret, ngx_cycle->log, 0);

    ngx_canopy_zone_lock(grant->shpool);

    ngx_canopy_grant_prepare(grant, now);

    if (grant->shared->version != generation) {
        ngx_canopy_zone_unlock(grant->shpool);
        return NGX_OK;
    }

    decision = canopy_refresh_refused(&grant->shared->refresh,
                                      &grant->budget->budget, now);

    if (decision.action == CANOPY_REFRESH_FETCH && grant->fetch == NULL) {
        ngx_canopy_grant_begin(grant, now, 1);
    }

    ngx_canopy_zone_unlock(grant->shpool);

    return (decision.action == CANOPY_REFRESH_FAIL) ? NGX_DECLINED
                                                    : NGX_AGAIN;
}


void
ngx_canopy_grant_accepted(ngx_canopy_grant_t *grant)
{
    /* looked at without the lock: it is rarely anything but 0 */

    if (grant->shared->refresh.refusals == 0) {
        return;
    }

    ngx_canopy_zone_lock(grant->shpool);
    canopy_refresh_accepted(&grant->shared->refresh);
    ngx_canopy_zone_unlock(grant->shpool);
}


void
ngx_canopy_grant_wait(ngx_canopy_grant_t *grant,
    ngx_canopy_grant_waiter_t *waiter, ngx_uint_t generation)
{
    waiter->generation = generation;
    waiter->queued = 1;

    ngx_queue_insert_tail(&grant->waiting, &waiter->queue);

    /* workers can't wake each other */

    if (!grant->poll.timer_set) {
        ngx_add_timer(&grant->poll, NGX_CANOPY_GRANT_POLL);
    }
}


void
ngx_canopy_grant_forget(ngx_canopy_grant_waiter_t *waiter)
{
    if (waiter->queued) {
        ngx_queue_remove(&waiter->queue);
        waiter->queued = 0;
    }
}


static void
ngx_canopy_grant_start_handler(ngx_event_t *ev)
{
    ngx_canopy_fetch_start(ev->data);
}


void
ngx_canopy_grant_fetched(ngx_canopy_grant_t *grant)
{
    grant->fetch = NULL;

    ngx_canopy_grant_wake(grant);
}


/*
 * In all workers: whoever comes first when it is time begins.
 */

static void
ngx_canopy_grant_renew_handler(ngx_event_t *ev)
{
    int64_t                    now, wait, most;
    ngx_canopy_grant_t        *grant;
    canopy_refresh_decision_t  decision;

    if (ngx_exiting) {
        return;
    }

    grant = ev->data;
    now = ngx_canopy_grant_now();

    decision = ngx_canopy_grant_look(grant, now);

    /* an exchange that is under way may fail long before it is given up */

    most = (decision.action == CANOPY_REFRESH_USE
            && grant->shared->refresh.failures == 0
            && grant->shared->refresh.until == 0)
               ? NGX_CANOPY_GRANT_LATER : NGX_CANOPY_GRANT_SOON;

    wait = ngx_min(decision.next - now, most);

    ngx_add_timer(ev, (ngx_msec_t) ngx_max(wait, NGX_CANOPY_GRANT_POLL));
}


static void
ngx_canopy_grant_poll_handler(ngx_event_t *ev)
{
    ngx_canopy_grant_t  *grant;

    grant = ev->data;

    ngx_canopy_grant_wake(grant);

    if (!ngx_queue_empty(&grant->waiting)) {
        ngx_add_timer(ev, NGX_CANOPY_GRANT_POLL);
    }
}


static void
ngx_canopy_grant_wake(ngx_canopy_grant_t *grant)
{
    int64_t                     now;
    ngx_uint_t                  ended, usable;
    ngx_queue_t                *q, waiting;
    ngx_canopy_grant_waiter_t  *waiter;

    if (ngx_queue_empty(&grant->waiting)) {
        return;
    }

    now = ngx_canopy_grant_now();

    ngx_canopy_zone_lock(grant->shpool);

    ngx_canopy_grant_prepare(grant, now);
    ended = (grant->shared->refresh.until <= now && grant->fetch == NULL);

    ngx_canopy_zone_unlock(grant->shpool);

    usable = (grant->generation && now < grant->expires);

    /* who is called may wait again, and may end others that wait */

    ngx_queue_init(&waiting);
    ngx_queue_add(&waiting, &grant->waiting);
    ngx_queue_init(&grant->waiting);

    while (!ngx_queue_empty(&waiting)) {
        q = ngx_queue_head(&waiting);
        waiter = ngx_queue_data(q, ngx_canopy_grant_waiter_t, queue);

        ngx_queue_remove(q);

        if (!ended && (!usable || waiter->generation == grant->generation)) {
            ngx_queue_insert_tail(&grant->waiting, q);
            continue;
        }

        waiter->queued = 0;
        waiter->handler(waiter->data);
    }
}
