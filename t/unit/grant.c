/*
 * canopy_grant: the request's bytes; one table of answers with a token, one of
 * those without.
 */

#include <jansson.h>
#include <openssl/evp.h>

#include "canopy_grant.h"
#include "tap.h"


#define T       INT64_C(1764000000000)  /* 2025-11-24 16:00:00 */
#define SECOND  INT64_C(1000)
#define HOUR    (3600 * SECOND)
#define DAY     (24 * HOUR)

#define SECRET  "hunter2.hunter2"

#define OK         CANOPY_GRANT_OK
#define REFUSED    CANOPY_GRANT_REFUSED
#define LIMITED    CANOPY_GRANT_LIMITED
#define AWAY       CANOPY_GRANT_UNAVAILABLE
#define MALFORMED  CANOPY_GRANT_MALFORMED

#define NO_JSON  "sent a response that is not a JSON object"
#define NONE     "sent no access_token"
#define EXPIRED  "sent a token that has expired"
#define LIMIT    "allows no exchange for now"
#define BAD      "refused the request"


typedef struct {
    const char             *name;
    unsigned                status;
    const char             *body;
    const char             *retry_after;
    canopy_grant_result_e   result;
    const char             *reason;
    const char             *error;
    int64_t                 refresh;    /* from T on; 0: none */
} refusal_t;


typedef struct {
    const char             *name;
    const char             *body;
    const char             *reason;     /* NULL: a token */
    int64_t                 lifetime;
    unsigned                assumed;
} token_t;


typedef struct {
    const char             *name;
    const char             *payload;
    const char             *expires_in; /* NULL: none */
    int64_t                 lifetime;   /* 0: expired */
    unsigned                assumed;
} jwt_t;


static void requests(void);
static void request(const char *name, const char *id, const char *secret,
    const char *audience, const char *expected);
static void any_bytes(void);
static void refusals(void);
static void tokens(void);
static void jwts(void);
static void flags(void);
static void sizes(void);
static void secrets(void);
static void clocks(void);
static void no_memory(void);
static canopy_grant_input_t input(unsigned status, const char *body);
static canopy_slice_t guarded(const char *text);
static int is(canopy_slice_t slice, const char *text);
static void *pool(void *data, size_t size);
static void *refuse(void *data, size_t size);
static void *count_malloc(size_t size);
static void count_free(void *p);


static size_t  live;            /* jansson's blocks in use */
static size_t  left;            /* allocations until one fails, 0: never */


#define E(description)                                                        \
    "{\"error\":\"invalid_request\",\"error_description\":" description "}"

