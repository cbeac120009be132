
/*
 * Counting in shared memory.
 */


#include "ngx_canopy_count.h"
#include "ngx_canopy_conf.h"
#include "ngx_canopy_request.h"


static void ngx_canopy_count_exchange(canopy_counters_t *counters,
    ngx_canopy_exchange_t *x, unsigned repeat);
static int64_t ngx_canopy_count_now(void);


ngx_int_t
ngx_canopy_count_init(ngx_canopy_zone_t *zone, ngx_canopy_count_t *count,
    ngx_str_t *name)
{
    char  key[CANOPY_STATE_NAME];

    ngx_memzero(key, CANOPY_STATE_NAME);
    (void) ngx_snprintf((u_char *) key, CANOPY_STATE_NAME - 1, "%V", name);

    count->shpool = zone->shpool;
    count->shared = ngx_canopy_zone_entry(zone, &zone->sh->counts, key,
                                          sizeof(ngx_canopy_zone_count_t),
                                          NULL);

    return count->shared ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_canopy_count_handler(ngx_http_request_t *r)
{
    ngx_uint_t               status;
    canopy_outcome_e         outcome;
    ngx_canopy_ctx_t        *ctx;
    canopy_counters_t       *counters;
    ngx_canopy_zone_t       *zone;
    ngx_canopy_main_conf_t  *mcf;

    if (r != r->main) {
        return NGX_OK;
    }

    ctx = ngx_canopy_find_ctx(r);

    if (ngx_canopy_request_outcome(r, ctx, &outcome) != NGX_OK) {
        return NGX_OK;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_canopy_module);
    zone = mcf->zone;

    counters = (ctx && ctx->environment)
                   ? &ctx->environment->count.shared->counters
                   : &zone->sh->unassigned;

    status = r->err_status ? r->err_status : r->headers_out.status;

    ngx_canopy_zone_lock(zone->shpool);

    canopy_counters_request(counters, outcome, (unsigned) status,
                            ngx_canopy_count_now());

    if (ctx && ctx->first) {
        ngx_canopy_count_exchange(counters, ctx->first, 0);
    }

    if (ctx && ctx->repeat) {
        ngx_canopy_count_exchange(counters, ctx->repeat, 1);
    }

    ngx_canopy_zone_unlock(zone->shpool);

    return NGX_OK;
}


static void
ngx_canopy_count_exchange(canopy_counters_t *counters,
    ngx_canopy_exchange_t *x, unsigned repeat)
{
    if (x->sent) {
        canopy_counters_copy(counters, x->state->response_time, repeat);
    }
}


void ngx_cdecl
ngx_canopy_count_failure(ngx_canopy_count_t *count, const char *fmt, ...)
{
    u_char    text[NGX_CANOPY_ZONE_FAILURE], *last;
    va_list   args;

    if (count == NULL || count->shared == NULL) {
        return;
    }

    va_start(args, fmt);
    last = ngx_vslprintf(text, text + NGX_CANOPY_ZONE_FAILURE, fmt, args);
    va_end(args);

    ngx_canopy_zone_lock(count->shpool);

    count->shared->failed = ngx_canopy_count_now();
    count->shared->len = last - text;
    ngx_memcpy(count->shared->failure, text, last - text);

    ngx_canopy_zone_unlock(count->shpool);
}


ngx_uint_t
ngx_canopy_count_refused(ngx_canopy_count_t *count, ngx_uint_t refused)
{
    ngx_uint_t  changed;

    /* looked at without the lock: it rarely changes */

    if (count->shared->refused == refused) {
        return 0;
    }

    ngx_canopy_zone_lock(count->shpool);

    changed = (count->shared->refused != refused);
    count->shared->refused = refused;

    ngx_canopy_zone_unlock(count->shpool);

    return changed;
}


static int64_t
ngx_canopy_count_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (int64_t) tp->sec * 1000 + tp->msec;
}
