
/*
 * The first part of an exchange: an address that can be connected to, TLS
 * included.  Nothing of the request is sent here, so every address may be
 * tried.
 */


#include "ngx_canopy_connect.h"
#include "ngx_canopy_transfer.h"


static void ngx_canopy_connect_resolved(void *data, ngx_int_t state);
static void ngx_canopy_connect_unresolved(ngx_canopy_exchange_t *x,
    ngx_int_t state);
static ngx_int_t ngx_canopy_connect_address(ngx_canopy_exchange_t *x);
static void ngx_canopy_connect_read_handler(ngx_event_t *rev);
static void ngx_canopy_connect_write_handler(ngx_event_t *wev);
static ngx_err_t ngx_canopy_connect_test(ngx_connection_t *c);
static void ngx_canopy_connect_connected(ngx_canopy_exchange_t *x);
static void ngx_canopy_connect_handshake_handler(ngx_connection_t *c);
static void ngx_canopy_connect_handshaked(ngx_canopy_exchange_t *x);
static void ngx_canopy_connect_save_session(ngx_connection_t *c);
static void ngx_canopy_connect_next(ngx_canopy_exchange_t *x,
    canopy_error_e error);


void
ngx_canopy_connect(ngx_canopy_exchange_t *x)
{
    ngx_int_t            rc, state;
    ngx_canopy_peers_t  *peers;

    peers = x->server->peers;

    for ( ;; ) {
        rc = ngx_canopy_peers_next(peers, &x->round);

        if (rc == NGX_AGAIN) {
            x->step = NGX_CANOPY_EXCHANGE_RESOLVE;
            x->waiter.handler = ngx_canopy_connect_resolved;
            x->waiter.data = x;

            rc = ngx_canopy_peers_wait(peers, &x->waiter, &state);

            if (rc == NGX_OK) {
                continue;
            }

            if (rc == NGX_DECLINED) {
                ngx_canopy_connect_unresolved(x, state);
            }

            return;
        }

        if (rc == NGX_DECLINED) {

            /* all were tried: the reason of the last one stands */

            ngx_canopy_exchange_finish(x, x->error
                                          ? x->error
                                          : CANOPY_CONNECTION_REFUSED);
            return;
        }

        rc = ngx_canopy_connect_address(x);

        if (rc == NGX_DECLINED) {
            x->error = CANOPY_CONNECTION_REFUSED;

            ngx_canopy_peers_failed(peers, &x->round);
            ngx_canopy_exchange_close(x);
            continue;
        }

        if (rc == NGX_ERROR) {

            /* maybe only this address's family isn't there */

            if (x->error == CANOPY_OK) {
                x->error = CANOPY_PROXY_INTERNAL_ERROR;
            }

            ngx_canopy_exchange_close(x);
            continue;
        }

        if (rc == NGX_OK) {
            ngx_canopy_connect_connected(x);
        }

        return;
    }
}


static void
ngx_canopy_connect_resolved(void *data, ngx_int_t state)
{
    ngx_canopy_exchange_t *x = data;

    if (state != NGX_OK) {
        ngx_canopy_connect_unresolved(x, state);
        return;
    }

    ngx_canopy_connect(x);
}


static void
ngx_canopy_connect_unresolved(ngx_canopy_exchange_t *x, ngx_int_t state)
{
    ngx_canopy_peers_t  *peers;

    peers = x->server->peers;

    ngx_log_error(NGX_LOG_ERR, x->log, 0,
                  "upstream host \"%V\" could not be resolved (%i: %s), "
                  "environment: \"%V\"",
                  &peers->host, state, ngx_resolver_strerror(state),
                  x->server->environment);

    ngx_canopy_exchange_finish(x, state == NGX_RESOLVE_TIMEDOUT
                                      ? CANOPY_DNS_TIMEOUT : CANOPY_DNS_ERROR);
}


/*
 * Returns NGX_OK, NGX_AGAIN, NGX_DECLINED as ngx_event_connect_peer() does,
 * NGX_ERROR if it is the gateway's own fault.
 */

static ngx_int_t
ngx_canopy_connect_address(ngx_canopy_exchange_t *x)
{
    ngx_int_t              rc;
    ngx_connection_t      *c;
    ngx_peer_connection_t  pc;

    if (ngx_canopy_exchange_state(x) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&pc, sizeof(ngx_peer_connection_t));

    pc.sockaddr = &x->round.current.sockaddr.sockaddr;
    pc.socklen = x->round.current.socklen;
    pc.name = &x->round.current.name;
    pc.get = ngx_event_get_peer;
    pc.log = x->log;
    pc.log_error = NGX_ERROR_ERR;

    x->step = NGX_CANOPY_EXCHANGE_CONNECT;
    x->log->action = "connecting to upstream";

    rc = ngx_event_connect_peer(&pc);

    if (rc == NGX_ERROR || rc == NGX_DECLINED || rc == NGX_BUSY) {
        return rc;
    }

    c = pc.connection;
    c->log_error = NGX_ERROR_ERR;
    c->sendfile = 0;

    ngx_canopy_exchange_adopt(x, c);

    c->read->handler = ngx_canopy_connect_read_handler;
    c->write->handler = ngx_canopy_connect_write_handler;

    ngx_add_timer(c->write, x->server->connect_timeout);

    return rc;
}


/*
 * What is wrong while connecting is reported by the write event, too.
 */

