#include "canopy_request_id.h"


int
canopy_request_id(canopy_slice_t value)
{
    size_t   i;
    uint8_t  ch;

    if (value.len < 1 || value.len > CANOPY_REQUEST_ID_MAX) {
        return 0;
    }

    for (i = 0; i < value.len; i++) {
        ch = value.data[i];

        if (!((ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z')
              || (ch >= '0' && ch <= '9')
              || ch == '.' || ch == '_' || ch == ':' || ch == '-'))
        {
            return 0;
        }
    }

    return 1;
}
