
/*
 * One copy of a request on its way.
 *
 * It is a small client of its own on nginx's events and not an upstream of
 * nginx, because the outcome hangs on facts that ngx_http_upstream.c keeps to
 * itself: whether a byte of the request left, in which step an attempt failed,
 * and that an answer's head is complete although its body is not.
 */


#include "ngx_canopy_exchange.h"
#include "ngx_canopy_connect.h"
#include "ngx_canopy_transfer.h"
#include "canopy_uuid.h"


static u_char *ngx_canopy_exchange_append(u_char *p, ngx_str_t *s);


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
    ngx_connection_t          *c;
    ngx_canopy_environment_t  *env;

    env = x->environment;

    x->step = NGX_CANOPY_EXCHANGE_DONE;
    x->error = error;
    x->log->action = NULL;

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


void
ngx_canopy_exchange_log(ngx_canopy_exchange_t *x, ngx_err_t err, char *what,
    char *action)
{
    if (action) {
        x->log->action = action;
    }

    ngx_log_error(NGX_LOG_ERR, x->log, err,
                  "%s, environment: \"%V\", upstream: \"%V\"",
                  what, &x->environment->name, &x->round.current.name);
}
