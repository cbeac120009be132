
/*
 * One copy of a request on its way: connect, TLS, send, read the answer.
 *
 * It is a small client of its own on nginx's events and not an upstream of
 * nginx, because the outcome hangs on facts that ngx_http_upstream.c keeps to
 * itself: whether a byte of the request left, in which step an attempt failed,
 * and that an answer's head is complete although its body is not.
 */


#include "ngx_canopy_exchange.h"
#include "canopy_uuid.h"


#define NGX_CANOPY_BODY_TIMEOUT  5000   /* ms, for a body behind its head */
#define NGX_CANOPY_READ_SIZE     4096
#define NGX_CANOPY_BODY_SIZE     1024   /* to begin with */


static u_char *ngx_canopy_exchange_append(u_char *p, ngx_str_t *s);
static void ngx_canopy_exchange_connect(ngx_canopy_exchange_t *x);
static void ngx_canopy_exchange_resolved(void *data, ngx_int_t state);
static void ngx_canopy_exchange_unresolved(ngx_canopy_exchange_t *x,
    ngx_int_t state);
static ngx_int_t ngx_canopy_exchange_attempt(ngx_canopy_exchange_t *x);
static void ngx_canopy_exchange_adopt(ngx_canopy_exchange_t *x,
    ngx_connection_t *c);
static ngx_int_t ngx_canopy_exchange_test_connect(ngx_connection_t *c);
static void ngx_canopy_exchange_connected(ngx_canopy_exchange_t *x);
static void ngx_canopy_exchange_handshake_handler(ngx_connection_t *c);
static void ngx_canopy_exchange_handshaked(ngx_canopy_exchange_t *x);
static void ngx_canopy_exchange_save_session(ngx_connection_t *c);
static void ngx_canopy_exchange_next(ngx_canopy_exchange_t *x,
    canopy_error_e error);
static void ngx_canopy_exchange_write_handler(ngx_event_t *wev);
static void ngx_canopy_exchange_send(ngx_canopy_exchange_t *x);
static void ngx_canopy_exchange_read_handler(ngx_event_t *rev);
static void ngx_canopy_exchange_read(ngx_canopy_exchange_t *x);
static ngx_int_t ngx_canopy_exchange_parse(ngx_canopy_exchange_t *x,
    u_char *pos, u_char *last);
static void ngx_canopy_exchange_head(ngx_canopy_exchange_t *x);
static ngx_int_t ngx_canopy_exchange_body(ngx_canopy_exchange_t *x,
    canopy_slice_t *piece);
static void ngx_canopy_exchange_eof(ngx_canopy_exchange_t *x, ngx_int_t rc);
static ngx_int_t ngx_canopy_exchange_state(ngx_canopy_exchange_t *x);
static void ngx_canopy_exchange_log(ngx_canopy_exchange_t *x, ngx_err_t err,
    char *what, char *action);
static void ngx_canopy_exchange_close(ngx_canopy_exchange_t *x);
static void ngx_canopy_exchange_finish(ngx_canopy_exchange_t *x,
    canopy_error_e error);


static ngx_str_t  ngx_canopy_request_id_name =
    ngx_string("X-Request-ID: ");
static ngx_str_t  ngx_canopy_authorization_name =
    ngx_string(CRLF "Authorization: Bearer ");
static ngx_str_t  ngx_canopy_request_end = ngx_string(CRLF CRLF);
static ngx_str_t  ngx_canopy_request_end_close =
    ngx_string(CRLF "Connection: close" CRLF CRLF);


