
/*
 * Idle connections of one environment.  They are its own: nginx's keepalive
 * matches by address only, so that a connection somebody else did not verify
 * could be reused.
 */


#ifndef _NGX_CANOPY_KEEPALIVE_H_INCLUDED_
#define _NGX_CANOPY_KEEPALIVE_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_peer.h"


typedef struct {
    ngx_queue_t           idle;         /* the last used one first */
    ngx_queue_t           free;
    ngx_msec_t            timeout;
} ngx_canopy_keepalive_t;


/*
 * In:      max, connections kept at most, more than 0; timeout, in ms.
 * Returns  the store, in the cycle's pool, or NULL.
 */
ngx_canopy_keepalive_t *ngx_canopy_keepalive_create(ngx_conf_t *cf,
    ngx_uint_t max, ngx_msec_t timeout);

/*
 * A connection that is idle, open and quiet, or NULL.  It is the caller's.
 *
 * Out:     *address, where it leads to.
 */
ngx_connection_t *ngx_canopy_keepalive_get(ngx_canopy_keepalive_t *keepalive,
    ngx_canopy_address_t *address);

/*
 * Keeps a connection; the one idle for longest gives way.  A connection that
 * can't be kept is closed.
 *
 * In:      generation, of the credential that went over it.
 */
void ngx_canopy_keepalive_put(ngx_canopy_keepalive_t *keepalive,
    ngx_connection_t *c, ngx_canopy_address_t *address,
    ngx_uint_t generation);

/*
 * Closes the connections that carried another credential than this one.
 */
void ngx_canopy_keepalive_purge(ngx_canopy_keepalive_t *keepalive,
    ngx_uint_t generation);

/*
 * Closes a connection, its TLS and its pool.
 */
void ngx_canopy_close_connection(ngx_connection_t *c);


#endif /* _NGX_CANOPY_KEEPALIVE_H_INCLUDED_ */
