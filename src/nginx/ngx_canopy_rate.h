
/*
 * What may be sent to an environment in rolling windows, counted over all
 * workers.  The count is kept by core's canopy_window.
 */


#ifndef _NGX_CANOPY_RATE_H_INCLUDED_
#define _NGX_CANOPY_RATE_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_zone.h"
#include "canopy_window.h"


typedef struct {
    ngx_uint_t               nwindows;      /* 0: no limit */
    canopy_window_t          windows[CANOPY_WINDOW_MAX];

    /* in the zone; its lock is held */

    ngx_slab_pool_t         *shpool;
    ngx_canopy_zone_rate_t  *shared;
} ngx_canopy_rate_t;


/*
 * Directive rate_limit; conf is the environment, cmd->offset that of its
 * ngx_canopy_rate_t.
 */
char *ngx_canopy_rate_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * In the master: the environment's count in the zone, with as much room as the
 * largest window needs.
 *
 * In:      name, of the environment.
 * Returns  NGX_OK; NGX_ERROR if there is no room for it.
 */
ngx_int_t ngx_canopy_rate_init(ngx_canopy_zone_t *zone,
    ngx_canopy_rate_t *rate, ngx_str_t *name);

/*
 * Is there a place now?  Takes it if take is set.
 *
 * Returns  0; or in how many seconds there will be one, rounded up.
 */
time_t ngx_canopy_rate_ask(ngx_canopy_rate_t *rate, ngx_uint_t take);


#endif /* _NGX_CANOPY_RATE_H_INCLUDED_ */
