/*
 * A file of any bytes is refused, or it is read as what the writers write of
 * it again; nothing is touched by one that is refused.  What is written is
 * read as it was, by its own key only.
 *
 * Input: the file; KEY in it stands for the key that is asked for, which can't
 * be guessed.
 */

#include "canopy_grant.h"
#include "canopy_state.h"
#include "fuzz.h"


#define NOW  INT64_C(1764000000000)
#define DAY  ((int64_t) CANOPY_BUDGET_WINDOW)


static canopy_slice_t fill(const uint8_t *data, size_t size,
    const char *digits);
static void check_token(canopy_slice_t text);
static void check_budget(canopy_slice_t text);
static void check_name(canopy_slice_t text);
static void *get(void *data, size_t size);


static const canopy_state_key_t  key = {
    canopy_slice("live"), canopy_slice("https://a.b/oauth/token"),
    canopy_slice("id"), canopy_slice("https://a.b")
};

static const canopy_state_key_t  other = {
    canopy_slice("live"), canopy_slice("https://a.b/oauth/token"),
    canopy_slice("id"), canopy_slice("https://a.c")
};


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void                 *block;
    canopy_slice_t        text;
    canopy_state_token_t  none;

    static char  digits[65];

    /* the key, out of a file of it */

    if (digits[0] == '\0') {
        block = NULL;

        memset(&none, 0, sizeof(none));
        none.token.data = (const uint8_t *) "a";
        none.token.len = 1;
        check(canopy_state_write_token(&key, &none, get, &block, &text) == 0);

        memcpy(digits, text.data + sizeof("{\"format\":1,\"key\":\"") - 1, 64);

        free(block);
    }

    text = fill(data, size, digits);

    check_token(text);
    check_budget(text);
    check_name(text);

    fuzz_free(text);

    return 0;
}


static canopy_slice_t
fill(const uint8_t *data, size_t size, const char *digits)
{
    uint8_t         *buf;
    const uint8_t   *at;
    canopy_slice_t   text;

    at = size ? memmem(data, size, "KEY", 3) : NULL;

    if (at == NULL) {
        return fuzz_copy(data, size);
    }

    buf = malloc(size + 61);
    check(buf != NULL);

    memcpy(buf, data, (size_t) (at - data));
    memcpy(buf + (at - data), digits, 64);
    memcpy(buf + (at - data) + 64, at + 3, size - (size_t) (at - data) - 3);

    text = fuzz_copy(buf, size + 61);
    free(buf);

    return text;
}


static void
check_token(canopy_slice_t text)
{
    int                   rc;
    void                 *token, *again, *block;
    size_t                i;
    canopy_slice_t        written;
    canopy_state_token_t  state, second;

    token = again = block = NULL;

    memset(&state, 0xa5, sizeof(state));
    second = state;

    rc = canopy_state_read_token(text, &key, NOW, get, &token, &state);

    if (rc != 0) {
        check(rc == -1 || rc == -2);
        check(token == NULL);
        check(memcmp(&state, &second, sizeof(state)) == 0);
        return;
    }

    check(state.token.data == token);
    check(state.token.len >= 1 && state.token.len <= CANOPY_GRANT_TOKEN_MAX);

    for (i = 0; i < state.token.len; i++) {
        check(state.token.data[i] >= '!' && state.token.data[i] <= '~');
    }

    check(state.refresh.obtained > 0);
    check(state.refresh.obtained <= NOW + 60000);
    check(state.refresh.renew >= state.refresh.obtained);
    check(state.refresh.expires >= state.refresh.renew);
    check(state.refresh.expires - state.refresh.obtained <= 30 * DAY);

    check(state.refresh.until == 0 && state.refresh.forced == 0
          && state.refresh.failures == 0 && state.refresh.retry == 0
          && state.refresh.limited == 0 && state.refresh.refusals == 0
          && state.refresh.force == 0);

    check(canopy_state_write_token(&key, &state, get, &block, &written) == 0);
    check(canopy_state_read_token(written, &key, NOW, get, &again, &second)
          == 0);

    check(fuzz_same(state.token, second.token));
    check(memcmp(&state.refresh, &second.refresh, sizeof(state.refresh)) == 0);

    free(again);
    again = NULL;
    check(canopy_state_read_token(written, &other, NOW, get, &again, &second)
          == -2);

    free(token);
    free(block);
}


static void
check_budget(canopy_slice_t text)
{
    int               rc;
    void             *block;
    uint32_t          i;
    canopy_slice_t    written;
    canopy_budget_t  *budget, *before, *second;

    block = NULL;

    /* each the end of a block, so that ASan sees what is behind them */

    budget = calloc(3, sizeof(canopy_budget_t));
    before = calloc(1, sizeof(canopy_budget_t));
    second = calloc(1, sizeof(canopy_budget_t));
    check(budget != NULL && before != NULL && second != NULL);

    budget->limit = before->limit = 7;

    rc = canopy_state_read_budget(text, &key, NOW, budget);

    if (rc != 0) {
        check(rc == -1 || rc == -2);
        check(memcmp(budget, before, sizeof(canopy_budget_t)) == 0);

    } else {
        check(budget->limit == 7 && budget->n <= CANOPY_BUDGET_MAX);

        for (i = 0; i < budget->n; i++) {
            check(budget->spent[i].at > NOW - DAY);
            check(i == 0 || budget->spent[i].at >= budget->spent[i - 1].at);
            check(budget->spent[i].forced <= 1);
        }

        /* read again it is the same, and so is what is written of it */

        *before = *budget;
        check(canopy_state_read_budget(text, &key, NOW, budget) == 0);
        check(memcmp(budget, before, sizeof(canopy_budget_t)) == 0);

        second->limit = 7;
        check(canopy_state_write_budget(&key, budget, get, &block, &written)
              == 0);
        check(written.len <= CANOPY_STATE_MAX);
        check(canopy_state_read_budget(written, &key, NOW, second) == 0);
        check(second->n == budget->n);
        check(memcmp(second->spent, budget->spent,
                     budget->n * sizeof(budget->spent[0])) == 0);
        check(canopy_state_read_budget(written, &other, NOW, second) == -2);
        check(canopy_budget_used(second, NOW) == budget->n);
    }

    free(block);
    free(budget);
    free(before);
    free(second);
}


/* the text is the environment and more */
static void
check_name(canopy_slice_t text)
{
    char                name[CANOPY_STATE_NAME + 1];
    size_t              len, env;
    canopy_state_key_t  any;

    memset(name, 0x7e, sizeof(name));

    any = key;
    any.environment = text;
    any.environment.len = text.len / 2;
    any.client_id = text;

    canopy_state_name(&any, name);

    check(memchr(name, '\0', CANOPY_STATE_NAME) != NULL);
    check(name[CANOPY_STATE_NAME] == 0x7e);

    len = strlen(name);
    env = any.environment.len < 64 ? any.environment.len : 64;

    check(len == env + (env ? 1 : 0) + 16);
    check(strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                 "0123456789_-") == len);
    check(strspn(name + len - 16, "0123456789abcdef") == 16);
}


static void *
get(void *data, size_t size)
{
    void  **block = data;

    check(*block == NULL);
    *block = malloc(size);
    check(*block != NULL);

    return *block;
}
