/*
 * canopy_report: both forms word for word, with all that may be missing, exact
 * numbers, a clock that is set, and a buffer of any size; promtool's word on
 * one of them.
 */

#include <jansson.h>

#include "canopy_report.h"
#include "report_texts.h"
#include "tap.h"


#define NOW  INT64_C(1795608000123)
#define MOST  INT64_C(9223372036854775807)


typedef size_t (*form_pt)(const canopy_report_t *report, uint8_t *buf,
    size_t size);


static void full(void);
static void least(void);
static void history(void);
static void clocks(void);
static void numbers(void);
static void error(void);
static void sizes(void);
static void promtool(void);
static void is(form_pt form, const char *expected, const char *name);
static const char *text(form_pt form);
static void make_full(void);
static void make_least(void);
static int has(const char *whole, const char *part);
static canopy_slice_t slice(const char *s);


static canopy_report_t              report;
static canopy_report_environment_t  environments[2];
static canopy_counters_t            counters[2], unassigned;


int
main(void)
{
    full();
    least();
    history();
    clocks();
    numbers();
    error();
    sizes();
    promtool();

    return tap_done();
}


static void
full(void)
{
    make_full();

    is(canopy_report_json, full_json, "JSON");
    is(canopy_report_prometheus, full_prometheus, "Prometheus");
}


/* no environment, nothing counted */
static void
least(void)
{
    make_least();
    report.n = 0;

    is(canopy_report_json,
       "{\"version\":\"0.1.0\",\"now\":1795608000.123,"
       "\"since\":1795600000,\"switch\":null,"
       "\"environments\":{},\"unassigned\":{" NO_OUTCOMES "}}\n",
       "the least JSON");

    /* no family without a sample */

    is(canopy_report_prometheus,
       HEAD("canopy_build_info", "gauge", "The version of the gateway's module.")
       "canopy_build_info{version=\"0.1.0\"} 1\n"
       HEAD("canopy_counters_created_timestamp_seconds", "gauge",
            "When the counters were at zero.")
       "canopy_counters_created_timestamp_seconds 1795600000\n"
       HEAD("canopy_requests_total", "counter",
            "Requests by their outcome.")
       REQUESTS("", "0", "0", "0", "0", "0"),
       "the least of Prometheus");
}


static void
history(void)
{
    int64_t      now;
    const char  *said;

    make_least();

    canopy_counters_request(&counters[0], CANOPY_UNKNOWN, 504, NOW);

    said = text(canopy_report_json);
    ok(has(said, "\"unknown\":[" FIFTY "," NINE ",1]}"),
       "the running minute is the last one");

    now = NOW - NOW % 60000;
    report.now = now + 59999;
    said = text(canopy_report_json);
    ok(has(said, "\"end\":1795608060,") && has(said, FIFTY "," NINE ",1]}"),
       "to its last ms");

    report.now = now + 60000;
    said = text(canopy_report_json);
    ok(has(said, "\"end\":1795608120,")
       && has(said, "\"unknown\":[" FIFTY ",0,0,0,0,0,0,0,0,1,0]}"),
       "then there is a new one");

    report.now = now + 60 * 60000;
    said = text(canopy_report_json);
    ok(has(said, "\"unknown\":" NONE "}")
       && has(said, "\"outcomes\":{\"accepted\":0,\"rejected\":0,\"denied\":0,"
                    "\"not-sent\":0,\"unknown\":1}"),
       "an hour later there is none, but in the counters");
}


