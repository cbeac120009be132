
/*
 * What is known of one request, from its first check to its answer.
 */


#ifndef _NGX_CANOPY_REQUEST_H_INCLUDED_
#define _NGX_CANOPY_REQUEST_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_environment.h"
#include "ngx_canopy_exchange.h"
#include "ngx_canopy_verdict.h"
#include "canopy_outcome.h"
#include "canopy_uuid.h"


#define NGX_CANOPY_ID_LEN  32           /* of nginx's $request_id */


enum {
    NGX_CANOPY_SECRET_TOKEN = 0,        /* the client's */
    NGX_CANOPY_SECRET_FIRST,            /* the credential of each copy */
    NGX_CANOPY_SECRET_REPEAT,
    NGX_CANOPY_SECRET_CLIENT,           /* what those were exchanged for */
    NGX_CANOPY_SECRETS
};


typedef struct {
    ngx_http_request_t        *request;
    ngx_canopy_environment_t  *environment;     /* once chosen */

    ngx_str_t                  request_id;
    ngx_str_t                  task_id;         /* empty if not a UUID */

    /* of the client's token */

    void                      *checked_by;      /* a location; NULL: not yet */
    canopy_error_e             checked;
    const char                *checked_msg;
    ngx_canopy_verdict_tag_t   tag;
    ngx_canopy_verdict_t       verdict;
    unsigned                   remembered:1;    /* there is a tag */

    /* not to be seen in anything that the upstream makes us say */

    canopy_slice_t             secrets[NGX_CANOPY_SECRETS];

    canopy_copies_t            copies;
    ngx_canopy_exchange_t     *first;
    ngx_canopy_exchange_t     *repeat;          /* NULL: there was none */
    ngx_event_t                deadline;
    ngx_canopy_grant_waiter_t  waiter;
    time_t                     retry_after;     /* seconds; 0: not known */
    ngx_msec_t                 admitted;        /* when it was last checked */
    ngx_int_t                  rc;              /* once ended is set */
    unsigned                   starting:1;
    unsigned                   ended:1;

    /* the answer */

    canopy_outcome_e           outcome;         /* valid once decided is set */
    ngx_str_t                  error;           /* the first one's type */
    ngx_str_t                  body;            /* replaces nginx's own */
    unsigned                   decided:1;
    unsigned                   failed:1;        /* no memory for it */
    unsigned                   replaced:1;      /* the body is ours */
    unsigned                   sent:1;          /* the body was */

    u_char                     uuid[CANOPY_UUID_LEN];
    u_char                     id[NGX_CANOPY_ID_LEN];
} ngx_canopy_ctx_t;


/*
 * The request's context, or NULL if it never met a canopy location.
 */
ngx_canopy_ctx_t *ngx_canopy_find_ctx(ngx_http_request_t *r);

/*
 * The request's context, made when it is first asked for; NULL if there is no
 * memory.
 */
ngx_canopy_ctx_t *ngx_canopy_get_ctx(ngx_http_request_t *r);

/*
 * The outcome as it was told, or as it is known of a request that was ended
 * before it was answered.
 *
 * In:      ctx, the context, or NULL if the request has none: another module
 *          of nginx may have ended it without an answer.
 * Returns  NGX_OK, *outcome is set; NGX_DECLINED if it is no request of a
 *          canopy location, or not ended yet.
 */
ngx_int_t ngx_canopy_request_outcome(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, canopy_outcome_e *outcome);


/*
 * A walk over the headers that the client sent.
 */

typedef struct {
    ngx_list_part_t           *part;
    ngx_uint_t                 next;
} ngx_canopy_header_walk_t;

static ngx_inline void
ngx_canopy_header_walk(ngx_http_request_t *r, ngx_canopy_header_walk_t *walk)
{
    walk->part = &r->headers_in.headers.part;
    walk->next = 0;
}

/*
 * In:      lowcase, a name in lower case.
 * Returns  the next header of that name, or NULL.
 */
ngx_table_elt_t *ngx_canopy_header_next(ngx_canopy_header_walk_t *walk,
    ngx_str_t *lowcase);


/*
 * The last copy that was made of the request, or NULL.
 */

static ngx_inline ngx_canopy_exchange_t *
ngx_canopy_last_exchange(ngx_canopy_ctx_t *ctx)
{
    return ctx->repeat ? ctx->repeat : ctx->first;
}


#endif /* _NGX_CANOPY_REQUEST_H_INCLUDED_ */