/* 2025-11-24T17:00:00Z is T + an hour */
static const refusal_t  refusal_table[] = {

    /* what Auth0 and Canopy say */

    { "a wrong secret", 401,
      "{\"error\":\"access_denied\",\"error_description\":\"Unauthorized\"}",
      NULL, REFUSED, "refused the client or its secret", "access_denied", 0 },
    { "an unknown audience", 403,
      "{\"error\":\"access_denied\",\"error_description\":"
      "\"Service not enabled within domain: https://api.example.com\"}",
      NULL, REFUSED, "refused the client or the audience", "access_denied",
      0 },
    { "a request that is wrong", 400, E("\"Missing required parameter\""),
      NULL, REFUSED, BAD, "invalid_request", 0 },
    { "the limit as an object", 400,
      E("{\"code\":429,\"message\":\"rate_limit\",\"rate_limit\":50,"
        "\"rate_limit_refresh\":\"2025-11-24T17:00:00Z\"}"),
      NULL, LIMITED, LIMIT, "invalid_request", HOUR },
    { "the limit as a text", 400,
      E("\"{\\\"code\\\":429,\\\"message\\\":\\\"rate_limit\\\","
        "\\\"rate_limit\\\":50,"
        "\\\"rate_limit_refresh\\\":\\\"2025-11-24T17:00:00Z\\\"}\""),
      NULL, LIMITED, LIMIT, "invalid_request", HOUR },
    { "the tenant's limit", 429,
      "{\"statusCode\":429,\"error\":\"Too Many Requests\","
      "\"message\":\"Global limit has been reached\"}",
      NULL, LIMITED, LIMIT, "", 0 },
    { "the client's quota", 429, "{\"error\":\"too_many_requests\"}", "60",
      LIMITED, LIMIT, "too_many_requests", 60 * SECOND },

    /* the limit's forms */

    { "code as a string", 400, E("{\"code\":\"429\"}"), NULL, LIMITED, LIMIT,
      "invalid_request", 0 },
    { "code as a string in a text", 400, E("\"{\\\"code\\\":\\\"429\\\"}\""),
      NULL, LIMITED, LIMIT, "invalid_request", 0 },
    { "code as a real number", 400, E("{\"code\":429.0}"), NULL, LIMITED,
      LIMIT, "invalid_request", 0 },
    { "another code", 400, E("{\"code\":428}"), NULL, REFUSED, BAD,
      "invalid_request", 0 },
    { "nearly that code", 400, E("{\"code\":429.5}"), NULL, REFUSED, BAD,
      "invalid_request", 0 },
    { "code with words", 400, E("{\"code\":\"429 \\u0000\"}"), NULL, REFUSED,
      BAD, "invalid_request", 0 },
    { "code true", 400, E("{\"code\":true}"), NULL, REFUSED, BAD,
      "invalid_request", 0 },
    { "code at another place", 400, "{\"code\":429}", NULL, REFUSED, BAD, "",
      0 },
    { "code in a list", 400, E("[{\"code\":429}]"), NULL, REFUSED, BAD,
      "invalid_request", 0 },
    { "a list as a text", 400, E("\"[{\\\"code\\\":429}]\""), NULL, REFUSED,
      BAD, "invalid_request", 0 },
    { "code twice", 400, E("{\"code\":429,\"code\":1}"), NULL, REFUSED, BAD,
      "", 0 },
    { "half a text", 400, E("\"{\\\"code\\\":429\""), NULL, REFUSED, BAD,
      "invalid_request", 0 },
    { "an empty text", 400, E("\"\""), NULL, REFUSED, BAD, "invalid_request",
      0 },
    { "no description", 400, "{\"error\":\"unauthorized_client\"}", NULL,
      REFUSED, BAD, "unauthorized_client", 0 },
    { "a null", 400, E("null"), NULL, REFUSED, BAD, "invalid_request", 0 },
    { "the limit with 403", 403, E("{\"code\":429}"), "7", LIMITED, LIMIT,
      "invalid_request", 7 * SECOND },
    { "the limit with 503", 503, E("{\"code\":429}"), NULL, AWAY,
      "is unavailable", "invalid_request", 0 },

    /* when to come back */

    { "with an offset", 400,
      E("{\"code\":429,\"rate_limit_refresh\":\"2025-11-24T18:00:00+01:00\"}"),
      NULL, LIMITED, LIMIT, "invalid_request", HOUR },
    { "without a zone, with a fraction", 400,
      E("{\"code\":429,\"rate_limit_refresh\":\"2025-11-24 17:00:00.123456\"}"),
      NULL, LIMITED, LIMIT, "invalid_request", HOUR + 124 },
    { "with space around it", 400,
      E("{\"code\":429,\"rate_limit_refresh\":\" 2025-11-24T17:00:00Z\\n\"}"),
      NULL, LIMITED, LIMIT, "invalid_request", HOUR },
    { "in seconds", 400,
      E("{\"code\":429,\"rate_limit_refresh\":1764003600}"),
      NULL, LIMITED, LIMIT, "invalid_request", HOUR },
    { "in parts of seconds", 400,
      E("{\"code\":429,\"rate_limit_refresh\":1764003600.0005}"),
      NULL, LIMITED, LIMIT, "invalid_request", HOUR + 1 },
    { "very late", 400, E("{\"code\":429,\"rate_limit_refresh\":1e300}"),
      NULL, LIMITED, LIMIT, "invalid_request", INT64_MAX - T },
    { "a big integer", 400,
      E("{\"code\":429,\"rate_limit_refresh\":99999999999999999999}"),
      NULL, LIMITED, LIMIT, "invalid_request", INT64_MAX - T },
    { "now", 400, E("{\"code\":429,\"rate_limit_refresh\":1764000000}"),
      NULL, LIMITED, LIMIT, "invalid_request", 0 },
    { "in a millisecond", 400,
      E("{\"code\":429,\"rate_limit_refresh\":\"2025-11-24T16:00:00.001Z\"}"),
      NULL, LIMITED, LIMIT, "invalid_request", 1 },
    { "in the past", 400,
      E("{\"code\":429,\"rate_limit_refresh\":\"2025-11-24T15:59:59Z\"}"),
      NULL, LIMITED, LIMIT, "invalid_request", 0 },
    { "in the past, Retry-After", 400,
      E("{\"code\":429,\"rate_limit_refresh\":\"2025-11-24T15:59:59Z\"}"),
      "30", LIMITED, LIMIT, "invalid_request", 30 * SECOND },
    { "long ago", 400, E("{\"code\":429,\"rate_limit_refresh\":-1e300}"),
      NULL, LIMITED, LIMIT, "invalid_request", 0 },
    { "not readable", 400,
      E("{\"code\":429,\"rate_limit_refresh\":\"tomorrow\"}"),
      NULL, LIMITED, LIMIT, "invalid_request", 0 },
    { "a null", 400, E("{\"code\":429,\"rate_limit_refresh\":null}"),
      "5", LIMITED, LIMIT, "invalid_request", 5 * SECOND },
    { "both", 400,
      E("{\"code\":429,\"rate_limit_refresh\":\"2025-11-24T17:00:00Z\"}"),
      "5", LIMITED, LIMIT, "invalid_request", HOUR },
    { "beside the description", 429,
      "{\"rate_limit_refresh\":\"2025-11-24T17:00:00Z\"}",
      NULL, LIMITED, LIMIT, "", HOUR },
    { "but no limit", 400,
      E("{\"code\":400,\"rate_limit_refresh\":\"2025-11-24T17:00:00Z\"}"),
      "5", REFUSED, BAD, "invalid_request", 0 },

    { "Retry-After of a day", 429, "", "86400", LIMITED, LIMIT, "", DAY },
    { "Retry-After of more", 429, "", "86401", LIMITED, LIMIT, "", 0 },
    { "Retry-After of much more", 429, "", "99999999999999999999999", LIMITED,
      LIMIT, "", 0 },
    { "Retry-After 0", 429, "", "0", LIMITED, LIMIT, "", 0 },
    { "Retry-After with zeros", 429, "", "0060", LIMITED, LIMIT, "",
      60 * SECOND },
    { "a negative one", 429, "", "-1", LIMITED, LIMIT, "", 0 },
    { "one with a unit", 429, "", "60s", LIMITED, LIMIT, "", 0 },
    { "a date", 429, "", "Mon, 24 Nov 2025 17:00:00 GMT", LIMITED, LIMIT, "",
      0 },
    { "Retry-After with 503", 503, "<html>", "120", AWAY, "is unavailable",
      "", 120 * SECOND },
    { "with 401", 401, "", "120", REFUSED, "refused the client or its secret",
      "", 0 },

    /* other statuses */

    { "404", 404, "<html>Not Found</html>", NULL, REFUSED, BAD, "", 0 },
    { "405", 405, "", NULL, REFUSED, BAD, "", 0 },
    { "408", 408, "", "9", AWAY, "timed out waiting for the request", "",
      9 * SECOND },
    { "499", 499, "{}", NULL, REFUSED, BAD, "", 0 },
    { "500", 500, "{\"error\":\"server_error\"}", NULL, AWAY,
      "is unavailable", "server_error", 0 },
    { "502 with a page", 502, "<html><h1>502 Bad Gateway</h1></html>", NULL,
      AWAY, "is unavailable", "", 0 },
    { "503 with nothing", 503, "", NULL, AWAY, "is unavailable", "", 0 },
    { "504 with text", 504, "error code: 504", NULL, AWAY, "is unavailable",
      "", 0 },
    { "599", 599, "", NULL, AWAY, "is unavailable", "", 0 },
    { "500 with a token", 500, "{\"access_token\":\"abc\"}", NULL, AWAY,
      "is unavailable", "", 0 },
    { "300", 300, "", NULL, MALFORMED,
      "sent a redirect, which is not followed", "", 0 },
    { "399", 399, "", NULL, MALFORMED,
      "sent a redirect, which is not followed", "", 0 },
    { "301", 301, "", NULL, MALFORMED,
      "sent a redirect, which is not followed", "", 0 },
    { "302 with a token", 302, "{\"access_token\":\"abc\"}", "5", MALFORMED,
      "sent a redirect, which is not followed", "", 0 },
    { "307", 307, "", NULL, MALFORMED,
      "sent a redirect, which is not followed", "", 0 },
    { "201 with a token", 201, "{\"access_token\":\"abc\"}", NULL, MALFORMED,
      "sent an unexpected status", "", 0 },
    { "204", 204, "", NULL, MALFORMED, "sent an unexpected status", "", 0 },
    { "101", 101, "", NULL, MALFORMED, "sent an unexpected status", "", 0 },
    { "600", 600, "", NULL, MALFORMED, "sent an unexpected status", "", 0 },
    { "0", 0, "", NULL, MALFORMED, "sent an unexpected status", "", 0 },

    /* 200 without a token */

    { "nothing", 200, "", NULL, MALFORMED, "sent an empty response", "", 0 },
    { "space", 200, " \r\n", NULL, MALFORMED, NO_JSON, "", 0 },
    { "a page", 200, "<html><h1>Log in</h1></html>", NULL, MALFORMED, NO_JSON,
      "", 0 },
    { "a form", 200, "access_token=abc&expires_in=3600", NULL, MALFORMED,
      NO_JSON, "", 0 },
    { "a list", 200, "[{\"access_token\":\"abc\"}]", NULL, MALFORMED, NO_JSON,
      "", 0 },
    { "a string", 200, "\"abc\"", NULL, MALFORMED, NO_JSON, "", 0 },
    { "half an object", 200, "{\"access_token\":\"abc\"", NULL, MALFORMED,
      NO_JSON, "", 0 },
    { "more behind it", 200, "{\"access_token\":\"abc\"}{}", NULL, MALFORMED,
      NO_JSON, "", 0 },
    { "a token twice", 200,
      "{\"access_token\":\"abc\",\"access_token\":\"abc\"}", NULL, MALFORMED,
      NO_JSON, "", 0 },
    { "not UTF-8", 200, "{\"access_token\":\"abc\",\"a\":\"\xe9\"}", NULL,
      MALFORMED, NO_JSON, "", 0 },
    { "a number out of range", 200,
      "{\"access_token\":\"abc\",\"expires_in\":1e999}", NULL, MALFORMED,
      "sent a number out of range", "", 0 },
    { "an empty object", 200, "{}", NULL, MALFORMED, NONE, "", 0 },
    { "an error with 200", 200,
      "{\"error\":\"access_denied\",\"error_description\":\"Unauthorized\"}",
      "5", MALFORMED, NONE, "access_denied", 0 },
    { "a null", 200, "{\"access_token\":null}", NULL, MALFORMED, NONE, "", 0 },
    { "a number", 200, "{\"access_token\":1}", NULL, MALFORMED, NONE, "", 0 },
    { "a space first", 200, "{\"access_token\":\" abc\"}", NULL, MALFORMED,
      "sent access_token with invalid character", "", 0 },
    { "an empty token", 200, "{\"access_token\":\"\"}", NULL, MALFORMED,
      "sent an empty access_token", "", 0 },

    /* error codes */

    { "64 bytes", 401, "{\"error\":\"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_.-"
      "abcdefghijklmnopqrstuvwxy\"}", NULL, REFUSED,
      "refused the client or its secret", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
      "_.-abcdefghijklmnopqrstuvwxy", 0 },
    { "65 bytes", 401, "{\"error\":\"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_.-"
      "abcdefghijklmnopqrstuvwxyz\"}", NULL, REFUSED,
      "refused the client or its secret", "", 0 },
    { "no bytes", 401, "{\"error\":\"\"}", NULL, REFUSED,
      "refused the client or its secret", "", 0 },
    { "a line's end first", 401, "{\"error\":\"\\nab\"}", NULL, REFUSED,
      "refused the client or its secret", "", 0 },
    { "a line's end in it", 401, "{\"error\":\"a\\nb\"}", NULL, REFUSED,
      "refused the client or its secret", "", 0 },
    { "U+0000 in it", 401, "{\"error\":\"a\\u0000b\"}", NULL, REFUSED,
      "refused the client or its secret", "", 0 },
    { "a letter out of ASCII", 401, "{\"error\":\"\xc3\xa9\"}", NULL, REFUSED,
      "refused the client or its secret", "", 0 },
    { "an object", 401, "{\"error\":{\"code\":1}}", NULL, REFUSED,
      "refused the client or its secret", "", 0 },
    { "the secret", 401, "{\"error\":\"" SECRET "\"}", NULL, REFUSED,
      "refused the client or its secret", "", 0 },
    { "the secret in it", 401, "{\"error\":\"wrong_" SECRET ".\"}", NULL,
      REFUSED, "refused the client or its secret", "", 0 },
    { "the secret escaped", 401, "{\"error\":\"\\u0068unter2.hunter2\"}", NULL,
      REFUSED, "refused the client or its secret", "", 0 },
    { "the token", 200, "{\"error\":\"abc\",\"access_token\":\"abc\","
      "\"token_type\":\"mac\"}", NULL, MALFORMED,
      "sent a token that is not a bearer token", "", 0 },
};


