/*
 * A path matches exactly if a regular expression says so of what stands behind
 * its prefix; the id is that slice of the path, and is not touched without a
 * match.  canopy_route_last() is canopy_route() with what stands before the
 * last "/tasks/" for a prefix.
 *
 * Input: the prefix, a line feed, the path.
 */

#include "canopy_route.h"
#include "fuzz.h"
#include "regex.h"


static int matches(canopy_slice_t path, size_t prefix, canopy_slice_t id);
static int starts_with(canopy_slice_t path, canopy_slice_t prefix);
static size_t last_prefix(canopy_slice_t path);


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

    if (starts_with(path, prefix)) {
        check(rc == matches(path, prefix.len, id));

    } else {
        check(rc == -1 && id.data == NULL && id.len == 0);
    }

    last = canopy_route_last(path, &id_last);
    check(last == matches(path, last_prefix(path), id_last));

    if (rc == 0 && last == 0 && prefix.len == last_prefix(path)) {
        check(id.data == id_last.data && id.len == id_last.len);
    }

    fuzz_free(prefix);
    fuzz_free(path);

    return 0;
}


/* 0 or -1, as the route itself; checks the id that was found */
static int
matches(canopy_slice_t path, size_t prefix, canopy_slice_t id)
{
    regmatch_t      m[2];
    canopy_slice_t  rest;

    static regex_t  regex;

    rest.data = path.data + prefix;
    rest.len = path.len - prefix;

    if (!fuzz_regex(&regex, "^/tasks/([^/]+)/cancel$", 0, rest, m, 2)) {
        check(id.data == NULL && id.len == 0);
        return -1;
    }

    check(id.data == rest.data + m[1].rm_so);
    check(id.len == (size_t) (m[1].rm_eo - m[1].rm_so));

    return 0;
}


static int
starts_with(canopy_slice_t path, canopy_slice_t prefix)
{
    size_t  i;

    for (i = 0; i < prefix.len; i++) {
        if (i == path.len || path.data[i] != prefix.data[i]) {
            return 0;
        }
    }

    return 1;
}


/* the length of what stands before the last "/tasks/", else the path's own */
static size_t
last_prefix(canopy_slice_t path)
{
    regmatch_t  m[2];

    static regex_t  regex;

    /* the longest; a dot does not match all bytes */

    return fuzz_regex(&regex, "^(([^/]|/)*)/tasks/", 0, path, m, 2)
           ? (size_t) m[1].rm_eo : path.len;
}
