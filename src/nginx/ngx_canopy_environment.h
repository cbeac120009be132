
/*
 * An environment: one server, the one credential that may go there, and the
 * connections that credential went over.  Whoever has the one has the other;
 * nothing takes a credential and a server separately.
 */


#ifndef _NGX_CANOPY_ENVIRONMENT_H_INCLUDED_
#define _NGX_CANOPY_ENVIRONMENT_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_keepalive.h"
#include "ngx_canopy_peer.h"
#include "ngx_canopy_secret.h"
#include "ngx_canopy_tls.h"
#include "ngx_canopy_url.h"


struct ngx_canopy_environment_s {
    ngx_str_t                name;
    ngx_str_t                file;          /* where it stands in the */
    ngx_uint_t               line;          /* configuration */

    /* as configured */

    ngx_str_t                server;
    ngx_str_t                server_name;
    ngx_str_t                closed_file;
    ngx_int_t                keepalive_max;
    ngx_msec_t               keepalive_timeout;
    ngx_msec_t               connect_timeout;
    ngx_msec_t               send_timeout;
    ngx_msec_t               read_timeout;
    ngx_msec_t               exchange_timeout;
    size_t                   response_limit;
    ngx_canopy_tls_conf_t    tls;

    /* made of it, once for all requests */

    ngx_canopy_url_t         url;           /* of the server */
    ngx_str_t                head;          /* request up to the task's id */
    ngx_str_t                tail;          /* request behind the task's id */
    ngx_str_t                sni;           /* NUL-terminated, or empty */
    ngx_ssl_t               *ssl;           /* NULL: plain HTTP */

    /* the worker's own state */

    ngx_canopy_peers_t      *peers;
    ngx_canopy_keepalive_t  *keepalive;     /* NULL: off */
    ngx_canopy_secret_t     *secret;
    ngx_ssl_session_t       *session;
    unsigned                 refused:1;     /* the credential, by upstream */
};


/*
 * Does closed_file exist now?  If that can't be told, it does.
 */
ngx_uint_t ngx_canopy_environment_closed(ngx_canopy_environment_t *env,
    ngx_log_t *log);

/*
 * The credential as it is now.  Its file is looked at again if that was not
 * done within this second, or at once if force is set; idle connections that
 * carried a replaced credential are closed.
 *
 * Returns  NULL if there is none that may be used.
 */
ngx_canopy_secret_t *ngx_canopy_environment_credential(
    ngx_canopy_environment_t *env, ngx_log_t *log, ngx_uint_t force);

/*
 * The upstream refused the credential, or took it: one line for each change.
 */
void ngx_canopy_environment_refused(ngx_canopy_environment_t *env,
    ngx_log_t *log, ngx_uint_t refused);


#endif /* _NGX_CANOPY_ENVIRONMENT_H_INCLUDED_ */
