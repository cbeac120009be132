
/*
 * The oauth2_* directives of canopy_environment { }.
 */


#include "ngx_canopy_grant_conf.h"
#include "ngx_canopy_state.h"


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
static ngx_path_t *ngx_canopy_grant_path(ngx_conf_t *cf, ngx_str_t *path);
static ngx_int_t ngx_canopy_grant_file(ngx_conf_t *cf, ngx_str_t *directory,
    ngx_canopy_grant_file_t *file);
static ngx_int_t ngx_canopy_grant_agree(ngx_conf_t *cf,
    ngx_canopy_environment_t *env, ngx_canopy_environment_t *other);


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


ngx_int_t
ngx_canopy_grant_finish(ngx_conf_t *cf, ngx_array_t *environments,
    ngx_str_t *path)
{
    ngx_uint_t                  i, n;
    ngx_str_t                  *directory;
    ngx_path_t                 *p;
    ngx_canopy_grant_t         *grant;
    ngx_canopy_environment_t  **envs;

    envs = environments->elts;
    directory = NULL;

    for (i = 0; i < environments->nelts; i++) {

        grant = envs[i]->grant;

        if (grant == NULL) {
            continue;
        }

        for (n = 0; n < i; n++) {
            if (envs[n]->grant
                && ngx_canopy_grant_agree(cf, envs[i], envs[n]) != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        if (directory == NULL
            && (path->len == 0 || ngx_strcmp(path->data, "off") != 0))
        {
            p = ngx_canopy_grant_path(cf, path);
            if (p == NULL) {
                return NGX_ERROR;
            }

            directory = &p->name;
        }

        if (ngx_canopy_grant_file(cf, directory, &grant->token_file) != NGX_OK
            || ngx_canopy_grant_file(cf, directory, &grant->budget_file)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_canopy_grant_agree(ngx_conf_t *cf, ngx_canopy_environment_t *env,
    ngx_canopy_environment_t *other)
{
    ngx_canopy_grant_t  *a, *b;

    a = env->grant;
    b = other->grant;

    if (a->limit == b->limit
        || a->url.len != b->url.len
        || ngx_memcmp(a->url.data, b->url.data, a->url.len) != 0
        || a->client_id.len != b->client_id.len
        || ngx_memcmp(a->client_id.data, b->client_id.data, a->client_id.len)
           != 0)
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "environments \"%V\" and \"%V\" share a token endpoint and a "
                  "client, so their \"oauth2_budget\" must be the same, in "
                  "%V:%ui",
                  &other->name, &env->name, &env->file, env->line);

    return NGX_ERROR;
}


/*
 * nginx creates the directory, for the workers' user, as it does its own.
 */

static ngx_path_t *
ngx_canopy_grant_path(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_path_t  *path;

    path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    if (path == NULL) {
        return NULL;
    }

    path->name = *name;

    if (name->len == 0) {
        ngx_str_set(&path->name, NGX_CANOPY_STATE_PATH);
    }

    if (path->name.data[path->name.len - 1] == '/') {
        path->name.len--;
    }

    if (ngx_conf_full_name(cf->cycle, &path->name, 0) != NGX_OK) {
        return NULL;
    }

    path->conf_file = cf->conf_file->file.name.data;
    path->line = cf->conf_file->line;

    return (ngx_add_path(cf, &path) == NGX_OK) ? path : NULL;
}


static ngx_int_t
ngx_canopy_grant_file(ngx_conf_t *cf, ngx_str_t *directory,
    ngx_canopy_grant_file_t *file)
{
    u_char  *p;

    canopy_state_name(&file->key, file->name);

    if (directory == NULL) {
        return NGX_OK;
    }

    p = ngx_pnalloc(cf->pool, directory->len + 1 + CANOPY_STATE_NAME);
    if (p == NULL) {
        return NGX_ERROR;
    }

    file->path.data = p;
    file->path.len = ngx_sprintf(p, "%V/%s%Z", directory, file->name) - p - 1;

    return NGX_OK;
}
