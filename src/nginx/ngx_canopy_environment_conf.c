
/*
 * canopy_environment NAME { ... }
 */


#include "ngx_canopy_conf.h"
#include "ngx_canopy_client_conf.h"
#include "ngx_canopy_environment_conf.h"
#include "ngx_canopy_grant_conf.h"


#define NGX_CANOPY_NAME_MAX       64
#define NGX_CANOPY_KEEPALIVE_MAX  10000


typedef struct {
    ngx_str_t  name;
    ngx_str_t  server;
} ngx_canopy_builtin_t;


static ngx_canopy_environment_t *ngx_canopy_environment_create(ngx_conf_t *cf,
    ngx_str_t *name);
static ngx_uint_t ngx_canopy_environment_name_valid(ngx_str_t *name);
static char *ngx_canopy_environment_init(ngx_conf_t *cf,
    ngx_canopy_main_conf_t *mcf, ngx_canopy_environment_t *env);
static void ngx_canopy_environment_defaults(ngx_canopy_environment_t *env);
static char *ngx_canopy_environment_limits(ngx_conf_t *cf,
    ngx_canopy_environment_t *env);
static char *ngx_canopy_environment_tls(ngx_conf_t *cf,
    ngx_canopy_environment_t *env);
static char *ngx_canopy_environment_request(ngx_conf_t *cf,
    ngx_canopy_environment_t *env);


ngx_conf_bitmask_t  ngx_canopy_ssl_protocols[] = {
    { ngx_string("TLSv1.2"), NGX_SSL_TLSv1_2 },
    { ngx_string("TLSv1.3"), NGX_SSL_TLSv1_3 },
    { ngx_null_string, 0 }
};


/* Canopy's own, from its OpenAPI document */

static ngx_canopy_builtin_t  ngx_canopy_builtins[] = {
    { ngx_string("live"),
      ngx_string("https://api.canopy.umbra.space/tasking") },
    { ngx_string("sandbox"),
      ngx_string("https://api.canopy.prod.umbra-sandbox.space/tasking") },
    { ngx_null_string, ngx_null_string }
};


char *
ngx_canopy_environment_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_canopy_main_conf_t *mcf = conf;

    char                       *rv;
    void                       *ctx, *envs[1];
    ngx_str_t                  *value;
    ngx_conf_t                  save;
    ngx_canopy_environment_t   *env, **slot;

    value = cf->args->elts;

    if (!ngx_canopy_environment_name_valid(&value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name of an environment \"%V\": it must be "
                           "1 to 64 letters, digits, \"_\" and \"-\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    env = ngx_canopy_conf_find(mcf, &value[1]);

    if (env) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate environment \"%V\", it is defined in "
                           "%V:%ui", &env->name, &env->file, env->line);
        return NGX_CONF_ERROR;
    }

    env = ngx_canopy_environment_create(cf, &value[1]);
    slot = ngx_array_push(&mcf->environments);

    if (env == NULL || slot == NULL) {
        return NGX_CONF_ERROR;
    }

    *slot = env;

    /*
     * The directives of the block are those of a module of their own, so that
     * nginx finds them only here, and reports what is wrong with them.
     */

    ngx_canopy_environment_module.ctx_index = 0;
    envs[0] = env;
    ctx = envs;

    save = *cf;

    cf->ctx = &ctx;
    cf->module_type = NGX_CANOPY_ENVIRONMENT_MODULE;
    cf->cmd_type = NGX_CANOPY_ENVIRONMENT_CONF;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_canopy_environment_init(cf, mcf, env);
}


static ngx_canopy_environment_t *
ngx_canopy_environment_create(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_canopy_environment_t  *env;

    env = ngx_pcalloc(cf->pool, sizeof(ngx_canopy_environment_t));
    if (env == NULL) {
        return NULL;
    }

    env->name = *name;
    env->api.environment = &env->name;
    env->api.tls = &env->tls;
    env->file = cf->conf_file->file.name;
    env->line = cf->conf_file->line;

    env->keepalive_max = NGX_CONF_UNSET;
    env->keepalive_timeout = NGX_CONF_UNSET_MSEC;
    env->api.connect_timeout = NGX_CONF_UNSET_MSEC;
    env->api.send_timeout = NGX_CONF_UNSET_MSEC;
    env->api.read_timeout = NGX_CONF_UNSET_MSEC;
    env->exchange_timeout = NGX_CONF_UNSET_MSEC;
    env->api.response_limit = NGX_CONF_UNSET_SIZE;

    env->tls.verify = NGX_CONF_UNSET;
    env->tls.verify_depth = NGX_CONF_UNSET;
    env->tls.session_reuse = NGX_CONF_UNSET;

    return env;
}


