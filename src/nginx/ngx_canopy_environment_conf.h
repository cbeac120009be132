
/*
 * canopy_environment NAME { ... }
 */


#ifndef _NGX_CANOPY_ENVIRONMENT_CONF_H_INCLUDED_
#define _NGX_CANOPY_ENVIRONMENT_CONF_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_environment.h"


/* the private type of the module that has the directives of the block */

#define NGX_CANOPY_ENVIRONMENT_MODULE  0x4E415043   /* "CPAN" */
#define NGX_CANOPY_ENVIRONMENT_CONF    0x10000000


extern ngx_conf_bitmask_t  ngx_canopy_ssl_protocols[];


/*
 * Directive canopy_environment; conf is the main configuration.
 */
char *ngx_canopy_environment_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * Directive server in the block; conf is the environment.
 */
char *ngx_canopy_environment_server(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * A directive of the block with a file's name; conf is the environment.
 */
char *ngx_canopy_environment_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * Directive bearer_token_file in the block; conf is the environment.
 */
char *ngx_canopy_environment_token(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#endif /* _NGX_CANOPY_ENVIRONMENT_CONF_H_INCLUDED_ */
