/*
 * An error body normalized by way of jansson's tree, which can be done with any
 * body.  Only canopy_problem.c uses this, and tests do.
 */

#ifndef CANOPY_PROBLEM_TREE_H
#define CANOPY_PROBLEM_TREE_H


#include "canopy_problem.h"


/*
 * As canopy_problem_normalize().
 */
int canopy_problem_tree(const canopy_problem_t *in, canopy_alloc_pt alloc,
    void *data, canopy_slice_t *out, canopy_slice_t *type);


#endif /* CANOPY_PROBLEM_TREE_H */
