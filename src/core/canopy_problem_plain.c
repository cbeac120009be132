#include <string.h>

#include <openssl/crypto.h>

#include "canopy_json_plain.h"
#include "canopy_media.h"
#include "canopy_problem_entry.h"
#include "canopy_problem_plain.h"
#include "canopy_redact.h"
#include "canopy_text.h"


#define LOC       16            /* items of a loc at most */

/* what the answer has that a body with a mere text does not */
#define SENTENCE  (sizeof("[{\"loc\":[\"path\",\"id\"],\"msg\":,"             \
                          "\"type\":\"upstream_error\"}]") - 1)


/* JSON texts as they stand in the body, strings with their quotes */
typedef struct {
    size_t          nloc;
    canopy_slice_t  loc[LOC];
    canopy_slice_t  msg;
    canopy_slice_t  type;
} entry_t;


typedef struct {
    const canopy_problem_t  *in;
    canopy_alloc_pt          alloc;
    void                    *data;
    canopy_text_t            text;      /* no buffer before its first entry, */
    canopy_slice_t           type;      /* whose type this is */
} answer_t;


static int answer(answer_t *a);
static int sentence(answer_t *a, const uint8_t **p, const uint8_t *last);
static int list(answer_t *a, const uint8_t **p, const uint8_t *last);
static int add(answer_t *a, const entry_t *e);

static const uint8_t *entry(const uint8_t *p, const uint8_t *last, entry_t *e);
static const uint8_t *location(const uint8_t *p, const uint8_t *last,
    entry_t *e);
static const uint8_t *text(const uint8_t *p, const uint8_t *last,
    canopy_slice_t *value);
static int is(canopy_slice_t string, const char *what);


int
canopy_problem_plain(const canopy_problem_t *in, canopy_alloc_pt alloc,
    void *data, canopy_slice_t *out, canopy_slice_t *type)
{
    int       rc;
    answer_t  a;

    if (in->too_large || in->cut || in->encoded || in->body.len == 0
        || !canopy_media_is_json(in->content_type))
    {
        return CANOPY_PROBLEM_DECLINED;
    }

    a.in = in;
    a.alloc = alloc;
    a.data = data;
    a.text.buf = NULL;
    a.text.len = 0;

    rc = answer(&a);

    if (rc == 0) {
        out->data = a.text.buf;
        out->len = a.text.len;

        /* nothing is escaped: a secret in a text is one in the bytes */

        if (canopy_redact_found(in->secrets, in->nsecrets, *out)) {
            rc = CANOPY_PROBLEM_DECLINED;
        }
    }

    if (rc == 0) {
        type->data = memcpy(a.text.buf + a.text.size, a.type.data, a.type.len);
        type->len = a.type.len;

    } else if (a.text.buf) {
        OPENSSL_cleanse(a.text.buf, a.text.len);
    }

    return rc;
}


static int
answer(answer_t *a)
{
    int              rc;
    canopy_slice_t   name;
    const uint8_t   *p, *last;

    last = a->in->body.data + a->in->body.len;

    p = canopy_json_plain_token(a->in->body.data, last, '{');
    p = canopy_json_plain_name(p, last, &name);

    if (p == NULL || !is(name, "\"detail\"")) {
        return CANOPY_PROBLEM_DECLINED;
    }

    p = canopy_json_plain_next(p, last);
    if (p == NULL) {
        return CANOPY_PROBLEM_DECLINED;
    }

    rc = (*p == '"') ? sentence(a, &p, last) : list(a, &p, last);
    if (rc != 0) {
        return rc;
    }

    p = canopy_json_plain_token(p, last, '}');

    if (p == NULL || canopy_json_plain_next(p, last)) {
        return CANOPY_PROBLEM_DECLINED;
    }

    canopy_text(&a->text, "]}");

    return 0;
}