#define A(rest)  "{\"access_token\":\"abc\"" rest "}"
#define X(value)  A(",\"expires_in\":" value)

static const token_t  token_table[] = {
    { "Canopy's own", "{\"access_token\":\"abc\",\"expires_in\":86400,"
      "\"token_type\":\"Bearer\"}", NULL, DAY, 0 },
    { "nothing but the token", A(""), NULL, HOUR, 1 },
    { "more than that", A(",\"scope\":\"x\",\"a\":{\"b\":[null,1e9]}"), NULL,
      HOUR, 1 },
    { "space around it", " \r\n" A("") "\n", NULL, HOUR, 1 },
    { "escaped", "{\"access_token\":\"\\u0061bc\"}", NULL, HOUR, 1 },
    { "an error, too", A(",\"error\":\"none\""), NULL, HOUR, 1 },
    { "U+0000 elsewhere", A(",\"a\":\"\\u0000\""), NULL, HOUR, 1 },

    { "bearer", A(",\"token_type\":\"bearer\""), NULL, HOUR, 1 },
    { "BEARER", A(",\"token_type\":\"BEARER\""), NULL, HOUR, 1 },
    { "token_type null", A(",\"token_type\":null"), NULL, HOUR, 1 },
    { "mac", A(",\"token_type\":\"mac\""),
      "sent a token that is not a bearer token", 0, 0 },
    { "bearex", A(",\"token_type\":\"bearex\""),
      "sent a token that is not a bearer token", 0, 0 },
    { "DPoP", A(",\"token_type\":\"DPoP\""),
      "sent a token that is not a bearer token", 0, 0 },
    { "Bearer and more", A(",\"token_type\":\"Bearer \""),
      "sent a token that is not a bearer token", 0, 0 },
    { "an empty type", A(",\"token_type\":\"\""),
      "sent a token that is not a bearer token", 0, 0 },
    { "a type that is no string", A(",\"token_type\":1"),
      "sent a token that is not a bearer token", 0, 0 },

    { "a second", X("1"), NULL, SECOND, 0 },
    { "30 days", X("2592000"), NULL, 30 * DAY, 0 },
    { "more", X("2592001"), NULL, 30 * DAY, 0 },
    { "more than an int64_t holds", X("99999999999999999999"), NULL,
      30 * DAY, 0 },
    { "1e308", X("1e308"), NULL, 30 * DAY, 0 },
    { "a real number", X("3599.9"), NULL, HOUR - SECOND, 0 },
    { "an exponent", X("36e2"), NULL, HOUR, 0 },
    { "a part of a second", X("0.999"), EXPIRED, 0, 0 },
    { "zero", X("0"), EXPIRED, 0, 0 },
    { "negative", X("-1"), EXPIRED, 0, 0 },
    { "very negative", X("-1e308"), EXPIRED, 0, 0 },
    { "null", X("null"), NULL, HOUR, 1 },
    { "true", X("true"), NULL, HOUR, 1 },
    { "a list", X("[86400]"), NULL, HOUR, 1 },
    { "a string", X("\"86400\""), NULL, DAY, 0 },
    { "a string with space", X("\" 86400\\n\""), NULL, DAY, 0 },
    { "a real number in a string", X("\"59.5\""), NULL, 59 * SECOND, 0 },
    { "zero in a string", X("\"0\""), EXPIRED, 0, 0 },
    { "negative in a string", X("\"-5\""), EXPIRED, 0, 0 },
    { "huge in a string", X("\"99999999999999999999\""), NULL, 30 * DAY, 0 },
    { "too large in a string", X("\"1e999\""), NULL, HOUR, 1 },
    { "an empty string", X("\"\""), NULL, HOUR, 1 },
    { "words", X("\"1 hour\""), NULL, HOUR, 1 },
    { "hexadecimal digits", X("\"0x10\""), NULL, HOUR, 1 },
    { "a number and U+0000", X("\"60\\u0000\""), NULL, HOUR, 1 },
    { "infinity", X("\"inf\""), NULL, HOUR, 1 },
};


