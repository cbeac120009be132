
/*
 * canopy_status: the gateway's state for operators, Prometheus and load
 * balancers.
 */


#ifndef _NGX_CANOPY_STATUS_H_INCLUDED_
#define _NGX_CANOPY_STATUS_H_INCLUDED_


#include "ngx_canopy.h"


/*
 * Directive canopy_status; conf is the location's configuration.
 */
char *ngx_canopy_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * The content handler of such a location.
 */
ngx_int_t ngx_canopy_status_handler(ngx_http_request_t *r);


#endif /* _NGX_CANOPY_STATUS_H_INCLUDED_ */
