
/*
 * The second part of an exchange: the request out, the answer in.
 */


#include "ngx_canopy_transfer.h"
#include "canopy_redact.h"


#define NGX_CANOPY_BODY_TIMEOUT  5000   /* ms, for a body behind its head */
#define NGX_CANOPY_READ_SIZE     4096
#define NGX_CANOPY_BODY_SIZE     1024   /* to begin with */


static void ngx_canopy_transfer_write_handler(ngx_event_t *wev);
static void ngx_canopy_transfer_send(ngx_canopy_exchange_t *x);
static void ngx_canopy_transfer_read_handler(ngx_event_t *rev);
static void ngx_canopy_transfer_read(ngx_canopy_exchange_t *x);
static ngx_int_t ngx_canopy_transfer_parse(ngx_canopy_exchange_t *x,
    u_char *pos, u_char *last);
static void ngx_canopy_transfer_head(ngx_canopy_exchange_t *x);
static ngx_int_t ngx_canopy_transfer_body(ngx_canopy_exchange_t *x,
    canopy_slice_t *piece);
static void ngx_canopy_transfer_eof(ngx_canopy_exchange_t *x, ngx_int_t rc);
static void ngx_canopy_transfer_failed(ngx_canopy_exchange_t *x);


void
ngx_canopy_transfer(ngx_canopy_exchange_t *x)
{
    canopy_error_e     error;
    ngx_connection_t  *c;

    c = x->connection;

    c->read->handler = ngx_canopy_transfer_read_handler;
    c->write->handler = ngx_canopy_transfer_write_handler;

    error = x->permit ? x->permit(x) : CANOPY_OK;

    if (error != CANOPY_OK) {
        x->forbidden = 1;
        ngx_canopy_exchange_finish(x, error);
        return;
    }

    /* from here on nobody can say that it was not sent */

    canopy_copies_sent(x->copies);
    x->sent = 1;

    x->step = NGX_CANOPY_EXCHANGE_SEND;
    x->error = CANOPY_OK;
    x->log->action = "sending request to upstream";

    ngx_canopy_transfer_send(x);
}


static void
ngx_canopy_transfer_write_handler(ngx_event_t *wev)
{
    ngx_connection_t       *c;
    ngx_canopy_exchange_t  *x;

    c = wev->data;
    x = c->data;

    if (x->step != NGX_CANOPY_EXCHANGE_SEND) {

        /* everything is sent, or nobody wants the rest */

        if (ngx_handle_write_event(wev, 0) != NGX_OK) {
            ngx_canopy_transfer_failed(x);
        }

        return;
    }

    if (wev->timedout) {
        ngx_canopy_exchange_log(x, NGX_ETIMEDOUT, "upstream timed out",
                                "sending request to upstream");
        ngx_canopy_exchange_finish(x, CANOPY_HTTP_RESPONSE_TIMEOUT);
        return;
    }

    ngx_canopy_transfer_send(x);
}


static void
ngx_canopy_transfer_send(ngx_canopy_exchange_t *x)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = x->connection;

    while (x->pos < x->last) {
        n = c->send(c, x->pos, x->last - x->pos);

        if (n == NGX_ERROR) {

            /* the answer may have come before the connection was closed */

            x->keepalive = 0;
            c->read->ready = 1;
            ngx_canopy_transfer_read(x);
            return;
        }

        if (n == NGX_AGAIN) {
            ngx_add_timer(c->write, x->server->send_timeout);

            if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
                ngx_canopy_transfer_failed(x);
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

    ngx_add_timer(c->read, x->server->read_timeout);

    if (c->read->ready) {
        ngx_canopy_transfer_read(x);
        return;
    }

    if (ngx_handle_read_event(c->read, 0) != NGX_OK
        || ngx_handle_write_event(c->write, 0) != NGX_OK)
    {
        ngx_canopy_transfer_failed(x);
    }
}


static void
ngx_canopy_transfer_read_handler(ngx_event_t *rev)
{
    ngx_connection_t       *c;
    ngx_canopy_exchange_t  *x;

    c = rev->data;
    x = c->data;

    if (c->close) {

        /* the worker has to leave, "worker_shutdown_timeout" is over */

        ngx_canopy_exchange_timeout(x);
        return;
    }

    if (rev->timedout) {

        if (x->step == NGX_CANOPY_EXCHANGE_BODY) {
            ngx_canopy_exchange_log(x, NGX_ETIMEDOUT, "upstream timed out",
                                    "reading response body from upstream");
            x->cut = 1;
            ngx_canopy_exchange_finish(x, CANOPY_OK);
            return;
        }

        ngx_canopy_exchange_log(x, NGX_ETIMEDOUT, "upstream timed out",
                                "reading response header from upstream");
        ngx_canopy_exchange_finish(x, CANOPY_HTTP_RESPONSE_TIMEOUT);
        return;
    }

    ngx_canopy_transfer_read(x);
}


static void
ngx_canopy_transfer_read(ngx_canopy_exchange_t *x)
{
    ssize_t            n;
    u_char             buf[NGX_CANOPY_READ_SIZE];
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = x->connection;

    for ( ;; ) {
        n = c->recv(c, buf, NGX_CANOPY_READ_SIZE);

        if (n == NGX_AGAIN) {

            if (c->write->error) {
                ngx_canopy_transfer_eof(x, NGX_ERROR);
                return;
            }

            if (x->step == NGX_CANOPY_EXCHANGE_HEAD) {
                ngx_add_timer(c->read, x->server->read_timeout);
            }

            if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
                ngx_canopy_transfer_failed(x);
            }

            return;
        }

        if (n == 0 || n == NGX_ERROR) {
            ngx_canopy_transfer_eof(x, n);
            return;
        }

        x->received = 1;
        x->state->bytes_received += n;

        rc = ngx_canopy_transfer_parse(x, buf, buf + n);

        /* a token may have come, or an upstream says what it was told */

        ngx_explicit_memzero(buf, n);

        if (rc == NGX_DONE) {
            return;
        }
    }
}


