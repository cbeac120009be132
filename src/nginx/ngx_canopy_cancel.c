
/*
 * The one request that an environment's API gets.
 */


#include "ngx_canopy_cancel.h"
#include "canopy_uuid.h"


static u_char *ngx_canopy_cancel_append(u_char *p, ngx_str_t *s);


static ngx_str_t  ngx_canopy_request_id_name =
    ngx_string("X-Request-ID: ");
static ngx_str_t  ngx_canopy_authorization_name =
    ngx_string(CRLF "Authorization: Bearer ");
static ngx_str_t  ngx_canopy_request_end = ngx_string(CRLF CRLF);
static ngx_str_t  ngx_canopy_request_end_close =
    ngx_string(CRLF "Connection: close" CRLF CRLF);


ngx_int_t
ngx_canopy_cancel_create(ngx_canopy_environment_t *env, ngx_pool_t *pool,
    ngx_log_t *log, u_char *task_id, ngx_str_t *request_id,
    ngx_canopy_exchange_t **exchange, canopy_slice_t *secret,
    time_t *retry_after)
{
    u_char                   *p;
    size_t                    size;
    ngx_int_t                 rc;
    ngx_canopy_exchange_t    *x;
    ngx_canopy_credential_t   credential;

    rc = ngx_canopy_environment_credential(env, log, &credential);

    if (rc != NGX_OK) {
        *retry_after = credential.retry_after;
        return rc;
    }

    size = env->head.len + CANOPY_UUID_LEN + env->tail.len
           + ngx_canopy_request_id_name.len + request_id->len
           + ngx_canopy_authorization_name.len + credential.value.len
           + ngx_canopy_request_end_close.len + credential.secret.len;

    x = ngx_canopy_exchange_create(&env->api, pool, log, size);
    if (x == NULL) {
        return NGX_ERROR;
    }

    p = x->last;

    p = ngx_canopy_cancel_append(p, &env->head);
    p = ngx_cpymem(p, task_id, CANOPY_UUID_LEN);
    p = ngx_canopy_cancel_append(p, &env->tail);
    p = ngx_canopy_cancel_append(p, &ngx_canopy_request_id_name);
    p = ngx_canopy_cancel_append(p, request_id);
    p = ngx_canopy_cancel_append(p, &ngx_canopy_authorization_name);

    x->credential.data = p;
    x->credential.len = credential.value.len;
    x->generation = credential.generation;
    x->expires = credential.expires;

    p = ngx_canopy_cancel_append(p, &credential.value);
    p = ngx_canopy_cancel_append(p, x->keepalive
                                        ? &ngx_canopy_request_end
                                        : &ngx_canopy_request_end_close);

    x->last = p;

    /* it may be replaced before the answer comes */

    secret->data = p;
    secret->len = credential.secret.len;

    if (credential.secret.len) {
        (void) ngx_canopy_cancel_append(p, &credential.secret);
    }

    *exchange = x;

    return NGX_OK;
}


static u_char *
ngx_canopy_cancel_append(u_char *p, ngx_str_t *s)
{
    return ngx_cpymem(p, s->data, s->len);
}
