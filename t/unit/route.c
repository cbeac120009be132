/*
 * The route: which paths are a cancel, and where the task's id stands.
 */

#include "tap.h"
#include "canopy_route.h"


typedef struct {
    const char  *path;
    const char  *prefix;
    const char  *id;            /* NULL: no match */
} route_case_t;


static const route_case_t  cases[] = {
    { "/sandbox/tasks/x/cancel", "/sandbox", "x" },
    { "/tasks/x/cancel", "", "x" },
    { "/a/b/tasks/0-1/cancel", "/a/b", "0-1" },
    { "/sandbox/tasks/ /cancel", "/sandbox", " " },
    { "/sandbox/tasks/tasks/cancel", "/sandbox", "tasks" },
    { "/sandbox/tasks/cancel/cancel", "/sandbox", "cancel" },

    { "", "", NULL },
    { "/", "", NULL },
    { "/sandbox", "/sandbox", NULL },
    { "/sandbox/", "/sandbox", NULL },
    { "/sandbo", "/sandbox", NULL },
    { "/sandbox/tasks", "/sandbox", NULL },
    { "/sandbox/tasks/", "/sandbox", NULL },
    { "/sandbox/tasks/x", "/sandbox", NULL },
    { "/sandbox/tasks/cancel", "/sandbox", NULL },
    { "/sandbox/tasks//cancel", "/sandbox", NULL },
    { "/sandbox/tasks/x/y/cancel", "/sandbox", NULL },
    { "/sandbox/tasks/x/cancel/", "/sandbox", NULL },
    { "/sandbox/tasks/x/cancel/y", "/sandbox", NULL },
    { "/sandbox/tasks/x/cancel\n", "/sandbox", NULL },
    { "/sandbox/tasks/x/cancel ", "/sandbox", NULL },
    { "/sandbox/tasks/x/Cancel", "/sandbox", NULL },
    { "/sandbox/Tasks/x/cancel", "/sandbox", NULL },
    { "/sandboxtasks/x/cancel", "/sandbox", NULL },
    { "/sandbox//tasks/x/cancel", "/sandbox", NULL },
    { "/live/tasks/x/cancel", "/sandbox", NULL },
    { "/sandbox/x/tasks/x/cancel", "/sandbox", NULL },
};


static const route_case_t  last[] = {
    { "/tasks/x/cancel", NULL, "x" },
    { "/any/where/tasks/x/cancel", NULL, "x" },
    { "/tasks/a/cancel/tasks/b/cancel", NULL, "b" },
    { "/tasks/tasks/b/cancel", NULL, "b" },

    { "/tasks", NULL, NULL },
    { "/tasks/", NULL, NULL },
    { "/tasks/x/cancel/tasks/", NULL, NULL },
    { "/tasks/tasks/cancel", NULL, NULL },
    { "/tasks/x/y/cancel", NULL, NULL },
    { "", NULL, NULL },
    { "tasks/x/cancel", NULL, NULL },
};


static void
check(const route_case_t *c, int known)
{
    int             rc;
    canopy_slice_t  path, prefix, id;

    path.len = strlen(c->path);
    path.data = tap_guard(c->path, path.len);

    id.data = NULL;
    id.len = 0;

    if (known) {
        prefix.len = strlen(c->prefix);
        prefix.data = tap_guard(c->prefix, prefix.len);
        rc = canopy_route(path, prefix, &id);

    } else {
        rc = canopy_route_last(path, &id);
    }

    if (c->id == NULL) {
        ok(rc == -1 && id.data == NULL, "no route: %zu bytes, #%zu", path.len,
           (size_t) (known ? c - cases : c - last));
        return;
    }

    ok(rc == 0 && id.len == strlen(c->id)
       && memcmp(id.data, c->id, id.len) == 0
       && id.data > path.data && id.data < path.data + path.len,
       "route: %s", c->path);
}


int
main(void)
{
    size_t          i;
    canopy_slice_t  path, id;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check(&cases[i], 1);
    }

    for (i = 0; i < sizeof(last) / sizeof(last[0]); i++) {
        check(&last[i], 0);
    }

    /* a NUL is a byte like any other */

    path.len = sizeof("/tasks/a\0b/cancel") - 1;
    path.data = tap_guard("/tasks/a\0b/cancel", path.len);

    ok(canopy_route_last(path, &id) == 0 && id.len == 3, "an id with a NUL");

    return tap_done();
}
