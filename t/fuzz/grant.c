/*
 * Whatever a token endpoint answers has one meaning: the same twice, nothing
 * that its status or this file's own reading of the body contradicts, no
 * secret in what is logged.  And a request's body is what jansson reads out of
 * it.
 *
 * Input: 4 bytes that choose the status and more, then the body.  The body is
 * also taken for the values of a request, and for a time.
 */

#include <jansson.h>

#include "canopy_date.h"
#include "canopy_grant.h"
#include "canopy_redact.h"
#include "fuzz.h"


#define HEAD   4
#define START  INT64_C(1764000000000)

#define SECRET  "s3cr3t"

#define FLAGS                                                                 \
    (JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL|JSON_DECODE_INT_AS_REAL)


static void check_answer(const canopy_grant_input_t *in);
static void check_token(const canopy_grant_input_t *in,
    const canopy_grant_answer_t *out, json_t *root);
static void check_life(const canopy_grant_input_t *in,
    const canopy_grant_answer_t *out, json_t *root);
static void check_refusal(const canopy_grant_input_t *in,
    const canopy_grant_answer_t *out, json_t *root);
static void check_error(const canopy_grant_answer_t *out, json_t *root);
static void check_request(canopy_slice_t body, unsigned cut);
static void check_value(json_t *root, const char *name, canopy_slice_t value);
static void check_date(canopy_slice_t text);
static unsigned says_429(json_t *description);
static void *get(void *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    canopy_grant_input_t  in;

    static const unsigned  statuses[] = {
        200, 400, 401, 403, 429, 500, 503, 408, 302, 201, 404, 0
    };

    static const int64_t  times[] = {
        START, START, START, 0, -1, INT64_MAX, INT64_MIN, INT64_MAX - 86400000
    };

    static const canopy_slice_t  retries[] = {
        canopy_slice(""), canopy_slice("30"), canopy_slice("86400"),
        canopy_slice("99999999999999999999"), canopy_slice("-1"),
        canopy_slice("Tue, 25 Nov 2025 12:00:00 GMT")
    };

    static const canopy_slice_t  secret = canopy_slice(SECRET);

    if (size < HEAD) {
        return 0;
    }

    memset(&in, 0, sizeof(in));

    in.status = statuses[data[0] % 12];
    in.cut = data[1] == 1;
    in.too_large = data[1] == 2;
    in.now = times[data[2] % 8];
    in.retry_after = retries[data[3] % 6];
    in.secrets = &secret;
    in.nsecrets = 1;
    in.body = fuzz_copy(data + HEAD, size - HEAD);

    check_answer(&in);
    check_request(in.body, data[0]);
    check_date(in.body);

    fuzz_free(in.body);

    return 0;
}


static void
check_answer(const canopy_grant_input_t *in)
{
    void                   *token, *token2;
    json_t                 *root;
    canopy_grant_answer_t   out, again;

    token = token2 = NULL;

    check(canopy_grant_answer(in, get, &token, &out) == 0);
    check(canopy_grant_answer(in, get, &token2, &again) == 0);

    check(out.result == again.result && out.reason == again.reason
          && strcmp(out.error, again.error) == 0
          && fuzz_same(out.token, again.token)
          && out.lifetime == again.lifetime && out.assumed == again.assumed
          && out.refresh == again.refresh);

    root = NULL;

    if (!in->cut && !in->too_large) {
        root = json_loadb((const char *) in->body.data, in->body.len,
                          FLAGS, NULL);
    }

    if (!json_is_object(root)) {
        json_decref(root);
        root = NULL;
    }

    check(out.reason != NULL && strlen(out.reason) < 64);

    if (out.result == CANOPY_GRANT_OK) {
        check(token != NULL && (const void *) out.token.data == token);
        check_token(in, &out, root);

    } else {
        check(token == NULL && out.token.len == 0 && out.lifetime == 0
              && out.assumed == 0);
        check_refusal(in, &out, root);
        check_error(&out, root);
    }

    json_decref(root);
    free(token);
    free(token2);
}


static void
check_token(const canopy_grant_input_t *in, const canopy_grant_answer_t *out,
    json_t *root)
{
    size_t   i;
    json_t  *token;

    check(in->status == 200 && root != NULL);
    check(out->error[0] == '\0' && out->refresh == 0);

    token = json_object_get(root, "access_token");

    check(json_is_string(token));
    check(out->token.len == json_string_length(token));
    check(memcmp(out->token.data, json_string_value(token), out->token.len)
          == 0);
    check(out->token.len >= 1 && out->token.len <= CANOPY_GRANT_TOKEN_MAX);

    for (i = 0; i < out->token.len; i++) {
        check(out->token.data[i] >= '!' && out->token.data[i] <= '~');
    }

    check_life(in, out, root);
}


