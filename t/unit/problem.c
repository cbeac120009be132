/*
 * canopy_problem: each folder of t/cases/problem, and what must hold for all
 * of them: the schema, nothing changed by a second time, no secret, no leak.
 */

#include <jansson.h>

#include "cases.h"


static size_t  live;            /* jansson's blocks in use */


static void check(case_t *c);
static int again(const case_t *c, canopy_slice_t out);
static int schema(canopy_slice_t text, canopy_slice_t type);
static int schema_entry(json_t *entry);
static int secret_in(const canopy_problem_t *in, canopy_slice_t text);
static int secret_in_tree(const canopy_problem_t *in, json_t *value);
static void random_bodies(void);
static void *count_malloc(size_t size);
static void count_free(void *p);


int
main(int argc, char **argv)
{
    json_set_alloc_funcs(count_malloc, count_free);

    cases(argc > 1 ? argv[1] : "t/cases/problem", check);
    random_bodies();

    return tap_done();
}


static void
check(case_t *c)
{
    int             rc;
    pool_t          pool;
    canopy_slice_t  out, type;

    pool.n = 0;
    rc = canopy_problem_normalize(&c->in, pool_alloc, &pool, &out, &type);

    if (!ok(rc == 0, "%s", c->name)) {
        pool_free(&pool);
        return;
    }

    if (!ok(same(out, c->expected), "%s: as expected", c->name)) {
        printf("#      got: %.*s\n# expected: %.*s\n",
               (int) (out.len > 2000 ? 2000 : out.len), out.data,
               (int) (c->expected.len > 2000 ? 2000 : c->expected.len),
               c->expected.data);
    }

    ok(schema(out, type), "%s: the schema", c->name);
    ok(again(c, out), "%s: nothing changes again", c->name);
    ok(!secret_in(&c->in, out), "%s: no secret", c->name);
    ok(live == 0, "%s: nothing leaked", c->name);

    pool_free(&pool);
}


static int
again(const case_t *c, canopy_slice_t out)
{
    int               good;
    pool_t            pool;
    canopy_slice_t    second, type;
    canopy_problem_t  in;

    memset(&in, 0, sizeof(in));

    in.status = c->in.status;
    in.content_type = slice_of("application/json");
    in.body.data = tap_guard(out.data, out.len);
    in.body.len = out.len;
    in.secrets = c->in.secrets;
    in.nsecrets = c->in.nsecrets;

    pool.n = 0;
    good = canopy_problem_normalize(&in, pool_alloc, &pool, &second, &type);
    good = (good == 0 && same(second, out));
    pool_free(&pool);

    return good;
}


static int
schema(canopy_slice_t text, canopy_slice_t type)
{
    int             good;
    size_t          i;
    json_t         *root, *detail;
    canopy_slice_t  first;

    root = json_loadb((const char *) text.data, text.len,
                      JSON_ALLOW_NUL|JSON_REJECT_DUPLICATES, NULL);
    detail = json_object_get(root, "detail");

    good = json_object_size(root) == 1
           && json_array_size(detail) >= 1
           && json_array_size(detail) <= CANOPY_PROBLEM_ENTRIES;

    for (i = 0; good && i < json_array_size(detail); i++) {
        good = schema_entry(json_array_get(detail, i));
    }

    if (good) {
        detail = json_object_get(json_array_get(detail, 0), "type");
        first.data = (const uint8_t *) json_string_value(detail);
        first.len = json_string_length(detail);
        good = same(first, type);
    }

    json_decref(root);

    return good;
}


