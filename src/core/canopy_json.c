#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "canopy_json.h"


/* what a byte is in a string */
#define PL  0                   /* plain, stands for itself */
#define QU  1                   /* the quote that ends it */
#define ES  2                   /* a backslash */
#define U8  3                   /* UTF-8 of more than one byte, or not UTF-8 */
#define CT  4                   /* a control character */

/*
 * No decimal text needs more than 767 digits, and whether others follow that
 * are not zero, to be rounded to the right double.
 */
#define CANOPY_JSON_DIGITS  768

/* so many digits always make an exact double */
#define CANOPY_JSON_EXACT  15

/* far out of a double's range with any text's digits, far in a long long's */
#define CANOPY_JSON_EXPONENT  1000000000000000LL

/*
 * Most names are new to the text, and a bit tells.  Else hundreds of short
 * names in one token would have a client keep us busy for long, comparing.
 */
#define CANOPY_JSON_SEEN        8192
#define CANOPY_JSON_SEEN_SHIFT  19      /* of a hash, to one of these bits */


/* a name of an open object */
typedef struct {
    uint32_t               hash;
    uint16_t               offset;      /* of its first byte in the text */
    uint16_t               base;        /* its object's, see below */
} canopy_json_name_t;


/*
 * The names of all open objects stand on one stack; a closed object's are
 * gone.  Neither stack can overflow: a bracket is a byte of the text, and a
 * name is put there after 4 bytes of its own, its "{" or ",", two quotes and
 * a ":".
 */
typedef struct {
    const uint8_t         *text;
    const uint8_t         *last;
    canopy_json_member_t  *members;
    size_t                 nmembers;
    canopy_json_member_t  *member;      /* asked for, its value is read now */
    const uint8_t         *value;       /* where that begins */
    uint8_t                closing;     /* what closes the innermost bracket */
    size_t                 depth;
    size_t                 base;        /* the innermost object's first name */
    size_t                 nnames;
    uint32_t               basis;       /* of the names' hashes */
    uint8_t                seen[CANOPY_JSON_SEEN / 8];  /* bits of hashes */
    uint8_t                objects[CANOPY_JSON_MAX / 8];
    canopy_json_name_t     names[CANOPY_JSON_MAX / 4];
} canopy_json_scan_t;


/* what a checked string says, byte by byte up to its quote, without escapes */
typedef struct {
    const uint8_t         *p;
    uint32_t               rest;        /* of an escape, the next lowest */
} canopy_json_content_t;


static const uint8_t *canopy_json_element(canopy_json_scan_t *s,
    const uint8_t *p, unsigned *first);
static void canopy_json_open(canopy_json_scan_t *s, uint8_t bracket);
static const uint8_t *canopy_json_close(canopy_json_scan_t *s,
    const uint8_t *p);
static void canopy_json_found(canopy_json_scan_t *s, canopy_json_e type,
    const uint8_t *last);
static const uint8_t *canopy_json_name(canopy_json_scan_t *s,
    const uint8_t *p);
static int canopy_json_push(canopy_json_scan_t *s, const uint8_t *p);
static int canopy_json_same(const uint8_t *a, const uint8_t *b);
static canopy_json_member_t *canopy_json_asked(canopy_json_scan_t *s,
    const uint8_t *p);
static int canopy_json_next(canopy_json_content_t *c);
static int canopy_json_unescape(canopy_json_content_t *c);
static const uint8_t *canopy_json_scalar(const uint8_t *p,
    const uint8_t *last, canopy_json_e *type);
static const uint8_t *canopy_json_string(const uint8_t *p,
    const uint8_t *last);
static const uint8_t *canopy_json_escape(const uint8_t *p,
    const uint8_t *last);
static long canopy_json_hex(const uint8_t *p, const uint8_t *last);
static const uint8_t *canopy_json_utf8(const uint8_t *p, const uint8_t *last);
static const uint8_t *canopy_json_numeral(const uint8_t *p,
    const uint8_t *last);
static long long canopy_json_exponent(const uint8_t *p, const uint8_t *last);
static const uint8_t *canopy_json_digits(const uint8_t *p,
    const uint8_t *last);


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


static inline const uint8_t *
canopy_json_space(const uint8_t *p, const uint8_t *last)
{
    for ( /* void */ ; p < last && *p <= ' '; p++) {
        if (*p != ' ' && *p != '\n' && *p != '\r' && *p != '\t') {
            break;
        }
    }

    return p;
}