static void
ngx_canopy_connect_read_handler(ngx_event_t *rev)
{
    ngx_connection_t  *c;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, rev->log, 0,
                   "canopy read event while connecting");

    c = rev->data;

    if (c->close) {

        /* the worker has to leave, "worker_shutdown_timeout" is over */

        ngx_canopy_exchange_timeout(c->data);
    }
}


static void
ngx_canopy_connect_write_handler(ngx_event_t *wev)
{
    ngx_err_t               err;
    ngx_connection_t       *c;
    ngx_canopy_exchange_t  *x;

    c = wev->data;
    x = c->data;

    if (wev->timedout) {
        ngx_canopy_exchange_log(x, NGX_ETIMEDOUT, "upstream timed out",
                                "connecting to upstream");
        ngx_canopy_connect_next(x, CANOPY_CONNECTION_TIMEOUT);
        return;
    }

    err = ngx_canopy_connect_test(c);

    if (err) {
        ngx_canopy_exchange_log(x, err, "connect() failed",
                                "connecting to upstream");
        ngx_canopy_connect_next(x, CANOPY_CONNECTION_REFUSED);
        return;
    }

    ngx_canopy_connect_connected(x);
}


static ngx_err_t
ngx_canopy_connect_test(ngx_connection_t *c)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(int);

    /* BSDs and Linux return 0 and set a pending error in err */

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    return err;
}


static void
ngx_canopy_connect_connected(ngx_canopy_exchange_t *x)
{
    ngx_int_t             rc;
    ngx_connection_t     *c;
    ngx_canopy_server_t  *server;

    c = x->connection;
    server = x->server;

    if (server->ssl == NULL) {
        x->state->connect_time = ngx_current_msec - x->start;
        ngx_canopy_transfer(x);
        return;
    }

    x->step = NGX_CANOPY_EXCHANGE_HANDSHAKE;
    x->log->action = "SSL handshaking to upstream";

    /*
     * No NGX_SSL_BUFFER: its buffer would hold the request in clear as long
     * as the connection is kept.
     */

    c->pool = ngx_create_pool(256, x->log);

    if (c->pool == NULL
        || ngx_ssl_create_connection(server->ssl, c, NGX_SSL_CLIENT) != NGX_OK
        || (server->sni.len && SSL_set_tlsext_host_name(c->ssl->connection,
                                                     (char *) server->sni.data)
                            == 0)
        || ngx_tcp_nodelay(c) != NGX_OK)
    {
        ngx_canopy_exchange_finish(x, CANOPY_PROXY_INTERNAL_ERROR);
        return;
    }

    if (server->tls->session_reuse) {
        c->ssl->save_session = ngx_canopy_connect_save_session;

        if (server->session && ngx_ssl_set_session(c, server->session) != NGX_OK) {
            ngx_canopy_exchange_finish(x, CANOPY_PROXY_INTERNAL_ERROR);
            return;
        }
    }

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = ngx_canopy_connect_handshake_handler;
        return;
    }

    ngx_canopy_connect_handshaked(x);
}


static void
ngx_canopy_connect_handshake_handler(ngx_connection_t *c)
{
    ngx_canopy_connect_handshaked(c->data);
}


static void
ngx_canopy_connect_handshaked(ngx_canopy_exchange_t *x)
{
    const char        *fault;
    ngx_connection_t  *c;

    c = x->connection;

    if (c->write->timedout || c->read->timedout) {
        ngx_canopy_exchange_log(x, NGX_ETIMEDOUT, "upstream timed out",
                                "SSL handshaking to upstream");
        ngx_canopy_connect_next(x, CANOPY_CONNECTION_TIMEOUT);
        return;
    }

    if (!c->ssl->handshaked) {
        ngx_canopy_exchange_log(x, 0, "upstream SSL handshake failed",
                                "SSL handshaking to upstream");
        ngx_canopy_connect_next(x, CANOPY_TLS_PROTOCOL_ERROR);
        return;
    }

    fault = x->server->tls->verify ? ngx_canopy_tls_verify(c) : NULL;

    if (fault) {
        ngx_log_error(NGX_LOG_ERR, x->log, 0,
                      "upstream SSL certificate verify error: %s, "
                      "environment: \"%V\", upstream: \"%V\"",
                      fault, x->server->environment, &x->round.current.name);
        ngx_canopy_connect_next(x, CANOPY_TLS_CERTIFICATE_ERROR);
        return;
    }

    x->state->connect_time = ngx_current_msec - x->start;

    ngx_canopy_transfer(x);
}


/*
 * A session ticket is worth keeping only if it is of the right peer.
 */

static void
ngx_canopy_connect_save_session(ngx_connection_t *c)
{
    ngx_ssl_session_t      *session;
    ngx_canopy_server_t    *server;
    ngx_canopy_exchange_t  *x;

    if (c->idle) {
        return;
    }

    x = c->data;
    server = x->server;

    if (server->tls->verify
        && SSL_get_verify_result(c->ssl->connection) != X509_V_OK)
    {
        return;
    }

    session = ngx_ssl_get_session(c);

    if (session) {
        if (server->session) {
            ngx_ssl_free_session(server->session);
        }

        server->session = session;
    }
}


/*
 * This address can't be connected to; nothing was sent, so the next one may
 * be tried.
 */

static void
ngx_canopy_connect_next(ngx_canopy_exchange_t *x, canopy_error_e error)
{
    x->error = error;

    ngx_canopy_peers_failed(x->server->peers, &x->round);
    ngx_canopy_exchange_close(x);
    ngx_canopy_connect(x);
}
