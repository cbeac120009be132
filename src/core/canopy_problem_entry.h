/*
 * An entry of the list of errors:
 *
 *     {"loc":[string|integer, ...],"msg":string,"type":string}
 *
 * Only canopy_problem_tree.c uses this, and jansson's trees do not leave the
 * two; canopy_problem_plain.c asks what it is about.  Those that make an entry
 * give a new reference, or NULL if there was no memory.  No secret of
 * in->secrets is in a text of theirs, and none of the upstream's texts is
 * longer than CANOPY_PROBLEM_TEXT.
 */

#ifndef CANOPY_PROBLEM_ENTRY_H
#define CANOPY_PROBLEM_ENTRY_H


#include <jansson.h>

#include "canopy_problem.h"


/*
 * In:      in, its status and secrets; element, any value, which stays the
 *          caller's; whole, is it the whole body, which has no "detail"?  Its
 *          "code" or "error" may be the type then.
 */
json_t *canopy_problem_entry(const canopy_problem_t *in, json_t *element,
    int whole);


/*
 * In:      in, as above; text, the message, UTF-8.
 */
json_t *canopy_problem_entry_text(const canopy_problem_t *in,
    canopy_slice_t text);


/*
 * In:      in, as above; text, the message in our own words, in which secrets
 *          are not looked for.
 */
json_t *canopy_problem_entry_own(const canopy_problem_t *in, const char *text);


/*
 * Is it about the task that the request was for?  Then an entry that has no loc
 * or type gets ["path","id"] and "value_error", else ["upstream"] and
 * "upstream_error".
 *
 * In:      in, its status.
 * Returns  1 or 0.
 */
int canopy_problem_about_task(const canopy_problem_t *in);


#endif /* CANOPY_PROBLEM_ENTRY_H */
