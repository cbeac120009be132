/*
 * The claims of a token whose signature is right (RFC 7519, section 4.1), and
 * the rules for who may use an environment.
 *
 * Nothing is allocated: the payload's text is decoded onto the stack (about
 * 14k, 64k with what reads it), looked at there, and wiped.
 */

#ifndef CANOPY_POLICY_H
#define CANOPY_POLICY_H


#include "canopy_slice.h"


#define CANOPY_CLIENT_MAX  256          /* bytes of a "sub" that is kept */


/*
 * claim equals one of the values, or is a list or a space-separated string
 * that contains one.  Numbers and booleans are compared by their JSON text (an
 * integer 5 equals "5", true equals "true"; a real number by its value); null
 * equals nothing.
 *
 * claim is a path: a member of that very name first (names with dots and
 * slashes: "https://umbra.space/rate_limit"), else split at each dot, the
 * longest existing member name first; one without the rest of the path inside
 * is passed over.
 */
typedef struct {
    canopy_slice_t         claim;
    const canopy_slice_t  *values;
    size_t                 nvalues;
} canopy_rule_t;


typedef struct {
    int64_t                now;         /* seconds since the Epoch */
    int64_t                leeway;      /* seconds */
    canopy_slice_t         issuer;      /* empty: any */
    canopy_slice_t         audience;    /* empty: any */
    const canopy_rule_t   *rules;       /* all must hold */
    size_t                 nrules;
} canopy_policy_t;


typedef enum {
    CANOPY_POLICY_OK = 0,
    CANOPY_POLICY_NO_EXPIRY,            /* no "exp" */
    CANOPY_POLICY_EXPIRED,
    CANOPY_POLICY_NOT_YET,              /* "nbf" or "iat" in the future, or not
                                           a number, or too large for one */
    CANOPY_POLICY_ISSUER,
    CANOPY_POLICY_AUDIENCE,
    CANOPY_POLICY_CLAIM,
    CANOPY_POLICY_MEMORY                /* not well-formed: it was not
                                           checked */
} canopy_policy_e;


typedef struct {
    double                 expires;     /* "exp" */
    size_t                 sub_len;     /* 0: no "sub", or not a string, or it
                                           has a control character, or too
                                           long */
    uint8_t                sub[CANOPY_CLIENT_MAX];
} canopy_verdict_t;


/*
 * Checks in the order of the faults above; the first one is returned.
 *
 * In:      token, one that canopy_token_check() found well-formed.
 * Out:     *verdict, after CANOPY_POLICY_OK and CANOPY_POLICY_CLAIM; else not
 *          touched.
 */
canopy_policy_e canopy_policy_check(canopy_slice_t token,
    const canopy_policy_t *policy, canopy_verdict_t *verdict);

/*
 * A sentence for a fault, constant, plain ASCII without quotes or backslashes.
 */
const char *canopy_policy_fault(canopy_policy_e fault);


#endif /* CANOPY_POLICY_H */
