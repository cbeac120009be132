#include "canopy_json_string.h"


/* what a byte is in a string */
#define PL  0                   /* plain, stands for itself */
#define QU  1                   /* the quote that ends it */
#define ES  2                   /* a backslash */
#define U8  3                   /* UTF-8 of more than one byte, or not UTF-8 */
#define CT  4                   /* a control character */


static const uint8_t *canopy_json_escape(const uint8_t *p,
    const uint8_t *last, uint32_t *code);
static const uint8_t *canopy_json_unicode(const uint8_t *p,
    const uint8_t *last, uint32_t *code);
static const uint8_t *canopy_json_hex(const uint8_t *p, const uint8_t *last,
    uint32_t *code);
static const uint8_t *canopy_json_utf8(const uint8_t *p, const uint8_t *last);
static int canopy_json_encode(canopy_json_content_t *c, uint32_t code);


static const uint8_t  canopy_json_classes[256] = {
    CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, CT,
    CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, CT,
    PL, PL, QU, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL,
    PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL,
    PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL,
    PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, ES, PL, PL, PL,
    PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL,
    PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL, PL,
    U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8,
    U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8,
    U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8,
    U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8,
    U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8,
    U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8,
    U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8,
    U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8, U8
};


const uint8_t *
canopy_json_string(const uint8_t *p, const uint8_t *last)
{
    uint8_t   class;
    uint32_t  code;

    while (p != NULL) {

        while (last - p >= 4
               && !(canopy_json_classes[p[0]] | canopy_json_classes[p[1]]
                    | canopy_json_classes[p[2]] | canopy_json_classes[p[3]]))
        {
            p += 4;
        }

        do {
            if (p == last) {
                return NULL;
            }

            class = canopy_json_classes[*p++];

        } while (class == PL);

        switch (class) {

        case QU:
            return p;

        case ES:
            p = canopy_json_escape(p, last, &code);
            break;

        case U8:
            p = canopy_json_utf8(p - 1, last);
            break;

        default: /* CT */
            return NULL;
        }
    }

    return NULL;
}


int
canopy_json_unescape(canopy_json_content_t *c)
{
    int       ch;
    uint32_t  code;

    if (c->rest) {
        ch = (int) (c->rest & 0xff);
        c->rest >>= 8;
        return ch;
    }

    c->p = canopy_json_escape(c->p + 1, c->last, &code);

    return canopy_json_encode(c, code);
}


/* p is behind the backslash */
static const uint8_t *
canopy_json_escape(const uint8_t *p, const uint8_t *last, uint32_t *code)
{
    if (p == last) {
        return NULL;
    }

    switch (*p) {

    case 'u':
        return canopy_json_unicode(p + 1, last, code);

    case '"':
    case '\\':
    case '/':
        *code = *p;
        break;

    case 'b':
        *code = '\b';
        break;

    case 'f':
        *code = '\f';
        break;

    case 'n':
        *code = '\n';
        break;

    case 'r':
        *code = '\r';
        break;

    case 't':
        *code = '\t';
        break;

    default:
        return NULL;
    }

    return p + 1;
}


/* p is behind "\u" */
static const uint8_t *
canopy_json_unicode(const uint8_t *p, const uint8_t *last, uint32_t *code)
{
    uint32_t  low;

    p = canopy_json_hex(p, last, code);

    if (p == NULL || *code < 0xd800 || *code > 0xdfff) {
        return p;
    }

    if (*code > 0xdbff || last - p < 2 || p[0] != '\\' || p[1] != 'u') {
        return NULL;
    }

    p = canopy_json_hex(p + 2, last, &low);

    if (p == NULL || low < 0xdc00 || low > 0xdfff) {
        return NULL;
    }

    *code = 0x10000 + ((*code & 0x3ff) << 10 | (low & 0x3ff));

    return p;
}


/* four digits */
static const uint8_t *
canopy_json_hex(const uint8_t *p, const uint8_t *last, uint32_t *code)
{
    uint8_t   ch;
    unsigned  i;

    if (last - p < 4) {
        return NULL;
    }

    *code = 0;

    for (i = 0; i < 4; i++) {
        ch = *p++;

        if (ch >= '0' && ch <= '9') {
            *code = *code << 4 | (uint32_t) (ch - '0');
            continue;
        }

        ch |= 0x20;

        if (ch < 'a' || ch > 'f') {
            return NULL;
        }

        *code = *code << 4 | (uint32_t) (ch - 'a' + 10);
    }

    return p;
}


/* one character of RFC 3629, section 4, and not of one byte */
static const uint8_t *
canopy_json_utf8(const uint8_t *p, const uint8_t *last)
{
    uint8_t    ch, low, high;
    ptrdiff_t  n;

    ch = *p++;
    low = 0x80;
    high = 0xbf;

    if (ch < 0xc2 || ch > 0xf4) {
        return NULL;

    } else if (ch < 0xe0) {
        n = 1;

    } else if (ch < 0xf0) {
        n = 2;
        low = (ch == 0xe0) ? 0xa0 : 0x80;
        high = (ch == 0xed) ? 0x9f : 0xbf;

    } else {
        n = 3;
        low = (ch == 0xf0) ? 0x90 : 0x80;
        high = (ch == 0xf4) ? 0x8f : 0xbf;
    }

    if (last - p < n || *p < low || *p > high) {
        return NULL;
    }

    for (p++; n > 1; n--, p++) {
        if (*p < 0x80 || *p > 0xbf) {
            return NULL;
        }
    }

    return p;
}


/* returns the first byte of a character, the others are the content's rest */
static int
canopy_json_encode(canopy_json_content_t *c, uint32_t code)
{
    unsigned  i, n;

    static const uint8_t  first[] = { 0, 0xc0, 0xe0, 0xf0 };

    n = (code < 0x80) ? 0 : (code < 0x800) ? 1 : (code < 0x10000) ? 2 : 3;

    for (i = 0; i < n; i++) {
        c->rest = c->rest << 8 | 0x80 | (code & 0x3f);
        code >>= 6;
    }

    return (int) (first[n] | code);
}
