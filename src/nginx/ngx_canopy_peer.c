
/*
 * The addresses of one environment's server, resolved at start and again when
 * their time to live ends.  Each worker has its own list.
 */


#include "ngx_canopy_peer.h"
#include "ngx_canopy_url.h"


#define NGX_CANOPY_DOWN       10   /* seconds a failed address comes last */
#define NGX_CANOPY_RETRY_MIN  5    /* seconds between failed queries */
#define NGX_CANOPY_RETRY_MAX  300


static ngx_int_t ngx_canopy_peers_localhost(ngx_conf_t *cf, ngx_url_t *u);
static void ngx_canopy_peers_add(ngx_canopy_peers_t *peers,
    struct sockaddr *sockaddr, socklen_t socklen);
static void ngx_canopy_peers_refresh(ngx_event_t *ev);
static void ngx_canopy_peers_query(ngx_canopy_peers_t *peers);
static void ngx_canopy_peers_resolved(ngx_resolver_ctx_t *ctx);
static void ngx_canopy_peers_unresolved(ngx_canopy_peers_t *peers,
    ngx_int_t state);


ngx_canopy_peers_t *
ngx_canopy_peers_create(ngx_conf_t *cf, ngx_url_t *url)
{
    ngx_url_t            u;
    ngx_uint_t           i, local;
    ngx_canopy_peers_t  *peers;

    peers = ngx_pcalloc(cf->pool, sizeof(ngx_canopy_peers_t));
    if (peers == NULL) {
        return NULL;
    }

    ngx_queue_init(&peers->waiting);

    u = *url;

    if (u.naddrs == 0) {
        local = ngx_canopy_is_localhost(&u.host);

        if (ngx_inet_resolve_host(cf->pool, &u) != NGX_OK) {

            if (u.err == NULL) {
                return NULL;
            }

            if (!local) {
                ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                                   "%s \"%V\", it will be resolved when it "
                                   "is needed", u.err, &u.host);
            }
        }

        if (!local) {

            /* the resolver writes lower case into it */

            peers->host.data = ngx_pstrdup(cf->pool, &u.host);
            if (peers->host.data == NULL) {
                return NULL;
            }

            peers->host.len = u.host.len;
            peers->port = u.port;

        } else if (ngx_canopy_peers_localhost(cf, &u) != NGX_OK) {
            return NULL;
        }
    }

    for (i = 0; i < u.naddrs; i++) {
        ngx_canopy_peers_add(peers, u.addrs[i].sockaddr, u.addrs[i].socklen);
    }

    return peers;
}


/*
 * libc may know other addresses of such a name, and they would be used as long
 * as nginx runs.
 */

