#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "canopy_problem_entry.h"
#include "canopy_redact.h"


/*
 * 15 digits give 0.1 back as 0.1; jansson's own 17 make 0.10000000000000001
 * of it.
 */
#define DUMP_TEXT  (JSON_COMPACT|JSON_ENCODE_ANY|JSON_REAL_PRECISION(15))


static json_t *entry(json_t *loc, json_t *msg, json_t *type);
static json_t *first_string(json_t *object, const char *const *names);
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
static int has_secret(const canopy_problem_t *in, canopy_slice_t text);


json_t *
canopy_problem_entry(const canopy_problem_t *in, json_t *element, int whole)
{
    json_t  *msg, *type;

    static const char *const  msgs[] = {
        "msg", "message", "Message", "error_description", "title", "error",
        NULL
    };

    static const char *const  types[] = { "type", NULL };
    static const char *const  whole_types[] = {
        "type", "code", "error", NULL
    };

    msg = json_is_string(element) ? element : first_string(element, msgs);
    type = first_string(element, whole ? whole_types : types);

    return entry(location(in, json_object_get(element, "loc")),
                 msg ? string(in, msg) : compact(in, element),
                 type ? string(in, type) : default_type(in));
}


json_t *
canopy_problem_entry_text(const canopy_problem_t *in, canopy_slice_t text)
{
    return entry(default_loc(in), safe_text(in, text, CANOPY_PROBLEM_TEXT),
                 default_type(in));
}


json_t *
canopy_problem_entry_own(const canopy_problem_t *in, const char *text)
{
    return entry(default_loc(in), json_string_nocheck(text), default_type(in));
}


/* takes the references, NULL or not, on failure too, as jansson does */
static json_t *
entry(json_t *loc, json_t *msg, json_t *type)
{
    int      rc;
    json_t  *object;

    object = json_object();

    rc = json_object_set_new_nocheck(object, "loc", loc);
    rc |= json_object_set_new_nocheck(object, "msg", msg);
    rc |= json_object_set_new_nocheck(object, "type", type);

    if (rc != 0) {
        json_decref(object);
        return NULL;
    }

    return object;
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


int
canopy_problem_about_task(const canopy_problem_t *in)
{
    return in->status == 404 || in->status == 409 || in->status == 410
           || in->status == 422;
}


static json_t *
default_loc(const canopy_problem_t *in)
{
    return canopy_problem_about_task(in) ? json_pack("[ss]", "path", "id")
                                         : json_pack("[s]", "upstream");
}


static json_t *
default_type(const canopy_problem_t *in)
{
    return json_string_nocheck(canopy_problem_about_task(in)
                                   ? "value_error" : "upstream_error");
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
    json_t             *result;
    canopy_redacted_t   safe;

    if (canopy_redact(in->secrets, in->nsecrets, text, max, &safe) != 0) {
        return NULL;
    }

    result = json_stringn_nocheck((const char *) safe.text.data,
                                  safe.text.len);
    canopy_redact_free(&safe);

    return result;
}


static int
has_secret(const canopy_problem_t *in, canopy_slice_t text)
{
    return canopy_redact_found(in->secrets, in->nsecrets, text);
}
