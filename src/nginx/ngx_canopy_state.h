
/*
 * The state directory: tokens and the times of exchanges that outlive a
 * restart.  Files are 0600 and replaced in one step; what others could have
 * written or read is not used.
 */


#ifndef _NGX_CANOPY_STATE_H_INCLUDED_
#define _NGX_CANOPY_STATE_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_grant.h"


#define NGX_CANOPY_STATE_PATH  "/var/lib/nginx/canopy"


/*
 * Into the entries of the zone, which are new; in the master.
 *
 * In:      cycle, that of the configuration: it knows the workers' user.
 */
void ngx_canopy_state_load_token(ngx_canopy_grant_t *grant,
    ngx_cycle_t *cycle, ngx_log_t *log);
void ngx_canopy_state_load_budget(ngx_canopy_grant_t *grant,
    ngx_cycle_t *cycle, ngx_log_t *log);

/*
 * In a worker, before an exchange: has another nginx left a newer token, or
 * made exchanges?
 *
 * Returns  NGX_OK if there is a token that makes the exchange needless, and it
 *          is in the zone; NGX_DECLINED if not.
 */
ngx_int_t ngx_canopy_state_adopt(ngx_canopy_grant_t *grant);

/*
 * What is in the zone is written down; what fails is said in the log.
 */
void ngx_canopy_state_save_token(ngx_canopy_grant_t *grant);
void ngx_canopy_state_save_budget(ngx_canopy_grant_t *grant);


#endif /* _NGX_CANOPY_STATE_H_INCLUDED_ */
