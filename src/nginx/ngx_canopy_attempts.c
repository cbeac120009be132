
/*
 * The copies of one request: the first one, and the one repeat.
 */


#include "ngx_canopy_attempts.h"
#include "ngx_canopy_cancel.h"
#include "ngx_canopy_reply.h"


static void ngx_canopy_attempts_first(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx);
static void ngx_canopy_attempts_wait(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx);
static void ngx_canopy_attempts_credential(void *data);
static ngx_int_t ngx_canopy_attempt(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_canopy_exchange_t **exchange);
static canopy_error_e ngx_canopy_attempt_permit(ngx_canopy_exchange_t *x);
static void ngx_canopy_attempt_handler(ngx_canopy_exchange_t *x);
static ngx_uint_t ngx_canopy_attempts_repeat(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_canopy_exchange_t *x);
static ngx_uint_t ngx_canopy_attempts_renew(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_canopy_exchange_t *x);
static void ngx_canopy_attempts_renewed(void *data);
static ngx_uint_t ngx_canopy_attempts_again(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, char *why);
static void ngx_canopy_attempts_answer(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_canopy_exchange_t *x);
static void ngx_canopy_attempts_deadline(ngx_event_t *ev);
static void ngx_canopy_attempts_end(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_int_t rc);
static void ngx_canopy_attempts_cleanup(void *data);


void
ngx_canopy_attempts_start(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx)
{
    ngx_http_cleanup_t  *cln;

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    r->upstream_states = ngx_array_create(r->pool, 1,
                                          sizeof(ngx_http_upstream_state_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (r->upstream_states == NULL || cln == NULL) {
        ngx_http_finalize_request(r,
                ngx_canopy_reply_error(r, ctx, CANOPY_PROXY_INTERNAL_ERROR));
        return;
    }

    cln->handler = ngx_canopy_attempts_cleanup;
    cln->data = ctx;

    ctx->deadline.handler = ngx_canopy_attempts_deadline;
    ctx->deadline.data = ctx;
    ctx->deadline.log = r->connection->log;

    ngx_add_timer(&ctx->deadline, ctx->environment->exchange_timeout);

    /*
     * What ends at once is finalized here: the caller is nginx, which runs
     * posted requests behind us and must not find this one freed.
     */

    ctx->starting = 1;
    ctx->ended = 0;
    ctx->first = NULL;
    ctx->repeat = NULL;

    ngx_canopy_attempts_first(r, ctx);

    ctx->starting = 0;

    if (ctx->ended) {
        ngx_http_finalize_request(r, ctx->rc);
    }
}


/*
 * The last checks are of the moment in which the request is sent.
 */

static void
ngx_canopy_attempts_first(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx)
{
    ngx_int_t               rc;
    canopy_error_e          error;
    ngx_canopy_exchange_t  *x;

    if (ngx_canopy_environment_closed(ctx->environment, r->connection->log)) {
        error = CANOPY_ENVIRONMENT_CLOSED;
        goto refused;
    }

    ctx->admitted = ngx_current_msec;

    rc = ngx_canopy_attempt(r, ctx, &x);

    switch (rc) {

    case NGX_OK:
        ctx->first = x;
        ctx->retry_after = ngx_canopy_rate_ask(&ctx->environment->rate, 0);

        if (ctx->retry_after == 0) {
            ngx_canopy_exchange_start(x);
            return;
        }

        error = CANOPY_RATE_LIMITED;
        break;

    case NGX_AGAIN:
        ngx_canopy_attempts_wait(r, ctx);
        return;

    case NGX_DECLINED:
        error = CANOPY_CREDENTIAL_UNAVAILABLE;
        break;

    default: /* NGX_ERROR */
        error = CANOPY_PROXY_INTERNAL_ERROR;
    }

refused:

    if (error == CANOPY_RATE_LIMITED) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "client sent a request beyond the rate limit of "
                      "environment \"%V\"", &ctx->environment->name);
    }

    ngx_canopy_attempts_end(r, ctx, ngx_canopy_reply_error(r, ctx, error));
}


/*
 * Nothing is sent yet, so a client that leaves takes its request with it.
 */

static void
ngx_canopy_attempts_wait(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx)
{
    r->connection->log->action = "waiting for a credential";

    if (r->connection->read->ready) {

        /* it may have left before anybody looked */

        ngx_post_event(r->connection->read, &ngx_posted_events);

    } else if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        ngx_canopy_attempts_end(r, ctx,
                 ngx_canopy_reply_error(r, ctx, CANOPY_PROXY_INTERNAL_ERROR));
        return;
    }

    r->read_event_handler = ngx_http_test_reading;

    ctx->waiter.handler = ngx_canopy_attempts_credential;
    ctx->waiter.data = ctx;

    ngx_canopy_environment_wait(ctx->environment, &ctx->waiter, 0);
}


