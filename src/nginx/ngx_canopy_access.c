
/*
 * Can the worker processes do with a file what they will have to?
 *
 * The modes of the file alone do not tell: directories, access lists and
 * further groups have their say.  So the question is put to the kernel, with
 * the rights of a worker.
 */


#include "ngx_canopy_access.h"
#include "ngx_canopy_conf.h"
#include "ngx_canopy_switch.h"

#include <grp.h>


typedef struct {
    gid_t        gid;
    int          ngroups;
    gid_t       *groups;
    unsigned     groups_set:1;
    unsigned     gid_set:1;
} ngx_canopy_rights_t;


static ngx_int_t ngx_canopy_access_drop(ngx_cycle_t *cycle,
    ngx_core_conf_t *ccf, ngx_canopy_rights_t *rights);
static ngx_int_t ngx_canopy_access_regain(ngx_cycle_t *cycle,
    ngx_canopy_rights_t *rights);
static ngx_int_t ngx_canopy_access_environment(ngx_cycle_t *cycle,
    ngx_core_conf_t *ccf, ngx_canopy_environment_t *env);
static ngx_int_t ngx_canopy_access_files(ngx_cycle_t *cycle,
    ngx_core_conf_t *ccf, ngx_canopy_main_conf_t *mcf);
static ngx_int_t ngx_canopy_access_file(ngx_cycle_t *cycle,
    ngx_core_conf_t *ccf, ngx_canopy_file_t *file);


char *
ngx_canopy_access_check(ngx_cycle_t *cycle, void *conf)
{
    ngx_int_t                   rc;
    ngx_uint_t                  i;
    ngx_core_conf_t            *ccf;
    ngx_canopy_rights_t         rights;
    ngx_canopy_main_conf_t     *mcf;
    ngx_canopy_environment_t  **envs;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_canopy_module);
    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (mcf == NULL || mcf->environments.nelts == 0) {
        return NGX_CONF_OK;
    }

    /* nobody else will read the files, and nginx drops no rights either */

    if (geteuid() != 0 || ccf->username == NULL
        || ccf->user == geteuid() || !ccf->master)
    {
        return NGX_CONF_OK;
    }

    if (ngx_canopy_access_drop(cycle, ccf, &rights) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rc = NGX_OK;
    envs = mcf->environments.elts;

    for (i = 0; i < mcf->environments.nelts && rc == NGX_OK; i++) {
        rc = ngx_canopy_access_environment(cycle, ccf, envs[i]);
    }

    if (rc == NGX_OK) {
        rc = ngx_canopy_access_files(cycle, ccf, mcf);
    }

    if (ngx_canopy_access_regain(cycle, &rights) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return (rc == NGX_OK) ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/*
 * What ngx_worker_process_init() does for good, for a moment.
 */

static ngx_int_t
ngx_canopy_access_drop(ngx_cycle_t *cycle, ngx_core_conf_t *ccf,
    ngx_canopy_rights_t *rights)
{
    rights->gid = getegid();
    rights->ngroups = getgroups(0, NULL);

    if (rights->ngroups == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "getgroups() failed");
        return NGX_ERROR;
    }

    rights->groups = ngx_palloc(cycle->pool,
                                (rights->ngroups + 1) * sizeof(gid_t));
    if (rights->groups == NULL) {
        return NGX_ERROR;
    }

    if (getgroups(rights->ngroups, rights->groups) != rights->ngroups) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "getgroups() failed");
        return NGX_ERROR;
    }

    /* nginx goes on if initgroups() fails, and so do we */

    rights->groups_set = (initgroups(ccf->username, ccf->group) == 0);
    rights->gid_set = (setegid(ccf->group) == 0);

    if (rights->gid_set && seteuid(ccf->user) == 0) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                  "could not take the rights of user \"%s\" for a moment",
                  ccf->username);

    (void) ngx_canopy_access_regain(cycle, rights);

    return NGX_ERROR;
}


static ngx_int_t
ngx_canopy_access_regain(ngx_cycle_t *cycle, ngx_canopy_rights_t *rights)
{
    if ((geteuid() == 0 || seteuid(0) == 0)
        && (!rights->gid_set || setegid(rights->gid) == 0)
        && (!rights->groups_set
            || setgroups(rights->ngroups, rights->groups) == 0))
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                  "could not get the rights of root back");

    return NGX_ERROR;
}


static ngx_int_t
ngx_canopy_access_environment(ngx_cycle_t *cycle, ngx_core_conf_t *ccf,
    ngx_canopy_environment_t *env)
{
    ngx_fd_t              fd;
    ngx_err_t             err;
    ngx_file_info_t       fi;
    ngx_canopy_secret_t  *secret;

    secret = env->grant ? env->grant->secret : env->secret;

    fd = ngx_open_file(secret->file.path.data,
                       NGX_FILE_RDONLY|NGX_FILE_NONBLOCK, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "secret file \"%V\" can't be read by the workers' user "
                      "\"%s\", who reads it again when it changes; give it "
                      "that user's group and mode 0640, environment \"%V\" "
                      "in %V:%ui",
                      &secret->file.path, ccf->username, &env->name,
                      &env->file, env->line);
        return NGX_ERROR;
    }

    (void) ngx_close_file(fd);

    if (env->closed_file.len == 0
        || ngx_file_info(env->closed_file.data, &fi) != NGX_FILE_ERROR)
    {
        return NGX_OK;
    }

    err = ngx_errno;

    if (err == NGX_ENOENT || err == NGX_ENOTDIR) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cycle->log, err,
                  "closed_file \"%V\" can't be looked for by the workers' "
                  "user \"%s\"; let that user search its directory, "
                  "environment \"%V\" in %V:%ui",
                  &env->closed_file, ccf->username, &env->name, &env->file,
                  env->line);

    return NGX_ERROR;
}


/*
 * Key sets and the switch.
 */

static ngx_int_t
ngx_canopy_access_files(ngx_cycle_t *cycle, ngx_core_conf_t *ccf,
    ngx_canopy_main_conf_t *mcf)
{
    ngx_uint_t           i;
    ngx_canopy_file_t   *file;
    ngx_canopy_keys_t  **keys;

    keys = mcf->keys.elts;

    for (i = 0; i < mcf->keys.nelts; i++) {
        if (ngx_canopy_access_file(cycle, ccf, &keys[i]->file) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    file = ngx_canopy_switch_watched(mcf);

    return file ? ngx_canopy_access_file(cycle, ccf, file) : NGX_OK;
}


static ngx_int_t
ngx_canopy_access_file(ngx_cycle_t *cycle, ngx_core_conf_t *ccf,
    ngx_canopy_file_t *file)
{
    ngx_fd_t  fd;

    fd = ngx_open_file(file->path.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "%s \"%V\" can't be read by the workers' user \"%s\", "
                      "who reads it again when it changes",
                      file->kind, &file->path, ccf->username);
        return NGX_ERROR;
    }

    (void) ngx_close_file(fd);

    return NGX_OK;
}
