#include <string.h>

#include "canopy_date.h"
#include "canopy_grant_json.h"
#include "canopy_grant_refusal.h"
#include "canopy_redact.h"


#define RETRY_MAX  86400                /* seconds */


static int64_t refresh(const canopy_grant_input_t *in, json_t *value);
static int64_t retry_after(const canopy_grant_input_t *in);


int
canopy_grant_refusal(const canopy_grant_input_t *in, json_t *root,
    canopy_grant_answer_t *out)
{
    double           code;
    json_t          *description, *value;
    const char      *fault;
    canopy_slice_t   text;

    description = json_object_get(root, "error_description");

    if (json_is_string(description)) {
        text = canopy_grant_string(description);

        if (canopy_grant_load(text, &description, &fault) != 0) {
            return -1;
        }

    } else {
        json_incref(description);
    }

    if (out->result == CANOPY_GRANT_REFUSED
        && canopy_grant_number(json_object_get(description, "code"), &code) == 0
        && code == 429)
    {
        out->result = CANOPY_GRANT_LIMITED;
        out->reason = CANOPY_GRANT_LIMITED_REASON;
    }

    if (out->result == CANOPY_GRANT_LIMITED
        || out->result == CANOPY_GRANT_UNAVAILABLE)
    {
        value = json_object_get(description, "rate_limit_refresh");

        if (value == NULL) {
            value = json_object_get(root, "rate_limit_refresh");
        }

        out->refresh = refresh(in, value);
    }

    json_decref(description);

    return 0;
}


static int64_t
refresh(const canopy_grant_input_t *in, json_t *value)
{
    double          ms;
    int64_t         when;
    canopy_slice_t  text;

    when = INT64_MIN;

    if (json_is_number(value)) {
        ms = json_number_value(value) * 1000;

        if (ms >= (double) INT64_MAX) {
            when = INT64_MAX;

        } else if (ms > (double) in->now) {
            when = (int64_t) ms;
            when += (double) when < ms;
        }

    } else {
        text = canopy_slice_trim(canopy_grant_string(value));
        (void) canopy_date(text, &when);
    }

    return when > in->now ? when : retry_after(in);
}


static int64_t
retry_after(const canopy_grant_input_t *in)
{
    size_t    i;
    int64_t   seconds;
    unsigned  digit;

    seconds = 0;

    for (i = 0; i < in->retry_after.len; i++) {
        digit = in->retry_after.data[i] - (unsigned) '0';

        if (digit > 9) {
            return 0;
        }

        seconds = seconds * 10 + digit;

        if (seconds > RETRY_MAX) {
            return 0;
        }
    }

    if (seconds == 0 || in->now > INT64_MAX - seconds * 1000) {
        return 0;
    }

    return in->now + seconds * 1000;
}


void
canopy_grant_error(const canopy_grant_input_t *in, json_t *root,
    canopy_grant_answer_t *out)
{
    size_t          i;
    canopy_slice_t  text, token;

    static const char  chars[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

    text = canopy_grant_string(json_object_get(root, "error"));
    token = canopy_grant_string(json_object_get(root, "access_token"));

    if (text.len > CANOPY_GRANT_ERROR_MAX
        || canopy_redact_found(in->secrets, in->nsecrets, text)
        || canopy_redact_found(&token, 1, text))
    {
        return;
    }

    for (i = 0; i < text.len; i++) {
        if (memchr(chars, text.data[i], sizeof(chars) - 1) == NULL) {
            return;
        }
    }

    if (text.len) {
        memcpy(out->error, text.data, text.len);
    }
}
