/*
 * Time is linear in what a stranger sends: four times as much of the worst
 * there is takes about four times as long, not sixteen times.  It is CPU time,
 * the least of a few tries, so that a busy machine makes no difference.
 */

#include <time.h>

#include "canopy_answer.h"
#include "canopy_problem.h"
#include "canopy_token.h"
#include "tap.h"


#define SMALL  16000
#define LARGE  (4 * SMALL)      /* response_limit is about that */
#define TRIES  12

/* four, and what a machine's caches may add to it */
#define RATIO  9

/* seconds below which nothing can be said */
#define SHORT  0.001


typedef struct {
    const char  *name;
    const char  *start;
    const char  *fill;          /* as often as there is room; '#' is a digit of
                                   how often that was */
    const char  *end;
    const char  *secret;        /* to an eighth of the body's length */
    const char  *secret_end;    /* behind it; NULL: it is not repeated */
} body_t;


static void bodies(void);
static double normalize(const body_t *b, size_t size);
static void *alloc(void *data, size_t size);
static void answers(void);
static double answer(const char *start, const char *fill, size_t size);
static void tokens(void);
static double token(const char *fill, size_t size);
static size_t fill(char *buf, const char *start, const char *repeated,
    const char *end, size_t size);
static void linear(const char *name, double small, double large);
static double cpu_time(void);


int
main(void)
{
    bodies();
    answers();
    tokens();

    return tap_done();
}


static void
bodies(void)
{
    size_t  i;

    static const body_t  tests[] = {
        { "elements", "[1", ",{}", "]", NULL, NULL },
        { "elements with all", "[1", ",{\"loc\":[1,\"a\"],\"msg\":\"b\"}", "]",
          NULL, NULL },
        { "names", "{\"detail\":{\"a\":1", ",\"########\":1", "}}",
          NULL, NULL },
        { "a loc of arrays", "{\"detail\":{\"loc\":[1", ",[[1]]", "]}}",
          NULL, NULL },
        { "a loc of objects", "{\"detail\":{\"loc\":[1", ",{\"a\":{}}", "]}}",
          NULL, NULL },
        { "brackets", "", "[", "", NULL, NULL },
        { "arrays in arrays", "[1", ",[[[[[[[[[1]]]]]]]]]", "]", NULL, NULL },
        { "a text", "[\"", "a", "\"]", NULL, NULL },
        { "escapes", "[\"", "\\u0001", "\"]", NULL, NULL },
        { "escapes in an element", "[{\"a\":\"", "\\u0001", "\"}]",
          NULL, NULL },
        { "no end", "[\"", "\\\"", "", NULL, NULL },
        { "a number", "[1", "0", "]", NULL, NULL },
        { "numbers", "[{\"a\":[1", ",0.1", "]}]", NULL, NULL },
        { "nearly the secret", "[\"", "a", "\"]", "a", "b" },
        { "the secret over itself", "[\"", "a", "\"]", "a", "" },
        { "the secret again and again", "[\"", "abcdefgh12", "\"]",
          "abcdefgh12", "" },
        { "the secret in names", "{\"detail\":{\"x\":1", ",\"1########\":1",
          "}}", "1", NULL },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        linear(tests[i].name, normalize(&tests[i], SMALL),
               normalize(&tests[i], LARGE));
    }
}


static double
normalize(const body_t *b, size_t size)
{
    int               i;
    double            time, best;
    size_t            used;
    canopy_slice_t    out, type, secret;
    canopy_problem_t  in;

    static char  body[LARGE + 1], hidden[LARGE + 1];

    static const canopy_slice_t  json = canopy_slice("application/json");

    memset(&in, 0, sizeof(in));

    in.status = 422;
    in.content_type = json;
    in.body.data = (const uint8_t *) body;
    in.body.len = fill(body, b->start, b->fill, b->end, size);

    if (b->secret) {
        secret.data = (const uint8_t *) hidden;
        secret.len = fill(hidden, b->secret, b->secret,
                          b->secret_end ? b->secret_end : "",
                          b->secret_end ? size / 8 : 0);

        in.secrets = &secret;
        in.nsecrets = 1;
    }

    best = 1e9;

    for (i = 0; i < TRIES; i++) {
        used = 0;

        time = cpu_time();
        (void) canopy_problem_normalize(&in, alloc, &used, &out, &type);
        time = cpu_time() - time;

        best = time < best ? time : best;
    }

    return best;
}


