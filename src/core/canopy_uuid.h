/*
 * A UUID in its canonical text form, 8-4-4-4-12 (RFC 9562, section 4).
 */

#ifndef CANOPY_UUID_H
#define CANOPY_UUID_H


#include "canopy_slice.h"


#define CANOPY_UUID_LEN      36
#define CANOPY_UUID_MESSAGE  128        /* bytes, the closing NUL included */


typedef enum {
    CANOPY_UUID_OK = 0,
    CANOPY_UUID_LENGTH,                 /* not 36 bytes; at: how many */
    CANOPY_UUID_HYPHEN,                 /* no hyphen where one belongs */
    CANOPY_UUID_DIGIT                   /* no hexadecimal digit */
} canopy_uuid_fault_e;


typedef struct {
    canopy_uuid_fault_e  code;
    size_t               at;            /* the byte's place, from 1 */
} canopy_uuid_fault_t;


/*
 * Reads a UUID of any version and variant, the nil and the max UUID included,
 * hexadecimal digits in either case.
 *
 * In:      text, any bytes.
 * Out:     lower, CANOPY_UUID_LEN bytes of the caller's: the UUID in lower
 *          case; undefined after a fault.
 * Returns  the first fault, or CANOPY_UUID_OK.
 */
canopy_uuid_fault_t canopy_uuid(canopy_slice_t text, uint8_t *lower);


/*
 * Words for a fault: what is wrong and where, never the text itself.
 *
 * Out:     message, CANOPY_UUID_MESSAGE bytes of the caller's, NUL-terminated
 *          plain ASCII without quotes or backslashes.
 * Returns  its length in bytes.
 */
size_t canopy_uuid_message(canopy_uuid_fault_t fault, char *message);


#endif /* CANOPY_UUID_H */
