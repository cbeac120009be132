/*
 * What the forms of a report have in common.  Only canopy_report*.c use this.
 */

#ifndef CANOPY_REPORT_PARTS_H
#define CANOPY_REPORT_PARTS_H


#include "canopy_report.h"
#include "canopy_text.h"


/* the outcomes as they are listed */
extern const canopy_outcome_e  canopy_report_outcomes[CANOPY_OUTCOMES];


/*
 * Returns  to - from, as close as an int64_t can be.
 */
int64_t canopy_report_span(int64_t from, int64_t to);

/*
 * The same, but 0 if it would be less: how long ago, for a clock set back.
 */
int64_t canopy_report_ago(int64_t from, int64_t to);

/*
 * Can requests be sent?
 */
int canopy_report_ready(const canopy_report_environment_t *e);

/*
 * The kind of its credential, a constant.
 */
const char *canopy_report_kind(const canopy_report_environment_t *e);

/*
 * The names of a place in statuses ("204", "other") and of a bucket ("0.005",
 * "+Inf"), written.
 */
void canopy_report_status(canopy_text_t *t, size_t i);
void canopy_report_bound(canopy_text_t *t, size_t i);


#endif /* CANOPY_REPORT_PARTS_H */
