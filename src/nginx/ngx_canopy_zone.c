
/*
 * Shared memory.
 */


#include "ngx_canopy_zone.h"


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
    } while (p == NULL && zone->evict(zone) == NGX_OK);

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