static const jwt_t  jwt_table[] = {
    { "an hour, told a day", "{\"exp\":1764003600}", "86400", HOUR, 0 },
    { "a day, told an hour", "{\"exp\":1764086400}", "3600", HOUR, 0 },
    { "a day, told nothing", "{\"exp\":1764086400}", NULL, DAY, 0 },
    { "a day, told what can't be read", "{\"exp\":1764086400}", "\"x\"",
      DAY, 0 },
    { "a year, told nothing", "{\"exp\":1795536000}", NULL, 30 * DAY, 0 },
    { "a year, told two", "{\"exp\":1795536000}", "63072000", 30 * DAY, 0 },
    { "now", "{\"exp\":1764000000}", "86400", 0, 0 },
    { "a millisecond", "{\"exp\":1764000000.001}", "86400", 1, 0 },
    { "long ago", "{\"exp\":-1e300}", NULL, 0, 0 },
    { "never", "{\"exp\":1e300}", NULL, 30 * DAY, 0 },
    { "no exp", "{\"iat\":1764000000}", NULL, HOUR, 1 },
    { "no exp, told a day", "{\"iat\":1764000000}", "86400", DAY, 0 },
    { "exp as a string", "{\"exp\":\"1764003600\"}", "86400", DAY, 0 },
    { "no JSON", "exp", "86400", DAY, 0 },
};