int
canopy_json_object(canopy_slice_t text, canopy_json_member_t *members,
    size_t n)
{
    size_t               i;
    unsigned             first;
    const uint8_t       *p;
    canopy_json_scan_t   s;

    for (i = 0; i < n; i++) {
        members[i].found = 0;
    }

    if (text.len == 0 || text.len > CANOPY_JSON_MAX) {
        return -1;
    }

    s.text = text.data;
    s.last = text.data + text.len;
    s.members = members;
    s.nmembers = n;
    s.member = NULL;
    s.depth = 0;
    s.base = 0;
    s.nnames = 0;
    memset(s.seen, 0, sizeof(s.seen));

    /* a stack's address is no secret, but nobody can choose names by it */
    s.basis = 2166136261u ^ (uint32_t) ((uintptr_t) &s >> 4);

    p = canopy_json_space(s.text, s.last);
    if (p == s.last || *p != '{') {
        return -1;
    }

    canopy_json_open(&s, *p++);
    first = 1;

    do {
        p = canopy_json_element(&s, p, &first);
    } while (p != NULL && s.depth);

    if (p == NULL || canopy_json_space(p, s.last) != s.last) {
        return -1;
    }

    return 0;
}


int
canopy_json_number(canopy_slice_t text, double *value)
{
    char            digits[CANOPY_JSON_DIGITS + sizeof("1e-") + 20];
    size_t          n;
    double          number;
    uint64_t        mantissa;
    unsigned        fraction, more;
    long long       exponent;
    const uint8_t  *p, *last;

    p = text.data;

    if (text.len == 0 || canopy_json_numeral(p, p + text.len) != p + text.len)
    {
        return -1;
    }

    last = p + text.len;
    n = 0;
    mantissa = 0;
    fraction = 0;
    more = 0;
    exponent = 0;

    if (*p == '-') {
        p++;
    }

    /* the point is left out: which one strtod() takes, the locale says */

    for ( /* void */ ; p < last && (*p | 0x20) != 'e'; p++) {

        if (*p == '.') {
            fraction = 1;

        } else if (n == 0 && *p == '0') {
            exponent -= fraction;

        } else if (n < CANOPY_JSON_DIGITS) {
            mantissa = mantissa * 10 + (*p - '0');
            digits[n++] = (char) *p;
            exponent -= fraction;

        } else {
            more |= (*p != '0');
            exponent += !fraction;
        }
    }

    if (p < last) {
        exponent += canopy_json_exponent(p + 1, last);
    }

    if (n == 0 || (n <= CANOPY_JSON_EXACT && exponent == 0)) {
        number = (double) mantissa;

    } else {
        if (more) {
            digits[n++] = '1';
            exponent--;
        }

        snprintf(&digits[n], sizeof(digits) - n, "e%lld", exponent);
        number = strtod(digits, NULL);

        if (isinf(number)) {
            return -1;
        }
    }

    *value = (text.data[0] == '-') ? -number : number;

    return 0;
}


/*
 * Reads what an open object or array holds next, p behind its bracket (first)
 * or behind a comma, with all the brackets that close and the comma after it.
 */
static const uint8_t *
canopy_json_element(canopy_json_scan_t *s, const uint8_t *p, unsigned *first)
{
    canopy_json_e  type;

    p = canopy_json_space(p, s->last);
    if (p == s->last) {
        return NULL;
    }

    if (*first && *p == s->closing) {
        *first = 0;
        return canopy_json_close(s, p);
    }

    if (s->closing == '}') {
        p = canopy_json_name(s, p);
        if (p == NULL) {
            return NULL;
        }
    }

    if (s->depth == 1) {
        s->value = p;
    }

    *first = (*p == '{' || *p == '[');

    if (*first) {
        canopy_json_open(s, *p);
        return p + 1;
    }

    p = canopy_json_scalar(p, s->last, &type);
    if (p == NULL) {
        return NULL;
    }

    if (s->depth == 1) {
        canopy_json_found(s, type, p);
    }

    return canopy_json_close(s, p);
}


static void
canopy_json_open(canopy_json_scan_t *s, uint8_t bracket)
{
    uint8_t  *bits, bit;

    bits = &s->objects[s->depth / 8];
    bit = (uint8_t) (1 << s->depth % 8);

    if (bit == 1) {
        *bits = 0;
    }

    if (bracket == '{') {
        *bits |= bit;
        s->closing = '}';
        s->base = s->nnames;

    } else {
        *bits &= (uint8_t) ~bit;
        s->closing = ']';
    }

    s->depth++;
}


