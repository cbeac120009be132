#include <string.h>

#include <openssl/crypto.h>

#include "canopy_json_plain.h"
#include "canopy_media.h"
#include "canopy_problem_plain.h"
#include "canopy_redact.h"
#include "canopy_text.h"


#define LOC  16                 /* items of a loc at most */


/* JSON texts as they stand in the body, strings with their quotes */
typedef struct {
    size_t          nloc;
    canopy_slice_t  loc[LOC];
    canopy_slice_t  msg;
    canopy_slice_t  type;
} entry_t;


static int answer(const canopy_problem_t *in, canopy_alloc_pt alloc,
    void *data, canopy_text_t *t, canopy_slice_t *type);
static const uint8_t *entry(const uint8_t *p, const uint8_t *last, entry_t *e);
static const uint8_t *location(const uint8_t *p, const uint8_t *last,
    entry_t *e);
static const uint8_t *text(const uint8_t *p, const uint8_t *last,
    canopy_slice_t *value);
static void answer_entry(canopy_text_t *t, const entry_t *e);
static int is(canopy_slice_t string, const char *what);


int
canopy_problem_plain(const canopy_problem_t *in, canopy_alloc_pt alloc,
    void *data, canopy_slice_t *out, canopy_slice_t *type)
{
    int            rc;
    canopy_text_t  t;

    if (in->too_large || in->cut || in->encoded || in->body.len == 0
        || !canopy_media_is_json(in->content_type))
    {
        return CANOPY_PROBLEM_DECLINED;
    }

    t.buf = NULL;
    t.len = 0;

    rc = answer(in, alloc, data, &t, type);

    if (rc == 0) {
        out->data = t.buf;
        out->len = t.len;

        /* nothing is escaped: a secret in a text is one in the bytes */

        if (canopy_redact_found(in->secrets, in->nsecrets, *out)) {
            rc = CANOPY_PROBLEM_DECLINED;
        }
    }

    if (rc == 0) {
        type->data = memcpy(t.buf + t.size, type->data, type->len);

    } else if (t.buf) {
        OPENSSL_cleanse(t.buf, t.len);
    }

    return rc;
}


/*
 * Into memory of the body's size, as each byte of the answer stands in the
 * body, too; there is room for a copy of the first type behind it.
 */
static int
answer(const canopy_problem_t *in, canopy_alloc_pt alloc, void *data,
    canopy_text_t *t, canopy_slice_t *type)
{
    size_t          n;
    entry_t         e;
    canopy_slice_t  name;
    const uint8_t  *p, *last;

    last = in->body.data + in->body.len;

    p = canopy_json_plain_token(in->body.data, last, '{');
    p = canopy_json_plain_name(p, last, &name);

    if (p == NULL || !is(name, "\"detail\"")) {
        return CANOPY_PROBLEM_DECLINED;
    }

    p = canopy_json_plain_token(p, last, '[');
    n = 0;

    do {
        if (n == CANOPY_PROBLEM_ENTRIES) {
            p = canopy_json_plain_value(p, last);
            continue;
        }

        p = entry(p, last, &e);
        if (p == NULL) {
            return CANOPY_PROBLEM_DECLINED;
        }

        if (n++ == 0) {
            type->data = e.type.data + 1;
            type->len = e.type.len - 2;

            t->size = in->body.len;
            t->buf = alloc(data, t->size + type->len);

            if (t->buf == NULL) {
                return -1;
            }

            canopy_text(t, "{\"detail\":[");

        } else {
            canopy_text(t, ",");
        }

        answer_entry(t, &e);

    } while (canopy_json_plain_more(&p, last, ']'));

    p = canopy_json_plain_token(p, last, '}');

    if (p == NULL || canopy_json_plain_next(p, last)) {
        return CANOPY_PROBLEM_DECLINED;
    }

    canopy_text(t, "]}");

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


static void
answer_entry(canopy_text_t *t, const entry_t *e)
{
    size_t  i;

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
}


static int
is(canopy_slice_t string, const char *what)
{
    return string.len == strlen(what)
           && memcmp(string.data, what, string.len) == 0;
}
