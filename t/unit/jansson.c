/*
 * canopy_jansson: whatever is freed while secrets are read has none of them in
 * it.  This program's own free() looks into every block.
 */

#include <malloc.h>

#include "canopy_grant.h"
#include "canopy_jansson.h"
#include "canopy_problem.h"
#include "canopy_state.h"
#include "tap.h"


/* a text of it at every place of the token that a block may begin or end at */
#define SECRET  "s3cr3t"
#define TOKEN   SECRET SECRET SECRET SECRET SECRET SECRET SECRET SECRET

#define KEY  { canopy_slice("live"), canopy_slice("https://a/oauth/token"),   \
               canopy_slice("client"), canopy_slice("audience") }


void __libc_free(void *p);


static unsigned  watching;
static unsigned  blocks;        /* freed while it is watched */
static unsigned  seen;          /* with the secret in it */


static void functions(void);
static void hook(void);
static void grants(void);
static void grant(const char *name, unsigned status, const char *body);
static void problems(void);
static void states(void);
static void watch(void);
static void done(const char *name);
static void *pool(void *data, size_t size);


void
free(void *p)
{
    size_t  size;

    if (p && watching) {
        size = malloc_usable_size(p);

        blocks++;
        seen += memmem(p, size, SECRET, sizeof(SECRET) - 1) != NULL;

        /* seen once, for whoever gets the block next */
        memset(p, 0, size);
    }

    __libc_free(p);
}


int
main(void)
{
    functions();
    hook();
    grants();
    problems();
    states();

    return tap_done();
}


static void
functions(void)
{
    json_free_t       free_fn;
    json_malloc_t     malloc_fn;
    canopy_jansson_t  j;

    canopy_jansson_begin(&j);
    json_get_alloc_funcs(&malloc_fn, &free_fn);
    ok(malloc_fn != malloc && free_fn != free, "its own ones are in force");
    free_fn(NULL);
    free_fn(malloc_fn(0));
    canopy_jansson_end(&j);

    json_get_alloc_funcs(&malloc_fn, &free_fn);
    ok(malloc_fn == malloc && free_fn == free, "as it was before");
}


/* that it would be seen */
static void
hook(void)
{
    json_t            *root;
    json_error_t       error;
    canopy_slice_t     text = canopy_slice("[\"" TOKEN "\"]");
    canopy_jansson_t   j;

    watch();
    json_decref(json_loads("[\"" TOKEN "\"]", 0, NULL));
    watching = 0;
    ok(seen > 1, "without it the secret stays, in %u of %u blocks", seen,
       blocks);

    watch();
    canopy_jansson_begin(&j);
    ok(canopy_jansson_load(text, 0, &root, &error) == 0, "a tree");
    json_decref(root);
    canopy_jansson_end(&j);
    watching = 0;
    ok(seen == 0, "with it it is in none of %u", blocks);
}


static void
grants(void)
{
    grant("a token", 200, "{\"access_token\":\"" TOKEN "\"}");
    grant("escaped", 200, "{\"access_token\":\"\\u0041" TOKEN "\"}");
    grant("twice", 200, "{\"access_token\":\"" TOKEN "\",\"access_token\":1}");
    grant("as a name", 200, "{\"" TOKEN "\":\"" TOKEN "\"}");
    grant("cut off", 200, "{\"access_token\":\"" TOKEN);
    grant("not JSON", 200, TOKEN);
    grant("not JSON behind it", 200, "{\"access_token\":\"" TOKEN "\"}x");
    grant("short, not JSON", 200, "[\"" SECRET "\"]x");
    grant("an invalid byte", 200, "{\"access_token\":\"" TOKEN "\xff\"}");
    grant("a token that can't be", 200, "{\"access_token\":\"" TOKEN " \"}");
    grant("a number too large", 200, "{\"access_token\":\"" TOKEN "\","
          "\"expires_in\":1e999}");
    grant("deep", 200, "{\"a\":[[[{\"b\":\"" TOKEN "\"}]]]}");
    grant("a refusal", 401, "{\"error\":\"" TOKEN "\"}");
    grant("a limit", 400, "{\"error\":\"x\",\"error_description\":"
          "{\"code\":429,\"message\":\"" TOKEN "\"}}");
    grant("a limit as a text", 400, "{\"error\":\"x\",\"error_description\":"
          "\"{\\\"code\\\":429,\\\"message\\\":\\\"" TOKEN "\\\"}\"}");
    grant("a text that is not JSON", 400, "{\"error_description\":"
          "\"{\\\"code\\\":429,\\\"message\\\":\\\"" TOKEN "\"}");
}


