
/*
 * The state directory.
 *
 * The files are small, and are touched when a token is exchanged, a few times
 * a day.  They are not synced to the disk: what a failing machine loses costs
 * an exchange.
 */


#include "ngx_canopy_state.h"
#include "ngx_canopy_state_file.h"


static ngx_int_t ngx_canopy_state_load(ngx_canopy_grant_t *grant, uid_t user,
    ngx_log_t *log, canopy_state_token_t *token, ngx_canopy_state_buf_t *buf);
static void ngx_canopy_state_note(ngx_canopy_grant_t *grant, uid_t user,
    ngx_log_t *log);
static void ngx_canopy_state_put(ngx_canopy_grant_t *grant,
    canopy_state_token_t *token);
static void ngx_canopy_state_refused(ngx_str_t *path, int rc, ngx_log_t *log);


void
ngx_canopy_state_load_token(ngx_canopy_grant_t *grant, ngx_cycle_t *cycle,
    ngx_log_t *log)
{
    ngx_core_conf_t         *ccf;
    canopy_state_token_t     token;
    ngx_canopy_state_buf_t   buf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (ngx_canopy_state_load(grant, ccf->user, log, &token, &buf) != NGX_OK) {
        return;
    }

    ngx_canopy_zone_lock(grant->shpool);
    ngx_canopy_state_put(grant, &token);
    ngx_canopy_zone_unlock(grant->shpool);

    ngx_canopy_state_free(&buf);
}


void
ngx_canopy_state_load_budget(ngx_canopy_grant_t *grant, ngx_cycle_t *cycle,
    ngx_log_t *log)
{
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    ngx_canopy_state_note(grant, ccf->user, log);
}


ngx_int_t
ngx_canopy_state_adopt(ngx_canopy_grant_t *grant)
{
    int64_t                  now;
    ngx_int_t                rc;
    canopy_state_token_t     token;
    ngx_canopy_state_buf_t   buf;

    ngx_canopy_state_note(grant, geteuid(), ngx_cycle->log);

    if (ngx_canopy_state_load(grant, geteuid(), ngx_cycle->log, &token, &buf)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    rc = NGX_DECLINED;
    now = ngx_canopy_grant_now();

    ngx_canopy_zone_lock(grant->shpool);

    if (token.refresh.obtained > grant->shared->refresh.obtained
        && token.refresh.renew > now)
    {
        ngx_canopy_state_put(grant, &token);
        canopy_refresh_dropped(&grant->shared->refresh);
        rc = NGX_OK;
    }

    ngx_canopy_zone_unlock(grant->shpool);

    ngx_canopy_state_free(&buf);

    if (rc == NGX_OK) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "took a newer token of environment \"%V\" from \"%V\"",
                      grant->server.environment, &grant->token_file.path);
    }

    return rc;
}


static void
ngx_canopy_state_put(ngx_canopy_grant_t *grant, canopy_state_token_t *token)
{
    canopy_refresh_t  *refresh;

    refresh = &grant->shared->refresh;

    ngx_canopy_zone_put(grant->shared, token->token);

    refresh->obtained = token->refresh.obtained;
    refresh->expires = token->refresh.expires;
    refresh->renew = token->refresh.renew;
    refresh->failures = 0;
    refresh->retry = 0;
    refresh->limited = 0;
}


/*
 * Out:     *token, its text a part of *buf, which is to be freed.
 */

