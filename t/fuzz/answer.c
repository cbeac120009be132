/*
 * An answer is understood as the oracle understands it, which reads it slowly:
 * the same head, body, end and fault; and so is every beginning of it.  In
 * pieces, however it is cut, it is understood as if it had come whole.  Every
 * slice of a body is a part of the piece just given, right before the new
 * position, which never goes back.  What the head says of the framing fits
 * the body.
 *
 * Input: the bytes from the network.  Where they are cut is drawn by their
 * hash.
 */

#include "answer_oracle.h"


#define CUTS    16              /* that many of an input are tried */
#define STARTS  8


typedef struct {
    canopy_answer_rc_e   rc;            /* the last one */
    canopy_answer_rc_e   eof;
    unsigned             heads;
    size_t               left;          /* bytes that were not taken */
    size_t               len;
    uint8_t             *body;
    canopy_answer_t      a;             /* at the end for ASan's sake */
} result_t;


static result_t *start(size_t size);
static void feed(result_t *r, const uint8_t *data, size_t len);
static void finish(result_t *r, const result_t *whole);
static void check_result(result_t *r);
static void check_head(const result_t *r);
static void check_same(const result_t *a, const result_t *b);
static void check_oracle(const result_t *r, const uint8_t *data, size_t len);
static int same_value(const canopy_answer_value_t *a,
    const canopy_answer_value_t *b);
static int same_slice(const canopy_answer_value_t *a, canopy_slice_t b);


static oracle_t  wanted;        /* too large for the stack */


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t     i, k, n;
    uint32_t   state;
    result_t  *whole, *r;

    if (size > CANOPY_ANSWER_HEAD_MAX) {
        return 0;
    }

    state = fuzz_hash(data, size);

    /* what has come so far */

    for (i = 0; i < STARTS && size; i++) {
        n = fuzz_random(&state, (uint32_t) size);

        r = start(size);
        feed(r, data, n);
        check_oracle(r, data, n);
        finish(r, r);
    }

    whole = start(size);
    feed(whole, data, size);
    check_result(whole);
    check_oracle(whole, data, size);

    /* byte by byte */

    r = start(size);

    for (i = 0; i < size; i++) {
        feed(r, data + i, 1);
    }

    finish(r, whole);

    /* in two, the first one may be empty, and the second */

    for (i = 0; i < CUTS; i++) {
        n = size < CUTS ? i : fuzz_random(&state, (uint32_t) size + 1);

        if (n > size) {
            break;
        }

        r = start(size);
        feed(r, data, n);
        feed(r, data + n, size - n);
        finish(r, whole);
    }

    /* in many */

    r = start(size);

    for (k = 0; k < size; k += n) {
        n = fuzz_random(&state, 40);
        n = n < size - k ? n : size - k;
        feed(r, data + k, n);
    }

    finish(r, whole);

    free(whole->body);
    free(whole);

    return 0;
}


static result_t *
start(size_t size)
{
    result_t  *r;

    r = calloc(1, sizeof(result_t));
    check(r != NULL);

    r->body = malloc(size + 1);
    check(r->body != NULL);

    /* what the memory held before must not matter */
    memset(&r->a, 0xa5, sizeof(canopy_answer_t));
    canopy_answer_init(&r->a);

    return r;
}


static void
feed(result_t *r, const uint8_t *data, size_t len)
{
    canopy_slice_t  in, body;
    const uint8_t  *pos, *last, *before;

    if (r->rc > CANOPY_ANSWER_BODY) {
        r->left += len;
        return;
    }

    in = fuzz_copy(data, len);
    pos = in.data;
    last = pos + len;

    do {
        before = pos;
        r->rc = canopy_answer_parse(&r->a, &pos, last, &body);

        check(before <= pos && pos <= last);

        if (r->rc == CANOPY_ANSWER_BODY) {
            check(r->heads == 1);
            check(body.len > 0 && body.len <= (size_t) (pos - before));
            check(body.data == pos - body.len);

            memcpy(r->body + r->len, body.data, body.len);
            r->len += body.len;

        } else {
            check(body.len == 0 && body.data == NULL);
            r->heads += (r->rc == CANOPY_ANSWER_HEAD);
        }

    } while (r->rc == CANOPY_ANSWER_HEAD || r->rc == CANOPY_ANSWER_BODY);

    check(r->rc != CANOPY_ANSWER_AGAIN || pos == last);

    r->left += (size_t) (last - pos);

    fuzz_free(in);
}


static void
finish(result_t *r, const result_t *whole)
{
    check_result(r);
    check_same(r, whole);

    free(r->body);
    free(r);
}


