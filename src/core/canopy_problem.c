/*
 * Bytes -> jansson's tree -> a list of entries -> bytes.  Every text of the
 * upstream's goes through safe_text(), the only place that redacts and cuts.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* memmem(), which POSIX has since 2024 only */
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/crypto.h>

#include "canopy_problem.h"


#define REDACTED      "[redacted]"
#define REDACTED_LEN  (sizeof(REDACTED) - 1)

/*
 * 15 digits give 0.1 back as 0.1; jansson's own 17 make 0.10000000000000001
 * of it.
 */
#define DUMP_TEXT     (JSON_COMPACT|JSON_ENCODE_ANY|JSON_REAL_PRECISION(15))


/* what becomes of a byte of a text when secrets are replaced */
typedef enum {
    MARK_KEEP = 0,
    MARK_REPLACE,               /* by REDACTED */
    MARK_DROP
} mark_e;


static canopy_slice_t media_type(canopy_slice_t value);
static int is_token(canopy_slice_t text);
static int same(const uint8_t *data, size_t len, const char *lower);
static canopy_slice_t trim(canopy_slice_t text);

static json_t *entries(const canopy_problem_t *in);
static const char *unreadable(const canopy_problem_t *in);
static json_t *from_text(const canopy_problem_t *in);
static json_t *from_json(const canopy_problem_t *in);
static json_t *from_tree(const canopy_problem_t *in, json_t *root);
static json_t *sentence(const canopy_problem_t *in, const char *text);
static json_t *list_of_one(json_t *loc, json_t *msg, json_t *type);
static int add(json_t *list, json_t *loc, json_t *msg, json_t *type);
static int add_element(const canopy_problem_t *in, json_t *list,
    json_t *element, int another);
static json_t *first_string(json_t *object, const char *const *names);
static int about_task(const canopy_problem_t *in);
static json_t *default_loc(const canopy_problem_t *in);
static json_t *default_type(const canopy_problem_t *in);

static json_t *location(const canopy_problem_t *in, json_t *value);
static json_t *loc_item(const canopy_problem_t *in, json_t *item);
static json_t *string(const canopy_problem_t *in, json_t *value);
static json_t *compact(const canopy_problem_t *in, json_t *value);
static json_t *safe_tree(const canopy_problem_t *in, json_t *value);
static json_t *safe_object(const canopy_problem_t *in, json_t *object);
static json_t *safe_text(const canopy_problem_t *in, canopy_slice_t text,
    size_t max);
static json_t *replaced(const canopy_problem_t *in, canopy_slice_t text,
    size_t max);
static int has_secret(const canopy_problem_t *in, canopy_slice_t text);
static size_t mark(const canopy_problem_t *in, canopy_slice_t text,
    uint8_t *marks);
static int is_utf8(canopy_slice_t text);
static size_t cut(canopy_slice_t text, size_t max);

static int answer(json_t *list, canopy_alloc_pt alloc, void *data,
    canopy_slice_t *out, canopy_slice_t *type);
static size_t estimate(json_t *list);


int
canopy_problem_is_json(canopy_slice_t content_type)
{
    canopy_slice_t  type;

    static const char    prefix[] = "application/";
    static const char    suffix[] = "+json";
    static const size_t  around = sizeof(prefix) - 1 + sizeof(suffix) - 1;

    type = media_type(content_type);

    if (same(type.data, type.len, "application/json")) {
        return 1;
    }

    if (type.len <= around
        || !same(type.data, sizeof(prefix) - 1, prefix)
        || !same(type.data + type.len - (sizeof(suffix) - 1),
                 sizeof(suffix) - 1, suffix))
    {
        return 0;
    }

    type.data += sizeof(prefix) - 1;
    type.len -= around;

    return is_token(type);
}


int
canopy_problem_normalize(const canopy_problem_t *in, canopy_alloc_pt alloc,
    void *data, canopy_slice_t *out, canopy_slice_t *type)
{
    int      rc;
    json_t  *list;

    list = entries(in);
    rc = answer(list, alloc, data, out, type);
    json_decref(list);

    if (rc != 0 || !has_secret(in, *out)) {
        return rc;
    }

    /*
     * No text has a secret in it, but the bytes may: one that looks like an
     * escape sequence, or like the end of one string and the start of another.
     */

    OPENSSL_cleanse((void *) out->data, out->len);

    list = sentence(in, "The upstream answered with a text that holds a "
                        "credential, which is not passed on");
    rc = answer(list, alloc, data, out, type);
    json_decref(list);

    return rc;
}


