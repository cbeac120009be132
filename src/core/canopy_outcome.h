/*
 * What is known of an exchange -> what the client is told.  The only home of
 * the outcome words and of the error types with their statuses.
 */

#ifndef CANOPY_OUTCOME_H
#define CANOPY_OUTCOME_H


#include "canopy_slice.h"


/*
 * The five words of Canopy-Outcome.
 */
typedef enum {
    CANOPY_NOT_SENT = 0,    /* could not be sent now, nothing was sent */
    CANOPY_DENIED,          /* refused as it is, nothing was sent */
    CANOPY_UNKNOWN,         /* sent, no usable answer: it may take effect */
    CANOPY_REJECTED,        /* the upstream refused */
    CANOPY_ACCEPTED         /* the upstream took it on */
} canopy_outcome_e;


/*
 * The word itself, as in Canopy-Outcome.  A constant.
 */
canopy_slice_t canopy_outcome_word(canopy_outcome_e outcome);


/*
 * What is known of all copies of one request.  Starts zeroed.
 */
typedef struct {
    unsigned          pending:1;    /* the last copy: sent, not yet answered */
    unsigned          lost:1;       /* a copy: sent, no usable answer */
    canopy_outcome_e  last;         /* what the last answer said */
} canopy_copies_t;


/*
 * To be called before the first byte of a copy is sent.
 */
void canopy_copies_sent(canopy_copies_t *copies);

/*
 * To be called when the answer to the last copy is there; effect is
 * CANOPY_ACCEPTED, CANOPY_REJECTED or CANOPY_UNKNOWN.
 */
void canopy_copies_answered(canopy_copies_t *copies, canopy_outcome_e effect);

/*
 * The outcome of all copies as known now, valid at any time: accepted if the
 * last copy was; unknown if a copy has no usable answer; else what the last
 * answer said; if no copy went out, denied with a status that tells the client
 * to mend its request (all but 429 and 5xx), or not-sent.
 *
 * In:      status, of the answer to the client; 0 if there is none; 499, as
 *          nginx has it, if the client did not wait for one.
 */
canopy_outcome_e canopy_outcome(const canopy_copies_t *copies,
    unsigned status);


/*
 * Every reason the gateway itself gives for not answering 204.
 */
typedef enum {
    CANOPY_OK = 0,

    CANOPY_NOT_FOUND,
    CANOPY_METHOD_NOT_ALLOWED,
    CANOPY_UNKNOWN_ENVIRONMENT,
    CANOPY_ENVIRONMENT_MISMATCH,
    CANOPY_TOKEN_MISSING,
    CANOPY_TOKEN_MALFORMED,
    CANOPY_TOKEN_SIGNATURE,
    CANOPY_TOKEN_EXPIRED,
    CANOPY_TOKEN_NOT_YET_VALID,
    CANOPY_TOKEN_ISSUER,
    CANOPY_TOKEN_AUDIENCE,
    CANOPY_TOKEN_CLAIM,
    CANOPY_UUID_PARSING,
    CANOPY_ENVIRONMENT_CLOSED,
    CANOPY_CREDENTIAL_UNAVAILABLE,
    CANOPY_RATE_LIMITED,
    CANOPY_GATEWAY_REFUSED,

    CANOPY_DNS_ERROR,
    CANOPY_DNS_TIMEOUT,
    CANOPY_CONNECTION_REFUSED,
    CANOPY_CONNECTION_TIMEOUT,
    CANOPY_TLS_PROTOCOL_ERROR,
    CANOPY_TLS_CERTIFICATE_ERROR,
    CANOPY_HTTP_RESPONSE_TIMEOUT,
    CANOPY_CONNECTION_TERMINATED,
    CANOPY_HTTP_PROTOCOL_ERROR,
    CANOPY_CREDENTIAL_REJECTED,
    CANOPY_PROXY_INTERNAL_ERROR,

    CANOPY_ERRORS           /* how many there are */
} canopy_error_e;


/*
 * How an error looks in an answer.  All texts are constants, printable ASCII
 * that needs no escape in JSON.
 */
typedef struct {
    canopy_slice_t  type;
    unsigned        status;
    canopy_slice_t  loc;        /* JSON text of the list */
    canopy_slice_t  msg;        /* may be replaced by a closer one */
    unsigned        proxy:1;    /* a type of RFC 9209, section 2.3 */
} canopy_error_t;


/*
 * In:      error, neither CANOPY_OK nor CANOPY_ERRORS.
 */
const canopy_error_t *canopy_error(canopy_error_e error);


/*
 * What an answer of the upstream means.
 */
typedef enum {
    CANOPY_BODY_NONE = 0,       /* proven empty */
    CANOPY_BODY_JSON,           /* has a JSON media type */
    CANOPY_BODY_OTHER           /* anything else, or not known to be empty */
} canopy_body_e;


typedef struct {
    canopy_outcome_e  effect;       /* for canopy_copies_answered() */
    unsigned          status;       /* the client's */
    canopy_error_e    error;        /* CANOPY_OK: the body is normalized, or
                                       there is none with a 204 */
    unsigned          retry_after:1;    /* a Retry-After is handed on */
    unsigned          authenticated:1;  /* the credential was taken, surely */
} canopy_answer_meaning_t;


/*
 * In:      status, the upstream's, any number; body.
 * Returns  the row of the contract's table, by value.
 */
canopy_answer_meaning_t canopy_answer_meaning(unsigned status,
    canopy_body_e body);


/*
 * The JSON text of an error with one entry, HTTPValidationError's schema.
 * No escapes are made.
 *
 * In:      loc, JSON text of a list; msg, type, hint: text that needs no
 *          escape in JSON; hint, may be empty, is put behind msg.
 * Out:     buf, canopy_error_size() bytes of the caller's.
 * Returns  the length written; that is canopy_error_size().
 */
size_t canopy_error_size(const canopy_error_t *error, canopy_slice_t msg,
    canopy_slice_t hint);
size_t canopy_error_body(uint8_t *buf, const canopy_error_t *error,
    canopy_slice_t msg, canopy_slice_t hint);


/*
 * What a client may do after an outcome, put behind a message of the gateway's
 * own; empty where the word says it all.  A constant.
 */
canopy_slice_t canopy_outcome_hint(canopy_outcome_e outcome);


#endif /* CANOPY_OUTCOME_H */
