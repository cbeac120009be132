/*
 * canopy_redact: what is left of texts with secrets in them, cut or not; each
 * text and each secret stands against a guard page.
 */

#include "canopy_redact.h"
#include "tap.h"


#define R        "[redacted]"
#define SECRETS  3
#define A32      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"


static void tables(void);
static void random_texts(void);
static void utf8(void);
static canopy_slice_t slice_of(const char *text);


int
main(void)
{
    tables();
    random_texts();
    utf8();

    return tap_done();
}


static void
tables(void)
{
    int                rc;
    size_t             i, k;
    canopy_slice_t     text, secrets[SECRETS];
    canopy_redacted_t  out;

    static const struct {
        const char  *name;
        const char  *text;
        const char  *secrets[SECRETS];
        size_t       max;
        const char  *expected;
        int          found;
    } tests[] = {
        { "no text", "", { "a" }, SIZE_MAX, "", 0 },
        { "no secrets", "abc", { NULL }, SIZE_MAX, "abc", 0 },
        { "an empty secret", "abc", { "", "x", "" }, SIZE_MAX, "abc", 0 },
        { "a longer secret", "abc", { "abcd" }, SIZE_MAX, "abc", 0 },
        { "part of a secret", "xabx", { "abc" }, SIZE_MAX, "xabx", 0 },
        { "all of it", "abc", { "abc" }, SIZE_MAX, R, 1 },
        { "its start", "abc.", { "abc" }, SIZE_MAX, R ".", 1 },
        { "its end", ".abc", { "abc" }, SIZE_MAX, "." R, 1 },
        { "twice", "abc abc", { "abc" }, SIZE_MAX, R " " R, 1 },
        { "side by side", "abcabc", { "abc" }, SIZE_MAX, R R, 1 },
        { "one byte", "xax", { "a" }, SIZE_MAX, R, 1 },
        { "two of them", "-1-2-", { "1", "2" }, SIZE_MAX,
          "-" R "-" R "-", 1 },
        { "overlapping", ".12345.", { "123", "345" }, SIZE_MAX,
          "." R ".", 1 },
        { "overlapping, the other way round", ".12345.", { "345", "123" },
          SIZE_MAX, "." R ".", 1 },
        { "overlapping itself", "1111.", { "111" }, SIZE_MAX, R ".", 1 },
        { "overlapping itself, twice", ".12121212.12", { "1212" }, SIZE_MAX,
          "." R ".12", 1 },
        { "side by side and overlapping", ".1213121.", { "121", "31" },
          SIZE_MAX, "." R R ".", 1 },
        { "beginning twice", "..112.", { "12" }, SIZE_MAX, "..1" R ".", 1 },
        { "one in the other", ".12345.", { "3", "12345" }, SIZE_MAX,
          "." R ".", 1 },
        { "one in the other, the other way round", ".12345.",
          { "12345", "3" }, SIZE_MAX, "." R ".", 1 },
        { "three in a row", ".1234567.", { "345", "123", "567" }, SIZE_MAX,
          "." R ".", 1 },
        { "a long one", "." A32 "1" A32 "2.", { A32 "1" A32 "2" }, SIZE_MAX,
          "." R ".", 1 },
        { "a long one's beginning", "." A32 "1" A32 "3.",
          { A32 "1" A32 "2" }, SIZE_MAX, "." A32 "1" A32 "3.", 0 },
        { "a long one behind its beginning", A32 "1." A32 "12." A32 "2",
          { A32 "12" }, SIZE_MAX, A32 "1." R "." A32 "2", 1 },
        { "a long one in its beginning", "aa" A32 "12", { A32 "12" },
          SIZE_MAX, "aa" R, 1 },
        { "the mark itself", "a" R "b", { R }, SIZE_MAX, R, 1 },
        { "what is left is one", "x1", { "1", "x[" }, SIZE_MAX, R, 1 },
        { "half a character", "\xc3\xa9", { "\xc3" }, SIZE_MAX, R, 1 },
        { "a character", "-\xc3\xa9-", { "\xc3\xa9" }, SIZE_MAX,
          "-" R "-", 1 },
        { "cut", "abcdef", { NULL }, 3, "abc", 0 },
        { "cut at its length", "abc", { NULL }, 3, "abc", 0 },
        { "cut to nothing", "abc", { NULL }, 0, "", 0 },
        { "cut before a character", "a\xc3\xa9", { NULL }, 2, "a", 0 },
        { "cut behind a character", "\xc3\xa9" "a", { NULL }, 2,
          "\xc3\xa9", 0 },
        { "cut before 4 bytes", "\xf0\x9f\x98\x80", { NULL }, 3, "", 0 },
        { "cut, then redacted is not done", "abcd", { "cd" }, 3, "ab[", 1 },
        { "redacted, then cut", "abcd", { "ab" }, 11, R "c", 1 },
        { "the fallback is cut", "\xc3\xa9", { "\xc3" }, 4, "[red", 1 }
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        text = slice_of(tests[i].text);

        for (k = 0; k < SECRETS && tests[i].secrets[k]; k++) {
            secrets[k] = slice_of(tests[i].secrets[k]);
        }

        ok(canopy_redact_found(secrets, k, text) == tests[i].found,
           "%s: %sfound", tests[i].name, tests[i].found ? "" : "not ");

        rc = canopy_redact(secrets, k, text, tests[i].max, &out);

        if (!ok(rc == 0 && out.text.len == strlen(tests[i].expected)
                && memcmp(out.text.data, tests[i].expected, out.text.len) == 0,
                "%s", tests[i].name))
        {
            printf("#      got: %.*s\n# expected: %s\n", (int) out.text.len,
                   out.text.data, tests[i].expected);
        }

        ok(tests[i].found ? out.text.data == out.buf
                          : out.text.data == text.data && out.buf == NULL,
           "%s: where it is", tests[i].name);

        canopy_redact_free(&out);
        ok(out.buf == NULL, "%s: freed", tests[i].name);
    }

    text.len = 0;
    text.data = NULL;
    rc = canopy_redact(NULL, 0, text, 10, &out);
    ok(rc == 0 && out.text.len == 0, "nothing at all");
    canopy_redact_free(&out);
}


