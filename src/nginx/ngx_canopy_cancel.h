
/*
 * The one request that an environment's API gets.
 */


#ifndef _NGX_CANOPY_CANCEL_H_INCLUDED_
#define _NGX_CANOPY_CANCEL_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_environment.h"
#include "ngx_canopy_exchange.h"


/*
 * Writes a cancel, from nothing but the environment and the two ids.
 *
 * In:      task_id, CANOPY_UUID_LEN bytes; request_id, fit for a field value.
 * Out:     *exchange, in the pool; to be ended with ngx_canopy_exchange_end();
 *          *secret, a client secret the credential came from, which nobody
 *          may see either; a part of the exchange's memory, or empty;
 *          *retry_after, seconds, with NGX_DECLINED.
 * Returns  NGX_OK; NGX_AGAIN if the credential is on its way, to be waited for
 *          with ngx_canopy_environment_wait(); NGX_DECLINED if there is none;
 *          NGX_ERROR if there is no memory.
 */
ngx_int_t ngx_canopy_cancel_create(ngx_canopy_environment_t *env,
    ngx_pool_t *pool, ngx_log_t *log, u_char *task_id, ngx_str_t *request_id,
    ngx_canopy_exchange_t **exchange, canopy_slice_t *secret,
    time_t *retry_after);


#endif /* _NGX_CANOPY_CANCEL_H_INCLUDED_ */
