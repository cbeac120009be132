
/*
 * One request to a server: an address is connected to, the request is sent,
 * the answer is read.
 */


#ifndef _NGX_CANOPY_EXCHANGE_H_INCLUDED_
#define _NGX_CANOPY_EXCHANGE_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_server.h"
#include "canopy_answer.h"
#include "canopy_outcome.h"


typedef struct ngx_canopy_exchange_s  ngx_canopy_exchange_t;

typedef void (*ngx_canopy_exchange_handler_pt)(ngx_canopy_exchange_t *x);
typedef canopy_error_e (*ngx_canopy_exchange_permit_pt)(ngx_canopy_exchange_t *x);


typedef enum {
    NGX_CANOPY_EXCHANGE_RESOLVE = 0,
    NGX_CANOPY_EXCHANGE_CONNECT,
    NGX_CANOPY_EXCHANGE_HANDSHAKE,
    NGX_CANOPY_EXCHANGE_SEND,
    NGX_CANOPY_EXCHANGE_HEAD,
    NGX_CANOPY_EXCHANGE_BODY,
    NGX_CANOPY_EXCHANGE_DONE
} ngx_canopy_exchange_state_e;


struct ngx_canopy_exchange_s {

    /* set by the caller between create and start */

    ngx_canopy_exchange_handler_pt  handler;    /* called once, at the end */
    ngx_canopy_exchange_permit_pt   permit;     /* asked before the first byte
                                                   is sent, or NULL: else than
                                                   CANOPY_OK it is not */
    void                           *data;
    canopy_copies_t                *copies;     /* told of each copy */
    ngx_array_t                    *states;     /* ngx_http_upstream_state_t */
    const canopy_slice_t           *secrets;    /* kept out of request_id */
    size_t                          nsecrets;
    unsigned                        fresh:1;    /* on a new connection only */

    /* the result, to be read in the handler */

    canopy_error_e                  error;      /* CANOPY_OK: answered */
    canopy_answer_t                 answer;
    u_char                         *body;       /* in the pool */
    size_t                          body_len;
    unsigned                        forbidden:1;    /* it was not permitted */
    unsigned                        sent:1;     /* a byte of it at least, for
                                                   all that is known */
    unsigned                        answered:1; /* a complete head has come */
    unsigned                        stale:1;    /* a kept connection that was
                                                   found closed */
    unsigned                        cut:1;      /* the body is not whole */
    unsigned                        too_large:1;

    /* the request, to be written by the caller */

    u_char                         *request;
    u_char                         *last;       /* its end */
    u_char                         *end;        /* of its memory */
    canopy_slice_t                  credential; /* a part of it */
    ngx_uint_t                      generation; /* of the credential */
    double                          expires;    /* it does, seconds since the
                                                   Epoch */

    /* its own */

    ngx_canopy_server_t            *server;
    ngx_pool_t                     *pool;
    ngx_log_t                      *log;

    ngx_canopy_exchange_state_e     step;
    ngx_connection_t               *connection;
    ngx_canopy_round_t              round;
    ngx_canopy_waiter_t             waiter;

    u_char                         *pos;        /* up to here it is sent */
    size_t                          body_size;

    ngx_http_upstream_state_t      *state;
    ngx_msec_t                      start;

    unsigned                        reused:1;
    unsigned                        received:1; /* a byte at least */
    unsigned                        keepalive:1;
    unsigned                        ended:1;
};


/*
 * In:      size, of the memory for the request, to be written at x->last by
 *          the caller, who moves that to its end.  All of it is wiped in the
 *          end.
 * Returns  an exchange in the pool, to be ended with ngx_canopy_exchange_end();
 *          NULL if there is no memory.
 */
ngx_canopy_exchange_t *ngx_canopy_exchange_create(ngx_canopy_server_t *server,
    ngx_pool_t *pool, ngx_log_t *log, size_t size);

/*
 * Begins; exchange->handler may be called before this returns.
 */
void ngx_canopy_exchange_start(ngx_canopy_exchange_t *x);

/*
 * The time for all of it is over: ends the exchange with what is known.
 */
void ngx_canopy_exchange_timeout(ngx_canopy_exchange_t *x);

/*
 * What the answer means; there is one.
 */
canopy_answer_meaning_t ngx_canopy_exchange_meaning(ngx_canopy_exchange_t *x);

/*
 * Frees what is not the pool's and wipes the request and the answer; without a
 * call of the handler if it has not been called.  Can be called twice.
 */
void ngx_canopy_exchange_end(ngx_canopy_exchange_t *x);


/*
 * The rest is for the two parts of an exchange, ngx_canopy_connect.c and
 * ngx_canopy_transfer.c.
 */

/*
 * The connection is this exchange's from now on.
 */
void ngx_canopy_exchange_adopt(ngx_canopy_exchange_t *x, ngx_connection_t *c);

/*
 * Opens a line for nginx's own $upstream_* variables: one for each address
 * that is tried.
 *
 * Returns  NGX_OK, or NGX_ERROR if there is no memory.
 */
ngx_int_t ngx_canopy_exchange_state(ngx_canopy_exchange_t *x);

/*
 * An error line "<what>, environment: ..., upstream: ..." while <action>; NULL
 * leaves the action as it is.
 */
void ngx_canopy_exchange_log(ngx_canopy_exchange_t *x, ngx_err_t err,
    char *what, char *action);

/*
 * Closes the connection, if there is one.
 */
void ngx_canopy_exchange_close(ngx_canopy_exchange_t *x);

/*
 * Keeps or closes the connection and calls the handler; x is not to be touched
 * after that.
 */
void ngx_canopy_exchange_finish(ngx_canopy_exchange_t *x,
    canopy_error_e error);


#endif /* _NGX_CANOPY_EXCHANGE_H_INCLUDED_ */
