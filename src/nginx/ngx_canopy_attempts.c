
/*
 * The copies of one request: the first one, and the one repeat.
 */


#include "ngx_canopy_attempts.h"
#include "ngx_canopy_reply.h"
#include "canopy_media.h"


static canopy_error_e ngx_canopy_attempt(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_canopy_exchange_t **exchange);
static void ngx_canopy_attempt_handler(ngx_canopy_exchange_t *x);
static ngx_uint_t ngx_canopy_attempts_repeat(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_canopy_exchange_t *x);
static ngx_uint_t ngx_canopy_attempts_other_credential(ngx_canopy_ctx_t *ctx,
    ngx_log_t *log);
static canopy_answer_meaning_t ngx_canopy_attempts_meaning(
    ngx_canopy_exchange_t *x);
static void ngx_canopy_attempts_deadline(ngx_event_t *ev);
static void ngx_canopy_attempts_end(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_int_t rc);
static void ngx_canopy_attempts_cleanup(void *data);


void
ngx_canopy_attempts_start(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx)
{
    canopy_error_e           error;
    ngx_http_cleanup_t      *cln;
    ngx_canopy_exchange_t   *x;

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    error = CANOPY_PROXY_INTERNAL_ERROR;

    r->upstream_states = ngx_array_create(r->pool, 1,
                                          sizeof(ngx_http_upstream_state_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (r->upstream_states && cln) {
        cln->handler = ngx_canopy_attempts_cleanup;
        cln->data = ctx;

        error = ngx_canopy_attempt(r, ctx, &x);
    }

    if (error != CANOPY_OK) {
        ngx_http_finalize_request(r, ngx_canopy_reply_error(r, ctx, error));
        return;
    }

    ctx->first = x;

    ctx->deadline.handler = ngx_canopy_attempts_deadline;
    ctx->deadline.data = ctx;
    ctx->deadline.log = r->connection->log;

    ngx_add_timer(&ctx->deadline, ctx->environment->exchange_timeout);

    /*
     * What ends at once is finalized here: the caller is nginx, which runs
     * posted requests behind us and must not find this one freed.
     */

    ctx->starting = 1;

    ngx_canopy_exchange_start(x);

    ctx->starting = 0;

    if (ctx->ended) {
        ngx_http_finalize_request(r, ctx->rc);
    }
}


static canopy_error_e
ngx_canopy_attempt(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_canopy_exchange_t **exchange)
{
    canopy_error_e          error;
    ngx_canopy_exchange_t  *x;

    error = ngx_canopy_exchange_create(ctx->environment, r->pool,
                                       r->connection->log, ctx->uuid,
                                       &ctx->request_id, &x);
    if (error != CANOPY_OK) {
        return error;
    }

    x->handler = ngx_canopy_attempt_handler;
    x->data = ctx;
    x->copies = &ctx->copies;
    x->states = r->upstream_states;

    ctx->secrets[ctx->first ? NGX_CANOPY_SECRET_REPEAT
                            : NGX_CANOPY_SECRET_FIRST] = x->credential;

    x->secrets = ctx->secrets;
    x->nsecrets = NGX_CANOPY_SECRETS;

    *exchange = x;

    return CANOPY_OK;
}


static void
ngx_canopy_attempt_handler(ngx_canopy_exchange_t *x)
{
    ngx_int_t                 rc;
    ngx_canopy_ctx_t         *ctx;
    ngx_http_request_t       *r;
    canopy_answer_meaning_t   meaning;

    ctx = x->data;
    r = ctx->request;

    ngx_http_set_log_request(r->connection->log, r);

    if (x->error == CANOPY_OK) {
        meaning = ngx_canopy_attempts_meaning(x);
        canopy_copies_answered(&ctx->copies, meaning.effect);
    }

    if (ngx_canopy_attempts_repeat(r, ctx, x)) {
        return;
    }

    if (x->error != CANOPY_OK) {
        rc = ngx_canopy_reply_error(r, ctx, x->error);

    } else {
        if (x->answer.status == 401 || meaning.authenticated) {
            ngx_canopy_environment_refused(ctx->environment,
                                           r->connection->log,
                                           !meaning.authenticated);
        }

        rc = ngx_canopy_reply_answer(r, ctx, x, &meaning);
    }

    ngx_canopy_attempts_end(r, ctx, rc);
}


/*
 * Returns 1 if the request is on its way again.
 */

static ngx_uint_t
ngx_canopy_attempts_repeat(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_canopy_exchange_t *x)
{
    ngx_uint_t               refused;
    ngx_canopy_exchange_t   *repeat;

    refused = (x->error == CANOPY_OK && x->answer.status == 401);

    /* the credential is looked at again even if this request can't have it */

    if (refused && !ngx_canopy_attempts_other_credential(ctx,
                                                         r->connection->log))
    {
        return 0;
    }

    if (!(refused || x->stale) || ctx->repeat || !ctx->deadline.timer_set) {
        return 0;
    }

    if (ngx_canopy_attempt(r, ctx, &repeat) != CANOPY_OK) {
        return 0;
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  refused ? "upstream refused the credential of environment "
                            "\"%V\", sending the request again with another"
                          : "upstream closed a kept connection of environment "
                            "\"%V\", sending the request again on a new one",
                  &ctx->environment->name);

    ctx->repeat = repeat;
    repeat->fresh = 1;

    ngx_canopy_exchange_start(repeat);

    return 1;
}


/*
 * Never the same credential twice, even if it came back in the meantime.
 */

static ngx_uint_t
ngx_canopy_attempts_other_credential(ngx_canopy_ctx_t *ctx, ngx_log_t *log)
{
    canopy_slice_t       *refused;
    ngx_canopy_secret_t  *secret;

    secret = ngx_canopy_environment_credential(ctx->environment, log, 1);
    if (secret == NULL) {
        return 0;
    }

    refused = &ngx_canopy_last_exchange(ctx)->credential;

    return secret->value.len != refused->len
           || ngx_memcmp(secret->value.data, refused->data, refused->len) != 0;
}


static canopy_answer_meaning_t
ngx_canopy_attempts_meaning(ngx_canopy_exchange_t *x)
{
    canopy_body_e   body;
    canopy_slice_t  type;

    type.data = x->answer.content_type.data;
    type.len = x->answer.content_type.len;

    if (x->body_len == 0 && !x->cut && !x->too_large) {
        body = CANOPY_BODY_NONE;

    } else if (canopy_media_is_json(type)) {
        body = CANOPY_BODY_JSON;

    } else {
        body = CANOPY_BODY_OTHER;
    }

    return canopy_answer_meaning(x->answer.status, body);
}


static void
ngx_canopy_attempts_deadline(ngx_event_t *ev)
{
    ngx_canopy_ctx_t  *ctx;

    ctx = ev->data;

    ngx_canopy_exchange_timeout(ngx_canopy_last_exchange(ctx));
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

    x = ngx_canopy_last_exchange(ctx);

    if (x && x->step == NGX_CANOPY_EXCHANGE_BODY) {

        /* nginx ends the request, but its answer has come */

        x->cut = 1;

        meaning = ngx_canopy_attempts_meaning(x);
        canopy_copies_answered(&ctx->copies, meaning.effect);
    }

    if (ctx->first) {
        ngx_canopy_exchange_end(ctx->first);
    }

    if (ctx->repeat) {
        ngx_canopy_exchange_end(ctx->repeat);
    }
}
