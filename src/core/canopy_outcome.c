#include <string.h>

#include "canopy_outcome.h"


#define S(text)  canopy_slice(text)

#define AUTHORIZATION  S("[\"header\",\"authorization\"]")
#define ENVIRONMENT    S("[\"environment\"]")
#define UPSTREAM       S("[\"upstream\"]")


static uint8_t *canopy_copy(uint8_t *p, canopy_slice_t text);


static const canopy_slice_t  canopy_words[] = {
    S("not-sent"),
    S("denied"),
    S("unknown"),
    S("rejected"),
    S("accepted")
};


/* indexed by canopy_error_e */

static const canopy_error_t  canopy_errors[] = {

    { S("ok"), 0, S("[]"), S(""), 0 },

    { S("not_found"), 404, S("[\"path\"]"),
      S("There is nothing here but PATCH .../tasks/{id}/cancel"), 0 },

    { S("method_not_allowed"), 405, S("[\"method\"]"),
      S("A task is canceled by PATCH, no other method"), 0 },

    { S("unknown_environment"), 422, ENVIRONMENT,
      S("There is no such environment in this gateway"), 0 },

    { S("environment_mismatch"), 421,
      S("[\"header\",\"canopy-environment\"]"),
      S("This way leads to another environment than the one asked for"), 0 },

    { S("missing"), 401, AUTHORIZATION,
      S("A bearer token is required: Authorization: Bearer <token>"), 0 },

    { S("token_malformed"), 401, AUTHORIZATION,
      S("The token is malformed"), 0 },

    { S("token_signature"), 401, AUTHORIZATION,
      S("The signature of the token could not be verified"), 0 },

    { S("token_expired"), 401, AUTHORIZATION,
      S("The token has expired"), 0 },

    { S("token_not_yet_valid"), 401, AUTHORIZATION,
      S("The token is not valid yet"), 0 },

    { S("token_issuer"), 401, AUTHORIZATION,
      S("The token is not of the issuer that is trusted here"), 0 },

    { S("token_audience"), 401, AUTHORIZATION,
      S("The token is not meant for this gateway"), 0 },

    { S("token_claim"), 403, AUTHORIZATION,
      S("The token does not allow the use of this environment"), 0 },

    { S("uuid_parsing"), 422, S("[\"path\",\"id\"]"),
      S("Input should be a valid UUID"), 0 },

    { S("environment_closed"), 503, ENVIRONMENT,
      S("This environment is closed by its operator"), 0 },

    { S("credential_unavailable"), 503, ENVIRONMENT,
      S("The gateway has no valid credential for this environment"), 0 },

    { S("rate_limited"), 429, ENVIRONMENT,
      S("The rate limit of this environment is reached"), 0 },

    { S("gateway_refused"), 0, S("[\"gateway\"]"),
      S("The gateway refused the request"), 0 },

    { S("dns_error"), 502, UPSTREAM,
      S("The name of the upstream could not be resolved"), 1 },

    { S("dns_timeout"), 504, UPSTREAM,
      S("The name of the upstream could not be resolved in time"), 1 },

    { S("connection_refused"), 502, UPSTREAM,
      S("The upstream could not be connected to"), 1 },

    { S("connection_timeout"), 504, UPSTREAM,
      S("The upstream could not be connected to in time"), 1 },

    { S("tls_protocol_error"), 502, UPSTREAM,
      S("The TLS handshake with the upstream failed"), 1 },

    { S("tls_certificate_error"), 502, UPSTREAM,
      S("The certificate of the upstream could not be verified"), 1 },

    { S("http_response_timeout"), 504, UPSTREAM,
      S("The upstream did not answer in time"), 1 },

    { S("connection_terminated"), 502, UPSTREAM,
      S("The upstream closed the connection without an answer"), 1 },

    { S("http_protocol_error"), 502, UPSTREAM,
      S("The upstream sent an answer that is not part of its API"), 1 },

    { S("credential_rejected"), 502, UPSTREAM,
      S("The upstream refused the credential of the gateway"), 0 },

    { S("proxy_internal_error"), 500, S("[\"gateway\"]"),
      S("The gateway has no memory or no connection left"), 1 }
};


canopy_slice_t
canopy_outcome_word(canopy_outcome_e outcome)
{
    return canopy_words[outcome];
}


void
canopy_copies_sent(canopy_copies_t *copies)
{
    if (copies->pending) {
        copies->lost = 1;
    }

    copies->pending = 1;
}


