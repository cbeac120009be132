/*
 * A JSON Web Token's shape (RFC 7515, section 3.1; RFC 7519, section 3) and
 * the claims that hold without a key.
 */

#ifndef CANOPY_TOKEN_H
#define CANOPY_TOKEN_H


#include "canopy_slice.h"


#define CANOPY_TOKEN_MAX  8192          /* bytes */


typedef enum {
    CANOPY_TOKEN_OK = 0,
    CANOPY_TOKEN_TOO_LONG,              /* over CANOPY_TOKEN_MAX bytes */
    CANOPY_TOKEN_ENCRYPTED,             /* five parts: a JWE */
    CANOPY_TOKEN_PARTS,                 /* not three parts, or an empty one */
    CANOPY_TOKEN_BASE64URL,             /* a part is not base64url */
    CANOPY_TOKEN_HEADER,                /* the header is no JSON object */
    CANOPY_TOKEN_ALG,                   /* no usable "alg" */
    CANOPY_TOKEN_PAYLOAD,               /* the payload is no JSON object */
    CANOPY_TOKEN_EXP                    /* "exp" is not a number */
} canopy_token_fault_e;


typedef struct {
    unsigned  has_exp;                  /* 0 or 1 */
    double    exp;                      /* seconds since the Epoch */
} canopy_claims_t;


/*
 * Checks the shape of a client's token: three non-empty base64url parts
 * without padding, the first two JSON objects in UTF-8 without duplicate
 * names, a string "alg" that is neither empty nor "none" in any case (escapes
 * in it are not looked through: no registered name needs one, so an escaped
 * one is refused), an "exp" that is a number if it is there.
 *
 * In:      token, any bytes, any length.
 * Out:     *claims, if the answer is CANOPY_TOKEN_OK.
 * Returns  CANOPY_TOKEN_OK or the first fault, in the order of the list above.
 *          Allocates nothing; the decoded text lives on the stack (about 6k,
 *          56k with what reads it) and is wiped.
 */
canopy_token_fault_e canopy_token_check(canopy_slice_t token,
    canopy_claims_t *claims);


/*
 * Out:     parts, the three of a token in compact form; slices of it, what
 *          they hold is not looked at.
 * Returns  0; -1 if there are not three, none of them empty.
 */
int canopy_token_parts(canopy_slice_t token, canopy_slice_t parts[3]);


/*
 * A sentence for a fault, constant, plain ASCII without quotes or backslashes,
 * fit for a JSON string and a quoted-string of a header field.
 */
const char *canopy_token_fault(canopy_token_fault_e fault);


/*
 * When a credential of unknown kind expires: if it looks like a JWT whose
 * payload is a JSON object with a numeric "exp", that.  Header and signature
 * are not looked at.
 *
 * In:      token, any bytes, up to 16,384 (a longer one has no expiry here).
 * Out:     *exp, seconds since the Epoch; not touched after a 0.
 * Returns  1 if it has one, 0 if not.
 */
int canopy_token_expiry(canopy_slice_t token, double *exp);


#endif /* CANOPY_TOKEN_H */
