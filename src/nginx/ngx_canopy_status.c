
/*
 * canopy_status: who asks, and in which form.
 */


#include "ngx_canopy_status.h"
#include "ngx_canopy_conf.h"
#include "ngx_canopy_report.h"
#include "ngx_canopy_request.h"
#include "canopy_accept.h"
#include "canopy_page.h"
#include "canopy_report.h"


typedef size_t (*ngx_canopy_status_form_pt)(const canopy_report_t *report,
    uint8_t *buf, size_t size);


static ngx_int_t ngx_canopy_status_method(ngx_http_request_t *r);
static ngx_int_t ngx_canopy_status_page(ngx_http_request_t *r);
static ngx_uint_t ngx_canopy_status_browser(ngx_http_request_t *r);
static ngx_int_t ngx_canopy_status_report(ngx_http_request_t *r,
    ngx_canopy_status_form_pt form, ngx_str_t *type);
static ngx_int_t ngx_canopy_status_ready(ngx_http_request_t *r);
static ngx_int_t ngx_canopy_status_header(ngx_http_request_t *r, char *name,
    ngx_str_t *value);
static ngx_int_t ngx_canopy_status_send(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *type, ngx_str_t *body);


static ngx_str_t  ngx_canopy_status_json = ngx_string("application/json");
static ngx_str_t  ngx_canopy_status_html =
    ngx_string("text/html; charset=utf-8");
static ngx_str_t  ngx_canopy_status_text =
    ngx_string("text/plain; charset=utf-8");
static ngx_str_t  ngx_canopy_status_prometheus =
    ngx_string("text/plain; version=0.0.4; charset=utf-8");
static ngx_str_t  ngx_canopy_status_accept = ngx_string("accept");


