#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "canopy_bearer.h"


#define SCHEME  "Bearer "

#define SCHEME_LEN  (sizeof(SCHEME) - 1)

/* a byte out of the alphabet: a bit that no value has */
#define XX  0x80


/*
 * The value of a character; that of a byte out of the alphabet has the highest
 * bit set, wherever it is shifted to.
 */
#define canopy_base64url_bits(ch)                                             \
    ((uint32_t) (int8_t) canopy_base64url_values[ch])


static unsigned canopy_base64url_check(const uint8_t *p, size_t len);
static unsigned canopy_base64url_decode(const uint8_t *p, size_t len,
    uint8_t *dst);


static const uint8_t  canopy_base64url_values[256] = {
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, 62, XX, XX,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, XX, XX, XX, XX, XX, XX,
    XX,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, XX, XX, XX, XX, 63,
    XX, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX
};


int
canopy_bearer(canopy_slice_t value, canopy_slice_t *token)
{
    const uint8_t  *p, *last;

    if (value.len <= SCHEME_LEN
        || strncasecmp((const char *) value.data, SCHEME, SCHEME_LEN) != 0)
    {
        return -1;
    }

    p = value.data + SCHEME_LEN;
    last = value.data + value.len;

    while (p < last && *p == ' ') {
        p++;
    }

    if (p == last) {
        return -1;
    }

    token->data = p;
    token->len = (size_t) (last - p);

    return 0;
}


long
canopy_base64url(canopy_slice_t src, uint8_t *dst)
{
    size_t    rest;
    unsigned  bad;

    rest = src.len % 4;

    if (rest == 1) {
        return -1;
    }

    if (src.len == 0) {
        return 0;
    }

    if (dst == NULL) {
        bad = canopy_base64url_check(src.data, src.len);

    } else {
        bad = canopy_base64url_decode(src.data, src.len, dst);
    }

    if (bad) {
        return -1;
    }

    return (long) (src.len / 4 * 3 + (rest ? rest - 1 : 0));
}


long
canopy_base64url_strict(canopy_slice_t src, uint8_t *dst)
{
    long     n;
    uint8_t  last;

    static const uint8_t  left[] = { 0, 0, 0x0f, 0x03 };

    n = canopy_base64url(src, dst);

    if (n > 0) {
        last = canopy_base64url_values[src.data[src.len - 1]];

        if (last & left[src.len % 4]) {
            return -1;
        }
    }

    return n;
}


static unsigned
canopy_base64url_check(const uint8_t *p, size_t len)
{
    uint8_t         bad;
    const uint8_t  *last;

    bad = 0;

    for (last = p + len / 4 * 4; p < last; p += 4) {
        bad |= canopy_base64url_values[p[0]];
        bad |= canopy_base64url_values[p[1]];
        bad |= canopy_base64url_values[p[2]];
        bad |= canopy_base64url_values[p[3]];
    }

    for (last = p + len % 4; p < last; p++) {
        bad |= canopy_base64url_values[*p];
    }

    return bad & XX;
}


static unsigned
canopy_base64url_decode(const uint8_t *p, size_t len, uint8_t *dst)
{
    uint32_t        bits, bad;
    const uint8_t  *last;

    bad = 0;

    /* there is room for four: two characters at least follow, or a byte */

    for (last = p + (len - 2) / 4 * 4; p < last; p += 4, dst += 3) {
        bits = canopy_base64url_bits(p[0]) << 18
               | canopy_base64url_bits(p[1]) << 12
               | canopy_base64url_bits(p[2]) << 6
               | canopy_base64url_bits(p[3]);

        bad |= bits;

        bits = htonl(bits << 8);
        memcpy(dst, &bits, 4);
    }

    len = (len - 2) % 4 + 2;

    bits = canopy_base64url_bits(p[0]) << 18
           | canopy_base64url_bits(p[1]) << 12;

    dst[0] = (uint8_t) (bits >> 16);

    if (len > 2) {
        bits |= canopy_base64url_bits(p[2]) << 6;
        dst[1] = (uint8_t) (bits >> 8);
    }

    if (len > 3) {
        bits |= canopy_base64url_bits(p[3]);
        dst[2] = (uint8_t) bits;
    }

    return (bad | bits) >> 31;
}
