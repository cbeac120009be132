
/*
 * Answers to the client.
 */


#include "ngx_canopy_reply.h"
#include "ngx_canopy_headers.h"
#include "canopy_problem.h"


static ngx_int_t ngx_canopy_reply_body(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, canopy_error_e error, canopy_slice_t msg);
static ngx_int_t ngx_canopy_reply_normalized(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_canopy_exchange_t *x);
static void ngx_canopy_reply_one_line(ngx_str_t *text);
static ngx_int_t ngx_canopy_reply_failed(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx);
static void *ngx_canopy_reply_alloc(void *data, size_t size);
static void ngx_canopy_reply_content(ngx_http_request_t *r, size_t len);
static ngx_int_t ngx_canopy_reply_send(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx);


ngx_int_t
ngx_canopy_reply_error(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    canopy_error_e error)
{
    const canopy_slice_t  *msg;

    msg = &canopy_error(error)->msg;

    return ngx_canopy_reply_fault(r, ctx, error, (const char *) msg->data,
                                  msg->len);
}


ngx_int_t
ngx_canopy_reply_fault(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    canopy_error_e error, const char *msg, size_t len)
{
    canopy_slice_t  text;

    text.data = (const uint8_t *) msg;
    text.len = len;

    if (ngx_canopy_headers_common(r, ctx, canopy_error(error)->status)
           != NGX_OK
        || ngx_canopy_headers_refusal(r, ctx, error, msg, len) != NGX_OK
        || ngx_canopy_reply_body(r, ctx, error, text) != NGX_OK)
    {
        return ngx_canopy_reply_failed(r, ctx);
    }

    if (canopy_error(error)->proxy
        && ngx_canopy_headers_proxy_status(r, error, 0) != NGX_OK)
    {
        return ngx_canopy_reply_failed(r, ctx);
    }

    return ngx_canopy_reply_send(r, ctx);
}


ngx_int_t
ngx_canopy_reply_answer(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_canopy_exchange_t *x, canopy_answer_meaning_t *meaning)
{
    ngx_int_t  rc;

    if (ngx_canopy_headers_common(r, ctx, meaning->status) != NGX_OK) {
        return ngx_canopy_reply_failed(r, ctx);
    }

    if (meaning->status == NGX_HTTP_NO_CONTENT) {
        return ngx_canopy_reply_send(r, ctx);
    }

    if (meaning->effect == CANOPY_UNKNOWN || meaning->error != CANOPY_OK
        || x->answer.status == NGX_HTTP_FORBIDDEN)
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "upstream answered %ui, environment: \"%V\", task: %V",
                      (ngx_uint_t) x->answer.status, &ctx->environment->name,
                      &ctx->task_id);
    }

    rc = (meaning->error == CANOPY_OK)
             ? ngx_canopy_reply_normalized(r, ctx, x)
             : ngx_canopy_reply_body(r, ctx, meaning->error,
                                     canopy_error(meaning->error)->msg);
    if (rc != NGX_OK) {
        return ngx_canopy_reply_failed(r, ctx);
    }

    if (meaning->retry_after
        && ngx_canopy_headers_retry_after(r, &x->answer.retry_after) != NGX_OK)
    {
        return ngx_canopy_reply_failed(r, ctx);
    }

    if (ngx_canopy_headers_proxy_status(r, meaning->error, x->answer.status)
        != NGX_OK)
    {
        return ngx_canopy_reply_failed(r, ctx);
    }

    return ngx_canopy_reply_send(r, ctx);
}


ngx_int_t
ngx_canopy_reply_foreign(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx)
{
    ngx_uint_t      status;
    canopy_error_e  error;

    status = r->headers_out.status;

    if (ngx_canopy_headers_common(r, ctx, status) != NGX_OK) {
        return NGX_ERROR;
    }

    r->headers_out.status = status;

    if (status < NGX_HTTP_BAD_REQUEST) {
        return NGX_OK;
    }

    error = ctx->failed ? CANOPY_PROXY_INTERNAL_ERROR
                        : CANOPY_GATEWAY_REFUSED;

    if (ngx_canopy_reply_body(r, ctx, error, canopy_error(error)->msg)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);

    ngx_canopy_reply_content(r, ctx->body.len);

    return NGX_OK;
}


