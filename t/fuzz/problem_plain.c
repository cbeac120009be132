/*
 * The fast way to normalize an error body: it declines, or it gives what the
 * slow way gives, by jansson, to the byte: the text and its first type.  It
 * asks for memory once, and writes no more than that.
 *
 * Input: a body, and then the same bytes as how to make one, which is mostly
 * what FastAPI would send.  All else is drawn by its hash: secrets are pieces
 * of the body, or of what the slow way makes of it without secrets, JSON's
 * syntax included.
 */

#include "canopy_problem_plain.h"
#include "canopy_problem_tree.h"
#include "problem_body.h"


#define SECRETS  3


/* the result may be the last of a few blocks */
typedef struct {
    size_t   n;
    void    *blocks[4];
    size_t   size;              /* of the last one */
} pool_t;


static void compare(canopy_slice_t body);
static void draw(canopy_problem_t *in, canopy_slice_t *secrets,
    canopy_slice_t answer);
static void *pool_alloc(void *data, size_t size);
static void pool_free(pool_t *pool);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    canopy_slice_t  body;

    static maker_t  m;

    body = fuzz_copy(data, size);
    compare(body);
    fuzz_free(body);

    m.p = data;
    m.last = data + size;
    m.len = 0;

    make_body(&m);

    body = fuzz_copy(m.text, m.len);
    compare(body);
    fuzz_free(body);

    return 0;
}


static void
compare(canopy_slice_t body)
{
    int               rc;
    pool_t            fast, slow, bare;
    canopy_slice_t    out[3], type[3], secrets[SECRETS];
    canopy_problem_t  in;

    static const canopy_slice_t  json = canopy_slice("application/json");

    memset(&in, 0, sizeof(in));

    in.content_type = json;
    in.body = body;
    in.status = 422;

    bare.n = 0;
    check(canopy_problem_tree(&in, pool_alloc, &bare, &out[0], &type[0]) == 0);

    draw(&in, secrets, out[0]);

    fast.n = 0;
    rc = canopy_problem_plain(&in, pool_alloc, &fast, &out[1], &type[1]);

    check(fast.n <= 1);

    if (rc == 0) {
        slow.n = 0;
        check(canopy_problem_tree(&in, pool_alloc, &slow, &out[2], &type[2])
              == 0);

        check(fuzz_same(out[1], out[2]));
        check(fuzz_same(type[1], type[2]));
        check(out[1].len + type[1].len <= fast.size);

        pool_free(&slow);

    } else {
        check(rc == CANOPY_PROBLEM_DECLINED);
    }

    pool_free(&fast);
    pool_free(&bare);
}


static void
draw(canopy_problem_t *in, canopy_slice_t *secrets, canopy_slice_t answer)
{
    size_t          at;
    uint32_t        state;
    canopy_slice_t  from, *secret;

    static const unsigned  statuses[] = { 422, 503, 404, 400 };

    state = fuzz_hash(in->body.data, in->body.len);

    in->status = statuses[fuzz_random(&state, 4)];
    in->secrets = secrets;

    while (in->nsecrets < SECRETS && fuzz_random(&state, 3)) {
        from = fuzz_random(&state, 2) ? answer : in->body;

        if (from.len == 0) {
            continue;
        }

        at = fuzz_random(&state, (uint32_t) from.len);
        secret = &secrets[in->nsecrets++];

        secret->data = from.data + at;
        secret->len = fuzz_random(&state, fuzz_random(&state, 8) ? 40 : 2000);

        if (secret->len > from.len - at) {
            secret->len = from.len - at;
        }
    }
}


static void *
pool_alloc(void *data, size_t size)
{
    pool_t  *pool = data;

    check(pool->n < sizeof(pool->blocks) / sizeof(pool->blocks[0]));

    pool->size = size;

    return pool->blocks[pool->n++] = malloc(size);
}


static void
pool_free(pool_t *pool)
{
    while (pool->n) {
        free(pool->blocks[--pool->n]);
    }
}
