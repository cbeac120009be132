/*
 * The truth table: what is known of the copies of a request -> one word; what
 * the upstream answered -> what the client gets.
 */

#include <jansson.h>

#include "tap.h"
#include "canopy_outcome.h"


typedef struct {
    const char        *events;  /* s: a copy sent, a: accepted, r: refused,
                                   u: no usable answer */
    unsigned           status;
    const char        *word;
} copies_case_t;


static const copies_case_t  copies_cases[] = {
    { "", 0, "not-sent" },
    { "", 401, "denied" },
    { "", 404, "denied" },
    { "", 413, "denied" },
    { "", 301, "denied" },
    { "", 200, "denied" },
    { "", 429, "not-sent" },
    { "", 499, "not-sent" },
    { "", 500, "not-sent" },
    { "", 502, "not-sent" },
    { "", 503, "not-sent" },
    { "", 504, "not-sent" },

    { "s", 0, "unknown" },
    { "s", 502, "unknown" },
    { "s", 504, "unknown" },
    { "s", 413, "unknown" },
    { "su", 503, "unknown" },
    { "sa", 204, "accepted" },
    { "sr", 422, "rejected" },
    { "sr", 502, "rejected" },
    { "sr", 429, "rejected" },

    /* the first copy got no answer: only the second one's 204 mends that */

    { "ss", 502, "unknown" },
    { "ssa", 204, "accepted" },
    { "ssr", 422, "unknown" },
    { "ssu", 500, "unknown" },

    /* the first copy was refused (401) */

    { "srs", 504, "unknown" },
    { "srsa", 204, "accepted" },
    { "srsr", 422, "rejected" },
    { "srsu", 503, "unknown" },
};


typedef struct {
    unsigned           status;
    canopy_body_e      body;
    unsigned           client;
    const char        *type;        /* "": normalized */
    canopy_outcome_e   effect;
    unsigned           retry_after;
} meaning_case_t;


#define NONE   CANOPY_BODY_NONE
#define JSON   CANOPY_BODY_JSON
#define OTHER  CANOPY_BODY_OTHER

#define ACC  CANOPY_ACCEPTED
#define REJ  CANOPY_REJECTED
#define UNK  CANOPY_UNKNOWN


static const meaning_case_t  meaning_cases[] = {
    { 204, NONE, 204, "", ACC, 0 },
    { 204, OTHER, 204, "", ACC, 0 },
    { 200, NONE, 204, "", ACC, 0 },
    { 200, JSON, 204, "", ACC, 0 },
    { 202, NONE, 204, "", ACC, 0 },
    { 202, JSON, 204, "", ACC, 0 },
    { 200, OTHER, 502, "http_protocol_error", UNK, 0 },
    { 202, OTHER, 502, "http_protocol_error", UNK, 0 },
    { 201, NONE, 502, "http_protocol_error", UNK, 0 },
    { 203, JSON, 502, "http_protocol_error", UNK, 0 },
    { 205, NONE, 502, "http_protocol_error", UNK, 0 },
    { 206, JSON, 502, "http_protocol_error", UNK, 0 },
    { 299, NONE, 502, "http_protocol_error", UNK, 0 },
    { 300, NONE, 502, "http_protocol_error", UNK, 0 },
    { 301, OTHER, 502, "http_protocol_error", UNK, 0 },
    { 304, NONE, 502, "http_protocol_error", UNK, 0 },
    { 307, NONE, 502, "http_protocol_error", UNK, 0 },
    { 399, NONE, 502, "http_protocol_error", UNK, 0 },
    { 101, NONE, 502, "http_protocol_error", UNK, 0 },
    { 100, NONE, 502, "http_protocol_error", UNK, 0 },
    { 0, NONE, 502, "http_protocol_error", UNK, 0 },
    { 600, NONE, 502, "http_protocol_error", UNK, 0 },
    { 999, JSON, 502, "http_protocol_error", UNK, 0 },
    { 422, JSON, 422, "", REJ, 0 },
    { 422, NONE, 422, "", REJ, 0 },
    { 404, JSON, 404, "", REJ, 0 },
    { 409, OTHER, 409, "", REJ, 0 },
    { 410, JSON, 410, "", REJ, 0 },
    { 403, JSON, 403, "", REJ, 0 },
    { 429, JSON, 429, "", REJ, 1 },
    { 401, JSON, 502, "credential_rejected", REJ, 0 },
    { 408, JSON, 504, "http_response_timeout", UNK, 0 },
    { 400, JSON, 502, "http_protocol_error", REJ, 0 },
    { 402, JSON, 502, "http_protocol_error", REJ, 0 },
    { 405, JSON, 502, "http_protocol_error", REJ, 0 },
    { 413, JSON, 502, "http_protocol_error", REJ, 0 },
    { 421, JSON, 502, "http_protocol_error", REJ, 0 },
    { 423, JSON, 502, "http_protocol_error", REJ, 0 },
    { 451, JSON, 502, "http_protocol_error", REJ, 0 },
    { 499, NONE, 502, "http_protocol_error", REJ, 0 },
    { 500, JSON, 500, "", UNK, 1 },
    { 502, OTHER, 502, "", UNK, 1 },
    { 503, NONE, 503, "", UNK, 1 },
    { 504, JSON, 504, "", UNK, 1 },
    { 501, JSON, 502, "", UNK, 0 },
    { 505, JSON, 502, "", UNK, 0 },
    { 520, OTHER, 502, "", UNK, 0 },
    { 599, NONE, 502, "", UNK, 0 },
};


