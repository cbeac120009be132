/*
 * The bearer credential in an Authorization field (RFC 6750, section 2.1),
 * and the base64url coding of its parts (RFC 4648, section 5).
 */

#ifndef CANOPY_BEARER_H
#define CANOPY_BEARER_H


#include "canopy_slice.h"


/*
 * Finds the token in the value of an Authorization field: the scheme "Bearer"
 * in any case, one space or more, the token.
 *
 * In:      value, the field's value, any bytes.
 * Out:     *token, a part of value, never empty; it may hold any bytes.
 * Returns  0; -1 if there is no bearer credential (another scheme, no space,
 *          nothing after it), then *token is not touched.
 */
int canopy_bearer(canopy_slice_t value, canopy_slice_t *token);


/*
 * The size in bytes that n characters of base64url need at most, decoded.
 */
#define canopy_base64url_size(n)  ((n) / 4 * 3 + 2)


/*
 * Decodes base64url without padding (RFC 4648, section 5; RFC 7515, section
 * 2).
 * Bits left over in the last character are not looked at.
 *
 * In:      src, any bytes.
 * Out:     dst, room for canopy_base64url_size(src.len) bytes, the caller's.
 *          With dst NULL the text is only checked.  Nothing is written behind
 *          the bytes decoded; after a -1 they are of no use, but they are
 *          there.
 * Returns  the number of bytes decoded; -1 on a character out of the alphabet
 *          (the padding "=" included) or a length no coding has.
 */
long canopy_base64url(canopy_slice_t src, uint8_t *dst);

/*
 * The same, but the bits left over must be zero (RFC 4648, section 3.5): no
 * two texts say the same.
 */
long canopy_base64url_strict(canopy_slice_t src, uint8_t *dst);


#endif /* CANOPY_BEARER_H */
