#include "canopy_report_parts.h"


typedef enum {
    REPEATS,
    CLOSED,
    READY,
    USABLE,
    REFUSED,
    AGE,
    EXPIRY,
    EXCHANGES,
    BUDGET,
    FAILED
} value_e;


/* one sample of each environment, or none */
typedef struct {
    value_e      value;
    unsigned     seconds;           /* it is in ms, else a number */
    const char  *name;
    const char  *type;
    const char  *help;
} family_t;


static void prometheus_gateway(canopy_text_t *t,
    const canopy_report_t *report);
static void prometheus_requests(canopy_text_t *t,
    const canopy_report_t *report);
static void prometheus_answers(canopy_text_t *t,
    const canopy_report_t *report);
static void prometheus_latency(canopy_text_t *t,
    const canopy_report_t *report);
static void prometheus_credentials(canopy_text_t *t,
    const canopy_report_t *report);
static void prometheus_family(canopy_text_t *t, const canopy_report_t *report,
    const family_t *family);
static void prometheus_head(canopy_text_t *t, const char *name,
    const char *type, const char *help);
static void prometheus_sample(canopy_text_t *t, const char *name,
    canopy_slice_t environment);
static void prometheus_label(canopy_text_t *t, const char *name,
    canopy_slice_t value);
static const canopy_counters_t *prometheus_counters(
    const canopy_report_t *report, size_t i, canopy_slice_t *name);
static int prometheus_value(value_e which,
    const canopy_report_environment_t *e, int64_t now, int64_t *value);


static const family_t  families[] = {

    { REPEATS, 0, "canopy_upstream_repeats_total", "counter",
      "Requests that were sent once more." },

    { CLOSED, 0, "canopy_environment_closed", "gauge",
      "Whether the operator has closed the environment." },

    { READY, 0, "canopy_environment_ready", "gauge",
      "Whether it is open and has a usable credential." },

    { USABLE, 0, "canopy_credential_usable", "gauge",
      "Whether there is a credential that has not expired." },

    { REFUSED, 0, "canopy_credential_refused", "gauge",
      "Whether the upstream refuses the credential." },

    { AGE, 1, "canopy_credential_age_seconds", "gauge",
      "How long ago the credential was read or obtained." },

    { EXPIRY, 1, "canopy_credential_expiry_seconds", "gauge",
      "How long until the credential expires." },

    { EXCHANGES, 0, "canopy_token_exchanges", "gauge",
      "Token exchanges of the last 24 hours." },

    { BUDGET, 0, "canopy_token_exchange_budget", "gauge",
      "Token exchanges that are allowed in 24 hours." },

    { FAILED, 1, "canopy_credential_error_timestamp_seconds", "gauge",
      "When the last error with the credential was." },
};


size_t
canopy_report_prometheus(const canopy_report_t *report, uint8_t *buf,
    size_t size)
{
    size_t         i;
    canopy_text_t  t = { buf, size, 0 };

    prometheus_gateway(&t, report);
    prometheus_requests(&t, report);
    prometheus_answers(&t, report);
    prometheus_latency(&t, report);

    for (i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        prometheus_family(&t, report, &families[i]);
    }

    prometheus_credentials(&t, report);

    return t.len;
}


static void
prometheus_gateway(canopy_text_t *t, const canopy_report_t *report)
{
    prometheus_head(t, "canopy_build_info", "gauge",
                    "The version of the gateway's module.");
    canopy_text(t, "canopy_build_info{");
    prometheus_label(t, "version", report->version);
    canopy_text(t, "} 1\n");

    prometheus_head(t, "canopy_counters_created_timestamp_seconds", "gauge",
                    "When the counters were at zero.");
    canopy_text(t, "canopy_counters_created_timestamp_seconds ");
    canopy_text_seconds(t, report->since);
    canopy_text(t, "\n");

    if (report->chosen.len) {
        prometheus_head(t, "canopy_switch", "gauge",
                        "The environment that canopy_switch_file names.");
        prometheus_sample(t, "canopy_switch", report->chosen);
        canopy_text(t, "} 1\n");
    }
}


static void
prometheus_requests(canopy_text_t *t, const canopy_report_t *report)
{
    size_t                    i, k;
    canopy_slice_t            name;
    canopy_outcome_e          outcome;
    const canopy_counters_t  *c;

    prometheus_head(t, "canopy_requests_total", "counter",
                    "Requests by their outcome.");

    for (i = 0; i <= report->n; i++) {
        c = prometheus_counters(report, i, &name);

        for (k = 0; k < CANOPY_OUTCOMES; k++) {
            outcome = canopy_report_outcomes[k];

            prometheus_sample(t, "canopy_requests_total", name);
            canopy_text(t, ",");
            prometheus_label(t, "outcome", canopy_outcome_word(outcome));
            canopy_text(t, "} ");
            canopy_text_number(t, c->outcomes[outcome]);
            canopy_text(t, "\n");
        }
    }
}


static void
prometheus_answers(canopy_text_t *t, const canopy_report_t *report)
{
    size_t                    i, k, n;
    canopy_slice_t            name;
    const canopy_counters_t  *c;

    for (n = 0, i = 0; i <= report->n; i++) {
        c = prometheus_counters(report, i, &name);

        for (k = 0; k < CANOPY_COUNTED; k++) {

            if (c->statuses[k] == 0) {
                continue;
            }

            if (n++ == 0) {
                prometheus_head(t, "canopy_answers_total", "counter",
                                "Answers to clients by their status.");
            }

            prometheus_sample(t, "canopy_answers_total", name);
            canopy_text(t, ",status=\"");
            canopy_report_status(t, k);
            canopy_text(t, "\"} ");
            canopy_text_number(t, c->statuses[k]);
            canopy_text(t, "\n");
        }
    }
}


