/*
 * The one route of the gateway: /tasks/{id}/cancel below a prefix.
 */

#ifndef CANOPY_ROUTE_H
#define CANOPY_ROUTE_H


#include "canopy_slice.h"


/*
 * Matches a normalized path (decoded, dot segments resolved) that is exactly
 * <prefix>/tasks/{id}/cancel, with {id} one non-empty segment.
 *
 * In:      path, any bytes; prefix, without a slash at its end, may be empty.
 * Out:     *id, a part of path, any bytes but a slash.
 * Returns  0; -1 if path is something else, then *id is not touched.
 */
int canopy_route(canopy_slice_t path, canopy_slice_t prefix,
    canopy_slice_t *id);


/*
 * The same where the prefix is not known beforehand: whatever stands before
 * the last "/tasks/" of the path.
 */
int canopy_route_last(canopy_slice_t path, canopy_slice_t *id);


#endif /* CANOPY_ROUTE_H */
