/*
 * What an answer has kept of the upstream's own words: section 6 of the
 * contract once more, by jansson alone, for all that needs no change.
 */

#ifndef PROBLEM_WORDS_H
#define PROBLEM_WORDS_H


#include <jansson.h>

#include "canopy_problem.h"
#include "fuzz.h"


static int
holds_secret(const canopy_problem_t *in, const void *data, size_t len)
{
    size_t  i;

    for (i = 0; i < in->nsecrets; i++) {
        if (memmem(data, len, in->secrets[i].data, in->secrets[i].len)) {
            return 1;
        }
    }

    return 0;
}


static int
has_secret(const canopy_problem_t *in, json_t *text)
{
    return holds_secret(in, json_string_value(text),
                        json_string_length(text));
}


/* in a text or a name of it */
static void
check_tree(const canopy_problem_t *in, json_t *value)
{
    size_t       i;
    json_t      *item;
    const char  *name;

    if (json_is_string(value)) {
        check(!has_secret(in, value));
    }

    json_array_foreach(value, i, item) {
        check_tree(in, item);
    }

    json_object_foreach(value, name, item) {
        check(!holds_secret(in, name, strlen(name)));
        check_tree(in, item);
    }
}


static json_t *
first_of(json_t *object, const char *const *names)
{
    while (*names && !json_is_string(json_object_get(object, *names))) {
        names++;
    }

    return *names ? json_object_get(object, *names) : NULL;
}


static void
check_same(const canopy_problem_t *in, json_t *want, json_t *text)
{
    size_t  len;

    if (has_secret(in, want)) {
        return;
    }

    len = json_string_length(want);

    if (len > CANOPY_PROBLEM_TEXT) {
        /* cut at a character */
        check(json_string_length(text) > CANOPY_PROBLEM_TEXT - 4);
        len = json_string_length(text);
    }

    check(json_string_length(text) == len);
    check(memcmp(json_string_value(text), json_string_value(want), len) == 0);
}


static void
check_element(const canopy_problem_t *in, json_t *element, json_t *entry)
{
    size_t   i;
    json_t  *text, *msg, *loc, *item;

    static const char *const  msgs[] = {
        "msg", "message", "Message", "error_description", "title", "error",
        NULL
    };

    static const char *const  types[] = { "type", NULL };

    msg = json_object_get(entry, "msg");
    text = json_is_string(element) ? element : first_of(element, msgs);

    if (text) {
        check_same(in, text, msg);

    } else {
        /* its own JSON text, unless cut or redacted */

        text = json_loadb(json_string_value(msg), json_string_length(msg),
                          JSON_DECODE_ANY|JSON_ALLOW_NUL, NULL);
        check_tree(in, text);
        json_decref(text);
    }

    text = first_of(element, types);

    if (text) {
        check_same(in, text, json_object_get(entry, "type"));
    }

    loc = json_object_get(element, "loc");

    json_array_foreach(loc, i, item) {
        text = json_array_get(json_object_get(entry, "loc"), i);
        check(text != NULL);

        if (json_is_string(item)) {
            check_same(in, item, text);

        } else if (json_is_integer(text)) {
            check(json_equal(text, item));
        }
    }
}


/* entry by entry, in the order of the body's elements */
static void
check_words(const canopy_problem_t *in, canopy_slice_t out)
{
    size_t   i, n;
    json_t  *root, *detail, *list, *answer, *entries;

    static const char  hidden[] = "The upstream answered with a text that "
                                  "holds a credential, which is not passed "
                                  "on";

    if (in->content_type.data[0] == 't') {
        return;
    }

    root = json_loadb((const char *) in->body.data, in->body.len,
                      JSON_DECODE_ANY|JSON_ALLOW_NUL, NULL);

    answer = json_loadb((const char *) out.data, out.len, JSON_ALLOW_NUL,
                        NULL);
    entries = json_object_get(answer, "detail");

    detail = json_object_get(root, "detail");

    if (detail == NULL || json_is_null(detail)) {
        detail = root;
    }

    list = json_is_object(detail) ? json_object_get(detail, "errors")
                                  : detail;
    n = json_array_size(list);

    if (strcmp(json_string_value(json_object_get(json_array_get(entries, 0),
                                                 "msg")),
               hidden)
        != 0)
    {
        check(json_array_size(entries)
              == (n == 0 ? 1 : n < CANOPY_PROBLEM_ENTRIES
                               ? n : CANOPY_PROBLEM_ENTRIES));

        for (i = 0; i < n && i < CANOPY_PROBLEM_ENTRIES; i++) {
            check_element(in, json_array_get(list, i),
                          json_array_get(entries, i));
        }
    }

    json_decref(answer);
    json_decref(root);
}


#endif /* PROBLEM_WORDS_H */