static ngx_uint_t
ngx_canopy_environment_name_valid(ngx_str_t *name)
{
    u_char      ch;
    ngx_uint_t  i;

    if (name->len == 0 || name->len > NGX_CANOPY_NAME_MAX) {
        return 0;
    }

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        if (!((ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z')
              || (ch >= '0' && ch <= '9') || ch == '_' || ch == '-'))
        {
            return 0;
        }
    }

    return 1;
}


char *
ngx_canopy_environment_server(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_canopy_environment_t *env = conf;

    ngx_str_t  *value;

    if (env->api.url.host.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_canopy_url_parse(cf, &value[1], &env->api.url) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_canopy_environment_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    /* a template whose variable is empty must not switch anything off */

    if (value[1].len == 0) {
        return "needs the name of a file";
    }

    return ngx_conf_set_str_slot(cf, cmd, conf);
}


char *
ngx_canopy_environment_token(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_canopy_environment_t *env = conf;

    ngx_str_t  *value;

    if (env->secret) {
        return "is duplicate";
    }

    value = cf->args->elts;

    env->secret = ngx_canopy_secret_open(cf, &value[1]);
    if (env->secret == NULL) {
        return NGX_CONF_ERROR;
    }

    env->secret->file.count = &env->count;

    return NGX_CONF_OK;
}


static char *
ngx_canopy_environment_init(ngx_conf_t *cf, ngx_canopy_main_conf_t *mcf,
    ngx_canopy_environment_t *env)
{
    ngx_canopy_builtin_t  *builtin;

    for (builtin = ngx_canopy_builtins;
         env->api.url.host.data == NULL && builtin->name.len;
         builtin++)
    {
        if (builtin->name.len == env->name.len
            && ngx_memcmp(builtin->name.data, env->name.data, env->name.len)
               == 0)
        {
            if (ngx_canopy_url_parse(cf, &builtin->server, &env->api.url)
                != NGX_OK)
            {
                return NGX_CONF_ERROR;
            }
        }
    }

    if (env->api.url.host.data == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "environment \"%V\" has no \"server\"; only "
                           "\"live\" and \"sandbox\" have one built in",
                           &env->name);
        return NGX_CONF_ERROR;
    }

    if (env->secret == NULL && env->grant == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "environment \"%V\" has no credential, add "
                           "\"bearer_token_file\", or \"oauth2_client_id\" and "
                           "\"oauth2_client_secret_file\"", &env->name);
        return NGX_CONF_ERROR;
    }

    if (env->secret && env->grant) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "environment \"%V\" has two credentials, remove "
                           "\"bearer_token_file\" or the \"oauth2_...\" "
                           "directives", &env->name);
        return NGX_CONF_ERROR;
    }

    ngx_canopy_environment_defaults(env);

    if (ngx_canopy_environment_limits(cf, env) != NGX_CONF_OK
        || ngx_canopy_environment_tls(cf, env) != NGX_CONF_OK
        || ngx_canopy_server_init(cf, &env->api, &mcf->store) != NGX_OK
        || ngx_canopy_environment_request(cf, env) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (env->closed_file.len
        && ngx_conf_full_name(cf->cycle, &env->closed_file, 1) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (env->keepalive_max) {
        env->api.keepalive = ngx_canopy_keepalive_create(cf,
                                                     env->keepalive_max,
                                                     env->keepalive_timeout);
        if (env->api.keepalive == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_canopy_rules_init(env) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (env->grant
        && ngx_canopy_grant_init(cf, env, &mcf->store) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static void
ngx_canopy_environment_defaults(ngx_canopy_environment_t *env)
{
    ngx_conf_init_value(env->keepalive_max, 16);
    ngx_conf_init_msec_value(env->keepalive_timeout, 4000);
    ngx_conf_init_msec_value(env->api.connect_timeout, 5000);
    ngx_conf_init_msec_value(env->api.send_timeout, 10000);
    ngx_conf_init_msec_value(env->api.read_timeout, 30000);
    ngx_conf_init_msec_value(env->exchange_timeout, 60000);
    ngx_conf_init_size_value(env->api.response_limit, 65536);

    ngx_conf_init_value(env->tls.verify, 1);
    ngx_conf_init_value(env->tls.verify_depth, 4);
    ngx_conf_init_value(env->tls.session_reuse, 1);

    if (env->tls.protocols == 0) {
        env->tls.protocols = NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3;
    }

    if (env->tls.ciphers.data == NULL) {
        ngx_str_set(&env->tls.ciphers, "DEFAULT");
    }
}


static char *
ngx_canopy_environment_limits(ngx_conf_t *cf, ngx_canopy_environment_t *env)
{
    if (env->api.connect_timeout == 0 || env->api.send_timeout == 0
        || env->api.read_timeout == 0 || env->exchange_timeout == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "a timeout of environment \"%V\" is 0, nothing "
                           "could be sent; give it a time", &env->name);
        return NGX_CONF_ERROR;
    }

    if (env->api.response_limit == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"response_limit\" of environment \"%V\" is 0, no "
                           "reason could be read; give it a size",
                           &env->name);
        return NGX_CONF_ERROR;
    }

    if (env->keepalive_max > NGX_CANOPY_KEEPALIVE_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"keepalive\" of environment \"%V\" must be "
                           "between 0 and %d",
                           &env->name, NGX_CANOPY_KEEPALIVE_MAX);
        return NGX_CONF_ERROR;
    }

    if (env->keepalive_timeout == 0) {
        env->keepalive_max = 0;
    }

    return NGX_CONF_OK;
}


static char *
ngx_canopy_environment_tls(ngx_conf_t *cf, ngx_canopy_environment_t *env)
{
    if (env->api.name.data == NULL) {
        env->api.name = env->api.url.host;

    } else if (!ngx_canopy_url_host_valid(&env->api.name)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"server_name\" of environment \"%V\": it "
                           "must be a DNS name or an address", &env->name);
        return NGX_CONF_ERROR;
    }

    if (!env->tls.verify && (ngx_canopy_url_canopy_host(&env->api.url.host)
                             || ngx_canopy_url_canopy_host(&env->api.name)))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ssl_verify off\" would hand the credential of "
                           "environment \"%V\" to anybody who answers for "
                           "Canopy's host; remove it", &env->name);
        return NGX_CONF_ERROR;
    }

    if ((env->tls.certificate.len != 0) != (env->tls.certificate_key.len != 0))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ssl_certificate\" and \"ssl_certificate_key\" "
                           "of environment \"%V\" go together, add the other "
                           "one",
                           &env->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/*
 * All of a request that is the same every time.
 */

