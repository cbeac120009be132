
/*
 * What an environment does by itself.
 */


#include "ngx_canopy_environment.h"

#include <math.h>


static void ngx_canopy_environment_replaced(ngx_canopy_environment_t *env,
    ngx_log_t *log, ngx_uint_t generation);


ngx_uint_t
ngx_canopy_environment_closed(ngx_canopy_environment_t *env, ngx_log_t *log)
{
    ngx_err_t        err;
    ngx_file_info_t  fi;

    if (env->closed_file.len == 0) {
        return 0;
    }

    if (ngx_file_info(env->closed_file.data, &fi) != NGX_FILE_ERROR) {
        return 1;
    }

    err = ngx_errno;

    if (err == NGX_ENOENT || err == NGX_ENOTDIR) {
        return 0;
    }

    ngx_log_error(NGX_LOG_CRIT, log, err,
                  "closed_file \"%V\" cannot be examined, "
                  "environment \"%V\" is taken for closed",
                  &env->closed_file, &env->name);

    return 1;
}


ngx_int_t
ngx_canopy_environment_credential(ngx_canopy_environment_t *env,
    ngx_log_t *log, ngx_canopy_credential_t *credential)
{
    ngx_int_t             rc;
    ngx_canopy_grant_t   *grant;
    ngx_canopy_secret_t  *secret;

    credential->retry_after = 0;
    ngx_str_null(&credential->secret);

    grant = env->grant;

    if (grant) {
        rc = ngx_canopy_grant_token(grant, &credential->retry_after);

        if (rc != NGX_OK) {
            return rc;
        }

        credential->value = grant->token;
        credential->generation = grant->generation;
        credential->expires = (double) grant->expires / 1000;
        credential->secret = grant->secret->value;

    } else {
        secret = env->secret;

        ngx_canopy_secret_refresh(secret, log, 0);

        if (!ngx_canopy_secret_usable(secret, log)) {
            return NGX_DECLINED;
        }

        credential->value = secret->value;
        credential->generation = secret->generation;
        credential->expires = secret->expiring ? secret->expires : HUGE_VAL;
    }

    if (env->api.generation != credential->generation) {
        ngx_canopy_environment_replaced(env, log, credential->generation);
    }

    return NGX_OK;
}


static void
ngx_canopy_environment_replaced(ngx_canopy_environment_t *env, ngx_log_t *log,
    ngx_uint_t generation)
{
    if (env->api.generation) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "environment \"%V\" has a new credential", &env->name);
    }

    env->api.generation = generation;

    if (env->api.keepalive) {
        ngx_canopy_keepalive_purge(env->api.keepalive, generation);
    }
}


/*
 * Never the same credential twice, even if it came back in the meantime.
 */

ngx_int_t
ngx_canopy_environment_renew(ngx_canopy_environment_t *env, ngx_log_t *log,
    canopy_slice_t *refused, ngx_uint_t generation)
{
    ngx_int_t                rc;
    ngx_canopy_credential_t  credential;

    if (env->grant) {
        rc = ngx_canopy_grant_refused(env->grant, generation);

        if (rc != NGX_OK) {
            return rc;
        }

    } else {
        ngx_canopy_secret_refresh(env->secret, log, 1);
    }

    rc = ngx_canopy_environment_credential(env, log, &credential);

    if (rc != NGX_OK) {
        return rc;
    }

    if (credential.value.len == refused->len
        && ngx_memcmp(credential.value.data, refused->data, refused->len) == 0)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


void
ngx_canopy_environment_wait(ngx_canopy_environment_t *env,
    ngx_canopy_grant_waiter_t *waiter, ngx_uint_t generation)
{
    ngx_canopy_grant_wait(env->grant, waiter, generation);
}


void
ngx_canopy_environment_refused(ngx_canopy_environment_t *env, ngx_log_t *log,
    ngx_uint_t refused)
{
    if (!refused && env->grant) {
        ngx_canopy_grant_accepted(env->grant);
    }

    if (!ngx_canopy_count_refused(&env->count, refused)) {
        return;
    }

    if (refused) {
        ngx_canopy_count_failure(&env->count,
                                 "upstream refused the credential");
        ngx_log_error(NGX_LOG_CRIT, log, 0,
                      "upstream refused the credential of environment \"%V\"",
                      &env->name);

    } else {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "upstream accepts the credential of environment \"%V\" "
                      "again", &env->name);
    }
}
