
/*
 * Tokens that were found right.
 */


#include "ngx_canopy_verdict.h"

#include <openssl/modes.h>


#define NGX_CANOPY_VERDICT_BLOCK  sizeof(ngx_canopy_verdict_tag_t)


typedef struct {
    ngx_rbtree_node_t    node;          /* key: the tag's low half */
    ngx_queue_t          queue;         /* those used last first */
    uint64_t             high;
    double               expires;
    uint64_t             rules[NGX_CANOPY_VERDICT_RULES];
    size_t               len;
    u_char               client[1];
} ngx_canopy_verdict_node_t;


static ngx_int_t ngx_canopy_verdict_init(u_char *key);
static EVP_CIPHER_CTX *ngx_canopy_verdict_cipher(u_char *key);
static void ngx_canopy_verdict_block(const u_char *in, u_char *out,
    const void *cipher);
static ngx_canopy_verdict_node_t *ngx_canopy_verdict_lookup(
    ngx_canopy_zone_sh_t *sh, ngx_canopy_verdict_tag_t *tag);
static ngx_int_t ngx_canopy_verdict_evict_locked(ngx_canopy_zone_t *zone);
static void ngx_canopy_verdict_free(ngx_canopy_zone_t *zone,
    ngx_canopy_verdict_node_t *node);


/* of this process, for the zone whose key it is */

static u_char          *ngx_canopy_verdict_key;
static EVP_CIPHER_CTX  *ngx_canopy_verdict_inner;
static EVP_CIPHER_CTX  *ngx_canopy_verdict_outer;
static GCM128_CONTEXT  *ngx_canopy_verdict_gmac;


/*
 * GMAC under a key that nobody knows is a universal hash: two different inputs,
 * whoever chose them, have the same value with a probability of one in 2^118 at
 * most, a length of 8k taken into account.  That needs no nonce of their own as
 * long as no value is seen, and none is in any answer.  Encrypted with another
 * key, values that are related do not stand together in the tree either, so
 * the time that a search takes tells nothing.  It is made of OpenSSL's parts,
 * since EVP's own GMAC costs as much again for its parameters.
 */

ngx_int_t
ngx_canopy_verdict_tag(ngx_canopy_zone_t *zone, ngx_str_t *by,
    canopy_slice_t token, ngx_canopy_verdict_tag_t *tag)
{
    int              n;
    u_char           value[NGX_CANOPY_VERDICT_BLOCK];
    GCM128_CONTEXT  *gmac;

    static u_char  nonce[12];

    if (ngx_canopy_verdict_key != zone->sh->key
        && ngx_canopy_verdict_init(zone->sh->key) != NGX_OK)
    {
        return NGX_ERROR;
    }

    gmac = ngx_canopy_verdict_gmac;

    CRYPTO_gcm128_setiv(gmac, nonce, sizeof(nonce));

    if (CRYPTO_gcm128_aad(gmac, by->data, by->len) != 0
        || CRYPTO_gcm128_aad(gmac, token.data, token.len) != 0)
    {
        return NGX_ERROR;
    }

    CRYPTO_gcm128_tag(gmac, value, NGX_CANOPY_VERDICT_BLOCK);

    if (EVP_EncryptUpdate(ngx_canopy_verdict_outer, (u_char *) tag, &n, value,
                          NGX_CANOPY_VERDICT_BLOCK)
            != 1
        || n != NGX_CANOPY_VERDICT_BLOCK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_canopy_verdict_init(u_char *key)
{
    ngx_canopy_verdict_exit_process();

    ngx_canopy_verdict_inner = ngx_canopy_verdict_cipher(key);
    ngx_canopy_verdict_outer = ngx_canopy_verdict_cipher(key
                                                   + NGX_CANOPY_ZONE_KEY / 2);

    if (ngx_canopy_verdict_inner == NULL || ngx_canopy_verdict_outer == NULL) {
        return NGX_ERROR;
    }

    ngx_canopy_verdict_gmac = CRYPTO_gcm128_new(ngx_canopy_verdict_inner,
                                                ngx_canopy_verdict_block);
    if (ngx_canopy_verdict_gmac == NULL) {
        return NGX_ERROR;
    }

    ngx_canopy_verdict_key = key;

    return NGX_OK;
}


/*
 * Returns a cipher that has encrypted a block, NULL if OpenSSL has none.
 */

static EVP_CIPHER_CTX *
ngx_canopy_verdict_cipher(u_char *key)
{
    int              n;
    u_char           block[NGX_CANOPY_VERDICT_BLOCK];
    EVP_CIPHER_CTX  *ctx;

    ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL) {
        return NULL;
    }

    ngx_memzero(block, NGX_CANOPY_VERDICT_BLOCK);

    if (EVP_EncryptInit_ex(ctx, EVP_aes_128_ecb(), NULL, key, NULL) != 1
        || EVP_CIPHER_CTX_set_padding(ctx, 0) != 1
        || EVP_EncryptUpdate(ctx, block, &n, block, NGX_CANOPY_VERDICT_BLOCK)
           != 1
        || n != NGX_CANOPY_VERDICT_BLOCK)
    {
        EVP_CIPHER_CTX_free(ctx);
        return NULL;
    }

    return ctx;
}


/*
 * A cipher that has encrypted a block does so again.
 */

static void
ngx_canopy_verdict_block(const u_char *in, u_char *out, const void *cipher)
{
    int  n;

    (void) EVP_EncryptUpdate((EVP_CIPHER_CTX *) cipher, out, &n, in,
                             NGX_CANOPY_VERDICT_BLOCK);
}


void
ngx_canopy_verdict_exit_process(void)
{
    CRYPTO_gcm128_release(ngx_canopy_verdict_gmac);
    EVP_CIPHER_CTX_free(ngx_canopy_verdict_inner);
    EVP_CIPHER_CTX_free(ngx_canopy_verdict_outer);

    ngx_canopy_verdict_key = NULL;
    ngx_canopy_verdict_gmac = NULL;
    ngx_canopy_verdict_inner = NULL;
    ngx_canopy_verdict_outer = NULL;
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
