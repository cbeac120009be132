
/*
 * What the oauth2_* directives of several environments mean together.
 */


#include "ngx_canopy_grant_conf.h"
#include "ngx_canopy_state.h"


static ngx_int_t ngx_canopy_grant_agree(ngx_conf_t *cf,
    ngx_canopy_environment_t *env, ngx_canopy_environment_t *other);
static ngx_path_t *ngx_canopy_grant_path(ngx_conf_t *cf, ngx_str_t *path);
static ngx_int_t ngx_canopy_grant_file(ngx_conf_t *cf, ngx_str_t *directory,
    ngx_canopy_grant_file_t *file);


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
