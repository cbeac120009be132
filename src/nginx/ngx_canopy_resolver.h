
/*
 * The name servers for the environments: those of http {}, or else those of
 * this machine.
 */


#ifndef _NGX_CANOPY_RESOLVER_H_INCLUDED_
#define _NGX_CANOPY_RESOLVER_H_INCLUDED_


#include "ngx_canopy.h"


/*
 * Once all of http {} is read: gives each server that has a name its resolver.
 */
ngx_int_t ngx_canopy_resolver(ngx_conf_t *cf);


#endif /* _NGX_CANOPY_RESOLVER_H_INCLUDED_ */
