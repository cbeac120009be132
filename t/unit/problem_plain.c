/*
 * The two ways to normalize an error body: which of them does what, and that
 * the fast one gives what the slow one does, and leaves no secret behind.
 */

#include "cases.h"
#include "canopy_problem_plain.h"
#include "canopy_problem_tree.h"


#define SECRET    "zq-zq"

/* entries, and bodies with one */
#define E(loc, msg, type)                                                     \
    "{\"loc\":" loc ",\"msg\":" msg ",\"type\":" type "}"
#define PLAIN     E("[\"a\"]", "\"b\"", "\"c\"")
#define ONE(e)    "{\"detail\":[" e "]}"
#define LOC(loc)  ONE(E(loc, "\"b\"", "\"c\""))
#define MSG(msg)  ONE(E("[\"a\"]", msg, "\"c\""))
#define TYPE(t)   ONE(E("[\"a\"]", "\"b\"", t))
#define X(value)  ONE(E("[\"a\"]", "\"b\"", "\"c\",\"x\":" value))

#define ITEMS16   "\"\",1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"


typedef struct {
    const char  *start;
    const char  *fill;          /* n times */
    size_t       n;
    const char  *end;
} body_t;


#define B(text)  { text, "", 0, "" }


static void check(case_t *c);
static void taken(void);
static void declined(void);
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
    taken();
    declined();
    unreadable();
    wiped();

    return tap_done();
}


static void
check(case_t *c)
{
    int             rc, want;
    size_t          i;
    pool_t          pool;
    canopy_slice_t  out, type;

    static const char *const  plain[] = {
        "entries-200", "fastapi-pydantic1", "fastapi-pydantic2",
        "fastapi-pydantic2-long-input", "fastapi-pydantic2-url",
        "fastapi-several", "normalized-already", "whitespace-in-json", NULL
    };

    for (i = 0; plain[i] && strcmp(plain[i], c->name) != 0; i++) {
        /* void */
    }

    want = plain[i] ? 0 : CANOPY_PROBLEM_DECLINED;

    pool.n = 0;
    rc = canopy_problem_plain(&c->in, pool_alloc, &pool, &out, &type);

    ok(rc == want && (rc != 0 || same(out, c->expected)), "%s: %s", c->name,
       want == 0 ? "as expected" : "declined");

    pool_free(&pool);

    pool.n = 0;
    rc = canopy_problem_tree(&c->in, pool_alloc, &pool, &out, &type);

    ok(rc == 0 && same(out, c->expected), "%s: by way of a tree", c->name);

    pool_free(&pool);
}


static void
taken(void)
{
    size_t  i;

    static const body_t  bodies[] = {
        B(ONE(PLAIN)),
        B(ONE(PLAIN "," PLAIN)),
        { "\t{\r\n \"detail\" : [ ", "", 0, PLAIN " , " PLAIN "\n]\r}\t\n" },
        B(LOC(" [ \"a\" , 1 , \"b\" ] ")),
        B("{\"detail\":[{\"type\":\"c\",\"msg\":\"b\",\"loc\":[1]}]}"),
        { "{\"detail\":[{\"\":0,\"msg\":\"b\",\"\xc3\xa9\":0,\"loc\":[1],",
          "", 0, "\"input\":0,\"type\":\"c\",\"input\":0}]}" },

        /* what is kept */

        B(TYPE("\"\"")),
        B(MSG("\"\"")),
        B(MSG("\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80"
              "\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf/<&>\"")),
        B(MSG("\"zq-z\"")),
        B(LOC("[0,-1,123456789012345678,-12345678901234567]")),
        B(LOC("[" ITEMS16 "]")),
        { "{\"detail\":[{\"loc\":[\"", "a", 4096, "\"],\"msg\":\"\","
          "\"type\":\"\"}]}" },
        { "{\"detail\":[{\"loc\":[1],\"type\":\"\",\"msg\":\"", "a", 4096,
          "\"}]}" },
        { "{\"detail\":[{\"loc\":[1],\"msg\":\"\",\"type\":\"", "a", 4096,
          "\"}]}" },

        B(X("1,\"loc\":[2]")),
        B(X("1,\"msg\":\"\",\"type\":\"\"")),

        /* and what is not */

        B(X("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u0000\"")),
        B(X("\"\\ud83d\\ude00\"")),
        B(X("\"" SECRET "\"")),
        B(X("[ ]")),
        B(X("{ }")),
        B(X("[0,-0,1.5,-1.5,true,false,null,\"\",{\"a\":[{}]}]")),
        B(X("{\"a\":{\"a\":0,\"a\":0},\"" SECRET "\":[1]}")),
        B(X("0.1234567890123456")),
        { "{\"detail\":[{\"x\":\"", "a", 60000,
          "\",\"loc\":[1],\"msg\":\"\",\"type\":\"\"}]}" },
        { "{\"detail\":[{\"x\":[[[[[[[[[[[[[[[[", "[", 16,
          "1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]],"
          "\"loc\":[1],\"msg\":\"\",\"type\":\"\"}]}" },

        /* more than a hundred */

        { "{\"detail\":[" PLAIN, "," PLAIN, 99, "]}" },
        { "{\"detail\":[" PLAIN, "," PLAIN, 99, ",1,\"" SECRET "\"]}" },
    };

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        ok(both(&bodies[i]) == 0, "taken: %.60s", bodies[i].start);
    }
}


