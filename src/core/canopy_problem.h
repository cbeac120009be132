/*
 * An upstream's error body -> the one error schema of the gateway, FastAPI's
 * HTTPValidationError:
 *
 *     {"detail":[{"loc":[string|integer, ...],"msg":string,"type":string},
 *                ...]}
 *
 * What FastAPI itself sends is rewritten without a tree.  For all else jansson
 * is used; its tree is born and dies in one call, and what it frees is wiped:
 * an upstream may echo the credential.
 */

#ifndef CANOPY_PROBLEM_H
#define CANOPY_PROBLEM_H


#include "canopy_alloc.h"
#include "canopy_slice.h"


#define CANOPY_PROBLEM_ENTRIES  100     /* at most so many entries */
#define CANOPY_PROBLEM_TEXT     4096    /* bytes of each string at most */


typedef struct {
    unsigned               status;      /* the upstream's, 400 to 599 */
    canopy_slice_t         content_type;    /* the field's value, or empty */
    canopy_slice_t         body;
    unsigned               encoded:1;   /* it has a content coding */
    unsigned               cut:1;       /* it is not whole */
    unsigned               too_large:1; /* it is over the limit */
    const canopy_slice_t  *secrets;     /* never to be seen in the result; */
    size_t                 nsecrets;    /* empty ones are passed over */
} canopy_problem_t;


/*
 * Normalizes an error body.  The result always validates against the schema,
 * normalizing it again changes nothing, and no secret is in it: neither in a
 * text nor in the bytes.  A secret that is a piece of JSON's own syntax costs
 * the whole answer, and one that is a piece of our own constant words (such
 * as "path") can't be hidden in them.
 *
 * In:      in, as above; any bytes everywhere.
 *          alloc(data, size), called for the result and its type only.
 * Out:     *out, the JSON text, compact, UTF-8; *type, the "type" of the first
 *          entry, plain text.  Both in memory from alloc.
 * Returns  0; -1 if there was no memory (everything else has a result).
 *          Time is linear in body.len.
 */
int canopy_problem_normalize(const canopy_problem_t *in, canopy_alloc_pt alloc,
    void *data, canopy_slice_t *out, canopy_slice_t *type);


#endif /* CANOPY_PROBLEM_H */
