/*
 * canopy_accept: is it a browser that asks, each value against a guard page.
 */

#include "canopy_accept.h"
#include "tap.h"


static const struct {
    const char  *accept;
    int          html;
} cases[] = {
    { "", 0 },
    { "*/*", 0 },
    { "text/*", 0 },
    { "application/json", 0 },
    { "text/plain", 0 },
    { "text/html", 1 },
    { " Text/HTML ", 1 },
    { "text/html;charset=utf-8", 1 },
    { "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 1 },
    { "*/*;q=0.8,text/html;q=0.1", 1 },
    { "application/json, text/html;q=0.9", 0 },
    { "application/json, text/html", 1 },
    { "application/json;q=0.9, text/html", 1 },
    { "application/json;q=0.9, text/html ; q=0.900", 1 },
    { "application/json;q=0.9, text/html;q=0.899", 0 },
    { "application/json;q=0.01, text/html;q=0.001", 0 },
    { "text/html;q=0", 0 },
    { "text/html;q=0.", 0 },
    { "text/html;q=0.000", 0 },
    { "text/html;q=0.001", 1 },
    { "text/html;Q=0", 0 },
    { "text/html;level=1;q=0", 0 },
    { "text/html;q=0,text/html;q=0.5", 1 },
    { "text/html;q=1", 1 },
    { "text/html;q=1.000", 1 },
    { "text/html;q=", 1 },
    { "text/html;q", 1 },
    { "text/html;q=x", 1 },
    { "text/html;q=0.0000", 1 },
    { "text/html;q=0x", 1 },
    { "text/html;q=0.x", 1 },
    { "text/htm", 0 },
    { "text/html5", 0 },
    { "xtext/html", 0 },
    { "application/json+x, text/html;q=0.1", 1 },
    { ",,;;,text/html", 1 },
    { ";text/html", 0 },
    { "text/html ", 1 },
};


int
main(void)
{
    size_t          i;
    canopy_slice_t  accept;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        accept.len = strlen(cases[i].accept);
        accept.data = tap_guard(cases[i].accept, accept.len);

        ok(canopy_accept_html(accept) == cases[i].html, "%s: %s",
           cases[i].accept, cases[i].html ? "a page" : "JSON");
    }

    return tap_done();
}
