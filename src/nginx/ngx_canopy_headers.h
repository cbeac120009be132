
/*
 * The header fields of answers to the client.
 */


#ifndef _NGX_CANOPY_HEADERS_H_INCLUDED_
#define _NGX_CANOPY_HEADERS_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_request.h"


/*
 * All of them return NGX_OK, or NGX_ERROR if there is no memory.
 */

/*
 * The status, and what every answer has.  The outcome is decided here, once.
 */
ngx_int_t ngx_canopy_headers_common(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_uint_t status);

/*
 * What an error of the gateway's own has besides: Allow, WWW-Authenticate
 * (RFC 6750, section 3), Retry-After.
 *
 * In:      msg, the error's words, for error_description.
 */
ngx_int_t ngx_canopy_headers_refusal(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, canopy_error_e error, const char *msg, size_t len);

/*
 * Proxy-Status (RFC 9209).
 *
 * In:      error, CANOPY_OK if there is none; status, the upstream's, or 0.
 */
ngx_int_t ngx_canopy_headers_proxy_status(ngx_http_request_t *r,
    canopy_error_e error, ngx_uint_t status);

/*
 * The upstream's Retry-After, if it is well-formed (RFC 9110, section 10.2.3).
 */
ngx_int_t ngx_canopy_headers_retry_after(ngx_http_request_t *r,
    canopy_answer_value_t *value);


#endif /* _NGX_CANOPY_HEADERS_H_INCLUDED_ */
