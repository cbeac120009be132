/*
 * A text is accepted as JSON, as a header or as a payload exactly if jansson
 * accepts it and it is an object, and what is reported of it (a member's type
 * and value, an "alg", an "exp") is what jansson finds there.  As a token it
 * has the fault that counting its dots and characters shows, if that has one,
 * and check and expiry agree.
 *
 * jansson is no oracle where it has limits, of numbers and of depth, and where
 * it skips a NUL behind a number: a raw NUL is never accepted.
 *
 * Input: the text.
 */

#include <strings.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "canopy_json.h"
#include "canopy_token.h"
#include "fuzz.h"


#define HEADER   "eyJhbGciOiJFIn0"      /* {"alg":"E"} */
#define PAYLOAD  "e30"                  /* {} */

#define FLAGS                                                                 \
    (JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL|JSON_DECODE_ANY                    \
     |JSON_DECODE_INT_AS_REAL)


/* what jansson says */
typedef struct {
    int      unknown;           /* nothing */
    json_t  *value;             /* NULL: it is not JSON */
} oracle_t;


static oracle_t oracle(canopy_slice_t text);
static void check_token(canopy_slice_t text);
static canopy_token_fault_e expected_parts(canopy_slice_t text);
static void check_object(canopy_slice_t text, const oracle_t *o);
static void check_member(canopy_slice_t text, const canopy_json_member_t *m,
    json_t *value);
static void check_number(canopy_slice_t text, const oracle_t *o);
static void check_header(canopy_slice_t text, const oracle_t *o);
static canopy_token_fault_e expected_header(canopy_slice_t text,
    const oracle_t *o);
static void check_payload(canopy_slice_t text, const oracle_t *o);
static canopy_token_fault_e expected_payload(const oracle_t *o);
static canopy_slice_t encode(const char *before, canopy_slice_t text,
    const char *behind);
static int is_space(uint8_t ch);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    oracle_t        o;
    canopy_slice_t  text;

    text = fuzz_copy(data, size);
    o = oracle(text);

    check_token(text);
    check_object(text, &o);
    check_number(text, &o);
    check_header(text, &o);
    check_payload(text, &o);

    json_decref(o.value);
    fuzz_free(text);

    return 0;
}


static oracle_t
oracle(canopy_slice_t text)
{
    oracle_t              o;
    json_error_t          error;
    enum json_error_code  code;

    o.unknown = 0;
    o.value = NULL;

    if (text.len == 0 || memchr(text.data, '\0', text.len) != NULL) {
        return o;
    }

    o.value = json_loadb((const char *) text.data, text.len, FLAGS, &error);

    if (o.value == NULL) {
        code = json_error_code(&error);

        o.unknown = (code == json_error_numeric_overflow
                     || code == json_error_stack_overflow);
    }

    return o;
}


static void
check_token(canopy_slice_t text)
{
    int                    rc;
    double                 exp;
    canopy_claims_t        claims;
    canopy_token_fault_e   fault;

    exp = 42;

    fault = canopy_token_check(text, &claims);
    rc = canopy_token_expiry(text, &exp);

    check(fault <= CANOPY_TOKEN_EXP && *canopy_token_fault(fault) != '\0');
    check(fault >= CANOPY_TOKEN_HEADER || fault == CANOPY_TOKEN_OK
          ? expected_parts(text) == CANOPY_TOKEN_OK
          : expected_parts(text) == fault);

    if (fault == CANOPY_TOKEN_OK) {
        check(rc == (int) claims.has_exp);
        check(exp == (rc ? claims.exp : 42));
    }

    if (fault == CANOPY_TOKEN_PAYLOAD || fault == CANOPY_TOKEN_EXP
        || fault == CANOPY_TOKEN_PARTS || fault == CANOPY_TOKEN_ENCRYPTED)
    {
        check(rc == 0 || fault == CANOPY_TOKEN_PARTS);
    }
}


/* before anything is decoded */
static canopy_token_fault_e
expected_parts(canopy_slice_t text)
{
    int     empty, coded;
    size_t  i, n, dots;

    static const char  alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "abcdefghijklmnopqrstuvwxyz0123456789-_";

    if (text.len > CANOPY_TOKEN_MAX) {
        return CANOPY_TOKEN_TOO_LONG;
    }

    empty = 0;
    coded = 1;

    for (dots = 0, n = 0, i = 0; i <= text.len; i++) {

        if (i < text.len && text.data[i] != '.') {
            coded &= (memchr(alphabet, text.data[i], sizeof(alphabet) - 1)
                      != NULL);
            n++;
            continue;
        }

        dots += (i < text.len);
        empty |= (n == 0);
        coded &= (n % 4 != 1);
        n = 0;
    }

    return dots == 4 ? CANOPY_TOKEN_ENCRYPTED
           : dots != 2 || empty ? CANOPY_TOKEN_PARTS
           : !coded ? CANOPY_TOKEN_BASE64URL : CANOPY_TOKEN_OK;
}


static void
check_object(canopy_slice_t text, const oracle_t *o)
{
    int                    rc;
    size_t                 i;
    canopy_json_member_t   m[] = {
        { .name = canopy_slice("exp") },
        { .name = canopy_slice("alg") },
        { .name = canopy_slice("") },
        { .name = canopy_slice("\xc3\xa9") }
    };

    static const char *const  names[] = { "exp", "alg", "", "\xc3\xa9" };

    rc = canopy_json_object(text, m, 4);

    if (text.len > CANOPY_JSON_MAX) {
        check(rc == -1);
        return;
    }

    if (o->unknown) {
        return;
    }

    check(rc == (json_is_object(o->value) ? 0 : -1));

    for (i = 0; rc == 0 && i < 4; i++) {
        check_member(text, &m[i], json_object_get(o->value, names[i]));
    }
}


