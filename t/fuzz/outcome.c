/*
 * The word is true: a world is drawn in which each copy of a request reaches
 * the upstream or not, takes effect or not, and is answered or not, and the
 * gateway is told what it can see of that.  "accepted" is only said if a copy
 * took effect, "rejected" only if all were refused, "denied" and "not-sent"
 * only if none was sent; and what section 5 of the contract says of all copies
 * together is the word, at any time.  What one answer means is its table.
 *
 * Input: two bytes for an answer on its own, then three for each copy.
 */

#include "canopy_outcome.h"
#include "fuzz.h"


/* the contract allows two; the rule must hold for more */
#define COPIES  6


typedef enum {
    SEEN_NOTHING = 0,           /* no usable answer */
    SEEN_ACCEPTED,
    SEEN_REJECTED
} seen_e;


static void check_meaning(unsigned status, unsigned body);
static void check_world(const uint8_t *data, size_t size, unsigned alone);
static seen_e exchange(const uint8_t *bytes, canopy_copies_t *copies,
    int *effect);
static void check_word(const canopy_copies_t *copies, const seen_e *seen,
    size_t n, int effect, unsigned status);
static const char *rule(const seen_e *seen, size_t n, unsigned status);
static int is(canopy_slice_t word, const char *text);


/* section 5: "upstream" */

static const struct {
    unsigned     first;
    unsigned     last;
    unsigned     client;        /* 0: the same */
    const char  *type;          /* "": the body is normalized, or none */
    char         outcome;
    unsigned     retry_after;
} table[] = {
    { 204, 204, 204, "", 'a', 0 },
    { 422, 422, 0, "", 'r', 0 },
    { 404, 404, 0, "", 'r', 0 },
    { 409, 410, 0, "", 'r', 0 },
    { 429, 429, 0, "", 'r', 1 },
    { 403, 403, 0, "", 'r', 0 },
    { 401, 401, 502, "credential_rejected", 'r', 0 },
    { 408, 408, 504, "http_response_timeout", 'u', 0 },
    { 400, 499, 502, "http_protocol_error", 'r', 0 },
    { 500, 500, 0, "", 'u', 1 },
    { 502, 504, 0, "", 'u', 1 },
    { 500, 599, 502, "", 'u', 0 },
    { 0, 0xffffffff, 502, "http_protocol_error", 'u', 0 },
};


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned  status;

    if (size < 2) {
        return 0;
    }

    status = data[0] | (data[1] & 3u) << 8;

    check_meaning(status, data[1] >> 2 & 3);
    check_world(data + 2, size - 2, status);

    return 0;
}


static void
check_meaning(unsigned status, unsigned body)
{
    size_t                   i;
    const char              *type;
    canopy_answer_meaning_t  m;

    body %= 3;
    m = canopy_answer_meaning(status, (canopy_body_e) body);

    if ((status == 200 || status == 202) && body != CANOPY_BODY_OTHER) {
        status = 204;           /* the same row */
    }

    for (i = 0; status < table[i].first || status > table[i].last; i++) {
        /* void */
    }

    type = table[i].type;

    check(m.status == (table[i].client ? table[i].client : status));
    check(m.retry_after == table[i].retry_after);

    check(m.effect == (table[i].outcome == 'a' ? CANOPY_ACCEPTED
                       : table[i].outcome == 'r' ? CANOPY_REJECTED
                                                 : CANOPY_UNKNOWN));

    if (*type == '\0') {
        check(m.error == CANOPY_OK);
        return;
    }

    check(is(canopy_error(m.error)->type, type));
    check(canopy_error(m.error)->status == m.status);
}


/* alone: the status of an answer before any copy */
static void
check_world(const uint8_t *data, size_t size, unsigned alone)
{
    int              effect;
    size_t           n;
    seen_e           seen[COPIES];
    unsigned         status;
    canopy_copies_t  copies;

    memset(&copies, 0, sizeof(copies));
    effect = 0;

    check_word(&copies, NULL, 0, effect, 0);
    check_word(&copies, NULL, 0, effect, alone);

    for (n = 0; n < COPIES && size >= 3; n++, data += 3, size -= 3) {

        /* nobody sends it again once it was accepted */

        if (n && seen[n - 1] == SEEN_ACCEPTED) {
            break;
        }

        status = data[0] | (data[1] & 3u) << 8;

        seen[n] = SEEN_NOTHING;
        canopy_copies_sent(&copies);
        check_word(&copies, seen, n + 1, effect, status);

        seen[n] = exchange(data, &copies, &effect);
        check_word(&copies, seen, n + 1, effect, status);
        check_word(&copies, seen, n + 1, effect, 0);
    }
}


/* what the upstream does, and what of that is seen */
static seen_e
exchange(const uint8_t *bytes, canopy_copies_t *copies, int *effect)
{
    unsigned                 status;
    canopy_answer_meaning_t  m;

    status = bytes[0] | (bytes[1] & 3u) << 8;

    if (bytes[2] & 1) {
        /* nothing arrives, or no answer: who knows which */
        *effect |= (bytes[2] >> 1) & 1;
        return SEEN_NOTHING;
    }

    m = canopy_answer_meaning(status, (canopy_body_e) ((bytes[1] >> 2) % 3));

    canopy_copies_answered(copies, m.effect);

    switch (m.effect) {

    case CANOPY_ACCEPTED:
        check(status == 200 || status == 202 || status == 204);
        *effect = 1;
        return SEEN_ACCEPTED;

    case CANOPY_REJECTED:
        check(status >= 400 && status <= 499);
        return SEEN_REJECTED;

    default:
        /* a server that failed may have done it before */
        check(m.effect == CANOPY_UNKNOWN);
        *effect |= (bytes[2] >> 1) & 1;
        return SEEN_NOTHING;
    }
}


static void
check_word(const canopy_copies_t *copies, const seen_e *seen, size_t n,
    int effect, unsigned status)
{
    canopy_slice_t    word, hint;
    canopy_outcome_e  outcome;

    outcome = canopy_outcome(copies, status);
    word = canopy_outcome_word(outcome);
    hint = canopy_outcome_hint(outcome);

    check(is(word, rule(seen, n, status)));

    /* the ground truth */

    check(!is(word, "accepted") || effect);
    check(!is(word, "rejected") || !effect);
    check(!(is(word, "denied") || is(word, "not-sent")) || n == 0);
    check(n > 0 || !effect);

    check((hint.len != 0) == is(word, "unknown"));
}


/*
 * "One copy without a usable answer makes it unknown (unless a later copy was
 * answered accepted); else the last status decides; else not-sent", which is
 * denied if the gateway refused the request as it is.
 */
static const char *
rule(const seen_e *seen, size_t n, unsigned status)
{
    size_t  i, k;

    for (i = 0; i < n; i++) {

        if (seen[i] != SEEN_NOTHING) {
            continue;
        }

        for (k = i + 1; k < n && seen[k] != SEEN_ACCEPTED; k++) { /* void */ }

        if (k >= n) {
            return "unknown";
        }
    }

    if (n) {
        return seen[n - 1] == SEEN_ACCEPTED ? "accepted" : "rejected";
    }

    return status == 0 || status == 429 || status == 499 || status >= 500 ? "not-sent"
                                                         : "denied";
}


static int
is(canopy_slice_t word, const char *text)
{
    return word.len == strlen(text)
           && memcmp(word.data, text, word.len) == 0;
}