static void
prometheus_latency(canopy_text_t *t, const canopy_report_t *report)
{
    size_t                    i, k;
    canopy_slice_t            name;
    const canopy_counters_t  *c;

    for (i = 0; i < report->n; i++) {
        c = prometheus_counters(report, i, &name);

        if (i == 0) {
            prometheus_head(t, "canopy_upstream_duration_seconds",
                            "histogram", "Durations of what was sent.");
        }

        for (k = 0; k < CANOPY_LATENCIES; k++) {
            prometheus_sample(t, "canopy_upstream_duration_seconds_bucket",
                              name);
            canopy_text(t, ",le=\"");
            canopy_report_bound(t, k);
            canopy_text(t, "\"} ");
            canopy_text_number(t, canopy_counters_within(c, k));
            canopy_text(t, "\n");
        }

        prometheus_sample(t, "canopy_upstream_duration_seconds_sum", name);
        canopy_text(t, "} ");
        canopy_text_seconds(t, (int64_t) c->latency);
        canopy_text(t, "\n");

        prometheus_sample(t, "canopy_upstream_duration_seconds_count", name);
        canopy_text(t, "} ");
        canopy_text_number(t, canopy_counters_within(c, k));
        canopy_text(t, "\n");
    }
}


static void
prometheus_credentials(canopy_text_t *t, const canopy_report_t *report)
{
    size_t                              i, n;
    const canopy_report_environment_t  *e;

    for (n = 0, i = 0; i < report->n; i++) {
        e = &report->environments[i];

        if (e->obtained == 0) {
            continue;
        }

        if (n++ == 0) {
            prometheus_head(t, "canopy_credential_info", "gauge",
                            "What the credential is.");
        }

        prometheus_sample(t, "canopy_credential_info", e->name);
        canopy_text(t, ",kind=\"");
        canopy_text(t, canopy_report_kind(e));
        canopy_text(t, "\",");
        prometheus_label(t, "sha256", e->fingerprint);
        canopy_text(t, "} 1\n");
    }
}


static void
prometheus_family(canopy_text_t *t, const canopy_report_t *report,
    const family_t *family)
{
    size_t                              i, n;
    int64_t                             value;
    const canopy_report_environment_t  *e;

    for (n = 0, i = 0; i < report->n; i++) {
        e = &report->environments[i];

        if (!prometheus_value(family->value, e, report->now, &value)) {
            continue;
        }

        if (n++ == 0) {
            prometheus_head(t, family->name, family->type, family->help);
        }

        prometheus_sample(t, family->name, e->name);
        canopy_text(t, "} ");

        if (family->seconds) {
            canopy_text_seconds(t, value);

        } else {
            canopy_text_number(t, (uint64_t) value);
        }

        canopy_text(t, "\n");
    }
}


static void
prometheus_head(canopy_text_t *t, const char *name, const char *type,
    const char *help)
{
    canopy_text(t, "# HELP ");
    canopy_text(t, name);
    canopy_text(t, " ");
    canopy_text(t, help);
    canopy_text(t, "\n# TYPE ");
    canopy_text(t, name);
    canopy_text(t, " ");
    canopy_text(t, type);
    canopy_text(t, "\n");
}


/* its beginning; other labels may follow, each behind a comma */
static void
prometheus_sample(canopy_text_t *t, const char *name,
    canopy_slice_t environment)
{
    canopy_text(t, name);
    canopy_text(t, "{");
    prometheus_label(t, "environment", environment);
}


static void
prometheus_label(canopy_text_t *t, const char *name, canopy_slice_t value)
{
    canopy_text(t, name);
    canopy_text(t, "=\"");
    canopy_text_slice(t, value);
    canopy_text(t, "\"");
}


/* those behind the last environment's are the unassigned ones */
static const canopy_counters_t *
prometheus_counters(const canopy_report_t *report, size_t i,
    canopy_slice_t *name)
{
    static const canopy_slice_t  none = canopy_slice("");

    if (i == report->n) {
        *name = none;
        return report->unassigned;
    }

    *name = report->environments[i].name;

    return report->environments[i].counters;
}


static int
prometheus_value(value_e which, const canopy_report_environment_t *e,
    int64_t now, int64_t *value)
{
    switch (which) {

    case REPEATS:
        *value = (int64_t) e->counters->repeats;
        return 1;

    case CLOSED:
        *value = e->closed;
        return 1;

    case READY:
        *value = canopy_report_ready(e);
        return 1;

    case USABLE:
        *value = e->usable;
        return 1;

    case REFUSED:
        *value = e->refused;
        return 1;

    case AGE:
        *value = canopy_report_ago(e->obtained, now);
        return e->obtained != 0;

    case EXPIRY:
        *value = canopy_report_span(now, e->expires);
        return e->expires != 0;

    case EXCHANGES:
        *value = e->exchanges;
        return e->oauth2;

    case BUDGET:
        *value = e->budget;
        return e->oauth2;

    default: /* FAILED */
        *value = e->failed;
        return e->error.len != 0;
    }
}
