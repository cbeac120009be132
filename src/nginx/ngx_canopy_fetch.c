
/*
 * The token endpoint's client.
 *
 * It belongs to no request: it has a pool and a log of its own, as nginx's
 * OCSP client does, and is as good as over when its worker is told to leave.
 */


#include "ngx_canopy_fetch.h"
#include "ngx_canopy_exchange.h"
#include "ngx_canopy_state.h"


struct ngx_canopy_fetch_s {
    ngx_canopy_grant_t      *grant;
    ngx_pool_t              *pool;
    ngx_log_t                log;
    ngx_canopy_exchange_t   *exchange;
    canopy_copies_t          copies;
    canopy_slice_t           secret;        /* a part of the request */
    int64_t                  until;         /* its name in the zone */
    int64_t                  sent;          /* when; 0: it was not */
    ngx_event_t              deadline;
    unsigned                 spent:1;
};


static ngx_canopy_fetch_t *ngx_canopy_fetch_create(ngx_canopy_grant_t *grant);
static ngx_int_t ngx_canopy_fetch_request(ngx_canopy_fetch_t *fetch);
static canopy_error_e ngx_canopy_fetch_permit(ngx_canopy_exchange_t *x);
static void ngx_canopy_fetch_deadline(ngx_event_t *ev);
static void ngx_canopy_fetch_handler(ngx_canopy_exchange_t *x);
static void ngx_canopy_fetch_answer(ngx_canopy_fetch_t *fetch,
    canopy_grant_answer_t *answer);
static void *ngx_canopy_fetch_alloc(void *data, size_t size);
static void ngx_canopy_fetch_succeeded(ngx_canopy_fetch_t *fetch,
    canopy_grant_answer_t *answer);
static void ngx_canopy_fetch_failed(ngx_canopy_grant_t *grant, int64_t until,
    ngx_uint_t sent, int64_t refresh);
static void ngx_canopy_fetch_end(ngx_canopy_fetch_t *fetch);
static u_char *ngx_canopy_fetch_log(ngx_log_t *log, u_char *buf, size_t len);


void
ngx_canopy_fetch_start(ngx_canopy_grant_t *grant)
{
    ngx_canopy_fetch_t  *fetch;

    /* somebody else's token, say the one of an nginx that is being replaced */

    if (ngx_canopy_state_adopt(grant) == NGX_OK) {
        ngx_canopy_grant_fetched(grant);
        return;
    }

    ngx_canopy_secret_refresh(grant->secret, ngx_cycle->log, 1);

    fetch = ngx_canopy_fetch_create(grant);

    if (fetch == NULL) {
        ngx_canopy_fetch_failed(grant, grant->until, 0, 0);
        ngx_canopy_grant_fetched(grant);
        return;
    }

    fetch->until = grant->until;
    grant->fetch = fetch;

    ngx_add_timer(&fetch->deadline, grant->timeout);

    ngx_canopy_exchange_start(fetch->exchange);
}