static int
sentence(answer_t *a, const uint8_t **p, const uint8_t *last)
{
    entry_t  e;

    static const canopy_slice_t  upstream = canopy_slice("\"upstream\"");
    static const canopy_slice_t  path = canopy_slice("\"path\"");
    static const canopy_slice_t  id = canopy_slice("\"id\"");

    static const canopy_slice_t  value_error = canopy_slice("\"value_error\"");
    static const canopy_slice_t  upstream_error =
        canopy_slice("\"upstream_error\"");

    *p = text(*p, last, &e.msg);
    if (*p == NULL) {
        return CANOPY_PROBLEM_DECLINED;
    }

    if (canopy_problem_about_task(a->in)) {
        e.loc[0] = path;
        e.loc[1] = id;
        e.nloc = 2;
        e.type = value_error;

    } else {
        e.loc[0] = upstream;
        e.nloc = 1;
        e.type = upstream_error;
    }

    return add(a, &e);
}


static int
list(answer_t *a, const uint8_t **p, const uint8_t *last)
{
    size_t   n;
    entry_t  e;

    *p = canopy_json_plain_token(*p, last, '[');
    n = 0;

    do {
        if (n == CANOPY_PROBLEM_ENTRIES) {
            *p = canopy_json_plain_value(*p, last);
            continue;
        }

        *p = entry(*p, last, &e);
        if (*p == NULL) {
            return CANOPY_PROBLEM_DECLINED;
        }

        if (add(a, &e) != 0) {
            return -1;
        }

        n++;

    } while (canopy_json_plain_more(p, last, ']'));

    return 0;
}


/*
 * Each byte of the answer stands in the body, too, or is a sentence's.  Behind
 * them is room for a copy of the first type.
 */
static int
add(answer_t *a, const entry_t *e)
{
    size_t          i;
    canopy_text_t  *t;

    t = &a->text;

    if (t->buf == NULL) {
        a->type.data = e->type.data + 1;
        a->type.len = e->type.len - 2;

        t->size = a->in->body.len + SENTENCE;

        t->buf = a->alloc(a->data, t->size + a->type.len);
        if (t->buf == NULL) {
            return -1;
        }

        canopy_text(t, "{\"detail\":[");

    } else {
        canopy_text(t, ",");
    }

    canopy_text(t, "{\"loc\":[");

    for (i = 0; i < e->nloc; i++) {
        if (i) {
            canopy_text(t, ",");
        }

        canopy_text_slice(t, e->loc[i]);
    }

    canopy_text(t, "],\"msg\":");
    canopy_text_slice(t, e->msg);
    canopy_text(t, ",\"type\":");
    canopy_text_slice(t, e->type);
    canopy_text(t, "}");

    return 0;
}


/* this and the next two return as canopy_json_plain.h has it */
static const uint8_t *
entry(const uint8_t *p, const uint8_t *last, entry_t *e)
{
    canopy_slice_t  name;

    e->nloc = 0;
    e->msg.len = 0;
    e->type.len = 0;

    p = canopy_json_plain_token(p, last, '{');

    do {
        p = canopy_json_plain_name(p, last, &name);
        if (p == NULL) {
            return NULL;
        }

        /* of two with one name the last one counts, as with jansson */

        if (is(name, "\"loc\"")) {
            p = location(p, last, e);

        } else if (is(name, "\"msg\"")) {
            p = text(p, last, &e->msg);

        } else if (is(name, "\"type\"")) {
            p = text(p, last, &e->type);

        } else {
            p = canopy_json_plain_value(p, last);
        }

    } while (canopy_json_plain_more(&p, last, '}'));

    return (e->nloc && e->msg.len && e->type.len) ? p : NULL;
}


static const uint8_t *
location(const uint8_t *p, const uint8_t *last, entry_t *e)
{
    canopy_slice_t  *item;

    e->nloc = 0;

    p = canopy_json_plain_token(p, last, '[');

    do {
        p = canopy_json_plain_next(p, last);

        if (p == NULL || e->nloc == LOC) {
            return NULL;
        }

        item = &e->loc[e->nloc++];

        p = (*p == '"') ? text(p, last, item)
                        : canopy_json_plain_integer(p, last, item);

    } while (canopy_json_plain_more(&p, last, ']'));

    return p;
}


/* a string that is not to be cut */
static const uint8_t *
text(const uint8_t *p, const uint8_t *last, canopy_slice_t *value)
{
    p = canopy_json_plain_string(p, last, value);

    return (p != NULL && value->len - 2 <= CANOPY_PROBLEM_TEXT) ? p : NULL;
}


static int
is(canopy_slice_t string, const char *what)
{
    return string.len == strlen(what)
           && memcmp(string.data, what, string.len) == 0;
}