static void
declined(void)
{
    size_t  i;

    static const body_t  bodies[] = {
        B(""),
        B(" "),
        B("{\"detail\":[]}"),
        B("{\"detail\":{}}"),
        B("[" PLAIN "]"),
        B(ONE("{}")),
        B(ONE("[" PLAIN "]")),
        B(ONE(PLAIN ",1")),
        B("{\"detail\":[" PLAIN "],\"a\":1}"),
        B("{\"a\":1,\"detail\":[" PLAIN "]}"),
        B("{\"details\":[" PLAIN "]}"),
        B("{\"det\\u0061il\":[" PLAIN "]}"),

        /* no member, or another kind */

        B(ONE("{\"msg\":\"b\",\"type\":\"c\"}")),
        B(ONE("{\"loc\":[1],\"type\":\"c\"}")),
        B(ONE("{\"loc\":[1],\"msg\":\"b\"}")),
        B(LOC("[]")),
        B(LOC("1")),
        B(LOC("\"a\"")),
        B(LOC("{\"a\":1}")),
        B(MSG("1")),
        B(TYPE("null")),
        B(X("1,\"msg\":1")),
        B(X("1,\"t\\u0079pe\":\"d\"")),

        /* what a loc rarely has */

        B(LOC("[-0]")),
        B(LOC("[1.0]")),
        B(LOC("[1e1]")),
        B(LOC("[1E1]")),
        B(LOC("[true]")),
        B(LOC("[[]]")),
        B(LOC("[1234567890123456789]")),
        B(LOC("[" ITEMS16 ",16]")),

        /* texts that change */

        B(MSG("\"\\n\"")),
        B(MSG("\"\\/\"")),
        B(TYPE("\"\\u0000\"")),
        B(LOC("[\"\\u00e9\"]")),
        { "{\"detail\":[{\"loc\":[\"", "a", 4097, "\"],\"msg\":\"\","
          "\"type\":\"\"}]}" },
        { "{\"detail\":[{\"loc\":[1],\"type\":\"\",\"msg\":\"", "a", 4097,
          "\"}]}" },
        { "{\"detail\":[{\"loc\":[1],\"msg\":\"\",\"type\":\"", "a", 4097,
          "\"}]}" },
        B(MSG("\"" SECRET "\"")),
        B(TYPE("\"a" SECRET "b\"")),
        B(LOC("[1,\"" SECRET "\"]")),
        B(MSG("\"zq\\u002dzq\"")),

        /* no JSON, or none that can be represented */

        B(MSG("\"\xff\"")),
        B(MSG("\"\xc0\x80\"")),
        B(MSG("\"\xed\xa0\x80\"")),
        B(MSG("\"\xf4\x90\x80\x80\"")),
        B(MSG("\"\x1f\"")),
        B(X("\"\n\"")),
        B(X("\"\\x\"")),
        B(X("\"\\ud83d\"")),
        B(X("\"\\ude00\\ud83d\"")),
        B(X("{\"\\u0000\":1}")),
        B(X("{\"a\"}")),
        B(X("{1:1}")),
        B(X("{\"a\":1,}")),
        B(X("[1,]")),
        B(X("[1}")),
        B(X("{\"a\":1]")),
        B(X("01")),
        B(X("+1")),
        B(X("1.")),
        B(X("1a")),
        B(X("tru")),
        B(X("nulll")),
        B(X("1e999")),
        B(X("-1E999")),
        B(X("99999999999999999999")),
        B(X("")),
        B(X("\v1")),
        B(ONE(PLAIN ",")),
        B("{\"detail\":[" PLAIN "]"),
        B("{\"detail\":[" PLAIN),
        B("{\"detail\":[" PLAIN "}}"),
        B(ONE(PLAIN) ","),
        B(ONE(PLAIN) "}"),
        B("\xef\xbb\xbf" ONE(PLAIN)),
        { "{\"detail\":[" PLAIN, "," PLAIN, 99, ",1e999]}" },
        { "{\"detail\":[" PLAIN, "," PLAIN, 99, ",]}" },

        /* too deep for us, or for both */

        { "{\"detail\":[{\"loc\":[1],\"msg\":\"\",\"type\":\"\",\"x\":", "[",
          33, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}]}" },
        { "{\"detail\":[{\"x\":", "[", 3000, "" },
    };

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        ok(both(&bodies[i]) == CANOPY_PROBLEM_DECLINED, "declined: %.60s",
           bodies[i].start);
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
