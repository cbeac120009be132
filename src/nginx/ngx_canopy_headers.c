
/*
 * The header fields of answers to the client.
 */


#include "ngx_canopy_headers.h"
#include "canopy_retry_after.h"


#define NGX_CANOPY_RETRY_AFTER  30      /* seconds */
#define NGX_CANOPY_CHALLENGE    "Bearer realm=\"canopy\""


static ngx_int_t ngx_canopy_headers_authenticate(ngx_http_request_t *r,
    ngx_str_t *error, const char *msg, size_t len);
static ngx_int_t ngx_canopy_headers_seconds(ngx_http_request_t *r,
    time_t seconds);
static ngx_int_t ngx_canopy_headers_push(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *value);


static ngx_str_t  ngx_canopy_cache_control = ngx_string("Cache-Control");
static ngx_str_t  ngx_canopy_no_store = ngx_string("no-store");
static ngx_str_t  ngx_canopy_request_id = ngx_string("X-Request-ID");
static ngx_str_t  ngx_canopy_outcome = ngx_string("Canopy-Outcome");
static ngx_str_t  ngx_canopy_environment = ngx_string("Canopy-Environment");
static ngx_str_t  ngx_canopy_proxy_status = ngx_string("Proxy-Status");
static ngx_str_t  ngx_canopy_retry_after = ngx_string("Retry-After");
static ngx_str_t  ngx_canopy_allow = ngx_string("Allow");
static ngx_str_t  ngx_canopy_allow_value = ngx_string("PATCH");
static ngx_str_t  ngx_canopy_authenticate = ngx_string("WWW-Authenticate");
static ngx_str_t  ngx_canopy_authenticate_value =
    ngx_string(NGX_CANOPY_CHALLENGE);

/* up to the words of the error */

static ngx_str_t  ngx_canopy_authenticate_token =
    ngx_string(NGX_CANOPY_CHALLENGE
               ", error=\"invalid_token\", error_description=\"");
static ngx_str_t  ngx_canopy_authenticate_scope =
    ngx_string(NGX_CANOPY_CHALLENGE
               ", error=\"insufficient_scope\", error_description=\"");


ngx_int_t
ngx_canopy_headers_common(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_uint_t status)
{
    ngx_str_t  word;

    static ngx_str_t  unprocessable = ngx_string("422 Unprocessable Content");

    ctx->outcome = canopy_outcome(&ctx->copies, status);
    ctx->decided = 1;

    word = ngx_canopy_str(canopy_outcome_word(ctx->outcome));

    if (ngx_canopy_headers_push(r, &ngx_canopy_cache_control,
                                &ngx_canopy_no_store) != NGX_OK
        || ngx_canopy_headers_push(r, &ngx_canopy_request_id,
                                   &ctx->request_id) != NGX_OK
        || ngx_canopy_headers_push(r, &ngx_canopy_outcome, &word) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->environment
        && ngx_canopy_headers_push(r, &ngx_canopy_environment,
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


ngx_int_t
ngx_canopy_headers_refusal(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    canopy_error_e error, const char *msg, size_t len)
{
    switch (error) {

    case CANOPY_METHOD_NOT_ALLOWED:
        return ngx_canopy_headers_push(r, &ngx_canopy_allow,
                                       &ngx_canopy_allow_value);

    case CANOPY_TOKEN_MISSING:

        /* RFC 6750, section 3.1: no error code where nothing was shown */

        return ngx_canopy_headers_push(r, &ngx_canopy_authenticate,
                                       &ngx_canopy_authenticate_value);

    case CANOPY_TOKEN_MALFORMED:
    case CANOPY_TOKEN_SIGNATURE:
    case CANOPY_TOKEN_EXPIRED:
    case CANOPY_TOKEN_NOT_YET_VALID:
    case CANOPY_TOKEN_ISSUER:
    case CANOPY_TOKEN_AUDIENCE:
        return ngx_canopy_headers_authenticate(r,
                                               &ngx_canopy_authenticate_token,
                                               msg, len);

    case CANOPY_TOKEN_CLAIM:
        return ngx_canopy_headers_authenticate(r,
                                               &ngx_canopy_authenticate_scope,
                                               msg, len);

    case CANOPY_ENVIRONMENT_CLOSED:
        return ngx_canopy_headers_seconds(r, NGX_CANOPY_RETRY_AFTER);

    case CANOPY_CREDENTIAL_UNAVAILABLE:
    case CANOPY_RATE_LIMITED:
        return ngx_canopy_headers_seconds(r, ctx->retry_after
                                                 ? ctx->retry_after
                                                 : NGX_CANOPY_RETRY_AFTER);

    default:
        return NGX_OK;
    }
}


/*
 * RFC 6750, section 3.1.
 */

static ngx_int_t
ngx_canopy_headers_authenticate(ngx_http_request_t *r, ngx_str_t *error,
    const char *msg, size_t len)
{
    u_char     *p;
    ngx_str_t   value;

    p = ngx_pnalloc(r->pool, error->len + len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;

    p = ngx_cpymem(p, error->data, error->len);
    p = ngx_cpymem(p, msg, len);
    *p++ = '"';

    value.len = p - value.data;

    return ngx_canopy_headers_push(r, &ngx_canopy_authenticate, &value);
}


static ngx_int_t
ngx_canopy_headers_seconds(ngx_http_request_t *r, time_t seconds)
{
    ngx_str_t  value;

    value.data = ngx_pnalloc(r->pool, NGX_TIME_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%T", seconds) - value.data;

    return ngx_canopy_headers_push(r, &ngx_canopy_retry_after, &value);
}


ngx_int_t
ngx_canopy_headers_proxy_status(ngx_http_request_t *r, canopy_error_e error,
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

    return ngx_canopy_headers_push(r, &ngx_canopy_proxy_status, &value);
}


ngx_int_t
ngx_canopy_headers_retry_after(ngx_http_request_t *r,
    canopy_answer_value_t *value)
{
    ngx_str_t       text;
    canopy_slice_t  in;

    if (value->len == 0) {
        return NGX_OK;
    }

    text.data = ngx_pnalloc(r->pool, CANOPY_RETRY_AFTER_LEN);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    in.data = value->data;
    in.len = value->len;

    text.len = canopy_retry_after(in, text.data);

    if (text.len == 0) {
        return NGX_OK;
    }

    return ngx_canopy_headers_push(r, &ngx_canopy_retry_after, &text);
}


static ngx_int_t
ngx_canopy_headers_push(ngx_http_request_t *r, ngx_str_t *name,
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
