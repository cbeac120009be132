/*
 * What outlives a restart, as the text of two kinds of files: the token of an
 * environment, and the times of a client's exchanges.  JSON, one object a
 * file, its "format" 1.
 *
 * Uses jansson; the tree is born and dies in one call, and what jansson frees
 * is wiped.
 */

#ifndef CANOPY_STATE_H
#define CANOPY_STATE_H


#include "canopy_alloc.h"
#include "canopy_refresh.h"
#include "canopy_slice.h"


#define CANOPY_STATE_MAX  65536         /* bytes of a file */


/*
 * Whose it is: a file is used by nobody else.
 */
typedef struct {
    canopy_slice_t  environment;        /* empty for exchange times */
    canopy_slice_t  token_url;
    canopy_slice_t  client_id;
    canopy_slice_t  audience;           /* empty for exchange times */
} canopy_state_key_t;


/*
 * A name for the file, the same for the same key: "<environment>-" if it has
 * one, and 16 hexadecimal digits of a SHA-256 over all of the key (each part
 * with its length, so that no two keys make the same bytes).
 *
 * Out:     buf, CANOPY_STATE_NAME bytes, NUL-terminated; an environment's name
 *          has at most 64 bytes of [A-Za-z0-9_-].
 */
#define CANOPY_STATE_NAME  96
void canopy_state_name(const canopy_state_key_t *key, char *buf);


typedef struct {
    canopy_slice_t    token;
    canopy_refresh_t  refresh;          /* obtained, expires and renew only */
} canopy_state_token_t;


/*
 * Out:     *out, the text, memory of alloc, to be wiped by the caller.
 * Returns  0; -1 if there was no memory.
 */
int canopy_state_write_token(const canopy_state_key_t *key,
    const canopy_state_token_t *state, canopy_alloc_pt alloc, void *data,
    canopy_slice_t *out);

int canopy_state_write_budget(const canopy_state_key_t *key,
    const canopy_budget_t *budget, canopy_alloc_pt alloc, void *data,
    canopy_slice_t *out);


/*
 * Reads what the writers wrote; anything else is refused: not JSON, not an
 * object, another format, a member missing, of another type or too much, times
 * that can't be (negative, not in order, expires before obtained, obtained more
 * than a minute after now), a token with bytes out of '!' to '~'.
 *
 * Out:     *state, the token's text in memory of alloc; or *budget: the times
 *          are noted in it (canopy_budget_merge()), its limit is left as it is.
 *          Not touched if not 0 is returned.
 * Returns  0; -1 damaged; -2 another key; -3 no memory.
 */
int canopy_state_read_token(canopy_slice_t text, const canopy_state_key_t *key,
    int64_t now, canopy_alloc_pt alloc, void *data,
    canopy_state_token_t *state);

int canopy_state_read_budget(canopy_slice_t text,
    const canopy_state_key_t *key, int64_t now, canopy_budget_t *budget);


#endif /* CANOPY_STATE_H */
