/*
 * A JSON Web Key set (RFC 7517) and signatures by its keys (RFC 7515, RFC
 * 7518, RFC 8037).
 *
 * Keys and signatures are OpenSSL's, whose queue of errors is left as it was
 * found; the set's JSON is jansson's, and what that frees is wiped.
 */

#ifndef CANOPY_JWK_H
#define CANOPY_JWK_H


#include "canopy_slice.h"


#define CANOPY_JWKS_MAX    1048576      /* bytes of a set's text */
#define CANOPY_JWKS_FAULT  256          /* bytes of a message, NUL included */


typedef struct canopy_jwks_s  canopy_jwks_t;


/*
 * Reads a set of keys: RSA of 2048 to 16384 bits, EC P-256, P-384, P-521, OKP
 * Ed25519, oct; or one public key in PEM (SubjectPublicKeyInfo), a set of one
 * without kid, use and alg.
 *
 * Private members are not looked at.  A key whose "use" is not "sig", or whose
 * "key_ops" does not contain "verify", or whose kty or crv is none of these,
 * is passed over (RFC 7517, section 5), and so is one whose alg is none of
 * those below; any other fault of a key is a fault of the set: an oct that is
 * shorter than the hash of its alg, or than that of HS256, is one.  A set
 * without a usable key is a fault.  Two keys with the same kid are fine.
 *
 * In:      text, any bytes.
 * Out:     *set, to be freed with canopy_jwks_free(); or fault, a sentence
 *          that names the member (keys[2]: "n" is missing) and holds nothing
 *          of the text: the names are constants, printable ASCII.
 * Returns  0 or -1.
 */
int canopy_jwks_read(canopy_slice_t text, canopy_jwks_t **set,
    char fault[CANOPY_JWKS_FAULT]);

/*
 * NULL is fine; oct keys are wiped.
 */
void canopy_jwks_free(canopy_jwks_t *set);


typedef enum {
    CANOPY_SIGNATURE_OK = 0,
    CANOPY_SIGNATURE_ALGORITHM,     /* none of ours: EdDSA and RS, PS, ES, HS
                                       with 256, 384, 512 */
    CANOPY_SIGNATURE_CRITICAL,      /* "crit" is there (RFC 7515, section
                                       4.1.11), or a "b64" other than true
                                       (RFC 7797) */
    CANOPY_SIGNATURE_KEY,           /* no key fits the kid and the alg */
    CANOPY_SIGNATURE_INVALID,       /* or OpenSSL had no memory in the midst
                                       of it */
    CANOPY_SIGNATURE_MEMORY
} canopy_signature_e;


/*
 * Verifies a token's signature.  The key decides: its kty (and crv), and its
 * "alg" if it has one, must fit the token's alg; with a kid in the token only
 * keys of that kid are tried (a kid that is no string is no key's), without
 * one every key that fits.  The first 16 of these in the set's order are tried
 * at most.
 *
 * In:      token, one that canopy_token_check() found well-formed.
 */
canopy_signature_e canopy_jwks_verify(const canopy_jwks_t *set,
    canopy_slice_t token);

/*
 * A sentence for a fault, constant, plain ASCII without quotes or backslashes.
 */
const char *canopy_signature_fault(canopy_signature_e fault);


#endif /* CANOPY_JWK_H */
