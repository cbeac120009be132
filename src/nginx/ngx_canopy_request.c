
/*
 * What is known of one request.
 */


#include "ngx_canopy_request.h"
#include "ngx_canopy_conf.h"
#include "canopy_request_id.h"

#include <openssl/rand.h>


#define NGX_CANOPY_IDS  256             /* made at a time */


static ngx_int_t ngx_canopy_request_id(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx);
static u_char *ngx_canopy_request_id_new(void);
static void ngx_canopy_ctx_cleanup(void *data);


static ngx_str_t  ngx_canopy_header_request_id = ngx_string("x-request-id");


ngx_canopy_ctx_t *
ngx_canopy_find_ctx(ngx_http_request_t *r)
{
    ngx_canopy_ctx_t    *ctx;
    ngx_pool_cleanup_t  *cln;

    ctx = ngx_http_get_module_ctx(r, ngx_canopy_module);

    if (ctx || !(r->internal || r->filter_finalize)) {
        return ctx;
    }

    /*
     * nginx forgets the contexts of modules when it redirects a request or a
     * filter refuses an answer, but what was sent was sent.
     */

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler == ngx_canopy_ctx_cleanup) {
            ctx = cln->data;

            /* there will be another answer */

            ctx->decided = 0;
            ctx->replaced = 0;
            ctx->sent = 0;
            ngx_str_null(&ctx->body);

            ngx_http_set_ctx(r, ctx, ngx_canopy_module);

            return ctx;
        }
    }

    return NULL;
}


ngx_canopy_ctx_t *
ngx_canopy_get_ctx(ngx_http_request_t *r)
{
    ngx_canopy_ctx_t    *ctx;
    ngx_pool_cleanup_t  *cln;

    ctx = ngx_canopy_find_ctx(r);

    if (ctx) {
        return ctx;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_canopy_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_canopy_ctx_t));

    ctx->request = r;

    if (ngx_canopy_request_id(r, ctx) != NGX_OK) {
        return NULL;
    }

    cln->handler = ngx_canopy_ctx_cleanup;

    ngx_http_set_ctx(r, ctx, ngx_canopy_module);

    return ctx;
}


ngx_int_t
ngx_canopy_request_outcome(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    canopy_outcome_e *outcome)
{
    ngx_uint_t              status;
    ngx_canopy_loc_conf_t  *conf;

    static const canopy_copies_t  none;

    status = r->main->headers_out.status;

    if (ctx) {
        *outcome = ctx->decided ? ctx->outcome
                                : canopy_outcome(&ctx->copies, status);
        return NGX_OK;
    }

    conf = ngx_http_get_module_loc_conf(r->main, ngx_canopy_module);

    if (!conf->gateway || status == 0) {
        return NGX_DECLINED;
    }

    *outcome = canopy_outcome(&none, status);

    return NGX_OK;
}


/*
 * The client's own, if it is fit for logs and headers, else nginx's.
 */

static ngx_int_t
ngx_canopy_request_id(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx)
{
    u_char                     *id;
    ngx_uint_t                  n;
    ngx_table_elt_t            *h;
    ngx_canopy_main_conf_t     *mcf;
    ngx_canopy_header_walk_t    walk;
    ngx_http_variable_value_t  *v;

    ngx_canopy_header_walk(r, &walk);

    for (n = 0; /* void */ ; n++) {
        h = ngx_canopy_header_next(&walk, &ngx_canopy_header_request_id);
        if (h == NULL) {
            break;
        }

        ctx->request_id = h->value;
    }

    if (n == 1 && canopy_request_id(ngx_canopy_slice(&ctx->request_id))) {
        return NGX_OK;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_canopy_module);

    v = &r->variables[mcf->request_id];

    if (!v->valid) {

        /* nobody has asked for it yet, and whoever does gets this one */

        id = ngx_canopy_request_id_new();

        if (id) {
            ngx_memcpy(ctx->id, id, NGX_CANOPY_ID_LEN);

            v->data = ctx->id;
            v->len = NGX_CANOPY_ID_LEN;
            v->valid = 1;
            v->no_cacheable = 0;
            v->not_found = 0;

        } else {
            v = ngx_http_get_indexed_variable(r, mcf->request_id);

            if (v == NULL || v->not_found) {
                return NGX_ERROR;
            }
        }
    }

    ctx->request_id.data = v->data;
    ctx->request_id.len = v->len;

    return NGX_OK;
}


/*
 * As random as nginx's own; but OpenSSL takes as long for the bytes of one as
 * for those of many.  A worker does not fork, so no two have the same.
 *
 * Returns  NULL if OpenSSL has none.
 */

static u_char *
ngx_canopy_request_id_new(void)
{
    u_char  bytes[NGX_CANOPY_IDS * NGX_CANOPY_ID_LEN / 2];

    static u_char      ids[NGX_CANOPY_IDS][NGX_CANOPY_ID_LEN];
    static ngx_uint_t  left;

    if (left == 0) {
        if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
            return NULL;
        }

        (void) ngx_hex_dump(ids[0], bytes, sizeof(bytes));
        left = NGX_CANOPY_IDS;
    }

    return ids[--left];
}


ngx_table_elt_t *
ngx_canopy_header_next(ngx_canopy_header_walk_t *walk, ngx_str_t *lowcase)
{
    ngx_table_elt_t  *h;

    for ( ;; ) {

        if (walk->next == walk->part->nelts) {
            if (walk->part->next == NULL) {
                return NULL;
            }

            walk->part = walk->part->next;
            walk->next = 0;
            continue;
        }

        h = (ngx_table_elt_t *) walk->part->elts + walk->next++;

        if (h->key.len == lowcase->len
            && ngx_memcmp(h->lowcase_key, lowcase->data, lowcase->len) == 0)
        {
            return h;
        }
    }
}


/*
 * Only a mark, by which the context is found again.
 */

static void
ngx_canopy_ctx_cleanup(void *data)
{
    /* void */
}
