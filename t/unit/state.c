/*
 * canopy_state: names; what is written can be read, and nothing else can.
 */

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "canopy_grant.h"
#include "canopy_state.h"
#include "tap.h"


#define T    INT64_C(1764000000000)
#define DAY  ((int64_t) CANOPY_BUDGET_WINDOW)

#define TOKEN  "eyJ.abc.~!"

#define LIVE   { canopy_slice("live"),                                        \
                 canopy_slice("https://a.b/oauth/token"),                     \
                 canopy_slice("id"), canopy_slice("https://a.b") }
#define SHARE  { canopy_slice(""),                                            \
                 canopy_slice("https://a.b/oauth/token"),                     \
                 canopy_slice("id"), canopy_slice("") }


typedef struct {
    const char  *name;
    const char  *text;          /* KEY stands for the key, T for now */
    int          rc;
} case_t;


static void names(void);
static void digest(const canopy_state_key_t *key, char *hex);
static void token(void);
static void budget(void);
static void tokens(void);
static void budgets(void);
static void keys(void);
static void damage(void);
static void sizes(void);
static void no_memory(void);
static void no_digest(void);
static int named(void);
static canopy_slice_t form(const char *text, const canopy_state_key_t *key);
static canopy_slice_t guarded(const char *text, size_t len);
static int is(canopy_slice_t slice, const char *text);
static int same(canopy_slice_t a, canopy_slice_t b);
static void *pool(void *data, size_t size);
static void *refuse(void *data, size_t size);
static void *count_malloc(size_t size);
static void count_free(void *p);
static void *ssl_malloc(size_t size, const char *file, int line);
static void *ssl_realloc(void *p, size_t size, const char *file, int line);
static void ssl_free(void *p, const char *file, int line);


static const canopy_state_key_t  live_key = LIVE;
static const canopy_state_key_t  share_key = SHARE;

static size_t  live;            /* jansson's blocks in use */
static size_t  left;            /* allocations until one fails, 0: never */
static size_t  ssl_live;        /* the same of OpenSSL's */
static size_t  ssl_left;


#define HEAD   "{\"format\":1,\"key\":\"KEY\","
#define BODY   "\"token\":\"abc\",\"obtained\":1000,\"expires\":3000,"         \
               "\"renew\":2000}"
#define TIMES(obtained, renew, expires)                                       \
    HEAD "\"token\":\"abc\",\"obtained\":" obtained ",\"expires\":" expires   \
    ",\"renew\":" renew "}"

