/*
 * A Retry-After field's value (RFC 9110, section 10.2.3), written anew from
 * what was understood, so that nothing else can come with it.
 */

#ifndef CANOPY_RETRY_AFTER_H
#define CANOPY_RETRY_AFTER_H


#include "canopy_slice.h"


#define CANOPY_RETRY_AFTER_MAX  86400   /* seconds */

/* the longest result */
#define CANOPY_RETRY_AFTER_LEN  (sizeof("Sun, 06 Nov 1994 08:49:37 GMT") - 1)


/*
 * A number of seconds is at most CANOPY_RETRY_AFTER_MAX, zeros before it
 * count for nothing.  A date is exact in one of the three forms of RFC 9110,
 * section 5.6.7, its day of the week included: GMT, years from 1000, of two
 * digits those from 1970 to 2069, no leap second.
 *
 * In:      value, any bytes.
 * Out:     text, CANOPY_RETRY_AFTER_LEN bytes of the caller's: the seconds,
 *          or the date in the first of the forms, without a NUL.
 * Returns  its length; 0 if the value is neither.
 */
size_t canopy_retry_after(canopy_slice_t value, uint8_t *text);


#endif /* CANOPY_RETRY_AFTER_H */