static canopy_slice_t
media_type(canopy_slice_t value)
{
    const uint8_t  *p;

    if (value.len) {
        p = memchr(value.data, ';', value.len);
        if (p) {
            value.len = p - value.data;
        }
    }

    return trim(value);
}


/* RFC 9110, section 5.6.2 */
static int
is_token(canopy_slice_t text)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f
            || strchr("\"(),/:;<=>?@[\\]{}", text.data[i]))
        {
            return 0;
        }
    }

    return text.len != 0;
}


static int
same(const uint8_t *data, size_t len, const char *lower)
{
    size_t   i;
    uint8_t  c;

    if (len != strlen(lower)) {
        return 0;
    }

    for (i = 0; i < len; i++) {
        c = data[i];

        if (c >= 'A' && c <= 'Z') {
            c |= 0x20;
        }

        if (c != (uint8_t) lower[i]) {
            return 0;
        }
    }

    return 1;
}


static canopy_slice_t
trim(canopy_slice_t text)
{
    static const char  space[] = { ' ', '\t', '\n', '\v', '\f', '\r' };

    while (text.len && memchr(space, text.data[0], sizeof(space))) {
        text.data++;
        text.len--;
    }

    while (text.len && memchr(space, text.data[text.len - 1], sizeof(space))) {
        text.len--;
    }

    return text;
}


/* like all below that give a tree: a new reference, NULL without memory */
static json_t *
entries(const canopy_problem_t *in)
{
    const char  *reason;

    reason = unreadable(in);
    if (reason) {
        return sentence(in, reason);
    }

    if (canopy_problem_is_json(in->content_type)) {
        return from_json(in);
    }

    return from_text(in);
}


static const char *
unreadable(const canopy_problem_t *in)
{
    canopy_slice_t  type;

    if (in->too_large) {
        return "The upstream answered with a body larger than the limit";
    }

    if (in->cut) {
        return "The upstream answered with a body that was cut off";
    }

    if (in->encoded) {
        return "The upstream answered with a compressed body";
    }

    if (in->body.len == 0) {
        return "The upstream answered with an empty body";
    }

    type = media_type(in->content_type);

    if (type.len == 0) {
        return "The upstream answered with a body that has no content type";
    }

    if (same(type.data, type.len, "text/html")
        || same(type.data, type.len, "application/xhtml+xml"))
    {
        return "The upstream answered with an HTML page";
    }

    if (same(type.data, type.len, "text/plain")
        || canopy_problem_is_json(type))
    {
        return NULL;
    }

    return "The upstream answered with a body whose content type is neither "
           "JSON nor plain text";
}


static json_t *
from_text(const canopy_problem_t *in)
{
    canopy_slice_t  text;

    if (!is_utf8(in->body)) {
        return sentence(in, "The upstream answered with text that is not "
                            "UTF-8");
    }

    text = trim(in->body);

    if (text.len == 0) {
        return sentence(in, "The upstream answered with an empty text");
    }

    return list_of_one(default_loc(in),
                       safe_text(in, text, CANOPY_PROBLEM_TEXT),
                       default_type(in));
}


static json_t *
from_json(const canopy_problem_t *in)
{
    json_t        *root, *list;
    json_error_t   error;

    root = json_loadb((const char *) in->body.data, in->body.len,
                      JSON_DECODE_ANY|JSON_ALLOW_NUL, &error);
    if (root) {
        list = from_tree(in, root);
        json_decref(root);
        return list;
    }

    if (error.text[0] == '\0') {
        /* jansson has no words for a lack of memory, nor a code */
        return NULL;
    }

    switch (json_error_code(&error)) {

    case json_error_invalid_utf8:
        return sentence(in, "The upstream answered with JSON that is not "
                            "UTF-8");

    case json_error_numeric_overflow:
        return sentence(in, "The upstream answered with JSON that has a "
                            "number out of range");

    default:
        return sentence(in, "The upstream answered with a body that is not "
                            "valid JSON");
    }
}


