
/*
 * The shared memory's content: each environment finds, or gets, its entries.
 */


#ifndef _NGX_CANOPY_SHARED_H_INCLUDED_
#define _NGX_CANOPY_SHARED_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_zone.h"


/*
 * Once all of http {} is read: asks nginx for the memory.
 *
 * In:      environments, an array of pointers, which may be empty.
 */
ngx_int_t ngx_canopy_shared_add(ngx_conf_t *cf, ngx_canopy_zone_t *zone,
    size_t size, ngx_array_t *environments);


#endif /* _NGX_CANOPY_SHARED_H_INCLUDED_ */
