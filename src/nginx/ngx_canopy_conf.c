
/*
 * The configuration of locations, and what can be checked only when all of it
 * is read.
 */


#include "ngx_canopy_conf.h"
#include "ngx_canopy_client_conf.h"
#include "ngx_canopy_grant_conf.h"
#include "ngx_canopy_handler.h"
#include "ngx_canopy_shared.h"
#include "ngx_canopy_status.h"


#define NGX_CANOPY_ZONE_SIZE         1048576


static char *ngx_canopy_merge_gateway(ngx_conf_t *cf,
    ngx_canopy_loc_conf_t *conf);
static void ngx_canopy_merge_prefix(ngx_conf_t *cf,
    ngx_canopy_loc_conf_t *prev, ngx_canopy_loc_conf_t *conf);


void *
ngx_canopy_create_main_conf(ngx_conf_t *cf)
{
    ngx_canopy_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_canopy_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&mcf->environments, cf->pool, 4,
                       sizeof(ngx_canopy_environment_t *))
        != NGX_OK)
    {
        return NULL;
    }

    if (ngx_array_init(&mcf->keys, cf->pool, 1, sizeof(ngx_canopy_keys_t *))
        != NGX_OK)
    {
        return NULL;
    }

    /* locations know it before it has its memory */

    mcf->zone = ngx_pcalloc(cf->pool, sizeof(ngx_canopy_zone_t));
    if (mcf->zone == NULL) {
        return NULL;
    }

    mcf->zone_size = NGX_CONF_UNSET_SIZE;

    return mcf;
}


char *
ngx_canopy_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_canopy_main_conf_t *mcf = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (mcf->zone_size != NGX_CONF_UNSET_SIZE) {
        return "is duplicate";
    }

    value = cf->args->elts;

    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR) {
        return "invalid value";
    }

    if (size < (ssize_t) (8 * ngx_pagesize)) {
        return "is too small";
    }

    mcf->zone_size = size;

    return NGX_CONF_OK;
}


void *
ngx_canopy_create_loc_conf(ngx_conf_t *cf)
{
    ngx_canopy_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_canopy_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->keys = NGX_CONF_UNSET_PTR;
    conf->leeway = NGX_CONF_UNSET;

    return conf;
}


char *
ngx_canopy_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_canopy_loc_conf_t *prev = parent;
    ngx_canopy_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    ngx_canopy_client_merge(conf, prev);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* "if" and "limit_except" blocks are still the location around them */

    conf->error_pages = clcf->error_pages;
    conf->outer_error_pages = clcf->noname ? prev->outer_error_pages
                                           : prev->error_pages;

    ngx_canopy_merge_prefix(cf, prev, conf);

    if (clcf->noname && !conf->gateway && prev->status) {
        conf->status = prev->status;

        /* an "if" may have a handler of its own */

        if (clcf->lmt_excpt && clcf->handler == NULL) {
            clcf->handler = ngx_canopy_status_handler;
        }
    }

    if (clcf->noname && !conf->gateway && prev->gateway) {
        conf->gateway = 1;
        conf->pass = prev->pass;
        conf->value = prev->value;
        conf->file = prev->file;
        conf->line = prev->line;
    }

    if (!conf->gateway) {
        return NGX_CONF_OK;
    }

    if (clcf->lmt_excpt && clcf->handler == NULL) {
        clcf->handler = ngx_canopy_handler;
    }

    return ngx_canopy_merge_gateway(cf, conf);
}


static char *
ngx_canopy_merge_gateway(ngx_conf_t *cf, ngx_canopy_loc_conf_t *conf)
{
    ngx_canopy_main_conf_t    *mcf;
    ngx_http_core_loc_conf_t  *clcf;

    /*
     * Every error of a gateway is in one schema.  An error_page of an outer
     * level is meant for pages; one of the location itself is meant.
     */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->error_pages == conf->outer_error_pages) {
        clcf->error_pages = NULL;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_canopy_module);

    conf->zone = mcf->zone;

    if (ngx_canopy_client_init(cf, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (conf->value) {
        return NGX_CONF_OK;
    }

    conf->environment = ngx_canopy_conf_find(mcf, &conf->pass);

    if (conf->environment == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"canopy_pass\" names unknown environment \"%V\", "
                      "define it with \"canopy_environment %V { ... }\" "
                      "in %s:%ui",
                      &conf->pass, &conf->pass, conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    if (conf->environment->rules.nelts && conf->keys == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "environment \"%V\" has \"require_claim\", but clients' "
                      "tokens are not verified on this way to it, add "
                      "\"canopy_client_jwks\" in %s:%ui",
                      &conf->pass, conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static void
ngx_canopy_merge_prefix(ngx_conf_t *cf, ngx_canopy_loc_conf_t *prev,
    ngx_canopy_loc_conf_t *conf)
{
    ngx_uint_t                 regex;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname) {
        conf->prefix = prev->prefix;
        conf->no_prefix = prev->no_prefix;
        return;
    }

    regex = 0;

#if (NGX_PCRE)
    regex = (clcf->regex != NULL);
#endif

    if (regex || clcf->named || clcf->exact_match) {
        conf->no_prefix = 1;
        return;
    }

    conf->prefix = clcf->name;

    if (conf->prefix.len
        && conf->prefix.data[conf->prefix.len - 1] == '/')
    {
        conf->prefix.len--;
    }
}


char *
ngx_canopy_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_canopy_loc_conf_t *lcf = conf;

    ngx_str_t                         *value;
    ngx_canopy_main_conf_t            *mcf;
    ngx_http_core_loc_conf_t          *clcf;
    ngx_http_compile_complex_value_t   ccv;

    if (lcf->gateway) {
        return "is duplicate";
    }

    if (lcf->status) {
        return "and \"canopy_status\" can't be in one location";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "needs the name of an environment";
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_canopy_module);
    mcf->used = 1;

    lcf->gateway = 1;
    lcf->pass = value[1];
    lcf->file = cf->conf_file->file.name.data;
    lcf->line = cf->conf_file->line;

    if (ngx_http_script_variables_count(&value[1])) {

        lcf->value = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
        if (lcf->value == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &value[1];
        ccv.complex_value = lcf->value;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    clcf->handler = ngx_canopy_handler;

    return NGX_CONF_OK;
}


ngx_canopy_environment_t *
ngx_canopy_conf_find(ngx_canopy_main_conf_t *mcf, ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_canopy_environment_t  **envs;

    envs = mcf->environments.elts;

    for (i = 0; i < mcf->environments.nelts; i++) {
        if (envs[i]->name.len == name->len
            && ngx_memcmp(envs[i]->name.data, name->data, name->len) == 0)
        {
            return envs[i];
        }
    }

    return NULL;
}


ngx_int_t
ngx_canopy_conf_shared(ngx_conf_t *cf)
{
    ngx_canopy_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_canopy_module);

    ngx_conf_init_size_value(mcf->zone_size, NGX_CANOPY_ZONE_SIZE);

    if (ngx_canopy_grant_finish(cf, &mcf->environments, &mcf->state_path)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (mcf->environments.nelts == 0 && !mcf->used) {
        return NGX_OK;
    }

    return ngx_canopy_shared_add(cf, mcf->zone, mcf->zone_size,
                                 &mcf->environments);
}
