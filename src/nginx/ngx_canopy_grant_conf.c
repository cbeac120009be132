
/*
 * The oauth2_* directives of canopy_environment { }.
 */


#include "ngx_canopy_grant_conf.h"


#define NGX_CANOPY_GRANT_BUDGET  20
#define NGX_CANOPY_GRANT_ANSWER  65536      /* bytes of an answer's body */


typedef struct {
    ngx_str_t  name;
    ngx_str_t  token_url;
    ngx_str_t  audience;
} ngx_canopy_grant_builtin_t;


static ngx_canopy_grant_t *ngx_canopy_grant_get(ngx_conf_t *cf,
    ngx_canopy_environment_t *env);
static ngx_int_t ngx_canopy_grant_defaults(ngx_conf_t *cf,
    ngx_canopy_environment_t *env);
static ngx_int_t ngx_canopy_grant_complete(ngx_conf_t *cf,
    ngx_canopy_environment_t *env);
static ngx_int_t ngx_canopy_grant_url(ngx_conf_t *cf,
    ngx_canopy_grant_t *grant);
static ngx_int_t ngx_canopy_grant_head(ngx_conf_t *cf,
    ngx_canopy_grant_t *grant);


/* Canopy's own: one endpoint, two audiences */

static ngx_canopy_grant_builtin_t  ngx_canopy_grant_builtins[] = {
    { ngx_string("live"),
      ngx_string("https://auth.canopy.umbra.space/oauth/token"),
      ngx_string("https://api.canopy.umbra.space") },
    { ngx_string("sandbox"),
      ngx_string("https://auth.canopy.umbra.space/oauth/token"),
      ngx_string("https://api.canopy.prod.umbra-sandbox.space") },
    { ngx_null_string, ngx_null_string, ngx_null_string }
};


static ngx_canopy_grant_t *
ngx_canopy_grant_get(ngx_conf_t *cf, ngx_canopy_environment_t *env)
{
    ngx_pool_cleanup_t  *cln;

    if (env->grant) {
        return env->grant;
    }

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_canopy_grant_t));
    if (cln == NULL) {
        return NULL;
    }

    env->grant = cln->data;
    ngx_memzero(env->grant, sizeof(ngx_canopy_grant_t));

    env->grant->limit = NGX_CONF_UNSET;

    cln->handler = ngx_canopy_grant_wipe;

    return env->grant;
}


char *
ngx_canopy_grant_text(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    u_char      ch;
    ngx_str_t  *value;
    ngx_uint_t  i;

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "must not be empty";
    }

    for (i = 0; i < value[1].len; i++) {
        ch = value[1].data[i];

        if (ch <= ' ' || ch >= 0x7f) {
            return "has a character that is not allowed there";
        }
    }

    conf = ngx_canopy_grant_get(cf, conf);
    if (conf == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_conf_set_str_slot(cf, cmd, conf);
}


