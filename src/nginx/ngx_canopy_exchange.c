
/*
 * A request on its way to a server.
 *
 * It is a small client of its own on nginx's events and not an upstream of
 * nginx, because the outcome hangs on facts that ngx_http_upstream.c keeps to
 * itself: whether a byte of the request left, in which step an attempt failed,
 * and that an answer's head is complete although its body is not.
 */


#include "ngx_canopy_exchange.h"
#include "ngx_canopy_connect.h"
#include "ngx_canopy_transfer.h"
#include "canopy_media.h"


ngx_canopy_exchange_t *
ngx_canopy_exchange_create(ngx_canopy_server_t *server, ngx_pool_t *pool,
    ngx_log_t *log, size_t size)
{
    ngx_canopy_exchange_t  *x;

    x = ngx_pcalloc(pool, sizeof(ngx_canopy_exchange_t));
    if (x == NULL) {
        return NULL;
    }

    x->request = ngx_pnalloc(pool, size);
    if (x->request == NULL) {
        return NULL;
    }

    x->pos = x->request;
    x->last = x->request;
    x->end = x->request + size;

    x->server = server;
    x->pool = pool;
    x->log = log;
    x->keepalive = (server->keepalive && !ngx_exiting && !ngx_terminate);

    canopy_answer_init(&x->answer);

    return x;
}


void
ngx_canopy_exchange_start(ngx_canopy_exchange_t *x)
{
    ngx_connection_t        *c;
    ngx_canopy_keepalive_t  *keepalive;

    keepalive = x->server->keepalive;

    if (!x->fresh && keepalive) {
        c = ngx_canopy_keepalive_get(keepalive, &x->round.current);

        if (c) {
            ngx_canopy_exchange_adopt(x, c);

            if (ngx_canopy_exchange_state(x) != NGX_OK) {
                ngx_canopy_exchange_finish(x, CANOPY_PROXY_INTERNAL_ERROR);
                return;
            }

            x->reused = 1;
            x->state->connect_time = 0;

            ngx_canopy_transfer(x);
            return;
        }
    }

    ngx_canopy_connect(x);
}


void
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
}


/*
 * Opens a line for nginx's own $upstream_* variables: one for each address
 * that is tried.
 */

ngx_int_t
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


void
ngx_canopy_exchange_timeout(ngx_canopy_exchange_t *x)
{
    if (x->step == NGX_CANOPY_EXCHANGE_DONE) {
        return;
    }

    ngx_canopy_exchange_log(x, NGX_ETIMEDOUT, "upstream exchange timed out",
                            NULL);

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
ngx_canopy_exchange_finish(ngx_canopy_exchange_t *x, canopy_error_e error)
{
    ngx_connection_t     *c;
    ngx_canopy_server_t  *server;

    server = x->server;

    x->step = NGX_CANOPY_EXCHANGE_DONE;
    x->error = error;
    x->log->action = NULL;

    c = x->connection;

    if (c && error == CANOPY_OK && x->keepalive && !x->cut && !x->too_large
        && x->generation == server->generation)
    {
        x->connection = NULL;
        ngx_canopy_keepalive_put(server->keepalive, c, &x->round.current,
                                 x->generation);
    }

    ngx_canopy_exchange_close(x);

    x->handler(x);
}


canopy_answer_meaning_t
ngx_canopy_exchange_meaning(ngx_canopy_exchange_t *x)
{
    canopy_body_e   body;
    canopy_slice_t  type;

    type.data = x->answer.content_type.data;
    type.len = x->answer.content_type.len;

    if (x->body_len == 0 && !x->cut && !x->too_large) {
        body = CANOPY_BODY_NONE;

    } else if (canopy_media_is_json(type)) {
        body = CANOPY_BODY_JSON;

    } else {
        body = CANOPY_BODY_OTHER;
    }

    return canopy_answer_meaning(x->answer.status, body);
}


void
ngx_canopy_exchange_close(ngx_canopy_exchange_t *x)
{
    if (x->connection) {
        ngx_canopy_close_connection(x->connection);
        x->connection = NULL;
    }

    if (x->state && x->state->response_time == (ngx_msec_t) -1) {
        x->state->response_time = ngx_current_msec - x->start;

        /* nginx's variables have a status for those without an answer, too */

        if (x->state->status == 0 && x->error != CANOPY_OK) {
            x->state->status = canopy_error(x->error)->status;
        }
    }
}


void
ngx_canopy_exchange_end(ngx_canopy_exchange_t *x)
{
    if (x->ended) {
        return;
    }

    x->ended = 1;
    x->step = NGX_CANOPY_EXCHANGE_DONE;

    ngx_canopy_peers_forget(&x->waiter);
    ngx_canopy_exchange_close(x);

    ngx_explicit_memzero(x->request, x->end - x->request);
    x->credential.len = 0;

    if (x->body) {
        ngx_explicit_memzero(x->body, x->body_len);
        x->body_len = 0;
    }

    canopy_answer_wipe(&x->answer);
}


void
ngx_canopy_exchange_log(ngx_canopy_exchange_t *x, ngx_err_t err, char *what,
    char *action)
{
    if (action) {
        x->log->action = action;
    }

    ngx_log_error(NGX_LOG_ERR, x->log, err,
                  "%s, environment: \"%V\", upstream: \"%V\"",
                  what, x->server->environment, &x->round.current.name);
}
