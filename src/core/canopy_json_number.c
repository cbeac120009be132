#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "canopy_json.h"
#include "canopy_json_number.h"


/*
 * No decimal text needs more than 767 digits, and whether others follow that
 * are not zero, to be rounded to the right double.
 */
#define CANOPY_JSON_DIGITS  768

/* so many digits always make an exact double */
#define CANOPY_JSON_EXACT  15

/* far out of a double's range with any text's digits, far in a long long's */
#define CANOPY_JSON_EXPONENT  1000000000000000LL


/* digits * 10^exponent, without zeros in front; no digits is zero */
typedef struct {
    long long  exponent;
    size_t     n;
    char       digits[CANOPY_JSON_DIGITS + sizeof("1e-") + 20];
} canopy_json_decimal_t;


static const uint8_t *canopy_json_digits(const uint8_t *p,
    const uint8_t *last);
static void canopy_json_decimal(canopy_json_decimal_t *d, const uint8_t *p,
    const uint8_t *last);
static long long canopy_json_exponent(const uint8_t *p, const uint8_t *last);
static double canopy_json_double(canopy_json_decimal_t *d);


const uint8_t *
canopy_json_numeral(const uint8_t *p, const uint8_t *last)
{
    if (p < last && *p == '-') {
        p++;
    }

    if (p < last && *p == '0') {
        p++;

    } else {
        p = canopy_json_digits(p, last);
    }

    if (p != NULL && p < last && *p == '.') {
        p = canopy_json_digits(p + 1, last);
    }

    if (p != NULL && p < last && (*p | 0x20) == 'e') {
        p++;

        if (p < last && (*p == '+' || *p == '-')) {
            p++;
        }

        p = canopy_json_digits(p, last);
    }

    return p;
}


static const uint8_t *
canopy_json_digits(const uint8_t *p, const uint8_t *last)
{
    const uint8_t  *first;

    for (first = p; p < last && *p >= '0' && *p <= '9'; p++) { /* void */ }

    return (p == first) ? NULL : p;
}


int
canopy_json_number(canopy_slice_t text, double *value)
{
    double                  number;
    const uint8_t          *p, *last;
    canopy_json_decimal_t   d;

    if (text.len == 0) {
        return -1;
    }

    p = text.data;
    last = p + text.len;

    if (canopy_json_numeral(p, last) != last) {
        return -1;
    }

    canopy_json_decimal(&d, (*p == '-') ? p + 1 : p, last);

    number = canopy_json_double(&d);

    if (isinf(number)) {
        return -1;
    }

    *value = (*p == '-') ? -number : number;

    return 0;
}


/* reads a checked number that has no sign */
static void
canopy_json_decimal(canopy_json_decimal_t *d, const uint8_t *p,
    const uint8_t *last)
{
    unsigned  fraction, more;

    d->exponent = 0;
    d->n = 0;
    fraction = 0;
    more = 0;

    for ( /* void */ ; p < last && (*p | 0x20) != 'e'; p++) {

        if (*p == '.') {
            fraction = 1;

        } else if (d->n == 0 && *p == '0') {
            d->exponent -= fraction;

        } else if (d->n < CANOPY_JSON_DIGITS) {
            d->digits[d->n++] = (char) *p;
            d->exponent -= fraction;

        } else {
            more |= (*p != '0');
            d->exponent += !fraction;
        }
    }

    if (p < last) {
        d->exponent += canopy_json_exponent(p + 1, last);
    }

    if (more) {
        d->digits[d->n++] = '1';
        d->exponent--;
    }
}


static long long
canopy_json_exponent(const uint8_t *p, const uint8_t *last)
{
    uint8_t    sign;
    long long  exponent;

    sign = *p;
    exponent = 0;

    if (sign == '+' || sign == '-') {
        p++;
    }

    for ( /* void */ ; p < last && exponent < CANOPY_JSON_EXPONENT; p++) {
        exponent = exponent * 10 + (*p - '0');
    }

    return (sign == '-') ? -exponent : exponent;
}


static double
canopy_json_double(canopy_json_decimal_t *d)
{
    size_t    i;
    uint64_t  number;

    if (d->n == 0) {
        return 0;
    }

    if (d->n > CANOPY_JSON_EXACT || d->exponent != 0) {

        /* without a point: which one strtod() takes, the locale says */

        snprintf(&d->digits[d->n], sizeof(d->digits) - d->n, "e%lld",
                 d->exponent);

        return strtod(d->digits, NULL);
    }

    number = 0;

    for (i = 0; i < d->n; i++) {
        number = number * 10 + (uint64_t) (d->digits[i] - '0');
    }

    return (double) number;
}
