/*
 * No memory: the n-th allocation fails, for each n, whether the core makes it,
 * jansson, or the caller's callback.  Then there is no answer, never
 * another one, and nothing is left behind.  And who says that it allocates
 * nothing does not.
 *
 * malloc() and the like are the linker's --wrap.
 */

#include <jansson.h>

#include "canopy_answer.h"
#include "canopy_bearer.h"
#include "canopy_media.h"
#include "canopy_outcome.h"
#include "canopy_redact.h"
#include "canopy_request_id.h"
#include "canopy_retry_after.h"
#include "canopy_route.h"
#include "canopy_token.h"
#include "canopy_uuid.h"
#include "cases.h"


void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);


static unsigned  watched;       /* the core's turn */
static size_t    made;          /* since then, failures included */
static size_t    failing;       /* the one that fails, 0: none */
static long      live;          /* not freed yet */

static size_t    total;         /* allocations that have failed */


static void normalize(case_t *c);
static int attempt(const case_t *c, size_t n);
static void more(void);
static void redact(void);
static void no_allocation(void);
static void watch(size_t n);
static int fails(void);


int
main(int argc, char **argv)
{
    json_set_alloc_funcs(__wrap_malloc, __wrap_free);

    cases(argc > 1 ? argv[1] : "t/cases/problem", normalize);
    more();

    ok(total > 5000, "%zu allocations have failed", total);

    redact();
    no_allocation();

    return tap_done();
}


static void
normalize(case_t *c)
{
    int     rc, bad;
    size_t  n, tried;

    bad = 0;
    tried = 0;

    /* behind the first ones are more of the same */

    for (n = 1; (rc = attempt(c, n)) != 1; n += (n < 800) ? 1 : 17) {
        bad += (rc == -1);
        tried++;
    }

    total += tried;

    ok(bad == 0, "%s: %zu allocations fail", c->name, tried);
}


/* 1: there is no n-th allocation; -1: not as it should be */
static int
attempt(const case_t *c, size_t n)
{
    int             rc, good;
    size_t          i;
    pool_t          pool;
    canopy_slice_t  out, type;

    pool.n = 0;

    watch(n);
    rc = canopy_problem_normalize(&c->in, pool_alloc, &pool, &out, &type);
    watched = 0;

    for (i = 0; i < pool.n; i++) {
        live -= (pool.blocks[i] != NULL);
    }

    good = (live == 0 && (made < n ? rc == 0 && same(out, c->expected)
                                   : rc == -1));
    if (!good) {
        printf("# %s: allocation %zu of %zu, %d: %ld live, %.*s\n", c->name,
               n, made, rc, live, rc ? 0 : (int) out.len, out.data);
    }

    pool_free(&pool);

    return !good ? -1 : made < n;
}


/* what makes a second try necessary: much to be escaped, secrets in syntax */
static void
more(void)
{
    char     body[20000];
    size_t   i;
    case_t   c;
    pool_t   pool;

    static const struct {
        const char  *name;
        const char  *start;
        const char  *fill;
        const char  *end;
        const char  *secret;
    } bodies[] = {
        { "escapes", "[\"", "\\u0001", "\"]", NULL },
        { "a long text of an element", "[{\"a\":\"", "\\u0001", "\"}]",
          NULL },
        { "a secret in many places", "{\"detail\":[\"hunter22\",{\"loc\":[1",
          ",{\"hunter22\":[\"hunter22\"]}", "]}]}", "hunter22" },
        { "a secret in the syntax", "[\"a\",\"b", "c", "\"]", "\"a\",\"" },
        { "a secret in the syntax of a text", "[[\"a\",\"b", "c", "\"]]",
          "a\",\"b" },
        { "many elements", "[1", ",{\"loc\":1}", "]", NULL },
        { "no JSON", "[1", ",{\"loc\":1}", "", NULL },
    };

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        strcpy(body, bodies[i].start);

        while (strlen(body) < 1500) {
            strcat(body, bodies[i].fill);
        }

        strcat(body, bodies[i].end);

        memset(&c, 0, sizeof(c));

        c.name = bodies[i].name;
        c.in.status = 422;
        c.in.content_type = slice_of("application/json");
        c.in.body = slice_of(body);
        c.in.secrets = c.secrets;

        if (bodies[i].secret) {
            c.secrets[0] = slice_of(bodies[i].secret);
            c.in.nsecrets = 1;
        }

        /* as it is with memory */

        pool.n = 0;
        if (canopy_problem_normalize(&c.in, pool_alloc, &pool, &c.expected,
                                     &c.secrets[SECRETS - 1])
            != 0)
        {
            printf("Bail out! no memory\n");
            exit(1);
        }

        normalize(&c);
        pool_free(&pool);
    }
}


