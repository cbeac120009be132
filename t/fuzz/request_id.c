/*
 * An X-Request-ID is handed on exactly if a regular expression matches it.
 *
 * Input: the value.
 */

#include "canopy_request_id.h"
#include "fuzz.h"
#include "regex.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    canopy_slice_t  value;

    static regex_t  regex;

    value = fuzz_copy(data, size);

    check(canopy_request_id(value)
          == fuzz_regex(&regex, "^([A-Za-z0-9._:-]{1,128})$", 0, value, NULL,
                        0));

    fuzz_free(value);

    return 0;
}