void
canopy_copies_answered(canopy_copies_t *copies, canopy_outcome_e effect)
{
    copies->pending = 0;
    copies->last = effect;

    if (effect == CANOPY_UNKNOWN) {
        copies->lost = 1;
    }
}


canopy_outcome_e
canopy_outcome(const canopy_copies_t *copies, unsigned status)
{
    if (copies->pending) {
        return CANOPY_UNKNOWN;
    }

    if (copies->last == CANOPY_ACCEPTED) {
        return CANOPY_ACCEPTED;
    }

    if (copies->lost) {
        return CANOPY_UNKNOWN;
    }

    if (copies->last == CANOPY_NOT_SENT
        && status != 0 && status != 429 && status != 499 && status < 500)
    {
        return CANOPY_DENIED;
    }

    return copies->last;
}


canopy_slice_t
canopy_outcome_hint(canopy_outcome_e outcome)
{
    static const canopy_slice_t  none = S("");
    static const canopy_slice_t  unknown =
        S("; it is unknown whether the cancellation takes effect:"
          " ask for the task's status before trying again");

    return (outcome == CANOPY_UNKNOWN) ? unknown : none;
}


const canopy_error_t *
canopy_error(canopy_error_e error)
{
    return &canopy_errors[error];
}


canopy_answer_meaning_t
canopy_answer_meaning(unsigned status, canopy_body_e body)
{
    canopy_answer_meaning_t  m;

    m.effect = CANOPY_UNKNOWN;
    m.status = status;
    m.error = CANOPY_OK;
    m.retry_after = 0;
    m.authenticated = 0;

    switch (status) {

    case 200:
    case 202:
        if (body == CANOPY_BODY_OTHER) {
            m.error = CANOPY_HTTP_PROTOCOL_ERROR;
            break;
        }

        /* fall through */

    case 204:
        m.effect = CANOPY_ACCEPTED;
        m.status = 204;
        m.authenticated = 1;
        return m;

    case 404:
    case 409:
    case 410:
    case 422:
        m.effect = CANOPY_REJECTED;
        m.authenticated = 1;
        return m;

    case 429:
        m.retry_after = 1;

        /* fall through */

    case 403:
        m.effect = CANOPY_REJECTED;
        return m;

    case 401:
        m.effect = CANOPY_REJECTED;
        m.error = CANOPY_CREDENTIAL_REJECTED;
        break;

    case 408:
        m.error = CANOPY_HTTP_RESPONSE_TIMEOUT;
        break;

    case 500:
    case 502:
    case 503:
    case 504:
        m.retry_after = 1;
        return m;

    default:
        if (status >= 500 && status <= 599) {
            m.status = 502;
            return m;
        }

        if (status >= 400 && status <= 499) {
            m.effect = CANOPY_REJECTED;
        }

        m.error = CANOPY_HTTP_PROTOCOL_ERROR;
    }

    m.status = canopy_errors[m.error].status;

    return m;
}


#define BODY_LOC   "{\"detail\":[{\"loc\":"
#define BODY_MSG   ",\"msg\":\""
#define BODY_TYPE  "\",\"type\":\""
#define BODY_END   "\"}]}"


size_t
canopy_error_size(const canopy_error_t *error, canopy_slice_t msg,
    canopy_slice_t hint)
{
    return sizeof(BODY_LOC BODY_MSG BODY_TYPE BODY_END) - 1
           + error->loc.len + msg.len + hint.len + error->type.len;
}


size_t
canopy_error_body(uint8_t *buf, const canopy_error_t *error,
    canopy_slice_t msg, canopy_slice_t hint)
{
    static const canopy_slice_t  loc = S(BODY_LOC);
    static const canopy_slice_t  before_msg = S(BODY_MSG);
    static const canopy_slice_t  before_type = S(BODY_TYPE);
    static const canopy_slice_t  end = S(BODY_END);

    uint8_t  *p;

    p = canopy_copy(buf, loc);
    p = canopy_copy(p, error->loc);
    p = canopy_copy(p, before_msg);
    p = canopy_copy(p, msg);
    p = canopy_copy(p, hint);
    p = canopy_copy(p, before_type);
    p = canopy_copy(p, error->type);
    p = canopy_copy(p, end);

    return (size_t) (p - buf);
}


static uint8_t *
canopy_copy(uint8_t *p, canopy_slice_t text)
{
    if (text.len) {
        memcpy(p, text.data, text.len);
    }

    return p + text.len;
}