static void
check_life(const canopy_grant_input_t *in, const canopy_grant_answer_t *out,
    json_t *root)
{
    double   seconds;
    json_t  *expires_in;

    check(out->lifetime > 0);
    check(out->lifetime <= (int64_t) CANOPY_GRANT_LIFE_MAX * 1000);
    check(!out->assumed || out->lifetime == CANOPY_GRANT_LIFE * 1000);

    expires_in = json_object_get(root, "expires_in");

    if (json_is_number(expires_in)) {
        seconds = json_number_value(expires_in);

        check(!out->assumed);
        check(seconds >= 1 && (double) out->lifetime <= seconds * 1000);

        /* no JWT: all of it */
        if (memchr(out->token.data, '.', out->token.len) == NULL) {
            check(out->lifetime == (seconds >= CANOPY_GRANT_LIFE_MAX
                                    ? (int64_t) CANOPY_GRANT_LIFE_MAX * 1000
                                    : (int64_t) seconds * 1000));
        }

    } else if (expires_in == NULL
               && memchr(out->token.data, '.', out->token.len) == NULL)
    {
        check(out->assumed);
    }

    (void) in;
}


static void
check_refusal(const canopy_grant_input_t *in, const canopy_grant_answer_t *out,
    json_t *root)
{
    unsigned  status, limit;

    status = in->status;
    limit = says_429(json_object_get(root, "error_description"));

    switch (out->result) {

    case CANOPY_GRANT_REFUSED:
        check(status >= 400 && status <= 499 && status != 408 && status != 429);
        check(!limit && out->refresh == 0);
        break;

    case CANOPY_GRANT_LIMITED:
        check(status == 429 || (status >= 400 && status <= 499 && limit));
        break;

    case CANOPY_GRANT_UNAVAILABLE:
        check(status == 408 || status >= 500);
        break;

    default:
        check(out->result == CANOPY_GRANT_MALFORMED);
        check(status < 400 && out->refresh == 0);
    }

    check(out->refresh == 0 || out->refresh > in->now);
}


static void
check_error(const canopy_grant_answer_t *out, json_t *root)
{
    size_t           len;
    const char      *value;
    canopy_slice_t   text;

    static const canopy_slice_t  secret = canopy_slice(SECRET);

    len = strlen(out->error);

    if (len == 0) {
        return;
    }

    text.data = (const uint8_t *) out->error;
    text.len = len;

    check(len <= CANOPY_GRANT_ERROR_MAX);
    check(!canopy_redact_found(&secret, 1, text));
    check(strspn(out->error, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                 "abcdefghijklmnopqrstuvwxyz0123456789_.-") == len);

    value = json_string_value(json_object_get(root, "error"));
    check(value != NULL && strcmp(value, out->error) == 0);
}


/* three values are cut out of the body */
static void
check_request(canopy_slice_t body, unsigned cut)
{
    size_t          i, n;
    json_t         *root;
    uint8_t        *buf;
    canopy_slice_t  value[3];

    n = body.len / (2 + cut % 3);

    value[0] = fuzz_copy(body.data, n);
    value[1] = fuzz_copy(body.data + n, body.len - n);
    value[2] = fuzz_copy(body.data, body.len);

    n = canopy_grant_request_size(value[0], value[1], value[2]);
    buf = malloc(n);
    check(buf != NULL);
    check(canopy_grant_request(buf, value[0], value[1], value[2]) == n);

    root = json_loadb((const char *) buf, n,
                      JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL, NULL);

    check((root != NULL) == (canopy_redact_is_utf8(value[0])
                             && canopy_redact_is_utf8(value[1])
                             && canopy_redact_is_utf8(value[2])));

    if (root) {
        check(json_object_size(root) == 4);
        check_value(root, "client_id", value[0]);
        check_value(root, "client_secret", value[1]);
        check_value(root, "audience", value[2]);
        check(strcmp(json_string_value(json_object_get(root, "grant_type")),
                     "client_credentials") == 0);
    }

    json_decref(root);
    free(buf);

    for (i = 0; i < 3; i++) {
        fuzz_free(value[i]);
    }
}


static void
check_value(json_t *root, const char *name, canopy_slice_t value)
{
    json_t  *string;

    string = json_object_get(root, name);

    check(json_string_length(string) == value.len);
    check(memcmp(json_string_value(string), value.data, value.len) == 0);
}


static void
check_date(canopy_slice_t text)
{
    int64_t  ms;

    if (canopy_date(text, &ms) != 0) {
        return;
    }

    check(text.len >= sizeof("2025-11-25T12:00:00") - 1);
    check(ms >= INT64_C(-62135596800000) - 86400000);
    check(ms <= INT64_C(253402300800000) + 86400000);
}


static unsigned
says_429(json_t *description)
{
    json_t          *tree, *code, *number;
    unsigned         limit;
    canopy_slice_t   text;

    tree = NULL;
    number = NULL;

    if (json_is_string(description)) {
        tree = json_loadb(json_string_value(description),
                          json_string_length(description), FLAGS, NULL);
        description = json_is_object(tree) ? tree : NULL;
    }

    code = json_object_get(description, "code");

    if (json_is_string(code)) {
        text.data = (const uint8_t *) json_string_value(code);
        text.len = json_string_length(code);
        text = canopy_slice_trim(text);

        number = json_loadb((const char *) text.data, text.len,
                            JSON_DECODE_ANY|JSON_DECODE_INT_AS_REAL, NULL);
        code = number;
    }

    limit = json_is_number(code) && json_number_value(code) == 429;

    json_decref(number);
    json_decref(tree);

    return limit;
}


static void *
get(void *data, size_t size)
{
    void  **block = data;

    check(*block == NULL);
    *block = malloc(size);
    check(*block != NULL);

    return *block;
}