ngx_int_t
ngx_canopy_status_handler(ngx_http_request_t *r)
{
    ngx_int_t               rc;
    ngx_str_t               vary;
    ngx_canopy_loc_conf_t  *conf;

    rc = ngx_canopy_status_method(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    conf = ngx_http_get_module_loc_conf(r, ngx_canopy_module);

    switch (conf->status) {

    case NGX_CANOPY_STATUS_PROMETHEUS:
        return ngx_canopy_status_report(r, canopy_report_prometheus,
                                        &ngx_canopy_status_prometheus);

    case NGX_CANOPY_STATUS_READY:
        return ngx_canopy_status_ready(r);

    default: /* NGX_CANOPY_STATUS_JSON */
        break;
    }

    ngx_str_set(&vary, "Accept");

    if (ngx_canopy_status_header(r, "Vary", &vary) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_canopy_status_browser(r)) {
        return ngx_canopy_status_page(r);
    }

    return ngx_canopy_status_report(r, canopy_report_json,
                                    &ngx_canopy_status_json);
}


static ngx_int_t
ngx_canopy_status_method(ngx_http_request_t *r)
{
    ngx_str_t  methods;

    if (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) {
        return NGX_OK;
    }

    ngx_str_set(&methods, "GET, HEAD");

    if (ngx_canopy_status_header(r, "Allow", &methods) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_HTTP_NOT_ALLOWED;
}


static ngx_uint_t
ngx_canopy_status_browser(ngx_http_request_t *r)
{
    ngx_table_elt_t           *h;
    ngx_canopy_header_walk_t   walk;

    ngx_canopy_header_walk(r, &walk);

    for ( ;; ) {
        h = ngx_canopy_header_next(&walk, &ngx_canopy_status_accept);

        if (h == NULL) {
            return 0;
        }

        if (canopy_accept_html(ngx_canopy_slice(&h->value))) {
            return 1;
        }
    }
}


/*
 * The page asks for the JSON by itself.
 */

static ngx_int_t
ngx_canopy_status_page(ngx_http_request_t *r)
{
    ngx_str_t  policy, page, sniff, referrer;

    policy = ngx_canopy_str(canopy_page_policy());
    page = ngx_canopy_str(canopy_page());
    ngx_str_set(&sniff, "nosniff");
    ngx_str_set(&referrer, "no-referrer");

    if (ngx_canopy_status_header(r, "Content-Security-Policy", &policy)
        != NGX_OK
        || ngx_canopy_status_header(r, "X-Content-Type-Options", &sniff)
           != NGX_OK
        || ngx_canopy_status_header(r, "Referrer-Policy", &referrer) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_canopy_status_send(r, NGX_HTTP_OK, &ngx_canopy_status_html,
                                  &page);
}


static ngx_int_t
ngx_canopy_status_report(ngx_http_request_t *r, ngx_canopy_status_form_pt form,
    ngx_str_t *type)
{
    ngx_str_t        body;
    canopy_report_t  report;

    if (ngx_canopy_report(r, &report) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.len = form(&report, NULL, 0);

    body.data = ngx_pnalloc(r->pool, body.len);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    (void) form(&report, body.data, body.len);

    return ngx_canopy_status_send(r, NGX_HTTP_OK, type, &body);
}


/*
 * An environment that is closed on purpose is no reason to restart anything.
 */

static ngx_int_t
ngx_canopy_status_ready(ngx_http_request_t *r)
{
    u_char                     *p;
    size_t                      size;
    ngx_str_t                   body;
    ngx_uint_t                  i, missing;
    ngx_canopy_main_conf_t     *mcf;
    ngx_canopy_environment_t  **envs;

    mcf = ngx_http_get_module_main_conf(r, ngx_canopy_module);
    envs = mcf->environments.elts;

    size = sizeof("not ready:\n") - 1;

    for (i = 0; i < mcf->environments.nelts; i++) {
        size += 1 + envs[i]->name.len;
    }

    body.data = ngx_pnalloc(r->pool, size);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_cpymem(body.data, "not ready:", sizeof("not ready:") - 1);
    missing = 0;

    for (i = 0; i < mcf->environments.nelts; i++) {
        if (ngx_canopy_report_usable(envs[i], r->connection->log)
            || ngx_canopy_environment_closed(envs[i], r->connection->log))
        {
            continue;
        }

        p = ngx_sprintf(p, " %V", &envs[i]->name);
        missing++;
    }

    *p++ = LF;
    body.len = p - body.data;

    if (missing) {
        return ngx_canopy_status_send(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                      &ngx_canopy_status_text, &body);
    }

    ngx_str_set(&body, "ready\n");

    return ngx_canopy_status_send(r, NGX_HTTP_OK, &ngx_canopy_status_text,
                                  &body);
}


static ngx_int_t
ngx_canopy_status_header(ngx_http_request_t *r, char *name, ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_canopy_push_header(r);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_canopy_status_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *body)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_str_t     no_store;
    ngx_chain_t   out;

    ngx_str_set(&no_store, "no-store");

    if (ngx_canopy_status_header(r, "Cache-Control", &no_store) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = body->len;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = body->data;
    b->last = body->data + body->len;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


char *
ngx_canopy_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_canopy_loc_conf_t *lcf = conf;

    ngx_str_t                 *value;
    ngx_canopy_main_conf_t    *mcf;
    ngx_http_core_loc_conf_t  *clcf;

    if (lcf->status) {
        return "is duplicate";
    }

    if (lcf->gateway) {
        return "and \"canopy_pass\" can't be in one location";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 1) {
        lcf->status = NGX_CANOPY_STATUS_JSON;

    } else if (ngx_strcmp(value[1].data, "prometheus") == 0) {
        lcf->status = NGX_CANOPY_STATUS_PROMETHEUS;

    } else if (ngx_strcmp(value[1].data, "ready") == 0) {
        lcf->status = NGX_CANOPY_STATUS_READY;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", it must be "
                           "\"prometheus\" or \"ready\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_canopy_module);
    mcf->used = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    clcf->handler = ngx_canopy_status_handler;

    return NGX_CONF_OK;
}
