
/*
 * Access rules, limits, auth_request and nginx's core answer with HTML.  In a
 * canopy location the header is completed and an error's body replaced.
 */


#include "ngx_canopy_filter.h"
#include "ngx_canopy_conf.h"
#include "ngx_canopy_reply.h"
#include "ngx_canopy_request.h"


static ngx_int_t ngx_canopy_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_canopy_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


void
ngx_canopy_filter_init(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_canopy_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_canopy_body_filter;
}


static ngx_int_t
ngx_canopy_header_filter(ngx_http_request_t *r)
{
    ngx_canopy_ctx_t       *ctx;
    ngx_canopy_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_canopy_module);

    if (!conf->gateway || r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_canopy_get_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ctx->decided) {
        return ngx_http_next_header_filter(r);
    }

    if (ngx_canopy_reply_foreign(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->replaced = (ctx->body.len != 0);

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_canopy_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t         *b;
    ngx_chain_t        out, *cl;
    ngx_canopy_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_canopy_module);

    if (ctx == NULL || !ctx->replaced || in == NULL || r != r->main) {
        return ngx_http_next_body_filter(r, in);
    }

    for (cl = in; cl; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
        cl->buf->file_pos = cl->buf->file_last;
    }

    if (ctx->sent) {
        return ngx_http_next_body_filter(r, NULL);
    }

    ctx->sent = 1;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = ctx->body.data;
    b->last = ctx->body.data + ctx->body.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}