canopy_error_e
ngx_canopy_exchange_create(ngx_canopy_environment_t *env, ngx_pool_t *pool,
    ngx_log_t *log, u_char *task_id, ngx_str_t *request_id,
    ngx_canopy_exchange_t **exchange)
{
    u_char                 *p;
    size_t                  size;
    ngx_str_t              *end;
    ngx_canopy_secret_t    *secret;
    ngx_canopy_exchange_t  *x;

    secret = ngx_canopy_environment_credential(env, log, 0);
    if (secret == NULL) {
        return CANOPY_CREDENTIAL_UNAVAILABLE;
    }

    x = ngx_pcalloc(pool, sizeof(ngx_canopy_exchange_t));
    if (x == NULL) {
        return CANOPY_PROXY_INTERNAL_ERROR;
    }

    x->environment = env;
    x->pool = pool;
    x->log = log;
    x->keepalive = (env->keepalive && !ngx_exiting && !ngx_terminate);

    end = x->keepalive ? &ngx_canopy_request_end
                       : &ngx_canopy_request_end_close;

    size = env->head.len + CANOPY_UUID_LEN + env->tail.len
           + ngx_canopy_request_id_name.len + request_id->len
           + ngx_canopy_authorization_name.len + secret->value.len
           + end->len;

    p = ngx_pnalloc(pool, size);
    if (p == NULL) {
        return CANOPY_PROXY_INTERNAL_ERROR;
    }

    x->request = p;
    x->pos = p;

    p = ngx_canopy_exchange_append(p, &env->head);
    p = ngx_cpymem(p, task_id, CANOPY_UUID_LEN);
    p = ngx_canopy_exchange_append(p, &env->tail);
    p = ngx_canopy_exchange_append(p, &ngx_canopy_request_id_name);
    p = ngx_canopy_exchange_append(p, request_id);
    p = ngx_canopy_exchange_append(p, &ngx_canopy_authorization_name);

    x->credential.data = p;
    x->credential.len = secret->value.len;
    x->generation = secret->generation;

    p = ngx_canopy_exchange_append(p, &secret->value);
    p = ngx_canopy_exchange_append(p, end);

    x->last = p;

    canopy_answer_init(&x->answer);

    *exchange = x;

    return CANOPY_OK;
}


static u_char *
ngx_canopy_exchange_append(u_char *p, ngx_str_t *s)
{
    return ngx_cpymem(p, s->data, s->len);
}


void
ngx_canopy_exchange_start(ngx_canopy_exchange_t *x)
{
    ngx_connection_t          *c;
    ngx_canopy_environment_t  *env;

    env = x->environment;

    if (!x->fresh && env->keepalive) {
        c = ngx_canopy_keepalive_get(env->keepalive, &x->round.current);

        if (c) {
            ngx_canopy_exchange_adopt(x, c);

            if (ngx_canopy_exchange_state(x) != NGX_OK) {
                ngx_canopy_exchange_finish(x, CANOPY_PROXY_INTERNAL_ERROR);
                return;
            }

            x->reused = 1;
            x->state->connect_time = 0;

            ngx_canopy_exchange_send(x);
            return;
        }
    }

    ngx_canopy_exchange_connect(x);
}


static void
ngx_canopy_exchange_connect(ngx_canopy_exchange_t *x)
{
    ngx_int_t            rc, state;
    ngx_canopy_peers_t  *peers;

    peers = x->environment->peers;

    for ( ;; ) {
        rc = ngx_canopy_peers_next(peers, &x->round);

        if (rc == NGX_AGAIN) {
            x->step = NGX_CANOPY_EXCHANGE_RESOLVE;
            x->waiter.handler = ngx_canopy_exchange_resolved;
            x->waiter.data = x;

            rc = ngx_canopy_peers_wait(peers, &x->waiter, &state);

            if (rc == NGX_OK) {
                continue;
            }

            if (rc == NGX_DECLINED) {
                ngx_canopy_exchange_unresolved(x, state);
            }

            return;
        }

        if (rc == NGX_DECLINED) {

            /* all were tried: the reason of the last one stands */

            ngx_canopy_exchange_finish(x, x->error ? x->error
                                                   : CANOPY_CONNECTION_REFUSED);
            return;
        }

        rc = ngx_canopy_exchange_attempt(x);

        if (rc == NGX_ERROR || rc == NGX_DECLINED) {

            /* an error may be this address family's, which isn't there */

            x->error = (rc == NGX_ERROR) ? CANOPY_PROXY_INTERNAL_ERROR
                                         : CANOPY_CONNECTION_REFUSED;

            ngx_canopy_peers_failed(peers, &x->round);
            continue;
        }

        if (rc == NGX_OK) {
            ngx_canopy_exchange_connected(x);
        }

        return;
    }
}


