
/*
 * A file of the state directory: private to nginx's user, read and replaced
 * whole.
 */


#ifndef _NGX_CANOPY_STATE_FILE_H_INCLUDED_
#define _NGX_CANOPY_STATE_FILE_H_INCLUDED_


#include "ngx_canopy.h"
#include "canopy_state.h"


/*
 * Memory of its own, wiped when it is freed.  Starts zeroed.
 */

typedef struct {
    u_char      *data;
    size_t       len;
    size_t       size;
} ngx_canopy_state_buf_t;


/*
 * Reads a file, if it can be nobody else's work.
 *
 * In:      path, NUL-terminated; empty: there is none; user, whose it may be
 *          besides this process's own.
 * Out:     *buf, its content, to be freed, with NGX_OK.
 * Returns  NGX_OK; NGX_DECLINED if there is no such file, or after a line in
 *          the log that says why it is not used.
 */
ngx_int_t ngx_canopy_state_read(ngx_str_t *path, uid_t user, ngx_log_t *log,
    ngx_canopy_state_buf_t *buf);

/*
 * Replaces a file in one step; what fails is said in the log.
 */
void ngx_canopy_state_write(ngx_str_t *path, canopy_slice_t text);

/*
 * A canopy_alloc_pt; data is the buffer, and what it had is freed.
 */
void *ngx_canopy_state_alloc(void *data, size_t size);

void ngx_canopy_state_free(ngx_canopy_state_buf_t *buf);


#endif /* _NGX_CANOPY_STATE_FILE_H_INCLUDED_ */
