
/*
 * One request's way: the checks in their order, then out or back.
 */


#include "ngx_canopy_handler.h"
#include "ngx_canopy_attempts.h"
#include "ngx_canopy_client.h"
#include "ngx_canopy_conf.h"
#include "ngx_canopy_reply.h"
#include "canopy_route.h"


static ngx_int_t ngx_canopy_check_route(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, canopy_slice_t *id);
static ngx_int_t ngx_canopy_check_environment(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx);
static ngx_int_t ngx_canopy_check_token(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx);
static char *ngx_canopy_token_words(ngx_http_request_t *r,
    canopy_error_e error);
static ngx_int_t ngx_canopy_check_task_id(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, canopy_slice_t *id);
static ngx_uint_t ngx_canopy_has_body(ngx_http_request_t *r);
static ngx_int_t ngx_canopy_refuse(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, canopy_error_e error, const char *msg, size_t len);
static void ngx_canopy_body_handler(ngx_http_request_t *r);
static void ngx_canopy_body_read_handler(ngx_http_request_t *r);
static void ngx_canopy_body_drop(ngx_http_request_t *r);
static void ngx_canopy_forward(ngx_http_request_t *r);


static ngx_str_t  ngx_canopy_header_environment =
    ngx_string("canopy-environment");


ngx_int_t
ngx_canopy_handler(ngx_http_request_t *r)
{
    ngx_int_t          rc;
    canopy_slice_t     id;
    ngx_canopy_ctx_t  *ctx;

    if (r != r->main || r->post_action) {

        /* a mirrored request would cancel twice */

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "canopy_pass does not serve subrequests");
        return NGX_HTTP_FORBIDDEN;
    }

    ctx = ngx_canopy_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (canopy_outcome(&ctx->copies, 0) != CANOPY_NOT_SENT) {

        /* a redirect after the answer would, too */

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "canopy_pass does not send a request again");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* NGX_DECLINED: passed; anything else: answered */

    rc = ngx_canopy_check_route(r, ctx, &id);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    rc = ngx_canopy_check_environment(r, ctx);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    rc = ngx_canopy_check_token(r, ctx);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    rc = ngx_canopy_check_task_id(r, ctx, &id);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    /* the remaining checks are of the moment in which the request is sent */

    if (!ngx_canopy_has_body(r)) {
        r->main->count++;
        ngx_canopy_forward(r);
        return NGX_DONE;
    }

    r->request_body_no_buffering = 1;

    rc = ngx_http_read_client_request_body(r, ngx_canopy_body_handler);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


static ngx_int_t
ngx_canopy_check_route(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    canopy_slice_t *id)
{
    int                     rc;
    canopy_slice_t          path;
    canopy_uuid_fault_t     fault;
    ngx_canopy_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_canopy_module);

    path = ngx_canopy_slice(&r->uri);

    /* after "rewrite ... break" the location's prefix may be gone */

    if (conf->no_prefix || !r->valid_location) {
        rc = canopy_route_last(path, id);

    } else {
        rc = canopy_route(path, ngx_canopy_slice(&conf->prefix), id);
    }

    if (rc != 0) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "client sent request for an unknown path");
        return ngx_canopy_refuse(r, ctx, CANOPY_NOT_FOUND, NULL, 0);
    }

    /* whoever is refused below, the log may say for which task */

    fault = canopy_uuid(*id, ctx->uuid);

    if (fault.code == CANOPY_UUID_OK) {
        ctx->task_id.data = ctx->uuid;
        ctx->task_id.len = CANOPY_UUID_LEN;
    }

    if (r->method != NGX_HTTP_PATCH) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "client sent method \"%V\" instead of PATCH",
                      &r->method_name);
        return ngx_canopy_refuse(r, ctx, CANOPY_METHOD_NOT_ALLOWED, NULL, 0);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_canopy_check_environment(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx)
{
    ngx_str_t                  name;
    ngx_table_elt_t           *h;
    ngx_canopy_loc_conf_t     *conf;
    ngx_canopy_main_conf_t    *mcf;
    ngx_canopy_environment_t  *env;
    ngx_canopy_header_walk_t   walk;

    conf = ngx_http_get_module_loc_conf(r, ngx_canopy_module);

    env = conf->environment;

    if (env == NULL) {
        if (ngx_http_complex_value(r, conf->value, &name) != NGX_OK) {
            return ngx_canopy_refuse(r, ctx, CANOPY_PROXY_INTERNAL_ERROR, NULL,
                                     0);
        }

        mcf = ngx_http_get_module_main_conf(r, ngx_canopy_module);
        env = ngx_canopy_conf_find(mcf, &name);

        if (env == NULL) {
            ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                          "client sent request for an unknown environment");
            return ngx_canopy_refuse(r, ctx, CANOPY_UNKNOWN_ENVIRONMENT, NULL,
                                     0);
        }
    }

    ctx->environment = env;

    ngx_canopy_header_walk(r, &walk);

    for ( ;; ) {
        h = ngx_canopy_header_next(&walk, &ngx_canopy_header_environment);
        if (h == NULL) {
            return NGX_DECLINED;
        }

        if (h->value.len != env->name.len
            || ngx_memcmp(h->value.data, env->name.data, env->name.len) != 0)
        {
            ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                          "client sent \"Canopy-Environment\" of another "
                          "environment than \"%V\"", &env->name);
            return ngx_canopy_refuse(r, ctx, CANOPY_ENVIRONMENT_MISMATCH, NULL,
                                     0);
        }
    }
}