static void
ngx_canopy_exchange_resolved(void *data, ngx_int_t state)
{
    ngx_canopy_exchange_t *x = data;

    if (state != NGX_OK) {
        ngx_canopy_exchange_unresolved(x, state);
        return;
    }

    ngx_canopy_exchange_connect(x);
}


static void
ngx_canopy_exchange_unresolved(ngx_canopy_exchange_t *x, ngx_int_t state)
{
    ngx_canopy_peers_t  *peers;

    peers = x->environment->peers;

    ngx_log_error(NGX_LOG_ERR, x->log, 0,
                  "upstream host \"%V\" could not be resolved (%i: %s), "
                  "environment: \"%V\"",
                  &peers->host, state, ngx_resolver_strerror(state),
                  &x->environment->name);

    ngx_canopy_exchange_finish(x, state == NGX_RESOLVE_TIMEDOUT
                                      ? CANOPY_DNS_TIMEOUT : CANOPY_DNS_ERROR);
}


/*
 * Returns NGX_OK, NGX_AGAIN, NGX_DECLINED as ngx_event_connect_peer() does,
 * NGX_ERROR if it is the gateway's own fault.
 */

static ngx_int_t
ngx_canopy_exchange_attempt(ngx_canopy_exchange_t *x)
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

    ngx_add_timer(c->write, x->environment->connect_timeout);

    return rc;
}


static void
ngx_canopy_exchange_adopt(ngx_canopy_exchange_t *x, ngx_connection_t *c)
{
    x->connection = c;

    c->data = x;
    c->log = x->log;
    c->read->log = x->log;
    c->write->log = x->log;

    if (c->pool) {
        c->pool->log = x->log;
    }

    c->read->handler = ngx_canopy_exchange_read_handler;
    c->write->handler = ngx_canopy_exchange_write_handler;
}


static ngx_int_t
ngx_canopy_exchange_test_connect(ngx_connection_t *c)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(int);

    /* BSDs and Linux return 0 and set a pending error in err */

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        (void) ngx_connection_error(c, err, "connect() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_canopy_exchange_connected(ngx_canopy_exchange_t *x)
{
    ngx_int_t                  rc;
    ngx_connection_t          *c;
    ngx_canopy_environment_t  *env;

    c = x->connection;
    env = x->environment;

    if (env->ssl == NULL) {
        x->state->connect_time = ngx_current_msec - x->start;
        ngx_canopy_exchange_send(x);
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
        || ngx_ssl_create_connection(env->ssl, c, NGX_SSL_CLIENT) != NGX_OK
        || (env->sni.len && SSL_set_tlsext_host_name(c->ssl->connection,
                                                     (char *) env->sni.data)
                            == 0)
        || ngx_tcp_nodelay(c) != NGX_OK)
    {
        ngx_canopy_exchange_finish(x, CANOPY_PROXY_INTERNAL_ERROR);
        return;
    }

    if (env->tls.session_reuse) {
        c->ssl->save_session = ngx_canopy_exchange_save_session;

        if (env->session && ngx_ssl_set_session(c, env->session) != NGX_OK) {
            ngx_canopy_exchange_finish(x, CANOPY_PROXY_INTERNAL_ERROR);
            return;
        }
    }

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = ngx_canopy_exchange_handshake_handler;
        return;
    }

    ngx_canopy_exchange_handshaked(x);
}


static void
ngx_canopy_exchange_handshake_handler(ngx_connection_t *c)
{
    ngx_canopy_exchange_handshaked(c->data);
}