static void
check_member(canopy_slice_t text, const canopy_json_member_t *m,
    json_t *value)
{
    json_t     *again;
    json_type   type;

    static const json_type  types[] = {
        [CANOPY_JSON_OBJECT] = JSON_OBJECT,
        [CANOPY_JSON_ARRAY] = JSON_ARRAY,
        [CANOPY_JSON_STRING] = JSON_STRING,
        [CANOPY_JSON_NUMBER] = JSON_REAL,
        [CANOPY_JSON_TRUE] = JSON_TRUE,
        [CANOPY_JSON_FALSE] = JSON_FALSE,
        [CANOPY_JSON_NULL] = JSON_NULL
    };

    check(m->found == (value != NULL));

    if (value == NULL) {
        return;
    }

    type = json_typeof(value);

    check(types[m->type] == type);
    check(fuzz_inside(m->value, text));

    /* the slice alone says the same; a string's is without quotes */

    if (type == JSON_STRING) {
        text.data = m->value.data - 1;
        text.len = m->value.len + 2;

    } else {
        text = m->value;
    }

    again = json_loadb((const char *) text.data, text.len, FLAGS, NULL);
    check(again != NULL && json_equal(again, value));
    json_decref(again);
}


static void
check_number(canopy_slice_t text, const oracle_t *o)
{
    int     rc;
    double  value;

    value = 42;
    rc = canopy_json_number(text, &value);

    if (json_is_real(o->value)
        && !is_space(text.data[0]) && !is_space(text.data[text.len - 1]))
    {
        check(rc == 0 && value == json_real_value(o->value));

    } else {
        /* also if it is too large for a double */
        check(rc == -1 && value == 42);
    }
}


static void
check_header(canopy_slice_t text, const oracle_t *o)
{
    canopy_slice_t         token;
    canopy_claims_t        claims;
    canopy_token_fault_e   fault;

    token = encode("", text, "." PAYLOAD ".AA");
    fault = canopy_token_check(token, &claims);

    if (token.len > CANOPY_TOKEN_MAX) {
        check(fault == CANOPY_TOKEN_TOO_LONG);

    } else if (text.len == 0) {
        check(fault == CANOPY_TOKEN_PARTS);

    } else if (!o->unknown) {
        check(fault == expected_header(text, o));
        check(fault != CANOPY_TOKEN_OK || !claims.has_exp);
    }

    fuzz_free(token);
}


static canopy_token_fault_e
expected_header(canopy_slice_t text, const oracle_t *o)
{
    json_t                *alg;
    canopy_json_member_t   m = { .name = canopy_slice("alg") };

    if (!json_is_object(o->value)) {
        return CANOPY_TOKEN_HEADER;
    }

    alg = json_object_get(o->value, "alg");

    if (json_string_length(alg) == 0
        || strcasecmp(json_string_value(alg), "none") == 0)
    {
        return CANOPY_TOKEN_ALG;
    }

    /* escapes, jansson does not tell */

    check(canopy_json_object(text, &m, 1) == 0);

    return memchr(m.value.data, '\\', m.value.len) ? CANOPY_TOKEN_ALG
                                                   : CANOPY_TOKEN_OK;
}


static void
check_payload(canopy_slice_t text, const oracle_t *o)
{
    int                    rc;
    double                 exp, want;
    canopy_slice_t         token;
    canopy_claims_t        claims;
    canopy_token_fault_e   fault;

    token = encode(HEADER ".", text, ".AA");
    fault = canopy_token_check(token, &claims);

    if (token.len > CANOPY_TOKEN_MAX) {
        check(fault == CANOPY_TOKEN_TOO_LONG);

    } else if (text.len == 0) {
        check(fault == CANOPY_TOKEN_PARTS);

    } else if (!o->unknown) {
        check(fault == expected_payload(o));
        want = json_number_value(json_object_get(o->value, "exp"));
        rc = canopy_token_expiry(token, &exp);

        if (fault == CANOPY_TOKEN_OK) {
            check(claims.exp == want);
            check(rc == (int) claims.has_exp && (!rc || exp == want));

        } else {
            check(rc == 0);
        }
    }

    fuzz_free(token);
}


static canopy_token_fault_e
expected_payload(const oracle_t *o)
{
    json_t  *exp;

    if (!json_is_object(o->value)) {
        return CANOPY_TOKEN_PAYLOAD;
    }

    exp = json_object_get(o->value, "exp");

    return exp && !json_is_real(exp) ? CANOPY_TOKEN_EXP : CANOPY_TOKEN_OK;
}


static canopy_slice_t
encode(const char *before, canopy_slice_t text, const char *behind)
{
    char            *buf, *p;
    canopy_slice_t   token;

    buf = malloc(strlen(before) + text.len / 3 * 4 + 5 + strlen(behind));
    check(buf != NULL);

    p = buf + sprintf(buf, "%s", before);

    EVP_EncodeBlock((unsigned char *) p, text.data, (int) text.len);

    for ( /* void */ ; *p && *p != '='; p++) {
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
    }

    p += sprintf(p, "%s", behind);

    token = fuzz_copy(buf, (size_t) (p - buf));
    free(buf);

    return token;
}


static int
is_space(uint8_t ch)
{
    return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r';
}
