#include <stdio.h>
#include <string.h>

#include "canopy_retry_after.h"


/* a date as it is read */
typedef struct {
    unsigned  weekday;          /* 0: Sunday */
    unsigned  day;
    unsigned  month;            /* 0: January */
    unsigned  year;
    unsigned  hour;
    unsigned  minute;
    unsigned  second;
} canopy_date_t;


static size_t canopy_retry_after_seconds(canopy_slice_t value, uint8_t *text);
static int canopy_date(canopy_slice_t value, const char *form,
    canopy_date_t *date);
static int canopy_date_number(canopy_slice_t *value, char what,
    unsigned *number);
static int canopy_date_name(canopy_slice_t *value, char what,
    canopy_date_t *date);
static int canopy_date_word(canopy_slice_t *value, const char *word);
static int canopy_date_exists(const canopy_date_t *date);


/*
 * What a letter stands for, canopy_date() says.
 */
static const char *const  canopy_date_forms[] = {
    "w, d b Y h:m:s GMT",       /* IMF-fixdate */
    "W, d-b-y h:m:s GMT",       /* RFC 850 */
    "w b e h:m:s Y"             /* asctime() */
};


static const char *const  canopy_date_weekdays[] = {
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
    "Saturday"
};


static const char  canopy_date_months[12][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun",
    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
};


size_t
canopy_retry_after(canopy_slice_t value, uint8_t *text)
{
    char           buf[80];
    size_t         i, n;
    canopy_date_t  date;

    n = canopy_retry_after_seconds(value, text);

    if (n) {
        return n;
    }

    n = sizeof(canopy_date_forms) / sizeof(canopy_date_forms[0]);

    for (i = 0; i < n; i++) {

        if (canopy_date(value, canopy_date_forms[i], &date) == 0) {

            (void) snprintf(buf, sizeof(buf),
                            "%.3s, %02u %s %04u %02u:%02u:%02u GMT",
                            canopy_date_weekdays[date.weekday], date.day,
                            canopy_date_months[date.month], date.year,
                            date.hour, date.minute, date.second);

            memcpy(text, buf, CANOPY_RETRY_AFTER_LEN);

            return CANOPY_RETRY_AFTER_LEN;
        }
    }

    return 0;
}


static size_t
canopy_retry_after_seconds(canopy_slice_t value, uint8_t *text)
{
    char      buf[16];
    size_t    i, n;
    unsigned  seconds;

    seconds = 0;

    for (i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return 0;
        }

        seconds = seconds * 10 + (value.data[i] - (unsigned) '0');

        if (seconds > CANOPY_RETRY_AFTER_MAX) {
            return 0;
        }
    }

    if (value.len == 0) {
        return 0;
    }

    n = (size_t) snprintf(buf, sizeof(buf), "%u", seconds);
    memcpy(text, buf, n);

    return n;
}


/*
 * Reads a value that is exactly of the form; returns -1 if it is not.
 */
static int
canopy_date(canopy_slice_t value, const char *form, canopy_date_t *date)
{
    int   rc;
    char  literal[2];

    literal[1] = '\0';

    for ( /* void */ ; *form; form++) {

        switch (*form) {

        case 'w':               /* Sun */
        case 'W':               /* Sunday */
        case 'b':               /* Nov */
            rc = canopy_date_name(&value, *form, date);
            break;

        case 'd':               /* 06 */
        case 'e':               /* 6, behind a space */
            rc = canopy_date_number(&value, *form, &date->day);
            break;

        case 'Y':               /* 1994 */
        case 'y':               /* 94 */
            rc = canopy_date_number(&value, *form, &date->year);
            break;

        case 'h':
            rc = canopy_date_number(&value, *form, &date->hour);
            break;

        case 'm':
            rc = canopy_date_number(&value, *form, &date->minute);
            break;

        case 's':
            rc = canopy_date_number(&value, *form, &date->second);
            break;

        default:
            literal[0] = *form;
            rc = canopy_date_word(&value, literal);
        }

        if (rc != 0) {
            return -1;
        }
    }

    return (value.len == 0 && canopy_date_exists(date)) ? 0 : -1;
}


/* takes the digits off the value; -1 if they are not there */
static int
canopy_date_number(canopy_slice_t *value, char what, unsigned *number)
{
    size_t   i, n;
    uint8_t  ch;

    n = (what == 'Y') ? 4 : 2;

    if (value->len < n) {
        return -1;
    }

    *number = 0;

    for (i = 0; i < n; i++) {
        ch = value->data[i];

        if (what == 'e' && i == 0 && ch == ' ') {
            continue;
        }

        if (ch < '0' || ch > '9' || (what == 'e' && i == 0 && ch == '0')) {
            return -1;
        }

        *number = *number * 10 + (ch - (unsigned) '0');
    }

    if (what == 'y') {
        *number += (*number < 70) ? 2000 : 1900;
    }

    value->data += n;
    value->len -= n;

    return 0;
}


/* the same with the name of a month or a day of the week */
static int
canopy_date_name(canopy_slice_t *value, char what, canopy_date_t *date)
{
    char      name[4];
    unsigned  i;

    if (what == 'b') {
        for (i = 0; i < 12; i++) {
            if (canopy_date_word(value, canopy_date_months[i]) == 0) {
                date->month = i;
                return 0;
            }
        }

        return -1;
    }

    for (i = 0; i < 7; i++) {
        memcpy(name, canopy_date_weekdays[i], 3);
        name[3] = '\0';

        if (canopy_date_word(value, what == 'W' ? canopy_date_weekdays[i]
                                                : name)
            == 0)
        {
            date->weekday = i;
            return 0;
        }
    }

    return -1;
}


static int
canopy_date_word(canopy_slice_t *value, const char *word)
{
    size_t  len;

    len = strlen(word);

    if (value->len < len || memcmp(value->data, word, len) != 0) {
        return -1;
    }

    value->data += len;
    value->len -= len;

    return 0;
}


/* in the calendar, on that day of the week */
static int
canopy_date_exists(const canopy_date_t *date)
{
    unsigned  leap, days, year;

    static const unsigned  before[] = {
        0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365
    };

    year = date->year;

    if (year < 1000 || date->day < 1 || date->hour > 23 || date->minute > 59
        || date->second > 59)
    {
        return 0;
    }

    leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    days = before[date->month + 1] - before[date->month];

    if (date->day > days + (date->month == 1 ? leap : 0)) {
        return 0;
    }

    /* since a Sunday, the last day of the year before year 1 */

    year--;
    days = year * 365 + year / 4 - year / 100 + year / 400
           + before[date->month] + (date->month > 1 ? leap : 0) + date->day;

    return days % 7 == date->weekday;
}
