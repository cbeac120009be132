
/*
 * An environment's TLS context: it knows whom it talks to.
 */


#ifndef _NGX_CANOPY_TLS_H_INCLUDED_
#define _NGX_CANOPY_TLS_H_INCLUDED_


#include "ngx_canopy.h"


/* the directives, as in the configuration */

typedef struct {
    ngx_flag_t           verify;
    ngx_int_t            verify_depth;
    ngx_uint_t           protocols;
    ngx_flag_t           session_reuse;
    ngx_str_t            ciphers;
    ngx_str_t            trusted_certificate;
    ngx_str_t            certificate;
    ngx_str_t            certificate_key;
} ngx_canopy_tls_conf_t;


/*
 * Makes a context for connections to one server.
 *
 * In:      name, what the certificate must be for: a DNS name or an address;
 *          store, where the system's CAs are kept once they are loaded, so
 *          that environments share them; starts as NULL.
 * Returns  a context that is freed with the cycle's pool, or NULL after an
 *          error message.
 */
ngx_ssl_t *ngx_canopy_tls_create(ngx_conf_t *cf, ngx_canopy_tls_conf_t *conf,
    ngx_str_t *name, X509_STORE **store);

/*
 * Is the finished handshake one with the peer that the context is for?
 *
 * Returns  NULL, or what is wrong with its certificate, a constant.
 */
const char *ngx_canopy_tls_verify(ngx_connection_t *c);

/*
 * Returns  1 if the name is an IPv4 or IPv6 address, without brackets.
 */
ngx_uint_t ngx_canopy_is_address(ngx_str_t *name);


#endif /* _NGX_CANOPY_TLS_H_INCLUDED_ */