static void
clocks(void)
{
    const char  *said;

    make_full();

    report.now = environments[0].obtained - 1;
    said = text(canopy_report_json);
    ok(has(said, "\"age\":0,\"expires_in\":86234.701,"), "an age of nothing");

    report.now = environments[0].failed - 1;
    said = text(canopy_report_json);
    ok(has(said, "\"ago\":0,"), "an error that is to come");

    report.now = environments[0].expires + 1;
    said = text(canopy_report_json);
    ok(has(said, "\"expires_in\":-0.001,"), "expired");
    said = text(canopy_report_prometheus);
    ok(has(said, "canopy_credential_expiry_seconds{environment=\"live\"} "
                 "-0.001\n"), "the same for Prometheus");

    report.now = MOST;
    environments[0].expires = INT64_MIN;
    environments[0].obtained = INT64_MIN;
    said = text(canopy_report_json);
    ok(has(said, "\"now\":9223372036854775.807,"), "a clock far ahead");
    ok(has(said, "\"end\":9223372036854780,"), "its minute");
    ok(has(said, "\"age\":9223372036854775.807,"
                 "\"expires_in\":-9223372036854775.808,"),
       "spans that no number holds");

    report.now = 0;
    environments[0].expires = MOST;
    said = text(canopy_report_json);
    ok(has(said, "\"now\":0,") && has(said, "\"end\":60,"), "the Epoch");
    ok(has(said, "\"expires_in\":9223372036854775.807,"), "never");
}


/* no double is between a counter and its text */
static void
numbers(void)
{
    const char  *said;

    make_full();

    counters[0].outcomes[CANOPY_ACCEPTED] = (uint64_t) MOST;
    counters[0].outcomes[CANOPY_UNKNOWN] = UINT64_C(9007199254740993);
    counters[0].statuses[CANOPY_COUNTED - 1] = (uint64_t) MOST - 1;
    counters[0].repeats = (uint64_t) MOST - 2;
    counters[0].latency = (uint64_t) MOST - 4;
    counters[0].latencies[0] = 0;
    counters[0].latencies[2] = (uint64_t) MOST - 10;
    counters[0].latencies[13] = 7;
    environments[0].exchanges = 4294967295u;
    environments[0].budget = 4294967294u;

    said = text(canopy_report_json);
    ok(has(said, "\"accepted\":9223372036854775807,")
       && has(said, "\"unknown\":9007199254740993}")
       && has(said, "\"other\":9223372036854775806}")
       && has(said, "\"repeats\":9223372036854775805,")
       && has(said, "\"sum\":9223372036854775.803,")
       && has(said, "\"0.025\":9223372036854775797,")
       && has(said, "\"+Inf\":9223372036854775804}")
       && has(said, "\"exchanges\":4294967295,\"budget\":4294967294,"),
       "the largest numbers in JSON");

    said = text(canopy_report_prometheus);
    ok(has(said, ",outcome=\"accepted\"} 9223372036854775807\n")
       && has(said, ",outcome=\"unknown\"} 9007199254740993\n")
       && has(said, ",status=\"other\"} 9223372036854775806\n")
       && has(said, "repeats_total{environment=\"live\"} "
                    "9223372036854775805\n")
       && has(said, "_sum{environment=\"live\"} 9223372036854775.803\n")
       && has(said, ",le=\"0.025\"} 9223372036854775797\n")
       && has(said, ",le=\"+Inf\"} 9223372036854775804\n")
       && has(said, "_count{environment=\"live\"} 9223372036854775804\n")
       && has(said, "canopy_token_exchanges{environment=\"live\"} "
                    "4294967295\n"),
       "and for Prometheus");
}


/* the only text of a stranger's */
static void
error(void)
{
    json_t      *root, *message;
    const char  *said;

    make_full();

    environments[0].error = slice("\xc3\xa9\n\"\xff");

    said = text(canopy_report_json);
    ok(has(said, "\"message\":\"\xc3\xa9\\u000a\\u0022\xef\xbf\xbd\"}}}"),
       "an error of any bytes");

    root = json_loads(said, JSON_REJECT_DUPLICATES, NULL);
    message = json_object_get(json_object_get(json_object_get(json_object_get(
                  json_object_get(root, "environments"), "live"),
                  "credential"), "last_error"), "message");

    ok(json_is_string(message)
       && strcmp(json_string_value(message), "\xc3\xa9\n\"\xef\xbf\xbd") == 0,
       "and what jansson reads of it");

    json_decref(root);

    is(canopy_report_prometheus, full_prometheus,
       "Prometheus is not told of it");
}


