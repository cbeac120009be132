#include <string.h>

#include <openssl/crypto.h>

#include "canopy_json.h"
#include "canopy_json_value.h"
#include "canopy_policy_rule.h"
#include "canopy_token.h"


static int find(canopy_slice_t object, canopy_slice_t path,
    canopy_json_value_t *found);
static int find_longest(canopy_slice_t object, canopy_slice_t path,
    size_t limit, canopy_json_value_t *found, size_t *len);
static int begins(canopy_slice_t path, canopy_slice_t name, size_t *len);
static int holds(const canopy_json_value_t *claim, const canopy_rule_t *rule);
static int equals(const canopy_json_value_t *claim,
    const canopy_rule_t *rule);
static int is_value(const canopy_json_value_t *claim, canopy_slice_t value);
static int is_number(canopy_slice_t number, canopy_slice_t value);
static int has_word(canopy_slice_t string, const canopy_rule_t *rule);
static int is_same(canopy_slice_t a, canopy_slice_t b);


int
canopy_policy_rule(canopy_slice_t claims, const canopy_rule_t *rule)
{
    canopy_json_value_t  claim;

    return find(claims, rule->claim, &claim) && holds(&claim, rule);
}


/*
 * The member of the path's own name, else the longest name that is the path
 * up to a dot and has the rest of it inside.  Each object is looked at for one
 * place of the path only, that of its own names, and not deeper than there are
 * dots.
 */
static int
find(canopy_slice_t object, canopy_slice_t path, canopy_json_value_t *found)
{
    size_t               len, limit;
    canopy_slice_t       rest;
    canopy_json_value_t  member;

    for (limit = path.len + 1;
         find_longest(object, path, limit, &member, &len);
         limit = len)
    {
        if (len == path.len) {
            *found = member;
            return 1;
        }

        if (member.type != CANOPY_JSON_OBJECT) {
            continue;
        }

        rest.data = path.data + len + 1;
        rest.len = path.len - len - 1;

        if (find(member.value, rest, found)) {
            return 1;
        }
    }

    return 0;
}


/* of less than limit bytes */
static int
find_longest(canopy_slice_t object, canopy_slice_t path, size_t limit,
    canopy_json_value_t *found, size_t *len)
{
    int                   any;
    size_t                n;
    canopy_json_value_t   member;
    canopy_json_cursor_t  cursor;

    any = 0;
    *len = 0;

    canopy_json_enter(&cursor, object);

    while (canopy_json_each(&cursor, &member)) {
        if (begins(path, member.name, &n)
            && n < limit
            && (!any || n > *len))
        {
            *found = member;
            *len = n;
            any = 1;
        }
    }

    return any;
}


/* is name the path, or the path up to one of its dots? */
static int
begins(canopy_slice_t path, canopy_slice_t name, size_t *len)
{
    canopy_slice_t  what;

    for (what = path; /* void */ ; what.len--) {

        if ((what.len == path.len || path.data[what.len] == '.')
            && what.len <= name.len
            && canopy_json_says(name, what))
        {
            *len = what.len;
            return 1;
        }

        if (what.len == 0) {
            return 0;
        }
    }
}


static int
holds(const canopy_json_value_t *claim, const canopy_rule_t *rule)
{
    canopy_json_value_t   element;
    canopy_json_cursor_t  cursor;

    switch (claim->type) {

    case CANOPY_JSON_ARRAY:
        canopy_json_enter(&cursor, claim->value);

        while (canopy_json_each(&cursor, &element)) {
            if (equals(&element, rule)) {
                return 1;
            }
        }

        return 0;

    case CANOPY_JSON_STRING:
        return equals(claim, rule) || has_word(claim->value, rule);

    default:
        return equals(claim, rule);
    }
}


static int
equals(const canopy_json_value_t *claim, const canopy_rule_t *rule)
{
    size_t  i;

    for (i = 0; i < rule->nvalues; i++) {
        if (is_value(claim, rule->values[i])) {
            return 1;
        }
    }

    return 0;
}


static int
is_value(const canopy_json_value_t *claim, canopy_slice_t value)
{
    switch (claim->type) {

    case CANOPY_JSON_STRING:
        return canopy_json_says(claim->value, value);

    case CANOPY_JSON_NUMBER:
        return is_number(claim->value, value);

    case CANOPY_JSON_TRUE:
    case CANOPY_JSON_FALSE:
        return is_same(claim->value, value);

    default:
        return 0;
    }
}


static int
is_number(canopy_slice_t number, canopy_slice_t value)
{
    size_t  i;
    double  a, b;

    for (i = 0; i < number.len; i++) {
        if (number.data[i] == '.' || (number.data[i] | 0x20) == 'e') {

            return canopy_json_number(number, &a) == 0
                   && canopy_json_number(value, &b) == 0
                   && a == b;
        }
    }

    return is_same(number, value);
}


static int
has_word(canopy_slice_t string, const canopy_rule_t *rule)
{
    int             found;
    size_t          n, i;
    uint8_t         buf[CANOPY_TOKEN_MAX];
    canopy_slice_t  text, word;
    const uint8_t  *space;

    n = canopy_json_content(string, buf, sizeof(buf));

    text.data = buf;
    text.len = n;

    found = 0;

    while (text.len && !found) {
        space = memchr(text.data, ' ', text.len);

        word.data = text.data;
        word.len = space ? (size_t) (space - text.data) : text.len;

        for (i = 0; word.len && i < rule->nvalues; i++) {
            if (is_same(word, rule->values[i])) {
                found = 1;
                break;
            }
        }

        text.data += word.len;
        text.len -= word.len;

        if (text.len) {
            text.data++;
            text.len--;
        }
    }

    OPENSSL_cleanse(buf, n);

    return found;
}


static int
is_same(canopy_slice_t a, canopy_slice_t b)
{
    return a.len == b.len
           && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
