/*
 * A Retry-After is seconds exactly if it has nothing but digits and is not too
 * large; it is a date exactly if some time of the libc's, written in one of
 * the three forms, is it, byte by byte.  What is handed on is that number or
 * that time again, and is understood as itself.
 *
 * Input: the value.
 */

#include <time.h>

#include "canopy_retry_after.h"
#include "fuzz.h"


static size_t oracle(canopy_slice_t value, char *text);
static int seconds_of(canopy_slice_t value, char *text);
static int date_of(canopy_slice_t value, const char *form, char *text);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char            want[64];
    size_t          n, len;
    canopy_slice_t  value, text, again;

    value = fuzz_copy(data, size);
    text = fuzz_copy("#############################", CANOPY_RETRY_AFTER_LEN);

    n = canopy_retry_after(value, (uint8_t *) text.data);
    len = oracle(value, want);

    check(n == len && memcmp(text.data, want, n) == 0);

    if (n) {
        again = fuzz_copy(text.data, n);
        check(canopy_retry_after(again, (uint8_t *) text.data) == n);
        check(memcmp(text.data, again.data, n) == 0);
        fuzz_free(again);
    }

    fuzz_free(value);
    fuzz_free(text);

    return 0;
}


static size_t
oracle(canopy_slice_t value, char *text)
{
    if (value.len == 0 || memchr(value.data, '\0', value.len)) {
        return 0;
    }

    if (seconds_of(value, text)
        || date_of(value, "%a, %d %b %Y %H:%M:%S GMT", text)
        || date_of(value, "%A, %d-%b-%y %H:%M:%S GMT", text)
        || date_of(value, "%a %b %e %H:%M:%S %Y", text))
    {
        return strlen(text);
    }

    return 0;
}


static int
seconds_of(canopy_slice_t value, char *text)
{
    size_t  i;

    /* the digits behind the zeros */

    for (i = 0; i < value.len - 1 && value.data[i] == '0'; i++) { /* void */ }

    value.data += i;
    value.len -= i;

    if (value.len > 5) {
        return 0;
    }

    memcpy(text, value.data, value.len);
    text[value.len] = '\0';

    return strspn(text, "0123456789") == value.len && atoi(text) <= 86400;
}


static int
date_of(canopy_slice_t value, const char *form, char *text)
{
    char       buf[64];
    size_t     n;
    time_t     t;
    struct tm  tm;

    if (value.len >= sizeof(buf)) {
        return 0;
    }

    memcpy(buf, value.data, value.len);
    buf[value.len] = '\0';

    memset(&tm, 0, sizeof(tm));

    if (strptime(buf, form, &tm) == NULL) {
        return 0;
    }

    /* strptime() has 69 to 99 in the last century */

    if (strstr(form, "%y") && tm.tm_year == 69) {
        tm.tm_year += 100;
    }

    t = timegm(&tm);

    if (tm.tm_year < 1000 - 1900 || gmtime_r(&t, &tm) == NULL) {
        return 0;
    }

    n = strftime(buf, sizeof(buf), form, &tm);

    if (n != value.len || memcmp(buf, value.data, n) != 0) {
        return 0;
    }

    return strftime(text, 64, "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0;
}
