
/*
 * What an environment does by itself.
 */


#include "ngx_canopy_environment.h"


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


ngx_canopy_secret_t *
ngx_canopy_environment_credential(ngx_canopy_environment_t *env,
    ngx_log_t *log, ngx_uint_t force)
{
    ngx_uint_t            generation;
    ngx_canopy_secret_t  *secret;

    secret = env->secret;
    generation = secret->generation;

    ngx_canopy_secret_refresh(secret, log, force);

    if (generation != secret->generation) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "environment \"%V\" has a new credential", &env->name);

        if (env->keepalive) {
            ngx_canopy_keepalive_purge(env->keepalive, secret->generation);
        }
    }

    return ngx_canopy_secret_usable(secret, log) ? secret : NULL;
}


void
ngx_canopy_environment_refused(ngx_canopy_environment_t *env, ngx_log_t *log,
    ngx_uint_t refused)
{
    if (env->refused == refused) {
        return;
    }

    env->refused = refused;

    if (refused) {
        ngx_log_error(NGX_LOG_CRIT, log, 0,
                      "upstream refused the credential of environment \"%V\"",
                      &env->name);

    } else {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "upstream accepts the credential of environment \"%V\" "
                      "again", &env->name);
    }
}