static const case_t  token_table[] = {
    { "as it is written", HEAD BODY "\n", 0 },
    { "without a line's end", HEAD BODY, 0 },
    { "with space", " { \"format\" : 1 , \"key\" : \"KEY\", " BODY " ", 0 },
    { "in another order",
      "{\"renew\":2000,\"expires\":3000,\"token\":\"abc\",\"obtained\":1000,"
      "\"key\":\"KEY\",\"format\":1}", 0 },
    { "expired", TIMES("1000", "1000", "1000"), 0 },
    { "of the next minute",
      TIMES("1764000060000", "1764000060000", "1764000060000"), 0 },
    { "of the first millisecond", TIMES("1", "2000", "3000"), 0 },
    { "of 30 days", TIMES("1000", "2000", "2592001000"), 0 },

    { "nothing", "", -1 },
    { "a line's end", "\n", -1 },
    { "zeros", "0000000000", -1 },
    { "an empty object", "{}", -1 },
    { "a list", "[" HEAD BODY "]", -1 },
    { "a string", "\"abc\"", -1 },
    { "the first half", HEAD "\"token\":\"a", -1 },
    { "two of them", HEAD BODY HEAD BODY, -1 },
    { "more behind it", HEAD BODY "x", -1 },
    { "a comment", HEAD BODY "// x", -1 },
    { "a BOM", "\xef\xbb\xbf" HEAD BODY, -1 },
    { "an invalid byte", HEAD "\"\xff\":1," BODY, -1 },

    { "format 2", "{\"format\":2,\"key\":\"KEY\"," BODY, -1 },
    { "format 2^32 + 1", "{\"format\":4294967297,\"key\":\"KEY\"," BODY, -1 },
    { "format 1.0", "{\"format\":1.0,\"key\":\"KEY\"," BODY, -1 },
    { "format as a string", "{\"format\":\"1\",\"key\":\"KEY\"," BODY, -1 },
    { "no format", "{\"key\":\"KEY\"," BODY, -1 },
    { "no key", "{\"format\":1," BODY, -1 },
    { "no token", HEAD "\"obtained\":1000,\"expires\":3000,\"renew\":2000}",
      -1 },
    { "no times", HEAD "\"token\":\"abc\"}", -1 },
    { "a member too much", HEAD "\"a\":1," BODY, -1 },
    { "a member twice", HEAD "\"format\":1," BODY, -1 },

    { "another key", "{\"format\":1,\"key\":\"KEX\"," BODY, -2 },
    { "an empty key", "{\"format\":1,\"key\":\"\"," BODY, -2 },
    { "a key and more", "{\"format\":1,\"key\":\"KEY0\"," BODY, -2 },
    { "a key that is none", "{\"format\":1,\"key\":null," BODY, -1 },
    { "another key and damaged times",
      "{\"format\":1,\"key\":\"\",\"token\":\"abc\",\"obtained\":-1,"
      "\"expires\":3000,\"renew\":2000}", -2 },

    { "a token that is a number", HEAD "\"token\":1,\"obtained\":1000,"
      "\"expires\":3000,\"renew\":2000}", -1 },
    { "an empty token", HEAD "\"token\":\"\",\"obtained\":1000,"
      "\"expires\":3000,\"renew\":2000}", -1 },
    { "a token with a space first", HEAD "\"token\":\" bc\","
      "\"obtained\":1000,\"expires\":3000,\"renew\":2000}", -1 },
    { "a token with a space", HEAD "\"token\":\"a b\",\"obtained\":1000,"
      "\"expires\":3000,\"renew\":2000}", -1 },
    { "a token with a line's end", HEAD "\"token\":\"abc\\r\\nX: y\","
      "\"obtained\":1000,\"expires\":3000,\"renew\":2000}", -1 },
    { "a token with DEL", HEAD "\"token\":\"a\x7f\",\"obtained\":1000,"
      "\"expires\":3000,\"renew\":2000}", -1 },
    { "a token with U+0000", HEAD "\"token\":\"a\\u0000\",\"obtained\":1000,"
      "\"expires\":3000,\"renew\":2000}", -1 },
    { "a token out of ASCII", HEAD "\"token\":\"\xc3\xa9\",\"obtained\":1000,"
      "\"expires\":3000,\"renew\":2000}", -1 },

    { "obtained never", TIMES("0", "2000", "3000"), -1 },
    { "obtained before the Epoch", TIMES("-1", "2000", "3000"), -1 },
    { "renewed before it is obtained", TIMES("1000", "999", "3000"), -1 },
    { "expired before its renewal", TIMES("1000", "2000", "1999"), -1 },
    { "expired before it is obtained", TIMES("1000", "1000", "999"), -1 },
    { "of more than 30 days", TIMES("1000", "2000", "2592001001"), -1 },
    { "of the future",
      TIMES("1764000060001", "1764000060001", "1764000060001"), -1 },
    { "of times far away", TIMES("9223372036854775807",
      "9223372036854775807", "9223372036854775807"), -1 },
    { "a time out of range", TIMES("1000", "2000", "9223372036854775808"),
      -1 },
    { "a real time", TIMES("1000.0", "2000", "3000"), -1 },
    { "a time as a string", TIMES("1000", "\"2000\"", "3000"), -1 },
    { "a budget", HEAD "\"exchanges\":[]}", -1 },
};


#define LIST(list)  HEAD "\"exchanges\":" list "}"

