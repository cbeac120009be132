
/*
 * Small files that an operator may replace at any time.
 */


#include "ngx_canopy_file.h"


static char *ngx_canopy_file_read(ngx_canopy_file_t *file, ngx_err_t *err);
static char *ngx_canopy_file_read_fd(ngx_canopy_file_t *file, ngx_fd_t fd,
    u_char *buf, size_t *len, ngx_err_t *err);
static void ngx_canopy_file_identify(ngx_canopy_file_id_t *id,
    struct stat *st);
static ngx_uint_t ngx_canopy_file_settled(struct stat *st);


ngx_int_t
ngx_canopy_file_open(ngx_conf_t *cf, ngx_canopy_file_t *file, ngx_str_t *path)
{
    char       *fault;
    ngx_err_t   err;

    file->path = *path;

    if (ngx_conf_full_name(cf->cycle, &file->path, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    fault = ngx_canopy_file_read(file, &err);

    if (fault) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, err, "%s \"%V\" %s",
                           file->kind, &file->path, fault);
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_canopy_file_refresh(ngx_canopy_file_t *file, ngx_log_t *log,
    ngx_uint_t force)
{
    char                  *fault;
    time_t                 now;
    ngx_err_t              err;
    struct stat            st;
    ngx_canopy_file_id_t   id;

    now = ngx_time();

    if (file->checked == now && !force) {
        return;
    }

    file->checked = now;

    if (stat((char *) file->path.data, &st) == -1) {
        file->bad = 1;

        if (!file->missing) {
            file->missing = 1;
            ngx_log_error(NGX_LOG_CRIT, log, ngx_errno,
                          "%s \"%V\" cannot be found, "
                          "the last good %s stays in use",
                          file->kind, &file->path, file->what);

            ngx_canopy_count_failure(file->count, "%s \"%V\" cannot be found",
                                     file->kind, &file->path);
        }

        return;
    }

    ngx_canopy_file_identify(&id, &st);

    if (file->settled && !file->missing
        && ngx_memcmp(&id, &file->id, sizeof(id)) == 0)
    {
        return;
    }

    file->missing = 0;

    fault = ngx_canopy_file_read(file, &err);
    file->bad = (fault != NULL);

    /*
     * A bad content that may still change within the clock's tick is read
     * again, but it is reported once.
     */

    if (fault && ngx_memcmp(&id, &file->refused, sizeof(id)) != 0) {
        file->refused = id;
        ngx_log_error(NGX_LOG_CRIT, log, err,
                      "%s \"%V\" %s, the last good %s stays in use",
                      file->kind, &file->path, fault, file->what);

        ngx_canopy_count_failure(file->count, "%s \"%V\" %s",
                                 file->kind, &file->path, fault);
    }
}


/*
 * Returns NULL, or what is wrong, to be put behind the file's name.
 */

static char *
ngx_canopy_file_read(ngx_canopy_file_t *file, ngx_err_t *err)
{
    char      *fault;
    u_char    *buf;
    size_t     len;
    ngx_fd_t   fd;

    *err = 0;

    /* a FIFO must not stop the worker */

    fd = ngx_open_file(file->path.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        *err = ngx_errno;
        return "cannot be opened";
    }

    len = 0;
    buf = ngx_alloc(file->max + 1, ngx_cycle->log);

    if (buf == NULL) {
        fault = "cannot be read: no memory";

    } else {
        fault = ngx_canopy_file_read_fd(file, fd, buf, &len, err);

        if (fault == NULL) {
            fault = file->take(file->owner, buf, len);
        }

        ngx_explicit_memzero(buf, len);
        ngx_free(buf);
    }

    (void) ngx_close_file(fd);

    return fault;
}


static char *
ngx_canopy_file_read_fd(ngx_canopy_file_t *file, ngx_fd_t fd, u_char *buf,
    size_t *len, ngx_err_t *err)
{
    ssize_t      n;
    struct stat  st;

    if (fstat(fd, &st) == -1) {
        *err = ngx_errno;
        return "cannot be examined";
    }

    ngx_canopy_file_identify(&file->id, &st);
    file->settled = ngx_canopy_file_settled(&st);

    if (!S_ISREG(st.st_mode)) {
        return "is not a regular file";
    }

    if (st.st_size > (off_t) file->max) {
        return file->too_long;
    }

    while (*len <= file->max) {
        n = read(fd, buf + *len, file->max + 1 - *len);

        if (n == -1) {
            *err = ngx_errno;
            return "cannot be read";
        }

        if (n == 0) {
            return NULL;
        }

        *len += n;
    }

    return file->too_long;
}


static void
ngx_canopy_file_identify(ngx_canopy_file_id_t *id, struct stat *st)
{
    /* compared byte by byte, padding included */

    ngx_memzero(id, sizeof(ngx_canopy_file_id_t));

    id->device = st->st_dev;
    id->inode = st->st_ino;
    id->size = st->st_size;
    id->mtime = st->st_mtim;
    id->ctime = st->st_ctim;
}


/*
 * A file written twice within a tick of the file system's clock looks the same
 * after the second time.  So a young content is not trusted to be the last.
 */

static ngx_uint_t
ngx_canopy_file_settled(struct stat *st)
{
    return ngx_time() > st->st_ctime + 1 && ngx_time() > st->st_mtime + 1;
}


char *
ngx_canopy_file_line(u_char **data, size_t *len)
{
    size_t   i, n;
    u_char  *p;

    p = *data;
    n = *len;

    while (n && (*p == ' ' || (*p >= '\t' && *p <= '\r'))) {
        p++;
        n--;
    }

    while (n && (p[n - 1] == ' ' || (p[n - 1] >= '\t' && p[n - 1] <= '\r'))) {
        n--;
    }

    if (n == 0) {
        return "is empty";
    }

    for (i = 0; i < n; i++) {
        if (p[i] == LF) {
            return "holds more than one line";
        }

        if (p[i] == ' ') {
            return "holds a space inside";
        }

        if (p[i] < ' ' || p[i] == 0x7f) {
            return "holds a control character inside";
        }

        if (p[i] >= 0x80) {
            return "holds a character that is not ASCII";
        }
    }

    *data = p;
    *len = n;

    return NULL;
}
