
/*
 * One request's way: the checks in their order, then out or back.
 */


#ifndef _NGX_CANOPY_HANDLER_H_INCLUDED_
#define _NGX_CANOPY_HANDLER_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_request.h"


/*
 * The content handler of a location with canopy_pass.
 */
ngx_int_t ngx_canopy_handler(ngx_http_request_t *r);


#endif /* _NGX_CANOPY_HANDLER_H_INCLUDED_ */