static const case_t  budget_table[] = {
    { "none", LIST("[]"), 0 },
    { "one", LIST("[[1764000000000,0]]"), 0 },
    { "at the Epoch", LIST("[[0,0],[0,1]]"), 0 },
    { "of the future", LIST("[[9223372036854775807,1]]"), 0 },

    { "no list", HEAD "\"a\":1}", -1 },
    { "a list too much", HEAD "\"exchanges\":[],\"a\":[]}", -1 },
    { "a null", LIST("null"), -1 },
    { "an object", LIST("{}"), -1 },
    { "a number", LIST("[1000]"), -1 },
    { "a null in it", LIST("[null]"), -1 },
    { "an empty one", LIST("[[]]"), -1 },
    { "half of one", LIST("[[1000]]"), -1 },
    { "more than one", LIST("[[1000,0,0]]"), -1 },
    { "an object of it", LIST("[{\"a\":1000,\"b\":0}]"), -1 },
    { "a real time", LIST("[[1000.5,0]]"), -1 },
    { "a boolean", LIST("[[1000,false]]"), -1 },
    { "another kind", LIST("[[1000,2]]"), -1 },
    { "a negative kind", LIST("[[1000,-1]]"), -1 },
    { "a kind of 2^32", LIST("[[1000,4294967296]]"), -1 },
    { "before the Epoch", LIST("[[-1,0]]"), -1 },
    { "not in order", LIST("[[1001,0],[1000,0]]"), -1 },
    { "a bad one at the end", LIST("[[1000,0],[1000,0],[999,0]]"), -1 },
    { "another format",
      "{\"format\":0,\"key\":\"KEY\",\"exchanges\":[[1000,0]]}", -1 },
    { "another key", "{\"format\":1,\"key\":\"x\",\"exchanges\":[[1000,0]]}",
      -2 },
    { "a token", HEAD BODY, -1 },
    { "nothing", "", -1 },
};


int
main(void)
{
    /* before OpenSSL has any memory */
    ok(CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free) == 1,
       "OpenSSL's memory");

    json_set_alloc_funcs(count_malloc, count_free);

    names();
    token();
    budget();
    tokens();
    budgets();
    keys();
    damage();
    sizes();
    no_memory();
    no_digest();

    return tap_done();
}


