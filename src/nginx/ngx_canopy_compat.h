
/*
 * Every difference between the versions of nginx that this module meets.
 */


#ifndef _NGX_CANOPY_COMPAT_H_INCLUDED_
#define _NGX_CANOPY_COMPAT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* 1.23.0: ngx_table_elt_t has a member "next" that has to be cleared */

static ngx_inline ngx_table_elt_t *
ngx_canopy_push_header(ngx_http_request_t *r)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);

    if (h != NULL) {
        ngx_memzero(h, sizeof(ngx_table_elt_t));
        h->hash = 1;
    }

    return h;
}


#endif /* _NGX_CANOPY_COMPAT_H_INCLUDED_ */
