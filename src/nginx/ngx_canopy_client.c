
/*
 * Who the client is.
 */


#include "ngx_canopy_client.h"
#include "canopy_bearer.h"
#include "canopy_token.h"

#include <math.h>


static canopy_error_e ngx_canopy_client_token(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_canopy_loc_conf_t *conf, const char **msg);
static ngx_int_t ngx_canopy_client_tag(ngx_canopy_ctx_t *ctx,
    ngx_canopy_loc_conf_t *conf);
static canopy_error_e ngx_canopy_client_shape(ngx_canopy_ctx_t *ctx,
    ngx_canopy_loc_conf_t *conf, const char **msg);
static canopy_error_e ngx_canopy_client_verify(ngx_http_request_t *r,
    ngx_canopy_ctx_t *ctx, ngx_canopy_loc_conf_t *conf, const char **msg);
static void ngx_canopy_client_policy(ngx_canopy_loc_conf_t *conf,
    canopy_policy_t *policy);
static canopy_error_e ngx_canopy_client_error(canopy_policy_e fault);
static ngx_uint_t ngx_canopy_client_expired(ngx_canopy_loc_conf_t *conf,
    double expires);


canopy_error_e
ngx_canopy_client_check(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_canopy_loc_conf_t *conf, const char **msg)
{
    /* a variable may have asked in another location before a redirect */

    if (ctx->checked_by != conf) {
        ctx->checked_by = conf;
        ctx->checked_msg = NULL;

        ngx_memzero(&ctx->verdict, sizeof(ngx_canopy_verdict_t));

        ctx->checked = ngx_canopy_client_token(r, ctx, conf,
                                               &ctx->checked_msg);

        if (ctx->checked != CANOPY_OK) {
            ngx_str_null(&ctx->verdict.client);
        }
    }

    *msg = ctx->checked_msg;

    return ctx->checked;
}


static canopy_error_e
ngx_canopy_client_token(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_canopy_loc_conf_t *conf, const char **msg)
{
    ngx_int_t        rc;
    canopy_slice_t   value, *token;
    canopy_error_e   error;

    if (r->headers_in.authorization == NULL) {
        return CANOPY_TOKEN_MISSING;
    }

    value = ngx_canopy_slice(&r->headers_in.authorization->value);

    token = &ctx->secrets[NGX_CANOPY_SECRET_TOKEN];

    if (canopy_bearer(value, token) != 0) {
        return CANOPY_TOKEN_MISSING;
    }

    if (conf->keys) {
        ngx_canopy_file_refresh(&conf->keys->file, r->connection->log, 0);
    }

    if (token->len > CANOPY_TOKEN_MAX) {
        return ngx_canopy_client_shape(ctx, conf, msg);
    }

    /* if OpenSSL can't, nothing is remembered */

    ctx->remembered = (ngx_canopy_client_tag(ctx, conf) == NGX_OK);

    rc = ctx->remembered ? ngx_canopy_verdict_find(conf->zone, &ctx->tag,
                                                   r->pool, &ctx->verdict)
                         : NGX_DECLINED;

    if (rc == NGX_ERROR) {
        return CANOPY_PROXY_INTERNAL_ERROR;
    }

    if (rc == NGX_OK) {
        if (!ngx_canopy_client_expired(conf, ctx->verdict.expires)) {
            return CANOPY_OK;
        }

        ngx_canopy_verdict_drop(conf->zone, &ctx->tag);

        return CANOPY_TOKEN_EXPIRED;
    }

    error = ngx_canopy_client_shape(ctx, conf, msg);

    if (error == CANOPY_OK && conf->keys) {
        error = ngx_canopy_client_verify(r, ctx, conf, msg);
    }

    if (error == CANOPY_OK && ctx->remembered) {
        ngx_canopy_verdict_put(conf->zone, &ctx->tag, &ctx->verdict);
    }

    return error;
}


static ngx_int_t
ngx_canopy_client_tag(ngx_canopy_ctx_t *ctx, ngx_canopy_loc_conf_t *conf)
{
    u_char     buf[2 * NGX_CANOPY_KEYS_DIGEST];
    ngx_str_t  by;

    by.data = buf;
    by.len = 2 * NGX_CANOPY_KEYS_DIGEST;

    ngx_memcpy(buf, conf->digest, NGX_CANOPY_KEYS_DIGEST);

    if (conf->keys) {
        ngx_memcpy(buf + NGX_CANOPY_KEYS_DIGEST, conf->keys->digest,
                   NGX_CANOPY_KEYS_DIGEST);
    } else {
        ngx_memzero(buf + NGX_CANOPY_KEYS_DIGEST, NGX_CANOPY_KEYS_DIGEST);
    }

    return ngx_canopy_verdict_tag(conf->zone, &by,
                                  ctx->secrets[NGX_CANOPY_SECRET_TOKEN],
                                  &ctx->tag);
}


/*
 * All that can be known without a key.
 */

