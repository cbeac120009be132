/*
 * A path matches exactly if it is its prefix, "/tasks/", an id, which is not
 * empty and has no slash, and "/cancel"; the id is a slice of the path, and is
 * not touched without a match.  canopy_route_last() is canopy_route() with
 * what stands before the last "/tasks/" for a prefix.
 *
 * Input: the prefix, a line feed, the path.
 */

#include "canopy_route.h"
#include "fuzz.h"


#define TASKS   "/tasks/"
#define CANCEL  "/cancel"


static int matches(canopy_slice_t path, canopy_slice_t prefix,
    canopy_slice_t id);
static canopy_slice_t prefix_of(canopy_slice_t path);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int             rc, last;
    size_t          n;
    canopy_slice_t  path, prefix, id, id_last;
    const uint8_t  *lf;

    lf = size ? memchr(data, '\n', size) : NULL;
    n = lf ? (size_t) (lf - data) : 0;

    prefix = fuzz_copy(data, n);
    path = fuzz_copy(data + (lf ? n + 1 : 0), size - (lf ? n + 1 : 0));

    id.data = NULL;
    id.len = 0;
    id_last = id;

    rc = canopy_route(path, prefix, &id);
    check(rc == (matches(path, prefix, id) ? 0 : -1));

    last = canopy_route_last(path, &id_last);
    check(last == (matches(path, prefix_of(path), id_last) ? 0 : -1));

    if (rc == 0 && last == 0 && prefix.len == prefix_of(path).len) {
        check(id.data == id_last.data && id.len == id_last.len);
    }

    fuzz_free(prefix);
    fuzz_free(path);

    return 0;
}


/* says what the path is, and checks the id that was found */
static int
matches(canopy_slice_t path, canopy_slice_t prefix, canopy_slice_t id)
{
    int      match;
    char    *text;
    size_t   n, len;

    n = path.len - prefix.len - strlen(TASKS) - strlen(CANCEL);
    match = 0;

    if (path.len > prefix.len + strlen(TASKS) + strlen(CANCEL)) {
        text = malloc(path.len);
        check(text != NULL);

        len = prefix.len;
        memcpy(text, prefix.data, len);
        memcpy(text + len, TASKS, strlen(TASKS));
        len += strlen(TASKS);
        memcpy(text + len, path.data + len, n);
        match = memchr(text + len, '/', n) == NULL;
        memcpy(text + len + n, CANCEL, strlen(CANCEL));

        match = match && memcmp(text, path.data, path.len) == 0;
        free(text);
    }

    if (match) {
        check(id.len == n);
        check(id.data == path.data + prefix.len + strlen(TASKS));

    } else {
        check(id.data == NULL && id.len == 0);
    }

    return match;
}


/* without a "/tasks/" it is the path, which then can't match */
static canopy_slice_t
prefix_of(canopy_slice_t path)
{
    size_t  i;

    for (i = 0; i + strlen(TASKS) <= path.len; i++) {
        if (memcmp(path.data + path.len - strlen(TASKS) - i, TASKS,
                   strlen(TASKS))
            == 0)
        {
            path.len -= strlen(TASKS) + i;
            break;
        }
    }

    return path;
}
