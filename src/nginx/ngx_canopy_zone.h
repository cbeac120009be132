
/*
 * What all workers share, and what a reload leaves alone: exchanged tokens,
 * the times of exchanges, rate windows, counters, verdicts of clients' tokens.
 *
 * An entry is found by what it is of, not by its place in the configuration.
 */


#ifndef _NGX_CANOPY_ZONE_H_INCLUDED_
#define _NGX_CANOPY_ZONE_H_INCLUDED_


#include "ngx_canopy.h"
#include "canopy_counters.h"
#include "canopy_grant.h"
#include "canopy_refresh.h"
#include "canopy_state.h"
#include "canopy_window.h"


#define NGX_CANOPY_ZONE_KEY      32     /* two of AES-128 */
#define NGX_CANOPY_ZONE_FAILURE  192    /* bytes of text */


typedef struct {
    ngx_queue_t            queue;
    char                   name[CANOPY_STATE_NAME];
} ngx_canopy_zone_entry_t;


typedef struct {
    ngx_canopy_zone_entry_t  entry;

    canopy_refresh_t       refresh;
    ngx_pid_t              owner;       /* of the exchange under way */
    struct timespec        secret;      /* when the newest client secret that
                                           a worker knows was put there */

    ngx_atomic_t           version;     /* another token, another number; 0:
                                           there was none yet */
    size_t                 len;
    u_char                 token[CANOPY_GRANT_TOKEN_MAX];
} ngx_canopy_zone_token_t;


typedef struct {
    ngx_canopy_zone_entry_t  entry;

    canopy_budget_t        budget;
    ngx_uint_t             spent;       /* said in the log */
} ngx_canopy_zone_budget_t;


typedef struct {
    ngx_canopy_zone_entry_t  entry;

    canopy_window_ring_t  *ring;        /* may be replaced by a larger one */
} ngx_canopy_zone_rate_t;


typedef struct {
    ngx_canopy_zone_entry_t  entry;

    canopy_counters_t      counters;

    /* of the environment's credential */

    ngx_uint_t             refused;     /* by the upstream, which has not taken
                                           it since */
    int64_t                failed;      /* ms since the Epoch; 0: never */
    size_t                 len;
    u_char                 failure[NGX_CANOPY_ZONE_FAILURE];
} ngx_canopy_zone_count_t;


typedef struct {
    ngx_queue_t            tokens;
    ngx_queue_t            budgets;
    ngx_queue_t            rates;
    ngx_queue_t            counts;

    int64_t                created;     /* ms since the Epoch */
    canopy_counters_t      unassigned;  /* requests that chose no environment */

    size_t                 chosen_len;  /* the last good word of the switch */
    u_char                 chosen[CANOPY_STATE_NAME];

    u_char                 key[NGX_CANOPY_ZONE_KEY];    /* random */
    ngx_rbtree_t           tree;
    ngx_rbtree_node_t      sentinel;
    ngx_queue_t            verdicts;
} ngx_canopy_zone_sh_t;


typedef struct ngx_canopy_zone_s  ngx_canopy_zone_t;

struct ngx_canopy_zone_s {
    ngx_canopy_zone_sh_t  *sh;
    ngx_slab_pool_t       *shpool;

    /* makes room; NGX_DECLINED: there is nothing left to be forgotten */

    ngx_int_t            (*evict)(ngx_canopy_zone_t *zone);

    ngx_cycle_t           *cycle;
    ngx_array_t           *environments;    /* of pointers */
    ngx_str_t              chosen;          /* by the switch, at start; empty:
                                               there is none */
};


/*
 * In the master: the entry of that name, zeroed if it is new (*fresh is 1
 * then; fresh may be NULL), and memory.  Verdicts make room for it.
 *
 * Returns  NULL if there is none left.
 */
void *ngx_canopy_zone_entry(ngx_canopy_zone_t *zone, ngx_queue_t *entries,
    const char *name, size_t size, ngx_uint_t *fresh);
void *ngx_canopy_zone_alloc(ngx_canopy_zone_t *zone, size_t size);

/*
 * The switch's last good word, for workers that are to come; does nothing
 * before there is memory.
 *
 * In:      name, of an environment.
 */
void ngx_canopy_zone_choose(ngx_canopy_zone_t *zone, ngx_str_t *name);

/*
 * Out:     buf, that word.
 * Returns  its length; 0: there was none.
 */
size_t ngx_canopy_zone_chosen(ngx_canopy_zone_t *zone,
    u_char buf[CANOPY_STATE_NAME]);

/*
 * A token into its entry, which the caller has locked.  The number changes
 * only if the token does.
 */
void ngx_canopy_zone_put(ngx_canopy_zone_token_t *shared, canopy_slice_t token);


static ngx_inline void
ngx_canopy_zone_lock(ngx_slab_pool_t *shpool)
{
    /* nginx unlocks no other mutex of a worker that crashed */

    ngx_shmtx_lock(&shpool->mutex);
}


static ngx_inline void
ngx_canopy_zone_unlock(ngx_slab_pool_t *shpool)
{
    ngx_shmtx_unlock(&shpool->mutex);
}


#endif /* _NGX_CANOPY_ZONE_H_INCLUDED_ */