/*
 * Returns NGX_DONE if the exchange has ended, NGX_AGAIN if more is needed.
 */

static ngx_int_t
ngx_canopy_transfer_parse(ngx_canopy_exchange_t *x, u_char *pos, u_char *last)
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
            ngx_canopy_transfer_head(x);
            break;

        case CANOPY_ANSWER_BODY:
            if (ngx_canopy_transfer_body(x, &piece) == NGX_DONE) {
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
            ngx_canopy_exchange_log(x, 0,
                                    "upstream sent a response without an end",
                                    "reading response body from upstream");
            x->cut = 1;
            ngx_canopy_exchange_finish(x, CANOPY_OK);
            return NGX_DONE;

        default: /* CANOPY_ANSWER_BAD_HEAD */
            ngx_canopy_exchange_log(x, 0,
                                    "upstream sent an invalid response header",
                                    "reading response header from upstream");
            ngx_canopy_exchange_finish(x, CANOPY_HTTP_PROTOCOL_ERROR);
            return NGX_DONE;
        }
    }
}


static void
ngx_canopy_transfer_head(ngx_canopy_exchange_t *x)
{
    canopy_slice_t     id;
    ngx_connection_t  *c;

    c = x->connection;

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    x->answered = 1;
    x->step = NGX_CANOPY_EXCHANGE_BODY;
    x->log->action = "reading response body from upstream";

    /* the id is for logs, which a credential must not get into by any way */

    id.data = x->answer.request_id.data;
    id.len = x->answer.request_id.len;

    if (canopy_redact_found(x->secrets, x->nsecrets, id)) {
        canopy_answer_forget_id(&x->answer);
    }

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
ngx_canopy_transfer_body(ngx_canopy_exchange_t *x, canopy_slice_t *piece)
{
    u_char  *body;
    size_t   limit, size;

    limit = x->server->response_limit;

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
ngx_canopy_transfer_eof(ngx_canopy_exchange_t *x, ngx_int_t rc)
{
    x->keepalive = 0;

    if (x->step == NGX_CANOPY_EXCHANGE_BODY) {

        if (rc == NGX_ERROR
            || canopy_answer_eof(&x->answer) != CANOPY_ANSWER_DONE)
        {
            ngx_canopy_exchange_log(x, 0,
                                    "upstream prematurely closed connection",
                                    "reading response body from upstream");
            x->cut = 1;
        }

        ngx_canopy_exchange_finish(x, CANOPY_OK);
        return;
    }

    x->stale = (x->reused && !x->received);

    if (!x->stale) {
        ngx_canopy_exchange_log(x, 0,
                                "upstream prematurely closed connection",
                                "reading response header from upstream");
    }

    ngx_canopy_exchange_finish(x, CANOPY_CONNECTION_TERMINATED);
}


/*
 * The gateway's own fault; but an answer that has come has come.
 */

static void
ngx_canopy_transfer_failed(ngx_canopy_exchange_t *x)
{
    if (x->step == NGX_CANOPY_EXCHANGE_BODY) {
        x->cut = 1;
        ngx_canopy_exchange_finish(x, CANOPY_OK);
        return;
    }

    ngx_canopy_exchange_finish(x, CANOPY_PROXY_INTERNAL_ERROR);
}