static void
check_copies(const copies_case_t *c)
{
    const char       *e;
    canopy_slice_t    word;
    canopy_copies_t   copies;

    memset(&copies, 0, sizeof(copies));

    for (e = c->events; *e; e++) {
        switch (*e) {
        case 's': canopy_copies_sent(&copies); break;
        case 'a': canopy_copies_answered(&copies, ACC); break;
        case 'r': canopy_copies_answered(&copies, REJ); break;
        default:  canopy_copies_answered(&copies, UNK); break;
        }
    }

    word = canopy_outcome_word(canopy_outcome(&copies, c->status));

    ok(word.len == strlen(c->word) && memcmp(word.data, c->word, word.len) == 0,
       "copies \"%s\", status %u: %s", c->events, c->status, c->word);
}


static void
check_meaning(const meaning_case_t *c)
{
    int                      same;
    canopy_slice_t           type;
    canopy_answer_meaning_t  m;

    m = canopy_answer_meaning(c->status, c->body);

    if (m.error == CANOPY_OK) {
        same = (c->type[0] == '\0');

    } else {
        type = canopy_error(m.error)->type;
        same = (type.len == strlen(c->type)
                && memcmp(type.data, c->type, type.len) == 0);
    }

    ok(same && m.status == c->client && m.effect == c->effect
       && m.retry_after == c->retry_after
       && m.authenticated == (c->client == 204
                              || (c->client == c->status
                                  && strchr("\x04\x09\x0a\x16",
                                            (int) c->status - 400) != NULL
                                  && c->status < 423)),
       "upstream %u, body %d: %u %s", c->status, c->body, c->client, c->type);
}


/* all words are fit for JSON as they stand */

static void
check_error(canopy_error_e e, canopy_slice_t hint)
{
    char                  *text;
    json_t                *root, *entry;
    size_t                 size;
    uint8_t               *buf;
    const canopy_error_t  *error;

    error = canopy_error(e);

    size = canopy_error_size(error, error->msg, hint);
    text = malloc(size);
    buf = tap_guard(text, size);
    free(text);

    ok(canopy_error_body(buf, error, error->msg, hint) == size,
       "error %d: the size asked for", e);

    root = json_loadb((char *) buf, size, JSON_REJECT_DUPLICATES, NULL);
    entry = json_array_get(json_object_get(root, "detail"), 0);

    ok(json_object_size(root) == 1 && json_object_size(entry) == 3
       && json_is_array(json_object_get(entry, "loc"))
       && json_array_size(json_object_get(entry, "loc")) > 0
       && json_string_length(json_object_get(entry, "msg"))
          == error->msg.len + hint.len
       && json_string_length(json_object_get(entry, "type"))
          == error->type.len,
       "error %d: %.*s", e, (int) error->type.len, error->type.data);

    json_decref(root);
}


int
main(void)
{
    size_t  i;

    for (i = 0; i < sizeof(copies_cases) / sizeof(copies_cases[0]); i++) {
        check_copies(&copies_cases[i]);
    }

    for (i = 0; i < sizeof(meaning_cases) / sizeof(meaning_cases[0]); i++) {
        check_meaning(&meaning_cases[i]);
    }

    for (i = CANOPY_NOT_FOUND; i < CANOPY_ERRORS; i++) {
        check_error(i, canopy_outcome_hint(CANOPY_NOT_SENT));
        check_error(i, canopy_outcome_hint(CANOPY_UNKNOWN));
    }

    ok(canopy_outcome_hint(CANOPY_UNKNOWN).len > 0
       && canopy_outcome_hint(CANOPY_REJECTED).len == 0,
       "only an unknown outcome needs a hint");

    return tap_done();
}