static json_t *
from_tree(const canopy_problem_t *in, json_t *root)
{
    int      rc;
    size_t   i, n;
    json_t  *detail, *array, *list;

    detail = json_object_get(root, "detail");

    if (detail == NULL || json_is_null(detail)) {
        detail = root;
    }

    array = json_is_array(detail) ? detail : json_object_get(detail, "errors");
    n = json_array_size(array);

    if (n == 0 && json_is_array(detail)) {
        return sentence(in, "The upstream named no reason");
    }

    list = json_array();

    if (n == 0) {
        rc = add_element(in, list, detail, detail == root);

    } else {
        rc = 0;

        for (i = 0; rc == 0 && i < n && i < CANOPY_PROBLEM_ENTRIES; i++) {
            rc = add_element(in, list, json_array_get(array, i), 0);
        }
    }

    if (rc != 0) {
        json_decref(list);
        return NULL;
    }

    return list;
}


static json_t *
sentence(const canopy_problem_t *in, const char *text)
{
    return list_of_one(default_loc(in), json_string_nocheck(text),
                       default_type(in));
}


static json_t *
list_of_one(json_t *loc, json_t *msg, json_t *type)
{
    json_t  *list;

    list = json_array();

    if (add(list, loc, msg, type) != 0) {
        json_decref(list);
        return NULL;
    }

    return list;
}


/* takes the references, NULL or not, on failure too, as jansson does */
static int
add(json_t *list, json_t *loc, json_t *msg, json_t *type)
{
    int      rc;
    json_t  *entry;

    entry = json_object();

    rc = json_object_set_new_nocheck(entry, "loc", loc);
    rc |= json_object_set_new_nocheck(entry, "msg", msg);
    rc |= json_object_set_new_nocheck(entry, "type", type);

    if (rc != 0) {
        json_decref(entry);
        return -1;
    }

    return json_array_append_new(list, entry);
}


static int
add_element(const canopy_problem_t *in, json_t *list, json_t *element,
    int another)
{
    json_t  *msg, *type;

    static const char *const  msgs[] = {
        "msg", "message", "Message", "error_description", "title", "error",
        NULL
    };

    static const char *const  types[] = { "type", NULL };
    static const char *const  its_types[] = { "type", "code", "error", NULL };

    msg = json_is_string(element) ? element : first_string(element, msgs);
    type = first_string(element, another ? its_types : types);

    return add(list, location(in, json_object_get(element, "loc")),
               msg ? string(in, msg) : compact(in, element),
               type ? string(in, type) : default_type(in));
}


static json_t *
first_string(json_t *object, const char *const *names)
{
    json_t  *value;

    for ( /* void */ ; *names; names++) {
        value = json_object_get(object, *names);

        if (json_is_string(value)) {
            return value;
        }
    }

    return NULL;
}


static int
about_task(const canopy_problem_t *in)
{
    return in->status == 404 || in->status == 409 || in->status == 410
           || in->status == 422;
}


static json_t *
default_loc(const canopy_problem_t *in)
{
    return about_task(in) ? json_pack("[ss]", "path", "id")
                          : json_pack("[s]", "upstream");
}


static json_t *
default_type(const canopy_problem_t *in)
{
    return json_string_nocheck(about_task(in) ? "value_error"
                                              : "upstream_error");
}


static json_t *
location(const canopy_problem_t *in, json_t *value)
{
    size_t   i, n;
    json_t  *list, *item;

    if (value == NULL || json_is_null(value)
        || (json_is_object(value) && json_object_size(value) == 0)
        || (json_is_array(value) && json_array_size(value) == 0))
    {
        return default_loc(in);
    }

    n = json_is_array(value) ? json_array_size(value) : 1;
    list = json_array();

    for (i = 0; i < n; i++) {
        item = json_is_array(value) ? json_array_get(value, i) : value;

        if (json_array_append_new(list, loc_item(in, item)) != 0) {
            json_decref(list);
            return NULL;
        }
    }

    return list;
}


static json_t *
loc_item(const canopy_problem_t *in, json_t *item)
{
    char            digits[24];
    canopy_slice_t  text;

    if (json_is_string(item)) {
        return string(in, item);
    }

    if (json_is_integer(item)) {
        text.data = (uint8_t *) digits;
        text.len = snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT,
                            json_integer_value(item));

        if (!has_secret(in, text)) {
            return json_incref(item);
        }
    }

    return compact(in, item);
}


static json_t *
string(const canopy_problem_t *in, json_t *value)
{
    canopy_slice_t  text;

    text.data = (const uint8_t *) json_string_value(value);
    text.len = json_string_length(value);

    if (text.len <= CANOPY_PROBLEM_TEXT && !has_secret(in, text)) {
        return json_incref(value);
    }

    return safe_text(in, text, CANOPY_PROBLEM_TEXT);
}