static void
check_result(result_t *r)
{
    canopy_answer_rc_e  want;

    r->eof = canopy_answer_eof(&r->a);

    want = r->rc;

    if (r->rc == CANOPY_ANSWER_AGAIN) {
        want = r->heads == 0 ? CANOPY_ANSWER_BAD_HEAD
               : r->a.framing == CANOPY_FRAMING_CLOSE ? CANOPY_ANSWER_DONE
                                                      : CANOPY_ANSWER_BAD_BODY;
    }

    check(r->eof == want);
    check(r->heads <= 1);
    check(r->heads == 1 || r->len == 0);
    check(r->heads == 1 || r->rc == CANOPY_ANSWER_AGAIN
          || r->rc == CANOPY_ANSWER_BAD_HEAD);
    check(r->heads == 0 || r->rc != CANOPY_ANSWER_BAD_HEAD);

    if (r->heads) {
        check_head(r);
    }
}


static void
check_head(const result_t *r)
{
    const canopy_answer_t  *a;

    a = &r->a;

    check(a->status == 101 || (a->status >= 200 && a->status <= 999));
    check((a->status != 101 && a->status <= 599)
          || a->framing == CANOPY_FRAMING_UNKNOWN);
    check(a->content_type.len <= CANOPY_ANSWER_VALUE_MAX);
    check(a->retry_after.len <= CANOPY_ANSWER_VALUE_MAX);
    check(a->request_id.len <= CANOPY_ANSWER_VALUE_MAX);

    switch (a->framing) {

    case CANOPY_FRAMING_NONE:
        check(r->rc == CANOPY_ANSWER_DONE && r->len == 0 && a->length == 0);
        break;

    case CANOPY_FRAMING_LENGTH:
        check(a->length > 0 && r->len <= a->length);
        check(r->rc == (r->len == a->length ? CANOPY_ANSWER_DONE
                                            : CANOPY_ANSWER_AGAIN));
        break;

    case CANOPY_FRAMING_CHUNKED:
        check(a->length == 0);
        break;

    case CANOPY_FRAMING_CLOSE:
        check(r->rc == CANOPY_ANSWER_AGAIN && r->left == 0);
        check(!a->keepalive && a->length == 0);
        break;

    default: /* CANOPY_FRAMING_UNKNOWN */
        check(r->rc == CANOPY_ANSWER_BAD_BODY && !a->keepalive);
    }
}


static void
check_same(const result_t *a, const result_t *b)
{
    check(a->rc == b->rc && a->eof == b->eof && a->heads == b->heads);
    check(a->len == b->len && memcmp(a->body, b->body, a->len) == 0);
    check(a->rc >= CANOPY_ANSWER_BAD_HEAD || a->left == b->left);

    if (a->heads == 0) {
        return;
    }

    check(a->a.status == b->a.status);
    check(a->a.framing == b->a.framing);
    check(a->a.length == b->a.length);
    check(a->a.keepalive == b->a.keepalive);
    check(a->a.encoded == b->a.encoded);
    check(same_value(&a->a.content_type, &b->a.content_type));
    check(same_value(&a->a.retry_after, &b->a.retry_after));
    check(same_value(&a->a.request_id, &b->a.request_id));
}


static void
check_oracle(const result_t *r, const uint8_t *data, size_t len)
{
    canopy_slice_t  in;

    in = fuzz_copy(data, len);
    oracle(&wanted, in);

    check(r->rc == wanted.rc);
    check(r->heads == wanted.head);
    check(r->rc != CANOPY_ANSWER_DONE || r->left == wanted.left);

    if (wanted.head) {
        check(r->a.status == wanted.status);
        check(r->a.framing == wanted.framing);
        check(r->a.framing != CANOPY_FRAMING_LENGTH
              || r->a.length == wanted.length);
        check(r->a.keepalive == wanted.keepalive);
        check(r->a.encoded == wanted.encoded);
        check(same_slice(&r->a.content_type, wanted.content_type));
        check(same_slice(&r->a.retry_after, wanted.retry_after));
        check(same_slice(&r->a.request_id, wanted.request_id));

        check(r->len == wanted.len);
        check(memcmp(r->body, wanted.body, r->len) == 0);
    }

    fuzz_free(in);
}


static int
same_value(const canopy_answer_value_t *a, const canopy_answer_value_t *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}


static int
same_slice(const canopy_answer_value_t *a, canopy_slice_t b)
{
    return a->len == b.len && (b.len == 0
                               || memcmp(a->data, b.data, b.len) == 0);
}
