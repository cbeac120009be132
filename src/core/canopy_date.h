/*
 * Times as texts of ISO 8601 (RFC 3339, and what programs make of it).
 */

#ifndef CANOPY_DATE_H
#define CANOPY_DATE_H


#include "canopy_slice.h"


/*
 * Reads a time: "2026-11-25T12:00:00", the "T" in either case or a space,
 * from year 0001 to 9999; then a fraction or none, behind "." or ","; then
 * "Z" in either case, an offset ("+01:00", "+0100", "+01") or nothing, which is
 * UTC.  A leap second is the one that follows.
 *
 * In:      text, any bytes.
 * Out:     *ms, milliseconds since the Epoch, what is between two of them is
 *          the later one; not touched after a -1.
 * Returns  0; -1 if it is something else.
 */
int canopy_date(canopy_slice_t text, int64_t *ms);


#endif /* CANOPY_DATE_H */
