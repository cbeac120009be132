/*
 * The fields of an answer's head: which are known, what is kept of their
 * values, what framing they give.  For canopy_answer.c only, which finds the
 * names and values in the bytes.
 */

#ifndef CANOPY_ANSWER_FIELD_H
#define CANOPY_ANSWER_FIELD_H


#include "canopy_answer.h"


/*
 * Takes the next bytes of a field's name, [p, last), up to the first that
 * can't stand in one (RFC 9110, section 5.6.2).
 *
 * In:      a->s.n, the name's length so far.
 * Out:     a->s.n; a->s.name, the name in lower case, cut at its size.
 * Returns  where it stopped, last or before.
 */
const uint8_t *canopy_answer_field_name(canopy_answer_t *a, const uint8_t *p,
    const uint8_t *last);


/*
 * The name is complete.
 *
 * In:      a->s.n and a->s.name, as above.
 * Out:     a->s.field, the known field, or 0.
 */
void canopy_answer_field_find(canopy_answer_t *a);


/*
 * Takes the next bytes of a known field's value, [p, last), without a line's
 * end.  What does not fit is counted only.
 *
 * In:      a->s.n, the value's length so far, and a->s.trimmed, the same
 *          without spaces at the end; 0 both with the first bytes, which have
 *          no space before them.
 * Out:     a->s.n, a->s.trimmed, a->s.value.
 */
void canopy_answer_field_value(canopy_answer_t *a, const uint8_t *p,
    const uint8_t *last);


/*
 * The line is complete.
 *
 * In:      a->s.field, a known field or 0; a->s.trimmed and a->s.value, as
 *          above.
 * Out:     what a known field says, in *a; a->s.field and a->s.n are 0.
 * Returns  0; -1 if the field makes the head malformed.
 */
int canopy_answer_field_end(canopy_answer_t *a);


/*
 * The final head is complete.
 *
 * In:      a->status, a->s.http10 and what the fields said.
 * Out:     a->framing, a->length, a->keepalive.
 * Returns  0; -1 if the fields contradict each other.
 */
int canopy_answer_field_framing(canopy_answer_t *a);


#endif /* CANOPY_ANSWER_FIELD_H */
