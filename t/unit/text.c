/*
 * canopy_text: numbers to the last digit, JSON's strings of any bytes, and
 * nothing behind the buffer.
 */

#include <jansson.h>

#include "canopy_text.h"
#include "tap.h"


#define R  "\xef\xbf\xbd"               /* U+FFFD */


static void seconds(void);
static void numbers(void);
static void strings(void);
static void cut(void);
static canopy_text_t room(size_t size);


int
main(void)
{
    seconds();
    numbers();
    strings();
    cut();

    return tap_done();
}


static void
seconds(void)
{
    size_t          i;
    canopy_text_t   t;

    static const struct {
        int64_t      ms;
        const char  *text;
    } tests[] = {
        { 0, "0" },
        { 1, "0.001" },
        { 10, "0.01" },
        { 100, "0.1" },
        { 110, "0.11" },
        { 101, "0.101" },
        { 999, "0.999" },
        { 1000, "1" },
        { 1001, "1.001" },
        { 10000, "10" },
        { 12340, "12.34" },
        { -1, "-0.001" },
        { -1000, "-1" },
        { -1500, "-1.5" },
        { INT64_MAX, "9223372036854775.807" },
        { INT64_MIN, "-9223372036854775.808" }
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        t = room(strlen(tests[i].text));
        canopy_text_seconds(&t, tests[i].ms);

        ok(t.len == t.size && memcmp(t.buf, tests[i].text, t.size) == 0,
           "%lld ms: %s", (long long) tests[i].ms, tests[i].text);
    }
}


static void
numbers(void)
{
    size_t          i;
    canopy_text_t   t;

    static const struct {
        uint64_t     n;
        const char  *text;
    } tests[] = {
        { 0, "0" },
        { 9, "9" },
        { 10, "10" },
        { UINT64_C(9007199254740993), "9007199254740993" },
        { UINT64_MAX, "18446744073709551615" }
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        t = room(strlen(tests[i].text));
        canopy_text_number(&t, tests[i].n);

        ok(t.len == t.size && memcmp(t.buf, tests[i].text, t.size) == 0,
           "%s", tests[i].text);
    }
}


static void
strings(void)
{
    size_t          i;
    json_t         *value;
    canopy_text_t   t;
    canopy_slice_t  bytes;

    static const struct {
        const char  *bytes;
        size_t       len;
        const char  *text;
        const char  *name;
    } tests[] = {
#define E(bytes, text, name)  { bytes, sizeof(bytes) - 1, text, name }
        E("", "", "nothing"),
        E("plain", "plain", "a plain text"),
        E("\"\\/", "\\u0022\\u005c/", "a quote and a backslash"),
        E("\r\n\t\x01\x1f", "\\u000d\\u000a\\u0009\\u0001\\u001f",
          "control characters"),
        E("\0", "\\u0000", "a NUL"),
        E("\x7f", "\x7f", "DEL"),
        E("</script>", "\\u003c/script>", "a tag"),
        E("\xc3\xa9\xe2\x82\xac\xf0\x9f\x9b\xb0",
          "\xc3\xa9\xe2\x82\xac\xf0\x9f\x9b\xb0", "UTF-8"),
        E("\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80"
          "\xf4\x8f\xbf\xbf",
          "\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80"
          "\xf4\x8f\xbf\xbf", "its first and last ones"),
        E("\x80", R, "a byte of a character's middle"),
        E("\xff\xfe", R R, "bytes that are never in it"),
        E("\xc3", R, "half a character at the end"),
        E("\xf0\x9f\x9b", R R R, "most of one at the end"),
        E("\xe2\x82x", R R "x", "most of one, and more"),
        E("\xc3\"", R "\\u0022", "half of one before a quote"),
        E("\xe2\xe2\x82\xac", R "\xe2\x82\xac", "and before a whole one"),
        E("\xc0\x80", R R, "an overlong NUL"),
        E("\xe0\x9f\xbf", R R R, "an overlong one of three bytes"),
        E("\xed\xa0\x80", R R R, "a surrogate"),
        E("\xf4\x90\x80\x80", R R R R, "beyond U+10FFFF"),
#undef E
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        bytes.len = tests[i].len;
        bytes.data = tap_guard(tests[i].bytes, bytes.len);

        t = room(strlen(tests[i].text) + 2);
        canopy_text_json(&t, bytes);

        ok(t.len == t.size && t.buf[0] == '"' && t.buf[t.len - 1] == '"'
           && memcmp(t.buf + 1, tests[i].text, t.len - 2) == 0, "%s",
           tests[i].name);

        value = json_loadb((char *) t.buf, t.size,
                           JSON_DECODE_ANY|JSON_ALLOW_NUL, NULL);
        ok(json_is_string(value), "... for jansson, too");
        json_decref(value);
    }
}


static void
cut(void)
{
    size_t          size;
    canopy_text_t   t;

    static const canopy_slice_t  nothing = { 0, NULL };

    for (size = 0; size <= 12; size++) {
        t = room(size);

        canopy_text(&t, "abc");
        canopy_text_slice(&t, nothing);
        canopy_text_number(&t, 1234);
        canopy_text(&t, "");
        canopy_text_seconds(&t, -15);

        ok(t.len == 13 && memcmp(t.buf, "abc1234-0.015", size) == 0,
           "%zu bytes of 13", size);
    }

    t.buf = NULL;
    t.size = 0;
    t.len = 0;

    canopy_text(&t, "abc");
    ok(t.len == 3, "no buffer");
}


/* up to a page that can't be touched */
static canopy_text_t
room(size_t size)
{
    char           fill[64];
    canopy_text_t  t;

    memset(fill, 'x', sizeof(fill));

    t.buf = tap_guard(fill, size);
    t.size = size;
    t.len = 0;

    return t;
}
