
/*
 * The second part of an exchange: the request out, the answer in.
 */


#ifndef _NGX_CANOPY_TRANSFER_H_INCLUDED_
#define _NGX_CANOPY_TRANSFER_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_exchange.h"


/*
 * Sends the request on x->connection, reads the answer and finishes the
 * exchange.
 */
void ngx_canopy_transfer(ngx_canopy_exchange_t *x);


#endif /* _NGX_CANOPY_TRANSFER_H_INCLUDED_ */