static void
names(void)
{
    char                hex[65], expected[CANOPY_STATE_NAME];
    char                long_name[4096];
    char               *name;
    size_t              blocks;
    canopy_state_key_t  key;

    static const char  longest[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

    memset(expected, 0, sizeof(expected));
    name = (char *) tap_guard(expected, CANOPY_STATE_NAME);

    digest(&live_key, hex);
    snprintf(expected, sizeof(expected), "live-%.16s", hex);
    canopy_state_name(&live_key, name);
    ok(strcmp(name, expected) == 0, "a name: %s", name);

    blocks = ssl_live;
    canopy_state_name(&live_key, name);
    ok(strcmp(name, expected) == 0 && ssl_live == blocks, "the same again");

    digest(&share_key, hex);
    snprintf(expected, sizeof(expected), "%.16s", hex);
    canopy_state_name(&share_key, name);
    ok(strcmp(name, expected) == 0, "without an environment: %s", name);

    key = live_key;
    key.environment = guarded(longest, 64);
    digest(&key, hex);
    snprintf(expected, sizeof(expected), "%s-%.16s", longest, hex);
    canopy_state_name(&key, name);
    ok(strcmp(name, expected) == 0, "the longest environment: %s", name);

    key.environment = guarded("../etc/\0x", 9);
    canopy_state_name(&key, name);
    ok(strncmp(name, "___etc__x-", 10) == 0 && strlen(name) == 26,
       "no path: %s", name);

    memset(long_name, '/', sizeof(long_name));
    key.environment = guarded(long_name, sizeof(long_name));
    canopy_state_name(&key, name);
    ok(strlen(name) == 64 + 1 + 16 && strchr(name, '/') == NULL,
       "no more than there is room for");
}


/*
 * Each part behind its length, 8 bytes, the highest first; by the one function
 * of OpenSSL that the code does not use.
 */
static void
digest(const canopy_state_key_t *key, char *hex)
{
    size_t          i, k, n;
    uint8_t         all[1024], md[32];
    canopy_slice_t  parts[4];

    parts[0] = key->environment;
    parts[1] = key->token_url;
    parts[2] = key->client_id;
    parts[3] = key->audience;

    for (n = 0, i = 0; i < 4; i++) {
        for (k = 0; k < 8; k++) {
            all[n++] = (uint8_t) ((uint64_t) parts[i].len >> (56 - 8 * k));
        }

        memcpy(all + n, parts[i].data, parts[i].len);
        n += parts[i].len;
    }

    SHA256(all, n, md);

    for (i = 0; i < 32; i++) {
        sprintf(hex + 2 * i, "%02x", md[i]);
    }
}


static void
token(void)
{
    int                   rc;
    canopy_slice_t        text, again;
    canopy_state_token_t  in, out;

    memset(&in, 0xa5, sizeof(in));

    in.token = guarded(TOKEN, sizeof(TOKEN) - 1);
    in.refresh.obtained = T;
    in.refresh.expires = T + DAY;
    in.refresh.renew = T + 5;

    rc = canopy_state_write_token(&live_key, &in, pool, NULL, &text);
    ok(rc == 0 && text.data[text.len - 1] == '\n' && live == 0, "written");
    ok(same(text, form("{\"format\":1,\"key\":\"KEY\",\"token\":\"" TOKEN
                       "\",\"obtained\":1764000000000,"
                       "\"expires\":1764086400000,"
                       "\"renew\":1764000000005}\n", &live_key)), "its text");

    memset(&out, 0xa5, sizeof(out));
    rc = canopy_state_read_token(text, &live_key, T, pool, NULL, &out);

    ok(rc == 0 && is(out.token, TOKEN) && out.refresh.obtained == T
       && out.refresh.expires == T + DAY && out.refresh.renew == T + 5
       && live == 0, "and read");
    ok(out.refresh.until == 0 && out.refresh.forced == 0
       && out.refresh.failures == 0 && out.refresh.retry == 0
       && out.refresh.limited == 0 && out.refresh.refusals == 0
       && out.refresh.force == 0, "all else is 0");

    in.token = guarded("~", 1);
    rc = canopy_state_write_token(&live_key, &in, pool, NULL, &again);
    ok(rc == 0 && canopy_state_read_token(again, &live_key, T, pool, NULL, &in)
                  == 0 && is(in.token, "~"), "the shortest token");

    rc = canopy_state_write_token(&live_key, &out, pool, NULL, &again);
    ok(rc == 0 && same(again, text), "the same again");

    in.token = guarded("\xff", 1);
    ok(canopy_state_write_token(&live_key, &in, pool, NULL, &text) == -1
       && live == 0, "no token that is not UTF-8");
}


static void
budget(void)
{
    int              rc;
    canopy_slice_t   text, again;
    canopy_budget_t  in, out;

    memset(&in, 0, sizeof(in));
    in.limit = 8;

    ok(canopy_budget_spend(&in, 0, T) == 0
       && canopy_budget_spend(&in, 0, T) == 0
       && canopy_budget_spend(&in, 1, T + 5) == 0, "three exchanges");

    rc = canopy_state_write_budget(&share_key, &in, pool, NULL, &text);
    ok(rc == 0 && live == 0
       && same(text, form("{\"format\":1,\"key\":\"KEY\","
                          "\"exchanges\":[[1764000000000,0],"
                          "[1764000000000,0],[1764000000005,1]]}\n",
                          &share_key)), "written");

    memset(&out, 0, sizeof(out));
    out.limit = 2;

    rc = canopy_state_read_budget(text, &share_key, T + 9, &out);
    ok(rc == 0 && live == 0 && out.limit == 2 && out.n == 3
       && memcmp(out.spent, in.spent, 3 * sizeof(in.spent[0])) == 0,
       "and read, two at the same time are two");

    rc = canopy_state_read_budget(text, &share_key, T + 9, &out);
    ok(rc == 0 && out.n == 3, "read again: the same");

    rc = canopy_state_write_budget(&share_key, &out, pool, NULL, &again);
    ok(rc == 0 && same(again, text), "the same again");

    out.n = 0;
    rc = canopy_state_read_budget(text, &share_key, T + DAY, &out);
    ok(rc == 0 && out.n == 1 && out.spent[0].at == T + 5, "a day later: one");

    rc = canopy_state_read_budget(text, &share_key, T - DAY, &out);
    ok(rc == 0 && canopy_budget_used(&out, T - DAY) == 3
       && out.spent[2].at == T - DAY, "the clock was set back: three");
}


static void
tokens(void)
{
    int                   rc;
    size_t                i;
    const case_t         *c;
    canopy_state_token_t  out, before;

    for (i = 0; i < sizeof(token_table) / sizeof(token_table[0]); i++) {
        c = &token_table[i];

        memset(&before, 0xa5, sizeof(before));
        out = before;

        rc = canopy_state_read_token(form(c->text, &live_key), &live_key, T,
                                     pool, NULL, &out);

        ok(rc == c->rc && live == 0
           && (rc == 0 ? is(out.token, "abc")
                       : memcmp(&out, &before, sizeof(out)) == 0),
           "token: %s: %d", c->name, c->rc);
    }
}


static void
budgets(void)
{
    int              rc;
    size_t           i;
    const case_t    *c;
    canopy_budget_t  out, before;

    memset(&before, 0, sizeof(before));
    before.limit = 9;
    before.n = 1;
    before.spent[0].at = T - 7;

    for (i = 0; i < sizeof(budget_table) / sizeof(budget_table[0]); i++) {
        c = &budget_table[i];
        out = before;

        rc = canopy_state_read_budget(form(c->text, &share_key), &share_key, T,
                                      &out);

        ok(rc == c->rc && live == 0
           && (rc == 0 || memcmp(&out, &before, sizeof(out)) == 0),
           "budget: %s: %d", c->name, c->rc);
    }
}


/* each part makes another one, and no two keys run together to the same */
static void
keys(void)
{
    int                   rc;
    size_t                i;
    canopy_slice_t        text;
    canopy_state_token_t  state;

    static const canopy_state_key_t  others[] = {
        { canopy_slice("liv"), canopy_slice("ehttps://a.b/oauth/token"),
          canopy_slice("id"), canopy_slice("https://a.b") },
        { canopy_slice("live"), canopy_slice("https://a.b/oauth/tokeni"),
          canopy_slice("d"), canopy_slice("https://a.b") },
        { canopy_slice("live"), canopy_slice("https://a.b/oauth/token"),
          canopy_slice("idhttps://a.b"), canopy_slice("") },
        { canopy_slice("lives"), canopy_slice("https://a.b/oauth/token"),
          canopy_slice("id"), canopy_slice("https://a.b") },
        { canopy_slice("live"), canopy_slice("https://a.b/oauth/Token"),
          canopy_slice("id"), canopy_slice("https://a.b") },
        { canopy_slice("live"), canopy_slice("https://a.b/oauth/token"),
          canopy_slice("id\0"), canopy_slice("https://a.b") },
        { canopy_slice("live"), canopy_slice("https://a.b/oauth/token"),
          canopy_slice("id"), canopy_slice("https://a.b/") },
        SHARE,
    };

    text = form(HEAD BODY, &live_key);

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        rc = canopy_state_read_token(text, &others[i], T, pool, NULL, &state);
        ok(rc == -2, "a key that is near: %zu", i + 1);
    }
}