int
main(void)
{
    requests();
    any_bytes();
    refusals();
    tokens();
    jwts();
    flags();
    sizes();
    secrets();
    clocks();
    no_memory();

    return tap_done();
}


static void
requests(void)
{
    request("plain", "id", "secret", "https://api.canopy.umbra.space",
            "{\"client_id\":\"id\",\"client_secret\":\"secret\","
            "\"audience\":\"https://api.canopy.umbra.space\","
            "\"grant_type\":\"client_credentials\"}");
    request("empty", "", "", "",
            "{\"client_id\":\"\",\"client_secret\":\"\",\"audience\":\"\","
            "\"grant_type\":\"client_credentials\"}");
    request("escapes", "a\"b", "a\\\"\x01\n\x1f\x7f/", "\xc3\xa9",
            "{\"client_id\":\"a\\\"b\","
            "\"client_secret\":\"a\\\\\\\"\\u0001\\u000a\\u001f\x7f/\","
            "\"audience\":\"\xc3\xa9\","
            "\"grant_type\":\"client_credentials\"}");
}


static void
request(const char *name, const char *id, const char *secret,
    const char *audience, const char *expected)
{
    size_t          size;
    uint8_t        *buf;
    canopy_slice_t  text;

    size = canopy_grant_request_size(guarded(id), guarded(secret),
                                     guarded(audience));
    ok(size == strlen(expected), "request: %s: %zu bytes", name, size);

    buf = tap_guard(expected, size);
    memset(buf, 0, size);

    text.data = buf;
    text.len = canopy_grant_request(buf, guarded(id), guarded(secret),
                                    guarded(audience));
    ok(is(text, expected), "request: %s", name);
}


