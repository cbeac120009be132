
/*
 * Small files that an operator may replace at any time: secrets, keys, the
 * switch.  A content is taken when it is good; else the last good one stays.
 */


#ifndef _NGX_CANOPY_FILE_H_INCLUDED_
#define _NGX_CANOPY_FILE_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_count.h"


typedef struct {
    dev_t                    device;
    ino_t                    inode;
    off_t                    size;
    struct timespec          mtime;
    struct timespec          ctime;
} ngx_canopy_file_id_t;


/*
 * Takes a new content; data's bytes are wiped after it.
 *
 * Returns  NULL, or what is wrong with it, to be put behind the file's name.
 */
typedef char *(*ngx_canopy_file_take_pt)(void *owner, u_char *data,
    size_t len);


typedef struct {

    /* set by the owner */

    char                    *kind;          /* in messages: "secret file" */
    char                    *what;          /* "secret" */
    size_t                   max;           /* bytes */
    char                    *too_long;      /* "is longer than 16k" */
    ngx_canopy_file_take_pt  take;
    void                    *owner;
    ngx_canopy_count_t      *count;         /* told of failures, or NULL */

    ngx_str_t                path;          /* NUL-terminated */
    ngx_canopy_file_id_t     id;            /* of the content last looked at */
    ngx_canopy_file_id_t     refused;       /* of the last one refused */
    time_t                   checked;       /* when it was looked at */
    unsigned                 settled:1;     /* it can't change unseen */
    unsigned                 missing:1;     /* said in the log */
    unsigned                 bad:1;         /* not usable as it is now */
} ngx_canopy_file_t;


/*
 * Reads the file for the first time, while the configuration is read.
 *
 * In:      path, as in the configuration.
 * Returns  NGX_OK; NGX_ERROR after a message that names file and fault, never
 *          the content.
 */
ngx_int_t ngx_canopy_file_open(ngx_conf_t *cf, ngx_canopy_file_t *file,
    ngx_str_t *path);

/*
 * Looks at the file again if that was not done within this second, or now if
 * force is set.  A content that is not good is refused with one line in the
 * log.
 */
void ngx_canopy_file_refresh(ngx_canopy_file_t *file, ngx_log_t *log,
    ngx_uint_t force);


/*
 * White space around a content of one line; other than that it may be of any
 * visible ASCII characters.
 *
 * Returns  NULL, *data and *len are the line; or what is wrong.
 */
char *ngx_canopy_file_line(u_char **data, size_t *len);


#endif /* _NGX_CANOPY_FILE_H_INCLUDED_ */
