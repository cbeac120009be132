
/*
 * Who has what in the shared memory.
 */


#include "ngx_canopy_shared.h"
#include "ngx_canopy_environment.h"
#include "ngx_canopy_rate.h"
#include "ngx_canopy_state.h"
#include "ngx_canopy_verdict.h"

#include <openssl/rand.h>


static ngx_int_t ngx_canopy_shared_init(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_canopy_shared_create(ngx_canopy_zone_t *zone);
static ngx_int_t ngx_canopy_shared_grant(ngx_canopy_zone_t *zone,
    ngx_canopy_grant_t *grant, ngx_log_t *log);


static ngx_str_t  ngx_canopy_shared_name = ngx_string("ngx_canopy");


ngx_int_t
ngx_canopy_shared_add(ngx_conf_t *cf, ngx_canopy_zone_t *zone, size_t size,
    ngx_array_t *environments)
{
    ngx_shm_zone_t  *shm_zone;

    zone->cycle = cf->cycle;
    zone->environments = environments;
    zone->evict = ngx_canopy_verdict_evict;

    shm_zone = ngx_shared_memory_add(cf, &ngx_canopy_shared_name, size,
                                     &ngx_canopy_module);
    if (shm_zone == NULL) {
        return NGX_ERROR;
    }

    shm_zone->init = ngx_canopy_shared_init;
    shm_zone->data = zone;

    return NGX_OK;
}


static ngx_int_t
ngx_canopy_shared_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_canopy_zone_t *old = data;

    ngx_uint_t                  i;
    ngx_canopy_zone_t          *zone;
    ngx_canopy_environment_t  **envs;

    zone = shm_zone->data;
    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (old) {
        zone->sh = old->sh;

    } else if (ngx_canopy_shared_create(zone) != NGX_OK) {
        goto nomem;
    }

    envs = zone->environments->elts;

    for (i = 0; i < zone->environments->nelts; i++) {
        if (ngx_canopy_count_init(zone, &envs[i]->count, &envs[i]->name)
            != NGX_OK)
        {
            goto nomem;
        }

        if (envs[i]->grant
            && ngx_canopy_shared_grant(zone, envs[i]->grant, shm_zone->shm.log)
               != NGX_OK)
        {
            goto nomem;
        }

        if (envs[i]->rate.nwindows
            && ngx_canopy_rate_init(zone, &envs[i]->rate, &envs[i]->name)
               != NGX_OK)
        {
            goto nomem;
        }
    }

    if (zone->chosen.len) {
        ngx_canopy_zone_choose(zone, &zone->chosen);
    }

    return NGX_OK;

nomem:

    ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                  "\"canopy_zone\" is too small for all environments, make it "
                  "larger than %uzk", shm_zone->shm.size / 1024);

    return NGX_ERROR;
}


static ngx_int_t
ngx_canopy_shared_create(ngx_canopy_zone_t *zone)
{
    ngx_canopy_zone_sh_t  *sh;

    zone->shpool->log_nomem = 0;

    sh = ngx_slab_alloc(zone->shpool, sizeof(ngx_canopy_zone_sh_t));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&sh->tokens);
    ngx_queue_init(&sh->budgets);
    ngx_queue_init(&sh->rates);
    ngx_queue_init(&sh->counts);

    sh->created = ngx_canopy_grant_now();
    ngx_memzero(&sh->unassigned, sizeof(canopy_counters_t));
    sh->chosen_len = 0;

    ngx_rbtree_init(&sh->tree, &sh->sentinel, ngx_rbtree_insert_value);
    ngx_queue_init(&sh->verdicts);

    if (RAND_bytes(sh->key, NGX_CANOPY_ZONE_KEY) != 1) {
        return NGX_ERROR;
    }

    zone->sh = sh;
    zone->shpool->data = sh;

    return NGX_OK;
}


static ngx_int_t
ngx_canopy_shared_grant(ngx_canopy_zone_t *zone, ngx_canopy_grant_t *grant,
    ngx_log_t *log)
{
    ngx_uint_t  fresh;

    grant->shpool = zone->shpool;

    grant->budget = ngx_canopy_zone_entry(zone, &zone->sh->budgets,
                                          grant->budget_file.name,
                                          sizeof(ngx_canopy_zone_budget_t),
                                          &fresh);
    if (grant->budget == NULL) {
        return NGX_ERROR;
    }

    /* processes of the old configuration obey the new limit, too */

    ngx_canopy_zone_lock(zone->shpool);
    grant->budget->budget.limit = (uint32_t) grant->limit;
    ngx_canopy_zone_unlock(zone->shpool);

    if (fresh) {
        ngx_canopy_state_load_budget(grant, zone->cycle, log);
    }

    grant->shared = ngx_canopy_zone_entry(zone, &zone->sh->tokens,
                                          grant->token_file.name,
                                          sizeof(ngx_canopy_zone_token_t),
                                          &fresh);
    if (grant->shared == NULL) {
        return NGX_ERROR;
    }

    if (fresh) {
        ngx_canopy_state_load_token(grant, zone->cycle, log);
    }

    return NGX_OK;
}