static const uint8_t *
canopy_json_close(canopy_json_scan_t *s, const uint8_t *p)
{
    canopy_json_e  type;

    for ( ;; ) {
        p = canopy_json_space(p, s->last);
        if (p == s->last) {
            return NULL;
        }

        if (*p == ',') {
            return p + 1;
        }

        if (*p++ != s->closing) {
            return NULL;
        }

        if (--s->depth == 0) {
            return p;
        }

        type = CANOPY_JSON_ARRAY;

        if (s->closing == '}') {
            type = CANOPY_JSON_OBJECT;

            s->nnames = s->base;
            s->base = s->names[s->nnames - 1].base;
        }

        if (s->depth == 1) {
            canopy_json_found(s, type, p);
        }

        s->closing = (s->objects[(s->depth - 1) / 8]
                      & 1 << (s->depth - 1) % 8) ? '}' : ']';
    }
}


static void
canopy_json_found(canopy_json_scan_t *s, canopy_json_e type,
    const uint8_t *last)
{
    canopy_json_member_t  *member;

    member = s->member;

    if (member == NULL) {
        return;
    }

    s->member = NULL;

    member->found = 1;
    member->type = type;
    member->value.data = s->value;
    member->value.len = (size_t) (last - s->value);

    if (type == CANOPY_JSON_STRING) {
        member->value.data++;
        member->value.len -= 2;
    }
}


/* returns the place of the value */
static const uint8_t *
canopy_json_name(canopy_json_scan_t *s, const uint8_t *p)
{
    const uint8_t  *name;

    if (*p != '"') {
        return NULL;
    }

    name = p + 1;

    p = canopy_json_string(name, s->last);
    if (p == NULL) {
        return NULL;
    }

    p = canopy_json_space(p, s->last);
    if (p == s->last || *p != ':') {
        return NULL;
    }

    if (canopy_json_push(s, name) != 0) {
        return NULL;
    }

    if (s->depth == 1) {
        s->member = canopy_json_asked(s, name);
    }

    p = canopy_json_space(p + 1, s->last);

    return (p == s->last) ? NULL : p;
}


static int
canopy_json_push(canopy_json_scan_t *s, const uint8_t *p)
{
    int                     ch;
    size_t                  i;
    uint8_t                *seen, bit;
    uint32_t                hash;
    const uint8_t          *first;
    canopy_json_name_t     *name;
    canopy_json_content_t   content;

    hash = s->basis;            /* FNV-1a */

    for (first = p; *p != '"' && *p != '\\'; p++) {
        hash = (hash ^ *p) * 16777619u;
    }

    content.p = p;
    content.rest = 0;

    while ((ch = canopy_json_next(&content)) > 0) {
        hash = (hash ^ (uint32_t) ch) * 16777619u;
    }

    if (ch == 0) {
        return -1;
    }

    hash ^= hash >> 16;
    hash *= 2654435769u;

    seen = &s->seen[(hash >> CANOPY_JSON_SEEN_SHIFT) / 8];
    bit = (uint8_t) (1 << (hash >> CANOPY_JSON_SEEN_SHIFT) % 8);

    if (*seen & bit) {
        for (i = s->base; i < s->nnames; i++) {
            if (s->names[i].hash == hash
                && canopy_json_same(s->text + s->names[i].offset, first))
            {
                return -1;
            }
        }
    }

    *seen |= bit;

    name = &s->names[s->nnames++];

    name->hash = hash;
    name->offset = (uint16_t) (first - s->text);
    name->base = (uint16_t) s->base;

    return 0;
}


static int
canopy_json_same(const uint8_t *a, const uint8_t *b)
{
    int                    ch;
    canopy_json_content_t  ca, cb;

    ca.p = a;
    ca.rest = 0;

    cb.p = b;
    cb.rest = 0;

    do {
        ch = canopy_json_next(&ca);

        if (ch != canopy_json_next(&cb)) {
            return 0;
        }
    } while (ch != -1);

    return 1;
}


static canopy_json_member_t *
canopy_json_asked(canopy_json_scan_t *s, const uint8_t *p)
{
    int                    ch;
    size_t                 i, k;
    canopy_slice_t         name;
    canopy_json_content_t  content;

    for (i = 0; i < s->nmembers; i++) {
        name = s->members[i].name;

        content.p = p;
        content.rest = 0;

        for (k = 0; /* void */ ; k++) {
            ch = canopy_json_next(&content);

            if (k == name.len || ch != name.data[k]) {
                break;
            }
        }

        if (k == name.len && ch == -1) {
            return &s->members[i];
        }
    }

    return NULL;
}