/* any value's JSON text, as a string */
static json_t *
compact(const canopy_problem_t *in, json_t *value)
{
    char            *buf;
    size_t           size, len;
    json_t          *tree, *result;
    canopy_slice_t   text;

    tree = safe_tree(in, value);
    if (tree == NULL) {
        return NULL;
    }

    result = NULL;
    len = CANOPY_PROBLEM_TEXT;

    do {
        size = len;

        buf = malloc(size);
        if (buf == NULL) {
            break;
        }

        len = json_dumpb(tree, buf, size, DUMP_TEXT);

        if (len && len <= size) {
            text.data = (uint8_t *) buf;
            text.len = len;
            result = safe_text(in, text, CANOPY_PROBLEM_TEXT);
        }

        OPENSSL_cleanse(buf, size);
        free(buf);

    } while (len > size);

    json_decref(tree);

    return result;
}


/*
 * A value without secrets in its strings and names, where the escapes of its
 * JSON text would hide them.
 */
static json_t *
safe_tree(const canopy_problem_t *in, json_t *value)
{
    size_t           i;
    json_t          *copy, *item;
    canopy_slice_t   text;

    if (json_is_string(value)) {
        text.data = (const uint8_t *) json_string_value(value);
        text.len = json_string_length(value);

        return safe_text(in, text, SIZE_MAX);
    }

    if (json_is_object(value)) {
        return safe_object(in, value);
    }

    if (!json_is_array(value)) {
        return json_incref(value);
    }

    copy = json_array();

    for (i = 0; i < json_array_size(value); i++) {
        item = safe_tree(in, json_array_get(value, i));

        if (json_array_append_new(copy, item) != 0) {
            json_decref(copy);
            return NULL;
        }
    }

    return copy;
}


static json_t *
safe_object(const canopy_problem_t *in, json_t *object)
{
    int              rc;
    void            *iter;
    json_t          *copy, *name;
    canopy_slice_t   text;

    copy = json_object();
    iter = json_object_iter(object);

    for (rc = copy ? 0 : -1;
         rc == 0 && iter;
         iter = json_object_iter_next(object, iter))
    {
        text.data = (const uint8_t *) json_object_iter_key(iter);
        text.len = strlen(json_object_iter_key(iter));

        name = safe_text(in, text, SIZE_MAX);
        rc = json_object_set_new_nocheck(copy, json_string_value(name),
                               safe_tree(in, json_object_iter_value(iter)));
        json_decref(name);
    }

    if (rc != 0) {
        json_decref(copy);
        return NULL;
    }

    return copy;
}


/* a text as a string: redacted, then cut at max bytes */
static json_t *
safe_text(const canopy_problem_t *in, canopy_slice_t text, size_t max)
{
    if (has_secret(in, text)) {
        return replaced(in, text, max);
    }

    return json_stringn_nocheck((const char *) text.data, cut(text, max));
}


static json_t *
replaced(const canopy_problem_t *in, canopy_slice_t text, size_t max)
{
    size_t           i, size;
    uint8_t         *marks, *buf, *p;
    json_t          *result;
    canopy_slice_t   copy;

    static const canopy_slice_t  redacted = canopy_slice(REDACTED);

    marks = calloc(text.len, 1);
    if (marks == NULL) {
        return NULL;
    }

    size = mark(in, text, marks);

    buf = malloc(size);
    if (buf == NULL) {
        free(marks);
        return NULL;
    }

    for (p = buf, i = 0; i < text.len; i++) {
        if (marks[i] == MARK_KEEP) {
            *p++ = text.data[i];

        } else if (marks[i] == MARK_REPLACE) {
            memcpy(p, REDACTED, REDACTED_LEN);
            p += REDACTED_LEN;
        }
    }

    copy.data = buf;
    copy.len = size;

    if (has_secret(in, copy) || !is_utf8(copy)) {
        /* what was left has closed up to one, or was half a character */
        copy = redacted;
    }

    result = json_stringn_nocheck((const char *) copy.data, cut(copy, max));

    OPENSSL_cleanse(buf, size);
    free(buf);
    free(marks);

    return result;
}