static ngx_canopy_fetch_t *
ngx_canopy_fetch_create(ngx_canopy_grant_t *grant)
{
    ngx_pool_t          *pool;
    ngx_canopy_fetch_t  *fetch;

    pool = ngx_create_pool(2048, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    fetch = ngx_pcalloc(pool, sizeof(ngx_canopy_fetch_t));
    if (fetch == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    fetch->grant = grant;
    fetch->pool = pool;

    fetch->log = *ngx_cycle->log;
    fetch->log.handler = ngx_canopy_fetch_log;
    fetch->log.data = fetch;
    fetch->log.action = NULL;

    if (ngx_canopy_fetch_request(fetch) != NGX_OK) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    fetch->deadline.handler = ngx_canopy_fetch_deadline;
    fetch->deadline.data = fetch;
    fetch->deadline.log = &fetch->log;

    return fetch;
}


static ngx_int_t
ngx_canopy_fetch_request(ngx_canopy_fetch_t *fetch)
{
    u_char                 *p;
    size_t                  len;
    ngx_array_t            *states;
    canopy_slice_t          client_id, secret, audience;
    ngx_canopy_grant_t     *grant;
    ngx_canopy_exchange_t  *x;

    grant = fetch->grant;

    client_id = ngx_canopy_slice(&grant->client_id);
    secret = ngx_canopy_slice(&grant->secret->value);
    audience = ngx_canopy_slice(&grant->audience);

    len = canopy_grant_request_size(client_id, secret, audience);

    x = ngx_canopy_exchange_create(&grant->server, fetch->pool, &fetch->log,
                                   grant->head.len + NGX_SIZE_T_LEN
                                   + sizeof(CRLF CRLF) - 1 + len
                                   + secret.len);
    states = ngx_array_create(fetch->pool, 1,
                              sizeof(ngx_http_upstream_state_t));

    if (x == NULL || states == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(x->last, grant->head.data, grant->head.len);
    p = ngx_sprintf(p, "%uz" CRLF CRLF, len);
    p += canopy_grant_request(p, client_id, secret, audience);

    x->last = p;

    /* its file may be replaced before the answer comes */

    fetch->secret.data = p;
    fetch->secret.len = secret.len;

    ngx_memcpy(p, secret.data, secret.len);

    x->handler = ngx_canopy_fetch_handler;
    x->permit = ngx_canopy_fetch_permit;
    x->data = fetch;
    x->copies = &fetch->copies;
    x->states = states;
    x->secrets = &fetch->secret;
    x->nsecrets = 1;
    x->keepalive = 0;

    fetch->exchange = x;

    return NGX_OK;
}


/*
 * It counts before its first byte is sent, whatever comes of it.
 */

static canopy_error_e
ngx_canopy_fetch_permit(ngx_canopy_exchange_t *x)
{
    int                  rc;
    int64_t              now;
    ngx_canopy_grant_t  *grant;
    ngx_canopy_fetch_t  *fetch;

    fetch = x->data;
    grant = fetch->grant;
    now = ngx_canopy_grant_now();

    ngx_canopy_zone_lock(grant->shpool);

    rc = (grant->shared->refresh.until == fetch->until)
             ? canopy_refresh_send(&grant->shared->refresh,
                                   &grant->budget->budget, now)
             : -1;

    ngx_canopy_zone_unlock(grant->shpool);

    if (rc != 0) {
        fetch->spent = 1;
        return CANOPY_CREDENTIAL_UNAVAILABLE;
    }

    fetch->sent = now;

    ngx_canopy_state_save_budget(grant);

    return CANOPY_OK;
}


static void
ngx_canopy_fetch_deadline(ngx_event_t *ev)
{
    ngx_canopy_fetch_t  *fetch;

    fetch = ev->data;

    ngx_canopy_exchange_timeout(fetch->exchange);
}


static void
ngx_canopy_fetch_handler(ngx_canopy_exchange_t *x)
{
    ngx_str_t               type;
    ngx_canopy_grant_t     *grant;
    ngx_canopy_fetch_t     *fetch;
    canopy_grant_answer_t   answer;

    fetch = x->data;
    grant = fetch->grant;

    if (fetch->deadline.timer_set) {
        ngx_del_timer(&fetch->deadline);
    }

    if (x->error == CANOPY_OK) {
        ngx_canopy_fetch_answer(fetch, &answer);

    } else {

        /* the exchange itself has told why */

        if (!fetch->spent) {
            ngx_log_error(NGX_LOG_ERR, &fetch->log, 0,
                          "no answer of the token endpoint");

            type = ngx_canopy_str(canopy_error(x->error)->type);
            ngx_canopy_count_failure(grant->count,
                                     "no answer of the token endpoint: %V",
                                     &type);
        }

        ngx_canopy_fetch_failed(grant, fetch->until, fetch->sent != 0, 0);
    }

    ngx_canopy_fetch_end(fetch);

    ngx_canopy_grant_fetched(grant);
}


static void
ngx_canopy_fetch_answer(ngx_canopy_fetch_t *fetch,
    canopy_grant_answer_t *answer)
{
    ngx_uint_t              level, first;
    canopy_grant_input_t    in;
    ngx_canopy_count_t     *count;
    ngx_canopy_exchange_t  *x;

    x = fetch->exchange;
    count = fetch->grant->count;

    ngx_memzero(&in, sizeof(canopy_grant_input_t));

    in.status = x->answer.status;
    in.body.data = x->body;
    in.body.len = x->body_len;
    in.retry_after.data = x->answer.retry_after.data;
    in.retry_after.len = x->answer.retry_after.len;
    in.cut = x->cut;
    in.too_large = x->too_large;
    in.secrets = &fetch->secret;
    in.nsecrets = 1;
    in.now = ngx_canopy_grant_now();

    if (canopy_grant_answer(&in, ngx_canopy_fetch_alloc, fetch->pool, answer)
        != 0)
    {
        ngx_canopy_fetch_failed(fetch->grant, fetch->until, 1, 0);
        return;
    }

    if (answer->result == CANOPY_GRANT_OK) {
        ngx_canopy_fetch_succeeded(fetch, answer);
        return;
    }

    /* an operator is told once to act */

    first = (fetch->grant->shared->refresh.failures == 0);

    level = (answer->result == CANOPY_GRANT_REFUSED && first) ? NGX_LOG_CRIT
                                                              : NGX_LOG_ERR;

    if (answer->error[0]) {
        ngx_log_error(level, &fetch->log, 0,
                      "token endpoint %s, status: %ui, error: \"%s\"",
                      answer->reason, (ngx_uint_t) in.status, answer->error);

        ngx_canopy_count_failure(count,
                      "token endpoint %s, status: %ui, error: \"%s\"",
                      answer->reason, (ngx_uint_t) in.status, answer->error);

    } else {
        ngx_log_error(level, &fetch->log, 0,
                      "token endpoint %s, status: %ui",
                      answer->reason, (ngx_uint_t) in.status);

        ngx_canopy_count_failure(count, "token endpoint %s, status: %ui",
                      answer->reason, (ngx_uint_t) in.status);
    }

    ngx_canopy_fetch_failed(fetch->grant, fetch->until, 1, answer->refresh);
}


static void *
ngx_canopy_fetch_alloc(void *data, size_t size)
{
    return ngx_pnalloc(data, size);
}


static void
ngx_canopy_fetch_succeeded(ngx_canopy_fetch_t *fetch,
    canopy_grant_answer_t *answer)
{
    ngx_canopy_grant_t       *grant;
    ngx_canopy_zone_token_t  *shared;

    grant = fetch->grant;
    shared = grant->shared;

    ngx_canopy_zone_lock(grant->shpool);

    ngx_canopy_zone_put(shared, answer->token);

    canopy_refresh_succeeded(&shared->refresh, fetch->sent, answer->lifetime,
                             (uint32_t) ngx_random() << 1);

    ngx_canopy_zone_unlock(grant->shpool);

    ngx_explicit_memzero((u_char *) answer->token.data, answer->token.len);

    if (answer->assumed) {
        ngx_log_error(NGX_LOG_WARN, &fetch->log, 0,
                      "token endpoint did not say how long the token lives, "
                      "%L seconds are assumed", answer->lifetime / 1000);
    }

    ngx_log_error(NGX_LOG_NOTICE, &fetch->log, 0,
                  "got a token for %L seconds", answer->lifetime / 1000);

    ngx_canopy_state_save_token(grant);
}


/*
 * One that was given up in the meantime, with another one under way by now,
 * has nothing to say any more.
 */

static void
ngx_canopy_fetch_failed(ngx_canopy_grant_t *grant, int64_t until,
    ngx_uint_t sent, int64_t refresh)
{
    canopy_refresh_t  *shared;

    shared = &grant->shared->refresh;

    ngx_canopy_zone_lock(grant->shpool);

    if (shared->until == until) {
        canopy_refresh_failed(shared, ngx_canopy_grant_now(), sent, refresh,
                              (uint32_t) ngx_random() << 1);
    }

    ngx_canopy_zone_unlock(grant->shpool);
}


static void
ngx_canopy_fetch_end(ngx_canopy_fetch_t *fetch)
{
    ngx_canopy_exchange_end(fetch->exchange);

    /* a copy of the pointer: the fetch is in the pool */

    ngx_destroy_pool(fetch->pool);
}


static u_char *
ngx_canopy_fetch_log(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char              *p;
    ngx_canopy_fetch_t  *fetch;

    fetch = log->data;

    p = ngx_snprintf(buf, len, " while requesting a token");
    len -= p - buf;

    return ngx_snprintf(p, len, ", environment: \"%V\", audience: \"%V\"",
                        fetch->grant->server.environment,
                        &fetch->grant->audience);
}
