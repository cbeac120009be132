/*
 * JSON's numbers (RFC 8259, section 6): where they end.  Only canopy_json*.c
 * use this; what a number is worth, canopy_json_number() of canopy_json.h
 * says.
 */

#ifndef CANOPY_JSON_NUMBER_H
#define CANOPY_JSON_NUMBER_H


#include "canopy_slice.h"


/*
 * Returns  the place behind the number that begins at p; NULL if none does.
 */
const uint8_t *canopy_json_numeral(const uint8_t *p, const uint8_t *last);


#endif /* CANOPY_JSON_NUMBER_H */