char *
ngx_canopy_grant_secret(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t           *value;
    ngx_canopy_grant_t  *grant;

    grant = ngx_canopy_grant_get(cf, conf);
    if (grant == NULL) {
        return NGX_CONF_ERROR;
    }

    if (grant->secret) {
        return "is duplicate";
    }

    value = cf->args->elts;

    grant->secret = ngx_canopy_secret_open(cf, &value[1]);

    return grant->secret ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_canopy_grant_token_url(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t           *value;
    ngx_canopy_grant_t  *grant;

    grant = ngx_canopy_grant_get(cf, conf);
    if (grant == NULL) {
        return NGX_CONF_ERROR;
    }

    if (grant->server.url.host.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    return (ngx_canopy_url_parse(cf, &value[1], &grant->server.url) == NGX_OK)
               ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_canopy_grant_budget(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_int_t            n;
    ngx_str_t           *value;
    ngx_canopy_grant_t  *grant;

    grant = ngx_canopy_grant_get(cf, conf);
    if (grant == NULL) {
        return NGX_CONF_ERROR;
    }

    if (grant->limit != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    n = ngx_atoi(value[1].data, value[1].len);

    if (n < 1 || n > CANOPY_BUDGET_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"oauth2_budget\" \"%V\": it must be "
                           "between 1 and %d",
                           &value[1], CANOPY_BUDGET_MAX);
        return NGX_CONF_ERROR;
    }

    grant->limit = n;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_canopy_grant_init(ngx_conf_t *cf, ngx_canopy_environment_t *env,
    X509_STORE **store)
{
    ngx_canopy_grant_t  *grant;

    grant = env->grant;

    if (ngx_canopy_grant_defaults(cf, env) != NGX_OK
        || ngx_canopy_grant_complete(cf, env) != NGX_OK)
    {
        return NGX_ERROR;
    }

    grant->timeout = env->exchange_timeout;
    grant->count = &env->count;
    grant->secret->file.count = &env->count;

    grant->server.environment = &env->name;
    grant->server.name = grant->server.url.host;
    grant->server.tls = &env->tls;
    grant->server.connect_timeout = env->api.connect_timeout;
    grant->server.send_timeout = env->api.send_timeout;
    grant->server.read_timeout = env->api.read_timeout;
    grant->server.response_limit = NGX_CANOPY_GRANT_ANSWER;

    if (!env->tls.verify && ngx_canopy_url_canopy_host(&grant->server.name)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ssl_verify off\" would hand the client secret of "
                           "environment \"%V\" to anybody who answers for "
                           "Canopy's host; remove it", &env->name);
        return NGX_ERROR;
    }

    if (ngx_canopy_server_init(cf, &grant->server, store) != NGX_OK
        || ngx_canopy_grant_url(cf, grant) != NGX_OK
        || ngx_canopy_grant_head(cf, grant) != NGX_OK)
    {
        return NGX_ERROR;
    }

    grant->budget_file.key.token_url = ngx_canopy_slice(&grant->url);
    grant->budget_file.key.client_id = ngx_canopy_slice(&grant->client_id);

    grant->token_file.key = grant->budget_file.key;
    grant->token_file.key.environment = ngx_canopy_slice(&env->name);
    grant->token_file.key.audience = ngx_canopy_slice(&grant->audience);

    return NGX_OK;
}


static ngx_int_t
ngx_canopy_grant_defaults(ngx_conf_t *cf, ngx_canopy_environment_t *env)
{
    ngx_canopy_grant_t          *grant;
    ngx_canopy_grant_builtin_t  *builtin;

    grant = env->grant;

    ngx_conf_init_value(grant->limit, NGX_CANOPY_GRANT_BUDGET);

    for (builtin = ngx_canopy_grant_builtins; builtin->name.len; builtin++) {

        if (builtin->name.len != env->name.len
            || ngx_memcmp(builtin->name.data, env->name.data, env->name.len)
               != 0)
        {
            continue;
        }

        if (grant->audience.data == NULL) {
            grant->audience = builtin->audience;
        }

        if (grant->server.url.host.data == NULL
            && ngx_canopy_url_parse(cf, &builtin->token_url,
                                    &grant->server.url)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_canopy_grant_complete(ngx_conf_t *cf, ngx_canopy_environment_t *env)
{
    char                *missing;
    ngx_canopy_grant_t  *grant;

    grant = env->grant;

    if (grant->client_id.len == 0) {
        missing = "oauth2_client_id";

    } else if (grant->secret == NULL) {
        missing = "oauth2_client_secret_file";

    } else if (grant->server.url.host.data == NULL) {
        missing = "oauth2_token_url";

    } else if (grant->audience.len == 0) {
        missing = "oauth2_audience";

    } else {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "environment \"%V\" has no \"%s\", its token can't be "
                       "exchanged without; add it", &env->name, missing);

    return NGX_ERROR;
}


/*
 * One form for all that mean the same.
 */

static ngx_int_t
ngx_canopy_grant_url(ngx_conf_t *cf, ngx_canopy_grant_t *grant)
{
    u_char            *p;
    ngx_canopy_url_t  *url;

    url = &grant->server.url;

    if (url->url.uri.len == 0) {
        ngx_str_set(&url->url.uri, "/");
    }

    p = ngx_pnalloc(cf->pool, sizeof("https://[]:65535") + url->url.url.len
                              + url->host.len + url->url.uri.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    grant->url.data = p;

    if (url->local) {
        p = ngx_sprintf(p, "http://%V", &url->url.url);

    } else {
        p = ngx_sprintf(p, "http%s://", url->ssl ? "s" : "");
        ngx_strlow(p, url->host.data, url->host.len);
        p += url->host.len;
        p = ngx_sprintf(p, ":%ui%V", (ngx_uint_t) url->url.port,
                        &url->url.uri);
    }

    grant->url.len = p - grant->url.data;

    return NGX_OK;
}


static ngx_int_t
ngx_canopy_grant_head(ngx_conf_t *cf, ngx_canopy_grant_t *grant)
{
    u_char               *p;
    ngx_canopy_server_t  *server;

    server = &grant->server;

    p = ngx_pnalloc(cf->pool,
                    sizeof("POST  HTTP/1.1" CRLF
                           "Host: " CRLF
                           "Content-Type: application/json" CRLF
                           "Accept: application/json" CRLF
                           "User-Agent: ngx_canopy/" NGX_CANOPY_VERSION CRLF
                           "Connection: close" CRLF
                           "Content-Length: ")
                    + server->url.url.uri.len
                    + ngx_canopy_server_host_size(server));
    if (p == NULL) {
        return NGX_ERROR;
    }

    grant->head.data = p;

    p = ngx_sprintf(p, "POST %V HTTP/1.1" CRLF "Host: ",
                    &server->url.url.uri);
    p = ngx_canopy_server_host(p, server);
    p = ngx_sprintf(p, CRLF "Content-Type: application/json" CRLF
                    "Accept: application/json" CRLF
                    "User-Agent: ngx_canopy/" NGX_CANOPY_VERSION CRLF
                    "Connection: close" CRLF
                    "Content-Length: ");

    grant->head.len = p - grant->head.data;

    return NGX_OK;
}
