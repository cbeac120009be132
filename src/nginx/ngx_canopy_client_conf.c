
/*
 * The canopy_client_* directives, and require_claim of canopy_environment { }.
 */


#include "ngx_canopy_client_conf.h"


static ngx_uint_t ngx_canopy_client_text_valid(ngx_str_t *text);
static ngx_int_t ngx_canopy_client_digest(ngx_canopy_loc_conf_t *conf);
static int ngx_canopy_digest_text(EVP_MD_CTX *ctx, const u_char *data,
    size_t len);


char *
ngx_canopy_client_jwks(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_canopy_loc_conf_t *lcf = conf;

    ngx_str_t               *value;
    ngx_canopy_main_conf_t  *mcf;

    if (lcf->keys != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "needs the name of a file";
    }

    if (ngx_strcmp(value[1].data, "off") == 0) {
        lcf->keys = NULL;
        return NGX_CONF_OK;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_canopy_module);

    lcf->keys = ngx_canopy_keys_open(cf, &mcf->keys, &value[1]);

    return lcf->keys ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_canopy_client_text(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    /* a template whose variable is empty must not let everybody in */

    if (!ngx_canopy_client_text_valid(&value[1])) {
        return "must be of visible characters, one at least";
    }

    return ngx_conf_set_str_slot(cf, cmd, conf);
}


static ngx_uint_t
ngx_canopy_client_text_valid(ngx_str_t *text)
{
    ngx_uint_t  i;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] < ' ' || text->data[i] == 0x7f) {
            return 0;
        }
    }

    return text->len != 0;
}


char *
ngx_canopy_require_claim(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_canopy_environment_t *env = conf;

    ngx_str_t       *value;
    ngx_uint_t       i, n;
    canopy_rule_t   *rule;
    canopy_slice_t  *values;

    value = cf->args->elts;
    n = cf->args->nelts;

    for (i = 1; i < n; i++) {
        if (!ngx_canopy_client_text_valid(&value[i])) {
            return "must be of visible characters, one at least";
        }
    }

    if (env->rules.elts == NULL
        && ngx_array_init(&env->rules, cf->pool, 2, sizeof(canopy_rule_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    rule = ngx_array_push(&env->rules);
    values = ngx_palloc(cf->pool, (n - 2) * sizeof(canopy_slice_t));

    if (rule == NULL || values == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < n; i++) {
        values[i - 2] = ngx_canopy_slice(&value[i]);
    }

    rule->claim = ngx_canopy_slice(&value[1]);
    rule->values = values;
    rule->nvalues = n - 2;

    return NGX_CONF_OK;
}


void
ngx_canopy_client_merge(ngx_canopy_loc_conf_t *conf,
    ngx_canopy_loc_conf_t *prev)
{
    conf->keys_set = prev->keys_set || conf->keys != NGX_CONF_UNSET_PTR;

    ngx_conf_merge_ptr_value(conf->keys, prev->keys, NULL);
    ngx_conf_merge_str_value(conf->audience, prev->audience, "");
    ngx_conf_merge_str_value(conf->issuer, prev->issuer, "");
    ngx_conf_merge_sec_value(conf->leeway, prev->leeway, 60);
}


ngx_int_t
ngx_canopy_client_init(ngx_conf_t *cf, ngx_canopy_loc_conf_t *conf)
{
    if (conf->keys && conf->audience.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"canopy_client_jwks\" needs "
                      "\"canopy_client_audience\", or tokens that the same "
                      "issuer gave for others are taken; \"any\" says that "
                      "this is meant, in %s:%ui", conf->file, conf->line);
        return NGX_ERROR;
    }

    if (!conf->keys_set && (conf->audience.len || conf->issuer.len)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"canopy_client_audience\" and "
                      "\"canopy_client_issuer\" are checked only in a "
                      "verified token, add \"canopy_client_jwks\" in %s:%ui",
                      conf->file, conf->line);
        return NGX_ERROR;
    }

    if (conf->issuer.len && ngx_strcmp(conf->issuer.data, "off") == 0) {
        conf->issuer.len = 0;
    }

    conf->any_audience = (conf->audience.len
                          && ngx_strcmp(conf->audience.data, "any") == 0);

    return ngx_canopy_client_digest(conf);
}


/*
 * By what a token is checked in this location, keys aside.
 */

static ngx_int_t
ngx_canopy_client_digest(ngx_canopy_loc_conf_t *conf)
{
    u_char       md[EVP_MAX_MD_SIZE];
    ngx_int_t    rc;
    EVP_MD_CTX  *ctx;

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL)
        && ngx_canopy_digest_text(ctx, conf->audience.data, conf->audience.len)
        && ngx_canopy_digest_text(ctx, conf->issuer.data, conf->issuer.len)
        && EVP_DigestUpdate(ctx, &conf->any_audience, sizeof(ngx_flag_t))
        && EVP_DigestUpdate(ctx, &conf->leeway, sizeof(time_t))
        && EVP_DigestFinal_ex(ctx, md, NULL))
    {
        ngx_memcpy(conf->digest, md, NGX_CANOPY_KEYS_DIGEST);
        rc = NGX_OK;
    }

    EVP_MD_CTX_free(ctx);

    return rc;
}


ngx_int_t
ngx_canopy_rules_init(ngx_canopy_environment_t *env)
{
    u_char          md[EVP_MAX_MD_SIZE];
    ngx_int_t       rc;
    ngx_uint_t      i, n;
    EVP_MD_CTX     *ctx;
    canopy_rule_t  *rule;

    if (env->rules.nelts == 0) {
        return NGX_OK;
    }

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    rc = EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) ? NGX_OK : NGX_ERROR;
    rule = env->rules.elts;

    for (i = 0; i < env->rules.nelts; i++) {

        if (!EVP_DigestUpdate(ctx, &rule[i].nvalues, sizeof(size_t))
            || !ngx_canopy_digest_text(ctx, rule[i].claim.data,
                                       rule[i].claim.len))
        {
            rc = NGX_ERROR;
        }

        for (n = 0; n < rule[i].nvalues; n++) {
            if (!ngx_canopy_digest_text(ctx, rule[i].values[n].data,
                                        rule[i].values[n].len))
            {
                rc = NGX_ERROR;
            }
        }
    }

    if (!EVP_DigestFinal_ex(ctx, md, NULL)) {
        rc = NGX_ERROR;
    }

    EVP_MD_CTX_free(ctx);

    if (rc == NGX_OK) {
        ngx_memcpy(&env->rules_number, md, sizeof(uint64_t));

        /* 0 is that of none */

        env->rules_number |= 1;
    }

    return rc;
}


static int
ngx_canopy_digest_text(EVP_MD_CTX *ctx, const u_char *data, size_t len)
{
    return EVP_DigestUpdate(ctx, &len, sizeof(size_t))
           && EVP_DigestUpdate(ctx, data, len);
}
