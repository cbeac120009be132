/*
 * A media type is what stands before the first semicolon, without space around
 * it; it is JSON, plain text or HTML exactly if a regular expression says so.
 *
 * Input: the value of a Content-Type field.
 */

#include "canopy_media.h"
#include "fuzz.h"
#include "regex.h"


#define SPACE  "[ \t\n\v\f\r]*"

#define NONSPACE  "[^ \t\n\v\f\r]"

/* around a type */
#define BEFORE  "^" SPACE
#define BEHIND  SPACE "$"

/* a token of RFC 9110, section 5.6.2 */
#define TOKEN  "[!#$%&'*+.^_`|~0-9A-Za-z-]+"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t          i;
    regmatch_t      m[3];
    canopy_slice_t  value, type;

    static regex_t  json, plain, html, any;

    value = fuzz_copy(data, size);

    /* parameters are of no interest */

    for (i = 0; i < size && data[i] != ';'; i++) { /* void */ }

    type.data = value.data;
    type.len = i;

    check(canopy_media_is_json(value)
          == fuzz_regex(&json, BEFORE "application/(json|" TOKEN "\\+json)"
                        BEHIND, REG_ICASE, type, NULL, 0));

    check(canopy_media_is(value, "text/plain")
          == fuzz_regex(&plain, BEFORE "(text/plain)" BEHIND, REG_ICASE, type,
                        NULL, 0));

    check(canopy_media_is(value, "text/html")
          == fuzz_regex(&html, BEFORE "(text/html)" BEHIND, REG_ICASE, type,
                        NULL, 0));

    /* from the first byte that is no space to the last one; a dot is no NUL */

    if (fuzz_regex(&any, NONSPACE "(([^;]|;)*" NONSPACE ")?", 0, type, m, 1)) {
        check(canopy_media_type(value).data == type.data + m[0].rm_so);
        check(canopy_media_type(value).len
              == (size_t) (m[0].rm_eo - m[0].rm_so));

    } else {
        check(canopy_media_type(value).len == 0);
    }

    fuzz_free(value);

    return 0;
}