/* each byte of ASCII comes back out of the JSON text */
static void
any_bytes(void)
{
    size_t          i, n;
    char            all[128];
    json_t         *root, *value;
    uint8_t        *buf;
    canopy_slice_t  secret, name;

    for (i = 0; i < sizeof(all); i++) {
        all[i] = (char) i;
    }

    secret.data = tap_guard(all, sizeof(all));
    secret.len = sizeof(all);
    name = guarded("x");

    n = canopy_grant_request_size(name, secret, name);
    buf = malloc(n);
    ok(buf && canopy_grant_request(buf, name, secret, name) == n,
       "all of ASCII: the size");

    root = json_loadb((char *) buf, n, JSON_ALLOW_NUL, NULL);
    value = json_object_get(root, "client_secret");

    ok(json_object_size(root) == 4 && json_string_length(value) == sizeof(all)
       && memcmp(json_string_value(value), all, sizeof(all)) == 0,
       "all of ASCII: the same");

    json_decref(root);
    free(buf);
}


static void
refusals(void)
{
    int                     rc;
    size_t                  i;
    int64_t                 refresh;
    const refusal_t        *c;
    canopy_grant_input_t    in;
    canopy_grant_answer_t   out;

    json_set_alloc_funcs(count_malloc, count_free);

    for (i = 0; i < sizeof(refusal_table) / sizeof(refusal_table[0]); i++) {
        c = &refusal_table[i];

        in = input(c->status, c->body);

        if (c->retry_after) {
            in.retry_after = guarded(c->retry_after);
        }

        rc = canopy_grant_answer(&in, refuse, NULL, &out);
        refresh = c->refresh ? T + c->refresh : 0;

        if (!ok(rc == 0 && out.result == c->result
                && strcmp(out.reason, c->reason) == 0
                && strcmp(out.error, c->error) == 0
                && out.refresh == refresh && out.token.len == 0
                && out.lifetime == 0 && out.assumed == 0 && live == 0,
                "%u: %s", c->status, c->name))
        {
            printf("# rc %d, result %d, %s, \"%s\", refresh T%+lld, live %zu\n",
                   rc, out.result, out.reason, out.error,
                   (long long) (out.refresh - T), live);
        }
    }
}


static void
tokens(void)
{
    int                     rc;
    size_t                  i;
    const token_t          *c;
    canopy_grant_input_t    in;
    canopy_grant_answer_t   out;

    for (i = 0; i < sizeof(token_table) / sizeof(token_table[0]); i++) {
        c = &token_table[i];

        in = input(200, c->body);
        rc = canopy_grant_answer(&in, pool, NULL, &out);

        if (!ok(rc == 0 && out.result == (c->reason ? MALFORMED : OK)
                && strcmp(out.reason, c->reason ? c->reason : "sent a token")
                   == 0
                && out.error[0] == '\0'
                && is(out.token, c->reason ? "" : "abc")
                && out.lifetime == c->lifetime && out.assumed == c->assumed
                && out.refresh == 0 && live == 0,
                "token: %s", c->name))
        {
            printf("# rc %d, result %d, %s, %lld ms, assumed %u\n", rc,
                   out.result, out.reason, (long long) out.lifetime,
                   out.assumed);
        }
    }
}


