
/*
 * An environment's token by the client credentials grant (RFC 6749, section
 * 4.4), shared by all workers: when to use it, wait for it, renew it.  What is
 * to be done when is decided by core's canopy_refresh.
 */


#ifndef _NGX_CANOPY_GRANT_H_INCLUDED_
#define _NGX_CANOPY_GRANT_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_secret.h"
#include "ngx_canopy_server.h"
#include "ngx_canopy_zone.h"


typedef struct ngx_canopy_fetch_s  ngx_canopy_fetch_t;


/*
 * Somebody who waits for the end of an exchange.
 */

typedef struct {
    ngx_queue_t                queue;
    void                     (*handler)(void *data);
    void                      *data;
    ngx_uint_t                 generation;  /* not the token waited for */
    unsigned                   queued:1;
} ngx_canopy_grant_waiter_t;


/*
 * What is kept of it in the state directory.
 */

typedef struct {
    canopy_state_key_t         key;
    char                       name[CANOPY_STATE_NAME];
    ngx_str_t                  path;        /* NUL-terminated; empty: off */
} ngx_canopy_grant_file_t;


typedef struct {

    /* as configured */

    ngx_str_t                  client_id;
    ngx_str_t                  audience;
    ngx_int_t                  limit;       /* exchanges in 24 hours */
    ngx_msec_t                 timeout;     /* of an exchange */
    ngx_canopy_secret_t       *secret;      /* the client's */
    ngx_canopy_server_t        server;      /* the token endpoint */
    ngx_canopy_grant_file_t    token_file;
    ngx_canopy_grant_file_t    budget_file;

    /* made of it */

    ngx_str_t                  url;         /* in one form, for the keys */
    ngx_str_t                  head;        /* request up to the length */

    ngx_canopy_count_t        *count;       /* the environment's */

    /* in the zone; its lock is held */

    ngx_slab_pool_t           *shpool;
    ngx_canopy_zone_token_t   *shared;
    ngx_canopy_zone_budget_t  *budget;

    /* the worker's own state */

    ngx_str_t                  token;       /* a copy, wiped when replaced */
    ngx_uint_t                 generation;  /* its version; 0: none */
    int64_t                    expires;     /* ms since the Epoch */
    unsigned                   expired:1;   /* said in the log */

    ngx_canopy_fetch_t        *fetch;       /* the exchange under way here */
    int64_t                    until;       /* its name in the zone */
    ngx_uint_t                 seen;        /* generation of the secret */
    ngx_event_t                start;       /* it is to begin */
    ngx_event_t                renew;       /* looks ahead */
    ngx_event_t                poll;        /* looks after those who wait */
    ngx_queue_t                waiting;
} ngx_canopy_grant_t;


/*
 * In a worker: gets a token if there is none, and renews it ahead of time.
 */
void ngx_canopy_grant_init_process(ngx_canopy_grant_t *grant,
    ngx_cycle_t *cycle);

/*
 * Brings the worker's copy up to date, and begins an exchange if it is time.
 *
 * Out:     *retry_after, seconds until an exchange is possible, with
 *          NGX_DECLINED.
 * Returns  NGX_OK, grant->token may be used; NGX_AGAIN, an exchange is under
 *          way; NGX_DECLINED, there is no token.
 */
ngx_int_t ngx_canopy_grant_token(ngx_canopy_grant_t *grant,
    time_t *retry_after);

/*
 * The upstream refused the token of that generation.
 *
 * Returns  NGX_OK if another one is there; NGX_AGAIN if an exchange is under
 *          way, maybe begun for it; NGX_DECLINED.
 */
ngx_int_t ngx_canopy_grant_refused(ngx_canopy_grant_t *grant,
    ngx_uint_t generation);

/*
 * The upstream took the token.
 */
void ngx_canopy_grant_accepted(ngx_canopy_grant_t *grant);

/*
 * Calls waiter->handler when there is a token of another generation, or when no
 * exchange is under way any more.
 */
void ngx_canopy_grant_wait(ngx_canopy_grant_t *grant,
    ngx_canopy_grant_waiter_t *waiter, ngx_uint_t generation);

void ngx_canopy_grant_forget(ngx_canopy_grant_waiter_t *waiter);


typedef struct {
    int64_t                    obtained;    /* ms since the Epoch; 0: there is
                                               no token */
    int64_t                    expires;     /* likewise */
    ngx_uint_t                 exchanges;   /* of the last 24 hours */
} ngx_canopy_grant_state_t;


/*
 * What there is, without an exchange; brings the worker's copy up to date.
 */
void ngx_canopy_grant_state(ngx_canopy_grant_t *grant,
    ngx_canopy_grant_state_t *state);

/*
 * Wipes the worker's copy; data is the grant.
 */
void ngx_canopy_grant_wipe(void *data);


/*
 * The rest is for the exchange, ngx_canopy_fetch.c, and for the state
 * directory, ngx_canopy_state.c.
 */

/*
 * Milliseconds since the Epoch.
 */
int64_t ngx_canopy_grant_now(void);

/*
 * The worker's exchange has ended, and what came of it is in the zone.
 */
void ngx_canopy_grant_fetched(ngx_canopy_grant_t *grant);


#endif /* _NGX_CANOPY_GRANT_H_INCLUDED_ */
