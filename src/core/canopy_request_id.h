/*
 * A client's X-Request-ID: is it fit to be handed on, into headers and logs?
 */

#ifndef CANOPY_REQUEST_ID_H
#define CANOPY_REQUEST_ID_H


#include "canopy_slice.h"


#define CANOPY_REQUEST_ID_MAX  128      /* bytes */


/*
 * In:      value, any bytes.
 * Returns  1 if it is 1 to CANOPY_REQUEST_ID_MAX of [A-Za-z0-9._:-], else 0.
 */
int canopy_request_id(canopy_slice_t value);


#endif /* CANOPY_REQUEST_ID_H */