static ngx_int_t
ngx_canopy_peers_localhost(ngx_conf_t *cf, ngx_url_t *u)
{
    ngx_uint_t  i;

    if (u->naddrs == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has no address on this machine, use "
                           "127.0.0.1", &u->host);
        return NGX_ERROR;
    }

    for (i = 0; i < u->naddrs; i++) {
        if (!ngx_canopy_is_loopback(u->addrs[i].sockaddr)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" has the address %V, which is not a "
                               "loopback one, use 127.0.0.1",
                               &u->host, &u->addrs[i].name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_canopy_peers_add(ngx_canopy_peers_t *peers, struct sockaddr *sockaddr,
    socklen_t socklen)
{
    ngx_canopy_address_t  *a;

    if (peers->naddresses == NGX_CANOPY_MAX_ADDRESSES
        || socklen > (socklen_t) sizeof(ngx_sockaddr_t))
    {
        return;
    }

    a = &peers->addresses[peers->naddresses++];

    ngx_memcpy(&a->sockaddr, sockaddr, socklen);
    a->socklen = socklen;
    a->down = 0;

    a->name.data = a->text;
    a->name.len = ngx_sock_ntop(&a->sockaddr.sockaddr, socklen, a->text,
                                NGX_SOCKADDR_STRLEN, 1);
}


void
ngx_canopy_peers_init_process(ngx_canopy_peers_t *peers, ngx_cycle_t *cycle)
{
    if (peers->host.len == 0) {
        return;
    }

    peers->retry = NGX_CANOPY_RETRY_MIN;

    peers->refresh.handler = ngx_canopy_peers_refresh;
    peers->refresh.data = peers;
    peers->refresh.log = cycle->log;
    peers->refresh.cancelable = 1;

    /* the resolver of libc does not tell how long its answer holds */

    ngx_add_timer(&peers->refresh,
                  peers->naddresses ? 1 + ngx_random() % 1000 : 1);
}


ngx_int_t
ngx_canopy_peers_next(ngx_canopy_peers_t *peers, ngx_canopy_round_t *round)
{
    time_t       now;
    ngx_uint_t   i, n, found;

    if (peers->naddresses == 0) {
        return NGX_AGAIN;
    }

    if (round->version != peers->version) {
        round->version = peers->version;
        round->tried = 0;
    }

    if (round->count == NGX_CANOPY_MAX_ADDRESSES) {
        return NGX_DECLINED;
    }

    now = ngx_time();
    found = NGX_CANOPY_MAX_ADDRESSES;

    for (i = 0; i < peers->naddresses; i++) {
        n = (peers->next + i) % peers->naddresses;

        if (round->tried & ((uint32_t) 1 << n)) {
            continue;
        }

        if (peers->addresses[n].down <= now) {
            found = n;
            break;
        }

        if (found == NGX_CANOPY_MAX_ADDRESSES) {
            found = n;
        }
    }

    if (found == NGX_CANOPY_MAX_ADDRESSES) {
        return NGX_DECLINED;
    }

    peers->next = (found + 1) % peers->naddresses;

    round->tried |= (uint32_t) 1 << found;
    round->count++;
    round->current = peers->addresses[found];
    round->current.name.data = round->current.text;

    return NGX_OK;
}


void
ngx_canopy_peers_failed(ngx_canopy_peers_t *peers, ngx_canopy_round_t *round)
{
    ngx_uint_t             i;
    ngx_canopy_address_t  *a;

    for (i = 0; i < peers->naddresses; i++) {
        a = &peers->addresses[i];

        if (ngx_cmp_sockaddr(&a->sockaddr.sockaddr, a->socklen,
                             &round->current.sockaddr.sockaddr,
                             round->current.socklen, 1)
            == NGX_OK)
        {
            a->down = ngx_time() + NGX_CANOPY_DOWN;
        }
    }
}


ngx_int_t
ngx_canopy_peers_wait(ngx_canopy_peers_t *peers, ngx_canopy_waiter_t *waiter,
    ngx_int_t *state)
{
    if (peers->query == NULL) {

        if (peers->refresh.timer_set) {
            ngx_del_timer(&peers->refresh);
        }

        ngx_canopy_peers_query(peers);
    }

    if (peers->naddresses) {
        return NGX_OK;
    }

    if (peers->query == NULL) {
        *state = peers->state;
        return NGX_DECLINED;
    }

    ngx_queue_insert_tail(&peers->waiting, &waiter->queue);
    waiter->queued = 1;

    return NGX_AGAIN;
}


void
ngx_canopy_peers_forget(ngx_canopy_waiter_t *waiter)
{
    if (waiter->queued) {
        ngx_queue_remove(&waiter->queue);
        waiter->queued = 0;
    }
}


static void
ngx_canopy_peers_refresh(ngx_event_t *ev)
{
    ngx_canopy_peers_t  *peers;

    peers = ev->data;

    if (peers->query == NULL && !ngx_exiting) {
        ngx_canopy_peers_query(peers);
    }
}


static void
ngx_canopy_peers_query(ngx_canopy_peers_t *peers)
{
    ngx_resolver_ctx_t  *ctx;

    if (peers->resolver == NULL) {
        ngx_canopy_peers_unresolved(peers, NGX_RESOLVE_NXDOMAIN);
        return;
    }

    ctx = ngx_resolve_start(peers->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_canopy_peers_unresolved(peers, NGX_RESOLVE_SERVFAIL);
        return;
    }

    ctx->name = peers->host;
    ctx->handler = ngx_canopy_peers_resolved;
    ctx->data = peers;
    ctx->timeout = peers->resolver_timeout;
    ctx->cancelable = 1;

    peers->query = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        peers->query = NULL;
        ngx_canopy_peers_unresolved(peers, NGX_RESOLVE_SERVFAIL);
    }
}


static void
ngx_canopy_peers_resolved(ngx_resolver_ctx_t *ctx)
{
    time_t                valid;
    ngx_int_t             state;
    ngx_uint_t            i;
    ngx_queue_t          *q;
    struct sockaddr      *sockaddr;
    ngx_sockaddr_t        sa;
    ngx_canopy_peers_t   *peers;
    ngx_canopy_waiter_t  *waiter;

    peers = ctx->data;
    peers->query = NULL;

    state = ctx->state;

    if (state != NGX_OK || ctx->naddrs == 0) {
        ngx_resolve_name_done(ctx);
        ngx_canopy_peers_unresolved(peers, state ? state
                                                 : NGX_RESOLVE_NXDOMAIN);
        return;
    }

    if (peers->state) {
        ngx_log_error(NGX_LOG_NOTICE, peers->refresh.log, 0,
                      "upstream host \"%V\" is resolved again", &peers->host);
    }

    peers->state = NGX_OK;
    peers->retry = NGX_CANOPY_RETRY_MIN;
    peers->naddresses = 0;
    peers->next = 0;
    peers->version++;

    for (i = 0; i < ctx->naddrs; i++) {
        sockaddr = &sa.sockaddr;

        if (ctx->addrs[i].socklen > (socklen_t) sizeof(ngx_sockaddr_t)) {
            continue;
        }

        ngx_memcpy(sockaddr, ctx->addrs[i].sockaddr, ctx->addrs[i].socklen);
        ngx_inet_set_port(sockaddr, peers->port);

        ngx_canopy_peers_add(peers, sockaddr, ctx->addrs[i].socklen);
    }

    valid = ngx_max(ctx->valid - ngx_time(), 1);

    ngx_resolve_name_done(ctx);

    ngx_add_timer(&peers->refresh, (ngx_msec_t) valid * 1000);

    while (!ngx_queue_empty(&peers->waiting)) {
        q = ngx_queue_head(&peers->waiting);
        waiter = ngx_queue_data(q, ngx_canopy_waiter_t, queue);

        ngx_canopy_peers_forget(waiter);
        waiter->handler(waiter->data, NGX_OK);
    }
}


static void
ngx_canopy_peers_unresolved(ngx_canopy_peers_t *peers, ngx_int_t state)
{
    ngx_queue_t          *q;
    ngx_canopy_waiter_t  *waiter;

    if (peers->state != state) {
        ngx_log_error(NGX_LOG_ERR, peers->refresh.log, 0,
                      "upstream host \"%V\" could not be resolved (%i: %s)%s",
                      &peers->host, state, ngx_resolver_strerror(state),
                      peers->naddresses
                          ? ", its last known addresses stay in use" : "");
    }

    peers->state = state;

    ngx_add_timer(&peers->refresh, (ngx_msec_t) peers->retry * 1000);

    peers->retry = ngx_min(peers->retry * 2, NGX_CANOPY_RETRY_MAX);

    while (!ngx_queue_empty(&peers->waiting)) {
        q = ngx_queue_head(&peers->waiting);
        waiter = ngx_queue_data(q, ngx_canopy_waiter_t, queue);

        ngx_canopy_peers_forget(waiter);
        waiter->handler(waiter->data, state);
    }
}
