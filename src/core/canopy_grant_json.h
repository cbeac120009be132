/*
 * Values out of a token endpoint's JSON.  For canopy_grant_*.c only.
 */

#ifndef CANOPY_GRANT_JSON_H
#define CANOPY_GRANT_JSON_H


#include <jansson.h>

#include "canopy_slice.h"


/*
 * A text's object; all its numbers are real ones, so that none is too big an
 * integer.
 *
 * Out:     *root, a new reference, or NULL; then *fault, what is wrong with it,
 *          as canopy_grant_answer_t's reason.
 * Returns  0; -1 if there was no memory, and *root is NULL.
 */
int canopy_grant_load(canopy_slice_t text, json_t **root, const char **fault);


/*
 * A value that is a number, or a string that is a JSON number's text.
 *
 * In:      value, or NULL.
 * Returns  0; -1 if it is something else, then *result is not touched.
 */
int canopy_grant_number(json_t *value, double *result);


/*
 * Returns  a value's text; data is NULL if it is no string.
 */
canopy_slice_t canopy_grant_string(json_t *value);


#endif /* CANOPY_GRANT_JSON_H */
