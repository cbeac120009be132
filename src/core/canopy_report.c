#include "canopy_report_parts.h"


const canopy_outcome_e  canopy_report_outcomes[CANOPY_OUTCOMES] = {
    CANOPY_ACCEPTED,
    CANOPY_REJECTED,
    CANOPY_DENIED,
    CANOPY_NOT_SENT,
    CANOPY_UNKNOWN
};


int64_t
canopy_report_span(int64_t from, int64_t to)
{
    if (from < 0 && to > INT64_MAX + from) {
        return INT64_MAX;
    }

    if (from > 0 && to < INT64_MIN + from) {
        return INT64_MIN;
    }

    return to - from;
}


int64_t
canopy_report_ago(int64_t from, int64_t to)
{
    return (from < to) ? canopy_report_span(from, to) : 0;
}


int
canopy_report_ready(const canopy_report_environment_t *e)
{
    return !e->closed && e->usable;
}


const char *
canopy_report_kind(const canopy_report_environment_t *e)
{
    return e->oauth2 ? "oauth2" : "bearer_token_file";
}


void
canopy_report_status(canopy_text_t *t, size_t i)
{
    unsigned  status;

    status = canopy_counters_status(i);

    if (status) {
        canopy_text_number(t, status);

    } else {
        canopy_text(t, "other");
    }
}


void
canopy_report_bound(canopy_text_t *t, size_t i)
{
    unsigned  bound;

    bound = canopy_counters_bound(i);

    if (bound) {
        canopy_text_seconds(t, bound);

    } else {
        canopy_text(t, "+Inf");
    }
}
