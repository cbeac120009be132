#include "canopy_problem.h"
#include "canopy_problem_plain.h"
#include "canopy_problem_tree.h"


int
canopy_problem_normalize(const canopy_problem_t *in, canopy_alloc_pt alloc,
    void *data, canopy_slice_t *out, canopy_slice_t *type)
{
    int  rc;

    rc = canopy_problem_plain(in, alloc, data, out, type);

    if (rc == CANOPY_PROBLEM_DECLINED) {
        rc = canopy_problem_tree(in, alloc, data, out, type);
    }

    return rc;
}
