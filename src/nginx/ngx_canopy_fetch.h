
/*
 * The token endpoint's client: one exchange of client credentials for a token.
 */


#ifndef _NGX_CANOPY_FETCH_H_INCLUDED_
#define _NGX_CANOPY_FETCH_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_grant.h"


/*
 * Begins the exchange that canopy_refresh_begin() has announced; what comes of
 * it is put into the zone and the state directory, and
 * ngx_canopy_grant_fetched() is called, maybe before this returns.
 */
void ngx_canopy_fetch_start(ngx_canopy_grant_t *grant);


#endif /* _NGX_CANOPY_FETCH_H_INCLUDED_ */