static ngx_int_t
ngx_canopy_state_load(ngx_canopy_grant_t *grant, uid_t user, ngx_log_t *log,
    canopy_state_token_t *token, ngx_canopy_state_buf_t *buf)
{
    int                      rc;
    canopy_slice_t           text;
    ngx_canopy_state_buf_t   file;

    if (ngx_canopy_state_read(&grant->token_file.path, user, log, &file)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ngx_memzero(buf, sizeof(ngx_canopy_state_buf_t));

    text.data = file.data;
    text.len = file.len;

    rc = canopy_state_read_token(text, &grant->token_file.key,
                                 ngx_canopy_grant_now(),
                                 ngx_canopy_state_alloc, buf, token);

    ngx_canopy_state_free(&file);

    if (rc == 0) {
        return NGX_OK;
    }

    ngx_canopy_state_free(buf);
    ngx_canopy_state_refused(&grant->token_file.path, rc, log);

    return NGX_DECLINED;
}


static void
ngx_canopy_state_note(ngx_canopy_grant_t *grant, uid_t user, ngx_log_t *log)
{
    int                      rc;
    int64_t                  now;
    canopy_slice_t           text;
    canopy_budget_t         *budget;
    ngx_canopy_state_buf_t   file;

    if (ngx_canopy_state_read(&grant->budget_file.path, user, log, &file)
        != NGX_OK)
    {
        return;
    }

    budget = ngx_calloc(sizeof(canopy_budget_t), log);
    if (budget == NULL) {
        goto done;
    }

    now = ngx_canopy_grant_now();
    budget->limit = CANOPY_BUDGET_MAX;

    text.data = file.data;
    text.len = file.len;

    rc = canopy_state_read_budget(text, &grant->budget_file.key, now, budget);

    if (rc != 0) {
        ngx_canopy_state_refused(&grant->budget_file.path, rc, log);
        goto done;
    }

    ngx_canopy_zone_lock(grant->shpool);
    canopy_budget_merge(&grant->budget->budget, budget, now);
    ngx_canopy_zone_unlock(grant->shpool);

done:

    if (budget) {
        ngx_free(budget);
    }

    ngx_canopy_state_free(&file);
}


static void
ngx_canopy_state_refused(ngx_str_t *path, int rc, ngx_log_t *log)
{
    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "state file \"%V\" %s, it is not used", path,
                  rc == -1 ? "is damaged"
                           : rc == -2 ? "is of another configuration"
                                      : "cannot be read: no memory");
}


void
ngx_canopy_state_save_token(ngx_canopy_grant_t *grant)
{
    int                      rc;
    u_char                   copy[CANOPY_GRANT_TOKEN_MAX];
    canopy_slice_t           text;
    canopy_state_token_t     token;
    ngx_canopy_state_buf_t   buf;

    if (grant->token_file.path.len == 0) {
        return;
    }

    ngx_memzero(&buf, sizeof(ngx_canopy_state_buf_t));

    ngx_canopy_zone_lock(grant->shpool);

    token.token.data = copy;
    token.token.len = grant->shared->len;
    token.refresh = grant->shared->refresh;

    ngx_memcpy(copy, grant->shared->token, grant->shared->len);

    ngx_canopy_zone_unlock(grant->shpool);

    rc = canopy_state_write_token(&grant->token_file.key, &token,
                                  ngx_canopy_state_alloc, &buf, &text);

    ngx_explicit_memzero(copy, token.token.len);

    if (rc == 0) {
        ngx_canopy_state_write(&grant->token_file.path, text);
    }

    ngx_canopy_state_free(&buf);
}


/*
 * Two workers may write the times of one client: who writes last has seen the
 * other one's.
 */

void
ngx_canopy_state_save_budget(ngx_canopy_grant_t *grant)
{
    int                      rc, again;
    canopy_slice_t           text;
    canopy_budget_t         *budget, *shared;
    ngx_canopy_state_buf_t   buf;

    if (grant->budget_file.path.len == 0) {
        return;
    }

    budget = ngx_alloc(sizeof(canopy_budget_t), ngx_cycle->log);
    if (budget == NULL) {
        return;
    }

    shared = &grant->budget->budget;

    do {
        ngx_memzero(&buf, sizeof(ngx_canopy_state_buf_t));

        ngx_canopy_zone_lock(grant->shpool);
        *budget = *shared;
        ngx_canopy_zone_unlock(grant->shpool);

        rc = canopy_state_write_budget(&grant->budget_file.key, budget,
                                       ngx_canopy_state_alloc, &buf, &text);
        if (rc == 0) {
            ngx_canopy_state_write(&grant->budget_file.path, text);
        }

        ngx_canopy_state_free(&buf);

        ngx_canopy_zone_lock(grant->shpool);
        again = (ngx_memcmp(budget, shared, sizeof(canopy_budget_t)) != 0);
        ngx_canopy_zone_unlock(grant->shpool);

    } while (again);

    ngx_free(budget);
}
