/*
 * What is written.  What is read: canopy_state_read.c.
 */

#include <string.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "canopy_jansson.h"
#include "canopy_state.h"
#include "canopy_state_key.h"


#define ENVIRONMENT_MAX  64
#define NAME_DIGITS      16


static int add_part(EVP_MD_CTX *ctx, canopy_slice_t part);
static json_t *budget_tree(const canopy_budget_t *budget, const char *key);
static int write_text(json_t *root, canopy_alloc_pt alloc, void *data,
    canopy_slice_t *out);


void
canopy_state_name(const canopy_state_key_t *key, char *buf)
{
    char     hex[CANOPY_STATE_KEY_SIZE];
    char    *p;
    size_t   i;
    uint8_t  ch;

    static const char  chars[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

    p = buf;

    for (i = 0; i < key->environment.len && i < ENVIRONMENT_MAX; i++) {
        ch = key->environment.data[i];

        /* no other bytes are expected, and none gets into a path */
        *p++ = memchr(chars, ch, sizeof(chars) - 1) ? (char) ch : '_';
    }

    if (i) {
        *p++ = '-';
    }

    if (canopy_state_key(key, hex) != 0) {
        memset(hex, '0', NAME_DIGITS);
    }

    memcpy(p, hex, NAME_DIGITS);
    p[NAME_DIGITS] = '\0';
}


int
canopy_state_write_token(const canopy_state_key_t *key,
    const canopy_state_token_t *state, canopy_alloc_pt alloc, void *data,
    canopy_slice_t *out)
{
    int                rc;
    char               hex[CANOPY_STATE_KEY_SIZE];
    json_t            *root;
    canopy_jansson_t   j;

    if (canopy_state_key(key, hex) != 0) {
        return -1;
    }

    canopy_jansson_begin(&j);

    root = json_pack("{s:I,s:s,s:s%,s:I,s:I,s:I}",
                     "format", (json_int_t) CANOPY_STATE_FORMAT, "key", hex,
                     "token", state->token.data, state->token.len,
                     "obtained", (json_int_t) state->refresh.obtained,
                     "expires", (json_int_t) state->refresh.expires,
                     "renew", (json_int_t) state->refresh.renew);

    rc = write_text(root, alloc, data, out);

    canopy_jansson_end(&j);

    return rc;
}


int
canopy_state_write_budget(const canopy_state_key_t *key,
    const canopy_budget_t *budget, canopy_alloc_pt alloc, void *data,
    canopy_slice_t *out)
{
    char  hex[CANOPY_STATE_KEY_SIZE];

    if (canopy_state_key(key, hex) != 0) {
        return -1;
    }

    return write_text(budget_tree(budget, hex), alloc, data, out);
}


int
canopy_state_key(const canopy_state_key_t *key, char *hex)
{
    int          good;
    size_t       i;
    uint8_t      digest[32];
    EVP_MD_CTX  *ctx;

    static const char  digits[] = "0123456789abcdef";

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return -1;
    }

    good = EVP_DigestInit_ex(ctx, EVP_sha256(), NULL)
           && add_part(ctx, key->environment)
           && add_part(ctx, key->token_url)
           && add_part(ctx, key->client_id)
           && add_part(ctx, key->audience)
           && EVP_DigestFinal_ex(ctx, digest, NULL);

    EVP_MD_CTX_free(ctx);

    if (!good) {
        return -1;
    }

    for (i = 0; i < sizeof(digest); i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 0xf];
    }

    hex[2 * i] = '\0';

    return 0;
}


/* its length, 8 bytes, the highest first, and its bytes */
static int
add_part(EVP_MD_CTX *ctx, canopy_slice_t part)
{
    size_t   i;
    uint8_t  len[8];

    for (i = 0; i < 8; i++) {
        len[i] = (uint8_t) ((uint64_t) part.len >> (56 - 8 * i));
    }

    return EVP_DigestUpdate(ctx, len, 8)
           && EVP_DigestUpdate(ctx, part.data, part.len);
}


static json_t *
budget_tree(const canopy_budget_t *budget, const char *key)
{
    json_t    *list, *item;
    uint32_t   i;

    list = json_array();

    for (i = 0; i < budget->n; i++) {
        item = json_pack("[I,I]", (json_int_t) budget->spent[i].at,
                         (json_int_t) budget->spent[i].forced);

        if (json_array_append_new(list, item) != 0) {
            json_decref(list);
            return NULL;
        }
    }

    return json_pack("{s:I,s:s,s:o}",
                     "format", (json_int_t) CANOPY_STATE_FORMAT, "key", key,
                     "exchanges", list);
}


/* takes the tree, NULL or not; a line's end is put behind its text */
static int
write_text(json_t *root, canopy_alloc_pt alloc, void *data,
    canopy_slice_t *out)
{
    char    *p;
    size_t   size;

    size = root ? json_dumpb(root, NULL, 0, JSON_COMPACT) : 0;
    p = size ? alloc(data, size + 1) : NULL;

    if (p && json_dumpb(root, p, size, JSON_COMPACT) != size) {
        p = NULL;
    }

    json_decref(root);

    if (p == NULL) {
        return -1;
    }

    p[size] = '\n';

    out->data = (uint8_t *) p;
    out->len = size + 1;

    return 0;
}
