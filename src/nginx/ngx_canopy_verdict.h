
/*
 * Tokens that were found right, remembered for all workers by a keyed hash
 * over the token and all that it was checked by.
 */


#ifndef _NGX_CANOPY_VERDICT_H_INCLUDED_
#define _NGX_CANOPY_VERDICT_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_zone.h"
#include "canopy_policy.h"


#define NGX_CANOPY_VERDICT_RULES  2     /* environments remembered */


typedef struct {
    uint64_t             high;
    uint64_t             low;
} ngx_canopy_verdict_tag_t;


typedef struct {
    double               expires;       /* seconds since the Epoch */
    uint64_t             rules[NGX_CANOPY_VERDICT_RULES];
                                        /* numbers of rules that held, the one
                                           last used first; 0: none */
    ngx_str_t            client;        /* "sub" */
} ngx_canopy_verdict_t;


/*
 * GMAC with a key of the zone's, encrypted with another one.
 *
 * In:      by, a digest of what the token is checked by, always of the same
 *          length; token.
 * Returns  NGX_OK; NGX_ERROR if OpenSSL can't.
 */
ngx_int_t ngx_canopy_verdict_tag(ngx_canopy_zone_t *zone, ngx_str_t *by,
    canopy_slice_t token, ngx_canopy_verdict_tag_t *tag);

/*
 * The worker leaves.
 */
void ngx_canopy_verdict_exit_process(void);

/*
 * Out:     *verdict; its client is in the pool.
 * Returns  NGX_OK; NGX_DECLINED if nothing is remembered; NGX_ERROR if there is
 *          no memory.
 */
ngx_int_t ngx_canopy_verdict_find(ngx_canopy_zone_t *zone,
    ngx_canopy_verdict_tag_t *tag, ngx_pool_t *pool,
    ngx_canopy_verdict_t *verdict);

/*
 * Remembers a verdict, new or changed; those not used for the longest time make
 * room for it.
 */
void ngx_canopy_verdict_put(ngx_canopy_zone_t *zone,
    ngx_canopy_verdict_tag_t *tag, ngx_canopy_verdict_t *verdict);

/*
 * Makes room by one.
 *
 * Returns  NGX_OK; NGX_DECLINED if nothing is remembered.
 */
ngx_int_t ngx_canopy_verdict_evict(ngx_canopy_zone_t *zone);

/*
 * Forgets it: it has expired.
 */
void ngx_canopy_verdict_drop(ngx_canopy_zone_t *zone,
    ngx_canopy_verdict_tag_t *tag);


#endif /* _NGX_CANOPY_VERDICT_H_INCLUDED_ */
