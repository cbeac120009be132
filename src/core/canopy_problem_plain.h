/*
 * An error body normalized without a tree: what FastAPI sends, and nothing
 * else.  It exists for speed; what it declines, and all that is in doubt it
 * does, canopy_problem_tree() does slowly.  Only canopy_problem.c uses this,
 * and tests do.
 */

#ifndef CANOPY_PROBLEM_PLAIN_H
#define CANOPY_PROBLEM_PLAIN_H


#include "canopy_problem.h"


#define CANOPY_PROBLEM_DECLINED  1


/*
 * Does
 *
 *     {"detail":[{"loc":[...],"msg":"...","type":"..."}, ...]}
 *
 * with members in any order and others among them, where every loc has some
 * strings and integers, and
 *
 *     {"detail":"..."}
 *
 * if no name and no text that is kept has an escape or is to be cut, and no
 * secret is to be seen.
 *
 * In, out: as canopy_problem_normalize(), but *out and *type are of use only
 *          after a 0, and alloc may have been called before a 1.
 * Returns  0, and the result is, to the byte, that of canopy_problem_tree();
 *          CANOPY_PROBLEM_DECLINED; -1 if there was no memory.
 */
int canopy_problem_plain(const canopy_problem_t *in, canopy_alloc_pt alloc,
    void *data, canopy_slice_t *out, canopy_slice_t *type);


#endif /* CANOPY_PROBLEM_PLAIN_H */