static char *
ngx_canopy_environment_request(ngx_conf_t *cf, ngx_canopy_environment_t *env)
{
    u_char  *p;
    size_t   size;

    size = sizeof("PATCH /tasks/") - 1 + env->api.url.path.len;

    env->head.data = ngx_pnalloc(cf->pool, size);
    if (env->head.data == NULL) {
        return NGX_CONF_ERROR;
    }

    env->head.len = ngx_sprintf(env->head.data, "PATCH %V/tasks/",
                                &env->api.url.path)
                    - env->head.data;

    size = sizeof("/cancel HTTP/1.1" CRLF
                  "Host: " CRLF
                  "Accept: application/json" CRLF
                  "User-Agent: ngx_canopy/" NGX_CANOPY_VERSION CRLF
                  "Content-Length: 0" CRLF) - 1
           + ngx_canopy_server_host_size(&env->api);

    env->tail.data = ngx_pnalloc(cf->pool, size);
    if (env->tail.data == NULL) {
        return NGX_CONF_ERROR;
    }

    p = ngx_sprintf(env->tail.data, "/cancel HTTP/1.1" CRLF "Host: ");
    p = ngx_canopy_server_host(p, &env->api);
    p = ngx_sprintf(p, CRLF "Accept: application/json" CRLF
                    "User-Agent: ngx_canopy/" NGX_CANOPY_VERSION CRLF
                    "Content-Length: 0" CRLF);

    env->tail.len = p - env->tail.data;

    return NGX_CONF_OK;
}