/* each byte of a file replaced, or all from there on gone */
static void
damage(void)
{
    int                   rc, bad;
    size_t                i, k, accepted;
    uint8_t              *copy;
    canopy_slice_t        text, part;
    canopy_state_token_t  state;

    static const uint8_t  bytes[] = "\0 09\"\\,:{}[]ax\xff";

    text = form(HEAD BODY, &live_key);
    copy = tap_guard(text.data, text.len);
    accepted = 0;
    bad = 0;

    for (i = 0; i < text.len; i++) {
        part = guarded((const char *) text.data, i);
        bad += canopy_state_read_token(part, &live_key, T, pool, NULL, &state)
               != -1;

        for (k = 0; k < sizeof(bytes) - 1; k++) {
            if (bytes[k] == text.data[i]) {
                continue;
            }

            copy[i] = bytes[k];
            part.data = copy;
            part.len = text.len;

            rc = canopy_state_read_token(part, &live_key, T, pool, NULL,
                                         &state);
            accepted += rc == 0;
            bad += rc < -2 || rc > 0 || live != 0;
        }

        copy[i] = text.data[i];
    }

    ok(bad == 0, "cut anywhere, or damaged");
    ok(accepted > 10 && accepted < 70, "%zu times it means another thing",
       accepted);
}


