/*
 * Bytes -> jansson's tree -> a list of entries -> bytes.
 */

#include <string.h>

#include <openssl/crypto.h>

#include "canopy_jansson.h"
#include "canopy_media.h"
#include "canopy_problem_entry.h"
#include "canopy_problem_tree.h"
#include "canopy_redact.h"


static int normalize(const canopy_problem_t *in, canopy_alloc_pt alloc,
    void *data, canopy_slice_t *out, canopy_slice_t *type);
static json_t *entries(const canopy_problem_t *in);
static const char *unreadable(const canopy_problem_t *in);
static json_t *from_text(const canopy_problem_t *in);
static json_t *from_json(const canopy_problem_t *in);
static json_t *from_tree(const canopy_problem_t *in, json_t *root);
static json_t *sentence(const canopy_problem_t *in, const char *text);
static json_t *list_of_one(json_t *entry);

static int answer(json_t *list, canopy_alloc_pt alloc, void *data,
    canopy_slice_t *out, canopy_slice_t *type);
static size_t estimate(json_t *list);


int
canopy_problem_tree(const canopy_problem_t *in, canopy_alloc_pt alloc,
    void *data, canopy_slice_t *out, canopy_slice_t *type)
{
    int               rc;
    canopy_jansson_t  j;

    canopy_jansson_begin(&j);
    rc = normalize(in, alloc, data, out, type);
    canopy_jansson_end(&j);

    return rc;
}


static int
normalize(const canopy_problem_t *in, canopy_alloc_pt alloc, void *data,
    canopy_slice_t *out, canopy_slice_t *type)
{
    int      rc;
    json_t  *list;

    list = entries(in);
    rc = answer(list, alloc, data, out, type);
    json_decref(list);

    if (rc != 0 || !canopy_redact_found(in->secrets, in->nsecrets, *out)) {
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


/* like all below that give a tree: a new reference, NULL without memory */
static json_t *
entries(const canopy_problem_t *in)
{
    const char  *reason;

    reason = unreadable(in);
    if (reason) {
        return sentence(in, reason);
    }

    if (canopy_media_is_json(in->content_type)) {
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

    type = canopy_media_type(in->content_type);

    if (type.len == 0) {
        return "The upstream answered with a body that has no content type";
    }

    if (canopy_media_is(type, "text/html")
        || canopy_media_is(type, "application/xhtml+xml"))
    {
        return "The upstream answered with an HTML page";
    }

    if (canopy_media_is(type, "text/plain") || canopy_media_is_json(type)) {
        return NULL;
    }

    return "The upstream answered with a body whose content type is neither "
           "JSON nor plain text";
}


static json_t *
from_text(const canopy_problem_t *in)
{
    canopy_slice_t  text;

    if (!canopy_redact_is_utf8(in->body)) {
        return sentence(in, "The upstream answered with text that is not "
                            "UTF-8");
    }

    text = canopy_slice_trim(in->body);

    if (text.len == 0) {
        return sentence(in, "The upstream answered with an empty text");
    }

    return list_of_one(canopy_problem_entry_text(in, text));
}


static json_t *
from_json(const canopy_problem_t *in)
{
    json_t        *root, *list;
    json_error_t   error;

    if (canopy_jansson_load(in->body, JSON_DECODE_ANY|JSON_ALLOW_NUL, &root,
                            &error)
        != 0)
    {
        return NULL;
    }

    if (root) {
        list = from_tree(in, root);
        json_decref(root);
        return list;
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
    size_t   i, n;
    json_t  *detail, *array, *list, *entry;

    detail = json_object_get(root, "detail");

    if (detail == NULL || json_is_null(detail)) {
        detail = root;
    }

    array = json_is_array(detail) ? detail : json_object_get(detail, "errors");
    n = json_array_size(array);

    if (n == 0 && json_is_array(detail)) {
        return sentence(in, "The upstream named no reason");
    }

    if (n == 0) {
        return list_of_one(canopy_problem_entry(in, detail, detail == root));
    }

    list = json_array();

    for (i = 0; i < n && i < CANOPY_PROBLEM_ENTRIES; i++) {
        entry = canopy_problem_entry(in, json_array_get(array, i), 0);

        if (json_array_append_new(list, entry) != 0) {
            json_decref(list);
            return NULL;
        }
    }

    return list;
}


static json_t *
sentence(const canopy_problem_t *in, const char *text)
{
    return list_of_one(canopy_problem_entry_own(in, text));
}


/* takes the entry, NULL or not, on failure too */
static json_t *
list_of_one(json_t *entry)
{
    json_t  *list;

    list = json_array();

    if (json_array_append_new(list, entry) != 0) {
        json_decref(list);
        return NULL;
    }

    return list;
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