static void
jwts(void)
{
    int                     rc, n;
    char                    body[1024], payload[512];
    size_t                  i;
    const jwt_t            *c;
    canopy_grant_input_t    in;
    canopy_grant_answer_t   out;

    for (i = 0; i < sizeof(jwt_table) / sizeof(jwt_table[0]); i++) {
        c = &jwt_table[i];

        n = EVP_EncodeBlock((uint8_t *) payload, (const uint8_t *) c->payload,
                            (int) strlen(c->payload));

        while (n && payload[n - 1] == '=') {
            n--;
        }

        snprintf(body, sizeof(body), "{\"access_token\":\"e30.%.*s.c2ln\"%s%s}",
                 n, payload, c->expires_in ? ",\"expires_in\":" : "",
                 c->expires_in ? c->expires_in : "");

        in = input(200, body);
        rc = canopy_grant_answer(&in, pool, NULL, &out);

        if (!ok(rc == 0 && out.result == (c->lifetime ? OK : MALFORMED)
                && out.lifetime == c->lifetime && out.assumed == c->assumed
                && (c->lifetime || strcmp(out.reason, EXPIRED) == 0),
                "JWT: %s", c->name))
        {
            printf("# rc %d, result %d, %s, %lld ms, assumed %u\n", rc,
                   out.result, out.reason, (long long) out.lifetime,
                   out.assumed);
        }
    }
}


/* what was read of a body that is not whole is not believed */
static void
flags(void)
{
    canopy_grant_input_t   in;
    canopy_grant_answer_t  out;

    in = input(200, A(""));
    in.cut = 1;
    ok(canopy_grant_answer(&in, refuse, NULL, &out) == 0
       && out.result == MALFORMED
       && strcmp(out.reason, "closed prematurely connection in response") == 0,
       "200, cut off");

    in = input(200, A(""));
    in.too_large = 1;
    ok(canopy_grant_answer(&in, refuse, NULL, &out) == 0
       && out.result == MALFORMED
       && strcmp(out.reason, "sent too large a response") == 0,
       "200, too large");

    in = input(400, E("{\"code\":429}"));
    in.cut = 1;
    ok(canopy_grant_answer(&in, refuse, NULL, &out) == 0
       && out.result == REFUSED && out.error[0] == '\0', "400, cut off");

    in = input(503, "");
    in.too_large = 1;
    in.retry_after = guarded("5");
    ok(canopy_grant_answer(&in, refuse, NULL, &out) == 0
       && out.result == AWAY && out.refresh == T + 5 * SECOND,
       "503, too large");
}


static void
sizes(void)
{
    char                   *body;
    size_t                  n;
    unsigned                ch, accepted;
    canopy_grant_input_t    in;
    canopy_grant_answer_t   out;

    body = malloc(65536);

    if (body == NULL) {
        printf("Bail out! no memory\n");
        exit(1);
    }

    for (n = CANOPY_GRANT_TOKEN_MAX - 1; n < CANOPY_GRANT_TOKEN_MAX + 2; n++) {
        sprintf(body, "{\"access_token\":\"%0*d\"}", (int) n, 7);
        in = input(200, body);

        ok(canopy_grant_answer(&in, pool, NULL, &out) == 0
           && out.result == (n <= CANOPY_GRANT_TOKEN_MAX ? OK : MALFORMED)
           && out.token.len == (n <= CANOPY_GRANT_TOKEN_MAX ? n : 0)
           && strcmp(out.reason, n <= CANOPY_GRANT_TOKEN_MAX ? "sent a token"
                                 : "sent too long access_token") == 0,
           "a token of %zu bytes", n);
    }

    accepted = 0;

    for (ch = 0; ch < 256; ch++) {
        sprintf(body, "{\"access_token\":\"a\\u%04xb\"}", ch);
        in = input(200, body);

        if (canopy_grant_answer(&in, pool, NULL, &out) == 0
            && out.result == OK && out.token.len == 3
            && out.token.data[1] == ch)
        {
            accepted += ch >= '!' && ch <= '~';

        } else if (out.result == MALFORMED
                   && strcmp(out.reason, "sent access_token with invalid "
                                         "character") == 0)
        {
            accepted += ch < '!' || ch > '~';
        }
    }

    ok(accepted == 256, "bytes of a token");

    memset(body, '[', 65535);
    body[65535] = '\0';
    in = input(200, body);
    ok(canopy_grant_answer(&in, pool, NULL, &out) == 0
       && out.result == MALFORMED, "64k of brackets");

    strcpy(body, "{\"error_description\":\"");
    memset(body + 22, '[', 65000);
    strcpy(body + 65000, "\"}");
    in = input(400, body);
    ok(canopy_grant_answer(&in, pool, NULL, &out) == 0
       && out.result == REFUSED && live == 0, "64k of brackets in a text");

    free(body);
}


