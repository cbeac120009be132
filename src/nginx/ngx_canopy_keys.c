
/*
 * Key sets that clients' tokens are verified with.
 */


#include "ngx_canopy_keys.h"


static char *ngx_canopy_keys_take(void *owner, u_char *data, size_t len);
static void ngx_canopy_keys_free(void *data);


ngx_canopy_keys_t *
ngx_canopy_keys_open(ngx_conf_t *cf, ngx_array_t *all, ngx_str_t *path)
{
    ngx_str_t             name;
    ngx_uint_t            i;
    ngx_canopy_keys_t    *keys, **slot;
    ngx_pool_cleanup_t   *cln;

    name = *path;

    if (ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK) {
        return NULL;
    }

    slot = all->elts;

    for (i = 0; i < all->nelts; i++) {
        if (ngx_strcmp(slot[i]->file.path.data, name.data) == 0) {
            return slot[i];
        }
    }

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_canopy_keys_t));
    slot = ngx_array_push(all);

    if (cln == NULL || slot == NULL) {
        return NULL;
    }

    keys = cln->data;
    *slot = keys;

    ngx_memzero(keys, sizeof(ngx_canopy_keys_t));

    cln->handler = ngx_canopy_keys_free;

    keys->file.kind = "key set";
    keys->file.what = "one";
    keys->file.max = NGX_CANOPY_KEYS_MAX;
    keys->file.too_long = "is longer than 256k";
    keys->file.take = ngx_canopy_keys_take;
    keys->file.owner = keys;

    return (ngx_canopy_file_open(cf, &keys->file, &name) == NGX_OK) ? keys
                                                                    : NULL;
}


static char *
ngx_canopy_keys_take(void *owner, u_char *data, size_t len)
{
    ngx_canopy_keys_t *keys = owner;

    char             fault[CANOPY_JWKS_FAULT];
    u_char           digest[EVP_MAX_MD_SIZE];
    canopy_jwks_t   *set;
    canopy_slice_t   text;

    text.data = data;
    text.len = len;

    if (canopy_jwks_read(text, &set, fault) != 0) {
        (void) ngx_snprintf((u_char *) keys->fault, sizeof(keys->fault),
                            "is malformed: %s%Z", fault);
        return keys->fault;
    }

    if (EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL) != 1) {
        canopy_jwks_free(set);
        return "cannot be read: no memory";
    }

    canopy_jwks_free(keys->set);

    keys->set = set;

    /* verdicts of the replaced set are found no more */

    ngx_memcpy(keys->digest, digest, NGX_CANOPY_KEYS_DIGEST);

    return NULL;
}


static void
ngx_canopy_keys_free(void *data)
{
    ngx_canopy_keys_t *keys = data;

    canopy_jwks_free(keys->set);
}
