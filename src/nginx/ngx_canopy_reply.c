
/*
 * Answers to the client.
 */


#include "ngx_canopy_reply.h"
#include "canopy_problem.h"


#define NGX_CANOPY_RETRY_AFTER      "30"    /* seconds */
#define NGX_CANOPY_MAX_RETRY_AFTER  86400


static ngx_int_t ngx_canopy_reply_headers(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_uint_t status);
static ngx_int_t ngx_canopy_reply_error_headers(ngx_http_request_t *r,
    canopy_error_e error, const char *msg, size_t len);
static ngx_int_t ngx_canopy_reply_body(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, canopy_error_e error, canopy_slice_t msg);
static ngx_int_t ngx_canopy_reply_normalized(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_canopy_exchange_t *x);
static void *ngx_canopy_reply_alloc(void *data, size_t size);
static ngx_int_t ngx_canopy_reply_proxy_status(ngx_http_request_t *r,
    canopy_error_e error, ngx_uint_t status);
static ngx_int_t ngx_canopy_reply_retry_after(ngx_http_request_t *r,
    canopy_answer_value_t *value);
static ngx_uint_t ngx_canopy_reply_date_is(canopy_answer_value_t *value,
    time_t date);
static void ngx_canopy_reply_content(ngx_http_request_t *r, size_t len);
static ngx_int_t ngx_canopy_reply_header(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value);
static ngx_int_t ngx_canopy_reply_send(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx);


static ngx_str_t  ngx_canopy_cache_control = ngx_string("Cache-Control");
static ngx_str_t  ngx_canopy_no_store = ngx_string("no-store");
static ngx_str_t  ngx_canopy_request_id = ngx_string("X-Request-ID");
static ngx_str_t  ngx_canopy_outcome = ngx_string("Canopy-Outcome");
static ngx_str_t  ngx_canopy_environment = ngx_string("Canopy-Environment");
static ngx_str_t  ngx_canopy_proxy_status = ngx_string("Proxy-Status");
static ngx_str_t  ngx_canopy_retry_after = ngx_string("Retry-After");
static ngx_str_t  ngx_canopy_retry_after_value =
    ngx_string(NGX_CANOPY_RETRY_AFTER);