static void
ngx_canopy_attempts_credential(void *data)
{
    ngx_canopy_ctx_t *ctx = data;

    ngx_http_request_t  *r;

    r = ctx->request;

    ngx_http_set_log_request(r->connection->log, r);

    r->read_event_handler = ngx_http_block_reading;

    ngx_canopy_attempts_first(r, ctx);
}


/*
 * Returns as ngx_canopy_cancel_create() does.
 */

static ngx_int_t
ngx_canopy_attempt(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_canopy_exchange_t **exchange)
{
    ngx_int_t               rc;
    ngx_canopy_exchange_t  *x;

    rc = ngx_canopy_cancel_create(ctx->environment, r->pool,
                                  r->connection->log, ctx->uuid,
                                  &ctx->request_id, &x,
                                  &ctx->secrets[NGX_CANOPY_SECRET_CLIENT],
                                  &ctx->retry_after);
    if (rc != NGX_OK) {
        return rc;
    }

    x->handler = ngx_canopy_attempt_handler;
    x->permit = ngx_canopy_attempt_permit;
    x->data = ctx;
    x->copies = &ctx->copies;
    x->states = r->upstream_states;

    ctx->secrets[ctx->first ? NGX_CANOPY_SECRET_REPEAT
                            : NGX_CANOPY_SECRET_FIRST] = x->credential;

    x->secrets = ctx->secrets;
    x->nsecrets = NGX_CANOPY_SECRETS;

    *exchange = x;

    return NGX_OK;
}


/*
 * Resolving and connecting take their time.  Only what is sent counts for the
 * rate, and from when it is sent.
 */

static canopy_error_e
ngx_canopy_attempt_permit(ngx_canopy_exchange_t *x)
{
    ngx_canopy_ctx_t  *ctx;

    ctx = x->data;

    if (ctx->admitted != ngx_current_msec
        && ngx_canopy_environment_closed(ctx->environment, x->log))
    {
        return CANOPY_ENVIRONMENT_CLOSED;
    }

    if (x->expires <= (double) ngx_time()) {
        return CANOPY_CREDENTIAL_UNAVAILABLE;
    }

    ctx->retry_after = ngx_canopy_rate_ask(&ctx->environment->rate, 1);

    return ctx->retry_after ? CANOPY_RATE_LIMITED : CANOPY_OK;
}


static void
ngx_canopy_attempt_handler(ngx_canopy_exchange_t *x)
{
    ngx_canopy_ctx_t         *ctx;
    ngx_http_request_t       *r;
    canopy_answer_meaning_t   meaning;

    ctx = x->data;
    r = ctx->request;

    ngx_http_set_log_request(r->connection->log, r);

    if (x->error == CANOPY_OK) {
        meaning = ngx_canopy_exchange_meaning(x);
        canopy_copies_answered(&ctx->copies, meaning.effect);
    }

    if (ngx_canopy_attempts_repeat(r, ctx, x)) {
        return;
    }

    if (x == ctx->repeat && x->forbidden) {

        /* it was not sent: the first one's answer stands */

        x = ctx->first;
    }

    ngx_canopy_attempts_answer(r, ctx, x);
}


/*
 * Returns 1 if the request is on its way again, or may be soon.
 */

static ngx_uint_t
ngx_canopy_attempts_repeat(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_canopy_exchange_t *x)
{
    if (x->error == CANOPY_OK && x->answer.status == 401) {
        return ngx_canopy_attempts_renew(r, ctx, x);
    }

    if (!x->stale) {
        return 0;
    }

    return ngx_canopy_attempts_again(r, ctx,
                         "upstream closed a kept connection of environment "
                         "\"%V\", sending the request again on a new one");
}


/*
 * The credential is looked at again even if this request can't have it.
 */

