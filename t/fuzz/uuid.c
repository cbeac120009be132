/*
 * A text is a UUID exactly if it fits the pattern, or else the first place
 * where it does not is told; what is read is it in lower case, and is read
 * again as itself.  The message is short plain ASCII that JSON needs no
 * escapes for.
 *
 * Input: the text.
 */

#include <ctype.h>

#include "canopy_uuid.h"
#include "fuzz.h"


static canopy_uuid_fault_t oracle(canopy_slice_t text);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                 message[CANOPY_UUID_MESSAGE];
    size_t               i, len;
    uint8_t              again[CANOPY_UUID_LEN];
    canopy_slice_t       text, lower;
    canopy_uuid_fault_t  fault, want;

    text = fuzz_copy(data, size);
    lower = fuzz_copy(message, CANOPY_UUID_LEN);

    fault = canopy_uuid(text, (uint8_t *) lower.data);
    want = oracle(text);

    check(fault.code == want.code && fault.at == want.at);

    if (fault.code == CANOPY_UUID_OK) {

        for (i = 0; i < CANOPY_UUID_LEN; i++) {
            check(lower.data[i] == tolower(text.data[i]));
        }

        check(canopy_uuid(lower, again).code == CANOPY_UUID_OK);
        check(memcmp(again, lower.data, CANOPY_UUID_LEN) == 0);
    }

    memset(message, 'x', sizeof(message));
    len = canopy_uuid_message(fault, message);

    check(len > 0 && len < CANOPY_UUID_MESSAGE && message[len] == '\0');

    for (i = 0; i < len; i++) {
        check(message[i] >= ' ' && message[i] <= '~');
        check(message[i] != '"' && message[i] != '\\');
    }

    fuzz_free(text);
    fuzz_free(lower);

    return 0;
}


static canopy_uuid_fault_t
oracle(canopy_slice_t text)
{
    size_t               i;
    canopy_uuid_fault_t  fault;

    static const char  pattern[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    fault.at = text.len;
    fault.code = CANOPY_UUID_LENGTH;

    if (text.len != strlen(pattern)) {
        return fault;
    }

    for (i = 0; pattern[i]; i++) {
        fault.at = i + 1;

        if (pattern[i] == '-' && text.data[i] != '-') {
            fault.code = CANOPY_UUID_HYPHEN;
            return fault;
        }

        if (pattern[i] == 'x' && !isxdigit(text.data[i])) {
            fault.code = CANOPY_UUID_DIGIT;
            return fault;
        }
    }

    fault.at = 0;
    fault.code = CANOPY_UUID_OK;

    return fault;
}