static ngx_int_t
ngx_canopy_check_token(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx)
{
    const char             *msg;
    canopy_error_e          error;
    ngx_canopy_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_canopy_module);

    error = ngx_canopy_client_check(r, ctx, conf, &msg);

    if (error == CANOPY_OK) {
        error = ngx_canopy_client_rules(ctx, conf, ctx->environment, &msg);
    }

    if (error == CANOPY_OK) {
        return NGX_DECLINED;
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0, "client sent %s%s%s",
                  ngx_canopy_token_words(r, error), msg ? ": " : "",
                  msg ? msg : "");

    return ngx_canopy_refuse(r, ctx, error, msg, msg ? ngx_strlen(msg) : 0);
}


static char *
ngx_canopy_token_words(ngx_http_request_t *r, canopy_error_e error)
{
    switch (error) {

    case CANOPY_TOKEN_MISSING:
        return r->headers_in.authorization
                   ? "\"Authorization\" without a bearer token"
                   : "no bearer token";

    case CANOPY_TOKEN_MALFORMED:
        return "malformed token";

    case CANOPY_TOKEN_SIGNATURE:
        return "token with a wrong signature";

    case CANOPY_TOKEN_EXPIRED:
        return "expired token";

    case CANOPY_TOKEN_NOT_YET_VALID:
        return "token that is not yet valid";

    case CANOPY_TOKEN_ISSUER:
        return "token of another issuer";

    case CANOPY_TOKEN_AUDIENCE:
        return "token for another audience";

    case CANOPY_TOKEN_CLAIM:
        return "token without a required claim";

    default: /* CANOPY_PROXY_INTERNAL_ERROR */
        return "token that could not be checked";
    }
}


static ngx_int_t
ngx_canopy_check_task_id(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    canopy_slice_t *id)
{
    char                 msg[CANOPY_UUID_MESSAGE];
    size_t               len;
    canopy_uuid_fault_t  fault;

    if (ctx->task_id.len) {
        return NGX_DECLINED;
    }

    fault = canopy_uuid(*id, ctx->uuid);
    len = canopy_uuid_message(fault, msg);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "client sent invalid task id: %*s", len, msg);

    return ngx_canopy_refuse(r, ctx, CANOPY_UUID_PARSING, msg, len);
}


static ngx_int_t
ngx_canopy_refuse(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    canopy_error_e error, const char *msg, size_t len)
{
    ngx_int_t  rc;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (msg == NULL) {
        return ngx_canopy_reply_error(r, ctx, error);
    }

    return ngx_canopy_reply_fault(r, ctx, error, msg, len);
}


/*
 * In HTTP/2 a request ends with its stream, whatever length it announces.
 */

static ngx_uint_t
ngx_canopy_has_body(ngx_http_request_t *r)
{
    if (r->headers_in.content_length_n > 0 || r->headers_in.chunked) {
        return 1;
    }

#if (NGX_HTTP_V2)

    if (r->stream && !r->stream->in_closed) {
        return 1;
    }

#endif

    return 0;
}


/*
 * The body is read to its end before anything is sent: a request that is cut
 * off or malformed is not one.
 */

static void
ngx_canopy_body_handler(ngx_http_request_t *r)
{
    r->read_event_handler = ngx_canopy_body_read_handler;

    ngx_canopy_body_read_handler(r);
}


static void
ngx_canopy_body_read_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    /* a body that was read before may be somebody else's, too */

    while (r->reading_body) {
        ngx_canopy_body_drop(r);

        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE || rc == NGX_ERROR) {
            ngx_http_finalize_request(r, rc);
            return;
        }

        if (rc == NGX_AGAIN && r->request_body->bufs == NULL) {
            return;
        }
    }

    ngx_canopy_forward(r);
}


static void
ngx_canopy_body_drop(ngx_http_request_t *r)
{
    ngx_chain_t  *cl;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
        cl->buf->file_pos = cl->buf->file_last;
    }

    r->request_body->bufs = NULL;
}


static void
ngx_canopy_forward(ngx_http_request_t *r)
{
    ngx_canopy_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_canopy_module);

    ngx_canopy_attempts_start(r, ctx);
}
