/*
 * What a client would like to get: Accept, RFC 9110, section 12.5.1.
 */

#ifndef CANOPY_ACCEPT_H
#define CANOPY_ACCEPT_H


#include "canopy_slice.h"


/*
 * Is it a browser that asks?  A browser names text/html; a program that takes
 * anything does not.
 *
 * In:      accept, the field's value, any bytes.
 * Returns  1 if text/html is named and application/json is not named with a
 *          higher weight; else 0.  A weight that is malformed is 1.
 */
int canopy_accept_html(canopy_slice_t accept);


#endif /* CANOPY_ACCEPT_H */
