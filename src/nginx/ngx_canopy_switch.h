
/*
 * A file with the name of the environment that is in use now.
 */


#ifndef _NGX_CANOPY_SWITCH_H_INCLUDED_
#define _NGX_CANOPY_SWITCH_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_conf.h"


/*
 * Directive canopy_switch_file; conf is the main configuration.
 */
char *ngx_canopy_switch_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Once all environments are known: reads the file for the first time.
 */
ngx_int_t ngx_canopy_switch_init(ngx_conf_t *cf, ngx_canopy_main_conf_t *mcf);

/*
 * Returns  the file, or NULL if there is no switch.
 */
ngx_canopy_file_t *ngx_canopy_switch_watched(ngx_canopy_main_conf_t *mcf);

/*
 * The name as it is now, in the configuration's memory; the file is looked at
 * again if that was not done within this second.
 *
 * Returns  NULL if there is no switch.
 */
ngx_str_t *ngx_canopy_switch_name(ngx_canopy_main_conf_t *mcf, ngx_log_t *log);


#endif /* _NGX_CANOPY_SWITCH_H_INCLUDED_ */
