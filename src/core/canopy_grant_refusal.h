/*
 * What a token endpoint's words add to the status of a refusal.  For
 * canopy_grant_answer.c only.
 */

#ifndef CANOPY_GRANT_REFUSAL_H
#define CANOPY_GRANT_REFUSAL_H


#include <jansson.h>

#include "canopy_grant.h"


#define CANOPY_GRANT_LIMITED_REASON  "allows no exchange for now"


/*
 * In:      root, the body's object, or NULL; out->result, by the status.
 * Out:     out->result and out->reason, if the words say that it is the limit
 *          of exchanges; out->refresh.
 * Returns  0; -1 if there was no memory.
 */
int canopy_grant_refusal(const canopy_grant_input_t *in, json_t *root,
    canopy_grant_answer_t *out);


/*
 * In:      root, the body's object, or NULL; out->error, empty.
 * Out:     out->error, if the body has one that can be shown.
 */
void canopy_grant_error(const canopy_grant_input_t *in, json_t *root,
    canopy_grant_answer_t *out);


#endif /* CANOPY_GRANT_REFUSAL_H */
