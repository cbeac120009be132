
/*
 * The addresses of one environment's server.
 */


#ifndef _NGX_CANOPY_PEER_H_INCLUDED_
#define _NGX_CANOPY_PEER_H_INCLUDED_


#include "ngx_canopy.h"


#define NGX_CANOPY_MAX_ADDRESSES  32    /* more of a name are left out */


typedef struct {
    ngx_sockaddr_t           sockaddr;
    socklen_t                socklen;
    ngx_str_t                name;          /* for logs, text below */
    time_t                   down;          /* passed over until then */
    u_char                   text[NGX_SOCKADDR_STRLEN];
} ngx_canopy_address_t;


/*
 * Somebody who waits for the first address.
 */

typedef struct {
    ngx_queue_t              queue;
    void                   (*handler)(void *data, ngx_int_t state);
    void                    *data;
    unsigned                 queued:1;
} ngx_canopy_waiter_t;


/*
 * One round over the addresses.  Starts zeroed.
 */

typedef struct {
    uint32_t                 tried;         /* a bit for each address */
    ngx_uint_t               version;       /* of the list they are bits of */
    ngx_uint_t               count;         /* over all versions */
    ngx_canopy_address_t     current;
} ngx_canopy_round_t;


typedef struct {
    ngx_str_t                host;          /* empty: never resolved again */
    in_port_t                port;

    ngx_canopy_address_t     addresses[NGX_CANOPY_MAX_ADDRESSES];
    ngx_uint_t               naddresses;
    ngx_uint_t               next;
    ngx_uint_t               version;

    ngx_resolver_t          *resolver;
    ngx_msec_t               resolver_timeout;
    ngx_resolver_ctx_t      *query;         /* under way */
    ngx_event_t              refresh;
    time_t                   retry;         /* seconds, after a failure */
    ngx_int_t                state;         /* of the last query */
    ngx_queue_t              waiting;
} ngx_canopy_peers_t;


/*
 * Resolves the URL's host at start.  A name that is not known then is a
 * warning; a name of the machine itself is never asked for again.
 *
 * In:      url, parsed with no_resolve set.
 * Returns  the addresses, in the cycle's pool, or NULL after an error message.
 */
ngx_canopy_peers_t *ngx_canopy_peers_create(ngx_conf_t *cf, ngx_url_t *url);

/*
 * In a worker: begins to keep the addresses fresh.
 */
void ngx_canopy_peers_init_process(ngx_canopy_peers_t *peers,
    ngx_cycle_t *cycle);

/*
 * The next address of a round, in turn, those that failed lately last.
 *
 * Out:     round->current, a copy that stays as it is.
 * Returns  NGX_OK; NGX_DECLINED if all were tried; NGX_AGAIN if none is known.
 */
ngx_int_t ngx_canopy_peers_next(ngx_canopy_peers_t *peers,
    ngx_canopy_round_t *round);

/*
 * The address of the round could not be connected to: others come first for a
 * while.
 */
void ngx_canopy_peers_failed(ngx_canopy_peers_t *peers,
    ngx_canopy_round_t *round);

/*
 * Waits until an address is known.
 *
 * Returns  NGX_OK if one is known now; NGX_DECLINED if the name could not be
 *          resolved, *state says why (NGX_RESOLVE_...); NGX_AGAIN if
 *          waiter->handler will be called with NGX_OK or such a state.
 */
ngx_int_t ngx_canopy_peers_wait(ngx_canopy_peers_t *peers,
    ngx_canopy_waiter_t *waiter, ngx_int_t *state);

void ngx_canopy_peers_forget(ngx_canopy_waiter_t *waiter);


#endif /* _NGX_CANOPY_PEER_H_INCLUDED_ */
