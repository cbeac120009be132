
/*
 * The first part of an exchange: a connection.
 */


#ifndef _NGX_CANOPY_CONNECT_H_INCLUDED_
#define _NGX_CANOPY_CONNECT_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_exchange.h"


/*
 * Connects to the environment's addresses in turn, after resolving its name if
 * none is known, and goes on with ngx_canopy_transfer() on the first one that
 * is connected to and verified; else finishes the exchange.
 */
void ngx_canopy_connect(ngx_canopy_exchange_t *x);


#endif /* _NGX_CANOPY_CONNECT_H_INCLUDED_ */
