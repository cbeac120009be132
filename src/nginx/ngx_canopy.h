
/*
 * What every file of the nginx part shares.
 */


#ifndef _NGX_CANOPY_H_INCLUDED_
#define _NGX_CANOPY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "canopy_slice.h"
#include "ngx_canopy_compat.h"


#define NGX_CANOPY_VERSION  "0.1.0"


typedef struct ngx_canopy_environment_s  ngx_canopy_environment_t;


static ngx_inline canopy_slice_t
ngx_canopy_slice(const ngx_str_t *s)
{
    canopy_slice_t  slice;

    slice.len = s->len;
    slice.data = s->data;

    return slice;
}


/* nginx has no const: the bytes are only read */

static ngx_inline ngx_str_t
ngx_canopy_str(canopy_slice_t slice)
{
    ngx_str_t  s;

    s.len = slice.len;
    s.data = (u_char *) slice.data;

    return s;
}


extern ngx_module_t  ngx_canopy_module;
extern ngx_module_t  ngx_canopy_environment_module;
extern ngx_module_t  ngx_canopy_core_module;


#endif /* _NGX_CANOPY_H_INCLUDED_ */
