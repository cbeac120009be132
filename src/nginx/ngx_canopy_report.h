
/*
 * The gateway's state, for canopy_status.  Asking costs no exchange.
 */


#ifndef _NGX_CANOPY_REPORT_H_INCLUDED_
#define _NGX_CANOPY_REPORT_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_environment.h"
#include "canopy_report.h"


/*
 * All that there is to tell.  Files are looked at again if that was not done
 * within this second.
 *
 * Out:     *report, memory of the request.
 * Returns  NGX_OK; NGX_ERROR if there is no memory.
 */
ngx_int_t ngx_canopy_report(ngx_http_request_t *r, canopy_report_t *report);

/*
 * Returns  1 if the environment has a credential that has not expired, else 0.
 */
ngx_uint_t ngx_canopy_report_usable(ngx_canopy_environment_t *env,
    ngx_log_t *log);


#endif /* _NGX_CANOPY_REPORT_H_INCLUDED_ */
