/*
 * canopy_problem: each folder of t/cases/problem, and what must hold for all
 * of them: the schema, nothing changed by a second time, no secret, no leak.
 *
 * In a folder: "body" as the upstream sent it; "expected.json", the answer's
 * exact bytes; "meta", lines of "status: 422", "content-type: TEXT" (none: the
 * header is not there), "encoded: 1", "cut: 1", "too_large: 1", "secret: TEXT"
 * (any number), and "unit-only: 1" for what can't come from a real upstream.
 */

#include <dirent.h>

#include <jansson.h>

#include "canopy_problem.h"
#include "tap.h"


#define SECRETS  8


typedef struct {
    const char        *name;
    canopy_problem_t   in;
    canopy_slice_t     secrets[SECRETS];
    canopy_slice_t     expected;
} case_t;


/* what the caller gave; the result may be the last of a few blocks */
typedef struct {
    size_t   n;
    void    *blocks[4];
} pool_t;


static size_t  live;            /* jansson's blocks in use */
static size_t  left;            /* allocations until one fails, 0: never */


static void cases(const char *path);
static int visible(const struct dirent *entry);
static void read_case(case_t *c, const char *path);
static canopy_slice_t read_file(const char *path, const char *name,
    const char *file);
static void read_meta(case_t *c, canopy_slice_t meta);
static canopy_slice_t guarded(canopy_slice_t text);
static void check(case_t *c);
static int again(const case_t *c, canopy_slice_t out);
static int schema(canopy_slice_t text, canopy_slice_t type);
static int schema_entry(json_t *entry);
static int secret_in(const canopy_problem_t *in, canopy_slice_t text);
static int secret_in_tree(const canopy_problem_t *in, json_t *value);
static int same(canopy_slice_t a, canopy_slice_t b);

static void no_memory(void);
static void random_bodies(void);
static canopy_slice_t slice_of(const char *text);

static void *pool_alloc(void *data, size_t size);
static void pool_free(pool_t *pool);
static void *refuse(void *data, size_t size);
static void *count_malloc(size_t size);
static void count_free(void *p);


int
main(int argc, char **argv)
{
    json_set_alloc_funcs(count_malloc, count_free);

    cases(argc > 1 ? argv[1] : "t/cases/problem");
    no_memory();
    random_bodies();

    return tap_done();
}


static void
cases(const char *path)
{
    int              i, n;
    case_t           c;
    struct dirent  **entries;

    n = scandir(path, &entries, visible, alphasort);
    ok(n >= 70, "%d cases in %s", n, path);

    for (i = 0; i < n; i++) {
        memset(&c, 0, sizeof(c));
        c.name = entries[i]->d_name;

        read_case(&c, path);
        check(&c);
        free(entries[i]);
    }

    if (n >= 0) {
        free(entries);
    }
}


static int
visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}


static void
read_case(case_t *c, const char *path)
{
    canopy_slice_t  meta;

    meta = read_file(path, c->name, "meta");
    read_meta(c, meta);
    free((void *) meta.data);

    c->in.secrets = c->secrets;
    c->in.body = guarded(read_file(path, c->name, "body"));
    c->expected = guarded(read_file(path, c->name, "expected.json"));
}


static canopy_slice_t
read_file(const char *path, const char *name, const char *file)
{
    FILE            *f;
    char             full[1024];
    uint8_t         *buf;
    canopy_slice_t   text;

    static const size_t  max = 1 << 20;

    snprintf(full, sizeof(full), "%s/%s/%s", path, name, file);

    f = fopen(full, "rb");
    buf = malloc(max);

    if (f == NULL || buf == NULL) {
        printf("Bail out! %s can't be read\n", full);
        exit(1);
    }

    text.data = buf;
    text.len = fread(buf, 1, max, f);
    fclose(f);

    return text;
}


