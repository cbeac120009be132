
/*
 * Who the client is: its bearer token, checked once for each request and
 * remembered for the next one.
 */


#ifndef _NGX_CANOPY_CLIENT_H_INCLUDED_
#define _NGX_CANOPY_CLIENT_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_conf.h"
#include "ngx_canopy_request.h"


/*
 * Checks the token by the rules of a location; asked again, it knows the
 * answer.
 *
 * Out:     *msg, what is wrong, a constant of plain ASCII without quotes or
 *          backslashes; NULL: the error's own words.
 * Returns  CANOPY_OK, ctx->client is the "sub" of a verified token; or the
 *          first fault in the order of the contract.
 */
canopy_error_e ngx_canopy_client_check(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_canopy_loc_conf_t *conf, const char **msg);

/*
 * Do the environment's rules let that client in?
 *
 * Returns  CANOPY_OK, CANOPY_TOKEN_CLAIM or CANOPY_PROXY_INTERNAL_ERROR.
 */
canopy_error_e ngx_canopy_client_rules(ngx_canopy_ctx_t *ctx,
    ngx_canopy_loc_conf_t *conf, ngx_canopy_environment_t *env,
    const char **msg);


#endif /* _NGX_CANOPY_CLIENT_H_INCLUDED_ */
