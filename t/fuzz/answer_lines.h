/*
 * Lines and words of a head, for the answer parser's oracle.
 */

#ifndef ANSWER_LINES_H
#define ANSWER_LINES_H


#include <strings.h>

#include "fuzz.h"


typedef enum {
    line_good = 0,              /* with its end */
    line_partial,               /* good so far, the end has not come */
    line_bad
} oracle_line_e;


/*
 * Takes a line off *in: its bytes without its end, or all there are if it is
 * partial.
 */
static oracle_line_e
oracle_line(canopy_slice_t *in, canopy_slice_t *line)
{
    size_t  i;

    *line = *in;

    for (i = 0; i < in->len; i++) {
        if (in->data[i] == '\0') {
            return line_bad;
        }

        if (in->data[i] == '\n') {
            line->len = i;
            in->data += i + 1;
            in->len -= i + 1;
            return line_good;
        }

        if (in->data[i] == '\r') {
            if (i + 1 < in->len && in->data[i + 1] != '\n') {
                return line_bad;
            }

            line->len = i;

            if (i + 1 == in->len) {
                in->len = 0;
                return line_partial;
            }

            in->data += i + 2;
            in->len -= i + 2;
            return line_good;
        }
    }

    in->len = 0;
    return line_partial;
}


static int
oracle_is(canopy_slice_t text, const char *word)
{
    return text.len == strlen(word)
           && strncasecmp((const char *) text.data, word, text.len) == 0;
}


static int
oracle_only(canopy_slice_t text, const char *alphabet)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] == '\0' || strchr(alphabet, text.data[i]) == NULL) {
            return 0;
        }
    }

    return 1;
}


static canopy_slice_t
oracle_trim(canopy_slice_t text)
{
    while (text.len && strchr(" \t", text.data[0])) {
        text.data++;
        text.len--;
    }

    while (text.len && strchr(" \t", text.data[text.len - 1])) {
        text.len--;
    }

    return text;
}


#endif /* ANSWER_LINES_H */