static void
ngx_canopy_exchange_handshaked(ngx_canopy_exchange_t *x)
{
    ngx_connection_t  *c;

    c = x->connection;

    if (c->write->timedout || c->read->timedout) {
        ngx_canopy_exchange_log(x, NGX_ETIMEDOUT, "timed out",
                                "SSL handshaking to upstream");
        ngx_canopy_exchange_next(x, CANOPY_CONNECTION_TIMEOUT);
        return;
    }

    if (!c->ssl->handshaked) {
        ngx_canopy_exchange_log(x, 0, "SSL handshake failed",
                                "SSL handshaking to upstream");
        ngx_canopy_exchange_next(x, CANOPY_TLS_PROTOCOL_ERROR);
        return;
    }

    if (x->environment->tls.verify && ngx_canopy_tls_verify(c) != NGX_OK) {
        ngx_canopy_exchange_next(x, CANOPY_TLS_CERTIFICATE_ERROR);
        return;
    }

    c->read->handler = ngx_canopy_exchange_read_handler;
    c->write->handler = ngx_canopy_exchange_write_handler;

    x->state->connect_time = ngx_current_msec - x->start;

    ngx_canopy_exchange_send(x);
}


/*
 * A session ticket is worth keeping only if it is of the right peer.
 */

static void
ngx_canopy_exchange_save_session(ngx_connection_t *c)
{
    ngx_ssl_session_t         *session;
    ngx_canopy_exchange_t     *x;
    ngx_canopy_environment_t  *env;

    if (c->idle) {
        return;
    }

    x = c->data;
    env = x->environment;

    if (env->tls.verify
        && SSL_get_verify_result(c->ssl->connection) != X509_V_OK)
    {
        return;
    }

    session = ngx_ssl_get_session(c);

    if (session) {
        if (env->session) {
            ngx_ssl_free_session(env->session);
        }

        env->session = session;
    }
}


/*
 * This address can't be connected to; nothing was sent, so the next one may
 * be tried.
 */

static void
ngx_canopy_exchange_next(ngx_canopy_exchange_t *x, canopy_error_e error)
{
    x->error = error;

    ngx_canopy_peers_failed(x->environment->peers, &x->round);
    ngx_canopy_exchange_close(x);
    ngx_canopy_exchange_connect(x);
}


static void
ngx_canopy_exchange_write_handler(ngx_event_t *wev)
{
    ngx_connection_t       *c;
    ngx_canopy_exchange_t  *x;

    c = wev->data;
    x = c->data;

    switch (x->step) {

    case NGX_CANOPY_EXCHANGE_CONNECT:

        if (wev->timedout) {
            ngx_canopy_exchange_log(x, NGX_ETIMEDOUT, "timed out",
                                    "connecting to upstream");
            ngx_canopy_exchange_next(x, CANOPY_CONNECTION_TIMEOUT);
            return;
        }

        if (ngx_canopy_exchange_test_connect(c) != NGX_OK) {
            ngx_canopy_exchange_next(x, CANOPY_CONNECTION_REFUSED);
            return;
        }

        ngx_canopy_exchange_connected(x);
        return;

    case NGX_CANOPY_EXCHANGE_SEND:

        if (wev->timedout) {
            ngx_canopy_exchange_log(x, NGX_ETIMEDOUT, "timed out",
                                    "sending request to upstream");
            ngx_canopy_exchange_finish(x, CANOPY_HTTP_RESPONSE_TIMEOUT);
            return;
        }

        ngx_canopy_exchange_send(x);
        return;

    default:

        /* everything is sent */

        if (ngx_handle_write_event(wev, 0) != NGX_OK) {
            ngx_canopy_exchange_finish(x, CANOPY_PROXY_INTERNAL_ERROR);
        }
    }
}


