
/*
 * The canopy_client_* directives, and require_claim of canopy_environment { }.
 */


#ifndef _NGX_CANOPY_CLIENT_CONF_H_INCLUDED_
#define _NGX_CANOPY_CLIENT_CONF_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_conf.h"


/*
 * Directive canopy_client_jwks; conf is the location's configuration.
 */
char *ngx_canopy_client_jwks(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Directives canopy_client_audience and canopy_client_issuer; likewise.
 */
char *ngx_canopy_client_text(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Directive require_claim; conf is the environment.
 */
char *ngx_canopy_require_claim(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * What a location inherits.
 */
void ngx_canopy_client_merge(ngx_canopy_loc_conf_t *conf,
    ngx_canopy_loc_conf_t *prev);

/*
 * Checks what was merged for a gateway.
 *
 * Returns  NGX_OK; NGX_ERROR after an error message.
 */
ngx_int_t ngx_canopy_client_init(ngx_conf_t *cf, ngx_canopy_loc_conf_t *conf);

/*
 * At the end of the block: gives the environment's rules their number.
 */
ngx_int_t ngx_canopy_rules_init(ngx_canopy_environment_t *env);


#endif /* _NGX_CANOPY_CLIENT_CONF_H_INCLUDED_ */
