
/*
 * Key sets that clients' tokens are verified with, one for each file.
 */


#ifndef _NGX_CANOPY_KEYS_H_INCLUDED_
#define _NGX_CANOPY_KEYS_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_file.h"
#include "canopy_jwk.h"


#define NGX_CANOPY_KEYS_MAX     262144  /* bytes of the file */
#define NGX_CANOPY_KEYS_DIGEST  16


typedef struct {
    ngx_canopy_file_t    file;
    canopy_jwks_t       *set;
    u_char               digest[NGX_CANOPY_KEYS_DIGEST];   /* of its text */
    char                 fault[CANOPY_JWKS_FAULT + sizeof("is malformed: ")];
} ngx_canopy_keys_t;


/*
 * Reads the set for the first time, while the configuration is read.
 *
 * In:      all, those opened before, of pointers; path, as in the
 *          configuration.
 * Returns  a set that lives as long as the cycle's pool, the same one for the
 *          same file; NULL after an error message.
 */
ngx_canopy_keys_t *ngx_canopy_keys_open(ngx_conf_t *cf, ngx_array_t *all,
    ngx_str_t *path);


#endif /* _NGX_CANOPY_KEYS_H_INCLUDED_ */
