
/*
 * Files with one secret each.  The content is in no message.
 */


#include "ngx_canopy_secret.h"
#include "canopy_token.h"


#define NGX_CANOPY_SECRET_FOREVER  253402300799     /* the end of year 9999 */


static char *ngx_canopy_secret_take(void *owner, u_char *data, size_t len);
static void ngx_canopy_secret_wipe(void *data);


ngx_canopy_secret_t *
ngx_canopy_secret_open(ngx_conf_t *cf, ngx_str_t *path)
{
    struct stat           st;
    ngx_pool_cleanup_t   *cln;
    ngx_canopy_secret_t  *secret;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_canopy_secret_t));
    if (cln == NULL) {
        return NULL;
    }

    secret = cln->data;
    ngx_memzero(secret, sizeof(ngx_canopy_secret_t));

    cln->handler = ngx_canopy_secret_wipe;

    secret->file.kind = "secret file";
    secret->file.what = "secret";
    secret->file.max = NGX_CANOPY_SECRET_MAX;
    secret->file.too_long = "is longer than 16k";
    secret->file.take = ngx_canopy_secret_take;
    secret->file.owner = secret;

    if (ngx_canopy_file_open(cf, &secret->file, path) != NGX_OK) {
        return NULL;
    }

    if (stat((char *) secret->file.path.data, &st) == 0
        && (st.st_mode & 007))
    {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "secret file \"%V\" is accessible to all users, "
                           "its mode should be 0640 or less",
                           &secret->file.path);
    }

    return secret;
}


void
ngx_canopy_secret_refresh(ngx_canopy_secret_t *secret, ngx_log_t *log,
    ngx_uint_t force)
{
    ngx_canopy_file_refresh(&secret->file, log, force);
}


ngx_uint_t
ngx_canopy_secret_usable(ngx_canopy_secret_t *secret, ngx_log_t *log)
{
    if (!secret->expiring || (double) ngx_time() < secret->expires) {
        secret->expired = 0;
        return 1;
    }

    if (!secret->expired) {
        secret->expired = 1;
        ngx_log_error(NGX_LOG_CRIT, log, 0,
                      "the token in secret file \"%V\" has expired",
                      &secret->file.path);

        ngx_canopy_count_failure(secret->file.count,
                                 "the token in secret file \"%V\" has expired",
                                 &secret->file.path);
    }

    return 0;
}


int64_t
ngx_canopy_secret_expires(ngx_canopy_secret_t *secret)
{
    if (secret->expires >= NGX_CANOPY_SECRET_FOREVER) {
        return (int64_t) NGX_CANOPY_SECRET_FOREVER * 1000;
    }

    /* 0 is for never */

    return (secret->expires < 1) ? 1 : (int64_t) (secret->expires * 1000);
}


static char *
ngx_canopy_secret_take(void *owner, u_char *data, size_t len)
{
    ngx_canopy_secret_t *secret = owner;

    char            *fault;
    u_char          *value;
    canopy_slice_t   token;

    fault = ngx_canopy_file_line(&data, &len);
    if (fault) {
        return fault;
    }

    if (secret->value.len == len
        && ngx_memcmp(secret->value.data, data, len) == 0)
    {
        return NULL;
    }

    value = ngx_alloc(len, ngx_cycle->log);
    if (value == NULL) {
        return "cannot be read: no memory";
    }

    ngx_memcpy(value, data, len);

    ngx_canopy_secret_wipe(secret);

    secret->value.data = value;
    secret->value.len = len;
    secret->generation++;
    secret->expired = 0;

    token.data = value;
    token.len = len;

    secret->expiring = canopy_token_expiry(token, &secret->expires);

    return NULL;
}


static void
ngx_canopy_secret_wipe(void *data)
{
    ngx_canopy_secret_t *secret = data;

    if (secret->value.data) {
        ngx_explicit_memzero(secret->value.data, secret->value.len);
        ngx_free(secret->value.data);
        ngx_str_null(&secret->value);
    }
}
