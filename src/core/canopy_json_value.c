#include "canopy_json_number.h"
#include "canopy_json_string.h"
#include "canopy_json_value.h"


static const uint8_t *next_token(const uint8_t *p, const uint8_t *last);
static const uint8_t *value_end(const uint8_t *p, const uint8_t *last);
static const uint8_t *brackets_end(const uint8_t *p, const uint8_t *last);
static canopy_slice_t string_at(const uint8_t *p, const uint8_t *end);
static canopy_json_e type_at(const uint8_t *p);
static void content_of(canopy_slice_t string, canopy_json_content_t *content);


void
canopy_json_enter(canopy_json_cursor_t *c, canopy_slice_t text)
{
    c->p = text.data + 1;
    c->last = text.data + text.len - 1;
}


int
canopy_json_each(canopy_json_cursor_t *c, canopy_json_value_t *v)
{
    const uint8_t  *p, *end;

    p = next_token(c->p, c->last);

    if (p == c->last) {
        return 0;
    }

    v->name.data = p;
    v->name.len = 0;

    /* the closing bracket tells an object */

    if (*c->last == '}') {
        end = canopy_json_string(p + 1, c->last);
        v->name = string_at(p, end);
        p = next_token(end, c->last);
    }

    end = value_end(p, c->last);

    v->type = type_at(p);

    if (v->type == CANOPY_JSON_STRING) {
        v->value = string_at(p, end);

    } else {
        v->value.data = p;
        v->value.len = (size_t) (end - p);
    }

    c->p = end;

    return 1;
}


/* the next quote, bracket, digit or letter */
static const uint8_t *
next_token(const uint8_t *p, const uint8_t *last)
{
    while (p < last && (*p <= ' ' || *p == ',' || *p == ':')) {
        p++;
    }

    return p;
}


static const uint8_t *
value_end(const uint8_t *p, const uint8_t *last)
{
    switch (*p) {

    case '{':
    case '[':
        return brackets_end(p, last);

    case '"':
        return canopy_json_string(p + 1, last);

    case 't':
    case 'n':
        return p + 4;

    case 'f':
        return p + 5;

    default:
        return canopy_json_numeral(p, last);
    }
}


/* the brackets match: it has been looked at */
static const uint8_t *
brackets_end(const uint8_t *p, const uint8_t *last)
{
    size_t  depth;

    depth = 0;

    do {
        switch (*p) {

        case '{':
        case '[':
            depth++;
            p++;
            break;

        case '}':
        case ']':
            depth--;
            p++;
            break;

        case '"':
            p = canopy_json_string(p + 1, last);
            break;

        default:
            p++;
        }
    } while (depth);

    return p;
}


/* from a quote to the place behind one */
static canopy_slice_t
string_at(const uint8_t *p, const uint8_t *end)
{
    canopy_slice_t  string;

    string.data = p + 1;
    string.len = (size_t) (end - p - 2);

    return string;
}


static canopy_json_e
type_at(const uint8_t *p)
{
    switch (*p) {

    case '{':
        return CANOPY_JSON_OBJECT;

    case '[':
        return CANOPY_JSON_ARRAY;

    case '"':
        return CANOPY_JSON_STRING;

    case 't':
        return CANOPY_JSON_TRUE;

    case 'f':
        return CANOPY_JSON_FALSE;

    case 'n':
        return CANOPY_JSON_NULL;

    default:
        return CANOPY_JSON_NUMBER;
    }
}


size_t
canopy_json_content(canopy_slice_t string, uint8_t *dst, size_t size)
{
    int                    ch;
    size_t                 n;
    canopy_json_content_t  content;

    content_of(string, &content);

    for (n = 0; (ch = canopy_json_next(&content)) != -1; n++) {
        if (n < size) {
            dst[n] = (uint8_t) ch;
        }
    }

    return n;
}


int
canopy_json_says(canopy_slice_t string, canopy_slice_t what)
{
    int                    ch;
    size_t                 n;
    canopy_json_content_t  content;

    content_of(string, &content);

    for (n = 0; (ch = canopy_json_next(&content)) != -1; n++) {
        if (n == what.len || ch != what.data[n]) {
            return 0;
        }
    }

    return n == what.len;
}


/* its closing quote is there */
static void
content_of(canopy_slice_t string, canopy_json_content_t *content)
{
    content->p = string.data;
    content->last = string.data + string.len + 1;
    content->rest = 0;
}
