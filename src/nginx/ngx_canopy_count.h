
/*
 * What is counted of an environment and of its credential's failures, over all
 * workers: the numbers of canopy_status.
 */


#ifndef _NGX_CANOPY_COUNT_H_INCLUDED_
#define _NGX_CANOPY_COUNT_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_zone.h"


typedef struct {

    /* in the zone; its lock is held */

    ngx_slab_pool_t          *shpool;
    ngx_canopy_zone_count_t  *shared;       /* NULL: not yet */
} ngx_canopy_count_t;


/*
 * In the master: the environment's place in the zone.
 *
 * In:      name, of the environment.
 * Returns  NGX_OK; NGX_ERROR if there is no room for it.
 */
ngx_int_t ngx_canopy_count_init(ngx_canopy_zone_t *zone,
    ngx_canopy_count_t *count, ngx_str_t *name);

/*
 * A handler of nginx's log phase: counts the request, once, if it met a canopy
 * location, and the copies that were sent of it.
 */
ngx_int_t ngx_canopy_count_handler(ngx_http_request_t *r);

/*
 * Something is wrong with the credential.  The newest failure is kept, what is
 * too long of it is cut.
 *
 * In:      count, may be NULL; fmt and what follows, nginx's own format, for a
 *          text without a secret.
 */
void ngx_cdecl ngx_canopy_count_failure(ngx_canopy_count_t *count,
    const char *fmt, ...);

/*
 * The upstream refused the credential, or took it.
 *
 * Returns  1 if that is not what was known, else 0.
 */
ngx_uint_t ngx_canopy_count_refused(ngx_canopy_count_t *count,
    ngx_uint_t refused);


#endif /* _NGX_CANOPY_COUNT_H_INCLUDED_ */
