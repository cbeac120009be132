
/*
 * The state directory.
 *
 * The files are small, and are touched when a token is exchanged, a few times
 * a day.  They are not synced to the disk: what a failing machine loses costs
 * an exchange.
 */


#include "ngx_canopy_state.h"


typedef struct {
    u_char      *data;
    size_t       len;
    size_t       size;
} ngx_canopy_state_buf_t;


static ngx_int_t ngx_canopy_state_load(ngx_canopy_grant_t *grant, uid_t user,
    ngx_log_t *log, canopy_state_token_t *token, ngx_canopy_state_buf_t *buf);
static void ngx_canopy_state_note(ngx_canopy_grant_t *grant, uid_t user,
    ngx_log_t *log);
static void ngx_canopy_state_put(ngx_canopy_grant_t *grant,
    canopy_state_token_t *token);
static ngx_int_t ngx_canopy_state_read(ngx_str_t *path, uid_t user,
    ngx_log_t *log, ngx_canopy_state_buf_t *buf);
static char *ngx_canopy_state_read_fd(ngx_fd_t fd, uid_t user,
    ngx_canopy_state_buf_t *buf, ngx_err_t *err);
static void ngx_canopy_state_refused(ngx_str_t *path, int rc, ngx_log_t *log);
static void ngx_canopy_state_write(ngx_str_t *path, canopy_slice_t text);
static char *ngx_canopy_state_write_file(u_char *temp, ngx_str_t *path,
    canopy_slice_t text);
static void *ngx_canopy_state_alloc(void *data, size_t size);
static void ngx_canopy_state_free(ngx_canopy_state_buf_t *buf);


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


static ngx_int_t
ngx_canopy_state_read(ngx_str_t *path, uid_t user, ngx_log_t *log,
    ngx_canopy_state_buf_t *buf)
{
    char       *fault;
    ngx_fd_t    fd;
    ngx_err_t   err;

    ngx_memzero(buf, sizeof(ngx_canopy_state_buf_t));

    if (path->len == 0) {
        return NGX_DECLINED;
    }

    /* neither a FIFO nor a link put there may lead the worker elsewhere */

    fd = open((char *) path->data, O_RDONLY|O_NONBLOCK|O_NOFOLLOW|O_CLOEXEC);

    if (fd == NGX_INVALID_FILE) {
        err = ngx_errno;

        if (err == NGX_ENOENT) {
            return NGX_DECLINED;
        }

        fault = "cannot be opened";

    } else {
        fault = ngx_canopy_state_read_fd(fd, user, buf, &err);

        (void) ngx_close_file(fd);
    }

    if (fault) {
        ngx_canopy_state_free(buf);
        ngx_log_error(NGX_LOG_ERR, log, err,
                      "state file \"%V\" %s, it is not used", path, fault);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static char *
ngx_canopy_state_read_fd(ngx_fd_t fd, uid_t user, ngx_canopy_state_buf_t *buf,
    ngx_err_t *err)
{
    ssize_t      n;
    struct stat  st;

    *err = 0;

    if (fstat(fd, &st) == -1) {
        *err = ngx_errno;
        return "cannot be examined";
    }

    if (!S_ISREG(st.st_mode)) {
        return "is not a regular file";
    }

    if (st.st_uid != user && st.st_uid != geteuid()) {
        return "belongs to another user";
    }

    if (st.st_mode & 077) {
        return "is accessible to other users";
    }

    if (st.st_size > CANOPY_STATE_MAX) {
        return "is longer than 64k";
    }

    if (ngx_canopy_state_alloc(buf, CANOPY_STATE_MAX) == NULL) {
        return "cannot be read: no memory";
    }

    while (buf->len < buf->size) {
        n = read(fd, buf->data + buf->len, buf->size - buf->len);

        if (n == -1) {
            *err = ngx_errno;
            return "cannot be read";
        }

        if (n == 0) {
            break;
        }

        buf->len += n;
    }

    return NULL;
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


static void
ngx_canopy_state_write(ngx_str_t *path, canopy_slice_t text)
{
    char    *fault;
    u_char  *temp;

    temp = ngx_alloc(path->len + NGX_INT64_LEN + sizeof(".tmp") + 1,
                     ngx_cycle->log);
    if (temp == NULL) {
        return;
    }

    (void) ngx_sprintf(temp, "%V.%P.tmp%Z", path, ngx_pid);

    fault = ngx_canopy_state_write_file(temp, path, text);

    if (fault) {
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, ngx_errno,
                      "state file \"%V\" cannot be written: %s failed",
                      path, fault);
    }

    ngx_free(temp);
}


/*
 * Returns NULL, or what failed; errno says why.
 */

static char *
ngx_canopy_state_write_file(u_char *temp, ngx_str_t *path, canopy_slice_t text)
{
    ssize_t    n;
    ngx_fd_t   fd;
    ngx_err_t  err;

    /* a process with this number may have died here */

    (void) ngx_delete_file(temp);

    fd = open((char *) temp, O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC,
              0600);
    if (fd == NGX_INVALID_FILE) {
        return "open()";
    }

    n = write(fd, text.data, text.len);
    err = (n == -1) ? ngx_errno : NGX_ENOSPC;

    (void) ngx_close_file(fd);

    if (n != (ssize_t) text.len) {
        (void) ngx_delete_file(temp);
        ngx_set_errno(err);
        return "write()";
    }

    if (ngx_rename_file(temp, path->data) == NGX_FILE_ERROR) {
        err = ngx_errno;
        (void) ngx_delete_file(temp);
        ngx_set_errno(err);
        return "rename()";
    }

    return NULL;
}


static void *
ngx_canopy_state_alloc(void *data, size_t size)
{
    ngx_canopy_state_buf_t *buf = data;

    ngx_canopy_state_free(buf);

    buf->data = ngx_alloc(size, ngx_cycle->log);
    if (buf->data == NULL) {
        return NULL;
    }

    buf->size = size;

    return buf->data;
}


static void
ngx_canopy_state_free(ngx_canopy_state_buf_t *buf)
{
    if (buf->data) {
        ngx_explicit_memzero(buf->data, buf->size);
        ngx_free(buf->data);
        ngx_memzero(buf, sizeof(ngx_canopy_state_buf_t));
    }
}