static void
ngx_canopy_exchange_send(ngx_canopy_exchange_t *x)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = x->connection;

    if (x->step < NGX_CANOPY_EXCHANGE_SEND) {

        /* from here on nobody can say that it was not sent */

        canopy_copies_sent(x->copies);

        x->step = NGX_CANOPY_EXCHANGE_SEND;
        x->error = CANOPY_OK;
        x->log->action = "sending request to upstream";
    }

    while (x->pos < x->last) {
        n = c->send(c, x->pos, x->last - x->pos);

        if (n == NGX_ERROR) {

            /* the answer may have come before the connection was closed */

            x->keepalive = 0;
            c->read->ready = 1;
            ngx_canopy_exchange_read(x);
            return;
        }

        if (n == NGX_AGAIN) {
            ngx_add_timer(c->write, x->environment->send_timeout);

            if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
                ngx_canopy_exchange_finish(x, CANOPY_PROXY_INTERNAL_ERROR);
            }

            return;
        }

        x->pos += n;
        x->state->bytes_sent += n;
    }

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    x->step = NGX_CANOPY_EXCHANGE_HEAD;
    x->log->action = "reading response header from upstream";

    ngx_add_timer(c->read, x->environment->read_timeout);

    if (c->read->ready) {
        ngx_canopy_exchange_read(x);
        return;
    }

    if (ngx_handle_read_event(c->read, 0) != NGX_OK
        || ngx_handle_write_event(c->write, 0) != NGX_OK)
    {
        ngx_canopy_exchange_finish(x, CANOPY_PROXY_INTERNAL_ERROR);
    }
}


static void
ngx_canopy_exchange_read_handler(ngx_event_t *rev)
{
    ngx_connection_t       *c;
    ngx_canopy_exchange_t  *x;

    c = rev->data;
    x = c->data;

    if (x->step < NGX_CANOPY_EXCHANGE_SEND) {

        /* an error while connecting is reported by the write event, too */

        return;
    }

    if (rev->timedout) {

        if (x->step == NGX_CANOPY_EXCHANGE_BODY) {
            ngx_canopy_exchange_log(x, NGX_ETIMEDOUT, "timed out",
                                    "reading response body from upstream");
            x->cut = 1;
            ngx_canopy_exchange_finish(x, CANOPY_OK);
            return;
        }

        ngx_canopy_exchange_log(x, NGX_ETIMEDOUT, "timed out",
                                "reading response header from upstream");
        ngx_canopy_exchange_finish(x, CANOPY_HTTP_RESPONSE_TIMEOUT);
        return;
    }

    ngx_canopy_exchange_read(x);
}


static void
ngx_canopy_exchange_read(ngx_canopy_exchange_t *x)
{
    ssize_t            n;
    u_char             buf[NGX_CANOPY_READ_SIZE];
    ngx_connection_t  *c;

    c = x->connection;

    for ( ;; ) {
        n = c->recv(c, buf, NGX_CANOPY_READ_SIZE);

        if (n == NGX_AGAIN) {

            if (c->write->error) {
                ngx_canopy_exchange_eof(x, NGX_ERROR);
                return;
            }

            if (x->step == NGX_CANOPY_EXCHANGE_HEAD) {
                ngx_add_timer(c->read, x->environment->read_timeout);
            }

            if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
                ngx_canopy_exchange_finish(x, CANOPY_PROXY_INTERNAL_ERROR);
            }

            return;
        }

        if (n == 0 || n == NGX_ERROR) {
            ngx_canopy_exchange_eof(x, n);
            return;
        }

        x->received = 1;
        x->state->bytes_received += n;

        if (ngx_canopy_exchange_parse(x, buf, buf + n) == NGX_DONE) {
            return;
        }
    }
}


/*
 * Returns NGX_DONE if the exchange has ended, NGX_AGAIN if more is needed.
 */