static canopy_error_e
ngx_canopy_client_shape(ngx_canopy_ctx_t *ctx, ngx_canopy_loc_conf_t *conf,
    const char **msg)
{
    canopy_claims_t       claims;
    canopy_token_fault_e  fault;

    fault = canopy_token_check(ctx->secrets[NGX_CANOPY_SECRET_TOKEN], &claims);

    if (fault != CANOPY_TOKEN_OK) {
        *msg = canopy_token_fault(fault);
        return CANOPY_TOKEN_MALFORMED;
    }

    if (conf->keys) {

        /* the signature comes first */

        return CANOPY_OK;
    }

    ctx->verdict.expires = claims.has_exp ? claims.exp : HUGE_VAL;

    return ngx_canopy_client_expired(conf, ctx->verdict.expires)
               ? CANOPY_TOKEN_EXPIRED : CANOPY_OK;
}


static canopy_error_e
ngx_canopy_client_verify(ngx_http_request_t *r, ngx_canopy_ctx_t *ctx,
    ngx_canopy_loc_conf_t *conf, const char **msg)
{
    canopy_slice_t       token;
    canopy_policy_e      fault;
    canopy_policy_t      policy;
    canopy_verdict_t     verdict;
    canopy_signature_e   signature;

    token = ctx->secrets[NGX_CANOPY_SECRET_TOKEN];

    signature = canopy_jwks_verify(conf->keys->set, token);

    if (signature == CANOPY_SIGNATURE_MEMORY) {
        return CANOPY_PROXY_INTERNAL_ERROR;
    }

    if (signature != CANOPY_SIGNATURE_OK) {
        *msg = canopy_signature_fault(signature);
        return CANOPY_TOKEN_SIGNATURE;
    }

    ngx_canopy_client_policy(conf, &policy);

    fault = canopy_policy_check(token, &policy, &verdict);

    if (fault != CANOPY_POLICY_OK) {
        *msg = canopy_policy_fault(fault);
        return ngx_canopy_client_error(fault);
    }

    ctx->verdict.expires = verdict.expires;

    if (verdict.sub_len) {
        ctx->verdict.client.data = ngx_pnalloc(r->pool, verdict.sub_len);
        if (ctx->verdict.client.data == NULL) {
            return CANOPY_PROXY_INTERNAL_ERROR;
        }

        ctx->verdict.client.len = verdict.sub_len;
        ngx_memcpy(ctx->verdict.client.data, verdict.sub, verdict.sub_len);
    }

    return CANOPY_OK;
}


static void
ngx_canopy_client_policy(ngx_canopy_loc_conf_t *conf, canopy_policy_t *policy)
{
    ngx_memzero(policy, sizeof(canopy_policy_t));

    policy->now = ngx_time();
    policy->leeway = conf->leeway;
    policy->issuer = ngx_canopy_slice(&conf->issuer);

    if (!conf->any_audience) {
        policy->audience = ngx_canopy_slice(&conf->audience);
    }
}


canopy_error_e
ngx_canopy_client_rules(ngx_canopy_ctx_t *ctx, ngx_canopy_loc_conf_t *conf,
    ngx_canopy_environment_t *env, const char **msg)
{
    canopy_policy_e    fault;
    canopy_policy_t    policy;
    canopy_verdict_t   verdict;

    *msg = NULL;

    if (env->rules.nelts == 0) {
        return CANOPY_OK;
    }

    if (conf->keys == NULL) {

        /* whoever it is, nobody has vouched for it */

        *msg = "the token is not verified here";
        return CANOPY_TOKEN_CLAIM;
    }

    if (ctx->verdict.rules[0] == env->rules_number
        || ctx->verdict.rules[1] == env->rules_number)
    {
        return CANOPY_OK;
    }

    ngx_canopy_client_policy(conf, &policy);

    policy.rules = env->rules.elts;
    policy.nrules = env->rules.nelts;

    fault = canopy_policy_check(ctx->secrets[NGX_CANOPY_SECRET_TOKEN], &policy,
                                &verdict);

    if (fault != CANOPY_POLICY_OK) {
        *msg = canopy_policy_fault(fault);
        return ngx_canopy_client_error(fault);
    }

    ctx->verdict.rules[1] = ctx->verdict.rules[0];
    ctx->verdict.rules[0] = env->rules_number;

    if (ctx->remembered) {
        ngx_canopy_verdict_put(conf->zone, &ctx->tag, &ctx->verdict);
    }

    return CANOPY_OK;
}


static canopy_error_e
ngx_canopy_client_error(canopy_policy_e fault)
{
    switch (fault) {

    case CANOPY_POLICY_NO_EXPIRY:
    case CANOPY_POLICY_EXPIRED:
        return CANOPY_TOKEN_EXPIRED;

    case CANOPY_POLICY_NOT_YET:
        return CANOPY_TOKEN_NOT_YET_VALID;

    case CANOPY_POLICY_ISSUER:
        return CANOPY_TOKEN_ISSUER;

    case CANOPY_POLICY_AUDIENCE:
        return CANOPY_TOKEN_AUDIENCE;

    case CANOPY_POLICY_CLAIM:
        return CANOPY_TOKEN_CLAIM;

    default:
        return CANOPY_PROXY_INTERNAL_ERROR;
    }
}


static ngx_uint_t
ngx_canopy_client_expired(ngx_canopy_loc_conf_t *conf, double expires)
{
    return expires + (double) conf->leeway <= (double) ngx_time();
}
