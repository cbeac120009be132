/*
 * What becomes of claims under a policy, and what the verdict says, is what
 * jansson's tree of them says, looked through slowly: each split of the
 * claim's path, each value against each.
 *
 * jansson is no oracle where it has limits, of numbers and of depth, and for
 * -0, whose text it does not keep.
 *
 * Input: a character of flags, the rule's claim and a newline, its values with
 * "|" between them and a newline, the payload.
 */

#include <math.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "canopy_json.h"
#include "canopy_policy.h"
#include "canopy_token.h"
#include "fuzz.h"


#define NOW     1000
#define LEEWAY  10
#define VALUES  8

#define ISSUER    "https://i/"
#define AUDIENCE  "g\xc3\xa9"


/* of text, all copies */
typedef struct {
    canopy_slice_t   token;
    canopy_slice_t   values[VALUES];
    canopy_slice_t   issuer;
    canopy_slice_t   audience;
    canopy_rule_t    rule;
    canopy_policy_t  policy;
} input_t;


static int read_input(canopy_slice_t text, input_t *in,
    canopy_slice_t *payload);
static void free_input(input_t *in);
static canopy_slice_t next(canopy_slice_t *text, uint8_t ch);
static canopy_slice_t encode(canopy_slice_t text);
static json_t *load(canopy_slice_t payload);
static canopy_policy_e expected(json_t *claims, const canopy_policy_t *p);
static int future(json_t *claim);
static int audience(json_t *aud, canopy_slice_t text);
static int rule(json_t *claims, const canopy_rule_t *rule);
static json_t *find(json_t *object, canopy_slice_t path);
static int one_of(json_t *claim, const canopy_rule_t *rule);
static int equal(json_t *claim, canopy_slice_t value);
static int word(json_t *claim, canopy_slice_t value);
static int is(json_t *string, canopy_slice_t text);
static void check_verdict(json_t *claims, const canopy_verdict_t *verdict);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t            *claims;
    input_t            in;
    canopy_slice_t     text, payload;
    canopy_claims_t    ignored;
    canopy_policy_e    result;
    canopy_verdict_t   verdict;

    text = fuzz_copy(data, size);

    if (read_input(text, &in, &payload) == 0) {
        memset(&verdict, 0xa5, sizeof(verdict));

        result = canopy_policy_check(in.token, &in.policy, &verdict);
        check(result <= CANOPY_POLICY_MEMORY);

        if (canopy_token_check(in.token, &ignored) == CANOPY_TOKEN_OK) {
            check(result != CANOPY_POLICY_MEMORY);

            claims = load(payload);

            if (claims) {
                check(result == expected(claims, &in.policy));
            }

            if (claims && (result == CANOPY_POLICY_OK
                           || result == CANOPY_POLICY_CLAIM))
            {
                check_verdict(claims, &verdict);
            }

            json_decref(claims);
        }

        free_input(&in);
    }

    fuzz_free(text);

    return 0;
}


static int
read_input(canopy_slice_t text, input_t *in, canopy_slice_t *payload)
{
    uint8_t         flags;
    size_t          n;
    canopy_slice_t  claim, values, value;

    if (text.len < 4) {
        return -1;
    }

    flags = *text.data++;
    text.len--;

    claim = next(&text, '\n');
    values = next(&text, '\n');
    *payload = text;

    memset(in, 0, sizeof(input_t));

    do {
        value = next(&values, '|');
        n = in->rule.nvalues++;
        in->values[n] = fuzz_copy(value.data, value.len);
    } while (values.len && n + 1 < VALUES);

    in->rule.claim = fuzz_copy(claim.data, claim.len);
    in->rule.values = in->values;

    in->token = encode(*payload);
    in->issuer = fuzz_copy(ISSUER, strlen(ISSUER));
    in->audience = fuzz_copy(AUDIENCE, strlen(AUDIENCE));

    in->policy.now = NOW;
    in->policy.leeway = LEEWAY;
    in->policy.rules = &in->rule;
    in->policy.nrules = flags & 1;

    if (flags & 2) {
        in->policy.issuer = in->issuer;
    }

    if (flags & 4) {
        in->policy.audience = in->audience;
    }

    return 0;
}


static void
free_input(input_t *in)
{
    size_t  i;

    for (i = 0; i < in->rule.nvalues; i++) {
        fuzz_free(in->values[i]);
    }

    fuzz_free(in->rule.claim);
    fuzz_free(in->token);
    fuzz_free(in->issuer);
    fuzz_free(in->audience);
}


/* up to ch, which is dropped, or all of it */
static canopy_slice_t
next(canopy_slice_t *text, uint8_t ch)
{
    canopy_slice_t   part;
    const uint8_t   *p;

    part = *text;
    p = text->len ? memchr(text->data, ch, text->len) : NULL;

    if (p) {
        part.len = (size_t) (p - text->data);
    }

    text->data += part.len + (p != NULL);
    text->len -= part.len + (p != NULL);

    return part;
}


/* {"alg":"E"}, the payload, a byte */
static canopy_slice_t
encode(canopy_slice_t text)
{
    char            *p;
    size_t           i, n, first;
    canopy_slice_t   token;

    static const char  header[] = "eyJhbGciOiJFIn0.";

    first = sizeof(header) - 1;

    p = malloc(first + text.len / 3 * 4 + 8);
    check(p != NULL);

    strcpy(p, header);

    n = text.len == 0 ? 0
        : (size_t) EVP_EncodeBlock((unsigned char *) p + first, text.data,
                                   (int) text.len);

    for (n += first; p[n - 1] == '='; n--) { /* void */ }

    for (i = 0; i < n; i++) {
        p[i] = p[i] == '+' ? '-' : p[i] == '/' ? '_' : p[i];
    }

    memcpy(p + n, ".AA", 3);
    token = fuzz_copy(p, n + 3);

    free(p);

    return token;
}


