#include <string.h>

#include "canopy_json.h"
#include "canopy_json_names.h"
#include "canopy_json_number.h"
#include "canopy_json_string.h"


/*
 * The stack of brackets can't overflow: each is a byte of the text.
 */
typedef struct {
    const uint8_t         *last;
    canopy_json_member_t  *members;
    size_t                 nmembers;
    canopy_json_member_t  *member;      /* asked for, its value is read now */
    size_t                 depth;
    uint8_t                closing[CANOPY_JSON_MAX];    /* open brackets */
    canopy_json_names_t    names;
} canopy_json_scan_t;


static const uint8_t *canopy_json_element(canopy_json_scan_t *s,
    const uint8_t *p);
static const uint8_t *canopy_json_open(canopy_json_scan_t *s,
    const uint8_t *p);
static const uint8_t *canopy_json_close(canopy_json_scan_t *s,
    const uint8_t *p);
static void canopy_json_found(canopy_json_scan_t *s, canopy_json_e type,
    const uint8_t *last);
static const uint8_t *canopy_json_name(canopy_json_scan_t *s,
    const uint8_t *p);
static canopy_json_member_t *canopy_json_asked(canopy_json_scan_t *s,
    const uint8_t *p);
static const uint8_t *canopy_json_scalar(const uint8_t *p,
    const uint8_t *last, canopy_json_e *type);
static const uint8_t *canopy_json_word(const uint8_t *p, const uint8_t *last,
    const char *word);


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
    const uint8_t       *p;
    canopy_json_scan_t   s;

    for (i = 0; i < n; i++) {
        members[i].found = 0;
    }

    if (text.len == 0 || text.len > CANOPY_JSON_MAX) {
        return -1;
    }

    s.last = text.data + text.len;
    s.members = members;
    s.nmembers = n;
    s.member = NULL;
    s.depth = 0;

    canopy_json_names_init(&s.names, text);

    p = canopy_json_space(text.data, s.last);
    if (p == s.last || *p != '{') {
        return -1;
    }

    p = canopy_json_open(&s, p);

    while (p != NULL && s.depth) {
        p = canopy_json_element(&s, p);
    }

    if (p == NULL || canopy_json_space(p, s.last) != s.last) {
        return -1;
    }

    return 0;
}


/*
 * Reads what an open object or array holds next, to where its next one is, or
 * that of an object or array around it, or the end of the outermost one.
 */
static const uint8_t *
canopy_json_element(canopy_json_scan_t *s, const uint8_t *p)
{
    canopy_json_e  type;

    p = canopy_json_space(p, s->last);
    if (p == s->last) {
        return NULL;
    }

    if (s->closing[s->depth - 1] == '}') {
        p = canopy_json_name(s, p);
        if (p == NULL) {
            return NULL;
        }
    }

    if (*p == '{' || *p == '[') {
        return canopy_json_open(s, p);
    }

    p = canopy_json_scalar(p, s->last, &type);
    if (p == NULL) {
        return NULL;
    }

    canopy_json_found(s, type, p);

    return canopy_json_close(s, p);
}


/* p is at the bracket */
static const uint8_t *
canopy_json_open(canopy_json_scan_t *s, const uint8_t *p)
{
    uint8_t  closing;

    closing = ']';

    if (*p == '{') {
        closing = '}';
        canopy_json_names_open(&s->names);
    }

    s->closing[s->depth++] = closing;

    p = canopy_json_space(p + 1, s->last);

    if (p < s->last && *p == closing) {
        return canopy_json_close(s, p);
    }

    return p;
}


/* p is behind a value, or at the bracket that closes an empty one */
static const uint8_t *
canopy_json_close(canopy_json_scan_t *s, const uint8_t *p)
{
    for ( ;; ) {
        p = canopy_json_space(p, s->last);
        if (p == s->last) {
            return NULL;
        }

        if (*p == ',') {
            return p + 1;
        }

        if (*p != s->closing[--s->depth]) {
            return NULL;
        }

        if (s->depth == 0) {
            return p + 1;
        }

        if (*p++ == '}') {
            canopy_json_names_close(&s->names);
            canopy_json_found(s, CANOPY_JSON_OBJECT, p);

        } else {
            canopy_json_found(s, CANOPY_JSON_ARRAY, p);
        }
    }
}


/* a value, which ends before last; is it one the caller asked for? */
static void
canopy_json_found(canopy_json_scan_t *s, canopy_json_e type,
    const uint8_t *last)
{
    canopy_json_member_t  *member;

    member = s->member;

    if (member == NULL || s->depth != 1) {
        return;
    }

    member->found = 1;
    member->type = type;
    member->value.len = (size_t) (last - member->value.data);

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

    if (canopy_json_names_add(&s->names, name) != 0) {
        return NULL;
    }

    p = canopy_json_space(p + 1, s->last);
    if (p == s->last) {
        return NULL;
    }

    if (s->depth == 1) {
        s->member = canopy_json_asked(s, name);

        if (s->member) {
            s->member->value.data = p;
        }
    }

    return p;
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
        content.last = s->last;
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


static const uint8_t *
canopy_json_scalar(const uint8_t *p, const uint8_t *last, canopy_json_e *type)
{
    switch (*p) {

    case '"':
        *type = CANOPY_JSON_STRING;
        return canopy_json_string(p + 1, last);

    case 't':
        *type = CANOPY_JSON_TRUE;
        return canopy_json_word(p, last, "true");

    case 'f':
        *type = CANOPY_JSON_FALSE;
        return canopy_json_word(p, last, "false");

    case 'n':
        *type = CANOPY_JSON_NULL;
        return canopy_json_word(p, last, "null");

    default:
        *type = CANOPY_JSON_NUMBER;
        return canopy_json_numeral(p, last);
    }
}


static const uint8_t *
canopy_json_word(const uint8_t *p, const uint8_t *last, const char *word)
{
    size_t  len;

    len = strlen(word);

    if ((size_t) (last - p) < len || memcmp(p, word, len) != 0) {
        return NULL;
    }

    return p + len;
}
