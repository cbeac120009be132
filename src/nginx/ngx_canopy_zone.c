
/*
 * Shared memory.
 */


#include "ngx_canopy_zone.h"
#include "ngx_canopy_environment.h"
#include "ngx_canopy_rate.h"
#include "ngx_canopy_state.h"
#include "ngx_canopy_verdict.h"

#include <openssl/rand.h>


static ngx_int_t ngx_canopy_zone_init(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_canopy_zone_create(ngx_canopy_zone_t *zone);
static ngx_int_t ngx_canopy_zone_grant(ngx_canopy_zone_t *zone,
    ngx_canopy_grant_t *grant, ngx_log_t *log);


static ngx_str_t  ngx_canopy_zone_name = ngx_string("ngx_canopy");


ngx_int_t
ngx_canopy_zone_add(ngx_conf_t *cf, ngx_canopy_zone_t *zone, size_t size,
    ngx_array_t *environments)
{
    ngx_shm_zone_t  *shm_zone;

    zone->cycle = cf->cycle;
    zone->environments = environments;

    shm_zone = ngx_shared_memory_add(cf, &ngx_canopy_zone_name, size,
                                     &ngx_canopy_module);
    if (shm_zone == NULL) {
        return NGX_ERROR;
    }

    shm_zone->init = ngx_canopy_zone_init;
    shm_zone->data = zone;

    return NGX_OK;
}


static ngx_int_t
ngx_canopy_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_canopy_zone_t *old = data;

    ngx_uint_t                  i;
    ngx_canopy_zone_t          *zone;
    ngx_canopy_environment_t  **envs;

    zone = shm_zone->data;
    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (old) {
        zone->sh = old->sh;

    } else if (ngx_canopy_zone_create(zone) != NGX_OK) {
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
            && ngx_canopy_zone_grant(zone, envs[i]->grant, shm_zone->shm.log)
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
ngx_canopy_zone_create(ngx_canopy_zone_t *zone)
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
ngx_canopy_zone_grant(ngx_canopy_zone_t *zone, ngx_canopy_grant_t *grant,
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


void
ngx_canopy_zone_choose(ngx_canopy_zone_t *zone, ngx_str_t *name)
{
    if (zone->sh == NULL) {
        return;
    }

    ngx_canopy_zone_lock(zone->shpool);

    zone->sh->chosen_len = ngx_min(name->len, CANOPY_STATE_NAME);
    ngx_memcpy(zone->sh->chosen, name->data, zone->sh->chosen_len);

    ngx_canopy_zone_unlock(zone->shpool);
}


size_t
ngx_canopy_zone_chosen(ngx_canopy_zone_t *zone, u_char buf[CANOPY_STATE_NAME])
{
    size_t  len;

    ngx_canopy_zone_lock(zone->shpool);

    len = zone->sh->chosen_len;
    ngx_memcpy(buf, zone->sh->chosen, len);

    ngx_canopy_zone_unlock(zone->shpool);

    return len;
}


/*
 * Only the master adds entries; none is taken away, since workers of an old
 * configuration may use it still.
 */

void *
ngx_canopy_zone_entry(ngx_canopy_zone_t *zone, ngx_queue_t *entries,
    const char *name, size_t size, ngx_uint_t *fresh)
{
    ngx_queue_t              *q;
    ngx_canopy_zone_entry_t  *entry;

    if (fresh) {
        *fresh = 0;
    }

    for (q = ngx_queue_head(entries);
         q != ngx_queue_sentinel(entries);
         q = ngx_queue_next(q))
    {
        entry = ngx_queue_data(q, ngx_canopy_zone_entry_t, queue);

        if (ngx_strcmp(entry->name, name) == 0) {
            return entry;
        }
    }

    entry = ngx_canopy_zone_alloc(zone, size);
    if (entry == NULL) {
        return NULL;
    }

    ngx_memcpy(entry->name, name, CANOPY_STATE_NAME);
    ngx_queue_insert_tail(entries, &entry->queue);

    if (fresh) {
        *fresh = 1;
    }

    return entry;
}


void *
ngx_canopy_zone_alloc(ngx_canopy_zone_t *zone, size_t size)
{
    void  *p;

    do {
        p = ngx_slab_calloc(zone->shpool, size);
    } while (p == NULL && ngx_canopy_verdict_evict(zone) == NGX_OK);

    return p;
}


void
ngx_canopy_zone_put(ngx_canopy_zone_token_t *shared, canopy_slice_t token)
{
    if (shared->len == token.len
        && ngx_memcmp(shared->token, token.data, token.len) == 0)
    {
        return;
    }

    ngx_explicit_memzero(shared->token, shared->len);

    ngx_memcpy(shared->token, token.data, token.len);
    shared->len = token.len;
    shared->version++;
}
