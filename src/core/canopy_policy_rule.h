/*
 * One rule on a token's claims.  For canopy_policy.c only.
 */

#ifndef CANOPY_POLICY_RULE_H
#define CANOPY_POLICY_RULE_H


#include "canopy_policy.h"


/*
 * In:      claims, an object that canopy_json_object() has found right, with
 *          nothing around it.
 * Returns  1 if the rule holds, else 0.
 */
int canopy_policy_rule(canopy_slice_t claims, const canopy_rule_t *rule);


#endif /* CANOPY_POLICY_RULE_H */
