/*
 * The JSON of a report, as jansson reads it.
 */

#ifndef REPORT_JSON_H
#define REPORT_JSON_H


#include <jansson.h>

#include "canopy_redact.h"
#include "report_world.h"


static void check_json(world_t *w);
static void check_environment(world_t *w, json_t *o, size_t i);
static void check_requests(json_t *o, const canopy_counters_t *c);
static void check_latency(json_t *o, const canopy_counters_t *c);
static void check_history(world_t *w, json_t *o, size_t i);
static void check_credential(world_t *w, json_t *o, size_t i);
static void check_message(json_t *message, canopy_slice_t error);
static void number(json_t *value, uint64_t expected);
static void is_seconds(json_t *value, wide_t ms);


static void
check_json(world_t *w)
{
    char            *text;
    size_t           i;
    json_t          *root, *all;
    canopy_slice_t   whole;

    text = world_form(w, canopy_report_json);

    whole.data = (uint8_t *) text;
    whole.len = strlen(text);
    check(canopy_redact_is_utf8(whole));

    root = json_loads(text, JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL, NULL);
    check(root != NULL && json_object_size(root) == 6);

    check(strcmp(json_string_value(json_object_get(root, "version")), "1.2.3")
          == 0);
    is_seconds(json_object_get(root, "now"), w->report.now);
    is_seconds(json_object_get(root, "since"), w->report.since);

    if (w->report.chosen.len) {
        check(strncmp(json_string_value(json_object_get(root, "switch")),
                      "ab-_9", w->report.chosen.len) == 0);

    } else {
        check(json_is_null(json_object_get(root, "switch")));
    }

    all = json_object_get(root, "environments");
    check(json_object_size(all) == w->report.n);

    for (i = 0; i < w->report.n; i++) {
        check_environment(w, json_object_getn(all,
                              (const char *) w->environments[i].name.data,
                              w->environments[i].name.len), i);
    }

    check(json_object_size(json_object_get(root, "unassigned")) == 2);
    check_requests(json_object_get(root, "unassigned"), w->report.unassigned);

    json_decref(root);
    free(text);
}


static void
check_environment(world_t *w, json_t *o, size_t i)
{
    const canopy_report_environment_t  *e;

    e = &w->environments[i];

    check(json_object_size(o) == 8);
    check(json_is_boolean(json_object_get(o, "ready")));
    check(json_is_true(json_object_get(o, "ready"))
          == (!e->closed && e->usable));
    check(json_is_boolean(json_object_get(o, "closed")));
    check(json_is_true(json_object_get(o, "closed")) == (int) e->closed);

    check_requests(o, e->counters);
    number(json_object_get(o, "repeats"), e->counters->repeats);
    check_latency(json_object_get(o, "latency"), e->counters);
    check_history(w, json_object_get(o, "history"), i);
    check_credential(w, json_object_get(o, "credential"), i);
}


static void
check_requests(json_t *o, const canopy_counters_t *c)
{
    size_t   i, n;
    json_t  *answers;

    check(json_object_size(json_object_get(o, "outcomes"))
          == CANOPY_OUTCOMES);

    for (i = 0; i < CANOPY_OUTCOMES; i++) {
        number(json_object_get(json_object_get(o, "outcomes"),
                               world_outcomes[i]), c->outcomes[i]);
    }

    answers = json_object_get(o, "answers");

    for (n = 0, i = 0; i < CANOPY_COUNTED; i++) {
        if (c->statuses[i]) {
            number(json_object_get(answers, world_status(i)), c->statuses[i]);
            n++;
        }
    }

    check(json_is_object(answers) && json_object_size(answers) == n);
}


static void
check_latency(json_t *o, const canopy_counters_t *c)
{
    size_t    i;
    json_t   *buckets;
    uint64_t  n;

    check(json_object_size(o) == 3);
    is_seconds(json_object_get(o, "sum"), c->latency);

    buckets = json_object_get(o, "buckets");
    check(json_object_size(buckets) == CANOPY_LATENCIES);

    for (n = 0, i = 0; i < CANOPY_LATENCIES; i++) {
        n += c->latencies[i];
        number(json_object_get(buckets, world_bounds[i]), n);
    }

    number(json_object_get(o, "count"), n);
}