static void
sizes(void)
{
    int                    rc;
    char                  *text;
    uint32_t               i;
    canopy_slice_t         out;
    canopy_budget_t        budget, read;
    canopy_state_token_t   state;

    text = malloc(CANOPY_STATE_MAX + 2);

    if (text == NULL) {
        printf("Bail out! no memory\n");
        exit(1);
    }

    memset(&state, 0, sizeof(state));
    memset(text, '~', CANOPY_GRANT_TOKEN_MAX + 1);

    state.refresh.obtained = state.refresh.renew = state.refresh.expires = T;
    state.token = guarded(text, CANOPY_GRANT_TOKEN_MAX);

    rc = canopy_state_write_token(&live_key, &state, pool, NULL, &out);
    ok(rc == 0 && canopy_state_read_token(out, &live_key, T, pool, NULL,
                                          &state) == 0
       && state.token.len == CANOPY_GRANT_TOKEN_MAX, "the longest token");

    state.token = guarded(text, CANOPY_GRANT_TOKEN_MAX + 1);
    rc = canopy_state_write_token(&live_key, &state, pool, NULL, &out);
    ok(rc == 0 && canopy_state_read_token(out, &live_key, T, pool, NULL,
                                          &state) == -1,
       "a longer one is not read");

    memset(&budget, 0, sizeof(budget));
    budget.n = CANOPY_BUDGET_MAX;

    for (i = 0; i < budget.n; i++) {
        budget.spent[i].at = INT64_MAX;
        budget.spent[i].forced = 1;
    }

    memset(&read, 0, sizeof(read));
    rc = canopy_state_write_budget(&share_key, &budget, pool, NULL, &out);
    ok(rc == 0 && out.len <= CANOPY_STATE_MAX
       && canopy_state_read_budget(out, &share_key, T, &read) == 0
       && read.n == CANOPY_BUDGET_MAX,
       "the most exchanges, %zu bytes", out.len);

    memcpy(text, out.data, out.len - 3);
    sprintf(text + out.len - 3, ",[9223372036854775807,1]]}");
    memset(&read, 0, sizeof(read));
    ok(canopy_state_read_budget(guarded(text, strlen(text)), &share_key, T,
                                &read) == -1 && read.n == 0,
       "one more is damage");

    out = form(HEAD BODY, &live_key);
    memset(text, ' ', CANOPY_STATE_MAX + 1);
    memcpy(text, out.data, out.len);
    ok(canopy_state_read_token(guarded(text, CANOPY_STATE_MAX), &live_key, T,
                               pool, NULL, &state) == 0, "the largest file");
    ok(canopy_state_read_token(guarded(text, CANOPY_STATE_MAX + 1), &live_key,
                               T, pool, NULL, &state) == -1, "a larger one");

    free(text);
}


/* the n-th allocation fails, for every n there is */
static void
no_memory(void)
{
    int                    rc, bad, told;
    size_t                 i, n;
    canopy_slice_t         text, out;
    canopy_budget_t        budget;
    canopy_state_token_t   state;

    memset(&budget, 0, sizeof(budget));

    ok(canopy_state_write_budget(&share_key, &budget, refuse, NULL, &out) == -1
       && live == 0, "no memory for a text");
    text = form(HEAD BODY, &live_key);
    ok(canopy_state_read_token(text, &live_key, T, refuse, NULL, &state) == -3
       && live == 0, "no memory for a token");

    budget.n = 2;
    memset(&state, 0, sizeof(state));
    state.token = guarded(TOKEN, sizeof(TOKEN) - 1);

    for (i = 0; i < 4; i++) {
        text = form(i == 3 ? LIST("[[1000,0],[1000,1]]") : HEAD BODY,
                    i == 3 ? &share_key : &live_key);
        bad = told = 0;

        for (n = 1; n < 1000; n++) {
            left = n;

            rc = i == 0 ? canopy_state_write_token(&live_key, &state, pool,
                                                   NULL, &out)
                 : i == 1 ? canopy_state_write_budget(&share_key, &budget,
                                                      pool, NULL, &out)
                 : i == 2 ? canopy_state_read_token(text, &live_key, T, pool,
                                                    NULL, &state)
                 : canopy_state_read_budget(text, &share_key, T, &budget);

            if (left) {
                left = 0;
                break;
            }

            /* jansson takes some failures for faults of the JSON text */
            bad += live != 0 || rc >= 0;
            told += rc == (i < 2 ? -1 : -3);
        }

        ok(n > 5 && n < 1000 && rc == 0 && bad == 0 && told > 5,
           "each of %zu allocations may fail, %d times it is told", n - 1,
           told);
    }
}


