
/*
 * Can the worker processes do with a file what they will have to?
 */


#ifndef _NGX_CANOPY_ACCESS_H_INCLUDED_
#define _NGX_CANOPY_ACCESS_H_INCLUDED_


#include "ngx_canopy.h"


/*
 * Checks the files of all environments as the user of the workers: secrets can
 * be read, the places of closed_file can be looked at.  To be called when all
 * of nginx.conf is read, since "user" may stand anywhere in it.
 *
 * Returns  NGX_CONF_OK; NGX_CONF_ERROR after an error message.
 */
char *ngx_canopy_access_check(ngx_cycle_t *cycle, void *conf);


#endif /* _NGX_CANOPY_ACCESS_H_INCLUDED_ */
