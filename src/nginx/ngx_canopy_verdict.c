
/*
 * Tokens that were found right.
 */


#include "ngx_canopy_verdict.h"


typedef struct {
    ngx_rbtree_node_t    node;          /* key: the tag's low half */
    ngx_queue_t          queue;         /* those used last first */
    uint64_t             high;
    double               expires;
    uint64_t             rules[NGX_CANOPY_VERDICT_RULES];
    size_t               len;
    u_char               client[1];
} ngx_canopy_verdict_node_t;


static ngx_canopy_verdict_node_t *ngx_canopy_verdict_lookup(
    ngx_canopy_zone_sh_t *sh, ngx_canopy_verdict_tag_t *tag);
static ngx_int_t ngx_canopy_verdict_evict_locked(ngx_canopy_zone_t *zone);
static void ngx_canopy_verdict_free(ngx_canopy_zone_t *zone,
    ngx_canopy_verdict_node_t *node);


static EVP_MAC_CTX  *ngx_canopy_verdict_mac;


ngx_int_t
ngx_canopy_verdict_tag(ngx_canopy_zone_t *zone, ngx_str_t *by,
    canopy_slice_t token, ngx_canopy_verdict_tag_t *tag)
{
    size_t        len;
    EVP_MAC      *mac;
    OSSL_PARAM    params[2];
    EVP_MAC_CTX  *ctx;

    static size_t  size = sizeof(ngx_canopy_verdict_tag_t);

    ctx = ngx_canopy_verdict_mac;

    /* once for each process: fetching costs more than hashing */

    if (ctx == NULL) {
        mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
        if (mac == NULL) {
            return NGX_ERROR;
        }

        ctx = EVP_MAC_CTX_new(mac);
        EVP_MAC_free(mac);

        if (ctx == NULL) {
            return NGX_ERROR;
        }

        params[0] = OSSL_PARAM_construct_size_t("size", &size);
        params[1] = OSSL_PARAM_construct_end();

        if (EVP_MAC_CTX_set_params(ctx, params) != 1) {
            EVP_MAC_CTX_free(ctx);
            return NGX_ERROR;
        }

        ngx_canopy_verdict_mac = ctx;
    }

    if (EVP_MAC_init(ctx, zone->sh->key, NGX_CANOPY_ZONE_KEY, NULL) != 1
        || EVP_MAC_update(ctx, by->data, by->len) != 1
        || EVP_MAC_update(ctx, token.data, token.len) != 1
        || EVP_MAC_final(ctx, (u_char *) tag, &len, size) != 1
        || len != size)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_canopy_verdict_exit_process(void)
{
    EVP_MAC_CTX_free(ngx_canopy_verdict_mac);
    ngx_canopy_verdict_mac = NULL;
}


ngx_int_t
ngx_canopy_verdict_find(ngx_canopy_zone_t *zone, ngx_canopy_verdict_tag_t *tag,
    ngx_pool_t *pool, ngx_canopy_verdict_t *verdict)
{
    u_char                      client[CANOPY_CLIENT_MAX];
    ngx_canopy_zone_sh_t       *sh;
    ngx_canopy_verdict_node_t  *node;

    sh = zone->sh;

    ngx_canopy_zone_lock(zone->shpool);

    node = ngx_canopy_verdict_lookup(sh, tag);

    if (node == NULL) {
        ngx_canopy_zone_unlock(zone->shpool);
        return NGX_DECLINED;
    }

    ngx_queue_remove(&node->queue);
    ngx_queue_insert_head(&sh->verdicts, &node->queue);

    verdict->expires = node->expires;
    verdict->rules[0] = node->rules[0];
    verdict->rules[1] = node->rules[1];
    verdict->client.len = node->len;

    ngx_memcpy(client, node->client, node->len);

    ngx_canopy_zone_unlock(zone->shpool);

    if (verdict->client.len == 0) {
        return NGX_OK;
    }

    verdict->client.data = ngx_pnalloc(pool, verdict->client.len);
    if (verdict->client.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(verdict->client.data, client, verdict->client.len);

    return NGX_OK;
}


static ngx_canopy_verdict_node_t *
ngx_canopy_verdict_lookup(ngx_canopy_zone_sh_t *sh,
    ngx_canopy_verdict_tag_t *tag)
{
    ngx_rbtree_key_t            key;
    ngx_rbtree_node_t          *node, *sentinel;
    ngx_canopy_verdict_node_t  *found;

    key = (ngx_rbtree_key_t) tag->low;
    node = sh->tree.root;
    sentinel = sh->tree.sentinel;

    while (node != sentinel) {

        if (key != node->key) {
            node = (key < node->key) ? node->left : node->right;
            continue;
        }

        found = (ngx_canopy_verdict_node_t *) node;

        if (found->high == tag->high) {
            return found;
        }

        node = node->right;
    }

    return NULL;
}


void
ngx_canopy_verdict_put(ngx_canopy_zone_t *zone, ngx_canopy_verdict_tag_t *tag,
    ngx_canopy_verdict_t *verdict)
{
    size_t                      size;
    ngx_canopy_zone_sh_t       *sh;
    ngx_canopy_verdict_node_t  *node;

    sh = zone->sh;
    size = offsetof(ngx_canopy_verdict_node_t, client) + verdict->client.len;

    ngx_canopy_zone_lock(zone->shpool);

    node = ngx_canopy_verdict_lookup(sh, tag);

    if (node) {
        ngx_canopy_verdict_free(zone, node);
    }

    do {
        node = ngx_slab_alloc_locked(zone->shpool, size);
    } while (node == NULL && ngx_canopy_verdict_evict_locked(zone) == NGX_OK);

    if (node) {
        node->node.key = (ngx_rbtree_key_t) tag->low;
        node->high = tag->high;
        node->expires = verdict->expires;
        node->rules[0] = verdict->rules[0];
        node->rules[1] = verdict->rules[1];
        node->len = verdict->client.len;

        if (verdict->client.len) {
            ngx_memcpy(node->client, verdict->client.data,
                       verdict->client.len);
        }

        ngx_rbtree_insert(&sh->tree, &node->node);
        ngx_queue_insert_head(&sh->verdicts, &node->queue);
    }

    ngx_canopy_zone_unlock(zone->shpool);
}


ngx_int_t
ngx_canopy_verdict_evict(ngx_canopy_zone_t *zone)
{
    ngx_int_t  rc;

    ngx_canopy_zone_lock(zone->shpool);
    rc = ngx_canopy_verdict_evict_locked(zone);
    ngx_canopy_zone_unlock(zone->shpool);

    return rc;
}


static ngx_int_t
ngx_canopy_verdict_evict_locked(ngx_canopy_zone_t *zone)
{
    ngx_queue_t  *q;

    if (ngx_queue_empty(&zone->sh->verdicts)) {
        return NGX_DECLINED;
    }

    q = ngx_queue_last(&zone->sh->verdicts);

    ngx_canopy_verdict_free(zone, ngx_queue_data(q, ngx_canopy_verdict_node_t,
                                                 queue));

    return NGX_OK;
}


void
ngx_canopy_verdict_drop(ngx_canopy_zone_t *zone, ngx_canopy_verdict_tag_t *tag)
{
    ngx_canopy_verdict_node_t  *node;

    ngx_canopy_zone_lock(zone->shpool);

    node = ngx_canopy_verdict_lookup(zone->sh, tag);

    if (node) {
        ngx_canopy_verdict_free(zone, node);
    }

    ngx_canopy_zone_unlock(zone->shpool);
}


static void
ngx_canopy_verdict_free(ngx_canopy_zone_t *zone,
    ngx_canopy_verdict_node_t *node)
{
    ngx_queue_remove(&node->queue);
    ngx_rbtree_delete(&zone->sh->tree, &node->node);

    ngx_slab_free_locked(zone->shpool, node);
}
