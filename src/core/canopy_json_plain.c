#include <string.h>

#include "canopy_json_number.h"
#include "canopy_json_plain.h"
#include "canopy_json_string.h"


#define CANOPY_JSON_PLAIN_DEPTH   32
#define CANOPY_JSON_PLAIN_NUMBER  18    /* characters */


static const uint8_t *canopy_json_plain_nested(const uint8_t *p,
    const uint8_t *last, unsigned depth);
static const uint8_t *canopy_json_plain_brackets(const uint8_t *p,
    const uint8_t *last, unsigned depth);
static const uint8_t *canopy_json_plain_number(const uint8_t *p,
    const uint8_t *last);
static const uint8_t *canopy_json_plain_word(const uint8_t *p,
    const uint8_t *last, const char *word);


const uint8_t *
canopy_json_plain_token(const uint8_t *p, const uint8_t *last, uint8_t ch)
{
    p = canopy_json_plain_next(p, last);

    return (p != NULL && *p == ch) ? p + 1 : NULL;
}


int
canopy_json_plain_more(const uint8_t **p, const uint8_t *last, uint8_t closing)
{
    uint8_t  ch;

    *p = canopy_json_plain_next(*p, last);
    if (*p == NULL) {
        return 0;
    }

    ch = *(*p)++;

    if (ch == ',') {
        return 1;
    }

    if (ch != closing) {
        *p = NULL;
    }

    return 0;
}


const uint8_t *
canopy_json_plain_string(const uint8_t *p, const uint8_t *last,
    canopy_slice_t *text)
{
    p = canopy_json_plain_next(p, last);

    if (p == NULL || *p != '"') {
        return NULL;
    }

    text->data = p;

    p = canopy_json_string(p + 1, last);
    if (p == NULL) {
        return NULL;
    }

    text->len = (size_t) (p - text->data);

    return memchr(text->data, '\\', text->len) ? NULL : p;
}


const uint8_t *
canopy_json_plain_name(const uint8_t *p, const uint8_t *last,
    canopy_slice_t *text)
{
    p = canopy_json_plain_string(p, last, text);

    return canopy_json_plain_token(p, last, ':');
}


const uint8_t *
canopy_json_plain_integer(const uint8_t *p, const uint8_t *last,
    canopy_slice_t *text)
{
    p = canopy_json_plain_next(p, last);
    if (p == NULL) {
        return NULL;
    }

    text->data = p;

    p = canopy_json_plain_number(p, last);
    if (p == NULL) {
        return NULL;
    }

    text->len = (size_t) (p - text->data);

    if (memchr(text->data, '.', text->len)
        || (text->len == 2 && memcmp(text->data, "-0", 2) == 0))
    {
        return NULL;
    }

    return p;
}


const uint8_t *
canopy_json_plain_value(const uint8_t *p, const uint8_t *last)
{
    return canopy_json_plain_nested(p, last, CANOPY_JSON_PLAIN_DEPTH);
}


static const uint8_t *
canopy_json_plain_nested(const uint8_t *p, const uint8_t *last, unsigned depth)
{
    p = canopy_json_plain_next(p, last);
    if (p == NULL) {
        return NULL;
    }

    switch (*p) {

    case '"':
        return canopy_json_string(p + 1, last);

    case '{':
    case '[':
        return depth ? canopy_json_plain_brackets(p, last, depth - 1) : NULL;

    case 't':
        return canopy_json_plain_word(p, last, "true");

    case 'f':
        return canopy_json_plain_word(p, last, "false");

    case 'n':
        return canopy_json_plain_word(p, last, "null");

    default:
        return canopy_json_plain_number(p, last);
    }
}


/* p is at the opening one */
static const uint8_t *
canopy_json_plain_brackets(const uint8_t *p, const uint8_t *last,
    unsigned depth)
{
    uint8_t         closing;
    canopy_slice_t  name;

    closing = (*p == '{') ? '}' : ']';

    p = canopy_json_plain_next(p + 1, last);

    if (p != NULL && *p == closing) {
        return p + 1;
    }

    do {
        if (closing == '}') {
            p = canopy_json_plain_name(p, last, &name);
        }

        p = canopy_json_plain_nested(p, last, depth);

    } while (canopy_json_plain_more(&p, last, closing));

    return p;
}


/* p is at its first character */
static const uint8_t *
canopy_json_plain_number(const uint8_t *p, const uint8_t *last)
{
    const uint8_t  *end;

    end = canopy_json_numeral(p, last);

    if (end == NULL || end - p > CANOPY_JSON_PLAIN_NUMBER) {
        return NULL;
    }

    for ( /* void */ ; p < end; p++) {
        if ((*p | 0x20) == 'e') {
            return NULL;
        }
    }

    return end;
}


/* p is at its first character */
static const uint8_t *
canopy_json_plain_word(const uint8_t *p, const uint8_t *last, const char *word)
{
    size_t  len;

    len = strlen(word);

    if ((size_t) (last - p) < len || memcmp(p, word, len) != 0) {
        return NULL;
    }

    return p + len;
}