static json_t *
load(canopy_slice_t payload)
{
    if (memmem(payload.data, payload.len, "-0", 2) != NULL) {
        return NULL;
    }

    return json_loadb((const char *) payload.data, payload.len,
                      JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL, NULL);
}


static canopy_policy_e
expected(json_t *claims, const canopy_policy_t *p)
{
    json_t  *exp;

    exp = json_object_get(claims, "exp");

    if (!json_is_number(exp)) {
        return CANOPY_POLICY_NO_EXPIRY;
    }

    if (!(json_number_value(exp) > NOW - LEEWAY)) {
        return CANOPY_POLICY_EXPIRED;
    }

    if (future(json_object_get(claims, "nbf"))
        || future(json_object_get(claims, "iat")))
    {
        return CANOPY_POLICY_NOT_YET;
    }

    if (p->issuer.len && !is(json_object_get(claims, "iss"), p->issuer)) {
        return CANOPY_POLICY_ISSUER;
    }

    if (p->audience.len
        && !audience(json_object_get(claims, "aud"), p->audience))
    {
        return CANOPY_POLICY_AUDIENCE;
    }

    if (p->nrules && !rule(claims, p->rules)) {
        return CANOPY_POLICY_CLAIM;
    }

    return CANOPY_POLICY_OK;
}


static int
future(json_t *claim)
{
    return claim != NULL
           && !(json_is_number(claim)
                && json_number_value(claim) <= NOW + LEEWAY);
}


static int
audience(json_t *aud, canopy_slice_t text)
{
    int     found;
    size_t  i;

    found = is(aud, text);

    for (i = 0; i < json_array_size(aud); i++) {
        found |= is(json_array_get(aud, i), text);
    }

    return found;
}


static int
rule(json_t *claims, const canopy_rule_t *rule)
{
    int      found;
    size_t   i;
    json_t  *claim;

    claim = find(claims, rule->claim);

    if (claim == NULL) {
        return 0;
    }

    found = one_of(claim, rule);

    for (i = 0; i < json_array_size(claim); i++) {
        found |= one_of(json_array_get(claim, i), rule);
    }

    for (i = 0; i < rule->nvalues; i++) {
        found |= word(claim, rule->values[i]);
    }

    return found;
}


static json_t *
find(json_t *object, canopy_slice_t path)
{
    size_t           n;
    json_t          *member, *found;
    canopy_slice_t   rest;

    member = json_object_getn(object, (const char *) path.data, path.len);

    if (member) {
        return member;
    }

    for (n = path.len; n-- > 0; /* void */ ) {
        if (path.data[n] != '.') {
            continue;
        }

        member = json_object_getn(object, (const char *) path.data, n);

        rest.data = path.data + n + 1;
        rest.len = path.len - n - 1;

        found = member ? find(member, rest) : NULL;

        if (found) {
            return found;
        }
    }

    return NULL;
}


static int
one_of(json_t *claim, const canopy_rule_t *rule)
{
    int     found;
    size_t  i;

    found = 0;

    for (i = 0; i < rule->nvalues; i++) {
        found |= equal(claim, rule->values[i]);
    }

    return found;
}


static int
equal(json_t *claim, canopy_slice_t value)
{
    char            text[32];
    double          number;
    canopy_slice_t  slice;

    if (json_is_real(claim)) {
        return canopy_json_number(value, &number) == 0
               && number == json_real_value(claim);
    }

    if (json_is_integer(claim)) {
        sprintf(text, "%lld", (long long) json_integer_value(claim));

    } else if (json_is_boolean(claim)) {
        strcpy(text, json_is_true(claim) ? "true" : "false");

    } else {
        return is(claim, value);
    }

    slice.data = (const uint8_t *) text;
    slice.len = strlen(text);

    return fuzz_same(slice, value);
}


/* wherever value stands in it, is it between spaces or the ends? */
static int
word(json_t *claim, canopy_slice_t value)
{
    size_t       i, len;
    const char  *p;

    p = json_string_value(claim);
    len = json_string_length(claim);

    if (value.len == 0 || memchr(value.data, ' ', value.len)) {
        return 0;
    }

    for (i = 0; i + value.len <= len; i++) {
        if (memcmp(p + i, value.data, value.len) == 0
            && (i == 0 || p[i - 1] == ' ')
            && (i + value.len == len || p[i + value.len] == ' '))
        {
            return 1;
        }
    }

    return 0;
}


static int
is(json_t *string, canopy_slice_t text)
{
    canopy_slice_t  slice;

    slice.data = (const uint8_t *) json_string_value(string);
    slice.len = json_string_length(string);

    return json_is_string(string) && fuzz_same(slice, text);
}


static void
check_verdict(json_t *claims, const canopy_verdict_t *verdict)
{
    int             good;
    size_t          i;
    json_t         *sub;
    const uint8_t  *p;
    canopy_slice_t  slice;

    check(verdict->expires == json_number_value(json_object_get(claims,
                                                                "exp")));

    sub = json_object_get(claims, "sub");

    p = (const uint8_t *) json_string_value(sub);
    good = json_is_string(sub)
           && json_string_length(sub) <= CANOPY_CLIENT_MAX;

    for (i = 0; good && i < json_string_length(sub); i++) {
        if (p[i] < ' ' || p[i] == 0x7f
            || (p[i] == 0xc2 && p[i + 1] >= 0x80 && p[i + 1] <= 0x9f))
        {
            good = 0;
        }
    }

    slice.data = verdict->sub;
    slice.len = verdict->sub_len;

    check(good ? is(sub, slice) : verdict->sub_len == 0);
}