static void
check_history(world_t *w, json_t *o, size_t i)
{
    size_t    k, m, n, seen;
    json_t   *list;
    int64_t   minute;

    check(json_object_size(o) == 2 + CANOPY_OUTCOMES);
    number(json_object_get(o, "step"), 60);
    number(json_object_get(o, "end"),
           (uint64_t) (w->report.now / MINUTE * 60 + 60));

    for (k = 0; k < CANOPY_OUTCOMES; k++) {
        list = json_object_get(o, world_outcomes[k]);
        check(json_array_size(list) == CANOPY_HISTORY);

        for (m = 0; m < CANOPY_HISTORY; m++) {
            minute = w->report.now / MINUTE - 59 + (int64_t) m;

            for (seen = 0, n = 0; n < w->n; n++) {
                seen += (w->events[n].place == i
                         && (size_t) w->events[n].outcome == k
                         && w->events[n].minute == minute);
            }

            check(json_is_integer(json_array_get(list, m)));
            n = (size_t) json_integer_value(json_array_get(list, m));
            check(n <= seen);

            /* later ones may have taken its place */
            check(n == seen || w->back
                  || w->events[w->n - 1].minute > minute + 59);
        }
    }
}


static void
check_credential(world_t *w, json_t *o, size_t i)
{
    json_t                             *error;
    wide_t                              age, ago;
    const canopy_report_environment_t  *e;

    e = &w->environments[i];
    age = (wide_t) w->report.now - e->obtained;
    ago = (wide_t) w->report.now - e->failed;

    check(json_object_size(o) == (e->oauth2 ? 9u : 7u));
    check(strcmp(json_string_value(json_object_get(o, "kind")),
                 e->oauth2 ? "oauth2" : "bearer_token_file") == 0);
    check(json_is_true(json_object_get(o, "usable")) == (int) e->usable);
    check(json_is_true(json_object_get(o, "refused")) == (int) e->refused);

    if (e->obtained) {
        is_seconds(json_object_get(o, "age"), age > 0 ? age : 0);

    } else {
        check(json_is_null(json_object_get(o, "age")));
    }

    if (e->expires) {
        is_seconds(json_object_get(o, "expires_in"),
                   (wide_t) e->expires - w->report.now);

    } else {
        check(json_is_null(json_object_get(o, "expires_in")));
    }

    check(e->fingerprint.len
          ? strcmp(json_string_value(json_object_get(o, "sha256")), "0a1b2c3d")
            == 0
          : json_is_null(json_object_get(o, "sha256")));

    if (e->oauth2) {
        number(json_object_get(o, "exchanges"), e->exchanges);
        number(json_object_get(o, "budget"), e->budget);
    }

    error = json_object_get(o, "last_error");

    if (e->error.len == 0) {
        check(json_is_null(error));
        return;
    }

    check(json_object_size(error) == 3);
    is_seconds(json_object_get(error, "at"), e->failed);
    is_seconds(json_object_get(error, "ago"), ago > 0 ? ago : 0);
    check_message(json_object_get(error, "message"), e->error);
}


/* what jansson takes for a character is one */
static void
check_message(json_t *message, canopy_slice_t error)
{
    size_t       n;
    json_t      *one;
    const char  *p, *last, *bytes;

    p = json_string_value(message);
    check(p != NULL);
    last = p + json_string_length(message);
    bytes = (const char *) error.data;

    while (error.len) {
        one = NULL;

        for (n = 1; n <= 4 && n <= error.len && one == NULL; n++) {
            one = json_stringn(bytes, n);
        }

        n = (one != NULL) ? n - 1 : 1;

        if (one == NULL) {
            check(last - p >= 3 && memcmp(p, "\xef\xbf\xbd", 3) == 0);
            p += 3;

        } else {
            check((size_t) (last - p) >= n && memcmp(p, bytes, n) == 0);
            p += n;
        }

        json_decref(one);
        bytes += n;
        error.len -= n;
    }

    check(p == last);
}


static void
number(json_t *value, uint64_t expected)
{
    check(json_is_integer(value));
    check((uint64_t) json_integer_value(value) == expected);
}


/* as close as a double is */
static void
is_seconds(json_t *value, wide_t ms)
{
    double  distance, expected;

    check(json_is_number(value));

    expected = (double) world_most(ms) / 1000;
    distance = json_number_value(value) - expected;
    expected = expected < 0 ? -expected : expected;

    check((distance < 0 ? -distance : distance) <= expected * 1e-15 + 1e-9);
}


#endif /* REPORT_JSON_H */
