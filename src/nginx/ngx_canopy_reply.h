
/*
 * Answers to the client: the only place that writes one.
 */


#ifndef _NGX_CANOPY_REPLY_H_INCLUDED_
#define _NGX_CANOPY_REPLY_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_request.h"


/*
 * All of them return what a content handler returns, and what
 * ngx_http_finalize_request() takes.
 */

/*
 * Answers with an error of the gateway's own and its usual words.
 */
ngx_int_t ngx_canopy_reply_error(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    canopy_error_e error);

/*
 * The same with closer words: plain ASCII without quotes or backslashes.
 */
ngx_int_t ngx_canopy_reply_fault(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    canopy_error_e error, const char *msg, size_t len);

/*
 * Answers with what the upstream answered.
 */
ngx_int_t ngx_canopy_reply_answer(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_canopy_exchange_t *x, canopy_answer_meaning_t *meaning);

/*
 * Makes an answer of ours out of one that another module of nginx is about to
 * send: r->headers_out is changed, an error's body is left in ctx->body.
 */
ngx_int_t ngx_canopy_reply_foreign(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx);


#endif /* _NGX_CANOPY_REPLY_H_INCLUDED_ */