/*
 * There was no memory for the answer: a last try with the least of one, made
 * by nginx and ngx_canopy_reply_foreign().  The outcome is what it is.
 */

static ngx_int_t
ngx_canopy_reply_failed(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx)
{
    ngx_http_clean_header(r);

    ngx_str_null(&ctx->body);
    ctx->decided = 0;
    ctx->failed = 1;

    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_canopy_reply_body(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    canopy_error_e error, canopy_slice_t msg)
{
    canopy_slice_t         hint;
    const canopy_error_t  *e;

    e = canopy_error(error);
    hint = canopy_outcome_hint(ctx->outcome);

    ctx->error = ngx_canopy_str(e->type);

    ctx->body.len = canopy_error_size(e, msg, hint);
    ctx->body.data = ngx_pnalloc(r->pool, ctx->body.len);

    if (ctx->body.data == NULL) {
        return NGX_ERROR;
    }

    (void) canopy_error_body(ctx->body.data, e, msg, hint);

    return NGX_OK;
}


static ngx_int_t
ngx_canopy_reply_normalized(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_canopy_exchange_t *x)
{
    canopy_slice_t    out, type;
    canopy_problem_t  in;

    ngx_memzero(&in, sizeof(canopy_problem_t));

    in.status = x->answer.status;
    in.content_type.data = x->answer.content_type.data;
    in.content_type.len = x->answer.content_type.len;
    in.body.data = x->body;
    in.body.len = x->body_len;
    in.encoded = x->answer.encoded;
    in.cut = x->cut;
    in.too_large = x->too_large;
    in.secrets = ctx->secrets;
    in.nsecrets = NGX_CANOPY_SECRETS;

    if (canopy_problem_normalize(&in, ngx_canopy_reply_alloc, r->pool, &out,
                                 &type)
        != 0)
    {
        return NGX_ERROR;
    }

    ctx->body = ngx_canopy_str(out);
    ctx->error = ngx_canopy_str(type);

    ngx_canopy_reply_one_line(&ctx->error);

    return NGX_OK;
}


/*
 * The type goes to logs, and to headers if an operator likes.  A line's end
 * in it would be the upstream's; control characters are spaces there.
 */

static void
ngx_canopy_reply_one_line(ngx_str_t *text)
{
    u_char  *p, *last;

    last = text->data + text->len;

    for (p = text->data; p < last; p++) {

        if (*p < ' ' || *p == 0x7f) {
            *p = ' ';
            continue;
        }

        /* U+0080 to U+009F in UTF-8 */

        if (*p == 0xc2 && p + 1 < last && p[1] <= 0x9f) {
            *p++ = ' ';
            *p = ' ';
        }
    }
}


static void *
ngx_canopy_reply_alloc(void *data, size_t size)
{
    return ngx_pnalloc(data, size);
}


static void
ngx_canopy_reply_content(ngx_http_request_t *r, size_t len)
{
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_null(&r->headers_out.charset);

    r->headers_out.content_length_n = len;
}


static ngx_int_t
ngx_canopy_reply_send(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = NULL;

    if (ctx->body.len) {
        ngx_canopy_reply_content(r, ctx->body.len);

        b = ngx_calloc_buf(r->pool);
        if (b == NULL) {
            return ngx_canopy_reply_failed(r, ctx);
        }

        b->pos = ctx->body.data;
        b->last = ctx->body.data + ctx->body.len;
        b->memory = 1;
        b->last_buf = 1;
        b->last_in_chain = 1;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only || b == NULL) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