static void *
alloc(void *data, size_t size)
{
    void    *p;
    size_t  *used = data;

    static uint8_t  room[64 * LARGE];

    if (size > sizeof(room) - *used) {
        return NULL;
    }

    p = room + *used;
    *used += size;

    return p;
}


static void
answers(void)
{
    size_t  i;

    static const struct {
        const char  *name;
        const char  *start;
        const char  *fill;
    } tests[] = {
        { "1xx", "", "HTTP/1.1 100 X\r\n\r\n" },
        { "fields", "HTTP/1.1 200 X\r\n", "Connection: a, b\r\n" },
        { "lengths", "HTTP/1.1 200 X\r\n", "Content-Length: 10\r\n" },
        { "a value", "HTTP/1.1 200 X\r\nConnection: ", "a," },
        { "spaces", "HTTP/1.1 200 X\r\nConnection: ", " " },
        { "chunks", "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n",
          "1;\r\nx\r\n" },
        { "zeros", "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n",
          "0" },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        linear(tests[i].name, answer(tests[i].start, tests[i].fill, SMALL),
               answer(tests[i].start, tests[i].fill, LARGE));
    }
}


/* byte by byte */
static double
answer(const char *start, const char *repeated, size_t size)
{
    int               i;
    size_t            len;
    double            time, best;
    const uint8_t    *pos, *last, *end;
    canopy_slice_t    body;
    canopy_answer_t   a;

    static char  buf[LARGE + 1];

    len = fill(buf, start, repeated, "", size);
    end = (const uint8_t *) buf + len;
    best = 1e9;

    for (i = 0; i < TRIES; i++) {
        canopy_answer_init(&a);

        time = cpu_time();

        for (pos = (const uint8_t *) buf; pos < end; /* void */) {
            last = pos + 1;

            if (canopy_answer_parse(&a, &pos, last, &body)
                >= CANOPY_ANSWER_DONE)
            {
                break;
            }
        }

        time = cpu_time() - time;
        best = time < best ? time : best;
    }

    return best;
}


static void
tokens(void)
{
    size_t  i;

    static const struct {
        const char  *name;
        const char  *fill;
    } tests[] = {
        { "dots", "." },
        { "a token's part", "A" },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        linear(tests[i].name, token(tests[i].fill, CANOPY_TOKEN_MAX / 4),
               token(tests[i].fill, CANOPY_TOKEN_MAX));
    }
}


static double
token(const char *repeated, size_t size)
{
    int              i;
    double           time, best;
    canopy_slice_t   text;
    canopy_claims_t  claims;

    static char  buf[CANOPY_TOKEN_MAX + 1];

    text.data = (const uint8_t *) buf;
    text.len = fill(buf, "eyJhbGciOiJFIn0.eyIwIjow", repeated, "fQ.AA", size);

    best = 1e9;

    for (i = 0; i < TRIES; i++) {
        time = cpu_time();
        (void) canopy_token_check(text, &claims);
        time = cpu_time() - time;

        best = time < best ? time : best;
    }

    return best;
}


static size_t
fill(char *buf, const char *start, const char *repeated, const char *end,
    size_t size)
{
    char      *p;
    size_t     len;
    size_t     i, n, k;

    n = 0;
    len = strlen(repeated);
    p = buf + sprintf(buf, "%s", start);

    while (p - buf + len + strlen(end) <= size) {
        memcpy(p, repeated, len);

        for (k = n++, i = len; i > 0; i--) {
            if (p[i - 1] == '#') {
                p[i - 1] = (char) ('0' + k % 10);
                k /= 10;
            }
        }

        p += len;
    }

    p += sprintf(p, "%s", end);

    return (size_t) (p - buf);
}


static void
linear(const char *name, double small, double large)
{
    ok(large < SHORT || large < RATIO * small, "%s", name);
    printf("# %.1f us, four times as much %.1f us\n", small * 1e6,
           large * 1e6);
}


static double
cpu_time(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}
