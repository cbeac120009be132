#include "canopy_date.h"


static int canopy_date_day(canopy_slice_t *text, int64_t *day);
static int canopy_date_time(canopy_slice_t *text, int64_t *ms);
static int canopy_date_fraction(canopy_slice_t *text, int64_t *ms);
static int canopy_date_offset(canopy_slice_t *text, int64_t *ms);
static unsigned canopy_date_days(unsigned year, unsigned month);
static int canopy_date_number(canopy_slice_t *text, size_t digits,
    unsigned *value);
static int canopy_date_one_of(canopy_slice_t *text, const char *chars);


int
canopy_date(canopy_slice_t text, int64_t *ms)
{
    int64_t  day, time, fraction, offset;

    if (canopy_date_day(&text, &day) != 0
        || !canopy_date_one_of(&text, "Tt ")
        || canopy_date_time(&text, &time) != 0
        || canopy_date_fraction(&text, &fraction) != 0
        || canopy_date_offset(&text, &offset) != 0
        || text.len != 0)
    {
        return -1;
    }

    *ms = day * 86400000 + time + fraction - offset;

    return 0;
}


/* the number of a day, that of 1970-01-01 is 0 */
static int
canopy_date_day(canopy_slice_t *text, int64_t *day)
{
    int64_t   years;
    unsigned  year, month, mday, m;

    if (canopy_date_number(text, 4, &year) != 0
        || !canopy_date_one_of(text, "-")
        || canopy_date_number(text, 2, &month) != 0
        || !canopy_date_one_of(text, "-")
        || canopy_date_number(text, 2, &mday) != 0)
    {
        return -1;
    }

    if (year == 0 || month == 0 || month > 12
        || mday == 0 || mday > canopy_date_days(year, month))
    {
        return -1;
    }

    years = (int64_t) year - 1;

    *day = years * 365 + years / 4 - years / 100 + years / 400 + mday - 1
           - 719162;

    for (m = 1; m < month; m++) {
        *day += canopy_date_days(year, m);
    }

    return 0;
}


static int
canopy_date_time(canopy_slice_t *text, int64_t *ms)
{
    unsigned  hour, minute, second;

    if (canopy_date_number(text, 2, &hour) != 0
        || !canopy_date_one_of(text, ":")
        || canopy_date_number(text, 2, &minute) != 0
        || !canopy_date_one_of(text, ":")
        || canopy_date_number(text, 2, &second) != 0)
    {
        return -1;
    }

    if (hour > 23 || minute > 59 || second > 60) {
        return -1;
    }

    *ms = ((int64_t) hour * 3600 + minute * 60 + second) * 1000;

    return 0;
}


static int
canopy_date_fraction(canopy_slice_t *text, int64_t *ms)
{
    unsigned  n, digit, rest;

    *ms = 0;

    if (!canopy_date_one_of(text, ".,")) {
        return 0;
    }

    rest = 0;

    for (n = 0; canopy_date_number(text, 1, &digit) == 0; n += n < 3) {
        if (n < 3) {
            *ms = *ms * 10 + digit;

        } else {
            rest |= digit;
        }
    }

    if (n == 0) {
        return -1;
    }

    for ( /* void */ ; n < 3; n++) {
        *ms *= 10;
    }

    *ms += rest ? 1 : 0;

    return 0;
}


static int
canopy_date_offset(canopy_slice_t *text, int64_t *ms)
{
    int       west;
    unsigned  hour, minute;

    *ms = 0;

    if (text->len == 0 || canopy_date_one_of(text, "Zz")) {
        return 0;
    }

    west = canopy_date_one_of(text, "-");

    if ((!west && !canopy_date_one_of(text, "+"))
        || canopy_date_number(text, 2, &hour) != 0)
    {
        return -1;
    }

    minute = 0;

    if (text->len != 0) {
        (void) canopy_date_one_of(text, ":");

        if (canopy_date_number(text, 2, &minute) != 0) {
            return -1;
        }
    }

    if (hour > 23 || minute > 59) {
        return -1;
    }

    *ms = ((int64_t) hour * 60 + minute) * 60000;

    if (west) {
        *ms = -*ms;
    }

    return 0;
}


static unsigned
canopy_date_days(unsigned year, unsigned month)
{
    static const unsigned  days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) {
        return 29;
    }

    return days[month - 1];
}


/* takes so many digits off the text */
static int
canopy_date_number(canopy_slice_t *text, size_t digits, unsigned *value)
{
    size_t    i;
    unsigned  digit, number;

    if (text->len < digits) {
        return -1;
    }

    number = 0;

    for (i = 0; i < digits; i++) {
        digit = text->data[i] - (unsigned) '0';

        if (digit > 9) {
            return -1;
        }

        number = number * 10 + digit;
    }

    text->data += digits;
    text->len -= digits;
    *value = number;

    return 0;
}


/* takes a character off the text if it is one of these */
static int
canopy_date_one_of(canopy_slice_t *text, const char *chars)
{
    if (text->len == 0) {
        return 0;
    }

    for ( /* void */ ; *chars; chars++) {
        if (text->data[0] == (uint8_t) *chars) {
            text->data++;
            text->len--;
            return 1;
        }
    }

    return 0;
}