static ngx_int_t
ngx_canopy_exchange_parse(ngx_canopy_exchange_t *x, u_char *pos, u_char *last)
{
    const uint8_t       *p;
    canopy_slice_t       piece;
    canopy_answer_rc_e   rc;

    p = pos;

    for ( ;; ) {
        rc = canopy_answer_parse(&x->answer, &p, last, &piece);

        switch (rc) {

        case CANOPY_ANSWER_AGAIN:
            return NGX_AGAIN;

        case CANOPY_ANSWER_HEAD:
            ngx_canopy_exchange_head(x);
            break;

        case CANOPY_ANSWER_BODY:
            if (ngx_canopy_exchange_body(x, &piece) == NGX_DONE) {
                ngx_canopy_exchange_finish(x, CANOPY_OK);
                return NGX_DONE;
            }

            break;

        case CANOPY_ANSWER_DONE:
            if (p != last || x->pos != x->last || !x->answer.keepalive) {
                x->keepalive = 0;
            }

            ngx_canopy_exchange_finish(x, CANOPY_OK);
            return NGX_DONE;

        case CANOPY_ANSWER_BAD_BODY:
            ngx_canopy_exchange_log(x, 0, "sent a response without an end",
                                    "reading response body from upstream");
            x->cut = 1;
            ngx_canopy_exchange_finish(x, CANOPY_OK);
            return NGX_DONE;

        default: /* CANOPY_ANSWER_BAD_HEAD */
            ngx_canopy_exchange_log(x, 0, "sent an invalid response header",
                                    "reading response header from upstream");
            ngx_canopy_exchange_finish(x, CANOPY_HTTP_PROTOCOL_ERROR);
            return NGX_DONE;
        }
    }
}


static void
ngx_canopy_exchange_head(ngx_canopy_exchange_t *x)
{
    ngx_connection_t  *c;

    c = x->connection;

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    x->step = NGX_CANOPY_EXCHANGE_BODY;
    x->log->action = "reading response body from upstream";

    x->state->status = x->answer.status;
    x->state->header_time = ngx_current_msec - x->start;

    /* for the whole body, however it trickles */

    if (x->answer.framing != CANOPY_FRAMING_NONE) {
        if (c->read->timer_set) {
            ngx_del_timer(c->read);
        }

        ngx_add_timer(c->read, NGX_CANOPY_BODY_TIMEOUT);
    }
}


/*
 * Returns NGX_DONE if no more of the body is wanted.
 */

static ngx_int_t
ngx_canopy_exchange_body(ngx_canopy_exchange_t *x, canopy_slice_t *piece)
{
    u_char  *body;
    size_t   limit, size;

    limit = x->environment->response_limit;

    if (piece->len > limit - x->body_len) {
        x->too_large = 1;
        return NGX_DONE;
    }

    if (piece->len > x->body_size - x->body_len) {
        if (x->answer.framing == CANOPY_FRAMING_LENGTH) {
            size = ngx_max((size_t) x->answer.length, piece->len);

        } else {
            size = ngx_max(x->body_size * 2, (size_t) NGX_CANOPY_BODY_SIZE);
            size = ngx_max(size, x->body_len + piece->len);
        }

        size = ngx_min(size, limit);

        body = ngx_pnalloc(x->pool, size);
        if (body == NULL) {
            x->cut = 1;
            return NGX_DONE;
        }

        if (x->body_len) {
            ngx_memcpy(body, x->body, x->body_len);
            ngx_explicit_memzero(x->body, x->body_len);
        }

        x->body = body;
        x->body_size = size;
    }

    ngx_memcpy(x->body + x->body_len, piece->data, piece->len);

    x->body_len += piece->len;
    x->state->response_length += piece->len;

    return NGX_OK;
}


static void
ngx_canopy_exchange_eof(ngx_canopy_exchange_t *x, ngx_int_t rc)
{
    x->keepalive = 0;

    if (x->step == NGX_CANOPY_EXCHANGE_BODY) {

        if (rc == NGX_ERROR
            || canopy_answer_eof(&x->answer) != CANOPY_ANSWER_DONE)
        {
            ngx_canopy_exchange_log(x, 0, "prematurely closed connection",
                                    "reading response body from upstream");
            x->cut = 1;
        }

        ngx_canopy_exchange_finish(x, CANOPY_OK);
        return;
    }

    x->stale = (x->reused && !x->received);

    if (!x->stale) {
        ngx_canopy_exchange_log(x, 0, "prematurely closed connection",
                                "reading response header from upstream");
    }

    ngx_canopy_exchange_finish(x, CANOPY_CONNECTION_TERMINATED);
}


