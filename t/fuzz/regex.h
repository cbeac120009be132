/*
 * Regular expressions as oracles: POSIX's extended ones, over any bytes.
 */

#ifndef FUZZ_REGEX_H
#define FUZZ_REGEX_H


#include <regex.h>

#include "fuzz.h"


/*
 * Does the text match?  *regex is compiled when it is met first, so it has to
 * be static; flags are REG_ICASE or 0; m has n places, counted in the text.
 */
static inline int
fuzz_regex(regex_t *regex, const char *pattern, int flags,
    canopy_slice_t text, regmatch_t *m, size_t n)
{
    int          rc;
    char        *string;
    regmatch_t   whole[1];

    if (regex->re_nsub == 0) {
        check(regcomp(regex, pattern, REG_EXTENDED|flags) == 0);
        check(regex->re_nsub > 0);
    }

    if (n == 0) {
        m = whole;
        n = 1;
    }

    /* ASan wants a string; REG_STARTEND, that a NUL in it is any byte */

    string = malloc(text.len + 1);
    check(string != NULL);

    memcpy(string, text.data, text.len);
    string[text.len] = '\0';

    m[0].rm_so = 0;
    m[0].rm_eo = (regoff_t) text.len;

    rc = regexec(regex, string, n, m, REG_STARTEND);

    free(string);

    return rc == 0;
}


#endif /* FUZZ_REGEX_H */