static ngx_str_t  ngx_canopy_allow = ngx_string("Allow");
static ngx_str_t  ngx_canopy_allow_value = ngx_string("PATCH");
static ngx_str_t  ngx_canopy_authenticate = ngx_string("WWW-Authenticate");
static ngx_str_t  ngx_canopy_authenticate_value =
    ngx_string("Bearer realm=\"canopy\"");


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

    if (ngx_canopy_reply_headers(r, ctx, canopy_error(error)->status) != NGX_OK
        || ngx_canopy_reply_error_headers(r, error, msg, len) != NGX_OK
        || ngx_canopy_reply_body(r, ctx, error, text) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (canopy_error(error)->proxy
        && ngx_canopy_reply_proxy_status(r, error, 0) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_canopy_reply_send(r, ctx);
}


ngx_int_t
ngx_canopy_reply_answer(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_canopy_exchange_t *x, canopy_answer_meaning_t *meaning)
{
    ngx_int_t  rc;

    if (ngx_canopy_reply_headers(r, ctx, meaning->status) != NGX_OK) {
        return NGX_ERROR;
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
        return NGX_ERROR;
    }

    if (meaning->retry_after
        && ngx_canopy_reply_retry_after(r, &x->answer.retry_after) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_canopy_reply_proxy_status(r, meaning->error, x->answer.status)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_canopy_reply_send(r, ctx);
}


ngx_int_t
ngx_canopy_reply_foreign(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx)
{
    ngx_uint_t  status;

    status = r->headers_out.status;

    if (ngx_canopy_reply_headers(r, ctx, status) != NGX_OK) {
        return NGX_ERROR;
    }

    r->headers_out.status = status;

    if (status < NGX_HTTP_BAD_REQUEST) {
        return NGX_OK;
    }

    if (ngx_canopy_reply_body(r, ctx, CANOPY_GATEWAY_REFUSED,
                              canopy_error(CANOPY_GATEWAY_REFUSED)->msg)
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
 * What every answer has.  The outcome is decided here, once.
 */

static ngx_int_t
ngx_canopy_reply_headers(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_uint_t status)
{
    ngx_str_t  word;

    static ngx_str_t  unprocessable = ngx_string("422 Unprocessable Content");

    ctx->outcome = canopy_outcome(&ctx->copies, status);
    ctx->decided = 1;

    word = ngx_canopy_str(canopy_outcome_word(ctx->outcome));

    if (ngx_canopy_reply_header(r, &ngx_canopy_cache_control,
                                &ngx_canopy_no_store) != NGX_OK
        || ngx_canopy_reply_header(r, &ngx_canopy_request_id,
                                   &ctx->request_id) != NGX_OK
        || ngx_canopy_reply_header(r, &ngx_canopy_outcome, &word) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->environment
        && ngx_canopy_reply_header(r, &ngx_canopy_environment,
                                   &ctx->environment->name) != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->headers_out.status = status;

    /* an error_page that led here does not say how this went */

    r->err_status = 0;

    if (status == 422) {

        /* nginx knows no text for it */

        r->headers_out.status_line = unprocessable;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_canopy_reply_error_headers(ngx_http_request_t *r, canopy_error_e error,
    const char *msg, size_t len)
{
    u_char     *p;
    ngx_str_t   value;

    switch (error) {

    case CANOPY_METHOD_NOT_ALLOWED:
        return ngx_canopy_reply_header(r, &ngx_canopy_allow,
                                       &ngx_canopy_allow_value);

    case CANOPY_TOKEN_MISSING:

        /* RFC 6750, section 3.1: no error code where nothing was shown */

        return ngx_canopy_reply_header(r, &ngx_canopy_authenticate,
                                       &ngx_canopy_authenticate_value);

    case CANOPY_TOKEN_MALFORMED:
    case CANOPY_TOKEN_EXPIRED:

        p = ngx_pnalloc(r->pool, ngx_canopy_authenticate_value.len + len
                                 + sizeof(", error=\"invalid_token\""
                                          ", error_description=\"\"") - 1);
        if (p == NULL) {
            return NGX_ERROR;
        }

        value.data = p;

        p = ngx_cpymem(p, ngx_canopy_authenticate_value.data,
                       ngx_canopy_authenticate_value.len);
        p = ngx_cpymem(p, ", error=\"invalid_token\", error_description=\"",
                       sizeof(", error=\"invalid_token\""
                              ", error_description=\"") - 1);
        p = ngx_cpymem(p, msg, len);
        *p++ = '"';

        value.len = p - value.data;

        return ngx_canopy_reply_header(r, &ngx_canopy_authenticate, &value);

    case CANOPY_ENVIRONMENT_CLOSED:
    case CANOPY_CREDENTIAL_UNAVAILABLE:
        return ngx_canopy_reply_header(r, &ngx_canopy_retry_after,
                                       &ngx_canopy_retry_after_value);

    default:
        return NGX_OK;
    }
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
    canopy_slice_t    out, type, secrets[NGX_CANOPY_SECRETS];
    canopy_problem_t  in;

    ngx_memzero(&in, sizeof(canopy_problem_t));

    ngx_canopy_secrets(ctx, secrets);

    in.status = x->answer.status;
    in.content_type.data = x->answer.content_type.data;
    in.content_type.len = x->answer.content_type.len;
    in.body.data = x->body;
    in.body.len = x->body_len;
    in.encoded = x->answer.encoded;
    in.cut = x->cut;
    in.too_large = x->too_large;
    in.secrets = secrets;
    in.nsecrets = NGX_CANOPY_SECRETS;

    if (canopy_problem_normalize(&in, ngx_canopy_reply_alloc, r->pool, &out,
                                 &type)
        != 0)
    {
        return NGX_ERROR;
    }

    ctx->body = ngx_canopy_str(out);
    ctx->error = ngx_canopy_str(type);

    return NGX_OK;
}


static void *
ngx_canopy_reply_alloc(void *data, size_t size)
{
    return ngx_pnalloc(data, size);
}


/* RFC 9209 */

static ngx_int_t
ngx_canopy_reply_proxy_status(ngx_http_request_t *r, canopy_error_e error,
    ngx_uint_t status)
{
    u_char                *p;
    ngx_str_t              value, type;
    const canopy_error_t  *e;

    ngx_str_null(&type);

    if (error != CANOPY_OK) {
        e = canopy_error(error);

        if (e->proxy) {
            type = ngx_canopy_str(e->type);
        }
    }

    p = ngx_pnalloc(r->pool, sizeof("ngx_canopy; error=; received-status=") - 1
                             + type.len + NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;

    p = ngx_cpymem(p, "ngx_canopy", sizeof("ngx_canopy") - 1);

    if (type.len) {
        p = ngx_sprintf(p, "; error=%V", &type);
    }

    if (status) {
        p = ngx_sprintf(p, "; received-status=%ui", status);
    }

    value.len = p - value.data;

    return ngx_canopy_reply_header(r, &ngx_canopy_proxy_status, &value);
}


/*
 * Written anew from what was understood, so nothing else can come with it
 * (RFC 9110, section 10.2.3).
 */

static ngx_int_t
ngx_canopy_reply_retry_after(ngx_http_request_t *r,
    canopy_answer_value_t *value)
{
    time_t     date;
    u_char    *p;
    ngx_int_t  seconds;
    ngx_str_t  text;

    if (value->len == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, sizeof("Mon, 28 Sep 1970 06:00:00 GMT"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    text.data = p;

    seconds = ngx_atoi(value->data, value->len);

    if (seconds != NGX_ERROR) {

        if (seconds > NGX_CANOPY_MAX_RETRY_AFTER) {
            return NGX_OK;
        }

        p = ngx_sprintf(p, "%i", seconds);

    } else {
        date = ngx_parse_http_time(value->data, value->len);

        if (date == NGX_ERROR || !ngx_canopy_reply_date_is(value, date)) {
            return NGX_OK;
        }

        p = ngx_http_time(p, date);
    }

    text.len = p - text.data;

    return ngx_canopy_reply_header(r, &ngx_canopy_retry_after, &text);
}


/*
 * ngx_parse_http_time() looks at some bytes only.  So the time is written
 * again, in each form a date may have (RFC 9110, section 5.6.7).
 */

static ngx_uint_t
ngx_canopy_reply_date_is(canopy_answer_value_t *value, time_t date)
{
    char        text[sizeof("Wednesday, 28-Sep-70 06:00:00 GMT")];
    size_t      len;
    struct tm   tm;
    ngx_uint_t  i;

    static const char  *forms[] = {
        "%a, %d %b %Y %H:%M:%S GMT",
        "%A, %d-%b-%y %H:%M:%S GMT",
        "%a %b %e %H:%M:%S %Y"
    };

    ngx_libc_gmtime(date, &tm);

    for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        len = strftime(text, sizeof(text), forms[i], &tm);

        if (len == value->len && ngx_memcmp(text, value->data, len) == 0) {
            return 1;
        }
    }

    return 0;
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
ngx_canopy_reply_header(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_canopy_push_header(r);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->key = *name;
    h->value = *value;

    return NGX_OK;
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
            return NGX_ERROR;
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
