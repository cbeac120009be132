
/*
 * What logs may know of a request.  No variable can hold a token or a secret.
 */


#include "ngx_canopy_variables.h"
#include "ngx_canopy_client.h"
#include "ngx_canopy_request.h"
#include "ngx_canopy_switch.h"


typedef void (*ngx_canopy_variable_pt)(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_str_t *value);


static ngx_int_t ngx_canopy_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_canopy_variable_environment(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_str_t *value);
static void ngx_canopy_variable_task_id(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_str_t *value);
static ngx_int_t ngx_canopy_variable_outcome(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_canopy_variable_error(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_str_t *value);
static void ngx_canopy_variable_upstream_status(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_str_t *value);
static void ngx_canopy_variable_upstream_request_id(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_str_t *value);
static ngx_int_t ngx_canopy_variable_client(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_canopy_variable_switch(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_canopy_variable_set(ngx_http_variable_value_t *v,
    ngx_str_t *value);


static ngx_canopy_variable_pt  ngx_canopy_variable_handlers[] = {
    ngx_canopy_variable_environment,
    ngx_canopy_variable_task_id,
    ngx_canopy_variable_error,
    ngx_canopy_variable_upstream_status,
    ngx_canopy_variable_upstream_request_id
};


/* data is an index of the handlers */

static ngx_http_variable_t  ngx_canopy_variables[] = {

    { ngx_string("canopy_environment"), NULL, ngx_canopy_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("canopy_task_id"), NULL, ngx_canopy_variable,
      1, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("canopy_outcome"), NULL, ngx_canopy_variable_outcome,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("canopy_error"), NULL, ngx_canopy_variable,
      2, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("canopy_upstream_status"), NULL, ngx_canopy_variable,
      3, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("canopy_upstream_request_id"), NULL, ngx_canopy_variable,
      4, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("canopy_client"), NULL, ngx_canopy_variable_client,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("canopy_switch"), NULL, ngx_canopy_variable_switch,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_canopy_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_canopy_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_canopy_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t          value;
    ngx_canopy_ctx_t  *ctx;

    ngx_str_null(&value);

    ctx = ngx_canopy_find_ctx(r->main);

    if (ctx) {
        ngx_canopy_variable_handlers[data](r, ctx, &value);
    }

    ngx_canopy_variable_set(v, &value);

    return NGX_OK;
}


static void
ngx_canopy_variable_environment(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_str_t *value)
{
    if (ctx->environment) {
        *value = ctx->environment->name;
    }
}


static void
ngx_canopy_variable_task_id(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_str_t *value)
{
    *value = ctx->task_id;
}


static ngx_int_t
ngx_canopy_variable_outcome(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t          value;
    ngx_canopy_ctx_t  *ctx;
    canopy_outcome_e   outcome;

    ngx_str_null(&value);

    ctx = ngx_canopy_find_ctx(r->main);

    if (ngx_canopy_request_outcome(r, ctx, &outcome) == NGX_OK) {
        value = ngx_canopy_str(canopy_outcome_word(outcome));
    }

    ngx_canopy_variable_set(v, &value);

    return NGX_OK;
}


static void
ngx_canopy_variable_error(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_str_t *value)
{
    *value = ctx->error;
}


static void
ngx_canopy_variable_upstream_status(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_str_t *value)
{
    ngx_canopy_exchange_t  *x;

    x = ngx_canopy_last_exchange(ctx);

    if (x == NULL || !x->answered) {
        return;
    }

    value->data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);

    if (value->data) {
        value->len = ngx_sprintf(value->data, "%ud", x->answer.status)
                     - value->data;
    }
}


static void
ngx_canopy_variable_upstream_request_id(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_str_t *value)
{
    ngx_canopy_exchange_t  *x;

    x = ngx_canopy_last_exchange(ctx);

    if (x) {
        value->data = x->answer.request_id.data;
        value->len = x->answer.request_id.len;
    }
}



/*
 * A limit may ask before the request's handler does.
 */

static ngx_int_t
ngx_canopy_variable_client(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t               value;
    const char             *msg;
    ngx_canopy_ctx_t       *ctx;
    ngx_canopy_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_canopy_module);

    if (conf->gateway && r == r->main) {
        ctx = ngx_canopy_get_ctx(r);
        if (ctx == NULL) {
            return NGX_ERROR;
        }

        (void) ngx_canopy_client_check(r, ctx, conf, &msg);

    } else {
        ctx = ngx_canopy_find_ctx(r->main);
    }

    ngx_str_null(&value);

    if (ctx) {
        value = ctx->verdict.client;
    }

    ngx_canopy_variable_set(v, &value);

    return NGX_OK;
}


static ngx_int_t
ngx_canopy_variable_switch(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                value, *name;
    ngx_canopy_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_canopy_module);

    ngx_str_null(&value);

    name = ngx_canopy_switch_name(mcf, r->connection->log);

    if (name) {
        value = *name;
    }

    ngx_canopy_variable_set(v, &value);

    return NGX_OK;
}


static void
ngx_canopy_variable_set(ngx_http_variable_value_t *v, ngx_str_t *value)
{
    if (value->len == 0) {
        *v = ngx_http_variable_null_value;
        return;
    }

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = value->len;
    v->data = value->data;
}
