/*
 * The folders of t/cases/problem, and memory for a result.
 *
 * In a folder: "body" as the upstream sent it; "expected.json", the answer's
 * exact bytes; "meta", lines of "status: 422", "content-type: TEXT" (none: the
 * header is not there), "encoded: 1", "cut: 1", "too_large: 1", "secret: TEXT"
 * (any number), and "unit-only: 1" for what can't come from a real upstream.
 */

#ifndef CASES_H
#define CASES_H


#include <dirent.h>

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


static canopy_slice_t
slice_of(const char *text)
{
    canopy_slice_t  slice;

    slice.data = (const uint8_t *) text;
    slice.len = strlen(text);

    return slice;
}


static int
same(canopy_slice_t a, canopy_slice_t b)
{
    return a.len == b.len
           && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
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


static int
visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
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


/* one after the other */
static void
cases(const char *path, void (*check)(case_t *c))
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


#endif /* CASES_H */
