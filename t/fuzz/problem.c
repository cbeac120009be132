/*
 * Whatever the body: the answer is valid against the schema, its type is its
 * first entry's, no secret is in it, neither in its bytes nor in its texts nor
 * in a JSON text among these, its size and the time are bounded by the body's,
 * and normalizing it again changes nothing.  As far as they have no secrets,
 * the upstream's own words are there, in their order.
 *
 * A secret that is a piece of our own words can't be hidden there, so those
 * used here have a byte that none of our words has.
 *
 * Input: the body.  All else is drawn by its hash, so that the bodies of
 * t/cases/problem are inputs as they are.
 */

#include <time.h>

#include "problem_words.h"


#define SECRETS  4

/*
 * For each byte of the body: one that is a secret becomes "[redacted]", and a
 * short real number is written with many digits first.
 */
#define GROWTH  64

/* for each entry: loc, type and names, when the body has none of them */
#define ENTRY  128

/* seconds of CPU time for bodies of some kilobytes, sanitizers included */
#define TIME  0.5

/* bytes of our own sentences and constants, JSON's syntax included */
#define WORDS                                                                 \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ8 ,:-_\"[]{}"


/* the result may be the last of a few blocks */
typedef struct {
    size_t   n;
    void    *blocks[4];
} pool_t;


static void draw(canopy_problem_t *in, canopy_slice_t *secrets);
static canopy_slice_t piece(canopy_slice_t body, uint32_t *state);
static void check_answer(const canopy_problem_t *in, canopy_slice_t out,
    canopy_slice_t type);
static void check_schema(canopy_slice_t out, canopy_slice_t type,
    const canopy_problem_t *in);
static void check_entry(json_t *entry, const canopy_problem_t *in);
static void check_text(json_t *text, const canopy_problem_t *in);
static double cpu_time(void);
static void check_again(const canopy_problem_t *in, canopy_slice_t out);
static void *pool_alloc(void *data, size_t size);
static void pool_free(pool_t *pool);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pool_t            pool;
    double            start;
    canopy_slice_t    out, type, secrets[SECRETS];
    canopy_problem_t  in;

    memset(&in, 0, sizeof(in));
    pool.n = 0;

    in.body = fuzz_copy(data, size);
    draw(&in, secrets);

    start = cpu_time();

    check(canopy_problem_normalize(&in, pool_alloc, &pool, &out, &type) == 0);
    check(cpu_time() - start < TIME);

    check_answer(&in, out, type);
    check_words(&in, out);
    check_again(&in, out);

    pool_free(&pool);
    fuzz_free(in.body);

    return 0;
}


static void
draw(canopy_problem_t *in, canopy_slice_t *secrets)
{
    size_t          i;
    uint32_t        state;
    canopy_slice_t  secret;

    static const unsigned  statuses[] = { 422, 503, 404, 400 };

    static const canopy_slice_t  types[] = {
        canopy_slice("application/json"),
        canopy_slice("application/problem+json; charset=utf-8"),
        canopy_slice("application/json"),
        canopy_slice("text/plain"),
    };

    /* one that can stand in JSON as it is, and one that can't */

    static const canopy_slice_t  planted[] = {
        canopy_slice("s3cr3t-T0ken.abc"),
        canopy_slice("p4\"\\q")
    };

    state = fuzz_hash(in->body.data, in->body.len);

    in->status = statuses[fuzz_random(&state, 4)];
    in->content_type = types[fuzz_random(&state, 4)];

    in->secrets = secrets;
    secrets[in->nsecrets++] = planted[0];
    secrets[in->nsecrets++] = planted[1];

    for (i = fuzz_random(&state, SECRETS - 1); i > 0; i--) {
        secret = piece(in->body, &state);

        if (secret.len) {
            secrets[in->nsecrets++] = secret;
        }
    }
}


/* of the body, or nothing if a secret can't be that */
static canopy_slice_t
piece(canopy_slice_t body, uint32_t *state)
{
    size_t          at, i;
    canopy_slice_t  slice;

    slice.len = 0;
    slice.data = NULL;

    if (body.len == 0) {
        return slice;
    }

    at = fuzz_random(state, (uint32_t) body.len);
    slice.data = body.data + at;
    slice.len = 1 + fuzz_random(state, 16);

    if (slice.len > body.len - at) {
        slice.len = body.len - at;
    }

    for (i = 0; i < slice.len; i++) {
        if (memchr(WORDS, slice.data[i], sizeof(WORDS) - 1) == NULL) {
            return slice;
        }
    }

    slice.len = 0;

    return slice;
}


static void
check_answer(const canopy_problem_t *in, canopy_slice_t out,
    canopy_slice_t type)
{
    check(out.len <= GROWTH * in->body.len + CANOPY_PROBLEM_ENTRIES * ENTRY);

    check(!holds_secret(in, out.data, out.len));
    check(!holds_secret(in, type.data, type.len));
    check_schema(out, type, in);
}


static void
check_schema(canopy_slice_t out, canopy_slice_t type,
    const canopy_problem_t *in)
{
    size_t           i;
    json_t          *root, *detail, *entry;
    canopy_slice_t   first;

    root = json_loadb((const char *) out.data, out.len,
                      JSON_ALLOW_NUL|JSON_REJECT_DUPLICATES, NULL);
    check(json_object_size(root) == 1);

    detail = json_object_get(root, "detail");
    check(json_array_size(detail) >= 1);
    check(json_array_size(detail) <= CANOPY_PROBLEM_ENTRIES);

    json_array_foreach(detail, i, entry) {
        check_entry(entry, in);
    }

    entry = json_object_get(json_array_get(detail, 0), "type");
    first.data = (const uint8_t *) json_string_value(entry);
    first.len = json_string_length(entry);
    check(fuzz_same(first, type));

    json_decref(root);
}


static void
check_entry(json_t *entry, const canopy_problem_t *in)
{
    size_t   i;
    json_t  *loc, *item;

    check(json_object_size(entry) == 3);

    check_text(json_object_get(entry, "msg"), in);
    check_text(json_object_get(entry, "type"), in);

    loc = json_object_get(entry, "loc");
    check(json_array_size(loc) >= 1);

    json_array_foreach(loc, i, item) {
        if (!json_is_integer(item)) {
            check_text(item, in);
        }
    }
}


static void
check_text(json_t *text, const canopy_problem_t *in)
{
    check(json_is_string(text));
    check(json_string_length(text) <= CANOPY_PROBLEM_TEXT);
    check(!has_secret(in, text));
}


static double
cpu_time(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


static void
check_again(const canopy_problem_t *in, canopy_slice_t out)
{
    pool_t            pool;
    canopy_slice_t    second, type;
    canopy_problem_t  again;

    static const canopy_slice_t  json = canopy_slice("application/json");

    again = *in;
    again.content_type = json;
    again.body = fuzz_copy(out.data, out.len);

    pool.n = 0;

    check(canopy_problem_normalize(&again, pool_alloc, &pool, &second, &type)
          == 0);
    check(fuzz_same(second, out));

    pool_free(&pool);
    fuzz_free(again.body);
}


static void *
pool_alloc(void *data, size_t size)
{
    pool_t  *pool = data;

    check(pool->n < sizeof(pool->blocks) / sizeof(pool->blocks[0]));

    return pool->blocks[pool->n++] = malloc(size);
}


static void
pool_free(pool_t *pool)
{
    while (pool->n) {
        free(pool->blocks[--pool->n]);
    }
}