void
ngx_canopy_exchange_timeout(ngx_canopy_exchange_t *x)
{
    if (x->step == NGX_CANOPY_EXCHANGE_DONE) {
        return;
    }

    ngx_canopy_exchange_log(x, NGX_ETIMEDOUT, "exchange timed out", NULL);

    switch (x->step) {

    case NGX_CANOPY_EXCHANGE_RESOLVE:
        ngx_canopy_exchange_finish(x, CANOPY_DNS_TIMEOUT);
        break;

    case NGX_CANOPY_EXCHANGE_CONNECT:
    case NGX_CANOPY_EXCHANGE_HANDSHAKE:
        ngx_canopy_exchange_finish(x, CANOPY_CONNECTION_TIMEOUT);
        break;

    case NGX_CANOPY_EXCHANGE_BODY:
        x->cut = 1;
        ngx_canopy_exchange_finish(x, CANOPY_OK);
        break;

    default:
        ngx_canopy_exchange_finish(x, CANOPY_HTTP_RESPONSE_TIMEOUT);
    }
}


void
ngx_canopy_exchange_end(ngx_canopy_exchange_t *x)
{
    x->step = NGX_CANOPY_EXCHANGE_DONE;

    ngx_canopy_peers_forget(&x->waiter);
    ngx_canopy_exchange_close(x);

    ngx_explicit_memzero(x->request, x->last - x->request);
    x->credential.len = 0;

    if (x->body) {
        ngx_explicit_memzero(x->body, x->body_len);
        x->body_len = 0;
    }
}


/*
 * Opens a line for nginx's own $upstream_* variables: one for each address
 * that is tried.
 */

static ngx_int_t
ngx_canopy_exchange_state(ngx_canopy_exchange_t *x)
{
    ngx_str_t                  *name;
    ngx_http_upstream_state_t  *state;

    x->start = ngx_current_msec;

    name = ngx_palloc(x->pool, sizeof(ngx_str_t) + x->round.current.name.len);
    if (name == NULL) {
        return NGX_ERROR;
    }

    name->data = (u_char *) (name + 1);
    name->len = x->round.current.name.len;
    ngx_memcpy(name->data, x->round.current.name.data, name->len);

    state = ngx_array_push(x->states);
    if (state == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(state, sizeof(ngx_http_upstream_state_t));

    state->response_time = (ngx_msec_t) -1;
    state->connect_time = (ngx_msec_t) -1;
    state->header_time = (ngx_msec_t) -1;
    state->peer = name;

    x->state = state;

    return NGX_OK;
}


static void
ngx_canopy_exchange_log(ngx_canopy_exchange_t *x, ngx_err_t err, char *what,
    char *action)
{
    if (action) {
        x->log->action = action;
    }

    ngx_log_error(NGX_LOG_ERR, x->log, err,
                  "upstream %s, environment: \"%V\", upstream: \"%V\"",
                  what, &x->environment->name, &x->round.current.name);
}


static void
ngx_canopy_exchange_close(ngx_canopy_exchange_t *x)
{
    if (x->connection) {
        ngx_canopy_close_connection(x->connection);
        x->connection = NULL;
    }

    if (x->state && x->state->response_time == (ngx_msec_t) -1) {
        x->state->response_time = ngx_current_msec - x->start;
    }
}


static void
ngx_canopy_exchange_finish(ngx_canopy_exchange_t *x, canopy_error_e error)
{
    ngx_connection_t          *c;
    ngx_canopy_environment_t  *env;

    env = x->environment;

    x->step = NGX_CANOPY_EXCHANGE_DONE;
    x->error = error;

    c = x->connection;

    if (c && error == CANOPY_OK && x->keepalive && !x->cut && !x->too_large
        && x->generation == env->secret->generation)
    {
        x->connection = NULL;
        ngx_canopy_keepalive_put(env->keepalive, c, &x->round.current,
                                 x->generation);
    }

    ngx_canopy_exchange_close(x);

    x->handler(x);
}
