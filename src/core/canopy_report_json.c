#include "canopy_report_parts.h"


#define MINUTE  60                      /* seconds */


static void write_environment(canopy_text_t *t, const canopy_report_t *report,
    const canopy_report_environment_t *e);
static void write_requests(canopy_text_t *t, const canopy_counters_t *c);
static void write_latency(canopy_text_t *t, const canopy_counters_t *c);
static void write_history(canopy_text_t *t, const canopy_counters_t *c,
    int64_t now);
static void write_credential(canopy_text_t *t,
    const canopy_report_environment_t *e, int64_t now);
static void write_error(canopy_text_t *t,
    const canopy_report_environment_t *e, int64_t now);
static void write_name(canopy_text_t *t, const char *separator,
    canopy_slice_t name);
static void write_word(canopy_text_t *t, canopy_slice_t word);
static void write_boolean(canopy_text_t *t, int value);


size_t
canopy_report_json(const canopy_report_t *report, uint8_t *buf, size_t size)
{
    size_t         i;
    canopy_text_t  t = { buf, size, 0 };

    canopy_text(&t, "{\"version\":");
    write_word(&t, report->version);
    canopy_text(&t, ",\"now\":");
    canopy_text_seconds(&t, report->now);
    canopy_text(&t, ",\"since\":");
    canopy_text_seconds(&t, report->since);
    canopy_text(&t, ",\"switch\":");
    write_word(&t, report->chosen);

    canopy_text(&t, ",\"environments\":{");

    for (i = 0; i < report->n; i++) {
        write_name(&t, i ? "," : "", report->environments[i].name);
        write_environment(&t, report, &report->environments[i]);
    }

    canopy_text(&t, "},\"unassigned\":{");
    write_requests(&t, report->unassigned);
    canopy_text(&t, "}}\n");

    return t.len;
}


static void
write_environment(canopy_text_t *t, const canopy_report_t *report,
    const canopy_report_environment_t *e)
{
    canopy_text(t, "{\"ready\":");
    write_boolean(t, canopy_report_ready(e));
    canopy_text(t, ",\"closed\":");
    write_boolean(t, e->closed);
    canopy_text(t, ",");
    write_requests(t, e->counters);
    canopy_text(t, ",\"repeats\":");
    canopy_text_number(t, e->counters->repeats);
    canopy_text(t, ",\"latency\":");
    write_latency(t, e->counters);
    canopy_text(t, ",\"history\":");
    write_history(t, e->counters, report->now);
    canopy_text(t, ",\"credential\":");
    write_credential(t, e, report->now);
    canopy_text(t, "}");
}


/* two members, without the braces */
static void
write_requests(canopy_text_t *t, const canopy_counters_t *c)
{
    size_t             i;
    const char        *separator;
    canopy_outcome_e   outcome;

    canopy_text(t, "\"outcomes\":{");

    for (i = 0; i < CANOPY_OUTCOMES; i++) {
        outcome = canopy_report_outcomes[i];

        write_name(t, i ? "," : "", canopy_outcome_word(outcome));
        canopy_text_number(t, c->outcomes[outcome]);
    }

    canopy_text(t, "},\"answers\":{");

    for (separator = "", i = 0; i < CANOPY_COUNTED; i++) {

        if (c->statuses[i] == 0) {
            continue;
        }

        canopy_text(t, separator);
        canopy_text(t, "\"");
        canopy_report_status(t, i);
        canopy_text(t, "\":");
        canopy_text_number(t, c->statuses[i]);

        separator = ",";
    }

    canopy_text(t, "}");
}


static void
write_latency(canopy_text_t *t, const canopy_counters_t *c)
{
    size_t  i;

    canopy_text(t, "{\"count\":");
    canopy_text_number(t, canopy_counters_within(c, CANOPY_LATENCIES - 1));
    canopy_text(t, ",\"sum\":");
    canopy_text_seconds(t, (int64_t) c->latency);
    canopy_text(t, ",\"buckets\":{");

    for (i = 0; i < CANOPY_LATENCIES; i++) {
        canopy_text(t, i ? ",\"" : "\"");
        canopy_report_bound(t, i);
        canopy_text(t, "\":");
        canopy_text_number(t, canopy_counters_within(c, i));
    }

    canopy_text(t, "}}");
}


static void
write_history(canopy_text_t *t, const canopy_counters_t *c, int64_t now)
{
    size_t            i;
    int64_t           end, minute;
    canopy_outcome_e  outcome;

    end = now / 1000 / MINUTE + 1;

    canopy_text(t, "{\"step\":");
    canopy_text_number(t, MINUTE);
    canopy_text(t, ",\"end\":");
    canopy_text_number(t, (uint64_t) (end * MINUTE));

    for (i = 0; i < CANOPY_OUTCOMES; i++) {
        outcome = canopy_report_outcomes[i];

        write_name(t, ",", canopy_outcome_word(outcome));

        for (minute = end - CANOPY_HISTORY; minute < end; minute++) {
            canopy_text(t, minute == end - CANOPY_HISTORY ? "[" : ",");
            canopy_text_number(t, canopy_counters_minute(c, minute, outcome));
        }

        canopy_text(t, "]");
    }

    canopy_text(t, "}");
}


static void
write_credential(canopy_text_t *t, const canopy_report_environment_t *e,
    int64_t now)
{
    canopy_text(t, "{\"kind\":\"");
    canopy_text(t, canopy_report_kind(e));
    canopy_text(t, "\",\"usable\":");
    write_boolean(t, e->usable);
    canopy_text(t, ",\"refused\":");
    write_boolean(t, e->refused);

    canopy_text(t, ",\"age\":");

    if (e->obtained) {
        canopy_text_seconds(t, canopy_report_ago(e->obtained, now));

    } else {
        canopy_text(t, "null");
    }

    canopy_text(t, ",\"expires_in\":");

    if (e->expires) {
        canopy_text_seconds(t, canopy_report_span(now, e->expires));

    } else {
        canopy_text(t, "null");
    }

    canopy_text(t, ",\"sha256\":");
    write_word(t, e->fingerprint);

    if (e->oauth2) {
        canopy_text(t, ",\"exchanges\":");
        canopy_text_number(t, e->exchanges);
        canopy_text(t, ",\"budget\":");
        canopy_text_number(t, e->budget);
    }

    canopy_text(t, ",\"last_error\":");
    write_error(t, e, now);
    canopy_text(t, "}");
}


static void
write_error(canopy_text_t *t, const canopy_report_environment_t *e,
    int64_t now)
{
    if (e->error.len == 0) {
        canopy_text(t, "null");
        return;
    }

    canopy_text(t, "{\"at\":");
    canopy_text_seconds(t, e->failed);
    canopy_text(t, ",\"ago\":");
    canopy_text_seconds(t, canopy_report_ago(e->failed, now));
    canopy_text(t, ",\"message\":");
    canopy_text_json(t, e->error);
    canopy_text(t, "}");
}


static void
write_name(canopy_text_t *t, const char *separator, canopy_slice_t name)
{
    canopy_text(t, separator);
    canopy_text(t, "\"");
    canopy_text_slice(t, name);
    canopy_text(t, "\":");
}


/* nothing is null */
static void
write_word(canopy_text_t *t, canopy_slice_t word)
{
    if (word.len == 0) {
        canopy_text(t, "null");
        return;
    }

    canopy_text(t, "\"");
    canopy_text_slice(t, word);
    canopy_text(t, "\"");
}


static void
write_boolean(canopy_text_t *t, int value)
{
    canopy_text(t, value ? "true" : "false");
}