static int
has_secret(const canopy_problem_t *in, canopy_slice_t text)
{
    size_t                 i;
    const canopy_slice_t  *secret;

    for (i = 0; i < in->nsecrets; i++) {
        secret = &in->secrets[i];

        if (secret->len && secret->len <= text.len
            && memmem(text.data, text.len, secret->data, secret->len))
        {
            return 1;
        }
    }

    return 0;
}


/*
 * Marks every secret in a text.  Where secrets overlap, or one contains
 * another, all of it is replaced as one.
 *
 * Returns the length of the text once that is done.
 */
static size_t
mark(const canopy_problem_t *in, canopy_slice_t text, uint8_t *marks)
{
    size_t                 i, k, len;
    uint8_t               *m;
    const uint8_t         *p, *last;
    const canopy_slice_t  *secret;

    last = text.data + text.len;

    for (i = 0; i < in->nsecrets; i++) {
        secret = &in->secrets[i];

        if (secret->len == 0) {
            continue;
        }

        for (p = text.data;
             (p = memmem(p, last - p, secret->data, secret->len)) != NULL;
             p += secret->len)
        {
            m = marks + (p - text.data);

            if (m[0] == MARK_KEEP) {
                m[0] = MARK_REPLACE;
            }

            memset(m + 1, MARK_DROP, secret->len - 1);
        }
    }

    for (len = 0, k = 0; k < text.len; k++) {
        len += (marks[k] == MARK_KEEP) ? 1 : 0;
        len += (marks[k] == MARK_REPLACE) ? REDACTED_LEN : 0;
    }

    return len;
}


/* RFC 3629 */
static int
is_utf8(canopy_slice_t text)
{
    size_t          n;
    uint32_t        c, least;
    const uint8_t  *p, *last;

    p = text.data;
    last = p + text.len;

    while (p < last) {
        c = *p++;

        if (c < 0x80) {
            continue;
        }

        n = (c >= 0xf0) ? 3 : (c >= 0xe0) ? 2 : 1;
        least = (n == 3) ? 0x10000 : (n == 2) ? 0x800 : 0x80;

        if (c < 0xc0 || c > 0xf7 || (size_t) (last - p) < n) {
            return 0;
        }

        for (c &= 0x3f >> n; n; n--) {
            if ((*p & 0xc0) != 0x80) {
                return 0;
            }

            c = c << 6 | (*p++ & 0x3f);
        }

        if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
            return 0;
        }
    }

    return 1;
}


/* the length of what is left of a text in UTF-8 when it is cut at max bytes */
static size_t
cut(canopy_slice_t text, size_t max)
{
    if (text.len <= max) {
        return text.len;
    }

    while (max && (text.data[max] & 0xc0) == 0x80) {
        max--;
    }

    return max;
}


/* {"detail": list} in memory from alloc, and behind it the first type */
static int
answer(json_t *list, canopy_alloc_pt alloc, void *data, canopy_slice_t *out,
    canopy_slice_t *type)
{
    char    *p;
    size_t   size, len;
    json_t  *root, *first;

    root = json_object();

    if (json_object_set(root, "detail", list) != 0) {
        json_decref(root);
        return -1;
    }

    first = json_object_get(json_array_get(list, 0), "type");
    type->len = json_string_length(first);

    len = estimate(list);

    do {
        size = len;

        p = alloc(data, size + type->len);
        len = p ? json_dumpb(root, p, size, JSON_COMPACT) : 0;

    } while (len > size);

    if (len) {
        out->data = (uint8_t *) p;
        out->len = len;

        type->data = memcpy(p + size, json_string_value(first), type->len);
    }

    json_decref(root);

    return len ? 0 : -1;
}


/* what the JSON text of the answer needs if nothing has to be escaped */
static size_t
estimate(json_t *list)
{
    size_t   i, k, size;
    json_t  *entry, *loc, *item;

    size = sizeof("{\"detail\":[]}");

    for (i = 0; i < json_array_size(list); i++) {
        entry = json_array_get(list, i);
        loc = json_object_get(entry, "loc");

        size += sizeof("{\"loc\":[],\"msg\":\"\",\"type\":\"\"},")
                + json_string_length(json_object_get(entry, "msg"))
                + json_string_length(json_object_get(entry, "type"));

        for (k = 0; k < json_array_size(loc); k++) {
            item = json_array_get(loc, k);
            size += json_is_string(item) ? json_string_length(item) + 3 : 21;
        }
    }

    return size;
}
