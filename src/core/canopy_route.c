#include <string.h>

#include "canopy_route.h"


#define TASKS   "/tasks/"
#define CANCEL  "/cancel"

#define TASKS_LEN   (sizeof(TASKS) - 1)
#define CANCEL_LEN  (sizeof(CANCEL) - 1)


static int canopy_route_rest(const uint8_t *p, size_t len, canopy_slice_t *id);


int
canopy_route(canopy_slice_t path, canopy_slice_t prefix, canopy_slice_t *id)
{
    if (path.len < prefix.len) {
        return -1;
    }

    if (prefix.len && memcmp(path.data, prefix.data, prefix.len) != 0) {
        return -1;
    }

    return canopy_route_rest(path.data + prefix.len, path.len - prefix.len,
                             id);
}


int
canopy_route_last(canopy_slice_t path, canopy_slice_t *id)
{
    size_t  i;

    if (path.len < TASKS_LEN) {
        return -1;
    }

    for (i = path.len - TASKS_LEN + 1; i > 0; i--) {
        if (memcmp(path.data + i - 1, TASKS, TASKS_LEN) == 0) {
            return canopy_route_rest(path.data + i - 1, path.len - i + 1, id);
        }
    }

    return -1;
}


static int
canopy_route_rest(const uint8_t *p, size_t len, canopy_slice_t *id)
{
    if (len <= TASKS_LEN + CANCEL_LEN
        || memcmp(p, TASKS, TASKS_LEN) != 0
        || memcmp(p + len - CANCEL_LEN, CANCEL, CANCEL_LEN) != 0)
    {
        return -1;
    }

    p += TASKS_LEN;
    len -= TASKS_LEN + CANCEL_LEN;

    if (memchr(p, '/', len) != NULL) {
        return -1;
    }

    id->data = p;
    id->len = len;

    return 0;
}
