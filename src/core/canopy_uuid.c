#include <stdio.h>
#include <string.h>

#include "canopy_uuid.h"


#define CANOPY_UUID_DIGITS  32


static int canopy_uuid_whole(const uint8_t *p, uint8_t *lower);
static canopy_uuid_fault_t canopy_uuid_find(const uint8_t *p);


canopy_uuid_fault_t
canopy_uuid(canopy_slice_t text, uint8_t *lower)
{
    canopy_uuid_fault_t  fault;

    if (text.len != CANOPY_UUID_LEN) {
        fault.code = CANOPY_UUID_LENGTH;
        fault.at = text.len;
        return fault;
    }

    if (!canopy_uuid_whole(text.data, lower)) {
        return canopy_uuid_find(text.data);
    }

    fault.code = CANOPY_UUID_OK;
    fault.at = 0;

    return fault;
}


/*
 * A loop over the digits alone, and without a way out, is one over many at a
 * time for a compiler.
 */
static int
canopy_uuid_whole(const uint8_t *p, uint8_t *lower)
{
    size_t   i;
    uint8_t  bad, ch, digits[CANOPY_UUID_DIGITS];

    memcpy(digits, p, 8);
    memcpy(digits + 8, p + 9, 4);
    memcpy(digits + 12, p + 14, 4);
    memcpy(digits + 16, p + 19, 4);
    memcpy(digits + 20, p + 24, 12);

    bad = 0;

    for (i = 0; i < CANOPY_UUID_DIGITS; i++) {
        ch = digits[i];
        digits[i] = ch | 0x20;

        bad |= ((uint8_t) (ch - '0') > 9)
               & ((uint8_t) ((ch | 0x20) - 'a') > 5);
    }

    if (bad || p[8] != '-' || p[13] != '-' || p[18] != '-' || p[23] != '-') {
        return 0;
    }

    memcpy(lower, digits, 8);
    memcpy(lower + 9, digits + 8, 4);
    memcpy(lower + 14, digits + 12, 4);
    memcpy(lower + 19, digits + 16, 4);
    memcpy(lower + 24, digits + 20, 12);

    lower[8] = lower[13] = lower[18] = lower[23] = '-';

    return 1;
}


/* what is wrong first; something is */
static canopy_uuid_fault_t
canopy_uuid_find(const uint8_t *p)
{
    size_t               i;
    uint8_t              ch;
    canopy_uuid_fault_t  fault;

    fault.code = CANOPY_UUID_OK;

    for (i = 0; i < CANOPY_UUID_LEN && fault.code == CANOPY_UUID_OK; i++) {
        ch = p[i];

        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (ch != '-') {
                fault.code = CANOPY_UUID_HYPHEN;
            }

        } else if (!(ch >= '0' && ch <= '9')
                   && !((ch | 0x20) >= 'a' && (ch | 0x20) <= 'f'))
        {
            fault.code = CANOPY_UUID_DIGIT;
        }
    }

    fault.at = i;

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
