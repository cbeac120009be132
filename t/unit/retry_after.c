/*
 * canopy_retry_after: seconds and dates, each value and each result against a
 * guard page; every day of eleven centuries as strftime() writes it.
 */

#include <time.h>

#include "canopy_retry_after.h"
#include "tap.h"


#define DATE  "Sun, 06 Nov 1994 08:49:37 GMT"


static void tables(void);
static void every_byte(void);
static void every_day(void);
static size_t result(const char *value, size_t len, char *text);


int
main(void)
{
    tables();
    every_byte();
    every_day();

    return tap_done();
}


static void
tables(void)
{
    char    text[CANOPY_RETRY_AFTER_LEN + 1];
    size_t  i;

    static const struct {
        const char  *value;
        const char  *expected;      /* "": none */
    } tests[] = {
        { "0", "0" },
        { "1", "1" },
        { "120", "120" },
        { "86399", "86399" },
        { "86400", "86400" },
        { "86401", "" },
        { "99999", "" },
        { "864000", "" },
        { "4294967296", "" },
        { "4294967297", "" },
        { "18446744073709551617", "" },
        { "99999999999999999999999999999999999999", "" },
        { "007", "7" },
        { "00000000000000000000000000000000000000086400", "86400" },
        { "", "" },
        { " ", "" },
        { "-1", "" },
        { "+1", "" },
        { "1.5", "" },
        { "1e3", "" },
        { "0x10", "" },
        { " 1", "" },
        { "1 ", "" },
        { "1s", "" },
        { "1,2", "" },
        { "1\r\nX: y", "" },

        { DATE, DATE },
        { "Sunday, 06-Nov-94 08:49:37 GMT", DATE },
        { "Sun Nov  6 08:49:37 1994", DATE },
        { "Wed Nov 16 08:49:37 1994", "Wed, 16 Nov 1994 08:49:37 GMT" },
        { "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT" },
        { "Wed, 31 Dec 1969 23:59:59 GMT", "Wed, 31 Dec 1969 23:59:59 GMT" },
        { "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 GMT" },
        { "Thursday, 01-Jan-70 00:00:00 GMT",
          "Thu, 01 Jan 1970 00:00:00 GMT" },
        { "Tuesday, 31-Dec-69 00:00:00 GMT",
          "Tue, 31 Dec 2069 00:00:00 GMT" },
        { "Wed, 01 Jan 1000 00:00:00 GMT", "Wed, 01 Jan 1000 00:00:00 GMT" },
        { "Tue, 31 Dec 0999 00:00:00 GMT", "" },
        { "Sat, 29 Feb 2020 00:00:00 GMT", "Sat, 29 Feb 2020 00:00:00 GMT" },
        { "Tue, 29 Feb 2000 00:00:00 GMT", "Tue, 29 Feb 2000 00:00:00 GMT" },

        /* days and times that are not */

        { "Mon, 06 Nov 1994 08:49:37 GMT", "" },
        { "Mon, 29 Feb 2021 00:00:00 GMT", "" },
        { "Mon, 29 Feb 1900 00:00:00 GMT", "" },
        { "Thu, 01 Mar 1900 00:00:00 GMT", "Thu, 01 Mar 1900 00:00:00 GMT" },
        { "Sun, 00 Nov 1994 08:49:37 GMT", "" },
        { "Mon, 31 Oct 1994 08:49:37 GMT", "Mon, 31 Oct 1994 08:49:37 GMT" },
        { "Thu, 31 Nov 1994 08:49:37 GMT", "" },
        { "Tue, 32 Nov 1994 08:49:37 GMT", "" },
        { "Sun, 06 Nov 1994 24:00:00 GMT", "" },
        { "Sun, 06 Nov 1994 23:60:00 GMT", "" },
        { "Sun, 06 Nov 1994 23:59:60 GMT", "" },
        { "Sun Nov  0 08:49:37 1994", "" },

        /* nearly a form */

        { "sun, 06 Nov 1994 08:49:37 GMT", "" },
        { "Sun, 06 nov 1994 08:49:37 GMT", "" },
        { "Sun, 06 Nov 1994 08:49:37 gmt", "" },
        { "Sun, 06 Nov 1994 08:49:37 UTC", "" },
        { "Sun, 06 Nov 1994 08:49:37 +0000", "" },
        { "Sun, 06 Nov 1994 08:49:37", "" },
        { "Sun, 6 Nov 1994 08:49:37 GMT", "" },
        { "Sun,  6 Nov 1994 08:49:37 GMT", "" },
        { "Sun, 06 Nov 94 08:49:37 GMT", "" },
        { "Sun, 06-Nov-1994 08:49:37 GMT", "" },
        { "Sun, 06-Nov-94 08:49:37 GMT", "" },
        { "Sunday, 06 Nov 1994 08:49:37 GMT", "" },
        { "Sunday, 6-Nov-94 08:49:37 GMT", "" },
        { "Sun Nov 06 08:49:37 1994", "" },
        { "Sun Nov 6 08:49:37 1994", "" },
        { "Sun Nov  6 08:49:37 1994 GMT", "" },
        { "Sun Nov  6 08:49:37 94", "" },
        { "Sunday Nov  6 08:49:37 1994", "" },
        { "Sun, 06 Nov 1994 8:49:37 GMT", "" },
        { "Sun, 06 Nov 1994 08:49 GMT", "" },
        { "Sun, 06 Nov 1994  08:49:37 GMT", "" },
        { "Sun, 06 Nov 1994 -8:49:37 GMT", "" },
        { "Sun, 06 Nov +994 08:49:37 GMT", "" },
        { "Sun, 06 Nov 19940 08:49:37 GMT", "" },
        { " " DATE, "" },
        { DATE " ", "" },
        { DATE ", " DATE, "" },
        { DATE "\r\nX: y", "" },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        (void) result(tests[i].value, strlen(tests[i].value), text);

        if (!ok(strcmp(text, tests[i].expected) == 0, "\"%s\"",
                tests[i].value[0] && tests[i].value[strlen(tests[i].value) - 1]
                == 'y' ? "with a line end" : tests[i].value))
        {
            printf("#      got: %s\n# expected: %s\n", text,
                   tests[i].expected);
        }
    }
}