/* what fits is the same, and what does not is not written */
static void
sizes(void)
{
    int          bad;
    size_t       i, len, size;
    uint8_t     *end;
    const char  *whole;

    static const form_pt  forms[] = {
        canopy_report_json, canopy_report_prometheus
    };

    make_full();

    for (i = 0; i < 2; i++) {
        whole = text(forms[i]);
        len = strlen(whole);
        end = tap_guard(whole, len) + len;

        ok(forms[i](&report, NULL, 0) == len, "the size asked first: %zu",
           len);

        for (bad = 0, size = 0; size < len; size++) {
            memset(end - len, 'x', len);

            bad += (forms[i](&report, end - size, size) != len);
            bad += (memcmp(end - size, whole, size) != 0);
            bad += (size + 1 < len && end[- (ptrdiff_t) size - 1] != 'x');
        }

        ok(bad == 0, "every size up to it");
    }
}


static void
promtool(void)
{
    int          rc;
    FILE        *p;
    const char  *said;

    if (system("command -v promtool > /dev/null 2>&1") != 0) {
        ok(1, "promtool # skip it is not installed");
        return;
    }

    make_full();
    said = text(canopy_report_prometheus);

    p = popen("promtool check metrics >&2", "w");
    rc = -1;

    if (p != NULL) {
        fputs(said, p);
        rc = pclose(p);
    }

    ok(rc == 0, "promtool check metrics");
}


static void
is(form_pt form, const char *expected, const char *name)
{
    const char  *said;

    said = text(form);

    if (!ok(strcmp(said, expected) == 0, "%s", name)) {
        printf("# %s\n", said);
    }
}


/* its own until the next call */
static const char *
text(form_pt form)
{
    size_t  len;

    static char  *buf;

    free(buf);

    len = form(&report, NULL, 0);
    buf = malloc(len + 1);

    if (buf == NULL || form(&report, (uint8_t *) buf, len) != len) {
        printf("Bail out! two lengths\n");
        exit(1);
    }

    buf[len] = '\0';

    return buf;
}


static void
make_full(void)
{
    make_least();

    canopy_counters_request(&counters[0], CANOPY_ACCEPTED, 204,
                            NOW - 60 * 60000);
    canopy_counters_request(&counters[0], CANOPY_ACCEPTED, 204,
                            NOW - 59 * 60000);
    canopy_counters_request(&counters[0], CANOPY_NOT_SENT, 599, NOW);
    canopy_counters_request(&unassigned, CANOPY_DENIED, 404, NOW);
    canopy_counters_copy(&counters[0], 12, 0);
    canopy_counters_copy(&counters[0], 60001, 1);

    report.chosen = slice("sandbox");

    environments[0].oauth2 = 1;
    environments[0].usable = 1;
    environments[0].obtained = NOW - 1234500;
    environments[0].expires = NOW + 85000200;
    environments[0].fingerprint = slice("1a2b3c4d");
    environments[0].exchanges = 1;
    environments[0].budget = 20;
    environments[0].error = slice("it said \"no\"");
    environments[0].failed = INT64_C(1795607000500);

    environments[1].closed = 1;
    environments[1].usable = 1;
    environments[1].refused = 1;
    environments[1].exchanges = 5;      /* of no meaning without oauth2 */
    environments[1].failed = NOW;       /* nor this without an error */
}


static void
make_least(void)
{
    memset(&report, 0, sizeof(report));
    memset(environments, 0, sizeof(environments));
    memset(counters, 0, sizeof(counters));
    memset(&unassigned, 0, sizeof(unassigned));

    environments[0].name = slice("live");
    environments[0].counters = &counters[0];
    environments[1].name = slice("sandbox");
    environments[1].counters = &counters[1];

    report.version = slice("0.1.0");
    report.now = NOW;
    report.since = INT64_C(1795600000000);
    report.unassigned = &unassigned;
    report.environments = environments;
    report.n = 2;
}


static int
has(const char *whole, const char *part)
{
    return strstr(whole, part) != NULL;
}


/* not NUL-terminated, and at a page's end */
static canopy_slice_t
slice(const char *s)
{
    canopy_slice_t  t;

    t.len = strlen(s);
    t.data = tap_guard(s, t.len);

    return t;
}