static ngx_uint_t
ngx_canopy_attempts_renew(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_canopy_exchange_t *x)
{
    ngx_int_t  rc;

    rc = ngx_canopy_environment_renew(ctx->environment, r->connection->log,
                                      &x->credential, x->generation);

    if (rc == NGX_AGAIN && ctx->repeat == NULL && ctx->deadline.timer_set) {
        r->connection->log->action = "waiting for a credential";

        ctx->waiter.handler = ngx_canopy_attempts_renewed;
        ctx->waiter.data = ctx;

        ngx_canopy_environment_wait(ctx->environment, &ctx->waiter,
                                    x->generation);
        return 1;
    }

    if (rc != NGX_OK) {
        return 0;
    }

    return ngx_canopy_attempts_again(r, ctx,
                         "upstream refused the credential of environment "
                         "\"%V\", sending the request again with another");
}


static void
ngx_canopy_attempts_renewed(void *data)
{
    ngx_canopy_ctx_t *ctx = data;

    ngx_int_t               rc;
    ngx_http_request_t     *r;
    ngx_canopy_exchange_t  *x;

    r = ctx->request;
    x = ctx->first;

    ngx_http_set_log_request(r->connection->log, r);

    rc = ngx_canopy_environment_renew(ctx->environment, r->connection->log,
                                      &x->credential, x->generation);

    if (rc == NGX_OK
        && ngx_canopy_attempts_again(r, ctx,
                         "upstream refused the credential of environment "
                         "\"%V\", sending the request again with another"))
    {
        return;
    }

    ngx_canopy_attempts_answer(r, ctx, x);
}


static ngx_uint_t
ngx_canopy_attempts_again(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    char *why)
{
    ngx_canopy_exchange_t  *repeat;

    if (ctx->repeat || !ctx->deadline.timer_set) {
        return 0;
    }

    if (ngx_canopy_attempt(r, ctx, &repeat) != NGX_OK) {
        return 0;
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0, why,
                  &ctx->environment->name);

    ctx->repeat = repeat;
    repeat->fresh = 1;

    ngx_canopy_exchange_start(repeat);

    return 1;
}


/*
 * Answers the client with what is known of the last copy.
 */

static void
ngx_canopy_attempts_answer(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_canopy_exchange_t *x)
{
    ngx_int_t                rc;
    canopy_answer_meaning_t  meaning;

    if (x->error != CANOPY_OK) {
        rc = ngx_canopy_reply_error(r, ctx, x->error);

    } else {
        meaning = ngx_canopy_exchange_meaning(x);

        if (x->answer.status == 401 || meaning.authenticated) {
            ngx_canopy_environment_refused(ctx->environment,
                                           r->connection->log,
                                           !meaning.authenticated);
        }

        rc = ngx_canopy_reply_answer(r, ctx, x, &meaning);
    }

    ngx_canopy_attempts_end(r, ctx, rc);
}


static void
ngx_canopy_attempts_deadline(ngx_event_t *ev)
{
    ngx_canopy_ctx_t    *ctx;
    ngx_http_request_t  *r;

    ctx = ev->data;
    r = ctx->request;

    if (!ctx->waiter.queued) {
        ngx_canopy_exchange_timeout(ngx_canopy_last_exchange(ctx));
        return;
    }

    ngx_http_set_log_request(r->connection->log, r);

    if (ctx->first) {
        ngx_canopy_attempts_answer(r, ctx, ctx->first);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "environment \"%V\" got no credential in time",
                  &ctx->environment->name);

    ngx_canopy_attempts_end(r, ctx,
               ngx_canopy_reply_error(r, ctx, CANOPY_CREDENTIAL_UNAVAILABLE));
}


static void
ngx_canopy_attempts_end(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_int_t rc)
{
    ngx_connection_t  *c;

    c = r->connection;
    c->log->action = "sending to client";

    ngx_canopy_attempts_cleanup(ctx);

    if (ctx->starting) {
        ctx->ended = 1;
        ctx->rc = rc;
        return;
    }

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static void
ngx_canopy_attempts_cleanup(void *data)
{
    ngx_canopy_ctx_t *ctx = data;

    ngx_canopy_exchange_t    *x;
    canopy_answer_meaning_t   meaning;

    if (ctx->deadline.timer_set) {
        ngx_del_timer(&ctx->deadline);
    }

    ngx_canopy_grant_forget(&ctx->waiter);

    x = ngx_canopy_last_exchange(ctx);

    if (x && x->step == NGX_CANOPY_EXCHANGE_BODY) {

        /* nginx ends the request, but its answer has come */

        x->cut = 1;

        meaning = ngx_canopy_exchange_meaning(x);
        canopy_copies_answered(&ctx->copies, meaning.effect);
    }

    if (ctx->first) {
        ngx_canopy_exchange_end(ctx->first);
    }

    if (ctx->repeat) {
        ngx_canopy_exchange_end(ctx->repeat);
    }
}
