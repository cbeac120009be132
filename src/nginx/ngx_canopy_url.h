
/*
 * The base URL of an environment's server.
 */


#ifndef _NGX_CANOPY_URL_H_INCLUDED_
#define _NGX_CANOPY_URL_H_INCLUDED_


#include "ngx_canopy.h"


typedef struct {
    ngx_url_t            url;           /* parsed, names not resolved */
    ngx_str_t            host;          /* name or address, no brackets */
    ngx_str_t            path;          /* no slash at its end */
    in_port_t            default_port;
    unsigned             ssl:1;
    unsigned             local:1;       /* a unix socket */
} ngx_canopy_url_t;


/*
 * Reads "http[s]://host[:port][/path]" or "http://unix:/path[:/path]"; http
 * only where the credential does not leave the machine.
 *
 * Returns  NGX_OK; NGX_ERROR after an error message with what to do.  The text
 *          is in no message: people put passwords into URLs.
 */
ngx_int_t ngx_canopy_url_parse(ngx_conf_t *cf, ngx_str_t *text,
    ngx_canopy_url_t *url);

/*
 * Is this a name that can be looked up, or an address?
 */
ngx_uint_t ngx_canopy_url_host_valid(ngx_str_t *host);

/*
 * Is this a name of this machine itself (RFC 6761, section 6.3), whatever a
 * name server says?
 */
ngx_uint_t ngx_canopy_is_localhost(ngx_str_t *host);

/*
 * Is this an address of this machine itself, 127.0.0.0/8 or ::1?
 */
ngx_uint_t ngx_canopy_is_loopback(struct sockaddr *sockaddr);

/*
 * Is this one of Canopy's own hosts?
 */
ngx_uint_t ngx_canopy_url_canopy_host(ngx_str_t *host);


#endif /* _NGX_CANOPY_URL_H_INCLUDED_ */
