
/*
 * A server that an environment talks to: its API, or its token endpoint.  How
 * to reach it, how to know it, and how long to wait for it.
 */


#ifndef _NGX_CANOPY_SERVER_H_INCLUDED_
#define _NGX_CANOPY_SERVER_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_keepalive.h"
#include "ngx_canopy_peer.h"
#include "ngx_canopy_tls.h"
#include "ngx_canopy_url.h"


typedef struct {
    ngx_str_t               *environment;   /* the name of whose it is */

    /* as configured */

    ngx_canopy_url_t         url;
    ngx_str_t                name;          /* Host, SNI, certificate */
    ngx_canopy_tls_conf_t   *tls;
    ngx_msec_t               connect_timeout;
    ngx_msec_t               send_timeout;
    ngx_msec_t               read_timeout;
    size_t                   response_limit;

    /* made of it */

    ngx_str_t                sni;           /* NUL-terminated, or empty */
    ngx_ssl_t               *ssl;           /* NULL: plain HTTP */

    /* the worker's own state */

    ngx_canopy_peers_t      *peers;
    ngx_canopy_keepalive_t  *keepalive;     /* NULL: off */
    ngx_ssl_session_t       *session;
    ngx_uint_t               generation;    /* of the credential it gets now */
} ngx_canopy_server_t;


/*
 * Makes the TLS context and finds the addresses; url, name and tls are set.
 *
 * In:      store, see ngx_canopy_tls_create().
 * Returns  NGX_OK; NGX_ERROR after an error message.
 */
ngx_int_t ngx_canopy_server_init(ngx_conf_t *cf, ngx_canopy_server_t *server,
    X509_STORE **store);

/*
 * The value of Host (RFC 9110, section 7.2), with the port where it is not the
 * scheme's own.
 *
 * In:      p, room for ngx_canopy_server_host_size() bytes.
 * Returns  the end of what was written.
 */
#define ngx_canopy_server_host_size(server)                                  \
    ((server)->name.len + sizeof("[]:65535") - 1)

u_char *ngx_canopy_server_host(u_char *p, ngx_canopy_server_t *server);


#endif /* _NGX_CANOPY_SERVER_H_INCLUDED_ */
