#include <string.h>

#include <openssl/crypto.h>

#include "canopy_bearer.h"
#include "canopy_json.h"
#include "canopy_json_value.h"
#include "canopy_policy.h"
#include "canopy_policy_rule.h"
#include "canopy_token.h"


enum { EXP, NBF, IAT, ISS, AUD, SUB, CLAIMS };


static canopy_policy_e check(canopy_slice_t payload,
    const canopy_policy_t *policy, canopy_verdict_t *verdict);
static canopy_policy_e check_times(const canopy_json_member_t *claims,
    const canopy_policy_t *policy, double *expires);
static int number_of(const canopy_json_member_t *claim, double *value);
static int not_yet(const canopy_json_member_t *claim,
    const canopy_policy_t *policy);
static int says(const canopy_json_member_t *claim, canopy_slice_t text);
static int is_audience(const canopy_json_member_t *claim,
    canopy_slice_t audience);
static void read_sub(const canopy_json_member_t *claim,
    canopy_verdict_t *verdict);
static int has_control(const uint8_t *p, size_t len);


static const char *const  faults[] = {
    "The token's claims are good",
    "The token has no exp: one that expires is needed",
    "The token has expired",
    "The token's nbf or iat is in the future or not a number",
    "The token is not from the issuer (iss) that is trusted here",
    "The token is not meant for here: its aud is another one",
    "The token's claims do not allow the use of this environment",
    "The token's claims could not be read"
};


canopy_policy_e
canopy_policy_check(canopy_slice_t token, const canopy_policy_t *policy,
    canopy_verdict_t *verdict)
{
    long             n;
    uint8_t          buf[canopy_base64url_size(CANOPY_TOKEN_MAX)];
    canopy_slice_t   parts[3], payload;
    canopy_policy_e  result;

    if (token.len > CANOPY_TOKEN_MAX
        || canopy_token_parts(token, parts) != 0)
    {
        return CANOPY_POLICY_MEMORY;
    }

    n = canopy_base64url(parts[1], buf);

    if (n == -1) {
        result = CANOPY_POLICY_MEMORY;

    } else {
        payload.data = buf;
        payload.len = (size_t) n;

        result = check(payload, policy, verdict);
    }

    OPENSSL_cleanse(buf, canopy_base64url_size(parts[1].len));

    return result;
}


const char *
canopy_policy_fault(canopy_policy_e fault)
{
    return faults[fault];
}


static canopy_policy_e
check(canopy_slice_t payload, const canopy_policy_t *policy,
    canopy_verdict_t *verdict)
{
    size_t                i;
    double                expires;
    canopy_slice_t        claims;
    canopy_policy_e       result;
    canopy_json_member_t  members[CLAIMS] = {
        [EXP] = { .name = canopy_slice("exp") },
        [NBF] = { .name = canopy_slice("nbf") },
        [IAT] = { .name = canopy_slice("iat") },
        [ISS] = { .name = canopy_slice("iss") },
        [AUD] = { .name = canopy_slice("aud") },
        [SUB] = { .name = canopy_slice("sub") }
    };

    if (canopy_json_object(payload, members, CLAIMS) != 0) {
        return CANOPY_POLICY_MEMORY;
    }

    result = check_times(members, policy, &expires);

    if (result != CANOPY_POLICY_OK) {
        return result;
    }

    if (policy->issuer.len && !says(&members[ISS], policy->issuer)) {
        return CANOPY_POLICY_ISSUER;
    }

    if (policy->audience.len
        && !is_audience(&members[AUD], policy->audience))
    {
        return CANOPY_POLICY_AUDIENCE;
    }

    verdict->expires = expires;
    read_sub(&members[SUB], verdict);

    claims = canopy_slice_trim(payload);

    for (i = 0; i < policy->nrules; i++) {
        if (!canopy_policy_rule(claims, &policy->rules[i])) {
            return CANOPY_POLICY_CLAIM;
        }
    }

    return CANOPY_POLICY_OK;
}


static canopy_policy_e
check_times(const canopy_json_member_t *claims,
    const canopy_policy_t *policy, double *expires)
{
    if (number_of(&claims[EXP], expires) != 0) {
        return CANOPY_POLICY_NO_EXPIRY;
    }

    if (*expires + (double) policy->leeway <= (double) policy->now) {
        return CANOPY_POLICY_EXPIRED;
    }

    if (not_yet(&claims[NBF], policy) || not_yet(&claims[IAT], policy)) {
        return CANOPY_POLICY_NOT_YET;
    }

    return CANOPY_POLICY_OK;
}


static int
number_of(const canopy_json_member_t *claim, double *value)
{
    if (!claim->found || claim->type != CANOPY_JSON_NUMBER) {
        return -1;
    }

    return canopy_json_number(claim->value, value);
}


/* what is too much for a double is not a number of seconds, either */
static int
not_yet(const canopy_json_member_t *claim, const canopy_policy_t *policy)
{
    double  value;

    if (!claim->found) {
        return 0;
    }

    return number_of(claim, &value) != 0
           || value - (double) policy->leeway > (double) policy->now;
}


static int
says(const canopy_json_member_t *claim, canopy_slice_t text)
{
    return claim->found
           && claim->type == CANOPY_JSON_STRING
           && canopy_json_says(claim->value, text);
}


static int
is_audience(const canopy_json_member_t *claim, canopy_slice_t audience)
{
    canopy_json_value_t   element;
    canopy_json_cursor_t  cursor;

    if (!claim->found || claim->type != CANOPY_JSON_ARRAY) {
        return says(claim, audience);
    }

    canopy_json_enter(&cursor, claim->value);

    while (canopy_json_each(&cursor, &element)) {
        if (element.type == CANOPY_JSON_STRING
            && canopy_json_says(element.value, audience))
        {
            return 1;
        }
    }

    return 0;
}


static void
read_sub(const canopy_json_member_t *claim, canopy_verdict_t *verdict)
{
    size_t  n;

    verdict->sub_len = 0;

    if (!claim->found || claim->type != CANOPY_JSON_STRING) {
        return;
    }

    n = canopy_json_content(claim->value, verdict->sub, CANOPY_CLIENT_MAX);

    if (n <= CANOPY_CLIENT_MAX && !has_control(verdict->sub, n)) {
        verdict->sub_len = n;
    }
}


/* U+0000 to U+001F, U+007F to U+009F */
static int
has_control(const uint8_t *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (p[i] < 0x20 || p[i] == 0x7f) {
            return 1;
        }

        if (p[i] == 0xc2 && i + 1 < len && p[i + 1] < 0xa0) {
            return 1;
        }
    }

    return 0;
}