static void
read_meta(case_t *c, canopy_slice_t meta)
{
    size_t          key;
    const char     *p, *end, *colon, *last;
    canopy_slice_t  value, copy;

    p = (const char *) meta.data;
    last = p + meta.len;

    for ( /* void */ ; p < last; p = end + 1) {
        end = memchr(p, '\n', last - p);
        colon = end ? memchr(p, ':', end - p) : NULL;

        if (colon == NULL || end - colon < 2) {
            printf("Bail out! bad meta of %s\n", c->name);
            exit(1);
        }

        key = colon - p;
        value.data = (const uint8_t *) colon + 2;
        value.len = end - colon - 2;

#define is(name)  (key == sizeof(name) - 1 && memcmp(p, name, key) == 0)

        if (is("status")) {
            c->in.status = strtoul(colon + 2, NULL, 10);

        } else if (is("content-type") || is("secret")) {
            copy.len = value.len;
            copy.data = tap_guard(value.data, value.len);

            if (is("content-type")) {
                c->in.content_type = copy;

            } else if (c->in.nsecrets < SECRETS) {
                c->secrets[c->in.nsecrets++] = copy;
            }

        } else if (is("encoded")) {
            c->in.encoded = 1;

        } else if (is("cut")) {
            c->in.cut = 1;

        } else if (is("too_large")) {
            c->in.too_large = 1;

        } else if (!is("unit-only")) {
            printf("Bail out! unknown line in meta of %s\n", c->name);
            exit(1);
        }

#undef is
    }
}


/* takes a text from malloc() */
static canopy_slice_t
guarded(canopy_slice_t text)
{
    canopy_slice_t  copy;

    copy.len = text.len;
    copy.data = tap_guard(text.data, text.len);
    free((void *) text.data);

    return copy;
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


static int
same(canopy_slice_t a, canopy_slice_t b)
{
    return a.len == b.len
           && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


/* the n-th allocation fails, for every n there is */
static void
no_memory(void)
{
    int               rc, bad;
    pool_t            pool;
    size_t            n;
    canopy_slice_t    out, type, secret;
    canopy_problem_t  in;

    memset(&in, 0, sizeof(in));

    secret = slice_of("hunter22");

    in.status = 422;
    in.content_type = slice_of("application/json");
    in.body = slice_of("{\"detail\":[{\"loc\":[\"a\",1,{\"hunter22\":[1.5]}],"
                       "\"msg\":\"it is hunter22, on a line that is longer\","
                       "\"input\":[{\"a\":\"b\"}]},{\"a\":{\"b\":[null]}},"
                       "\"hunter22 is long enough to be written elsewhere\","
                       "null]}");
    in.secrets = &secret;
    in.nsecrets = 1;

    ok(canopy_problem_normalize(&in, refuse, NULL, &out, &type) == -1,
       "no memory for the result");
    ok(live == 0, "no memory for the result: nothing leaked");

    bad = 0;

    for (n = 1; n < 10000; n++) {
        left = n;
        pool.n = 0;
        rc = canopy_problem_normalize(&in, pool_alloc, &pool, &out, &type);

        if (left) {
            left = 0;
            pool_free(&pool);
            break;
        }

        /* jansson takes some failures for faults of the JSON text */
        if (rc == 0) {
            bad += !schema(out, type) || secret_in(&in, out);
        }

        bad += (rc != 0 && rc != -1) || live != 0;
        pool_free(&pool);
    }

    ok(n > 50 && n < 10000 && rc == 0, "%zu allocations of jansson", n - 1);
    ok(bad == 0, "each of them may fail");
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


static canopy_slice_t
slice_of(const char *text)
{
    canopy_slice_t  slice;

    slice.data = (const uint8_t *) text;
    slice.len = strlen(text);

    return slice;
}


static void *
pool_alloc(void *data, size_t size)
{
    pool_t  *pool = data;

    if (pool->n == sizeof(pool->blocks) / sizeof(pool->blocks[0])) {
        return NULL;
    }

    return pool->blocks[pool->n++] = malloc(size);
}


static void
pool_free(pool_t *pool)
{
    while (pool->n) {
        free(pool->blocks[--pool->n]);
    }
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