static int
schema_entry(json_t *entry)
{
    size_t   i;
    json_t  *loc, *msg, *type, *item;

    loc = json_object_get(entry, "loc");
    msg = json_object_get(entry, "msg");
    type = json_object_get(entry, "type");

    if (json_object_size(entry) != 3
        || json_array_size(loc) == 0
        || !json_is_string(msg)
        || json_string_length(msg) > CANOPY_PROBLEM_TEXT
        || !json_is_string(type)
        || json_string_length(type) > CANOPY_PROBLEM_TEXT)
    {
        return 0;
    }

    for (i = 0; i < json_array_size(loc); i++) {
        item = json_array_get(loc, i);

        if (!json_is_integer(item)
            && (!json_is_string(item)
                || json_string_length(item) > CANOPY_PROBLEM_TEXT))
        {
            return 0;
        }
    }

    return 1;
}


/* in the bytes, or in a text or name once the JSON is decoded */
static int
secret_in(const canopy_problem_t *in, canopy_slice_t text)
{
    int      found;
    size_t   i;
    json_t  *root;

    for (i = 0; i < in->nsecrets; i++) {
        if (in->secrets[i].len
            && memmem(text.data, text.len, in->secrets[i].data,
                      in->secrets[i].len))
        {
            return 1;
        }
    }

    root = json_loadb((const char *) text.data, text.len,
                      JSON_DECODE_ANY|JSON_ALLOW_NUL, NULL);
    if (root == NULL) {
        return 0;
    }

    found = secret_in_tree(in, root);
    json_decref(root);

    return found;
}


static int
secret_in_tree(const canopy_problem_t *in, json_t *value)
{
    size_t       i;
    json_t      *item;
    const char  *name;

    if (json_is_string(value)) {
        for (i = 0; i < in->nsecrets; i++) {
            if (in->secrets[i].len
                && memmem(json_string_value(value), json_string_length(value),
                          in->secrets[i].data, in->secrets[i].len))
            {
                return 1;
            }
        }
    }

    json_array_foreach(value, i, item) {
        if (secret_in_tree(in, item)) {
            return 1;
        }
    }

    json_object_foreach(value, name, item) {
        if (secret_in_tree(in, item)) {
            return 1;
        }
    }

    return 0;
}


/* bytes with a taste of JSON, always the same ones */
static void
random_bodies(void)
{
    int               bad;
    pool_t            pool;
    size_t            i, k, n, nwords;
    uint32_t          seed;
    char              body[512];
    canopy_slice_t    out, type, secrets[2];
    canopy_problem_t  in;

    static const char *const  words[] = {
        "{", "}", "[", "]", ",", ":", "\"", "\"detail\":", "\"errors\":[",
        "\"loc\":", "\"msg\":", "\"type\":", "\"error\":", "\"a\"",
        "\"\\u0000", "null", "1", "-1.5", "1e999", "true", "zq-zq",
        "q\\u002dz", "z\\/q", "z/q", "\\\"", "\\\\", "\xc3\xa9", "\xc3", "[]",
        "{}", "\\u00e9", " "
    };

    static const char *const  types[] = {
        "application/json", "text/plain", "text/html"
    };

    memset(&in, 0, sizeof(in));

    secrets[0] = slice_of("zq-z");
    secrets[1] = slice_of("z/q");
    in.secrets = secrets;
    in.nsecrets = 2;

    nwords = sizeof(words) / sizeof(words[0]);

    bad = 0;
    seed = 1;

    for (i = 0; i < 20000; i++) {
        body[0] = '\0';
        n = i % 40;

        for (k = 0; k < n; k++) {
            seed = seed * 1664525 + 1013904223;
            strcat(body, words[(seed >> 16) % nwords]);
        }

        in.status = i & 1 ? 422 : 503;
        in.content_type = slice_of(types[i % 3]);
        in.body = slice_of(body);

        pool.n = 0;

        bad += canopy_problem_normalize(&in, pool_alloc, &pool, &out, &type)
               != 0
               || !schema(out, type)
               || secret_in(&in, out)
               || live != 0;

        pool_free(&pool);
    }

    ok(bad == 0, "20000 random bodies");
}


static void *
count_malloc(size_t size)
{
    void  *p;

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