static void
redact(void)
{
    int                rc, bad;
    size_t             n;
    canopy_slice_t     secrets[2], text;
    canopy_redacted_t  out;

    text = slice_of("one two one");
    secrets[0] = slice_of("one");
    secrets[1] = slice_of("two");

    bad = 0;

    for (n = 1; n < 100; n++) {
        watch(n);
        rc = canopy_redact(secrets, 2, text, 100, &out);

        if (made < n) {
            canopy_redact_free(&out);
            break;
        }

        watched = 0;
        bad += (rc != -1 || live != 0);
    }

    watched = 0;

    ok(rc == 0 && bad == 0 && live == 0 && n > 1, "redacting: %zu allocations",
       n - 1);

    /* nothing to do */

    watch(0);
    rc = canopy_redact(&secrets[1], 1, slice_of("one"), 100, &out);
    canopy_redact_free(&out);
    ok(rc == 0 && made == 0, "redacting: none if there is no secret");
    watched = 0;
}


static void
no_allocation(void)
{
    char             message[CANOPY_UUID_MESSAGE];
    double           expires;
    uint8_t          buf[512];
    canopy_slice_t   path, id, uuid, value, token, piece, date, answer, media;
    const uint8_t   *pos;
    canopy_claims_t  claims;
    canopy_answer_t  a;

    path = slice_of("/tasks/3f2504e0-4f89-41d3-9a0c-0305e82c3301/cancel");
    uuid = slice_of("3f2504e0-4f89-41d3-9a0c-0305e82c330x");
    value = slice_of("Bearer eyJhbGciOiJSUzI1NiJ9."
                     "eyJhIjp7ImIiOlsxLjVdfSwiZXhwIjoxLjc2ZTl9.AA");
    date = slice_of("Sunday, 06-Nov-94 08:49:37 GMT");
    media = slice_of("application/problem+json; charset=utf-8");
    answer = slice_of("HTTP/1.1 100 X\r\n\r\nHTTP/1.1 422 X\r\n"
                      "Transfer-Encoding: chunked\r\nContent-Type: a\r\n\r\n"
                      "5\r\nhello\r\n0\r\nX: y\r\n\r\n");

    watch(1);

    (void) canopy_route(path, slice_of(""), &id);
    (void) canopy_route_last(path, &id);
    (void) canopy_uuid_message(canopy_uuid(uuid, buf), message);
    (void) canopy_bearer(value, &token);
    (void) canopy_token_check(token, &claims);
    (void) canopy_token_expiry(token, &expires);
    (void) canopy_request_id(uuid);
    (void) canopy_retry_after(date, buf);
    (void) canopy_media_is_json(media);
    (void) canopy_redact_is_utf8(path);
    (void) canopy_error_body(buf, canopy_error(CANOPY_NOT_FOUND), uuid, uuid);
    (void) canopy_answer_meaning(422, CANOPY_BODY_JSON);

    canopy_answer_init(&a);
    pos = answer.data;

    while (canopy_answer_parse(&a, &pos, answer.data + answer.len, &piece)
           < CANOPY_ANSWER_DONE)
    {
        /* void */
    }

    watched = 0;

    ok(made == 0, "the rest allocates nothing");
    ok(claims.has_exp && claims.exp == expires && id.len == 36
       && pos == answer.data + answer.len,
       "and has done its work");
}


/* from now on the n-th allocation fails */
static void
watch(size_t n)
{
    made = 0;
    live = 0;
    failing = n;
    watched = 1;
}


static int
fails(void)
{
    return watched && ++made == failing;
}


void *
__wrap_malloc(size_t size)
{
    void  *p;

    p = fails() ? NULL : __real_malloc(size);
    live += (watched && p);

    return p;
}


void *
__wrap_calloc(size_t n, size_t size)
{
    void  *p;

    p = fails() ? NULL : __real_calloc(n, size);
    live += (watched && p);

    return p;
}


void *
__wrap_realloc(void *p, size_t size)
{
    void  *new;

    new = fails() ? NULL : __real_realloc(p, size);
    live += (watched && p == NULL && new);

    return new;
}


void
__wrap_free(void *p)
{
    live -= (watched && p);
    __real_free(p);
}
