/*
 * UUIDs: the canonical form and nothing else, and words that say what is wrong
 * without repeating it.
 */

#include "tap.h"
#include "canopy_uuid.h"


#define GOOD  "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


static canopy_uuid_fault_t
parse(const char *text, size_t len, uint8_t *lower)
{
    canopy_slice_t  slice;

    slice.data = tap_guard(text, len);
    slice.len = len;

    return canopy_uuid(slice, lower);
}


static void
good(const char *text, const char *expected)
{
    uint8_t  lower[CANOPY_UUID_LEN];

    ok(parse(text, strlen(text), lower).code == CANOPY_UUID_OK
       && memcmp(lower, expected, CANOPY_UUID_LEN) == 0, "good: %s", text);
}


static void
bad(const char *text, size_t len, canopy_uuid_fault_e code, size_t at,
    const char *name)
{
    char                 msg[CANOPY_UUID_MESSAGE];
    size_t               n;
    uint8_t              lower[CANOPY_UUID_LEN];
    canopy_uuid_fault_t  fault;

    fault = parse(text, len, lower);

    ok(fault.code == code && fault.at == at, "%s: code %d at %zu", name,
       fault.code, fault.at);

    n = canopy_uuid_message(fault, msg);

    ok(n == strlen(msg) && strncmp(msg, "Input should be a valid UUID", 28) == 0
       && strpbrk(msg, "\"\\") == NULL, "%s: %s", name, msg);
}


int
main(void)
{
    int             ch;
    char            text[CANOPY_UUID_LEN + 1], msg[CANOPY_UUID_MESSAGE];
    size_t          i, wrong;
    uint8_t         lower[CANOPY_UUID_LEN];
    canopy_uuid_fault_t  fault;

    good(GOOD, GOOD);
    good("3F2504E0-4F89-41D3-9A0C-0305E82C3301", GOOD);
    good("3f2504E0-4f89-41D3-9a0C-0305e82C3301", GOOD);
    good("00000000-0000-0000-0000-000000000000",
         "00000000-0000-0000-0000-000000000000");
    good("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
         "ffffffff-ffff-ffff-ffff-ffffffffffff");
    good("018f2b6e-7c1a-7abc-8def-0123456789ab",
         "018f2b6e-7c1a-7abc-8def-0123456789ab");

    bad("", 0, CANOPY_UUID_LENGTH, 0, "empty");
    bad(GOOD, 35, CANOPY_UUID_LENGTH, 35, "one too short");
    bad(GOOD "0", 37, CANOPY_UUID_LENGTH, 37, "one too long");
    bad("3f2504e04f8941d39a0c0305e82c3301", 32, CANOPY_UUID_LENGTH, 32,
        "no hyphens");
    bad("{" GOOD "}", 38, CANOPY_UUID_LENGTH, 38, "braces");
    bad("urn:uuid:" GOOD, 45, CANOPY_UUID_LENGTH, 45, "urn:uuid");
    bad("{3f2504e0-4f89-41d3-9a0c-0305e82c33}", 36, CANOPY_UUID_DIGIT, 1,
        "braces of the right length");
    bad("3f2504e04-f89-41d3-9a0c-0305e82c3301", 36, CANOPY_UUID_HYPHEN, 9,
        "a hyphen too late");
    bad("3f2504e-04f89-41d3-9a0c-0305e82c3301", 36, CANOPY_UUID_DIGIT, 8,
        "a hyphen too early");
    bad("3f2504e0-4f89-41d3-9a0c-0305e82c330g", 36, CANOPY_UUID_DIGIT, 36,
        "the last digit");
    bad("3f2504e0\0004f89-41d3-9a0c-0305e82c3301", 36, CANOPY_UUID_HYPHEN, 9,
        "a NUL");
    bad("\xef\xbc\x93" "f2504e0-4f89-41d3-9a0c-0305e82c33", 36,
        CANOPY_UUID_DIGIT, 1, "a full-width digit");

    /* every byte at every place */

    wrong = 0;

    for (i = 0; i < CANOPY_UUID_LEN; i++) {
        for (ch = 0; ch < 256; ch++) {
            int  hyphen = (GOOD[i] == '-');
            int  fits = hyphen
                            ? ch == '-'
                            : ch != 0
                              && strchr("0123456789abcdefABCDEF", ch) != NULL;

            memcpy(text, GOOD, sizeof(text));
            text[i] = (char) ch;

            fault = canopy_uuid((canopy_slice_t) { CANOPY_UUID_LEN,
                                                   (uint8_t *) text }, lower);

            if (fits) {
                wrong += (fault.code != CANOPY_UUID_OK);

            } else {
                wrong += (fault.at != i + 1
                          || fault.code != (hyphen ? CANOPY_UUID_HYPHEN
                                                   : CANOPY_UUID_DIGIT));
            }
        }
    }

    ok(wrong == 0, "every byte at every place, %zu wrong", wrong);

    fault.code = CANOPY_UUID_LENGTH;
    fault.at = SIZE_MAX;

    ok(canopy_uuid_message(fault, msg) < CANOPY_UUID_MESSAGE,
       "the longest message fits");

    return tap_done();
}
