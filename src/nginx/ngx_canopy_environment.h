
/*
 * An environment: one server, the one credential that may go there, and the
 * connections that credential went over.  Whoever has the one has the other;
 * nothing takes a credential and a server separately.
 */


#ifndef _NGX_CANOPY_ENVIRONMENT_H_INCLUDED_
#define _NGX_CANOPY_ENVIRONMENT_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_count.h"
#include "ngx_canopy_grant.h"
#include "ngx_canopy_rate.h"
#include "ngx_canopy_secret.h"
#include "ngx_canopy_server.h"
#include "canopy_policy.h"


struct ngx_canopy_environment_s {
    ngx_str_t                name;
    ngx_str_t                file;          /* where it stands in the */
    ngx_uint_t               line;          /* configuration */

    /* as configured */

    ngx_canopy_server_t      api;
    ngx_str_t                closed_file;
    ngx_int_t                keepalive_max;
    ngx_msec_t               keepalive_timeout;
    ngx_msec_t               exchange_timeout;
    ngx_canopy_tls_conf_t    tls;
    ngx_array_t              rules;         /* canopy_rule_t */
    ngx_canopy_rate_t        rate;
    ngx_canopy_count_t       count;

    /* made of it, once for all requests */

    uint64_t                 rules_number;  /* other rules, another one */
    ngx_str_t                head;          /* request up to the task's id */
    ngx_str_t                tail;          /* request behind the task's id */

    /* the worker's own state */

    ngx_canopy_secret_t     *secret;        /* one of these: a file's token */
    ngx_canopy_grant_t      *grant;         /* an exchanged one */
};


/*
 * Does closed_file exist now?  If that can't be told, it does.
 */
ngx_uint_t ngx_canopy_environment_closed(ngx_canopy_environment_t *env,
    ngx_log_t *log);

typedef struct {
    ngx_str_t                value;         /* the worker's own copy, of use
                                               until events are handled */
    ngx_uint_t               generation;    /* another value, another number */
    double                   expires;       /* seconds since the Epoch */
    ngx_str_t                secret;        /* what it was exchanged for, if it
                                               was; likewise */
    time_t                   retry_after;   /* seconds, if there is none */
} ngx_canopy_credential_t;


/*
 * The credential as it is now.  A file is looked at again if that was not done
 * within this second, an expired token is exchanged for a new one; idle
 * connections that carried a replaced credential are closed.
 *
 * Out:     *credential: with NGX_OK all but retry_after, else that alone.
 * Returns  NGX_OK; NGX_AGAIN if one is on its way; NGX_DECLINED if there is
 *          none that may be used.
 */
ngx_int_t ngx_canopy_environment_credential(ngx_canopy_environment_t *env,
    ngx_log_t *log, ngx_canopy_credential_t *credential);

/*
 * The upstream refused a credential: is there another one, or can there be?
 *
 * In:      refused, its bytes; generation, its number.
 * Returns  NGX_OK if ngx_canopy_environment_credential() gives another one now;
 *          NGX_AGAIN if one may be on its way; NGX_DECLINED if not.
 */
ngx_int_t ngx_canopy_environment_renew(ngx_canopy_environment_t *env,
    ngx_log_t *log, canopy_slice_t *refused, ngx_uint_t generation);

/*
 * After an NGX_AGAIN: waiter->handler(waiter->data) is called when it is time
 * to ask again.
 *
 * In:      generation, a credential with this number is not what is waited
 *          for; 0: any is.
 */
void ngx_canopy_environment_wait(ngx_canopy_environment_t *env,
    ngx_canopy_grant_waiter_t *waiter, ngx_uint_t generation);

/*
 * The upstream refused the credential, or took it: one line for each change.
 */
void ngx_canopy_environment_refused(ngx_canopy_environment_t *env,
    ngx_log_t *log, ngx_uint_t refused);


#endif /* _NGX_CANOPY_ENVIRONMENT_H_INCLUDED_ */
