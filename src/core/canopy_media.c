#include <string.h>

#include "canopy_media.h"


static int canopy_media_token(canopy_slice_t text);
static int canopy_media_same(const uint8_t *data, size_t len,
    const char *lower);


canopy_slice_t
canopy_media_type(canopy_slice_t value)
{
    const uint8_t  *p;

    p = value.len ? memchr(value.data, ';', value.len) : NULL;

    if (p) {
        value.len = p - value.data;
    }

    return canopy_slice_trim(value);
}


int
canopy_media_is(canopy_slice_t value, const char *type)
{
    value = canopy_media_type(value);

    return canopy_media_same(value.data, value.len, type);
}


int
canopy_media_is_json(canopy_slice_t value)
{
    canopy_slice_t  type;

    static const char    prefix[] = "application/";
    static const char    suffix[] = "+json";
    static const size_t  around = sizeof(prefix) - 1 + sizeof(suffix) - 1;

    type = canopy_media_type(value);

    if (canopy_media_same(type.data, type.len, "application/json")) {
        return 1;
    }

    if (type.len <= around
        || !canopy_media_same(type.data, sizeof(prefix) - 1, prefix)
        || !canopy_media_same(type.data + type.len - (sizeof(suffix) - 1),
                              sizeof(suffix) - 1, suffix))
    {
        return 0;
    }

    type.data += sizeof(prefix) - 1;
    type.len -= around;

    return canopy_media_token(type);
}


/* RFC 9110, section 5.6.2 */
static int
canopy_media_token(canopy_slice_t text)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f
            || strchr("\"(),/:;<=>?@[\\]{}", text.data[i]))
        {
            return 0;
        }
    }

    return text.len != 0;
}


static int
canopy_media_same(const uint8_t *data, size_t len, const char *lower)
{
    size_t   i;
    uint8_t  c;

    if (len != strlen(lower)) {
        return 0;
    }

    for (i = 0; i < len; i++) {
        c = data[i];

        if (c >= 'A' && c <= 'Z') {
            c |= 0x20;
        }

        if (c != (uint8_t) lower[i]) {
            return 0;
        }
    }

    return 1;
}