static void
grant(const char *name, unsigned status, const char *body)
{
    int                    rc;
    canopy_grant_input_t   in;
    canopy_grant_answer_t  out;

    memset(&in, 0, sizeof(in));

    in.status = status;
    in.body.len = strlen(body);
    in.body.data = tap_guard(body, in.body.len);
    in.now = INT64_C(1764000000000);

    watch();
    rc = canopy_grant_answer(&in, pool, NULL, &out);
    done(name);

    ok(rc == 0, "grant: %s: answered", name);
}


static void
problems(void)
{
    int               rc;
    canopy_slice_t    out, type, secret;
    canopy_problem_t  in;

    static const char  body[] =
        "{\"detail\":[{\"loc\":[\"" TOKEN "\",{\"a\":\"" TOKEN "\"}],"
        "\"msg\":\"Bearer " TOKEN " is wrong\",\"type\":\"" TOKEN "\","
        "\"input\":\"" TOKEN "\"},{\"" TOKEN "\":1},\"" TOKEN "\"]}";

    memset(&in, 0, sizeof(in));

    secret.data = (const uint8_t *) SECRET;
    secret.len = sizeof(SECRET) - 1;

    in.status = 422;
    in.content_type.data = (const uint8_t *) "application/json";
    in.content_type.len = sizeof("application/json") - 1;
    in.body.len = sizeof(body) - 1;
    in.body.data = tap_guard(body, in.body.len);
    in.secrets = &secret;
    in.nsecrets = 1;

    watch();
    rc = canopy_problem_normalize(&in, pool, NULL, &out, &type);
    done("an upstream's error");

    ok(rc == 0, "an upstream's error: answered");

    in.body.len--;

    watch();
    rc = canopy_problem_normalize(&in, pool, NULL, &out, &type);
    done("one that is not JSON");

    ok(rc == 0, "one that is not JSON: answered");
}


static void
states(void)
{
    int                   rc;
    int64_t               now;
    canopy_slice_t        text;
    canopy_budget_t       budget;
    canopy_state_token_t  token;

    static const canopy_state_key_t  key = KEY;

    memset(&token, 0, sizeof(token));
    memset(&budget, 0, sizeof(budget));

    now = INT64_C(1764000000000);

    token.token.data = (const uint8_t *) TOKEN;
    token.token.len = sizeof(TOKEN) - 1;
    token.refresh.obtained = now;
    token.refresh.renew = now + 1;
    token.refresh.expires = now + 2;

    watch();
    rc = canopy_state_write_token(&key, &token, pool, NULL, &text);
    done("a token written");
    ok(rc == 0, "a token written");

    watch();
    rc = canopy_state_read_token(text, &key, now, pool, NULL, &token);
    done("a token read");
    ok(rc == 0, "a token read");

    watch();
    rc = canopy_state_read_budget(text, &key, now, &budget);
    done("a token read as a budget");
    ok(rc == -1, "a token read as a budget");

    text.len -= 2;

    watch();
    rc = canopy_state_read_token(text, &key, now, pool, NULL, &token);
    done("half a token");
    ok(rc == -1, "half a token");
}


static void
watch(void)
{
    blocks = 0;
    seen = 0;
    watching = 1;
}


static void
done(const char *name)
{
    json_malloc_t  malloc_fn;
    json_free_t    free_fn;

    watching = 0;

    ok(blocks > 0 && seen == 0, "%s: no secret in %u blocks", name, blocks);

    json_get_alloc_funcs(&malloc_fn, &free_fn);
    ok(malloc_fn == malloc && free_fn == free, "%s: as it was before", name);
}


/* never freed, ends at a guard page */
static void *
pool(void *data, size_t size)
{
    static const uint8_t  nothing[CANOPY_STATE_MAX];

    (void) data;

    return size <= sizeof(nothing) ? tap_guard(nothing, size) : NULL;
}
