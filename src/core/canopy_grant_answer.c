/*
 * The answer: its status -> what became of the exchange; 200 and its body ->
 * a token; any other one and its body -> when to come back.
 */

#include <string.h>
#include <strings.h>

#include "canopy_grant.h"
#include "canopy_grant_json.h"
#include "canopy_grant_refusal.h"
#include "canopy_jansson.h"
#include "canopy_token.h"


static int answer(const canopy_grant_input_t *in, canopy_alloc_pt alloc,
    void *data, canopy_grant_answer_t *out);
static void by_status(unsigned status, canopy_grant_answer_t *out);
static const char *unreadable(const canopy_grant_input_t *in);

static int granted(const canopy_grant_input_t *in, json_t *root,
    canopy_alloc_pt alloc, void *data, canopy_grant_answer_t *out);
static const char *token_fault(canopy_slice_t token);
static int is_bearer(json_t *type);
static int64_t lifetime(json_t *expires_in, canopy_slice_t token, int64_t now,
    canopy_grant_answer_t *out);
static int64_t capped(double ms);


int
canopy_grant_answer(const canopy_grant_input_t *in, canopy_alloc_pt alloc,
    void *data, canopy_grant_answer_t *out)
{
    int               rc;
    canopy_jansson_t  j;

    memset(out, 0, sizeof(canopy_grant_answer_t));

    canopy_jansson_begin(&j);
    rc = answer(in, alloc, data, out);
    canopy_jansson_end(&j);

    return rc;
}


static int
answer(const canopy_grant_input_t *in, canopy_alloc_pt alloc, void *data,
    canopy_grant_answer_t *out)
{
    int          rc;
    json_t      *root;
    const char  *fault;

    by_status(in->status, out);

    root = NULL;
    fault = unreadable(in);

    if (fault == NULL && canopy_grant_load(in->body, &root, &fault) != 0) {
        return -1;
    }

    if (out->result != CANOPY_GRANT_OK) {
        rc = canopy_grant_refusal(in, root, out);

    } else if (root == NULL) {
        out->result = CANOPY_GRANT_MALFORMED;
        out->reason = fault;
        rc = 0;

    } else {
        rc = granted(in, root, alloc, data, out);
    }

    if (rc == 0 && out->result != CANOPY_GRANT_OK) {
        canopy_grant_error(in, root, out);
    }

    json_decref(root);

    return rc;
}


static void
by_status(unsigned status, canopy_grant_answer_t *out)
{
    if (status == 200) {
        out->result = CANOPY_GRANT_OK;
        out->reason = "sent a token";

    } else if (status == 429) {
        out->result = CANOPY_GRANT_LIMITED;
        out->reason = CANOPY_GRANT_LIMITED_REASON;

    } else if (status == 408) {
        out->result = CANOPY_GRANT_UNAVAILABLE;
        out->reason = "timed out waiting for the request";

    } else if (status >= 500 && status <= 599) {
        out->result = CANOPY_GRANT_UNAVAILABLE;
        out->reason = "is unavailable";

    } else if (status >= 400 && status <= 499) {
        out->result = CANOPY_GRANT_REFUSED;
        out->reason = status == 401 ? "refused the client or its secret"
                      : status == 403 ? "refused the client or the audience"
                      : "refused the request";

    } else if (status >= 300 && status <= 399) {
        out->result = CANOPY_GRANT_MALFORMED;
        out->reason = "sent a redirect, which is not followed";

    } else {
        out->result = CANOPY_GRANT_MALFORMED;
        out->reason = "sent an unexpected status";
    }
}


static const char *
unreadable(const canopy_grant_input_t *in)
{
    return in->too_large ? "sent too large a response"
           : in->cut ? "closed prematurely connection in response"
           : in->body.len == 0 ? "sent an empty response"
           : NULL;
}


static int
granted(const canopy_grant_input_t *in, json_t *root, canopy_alloc_pt alloc,
    void *data, canopy_grant_answer_t *out)
{
    uint8_t         *p;
    const char      *fault;
    canopy_slice_t   token;

    token = canopy_grant_string(json_object_get(root, "access_token"));
    fault = token_fault(token);

    if (fault == NULL && !is_bearer(json_object_get(root, "token_type"))) {
        fault = "sent a token that is not a bearer token";
    }

    if (fault == NULL) {
        out->lifetime = lifetime(json_object_get(root, "expires_in"), token,
                                 in->now, out);

        if (out->lifetime == 0) {
            fault = "sent a token that has expired";
        }
    }

    if (fault) {
        out->result = CANOPY_GRANT_MALFORMED;
        out->reason = fault;
        return 0;
    }

    p = alloc(data, token.len);
    if (p == NULL) {
        return -1;
    }

    out->token.data = memcpy(p, token.data, token.len);
    out->token.len = token.len;

    return 0;
}


static const char *
token_fault(canopy_slice_t token)
{
    size_t  i;

    if (token.data == NULL) {
        return "sent no access_token";
    }

    if (token.len == 0) {
        return "sent an empty access_token";
    }

    if (token.len > CANOPY_GRANT_TOKEN_MAX) {
        return "sent too long access_token";
    }

    for (i = 0; i < token.len; i++) {
        if (token.data[i] < '!' || token.data[i] > '~') {
            return "sent access_token with invalid character";
        }
    }

    return NULL;
}


static int
is_bearer(json_t *type)
{
    canopy_slice_t  text;

    if (type == NULL || json_is_null(type)) {
        return 1;
    }

    text = canopy_grant_string(type);

    return text.len == 6
           && strncasecmp((const char *) text.data, "bearer", 6) == 0;
}


/* ms, 0: it is over */
static int64_t
lifetime(json_t *expires_in, canopy_slice_t token, int64_t now,
    canopy_grant_answer_t *out)
{
    int      told;
    double   seconds, exp;
    int64_t  life, left;

    told = canopy_grant_number(expires_in, &seconds) == 0;
    life = told ? capped(seconds * 1000) / 1000 * 1000
                : CANOPY_GRANT_LIFE * 1000;

    if (canopy_token_expiry(token, &exp)) {
        left = capped(exp * 1000 - (double) now);

        return told && life < left ? life : left;
    }

    out->assumed = !told;

    return life;
}


static int64_t
capped(double ms)
{
    static const int64_t  most = (int64_t) CANOPY_GRANT_LIFE_MAX * 1000;

    return ms < 1 ? 0 : ms < (double) most ? (int64_t) ms : most;
}
