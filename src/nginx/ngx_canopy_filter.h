
/*
 * What other modules of nginx answer in a canopy location, in our schema.
 */


#ifndef _NGX_CANOPY_FILTER_H_INCLUDED_
#define _NGX_CANOPY_FILTER_H_INCLUDED_


#include "ngx_canopy.h"


/*
 * Takes its place in nginx's chains of filters; a postconfiguration's step.
 */
void ngx_canopy_filter_init(void);


#endif /* _NGX_CANOPY_FILTER_H_INCLUDED_ */
