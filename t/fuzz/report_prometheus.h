/*
 * Prometheus' text of a report, line by line.
 */

#ifndef REPORT_PROMETHEUS_H
#define REPORT_PROMETHEUS_H


#include <inttypes.h>

#include "regex.h"
#include "report_world.h"


/* a text and how many samples were found in it */
typedef struct {
    char    *text;
    size_t   samples;
} prometheus_t;


static void check_prometheus(world_t *w);
static void check_lines(const char *text);
static void check_counted(prometheus_t *t, const char *name,
    const canopy_counters_t *c);
static void check_samples(prometheus_t *t, world_t *w, size_t i);
static void sample(prometheus_t *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static const char *seconds(wide_t ms);


static void
check_prometheus(world_t *w)
{
    char         *p, name[20];
    size_t        i;
    prometheus_t  t;

    t.text = world_form(w, canopy_report_prometheus);
    t.samples = 0;

    check_lines(t.text);

    sample(&t, "canopy_build_info{version=\"1.2.3\"} 1");
    sample(&t, "canopy_counters_created_timestamp_seconds %s",
           seconds(w->report.since));

    if (w->report.chosen.len) {
        sample(&t, "canopy_switch{environment=\"%.*s\"} 1",
               (int) w->report.chosen.len, "ab-_9");
    }

    check_counted(&t, "", w->report.unassigned);

    for (i = 0; i < w->report.n; i++) {
        snprintf(name, sizeof(name), "%.*s",
                 (int) w->environments[i].name.len,
                 (const char *) w->environments[i].name.data);

        check_counted(&t, name, w->environments[i].counters);
        check_samples(&t, w, i);
    }

    /* and no other; the first line is none */

    for (p = t.text; (p = strchr(p, '\n')) != NULL && p[1]; p++) {
        t.samples -= (p[1] != '#');
    }

    check(t.samples == 0);

    free(t.text);
}


/* the grammar of each line, and no family in two pieces */
static void
check_lines(const char *text)
{
    char            family[64], help[64], kind[16];
    size_t          i, n;
    const char     *rest;
    regmatch_t      m[4];
    canopy_slice_t  line;

    static regex_t  help_re, type_re, sample_re;
    static char     seen[64][64];

    n = 0;
    family[0] = help[0] = kind[0] = '\0';

    for ( /* void */ ; *text; text += line.len + 1) {
        line.data = (const uint8_t *) text;
        line.len = strcspn(text, "\n");
        check(text[line.len] == '\n');

        if (fuzz_regex(&help_re, "^# HELP (canopy_[a-z_]+) [A-Z][^\\]*\\.$", 0,
                       line, m, 2))
        {
            snprintf(help, sizeof(help), "%.*s",
                     (int) (m[1].rm_eo - m[1].rm_so), text + m[1].rm_so);
            continue;
        }

        if (fuzz_regex(&type_re,
                       "^# TYPE (canopy_[a-z_]+) (counter|gauge|histogram)$",
                       0, line, m, 3))
        {
            snprintf(family, sizeof(family), "%.*s",
                     (int) (m[1].rm_eo - m[1].rm_so), text + m[1].rm_so);
            snprintf(kind, sizeof(kind), "%.*s",
                     (int) (m[2].rm_eo - m[2].rm_so), text + m[2].rm_so);
            check(strcmp(family, help) == 0);

            for (i = 0; i < n; i++) {
                check(strcmp(seen[i], family) != 0);
            }

            check(n < 64);
            strcpy(seen[n++], family);
            continue;
        }

        check(fuzz_regex(&sample_re,
                         "^(canopy_[a-z_]+)(\\{[a-z0-9_]+=\"[^\"\\]*\""
                         "(,[a-z0-9_]+=\"[^\"\\]*\")*\\})?"
                         " -?[0-9]+(\\.[0-9]{1,3})?$", 0, line, m, 2));

        i = strlen(family);
        check(i > 0 && strncmp(text, family, i) == 0);

        rest = text + i;
        i = (size_t) m[1].rm_eo - i;

        check(strcmp(kind, "histogram") != 0
              ? i == 0
              : (i == 7 && strncmp(rest, "_bucket", 7) == 0)
                || (i == 4 && strncmp(rest, "_sum", 4) == 0)
                || (i == 6 && strncmp(rest, "_count", 6) == 0));
    }
}


static void
check_counted(prometheus_t *t, const char *name, const canopy_counters_t *c)
{
    size_t  i;

    for (i = 0; i < CANOPY_OUTCOMES; i++) {
        sample(t, "canopy_requests_total{environment=\"%s\",outcome=\"%s\"} %"
               PRIu64, name, world_outcomes[i], c->outcomes[i]);
    }

    for (i = 0; i < CANOPY_COUNTED; i++) {
        if (c->statuses[i]) {
            sample(t, "canopy_answers_total{environment=\"%s\",status=\"%s\"} "
                   "%" PRIu64, name, world_status(i), c->statuses[i]);
        }
    }
}


#define ONE(name, fmt, ...)                                                   \
    sample(t, "canopy_" name "{environment=\"%.*s\"} " fmt, len, e,           \
           __VA_ARGS__)

static void
check_samples(prometheus_t *t, world_t *w, size_t i)
{
    int                                 len;
    size_t                              k;
    wide_t                              age;
    uint64_t                            n;
    const char                         *e;
    const canopy_report_environment_t  *env;

    env = &w->environments[i];
    e = (const char *) env->name.data;
    len = (int) env->name.len;

    for (n = 0, k = 0; k < CANOPY_LATENCIES; k++) {
        n += env->counters->latencies[k];
        sample(t, "canopy_upstream_duration_seconds_bucket{environment="
               "\"%.*s\",le=\"%s\"} %" PRIu64, len, e, world_bounds[k], n);
    }

    ONE("upstream_duration_seconds_sum", "%s",
        seconds(env->counters->latency));
    ONE("upstream_duration_seconds_count", "%" PRIu64, n);
    ONE("upstream_repeats_total", "%" PRIu64, env->counters->repeats);
    ONE("environment_closed", "%d", env->closed);
    ONE("environment_ready", "%d", !env->closed && env->usable);
    ONE("credential_usable", "%d", env->usable);
    ONE("credential_refused", "%d", env->refused);

    if (env->obtained) {
        age = (wide_t) w->report.now - env->obtained;

        ONE("credential_age_seconds", "%s", seconds(age > 0 ? age : 0));
        sample(t, "canopy_credential_info{environment=\"%.*s\",kind=\"%s\","
               "sha256=\"%s\"} 1", len, e,
               env->oauth2 ? "oauth2" : "bearer_token_file",
               env->fingerprint.len ? "0a1b2c3d" : "");
    }

    if (env->expires) {
        ONE("credential_expiry_seconds", "%s",
            seconds((wide_t) env->expires - w->report.now));
    }

    if (env->oauth2) {
        ONE("token_exchanges", "%u", env->exchanges);
        ONE("token_exchange_budget", "%u", env->budget);
    }

    if (env->error.len) {
        ONE("credential_error_timestamp_seconds", "%s", seconds(env->failed));
    }
}


/* it is there, once */
static void
sample(prometheus_t *t, const char *fmt, ...)
{
    char         line[256], *found;
    va_list      args;

    line[0] = '\n';

    va_start(args, fmt);
    vsnprintf(line + 1, sizeof(line) - 2, fmt, args);
    va_end(args);

    strcat(line, "\n");

    found = strstr(t->text, line);
    check(found != NULL);
    check(strstr(found + 1, line) == NULL);

    t->samples++;
}


/* until the next call */
static const char *
seconds(wide_t ms)
{
    char      *p;
    uint64_t   n;

    static char  text[32];

    ms = world_most(ms);
    n = (uint64_t) (ms < 0 ? -ms : ms);

    snprintf(text, sizeof(text), "%s%" PRIu64 ".%03u", ms < 0 ? "-" : "",
             n / 1000, (unsigned) (n % 1000));

    for (p = text + strlen(text) - 1; *p == '0'; p--) {
        *p = '\0';
    }

    if (*p == '.') {
        *p = '\0';
    }

    return text;
}


#endif /* REPORT_PROMETHEUS_H */
