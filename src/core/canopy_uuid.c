#include <stdio.h>

#include "canopy_uuid.h"


canopy_uuid_fault_t
canopy_uuid(canopy_slice_t text, uint8_t *lower)
{
    size_t               i;
    uint8_t              ch;
    canopy_uuid_fault_t  fault;

    if (text.len != CANOPY_UUID_LEN) {
        fault.code = CANOPY_UUID_LENGTH;
        fault.at = text.len;
        return fault;
    }

    for (i = 0; i < CANOPY_UUID_LEN; i++) {
        ch = text.data[i];

        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (ch != '-') {
                fault.code = CANOPY_UUID_HYPHEN;
                fault.at = i + 1;
                return fault;
            }

        } else if (ch >= '0' && ch <= '9') {
            /* in lower case already */

        } else {
            ch |= 0x20;

            if (ch < 'a' || ch > 'f') {
                fault.code = CANOPY_UUID_DIGIT;
                fault.at = i + 1;
                return fault;
            }
        }

        lower[i] = ch;
    }

    fault.code = CANOPY_UUID_OK;
    fault.at = 0;

    return fault;
}


size_t
canopy_uuid_message(canopy_uuid_fault_t fault, char *message)
{
    int  n;

#define CANOPY_UUID_WANTED  "Input should be a valid UUID, "

    switch (fault.code) {

    case CANOPY_UUID_LENGTH:
        n = snprintf(message, CANOPY_UUID_MESSAGE, CANOPY_UUID_WANTED
                     "invalid length: expected 36 characters, found %zu",
                     fault.at);
        break;

    case CANOPY_UUID_HYPHEN:
        n = snprintf(message, CANOPY_UUID_MESSAGE, CANOPY_UUID_WANTED
                     "invalid character: expected a hyphen at %zu", fault.at);
        break;

    case CANOPY_UUID_DIGIT:
        n = snprintf(message, CANOPY_UUID_MESSAGE, CANOPY_UUID_WANTED
                     "invalid character: expected a hexadecimal digit at %zu",
                     fault.at);
        break;

    default:
        n = snprintf(message, CANOPY_UUID_MESSAGE, "valid UUID");
    }

    return (size_t) n;
}