static void
secrets(void)
{
    canopy_slice_t         all[3];
    canopy_grant_input_t   in;
    canopy_grant_answer_t  out;

    all[0] = guarded("");
    all[1] = guarded("one");
    all[2] = guarded("two");

    in = input(401, "{\"error\":\"a_two\"}");
    in.secrets = all;
    in.nsecrets = 3;
    ok(canopy_grant_answer(&in, refuse, NULL, &out) == 0
       && out.error[0] == '\0', "the last of three secrets");

    in = input(401, "{\"error\":\"a_three\"}");
    in.secrets = all;
    in.nsecrets = 3;
    ok(canopy_grant_answer(&in, refuse, NULL, &out) == 0
       && strcmp(out.error, "a_three") == 0, "none of them");

    in.secrets = NULL;
    in.nsecrets = 0;
    ok(canopy_grant_answer(&in, refuse, NULL, &out) == 0
       && strcmp(out.error, "a_three") == 0, "no secrets");
}


static void
clocks(void)
{
    int                    bad;
    size_t                 i, k;
    canopy_grant_input_t   in;
    canopy_grant_answer_t  out;

    static const int64_t  times[] = {
        INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX
    };

    static const char *const  bodies[] = {
        "{\"access_token\":\"e30.eyJleHAiOjF9.c2ln\",\"expires_in\":1}",
        E("{\"code\":429,\"rate_limit_refresh\":1e300}"),
        E("{\"code\":429,\"rate_limit_refresh\":-1e300}"),
        E("{\"code\":429,\"rate_limit_refresh\":9223372036854775.807}"),
        E("{\"code\":429,\"rate_limit_refresh\":-9223372036854775.807}"),
        E("{\"code\":429,\"rate_limit_refresh\":1}"),
        E("{\"code\":429}"),
    };

    bad = 0;

    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        for (k = 0; k < sizeof(bodies) / sizeof(bodies[0]); k++) {
            in = input(k ? 400 : 200, bodies[k]);
            in.now = times[i];
            in.retry_after = guarded("86400");

            bad += canopy_grant_answer(&in, pool, NULL, &out) != 0;
            bad += out.refresh != 0 && out.refresh <= in.now;
            bad += k && in.now < INT64_MAX - DAY && out.refresh == 0;
            bad += k == 0 && (in.now < SECOND) != (out.result == OK);
        }
    }

    ok(bad == 0, "times at the ends of int64_t");
}


/* the n-th allocation fails, for every n there is */
static void
no_memory(void)
{
    int                    rc, bad, told;
    size_t                 i, n;
    canopy_grant_input_t   in;
    canopy_grant_answer_t  out;

    in = input(200, A(""));
    ok(canopy_grant_answer(&in, refuse, NULL, &out) == -1 && live == 0,
       "no memory for the token");

    for (i = 0; i < 2; i++) {
        in = i ? input(400, E("\"{\\\"code\\\":429,\\\"a\\\":[1]}\""))
               : input(200, A(",\"expires_in\":60,\"a\":[\"b\"]"));
        bad = told = 0;

        for (n = 1; n < 1000; n++) {
            left = n;
            rc = canopy_grant_answer(&in, pool, NULL, &out);

            if (left) {
                left = 0;
                break;
            }

            /* jansson takes some failures for faults of the JSON text */
            bad += live != 0 || (rc != -1 && rc != 0)
                   || (rc == 0 && out.result == OK);
            told += rc == -1;
        }

        ok(n > 10 && n < 1000 && rc == 0 && bad == 0 && told > 5,
           "each of %zu allocations may fail, %d times it is told", n - 1,
           told);
    }
}


static canopy_grant_input_t
input(unsigned status, const char *body)
{
    canopy_grant_input_t  in;

    static canopy_slice_t  secret = canopy_slice(SECRET);

    memset(&in, 0, sizeof(in));

    in.status = status;
    in.body = guarded(body);
    in.secrets = &secret;
    in.nsecrets = 1;
    in.now = T;

    return in;
}


static canopy_slice_t
guarded(const char *text)
{
    canopy_slice_t  slice;

    slice.len = strlen(text);
    slice.data = tap_guard(text, slice.len);

    return slice;
}


static int
is(canopy_slice_t slice, const char *text)
{
    return slice.len == strlen(text)
           && memcmp(slice.data ? slice.data : (const uint8_t *) "", text,
                     slice.len) == 0;
}


/* never freed, ends at a guard page */
static void *
pool(void *data, size_t size)
{
    static const uint8_t  nothing[2 * CANOPY_GRANT_TOKEN_MAX];

    (void) data;

    return size <= sizeof(nothing) ? tap_guard(nothing, size) : NULL;
}


static void *
refuse(void *data, size_t size)
{
    (void) data;
    (void) size;
    return NULL;
}


static void *
count_malloc(size_t size)
{
    void  *p;

    if (left && --left == 0) {
        return NULL;
    }

    p = malloc(size);
    live += (p != NULL);

    return p;
}


static void
count_free(void *p)
{
    live -= (p != NULL);
    free(p);
}
