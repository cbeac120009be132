#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

#include "canopy_bearer.h"
#include "canopy_json.h"
#include "canopy_token.h"


/* one more than a JWE has */
#define CANOPY_TOKEN_PARTS_MAX  6


static size_t canopy_token_split(canopy_slice_t token, canopy_slice_t *parts);
static canopy_token_fault_e canopy_token_read(const canopy_slice_t *parts,
    uint8_t *buf, canopy_claims_t *claims);
static canopy_token_fault_e canopy_token_header(canopy_slice_t header);
static canopy_token_fault_e canopy_token_payload(canopy_slice_t payload,
    canopy_claims_t *claims);


static const char *const  canopy_token_faults[] = {
    "The token has the shape of a signed JWT",
    "The token is too long: 8192 bytes are accepted at most",
    "The token is an encrypted one (JWE, five parts): "
        "a signed one (JWS, three parts) is needed",
    "The token is not a JWT: it must have three parts, none of them empty, "
        "separated by dots",
    "The token is not a JWT: a part of it is not base64url without padding",
    "The token is not a JWT: its header must be a JSON object in UTF-8 "
        "without duplicate names",
    "The token is not a signed JWT: its header must have an alg that is "
        "a non-empty string other than none",
    "The token is not a JWT: its payload must be a JSON object in UTF-8 "
        "without duplicate names",
    "The token is not a JWT: its exp must be a number"
};


canopy_token_fault_e
canopy_token_check(canopy_slice_t token, canopy_claims_t *claims)
{
    size_t                i, n;
    uint8_t               buf[canopy_base64url_size(CANOPY_TOKEN_MAX)];
    canopy_slice_t        parts[CANOPY_TOKEN_PARTS_MAX];
    canopy_token_fault_e  fault;

    if (token.len > CANOPY_TOKEN_MAX) {
        return CANOPY_TOKEN_TOO_LONG;
    }

    n = canopy_token_split(token, parts);

    if (n == 5) {
        return CANOPY_TOKEN_ENCRYPTED;
    }

    if (n != 3) {
        return CANOPY_TOKEN_PARTS;
    }

    for (i = 0; i < 3; i++) {
        if (parts[i].len == 0) {
            return CANOPY_TOKEN_PARTS;
        }
    }

    fault = canopy_token_read(parts, buf, claims);

    OPENSSL_cleanse(buf, canopy_base64url_size(parts[0].len + parts[1].len));

    return fault;
}


int
canopy_token_parts(canopy_slice_t token, canopy_slice_t parts[3])
{
    canopy_slice_t  all[CANOPY_TOKEN_PARTS_MAX];

    if (canopy_token_split(token, all) != 3
        || all[0].len == 0 || all[1].len == 0 || all[2].len == 0)
    {
        return -1;
    }

    memcpy(parts, all, 3 * sizeof(canopy_slice_t));

    return 0;
}


const char *
canopy_token_fault(canopy_token_fault_e fault)
{
    return canopy_token_faults[fault];
}


int
canopy_token_expiry(canopy_slice_t token, double *exp)
{
    int              has_exp;
    long             n;
    uint8_t          buf[canopy_base64url_size(CANOPY_JSON_MAX)];
    canopy_slice_t   parts[CANOPY_TOKEN_PARTS_MAX], payload;
    canopy_claims_t  claims;

    if (token.len > CANOPY_JSON_MAX || canopy_token_split(token, parts) != 3) {
        return 0;
    }

    has_exp = 0;
    n = canopy_base64url(parts[1], buf);

    if (n != -1) {
        payload.data = buf;
        payload.len = (size_t) n;

        if (canopy_token_payload(payload, &claims) == CANOPY_TOKEN_OK
            && claims.has_exp)
        {
            *exp = claims.exp;
            has_exp = 1;
        }
    }

    OPENSSL_cleanse(buf, canopy_base64url_size(parts[1].len));

    return has_exp;
}


/* returns the number of parts; it does not count beyond the most */
static size_t
canopy_token_split(canopy_slice_t token, canopy_slice_t *parts)
{
    size_t          n;
    const uint8_t  *p, *dot, *last;

    if (token.len == 0) {
        return 0;
    }

    p = token.data;
    last = token.data + token.len;

    for (n = 0; n < CANOPY_TOKEN_PARTS_MAX; p = dot + 1) {
        dot = memchr(p, '.', (size_t) (last - p));

        parts[n].data = p;
        parts[n].len = (size_t) ((dot ? dot : last) - p);
        n++;

        if (dot == NULL) {
            break;
        }
    }

    return n;
}


static canopy_token_fault_e
canopy_token_read(const canopy_slice_t *parts, uint8_t *buf,
    canopy_claims_t *claims)
{
    long                  n;
    canopy_slice_t        header, payload;
    canopy_token_fault_e  fault;

    n = canopy_base64url(parts[0], buf);
    if (n == -1) {
        return CANOPY_TOKEN_BASE64URL;
    }

    header.data = buf;
    header.len = (size_t) n;

    n = canopy_base64url(parts[1], buf + header.len);
    if (n == -1) {
        return CANOPY_TOKEN_BASE64URL;
    }

    payload.data = buf + header.len;
    payload.len = (size_t) n;

    if (canopy_base64url(parts[2], NULL) == -1) {
        return CANOPY_TOKEN_BASE64URL;
    }

    fault = canopy_token_header(header);
    if (fault != CANOPY_TOKEN_OK) {
        return fault;
    }

    return canopy_token_payload(payload, claims);
}


static canopy_token_fault_e
canopy_token_header(canopy_slice_t header)
{
    canopy_slice_t        value;
    canopy_json_member_t  alg = { .name = canopy_slice("alg") };

    if (canopy_json_object(header, &alg, 1) != 0) {
        return CANOPY_TOKEN_HEADER;
    }

    if (!alg.found || alg.type != CANOPY_JSON_STRING || alg.value.len == 0) {
        return CANOPY_TOKEN_ALG;
    }

    value = alg.value;

    if (memchr(value.data, '\\', value.len) != NULL) {
        return CANOPY_TOKEN_ALG;
    }

    if (value.len == 4
        && strncasecmp((const char *) value.data, "none", 4) == 0)
    {
        return CANOPY_TOKEN_ALG;
    }

    return CANOPY_TOKEN_OK;
}


static canopy_token_fault_e
canopy_token_payload(canopy_slice_t payload, canopy_claims_t *claims)
{
    double                value;
    canopy_json_member_t  exp = { .name = canopy_slice("exp") };

    if (canopy_json_object(payload, &exp, 1) != 0) {
        return CANOPY_TOKEN_PAYLOAD;
    }

    value = 0;

    if (exp.found
        && (exp.type != CANOPY_JSON_NUMBER
            || canopy_json_number(exp.value, &value) != 0))
    {
        return CANOPY_TOKEN_EXP;
    }

    claims->has_exp = exp.found;
    claims->exp = value;

    return CANOPY_TOKEN_OK;
}
