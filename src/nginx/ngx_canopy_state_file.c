
/*
 * A file of the state directory.
 */


#include "ngx_canopy_state_file.h"


static char *ngx_canopy_state_read_fd(ngx_fd_t fd, uid_t user,
    ngx_canopy_state_buf_t *buf, ngx_err_t *err);
static char *ngx_canopy_state_write_file(u_char *temp, ngx_str_t *path,
    canopy_slice_t text);


ngx_int_t
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


void
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


void *
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


void
ngx_canopy_state_free(ngx_canopy_state_buf_t *buf)
{
    if (buf->data) {
        ngx_explicit_memzero(buf->data, buf->size);
        ngx_free(buf->data);
        ngx_memzero(buf, sizeof(ngx_canopy_state_buf_t));
    }
}
