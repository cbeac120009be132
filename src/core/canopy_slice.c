#include <string.h>

#include "canopy_slice.h"


canopy_slice_t
canopy_slice_trim(canopy_slice_t text)
{
    static const char  space[] = { ' ', '\t', '\n', '\v', '\f', '\r' };

    while (text.len && memchr(space, text.data[0], sizeof(space))) {
        text.data++;
        text.len--;
    }

    while (text.len && memchr(space, text.data[text.len - 1], sizeof(space))) {
        text.len--;
    }

    return text;
}