/* short texts of few letters, so that much overlaps; always the same ones */
static void
random_texts(void)
{
    int                bad;
    char               bytes[64];
    size_t             i, k, n, len;
    uint32_t           seed;
    canopy_slice_t     text, secrets[SECRETS];
    canopy_redacted_t  out;

    bad = 0;
    seed = 1;

    for (i = 0; i < 100000; i++) {
        for (k = 0; k < sizeof(bytes); k++) {
            seed = seed * 1664525 + 1013904223;
            bytes[k] = "abc1"[seed >> 30];
        }

        text.data = (const uint8_t *) bytes;
        text.len = (seed >> 16) % 32;

        for (k = 0, n = 32; k < SECRETS; k++, n += len) {
            len = (seed >> (8 + 3 * k)) & 7;
            secrets[k].data = (const uint8_t *) bytes + n;
            secrets[k].len = len;
        }

        if (canopy_redact(secrets, SECRETS, text, i % 64, &out) != 0) {
            bad++;
            continue;
        }

        /* "a" and "c" are letters of [redacted] too */
        if (out.text.len > i % 64
            || (canopy_redact_found(secrets, SECRETS, out.text)
                && (out.text.len > sizeof(R) - 1
                    || memcmp(out.text.data, R, out.text.len) != 0)))
        {
            bad++;
        }

        canopy_redact_free(&out);
    }

    ok(bad == 0, "100000 random texts");
}


static void
utf8(void)
{
    size_t          i;
    canopy_slice_t  text;

    static const struct {
        int          good;
        const char  *text;
    } tests[] = {
        { 1, "" },
        { 1, "a" },
        { 1, "\x01\x7f" },
        { 1, "\xc2\x80" },
        { 1, "\xdf\xbf" },
        { 1, "\xe0\xa0\x80" },
        { 1, "\xed\x9f\xbf" },
        { 1, "\xee\x80\x80" },
        { 1, "\xef\xbf\xbf" },
        { 1, "\xf0\x90\x80\x80" },
        { 1, "\xf4\x8f\xbf\xbf" },
        { 1, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z" },
        { 0, "\x80" },
        { 0, "\xbf" },
        { 0, "\xc3" },
        { 0, "\xc3z" },
        { 0, "\xc3\xc3" },
        { 0, "\xe2\x82" },
        { 0, "\xe2\x82z" },
        { 0, "\xf0\x9f\x98" },
        { 0, "\xc0\x80" },
        { 0, "\xc1\xbf" },
        { 0, "\xe0\x9f\xbf" },
        { 0, "\xf0\x8f\xbf\xbf" },
        { 0, "\xed\xa0\x80" },
        { 0, "\xed\xbf\xbf" },
        { 0, "\xf4\x90\x80\x80" },
        { 0, "\xf7\xbf\xbf\xbf" },
        { 0, "\xf8\x88\x80\x80\x80" },
        { 0, "\xfe" },
        { 0, "\xff" }
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        text = slice_of(tests[i].text);

        ok(canopy_redact_is_utf8(text) == tests[i].good,
           "text %zu is %sUTF-8", i, tests[i].good ? "" : "not ");
    }

    text.len = 1;
    text.data = tap_guard("", 1);
    ok(canopy_redact_is_utf8(text), "NUL is UTF-8");
}


static canopy_slice_t
slice_of(const char *text)
{
    canopy_slice_t  slice;

    slice.len = strlen(text);
    slice.data = tap_guard(text, slice.len);

    return slice;
}
