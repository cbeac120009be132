/*
 * canopy_request_id: every length, and every byte at every place; each value
 * against a guard page.
 */

#include "canopy_request_id.h"
#include "tap.h"


#define LENGTHS  300

#define ALPHABET  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"      \
                  "0123456789._:-"


int
main(void)
{
    int              bad, good;
    size_t           i, k;
    uint8_t         *end, *p;
    canopy_slice_t   value;

    static const char  nothing[LENGTHS];

    end = tap_guard(nothing, LENGTHS) + LENGTHS;
    memset(end - LENGTHS, 'a', LENGTHS);

    for (bad = 0, i = 0; i <= LENGTHS; i++) {
        value.data = end - i;
        value.len = i;
        bad += (canopy_request_id(value) != (i >= 1 && i <= 128));
    }

    ok(bad == 0, "%d lengths", LENGTHS);

    value.data = end - 128;
    value.len = 128;

    for (bad = 0, good = 0, p = end - 128; p < end; p++) {
        for (k = 0; k < 256; k++) {
            *p = (uint8_t) k;
            good += (k && strchr(ALPHABET, (int) k));
            bad += (canopy_request_id(value)
                    != (k && strchr(ALPHABET, (int) k)));
        }

        *p = 'a';
    }

    ok(good == 128 * 66 && bad == 0, "every byte at every place");

    value.data = NULL;
    value.len = 0;
    ok(!canopy_request_id(value), "nothing at all");

    return tap_done();
}
