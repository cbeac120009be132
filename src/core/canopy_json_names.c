#include <string.h>

#include "canopy_json_names.h"
#include "canopy_json_string.h"


static int canopy_json_names_hash(const canopy_json_names_t *s,
    const uint8_t *p, uint32_t *result);
static int canopy_json_names_found(const canopy_json_names_t *s,
    const uint8_t *p, uint32_t hash);
static int canopy_json_names_same(const canopy_json_names_t *s,
    const uint8_t *a, const uint8_t *b);


void
canopy_json_names_init(canopy_json_names_t *s, canopy_slice_t text)
{
    s->text = text;
    s->first = 0;
    s->n = 0;

    /* a stack's address is no secret, but nobody can choose names by it */
    s->basis = 2166136261u ^ (uint32_t) ((uintptr_t) s >> 4);

    memset(s->seen, 0, sizeof(s->seen));
}


void
canopy_json_names_open(canopy_json_names_t *s)
{
    s->first = s->n;
}


int
canopy_json_names_add(canopy_json_names_t *s, const uint8_t *p)
{
    uint8_t             *seen, bit;
    uint32_t             hash, high;
    canopy_json_name_t  *name;

    if (canopy_json_names_hash(s, p, &hash) != 0) {
        return -1;
    }

    high = hash >> CANOPY_JSON_SEEN_SHIFT;
    seen = &s->seen[high / 8];
    bit = (uint8_t) (1 << high % 8);

    if ((*seen & bit) && canopy_json_names_found(s, p, hash)) {
        return -1;
    }

    *seen |= bit;

    name = &s->names[s->n++];

    name->hash = hash;
    name->offset = (uint16_t) (p - s->text.data);
    name->first = (uint16_t) s->first;

    return 0;
}


void
canopy_json_names_close(canopy_json_names_t *s)
{
    s->n = s->first;

    /* the last one left is of the object around: this one is its value */
    s->first = s->names[s->n - 1].first;
}


/* FNV-1a and a last mixing; -1 if U+0000 is in the name */
static int
canopy_json_names_hash(const canopy_json_names_t *s, const uint8_t *p,
    uint32_t *result)
{
    int                    ch;
    uint32_t               hash;
    canopy_json_content_t  content;

    hash = s->basis;

    for ( /* void */ ; *p != '"' && *p != '\\'; p++) {
        hash = (hash ^ *p) * 16777619u;
    }

    content.p = p;
    content.last = s->text.data + s->text.len;
    content.rest = 0;

    while ((ch = canopy_json_next(&content)) > 0) {
        hash = (hash ^ (uint32_t) ch) * 16777619u;
    }

    hash ^= hash >> 16;
    hash *= 2654435769u;

    *result = hash;

    return (ch == 0) ? -1 : 0;
}


static int
canopy_json_names_found(const canopy_json_names_t *s, const uint8_t *p,
    uint32_t hash)
{
    size_t  i;

    for (i = s->first; i < s->n; i++) {
        if (s->names[i].hash == hash
            && canopy_json_names_same(s, s->text.data + s->names[i].offset, p))
        {
            return 1;
        }
    }

    return 0;
}


static int
canopy_json_names_same(const canopy_json_names_t *s, const uint8_t *a,
    const uint8_t *b)
{
    int                    ch;
    canopy_json_content_t  ca, cb;

    ca.p = a;
    ca.last = s->text.data + s->text.len;
    ca.rest = 0;

    cb = ca;
    cb.p = b;

    do {
        ch = canopy_json_next(&ca);

        if (ch != canopy_json_next(&cb)) {
            return 0;
        }
    } while (ch != -1);

    return 1;
}
