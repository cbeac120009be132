/*
 * canopy_date: the forms there are, and every day checked against libc.
 */

#include <time.h>

#include "canopy_date.h"
#include "tap.h"


typedef struct {
    const char  *text;
    int64_t      ms;
} case_t;


#define T  INT64_C(1764072000000)       /* 2025-11-25 12:00:00 */


static const case_t  good_table[] = {
    { "2025-11-25T12:00:00Z", T },
    { "2025-11-25t12:00:00z", T },
    { "2025-11-25 12:00:00", T },
    { "2025-11-25T12:00:00", T },
    { "2025-11-25T12:00:00+00:00", T },
    { "2025-11-25T12:00:00-00:00", T },
    { "2025-11-25T13:00:00+0100", T },
    { "2025-11-25T13:00:00+01", T },
    { "2025-11-25T13:30:00+01:30", T },
    { "2025-11-25T02:15:00-09:45", T },
    { "2025-11-25 02:15:00-0945", T },
    { "2025-11-26T11:59:00+23:59", T },
    { "2025-11-24T12:01:00-23:59", T },
    { "2025-11-25T12:00:00.5Z", T + 500 },
    { "2025-11-25T12:00:00.05Z", T + 50 },
    { "2025-11-25T12:00:00.005Z", T + 5 },
    { "2025-11-25T12:00:00,123+00:00", T + 123 },
    { "2025-11-25T12:00:00.123000", T + 123 },
    { "2025-11-25T12:00:00.123456Z", T + 124 },
    { "2025-11-25T12:00:00.0000000000000000000000000000001", T + 1 },
    { "2025-11-25T12:00:00.9999Z", T + 1000 },
    { "2025-11-25T11:59:60Z", T },
    { "2025-11-25T11:59:60.5Z", T + 500 },
    { "1970-01-01T00:00:00Z", 0 },
    { "1970-01-01T00:00:00+00:01", -60000 },
    { "1969-12-31T23:59:59.999Z", -1 },
    { "0001-01-01T00:00:00Z", INT64_C(-62135596800000) },
    { "0001-01-01T00:00:00+23:59", INT64_C(-62135683140000) },
    { "9999-12-31T23:59:59.999Z", INT64_C(253402300799999) },
    { "2024-02-29T00:00:00Z", INT64_C(1709164800000) },
    { "2000-02-29T00:00:00Z", INT64_C(951782400000) },
};


static const char *const  bad_table[] = {
    "", "2", "2025-11-25", "2025-11-25T", "2025-11-25T12", "2025-11-25T12:00",
    "2025-11-25T12:00:", "2025-11-25T12:00:0", "2025-11-25T12:00Z",
    "20251125T120000Z", "2025-11-25_12:00:00Z", "2025-11-25  12:00:00",
    " 2025-11-25T12:00:00Z", "2025-11-25T12:00:00Z ", "2025-11-25T12:00:00ZZ",
    "2025-11-25T12:00:00 Z", "2025-11-25T12:00:00.", "2025-11-25T12:00:00.Z",
    "2025-11-25T12:00:00..5Z", "2025-11-25T12:00:00.5.5",
    "2025-11-25T12:00:00+", "2025-11-25T12:00:00+1", "2025-11-25T12:00:00+01:",
    "2025-11-25T12:00:00+01:0", "2025-11-25T12:00:00+010",
    "2025-11-25T12:00:00+01000", "2025-11-25T12:00:00+01:00:00",
    "2025-11-25T12:00:00+24:00", "2025-11-25T12:00:00+01:60",
    "2025-11-25T12:00:00+-1:00", "2025-11-25T12:00:00Z+01:00",
    "2025-11-25T24:00:00Z", "2025-11-25T12:60:00Z", "2025-11-25T12:00:61Z",
    "2025-00-25T12:00:00Z", "2025-13-25T12:00:00Z", "2025-11-00T12:00:00Z",
    "2025-11-31T12:00:00Z", "2025-02-29T12:00:00Z", "1900-02-29T12:00:00Z",
    "0000-01-01T00:00:00Z", "+2025-11-25T12:00:00Z", "-025-11-25T12:00:00Z",
    "12025-11-25T12:00:00Z", "2025-1-25T12:00:00Z", "2025/11/25T12:00:00Z",
    "2025-11-25T12.00.00Z", "2025-11-2:T12:00:00Z", "2025-11-2/T12:00:00Z",
    "1764072000", "Tue, 25 Nov 2025 12:00:00 GMT", "now", "null"
};


static void good(void);
static void bad(void);
static void days(void);
static void bytes(void);
static int date(const char *text, size_t len, int64_t *ms);


int
main(void)
{
    good();
    bad();
    days();
    bytes();

    return tap_done();
}


static void
good(void)
{
    size_t   i;
    int64_t  ms;

    for (i = 0; i < sizeof(good_table) / sizeof(good_table[0]); i++) {
        ms = 7;

        ok(date(good_table[i].text, strlen(good_table[i].text), &ms) == 0
           && ms == good_table[i].ms, "%s", good_table[i].text);
    }
}


static void
bad(void)
{
    size_t   i;
    int64_t  ms;

    for (i = 0; i < sizeof(bad_table) / sizeof(bad_table[0]); i++) {
        ms = 7;

        ok(date(bad_table[i], strlen(bad_table[i]), &ms) == -1 && ms == 7,
           "not \"%s\"", bad_table[i]);
    }

    ok(date("2025-11-25T12:00:00\0Z", 21, &ms) == -1, "no NUL");
}


/* every day of 801 years, at some time of it */
static void
days(void)
{
    int        wrong;
    char       text[80];
    time_t     t, last;
    int64_t    ms;
    struct tm  tm;

    wrong = 0;
    last = 13601087999;         /* of 2400 */

    for (t = -11676096000; t <= last; t += 86400 + 7) {         /* 1600 */
        if (gmtime_r(&t, &tm) == NULL) {
            wrong++;
            continue;
        }

        snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                 tm.tm_min, tm.tm_sec);

        /* without a page of its own, which would be millions */
        wrong += canopy_date((canopy_slice_t) { strlen(text),
                                                (const uint8_t *) text }, &ms)
                 != 0
                 || ms != (int64_t) timegm(&tm) * 1000 || ms / 1000 != t;
    }

    ok(wrong == 0, "every day as timegm() has it");
}


/* each place of a good one with each byte */
static void
bytes(void)
{
    int       wrong;
    char      text[] = "2025-11-25T12:00:00.5+01:00";
    char      is;
    size_t    i;
    int64_t   ms;
    unsigned  ch, accepted;

    wrong = 0;
    accepted = 0;

    for (i = 0; i < sizeof(text) - 1; i++) {
        is = text[i];

        for (ch = 0; ch < 256; ch++) {
            text[i] = (char) ch;

            if (date(text, sizeof(text) - 1, &ms) == 0) {
                accepted++;
                wrong += memchr("0123456789Tt .,:+-", (int) ch, 18) == NULL;
            }
        }

        text[i] = is;
    }

    ok(wrong == 0 && accepted > 100, "%u of all bytes in all places", accepted);
}


static int
date(const char *text, size_t len, int64_t *ms)
{
    return canopy_date((canopy_slice_t) { len, tap_guard(text, len) }, ms);
}
