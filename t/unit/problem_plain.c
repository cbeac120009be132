/*
 * The two ways to normalize an error body: which of them does what, and that
 * the fast one gives what the slow one does, and leaves no secret behind.
 */

#include "cases.h"
#include "canopy_problem_plain.h"
#include "canopy_problem_tree.h"
#include "plain.h"


static void check(case_t *c);
static void bodies(void);
static void unreadable(void);
static void wiped(void);
static void *clean_alloc(void *data, size_t size);
static int both(const body_t *b);
static int inside(canopy_slice_t part, canopy_slice_t whole);
static canopy_problem_t problem(const body_t *b);


static const canopy_slice_t  secret = canopy_slice(SECRET);


int
main(int argc, char **argv)
{
    cases(argc > 1 ? argv[1] : "t/cases/problem", check);
    bodies();
    unreadable();
    wiped();

    return tap_done();
}


static void
check(case_t *c)
{
    int             rc;
    size_t          i;
    pool_t          pool;
    canopy_slice_t  out, type;

    static const char *const  plain[] = {
        "entries-200", "fastapi-not-authenticated", "fastapi-not-found",
        "fastapi-pydantic1", "fastapi-pydantic2",
        "fastapi-pydantic2-long-input", "fastapi-pydantic2-url",
        "fastapi-several", "fastapi-text-403", "fastapi-text-404",
        "fastapi-text-409", "fastapi-text-410", "fastapi-text-422",
        "fastapi-text-429", "fastapi-text-500", "fastapi-text-503",
        "normalized-already", "whitespace-in-json", NULL
    };

    for (i = 0; plain[i] && strcmp(plain[i], c->name) != 0; i++) {
        /* void */
    }

    pool.n = 0;
    rc = canopy_problem_plain(&c->in, pool_alloc, &pool, &out, &type);

    if (rc == CANOPY_PROBLEM_DECLINED) {
        ok(plain[i] == NULL, "%s: declined", c->name);

    } else {
        ok(rc == 0 && same(out, c->expected), "%s: as expected", c->name);
    }

    pool_free(&pool);

    pool.n = 0;
    rc = canopy_problem_tree(&c->in, pool_alloc, &pool, &out, &type);

    ok(rc == 0 && same(out, c->expected), "%s: by way of a tree", c->name);

    pool_free(&pool);
}


static void
bodies(void)
{
    size_t  i;

    for (i = 0; i < sizeof(plain_bodies) / sizeof(plain_bodies[0]); i++) {
        ok(both(&plain_bodies[i]) == 0, "taken: %.60s", plain_bodies[i].start);
    }

    for (i = 0; i < sizeof(other_bodies) / sizeof(other_bodies[0]); i++) {
        ok(both(&other_bodies[i]) == CANOPY_PROBLEM_DECLINED,
           "declined: %.60s", other_bodies[i].start);
    }
}


/* whatever the body */
static void
unreadable(void)
{
    size_t            i;
    pool_t            pool;
    canopy_slice_t    out, type;
    canopy_problem_t  in[6];

    static const body_t  body = B(ONE(PLAIN));

    for (i = 0; i < 6; i++) {
        in[i] = problem(&body);
    }

    in[1].cut = 1;
    in[2].encoded = 1;
    in[3].too_large = 1;
    in[4].content_type = slice_of("text/plain");
    in[5].content_type = slice_of("");

    for (i = 0; i < 6; i++) {
        pool.n = 0;

        ok(canopy_problem_plain(&in[i], pool_alloc, &pool, &out, &type)
           == (i == 0 ? 0 : CANOPY_PROBLEM_DECLINED),
           "its head and length: %zu", i);

        pool_free(&pool);
    }
}


/* nothing of what was written before a secret was seen, or more to be done */
static void
wiped(void)
{
    int               rc;
    size_t            i, k, n;
    uint8_t          *block;
    pool_t            pool;
    canopy_slice_t    out, type;
    canopy_problem_t  in;

    static const body_t  bodies[] = {
        B(MSG("\"a " SECRET "\"")),
        B(ONE(E("[\"" SECRET "\"]", "\"\"", "\"" SECRET "\"") ",1")),
        B(MSG("\"" SECRET "\"") "}"),
    };

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        in = problem(&bodies[i]);

        pool.n = 0;
        rc = canopy_problem_plain(&in, clean_alloc, &pool, &out, &type);

        ok(rc == CANOPY_PROBLEM_DECLINED && pool.n == 1, "begun: %s",
           bodies[i].start);

        block = pool.blocks[0];

        for (n = 0, k = 0; k + 2 < in.body.len; k++) {
            n += (memcmp(block + k, "zq", 2) == 0);
        }

        ok(n == 0, "and wiped");

        pool_free(&pool);
    }
}


static void *
clean_alloc(void *data, size_t size)
{
    void  *p;

    p = pool_alloc(data, size);

    return p ? memset(p, 0, size) : NULL;
}


/* what canopy_problem_plain() says, or else -1: they don't agree */
static int
both(const body_t *b)
{
    int               rc;
    pool_t            pools[2];
    canopy_slice_t    out[2], type[2];
    canopy_problem_t  in;

    in = problem(b);

    pools[0].n = 0;
    pools[1].n = 0;

    rc = canopy_problem_plain(&in, pool_alloc, &pools[0], &out[0], &type[0]);

    if (canopy_problem_tree(&in, pool_alloc, &pools[1], &out[1], &type[1]) != 0
        || (rc == 0 && (!same(out[0], out[1]) || !same(type[0], type[1])
                        || inside(type[0], out[0])
                        || inside(type[0], in.body))))
    {
        rc = -1;
    }

    pool_free(&pools[0]);
    pool_free(&pools[1]);

    return rc;
}


static int
inside(canopy_slice_t part, canopy_slice_t whole)
{
    return part.data >= whole.data && part.data < whole.data + whole.len;
}


static canopy_problem_t
problem(const body_t *b)
{
    size_t            i;
    canopy_problem_t  in;

    static char  text[100000];

    strcpy(text, b->start);

    for (i = 0; i < b->n; i++) {
        strcat(text, b->fill);
    }

    strcat(text, b->end);

    memset(&in, 0, sizeof(in));

    in.status = 422;
    in.content_type = slice_of("application/json");
    in.body.len = strlen(text);
    in.body.data = tap_guard(text, in.body.len);
    in.secrets = &secret;
    in.nsecrets = 1;

    return in;
}
