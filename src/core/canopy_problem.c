#include "canopy_problem.h"
#include "canopy_problem_tree.h"


int
canopy_problem_normalize(const canopy_problem_t *in, canopy_alloc_pt alloc,
    void *data, canopy_slice_t *out, canopy_slice_t *type)
{
    return canopy_problem_tree(in, alloc, data, out, type);
}
