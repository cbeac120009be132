/*
 * Who gets the page: the same as a slow reading by regular expressions says.
 */

#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "canopy_accept.h"
#include "fuzz.h"


static int weight(char *params);
static char *trim(char *text);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int             html, json, w, *which;
    char           *text, *rest, *range, *type;
    canopy_slice_t  accept;

    if (memchr(data, 0, size)) {
        return 0;
    }

    accept.data = data;
    accept.len = size;

    text = malloc(size + 1);
    check(text != NULL);
    memcpy(text, data, size);
    text[size] = 0;

    html = 0;
    json = 0;
    rest = text;

    while ((range = strsep(&rest, ",")) != NULL) {
        type = trim(strsep(&range, ";"));
        w = range ? weight(range) : 1000;

        which = strcasecmp(type, "text/html") == 0 ? &html
                : strcasecmp(type, "application/json") == 0 ? &json : NULL;

        if (which && w > *which) {
            *which = w;
        }
    }

    free(text);

    check(canopy_accept_html(accept) == (html > 0 && html >= json));

    return 0;
}


static int
weight(char *params)
{
    char   *param, digits[4];
    size_t  n;

    static int      ready;
    static regex_t  some, good;

    if (!ready) {
        check(regcomp(&some, "^[qQ]=.", REG_EXTENDED) == 0);
        check(regcomp(&good, "^.=0(\\.[0-9]{0,3})?$", REG_EXTENDED) == 0);
        ready = 1;
    }

    while ((param = strsep(&params, ";")) != NULL) {
        param = trim(param);

        if (regexec(&some, param, 0, NULL, 0) != 0) {
            continue;
        }

        if (regexec(&good, param, 0, NULL, 0) != 0) {
            return 1000;
        }

        memcpy(digits, "000", 4);

        n = strlen(param);
        memcpy(digits, param + 4, n > 4 ? n - 4 : 0);

        return atoi(digits);
    }

    return 1000;
}


static char *
trim(char *text)
{
    size_t  n;

    static const char  space[] = " \t\n\v\f\r";

    text += strspn(text, space);

    for (n = strlen(text); n && strchr(space, text[n - 1]); n--) { /* void */ }

    text[n] = 0;

    return text;
}