/* a date with one byte changed, to each of the others, or left out */
static void
every_byte(void)
{
    int      bad;
    char     value[64], text[CANOPY_RETRY_AFTER_LEN + 1];
    size_t   i, k, n, len;
    uint8_t  was;

    static const char *const  dates[] = {
        DATE, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"
    };

    for (i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        len = strlen(dates[i]);
        bad = 0;

        for (k = 0; k < len; k++) {
            memcpy(value, dates[i], k);
            memcpy(value + k, dates[i] + k + 1, len - k - 1);
            bad += (result(value, len - 1, text) != 0);

            memcpy(value, dates[i], len);
            was = (uint8_t) value[k];

            for (n = 0; n < 256; n++) {
                if (n == was) {
                    continue;
                }

                value[k] = (char) n;

                /* only a time of the same day can be another date */

                if (result(value, len, text) != 0
                    && (n < '0' || n > '9' || was < '0' || was > '9'
                        || strncmp(text, DATE, sizeof("Sun") - 1) != 0))
                {
                    bad++;
                }
            }
        }

        ok(bad == 0, "\"%s\", one byte of it changed", dates[i]);
    }
}


static void
every_day(void)
{
    int        bad;
    char       value[64], text[CANOPY_RETRY_AFTER_LEN + 1];
    char       expected[64];
    size_t     i, len, days;
    time_t     t;
    struct tm  tm;

    static const char *const  forms[] = {
        "%a, %d %b %Y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y",
        "%A, %d-%b-%y %H:%M:%S GMT"
    };

    bad = 0;
    days = 0;

    /* a second more each day, so that all times of day are there, too */

    for (t = -12219292800; t < 23000000000; t += 86400 + 61) {
        (void) gmtime_r(&t, &tm);

        len = strftime(expected, sizeof(expected), forms[0], &tm);
        days++;

        for (i = 0; i < 3; i++) {

            if (i == 2 && (tm.tm_year < 70 || tm.tm_year > 169)) {
                break;
            }

            (void) strftime(value, sizeof(value), forms[i], &tm);

            bad += (result(value, strlen(value), text) != len
                    || strcmp(text, expected) != 0);
        }
    }

    ok(days > 400000 && bad == 0, "%zu days", days);
}


/* the result as a string; neither buffer has a byte too many */
static size_t
result(const char *value, size_t len, char *text)
{
    size_t           n;
    canopy_slice_t   slice;
    static uint8_t  *in, *out;      /* their ends */

    static const char  nothing[256];

    if (in == NULL) {
        in = tap_guard(nothing, sizeof(nothing)) + sizeof(nothing);
        out = tap_guard(nothing, sizeof(nothing)) + sizeof(nothing);
    }

    slice.len = len;
    slice.data = memcpy(in - len, value, len);

    n = canopy_retry_after(slice, out - CANOPY_RETRY_AFTER_LEN);

    memcpy(text, out - CANOPY_RETRY_AFTER_LEN, n);
    text[n] = '\0';

    return n;
}
