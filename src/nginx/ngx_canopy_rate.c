
/*
 * Rate limits of environments.
 */


#include "ngx_canopy_rate.h"


static int64_t ngx_canopy_rate_now(void);


char *
ngx_canopy_rate_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t          *value;
    ngx_uint_t          i;
    ngx_canopy_rate_t  *rate;

    rate = (ngx_canopy_rate_t *) ((char *) conf + cmd->offset);

    if (rate->nwindows) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts - 1 > CANOPY_WINDOW_MAX) {
        return "has more than 8 rates";
    }

    for (i = 1; i < cf->args->nelts; i++) {
        if (canopy_window_parse(ngx_canopy_slice(&value[i]),
                                &rate->windows[i - 1])
            != 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid rate \"%V\": it must be 1 to %d "
                               "requests, as in \"2r/s\", \"120r/m\", "
                               "\"300r/h\", \"1000r/d\"",
                               &value[i], CANOPY_WINDOW_LIMIT);
            return NGX_CONF_ERROR;
        }
    }

    rate->nwindows = cf->args->nelts - 1;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_canopy_rate_init(ngx_canopy_zone_t *zone, ngx_canopy_rate_t *rate,
    ngx_str_t *name)
{
    char                     key[CANOPY_STATE_NAME];
    uint32_t                 most;
    ngx_uint_t               i;
    canopy_window_ring_t    *ring, *old;
    ngx_canopy_zone_rate_t  *shared;

    ngx_memzero(key, CANOPY_STATE_NAME);
    (void) ngx_snprintf((u_char *) key, CANOPY_STATE_NAME - 1, "%V", name);

    most = 0;

    for (i = 0; i < rate->nwindows; i++) {
        most = ngx_max(most, rate->windows[i].limit);
    }

    shared = ngx_canopy_zone_entry(zone, &zone->sh->rates, key,
                                   sizeof(ngx_canopy_zone_rate_t), NULL);
    if (shared == NULL) {
        return NGX_ERROR;
    }

    rate->shpool = zone->shpool;
    rate->shared = shared;

    if (shared->ring && shared->ring->size >= most) {
        return NGX_OK;
    }

    ring = ngx_canopy_zone_alloc(zone, canopy_window_ring_size(most));
    if (ring == NULL) {
        return NGX_ERROR;
    }

    canopy_window_ring_init(ring, most);

    /* workers of an old configuration look at it under the lock only */

    ngx_canopy_zone_lock(zone->shpool);

    old = shared->ring;

    if (old) {
        canopy_window_ring_copy(ring, old);
    }

    shared->ring = ring;

    ngx_canopy_zone_unlock(zone->shpool);

    if (old) {
        ngx_slab_free(zone->shpool, old);
    }

    return NGX_OK;
}


time_t
ngx_canopy_rate_ask(ngx_canopy_rate_t *rate, ngx_uint_t take)
{
    int64_t  now, wait;

    if (rate->nwindows == 0) {
        return 0;
    }

    ngx_canopy_zone_lock(rate->shpool);

    now = ngx_canopy_rate_now();
    wait = canopy_window_wait(rate->shared->ring, rate->windows,
                              rate->nwindows, now);

    if (wait <= 0 && take) {
        canopy_window_take(rate->shared->ring, now);
    }

    ngx_canopy_zone_unlock(rate->shpool);

    return (wait > 0) ? (time_t) ((wait + 999) / 1000) : 0;
}


/*
 * Not nginx's own time: a worker that was held up would send later than it
 * says.
 */

static int64_t
ngx_canopy_rate_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
