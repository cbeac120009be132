
/*
 * $canopy_...
 */


#ifndef _NGX_CANOPY_VARIABLES_H_INCLUDED_
#define _NGX_CANOPY_VARIABLES_H_INCLUDED_


#include "ngx_canopy.h"


/*
 * Adds the variables; a preconfiguration's step.
 */
ngx_int_t ngx_canopy_add_variables(ngx_conf_t *cf);


#endif /* _NGX_CANOPY_VARIABLES_H_INCLUDED_ */
