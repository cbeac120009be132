/*
 * The client credentials grant (RFC 6749, section 4.4) as Canopy's token
 * endpoint takes it: a JSON text goes out, a JSON text comes in.
 *
 * Uses jansson for the answer; the tree is born and dies in one call, and what
 * jansson frees is wiped.
 */

#ifndef CANOPY_GRANT_H
#define CANOPY_GRANT_H


#include "canopy_alloc.h"
#include "canopy_slice.h"


#define CANOPY_GRANT_TOKEN_MAX  16384       /* bytes */
#define CANOPY_GRANT_LIFE       3600        /* seconds, where none is told */
#define CANOPY_GRANT_LIFE_MAX   2592000     /* 30 days */
#define CANOPY_GRANT_ERROR_MAX  64          /* bytes of an error code kept */


/*
 * The request's body: {"client_id":..., "client_secret":..., "audience":...,
 * "grant_type":"client_credentials"}.  Written by hand, so that no copy of the
 * secret is left anywhere; any bytes of the values are escaped as JSON needs
 * it (they are expected to be UTF-8).
 *
 * Out:     buf, canopy_grant_request_size() bytes of the caller's, to be wiped
 *          by it.
 * Returns  the length written: canopy_grant_request_size().
 */
size_t canopy_grant_request_size(canopy_slice_t client_id,
    canopy_slice_t secret, canopy_slice_t audience);
size_t canopy_grant_request(uint8_t *buf, canopy_slice_t client_id,
    canopy_slice_t secret, canopy_slice_t audience);


typedef enum {
    CANOPY_GRANT_OK = 0,
    CANOPY_GRANT_REFUSED,       /* 400, 401, 403 and other 4xx: the secret, the
                                   client or the audience: an operator must
                                   act */
    CANOPY_GRANT_LIMITED,       /* the endpoint's own limit of exchanges: 429,
                                   or 400 and other 4xx with the code 429 in
                                   error_description, an object or a JSON
                                   text */
    CANOPY_GRANT_UNAVAILABLE,   /* 408, 5xx */
    CANOPY_GRANT_MALFORMED      /* no answer of a token endpoint: 1xx, 3xx,
                                   other 2xx, no JSON object, no usable token,
                                   a lifetime that is over */
} canopy_grant_result_e;


typedef struct {
    unsigned               status;
    canopy_slice_t         body;
    canopy_slice_t         retry_after; /* the field's value, or empty */
    unsigned               cut:1;       /* the body is not whole */
    unsigned               too_large:1;
    const canopy_slice_t  *secrets;     /* never to be seen in error */
    size_t                 nsecrets;
    int64_t                now;         /* ms since the Epoch */
} canopy_grant_input_t;


typedef struct {
    canopy_grant_result_e  result;
    const char            *reason;      /* a constant text for the log, put
                                           behind "token endpoint ": "sent no
                                           access_token", "is unavailable" ...;
                                           never NULL */
    char                   error[CANOPY_GRANT_ERROR_MAX + 1];
                                        /* its "error", if that is 1 to 64 of
                                           [A-Za-z0-9_.-] and holds no secret;
                                           else "" */
    canopy_slice_t         token;       /* OK: 1 to CANOPY_GRANT_TOKEN_MAX bytes
                                           of '!' to '~', memory of alloc */
    int64_t                lifetime;    /* OK: ms from now, above 0 */
    unsigned               assumed:1;   /* no lifetime was told */
    int64_t                refresh;     /* LIMITED, UNAVAILABLE: when to come
                                           back, ms since the Epoch; 0: not
                                           said */
} canopy_grant_answer_t;


/*
 * Reads the endpoint's answer.  The status decides; only 200 brings a token.
 *
 * expires_in: a number or a decimal number in a string, seconds, cut to whole
 * ones and to CANOPY_GRANT_LIFE_MAX; zero or less: the token has expired; not
 * there, null or anything else: CANOPY_GRANT_LIFE is assumed.  If the token is
 * a JWT with a numeric "exp", the earlier of both holds (that alone where no
 * expires_in is told).  token_type: "Bearer" in any case or not there; another
 * one can't be used.  Duplicate names in the object, or a number out of a
 * double's range: malformed.
 *
 * rate_limit_refresh, in error_description or beside it: an ISO 8601 time as
 * canopy_date() reads it, or a number of seconds since the Epoch; never earlier
 * than told.  In the past or not readable: Retry-After, seconds up to 86,400;
 * else 0.
 *
 * Returns  0; -1 if there was no memory.
 */
int canopy_grant_answer(const canopy_grant_input_t *in, canopy_alloc_pt alloc,
    void *data, canopy_grant_answer_t *out);


#endif /* CANOPY_GRANT_H */
