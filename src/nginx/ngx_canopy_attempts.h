
/*
 * The copies of one request: the first one, and the one repeat.
 */


#ifndef _NGX_CANOPY_ATTEMPTS_H_INCLUDED_
#define _NGX_CANOPY_ATTEMPTS_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_request.h"


/*
 * Sends the request and answers it, now or later.  Takes over the request: the
 * caller returns NGX_DONE, and it is finalized here.
 */
void ngx_canopy_attempts_start(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx);


#endif /* _NGX_CANOPY_ATTEMPTS_H_INCLUDED_ */
