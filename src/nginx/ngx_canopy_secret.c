
/*
 * Files with one secret each.  The content is in no message.
 */


#include "ngx_canopy_secret.h"
#include "canopy_token.h"


static char *ngx_canopy_secret_read(ngx_canopy_secret_t *secret,
    ngx_err_t *err);
static char *ngx_canopy_secret_take(ngx_canopy_secret_t *secret, u_char *data,
    size_t len);
static void ngx_canopy_secret_identify(ngx_canopy_file_id_t *id,
    struct stat *st);
static ngx_uint_t ngx_canopy_secret_settled(struct stat *st);
static void ngx_canopy_secret_wipe(void *data);


ngx_canopy_secret_t *
ngx_canopy_secret_open(ngx_conf_t *cf, ngx_str_t *path)
{
    char                 *fault;
    ngx_err_t             err;
    struct stat           st;
    ngx_pool_cleanup_t   *cln;
    ngx_canopy_secret_t  *secret;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_canopy_secret_t));
    if (cln == NULL) {
        return NULL;
    }

    secret = cln->data;
    ngx_memzero(secret, sizeof(ngx_canopy_secret_t));

    cln->handler = ngx_canopy_secret_wipe;

    secret->path = *path;

    if (ngx_conf_full_name(cf->cycle, &secret->path, 1) != NGX_OK) {
        return NULL;
    }

    fault = ngx_canopy_secret_read(secret, &err);

    if (fault) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, err,
                           "secret file \"%V\" %s", &secret->path, fault);
        return NULL;
    }

    if (stat((char *) secret->path.data, &st) == 0 && (st.st_mode & 007)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "secret file \"%V\" is accessible to all users, "
                           "its mode should be 0640 or less", &secret->path);
    }

    return secret;
}


void
ngx_canopy_secret_refresh(ngx_canopy_secret_t *secret, ngx_log_t *log,
    ngx_uint_t force)
{
    char                  *fault;
    time_t                 now;
    ngx_err_t              err;
    struct stat            st;
    ngx_canopy_file_id_t   id;

    now = ngx_time();

    if (secret->checked == now && !force) {
        return;
    }

    secret->checked = now;

    if (stat((char *) secret->path.data, &st) == -1) {
        if (!secret->missing) {
            secret->missing = 1;
            ngx_log_error(NGX_LOG_CRIT, log, ngx_errno,
                          "secret file \"%V\" cannot be found, "
                          "the last good secret stays in use", &secret->path);
        }

        return;
    }

    ngx_canopy_secret_identify(&id, &st);

    if (secret->settled && !secret->missing
        && ngx_memcmp(&id, &secret->id, sizeof(id)) == 0)
    {
        return;
    }

    secret->missing = 0;

    fault = ngx_canopy_secret_read(secret, &err);

    /*
     * A bad content that may still change within the clock's tick is read
     * again, but it is reported once.
     */

    if (fault && ngx_memcmp(&id, &secret->refused, sizeof(id)) != 0) {
        secret->refused = id;
        ngx_log_error(NGX_LOG_CRIT, log, err,
                      "secret file \"%V\" %s, "
                      "the last good secret stays in use",
                      &secret->path, fault);
    }
}


ngx_uint_t
ngx_canopy_secret_usable(ngx_canopy_secret_t *secret, ngx_log_t *log)
{
    if (!secret->expiring || (double) ngx_time() < secret->expires) {
        secret->expired = 0;
        return 1;
    }

    if (!secret->expired) {
        secret->expired = 1;
        ngx_log_error(NGX_LOG_CRIT, log, 0,
                      "the token in secret file \"%V\" has expired",
                      &secret->path);
    }

    return 0;
}


/*
 * Returns NULL, or what is wrong, to be put behind the file's name.
 */

static char *
ngx_canopy_secret_read(ngx_canopy_secret_t *secret, ngx_err_t *err)
{
    char         *fault;
    u_char       *buf;
    size_t        len;
    ssize_t       n;
    ngx_fd_t      fd;
    struct stat   st;

    *err = 0;

    /* a FIFO must not stop the worker */

    fd = ngx_open_file(secret->path.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        *err = ngx_errno;
        return "cannot be opened";
    }

    buf = NULL;
    len = 0;

    if (fstat(fd, &st) == -1) {
        *err = ngx_errno;
        fault = "cannot be examined";
        goto done;
    }

    ngx_canopy_secret_identify(&secret->id, &st);
    secret->settled = ngx_canopy_secret_settled(&st);

    if (!S_ISREG(st.st_mode)) {
        fault = "is not a regular file";
        goto done;
    }

    if (st.st_size > NGX_CANOPY_SECRET_MAX) {
        fault = "is longer than 16k";
        goto done;
    }

    buf = ngx_alloc(NGX_CANOPY_SECRET_MAX + 1, ngx_cycle->log);
    if (buf == NULL) {
        fault = "cannot be read: no memory";
        goto done;
    }

    while (len <= NGX_CANOPY_SECRET_MAX) {
        n = read(fd, buf + len, NGX_CANOPY_SECRET_MAX + 1 - len);

        if (n == -1) {
            *err = ngx_errno;
            fault = "cannot be read";
            goto done;
        }

        if (n == 0) {
            break;
        }

        len += n;
    }

    fault = ngx_canopy_secret_take(secret, buf, len);

done:

    if (buf) {
        ngx_explicit_memzero(buf, len);
        ngx_free(buf);
    }

    (void) ngx_close_file(fd);

    return fault;
}


static char *
ngx_canopy_secret_take(ngx_canopy_secret_t *secret, u_char *data, size_t len)
{
    size_t          i;
    u_char         *value;
    canopy_slice_t  token;

    if (len > NGX_CANOPY_SECRET_MAX) {
        return "is longer than 16k";
    }

    while (len && (*data == ' ' || (*data >= '\t' && *data <= '\r'))) {
        data++;
        len--;
    }

    while (len && (data[len - 1] == ' '
                   || (data[len - 1] >= '\t' && data[len - 1] <= '\r')))
    {
        len--;
    }

    if (len == 0) {
        return "is empty";
    }

    for (i = 0; i < len; i++) {
        if (data[i] == LF) {
            return "holds more than one line";
        }

        if (data[i] == ' ') {
            return "holds a space inside the secret";
        }

        if (data[i] < ' ' || data[i] == 0x7f) {
            return "holds a control character inside the secret";
        }

        if (data[i] >= 0x80) {
            return "holds a character inside the secret that is not ASCII";
        }
    }

    if (secret->value.len == len
        && ngx_memcmp(secret->value.data, data, len) == 0)
    {
        return NULL;
    }

    value = ngx_alloc(len, ngx_cycle->log);
    if (value == NULL) {
        return "cannot be read: no memory";
    }

    ngx_memcpy(value, data, len);

    ngx_canopy_secret_wipe(secret);

    secret->value.data = value;
    secret->value.len = len;
    secret->generation++;
    secret->expired = 0;

    token.data = value;
    token.len = len;

    secret->expiring = canopy_token_expiry(token, &secret->expires);

    return NULL;
}


static void
ngx_canopy_secret_identify(ngx_canopy_file_id_t *id, struct stat *st)
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
ngx_canopy_secret_settled(struct stat *st)
{
    return ngx_time() > st->st_ctime + 1 && ngx_time() > st->st_mtime + 1;
}


static void
ngx_canopy_secret_wipe(void *data)
{
    ngx_canopy_secret_t *secret = data;

    if (secret->value.data) {
        ngx_explicit_memzero(secret->value.data, secret->value.len);
        ngx_free(secret->value.data);
        ngx_str_null(&secret->value);
    }
}