/* without a key nothing is written, and nothing taken for one's own */
static void
no_digest(void)
{
    int                    rc;
    size_t                 n;
    unsigned               bad, failed;
    canopy_slice_t         text, out;
    canopy_budget_t        budget;
    canopy_state_token_t   state;

    memset(&budget, 0, sizeof(budget));
    memset(&state, 0, sizeof(state));
    state.token = guarded(TOKEN, sizeof(TOKEN) - 1);

    text = form(HEAD BODY, &live_key);
    bad = failed = 0;

#define try(call, good, fault)                                                \
    ssl_left = n;                                                             \
    rc = (call);                                                              \
    ssl_left = 0;                                                             \
    failed += rc == (fault);                                                  \
    bad += rc != (good) && rc != (fault)

    for (n = 1; n < 10; n++) {
        try(canopy_state_write_token(&live_key, &state, pool, NULL, &out),
            0, -1);
        try(canopy_state_write_budget(&live_key, &budget, pool, NULL, &out),
            0, -1);
        try(canopy_state_read_token(text, &live_key, T, pool, NULL, &state),
            0, -3);
        try(canopy_state_read_budget(text, &live_key, T, &budget), -1, -3);
        try(named(), 1, 0);
    }

#undef try

    ok(bad == 0 && failed >= 5 && live == 0, "no memory for a key, %u times",
       failed);
}


/* 1 if the key is in the name, 0 if it has zeros for it */
static int
named(void)
{
    char  name[CANOPY_STATE_NAME], good[CANOPY_STATE_NAME], hex[65];

    canopy_state_name(&live_key, name);

    ssl_left = 0;
    digest(&live_key, hex);
    snprintf(good, sizeof(good), "live-%.16s", hex);

    return strcmp(name, good) == 0 ? 1
           : strcmp(name, "live-0000000000000000") == 0 ? 0 : -1;
}


/* the text with its KEY filled in */
static canopy_slice_t
form(const char *text, const canopy_state_key_t *key)
{
    char         hex[65], buf[2048];
    const char  *at;

    digest(key, hex);

    at = strstr(text, "\"KEY");

    if (at == NULL) {
        return guarded(text, strlen(text));
    }

    snprintf(buf, sizeof(buf), "%.*s%s%s", (int) (at + 1 - text), text, hex,
             at + 4);

    return guarded(buf, strlen(buf));
}


static canopy_slice_t
guarded(const char *text, size_t len)
{
    canopy_slice_t  slice;

    slice.len = len;
    slice.data = tap_guard(text, len);

    return slice;
}


static int
is(canopy_slice_t slice, const char *text)
{
    return slice.len == strlen(text)
           && memcmp(slice.data, text, slice.len) == 0;
}


static int
same(canopy_slice_t a, canopy_slice_t b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}


/* never freed, ends at a guard page */
static void *
pool(void *data, size_t size)
{
    static const uint8_t  nothing[CANOPY_STATE_MAX];

    (void) data;

    return size <= sizeof(nothing) ? tap_guard(nothing, size) : NULL;
}


static void *
refuse(void *data, size_t size)
{
    (void) data;
    (void) size;
    return NULL;
}


static void *
count_malloc(size_t size)
{
    void  *p;

    if (left && --left == 0) {
        return NULL;
    }

    p = malloc(size);
    live += (p != NULL);

    return p;
}


static void
count_free(void *p)
{
    live -= (p != NULL);
    free(p);
}


static void *
ssl_malloc(size_t size, const char *file, int line)
{
    (void) file;
    (void) line;

    if (ssl_left && --ssl_left == 0) {
        return NULL;
    }

    ssl_live++;

    return malloc(size);
}


static void *
ssl_realloc(void *p, size_t size, const char *file, int line)
{
    (void) file;
    (void) line;

    ssl_live += p == NULL;

    return realloc(p, size);
}


static void
ssl_free(void *p, const char *file, int line)
{
    (void) file;
    (void) line;

    ssl_live -= p != NULL;
    free(p);
}
