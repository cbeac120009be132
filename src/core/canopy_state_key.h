/*
 * A key in digits.  For canopy_state*.c only.
 */

#ifndef CANOPY_STATE_KEY_H
#define CANOPY_STATE_KEY_H


#include "canopy_state.h"


#define CANOPY_STATE_FORMAT    1
#define CANOPY_STATE_KEY_SIZE  65       /* a SHA-256, NUL-terminated */


/*
 * Out:     hex, CANOPY_STATE_KEY_SIZE bytes.
 * Returns  0; -1 if there was no memory.
 */
int canopy_state_key(const canopy_state_key_t *key, char *hex);


#endif /* CANOPY_STATE_KEY_H */
