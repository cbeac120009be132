
/*
 * Files with one secret each, read at start and again when they change.
 */


#ifndef _NGX_CANOPY_SECRET_H_INCLUDED_
#define _NGX_CANOPY_SECRET_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_file.h"


#define NGX_CANOPY_SECRET_MAX  16384    /* bytes of the file */


typedef struct {
    ngx_canopy_file_t    file;
    ngx_str_t            value;         /* own memory, wiped when replaced */
    double               expires;       /* seconds since the Epoch */
    ngx_uint_t           generation;    /* another value, another number */
    unsigned             expiring:1;    /* it has an expiry */
    unsigned             expired:1;     /* said in the log */
} ngx_canopy_secret_t;


/*
 * Reads the secret for the first time, while the configuration is read.
 *
 * In:      path, as in the configuration.
 * Returns  a secret that lives as long as the cycle's pool, its value wiped
 *          with it; NULL after an error message that names file and fault.
 */
ngx_canopy_secret_t *ngx_canopy_secret_open(ngx_conf_t *cf, ngx_str_t *path);

/*
 * Looks at the file again if that was not done within this second, or now if
 * force is set.  A new content that is good replaces the value, any other is
 * refused with one line in the log.
 */
void ngx_canopy_secret_refresh(ngx_canopy_secret_t *secret, ngx_log_t *log,
    ngx_uint_t force);

/*
 * Returns  1 if the secret may be used now, 0 if it has expired.
 */
ngx_uint_t ngx_canopy_secret_usable(ngx_canopy_secret_t *secret,
    ngx_log_t *log);

/*
 * In:      secret, one with an expiry.
 * Returns  when it expires, ms since the Epoch, within what can be told.
 */
int64_t ngx_canopy_secret_expires(ngx_canopy_secret_t *secret);


#endif /* _NGX_CANOPY_SECRET_H_INCLUDED_ */
