#include <string.h>

#include <jansson.h>
#include <openssl/crypto.h>

#include "canopy_grant.h"
#include "canopy_jansson.h"
#include "canopy_state.h"
#include "canopy_state_key.h"


/* a clock may be so much behind the one that wrote a file */
#define SKEW  60000


static int read_token(canopy_slice_t text, const canopy_state_key_t *key,
    int64_t now, canopy_alloc_pt alloc, void *data,
    canopy_state_token_t *state);
static int token_of(json_t *root, const char *key, int64_t now,
    canopy_slice_t *token, canopy_refresh_t *refresh);
static int times_good(const canopy_refresh_t *refresh, int64_t now);
static int token_good(canopy_slice_t token);
static int read_budget(canopy_slice_t text, const canopy_state_key_t *key,
    canopy_budget_t *budget);
static int budget_of(json_t *root, const char *key, canopy_budget_t *budget);
static int exchanges_of(json_t *list, canopy_budget_t *budget);
static int mine(json_int_t format, const char *name, const char *key);
static int load(canopy_slice_t text, json_t **root);
static int fault(const json_error_t *error);


int
canopy_state_read_token(canopy_slice_t text, const canopy_state_key_t *key,
    int64_t now, canopy_alloc_pt alloc, void *data,
    canopy_state_token_t *state)
{
    int               rc;
    canopy_jansson_t  j;

    canopy_jansson_begin(&j);
    rc = read_token(text, key, now, alloc, data, state);
    canopy_jansson_end(&j);

    return rc;
}


int
canopy_state_read_budget(canopy_slice_t text, const canopy_state_key_t *key,
    int64_t now, canopy_budget_t *budget)
{
    int               rc;
    canopy_budget_t   read;
    canopy_jansson_t  j;

    /* a file that is taken for a budget may hold a token */

    canopy_jansson_begin(&j);
    rc = read_budget(text, key, &read);
    canopy_jansson_end(&j);

    if (rc == 0) {
        canopy_budget_merge(budget, &read, now);
    }

    return rc;
}


static int
read_token(canopy_slice_t text, const canopy_state_key_t *key, int64_t now,
    canopy_alloc_pt alloc, void *data, canopy_state_token_t *state)
{
    int                rc;
    char               hex[CANOPY_STATE_KEY_SIZE];
    json_t            *root;
    uint8_t           *p;
    canopy_slice_t     token;
    canopy_refresh_t   refresh;

    if (canopy_state_key(key, hex) != 0) {
        return -3;
    }

    rc = load(text, &root);
    if (rc != 0) {
        return rc;
    }

    rc = token_of(root, hex, now, &token, &refresh);

    if (rc == 0) {
        p = alloc(data, token.len);

        if (p) {
            state->token.data = memcpy(p, token.data, token.len);
            state->token.len = token.len;
            state->refresh = refresh;

        } else {
            rc = -3;
        }
    }

    json_decref(root);

    return rc;
}


static int
token_of(json_t *root, const char *key, int64_t now, canopy_slice_t *token,
    canopy_refresh_t *refresh)
{
    int            rc;
    json_int_t     format, obtained, expires, renew;
    const char    *name, *text;
    json_error_t   error;

    rc = json_unpack_ex(root, &error, 0, "{s:I,s:s,s:s%,s:I,s:I,s:I!}",
                        "format", &format, "key", &name,
                        "token", &text, &token->len, "obtained", &obtained,
                        "expires", &expires, "renew", &renew);

    rc = rc == 0 ? mine(format, name, key) : fault(&error);

    if (rc != 0) {
        return rc;
    }

    memset(refresh, 0, sizeof(canopy_refresh_t));

    refresh->obtained = obtained;
    refresh->expires = expires;
    refresh->renew = renew;

    token->data = (const uint8_t *) text;

    return times_good(refresh, now) && token_good(*token) ? 0 : -1;
}


static int
times_good(const canopy_refresh_t *refresh, int64_t now)
{
    static const int64_t  life = (int64_t) CANOPY_GRANT_LIFE_MAX * 1000;

    return refresh->obtained > 0
           && refresh->obtained <= refresh->renew
           && refresh->renew <= refresh->expires
           && refresh->expires - refresh->obtained <= life
           && (refresh->obtained <= now
               || (uint64_t) refresh->obtained - (uint64_t) now <= SKEW);
}


static int
token_good(canopy_slice_t token)
{
    size_t  i;

    for (i = 0; i < token.len; i++) {
        if (token.data[i] < '!' || token.data[i] > '~') {
            return 0;
        }
    }

    return token.len > 0 && token.len <= CANOPY_GRANT_TOKEN_MAX;
}


static int
read_budget(canopy_slice_t text, const canopy_state_key_t *key,
    canopy_budget_t *budget)
{
    int      rc;
    char     hex[CANOPY_STATE_KEY_SIZE];
    json_t  *root;

    if (canopy_state_key(key, hex) != 0) {
        return -3;
    }

    rc = load(text, &root);

    if (rc == 0) {
        rc = budget_of(root, hex, budget);
        json_decref(root);
    }

    return rc;
}


static int
budget_of(json_t *root, const char *key, canopy_budget_t *budget)
{
    int            rc;
    json_t        *list;
    json_int_t     format;
    const char    *name;
    json_error_t   error;

    rc = json_unpack_ex(root, &error, 0, "{s:I,s:s,s:o!}", "format", &format,
                        "key", &name, "exchanges", &list);

    rc = rc == 0 ? mine(format, name, key) : fault(&error);

    return rc == 0 ? exchanges_of(list, budget) : rc;
}


static int
exchanges_of(json_t *list, canopy_budget_t *budget)
{
    size_t      i, n;
    json_int_t  at, last, forced;

    n = json_array_size(list);

    if (!json_is_array(list) || n > CANOPY_BUDGET_MAX) {
        return -1;
    }

    last = 0;

    for (i = 0; i < n; i++) {
        if (json_unpack(json_array_get(list, i), "[I,I!]", &at, &forced) != 0
            || at < last || (forced != 0 && forced != 1))
        {
            return -1;
        }

        budget->spent[i].at = last = at;
        budget->spent[i].forced = (uint32_t) forced;
    }

    budget->n = (uint32_t) n;

    return 0;
}


static int
mine(json_int_t format, const char *name, const char *key)
{
    return format != CANOPY_STATE_FORMAT ? -1
           : strcmp(name, key) != 0 ? -2
           : 0;
}


static int
load(canopy_slice_t text, json_t **root)
{
    json_error_t  error;

    if (text.len > CANOPY_STATE_MAX) {
        return -1;
    }

    if (canopy_jansson_load(text, JSON_REJECT_DUPLICATES, root, &error) != 0) {
        return -3;
    }

    if (*root) {
        return 0;
    }

    /* it quotes the text */
    OPENSSL_cleanse(&error, sizeof(json_error_t));

    return -1;
}


/* of jansson's: it has no words for a lack of memory, or a code */
static int
fault(const json_error_t *error)
{
    return error->text[0] == '\0'
           || json_error_code(error) == json_error_out_of_memory ? -3 : -1;
}
