
/*
 * The gateway's state: gathered here, written by core.
 */


#include "ngx_canopy_report.h"
#include "ngx_canopy_conf.h"
#include "ngx_canopy_switch.h"

#include <openssl/evp.h>


#define NGX_CANOPY_REPORT_FINGERPRINT  4    /* bytes of a SHA-256 */


static ngx_int_t ngx_canopy_report_environment(ngx_http_request_t *r,
    ngx_canopy_environment_t *env, canopy_report_environment_t *e);
static ngx_str_t *ngx_canopy_report_credential(ngx_canopy_environment_t *env,
    ngx_log_t *log, canopy_report_environment_t *e);
static ngx_int_t ngx_canopy_report_fingerprint(ngx_http_request_t *r,
    ngx_str_t *credential, canopy_slice_t *fingerprint);


ngx_int_t
ngx_canopy_report(ngx_http_request_t *r, canopy_report_t *report)
{
    ngx_str_t                    *chosen;
    ngx_uint_t                    i;
    canopy_counters_t            *unassigned;
    ngx_canopy_zone_t            *zone;
    ngx_canopy_main_conf_t       *mcf;
    ngx_canopy_environment_t    **envs;
    canopy_report_environment_t  *e;

    static const canopy_slice_t  version = canopy_slice(NGX_CANOPY_VERSION);

    mcf = ngx_http_get_module_main_conf(r, ngx_canopy_module);
    zone = mcf->zone;

    unassigned = ngx_palloc(r->pool, sizeof(canopy_counters_t));
    e = ngx_pcalloc(r->pool, mcf->environments.nelts
                             * sizeof(canopy_report_environment_t));

    if (unassigned == NULL || e == NULL) {
        return NGX_ERROR;
    }

    ngx_canopy_zone_lock(zone->shpool);
    *unassigned = zone->sh->unassigned;
    ngx_canopy_zone_unlock(zone->shpool);

    envs = mcf->environments.elts;

    for (i = 0; i < mcf->environments.nelts; i++) {
        if (ngx_canopy_report_environment(r, envs[i], &e[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_memzero(report, sizeof(canopy_report_t));

    report->version = version;
    report->now = ngx_canopy_grant_now();
    report->since = zone->sh->created;
    report->unassigned = unassigned;
    report->environments = e;
    report->n = mcf->environments.nelts;

    chosen = ngx_canopy_switch_name(mcf, r->connection->log);

    if (chosen) {
        report->chosen = ngx_canopy_slice(chosen);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_canopy_report_environment(ngx_http_request_t *r,
    ngx_canopy_environment_t *env, canopy_report_environment_t *e)
{
    ngx_str_t                *credential;
    ngx_canopy_zone_count_t  *count;

    count = ngx_palloc(r->pool, sizeof(ngx_canopy_zone_count_t));
    if (count == NULL) {
        return NGX_ERROR;
    }

    /* what is wrong with a file may be found only now */

    credential = ngx_canopy_report_credential(env, r->connection->log, e);

    if (credential->len
        && ngx_canopy_report_fingerprint(r, credential, &e->fingerprint)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_canopy_zone_lock(env->count.shpool);
    *count = *env->count.shared;
    ngx_canopy_zone_unlock(env->count.shpool);

    e->name = ngx_canopy_slice(&env->name);
    e->counters = &count->counters;
    e->closed = ngx_canopy_environment_closed(env, r->connection->log);
    e->refused = (count->refused != 0);
    e->failed = count->failed;
    e->error.data = count->failure;
    e->error.len = count->len;

    return NGX_OK;
}


/*
 * Returns the worker's own copy, empty if there is none.
 */

static ngx_str_t *
ngx_canopy_report_credential(ngx_canopy_environment_t *env, ngx_log_t *log,
    canopy_report_environment_t *e)
{
    ngx_canopy_grant_t        *grant;
    ngx_canopy_secret_t       *secret;
    ngx_canopy_grant_state_t   state;

    grant = env->grant;

    if (grant) {
        ngx_canopy_grant_state(grant, &state);

        e->oauth2 = 1;
        e->usable = (grant->token.len
                     && ngx_canopy_grant_now() < state.expires);
        e->obtained = state.obtained;
        e->expires = state.expires;
        e->exchanges = (unsigned) state.exchanges;
        e->budget = (unsigned) grant->limit;

        return &grant->token;
    }

    secret = env->secret;

    ngx_canopy_secret_refresh(secret, log, 0);

    e->usable = ngx_canopy_secret_usable(secret, log);
    e->obtained = (int64_t) secret->file.id.mtime.tv_sec * 1000
                  + secret->file.id.mtime.tv_nsec / 1000000;

    if (secret->expiring) {
        e->expires = ngx_canopy_secret_expires(secret);
    }

    return &secret->value;
}


/*
 * Enough to see that two gateways have the same one, and no help to find it.
 */

static ngx_int_t
ngx_canopy_report_fingerprint(ngx_http_request_t *r, ngx_str_t *credential,
    canopy_slice_t *fingerprint)
{
    u_char    digest[EVP_MAX_MD_SIZE], *hex;
    unsigned  len;

    if (EVP_Digest(credential->data, credential->len, digest, &len,
                   EVP_sha256(), NULL) != 1)
    {
        return NGX_ERROR;
    }

    hex = ngx_pnalloc(r->pool, 2 * NGX_CANOPY_REPORT_FINGERPRINT);
    if (hex == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_hex_dump(hex, digest, NGX_CANOPY_REPORT_FINGERPRINT);

    fingerprint->data = hex;
    fingerprint->len = 2 * NGX_CANOPY_REPORT_FINGERPRINT;

    return NGX_OK;
}


ngx_uint_t
ngx_canopy_report_usable(ngx_canopy_environment_t *env, ngx_log_t *log)
{
    canopy_report_environment_t  e;

    ngx_memzero(&e, sizeof(canopy_report_environment_t));

    (void) ngx_canopy_report_credential(env, log, &e);

    return e.usable;
}