/* returns the next byte, or -1 at the end */
static int
canopy_json_next(canopy_json_content_t *c)
{
    int  ch;

    if (c->rest) {
        ch = (int) (c->rest & 0xff);
        c->rest >>= 8;
        return ch;
    }

    if (*c->p == '"') {
        return -1;
    }

    if (*c->p != '\\') {
        return *c->p++;
    }

    return canopy_json_unescape(c);
}


static int
canopy_json_unescape(canopy_json_content_t *c)
{
    uint8_t   ch;
    uint32_t  code, low;

    ch = c->p[1];
    c->p += 2;

    switch (ch) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'u':
        break;
    default:
        return ch;
    }

    code = (uint32_t) canopy_json_hex(c->p, c->p + 4);
    c->p += 4;

    if (code < 0x80) {
        return (int) code;
    }

    if (code < 0x800) {
        c->rest = 0x80 | (code & 0x3f);
        return (int) (0xc0 | code >> 6);
    }

    if (code < 0xd800 || code > 0xdfff) {
        c->rest = (0x80 | (code & 0x3f)) << 8 | (0x80 | (code >> 6 & 0x3f));
        return (int) (0xe0 | code >> 12);
    }

    low = (uint32_t) canopy_json_hex(c->p + 2, c->p + 6);
    c->p += 6;

    code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
    c->rest = (0x80 | (code & 0x3f)) << 16 | (0x80 | (code >> 6 & 0x3f)) << 8
              | (0x80 | (code >> 12 & 0x3f));

    return (int) (0xf0 | code >> 18);
}


static const uint8_t *
canopy_json_scalar(const uint8_t *p, const uint8_t *last, canopy_json_e *type)
{
    size_t       len;
    const char  *word;

    switch (*p) {

    case '"':
        *type = CANOPY_JSON_STRING;
        return canopy_json_string(p + 1, last);

    case 't':
        *type = CANOPY_JSON_TRUE;
        word = "true";
        break;

    case 'f':
        *type = CANOPY_JSON_FALSE;
        word = "false";
        break;

    case 'n':
        *type = CANOPY_JSON_NULL;
        word = "null";
        break;

    default:
        *type = CANOPY_JSON_NUMBER;
        return canopy_json_numeral(p, last);
    }

    len = strlen(word);

    if ((size_t) (last - p) < len || memcmp(p, word, len) != 0) {
        return NULL;
    }

    return p + len;
}


/* p is behind the quote that begins the string; so is what is returned */
static const uint8_t *
canopy_json_string(const uint8_t *p, const uint8_t *last)
{
    uint8_t  class;

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
            p = canopy_json_escape(p, last);
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


/* p is behind the backslash */
static const uint8_t *
canopy_json_escape(const uint8_t *p, const uint8_t *last)
{
    long  code;

    if (p == last) {
        return NULL;
    }

    if (*p != 'u') {
        return memchr("\"\\/bfnrt", *p, 8) ? p + 1 : NULL;
    }

    code = canopy_json_hex(p + 1, last);
    if (code == -1) {
        return NULL;
    }

    p += 5;

    if (code < 0xd800 || code > 0xdfff) {
        return p;
    }

    if (code > 0xdbff || last - p < 2 || p[0] != '\\' || p[1] != 'u') {
        return NULL;
    }

    code = canopy_json_hex(p + 2, last);
    if (code < 0xdc00 || code > 0xdfff) {
        return NULL;
    }

    return p + 6;
}


static long
canopy_json_hex(const uint8_t *p, const uint8_t *last)
{
    long      code;
    uint8_t   ch;
    unsigned  i;

    if (last - p < 4) {
        return -1;
    }

    code = 0;

    for (i = 0; i < 4; i++) {
        ch = p[i];

        if (ch >= '0' && ch <= '9') {
            code = code << 4 | (ch - '0');
            continue;
        }

        ch |= 0x20;

        if (ch < 'a' || ch > 'f') {
            return -1;
        }

        code = code << 4 | (ch - 'a' + 10);
    }

    return code;
}


/* one character of RFC 3629, section 4 */
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


static const uint8_t *
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


static const uint8_t *
canopy_json_digits(const uint8_t *p, const uint8_t *last)
{
    const uint8_t  *first;

    for (first = p; p < last && *p >= '0' && *p <= '9'; p++) { /* void */ }

    return (p == first) ? NULL : p;
}
