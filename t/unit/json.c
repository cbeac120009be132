/*
 * The JSON check, against a table and against jansson.
 */

#include <jansson.h>
#include <math.h>

#include "tap.h"
#include "canopy_json.h"


#define MUTATIONS  200000
#define NUMBERS    100000

#define FLAGS                                                                 \
    (JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL|JSON_DECODE_INT_AS_REAL)


typedef struct {
    int          good;
    const char  *text;
} case_t;


static void cases(void);
static void nul_cases(void);
static void utf8(void);
static void escapes(void);
static void members(void);
static void bounds(void);
static void numbers(void);
static void number(const char *text, int good, double value);
static void long_numbers(void);
static void random_numbers(void);
static void mutations(void);
static size_t mutate(char *text, size_t len, size_t room);
static const char *compare(canopy_slice_t in);
static int object(const char *text, size_t len);
static int repeated(const char *begin, const char *one, const char *end,
    size_t n);
static uint64_t xorshift(void);


static const case_t  case_table[] = {
    { 1, "{}" },
    { 1, " \t\r\n{ \t\r\n} \t\r\n" },
    { 1, "{\"a\":1}" },
    { 1, "{ \"a\" : 1 , \"b\" : 2 }" },
    { 1, "{\"a\":\"\",\"b\":[],\"c\":{},\"d\":true,\"e\":false,\"f\":null}" },
    { 1, "{\"\":0}" },
    { 1, "{\"\":{\"\":{\"\":[]}}}" },
    { 1, "{\"a\":[1,\"x\",null,[],{},[[]],[{}],{\"a\":[{}]}]}" },
    { 1, "{\"a\":[{\"b\":1},{\"b\":1}]}" },
    { 1, "{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}" },
    { 1, "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}" },
    { 1, "{\"a\":\"\\u0000\"}" },
    { 1, "{\"a\":\"\\uD83D\\uDE00\\ud83d\\ude00\"}" },
    { 1, "{\"a\":\"\x7f\"}" },
    { 1, "{\"\xc3\xa9\":\"\xf0\x9f\x98\x80\"}" },
    { 1, "{\"a\":0,\"b\":-0,\"c\":-1,\"d\":10,\"e\":1.0,\"f\":0.0}" },
    { 1, "{\"a\":[0e0,0E+1,1e-1,1.5e10,-0.0e-0,123456789012345678901]}" },
    { 1, "{\"a\":1e400}" },
    { 1, "{\"A\":1,\"a\":1}" },
    { 1, "{\"a\":1,\"aa\":1,\"aaa\":1}" },
    { 1, "{\"\\\\u0061\":1,\"a\":1}" },

    { 0, "" },
    { 0, " " },
    { 0, "{" },
    { 0, "}" },
    { 0, "[]" },
    { 0, "[{}]" },
    { 0, "\"a\"" },
    { 0, "1" },
    { 0, "null" },
    { 0, "\xef\xbb\xbf{}" },
    { 0, "\v{}" },
    { 0, "{}\f" },
    { 0, "{}\xc2\xa0" },
    { 0, "{}}" },
    { 0, "{}{}" },
    { 0, "{} x" },
    { 0, "{}," },
    { 0, ",{}" },
    { 0, "{]" },
    { 0, "{\"a\":[}" },
    { 0, "{\"a\":[1}}" },
    { 0, "{\"a\":{\"b\":1]}" },
    { 0, "{\"a\":[]" },
    { 0, "{\"a\":[]]}" },
    { 0, "{\"a\":{}" },
    { 0, "{,}" },
    { 0, "{\"a\":1,}" },
    { 0, "{,\"a\":1}" },
    { 0, "{\"a\":1,,\"b\":1}" },
    { 0, "{\"a\":1 \"b\":1}" },
    { 0, "{\"a\":[,]}" },
    { 0, "{\"a\":[1,]}" },
    { 0, "{\"a\":[,1]}" },
    { 0, "{\"a\":[1 1]}" },
    { 0, "{\"a\":[\"b\":1]}" },
    { 0, "{\"a\"}" },
    { 0, "{\"a\":}" },
    { 0, "{\"a\":,}" },
    { 0, "{\"a\":" },
    { 0, "{\"a\": " },
    { 0, "{\"a\"" },
    { 0, "{\"a\" " },
    { 0, "{\"a" },
    { 0, "{\"" },
    { 0, "{\"a\"1}" },
    { 0, "{\"a\"::1}" },
    { 0, "{:1}" },
    { 0, "{a:1}" },
    { 0, "{'a':1}" },
    { 0, "{1:1}" },
    { 0, "{null:1}" },
    { 0, "{[]:1}" },
    { 0, "{\"a\":'b'}" },
    { 0, "{\"a\":b}" },
    { 0, "{\"a\":1/**/}" },
    { 0, "{\"a\":1}//" },
    { 0, "#\n{}" },

    { 0, "{\"a\":tru}" },
    { 0, "{\"a\":truE}" },
    { 0, "{\"a\":True}" },
    { 0, "{\"a\":truee}" },
    { 0, "{\"a\":true1}" },
    { 0, "{\"a\":t" },
    { 0, "{\"a\":fals}" },
    { 0, "{\"a\":nul}" },
    { 0, "{\"a\":nulll}" },
    { 0, "{\"a\":nan}" },
    { 0, "{\"a\":NaN}" },
    { 0, "{\"a\":Infinity}" },
    { 0, "{\"a\":-Infinity}" },

    { 0, "{\"a\":01}" },
    { 0, "{\"a\":00}" },
    { 0, "{\"a\":-}" },
    { 0, "{\"a\":--1}" },
    { 0, "{\"a\":-01}" },
    { 0, "{\"a\":+1}" },
    { 0, "{\"a\":.5}" },
    { 0, "{\"a\":-.5}" },
    { 0, "{\"a\":1.}" },
    { 0, "{\"a\":1.e1}" },
    { 0, "{\"a\":1e}" },
    { 0, "{\"a\":1e+}" },
    { 0, "{\"a\":1e1.5}" },
    { 0, "{\"a\":1.5.5}" },
    { 0, "{\"a\":0x1}" },
    { 0, "{\"a\":1_0}" },
    { 0, "{\"a\":1 0}" },
    { 0, "{\"a\":1a}" },
    { 0, "{\"a\":1" },
    { 0, "{\"a\":-" },
    { 0, "{\"a\":1." },
    { 0, "{\"a\":1e" },

    { 0, "{\"a\":\"b}" },
    { 0, "{\"a\":\"b\\\"}" },
    { 0, "{\"a\":\"\\\"" },
    { 0, "{\"a\":\"\\" },
    { 0, "{\"a\":\"\\x41\"}" },
    { 0, "{\"a\":\"\\a\"}" },
    { 0, "{\"a\":\"\\'\"}" },
    { 0, "{\"a\":\"\\U0041\"}" },
    { 0, "{\"a\":\"\\N\"}" },
    { 0, "{\"a\":\"\\ \"}" },
    { 0, "{\"a\":\"\\u\"}" },
    { 0, "{\"a\":\"\\u1\"}" },
    { 0, "{\"a\":\"\\u123\"}" },
    { 0, "{\"a\":\"\\u123g\"}" },
    { 0, "{\"a\":\"\\u-123\"}" },
    { 0, "{\"a\":\"\\u004" },
    { 0, "{\"a\":\"\\u0041" },
    { 0, "{\"a\":\"\\ud800\"}" },
    { 0, "{\"a\":\"\\udbff\"}" },
    { 0, "{\"a\":\"\\udc00\"}" },
    { 0, "{\"a\":\"\\udfff\"}" },
    { 0, "{\"a\":\"\\ud800x\"}" },
    { 0, "{\"a\":\"\\ud800\\\"}" },
    { 0, "{\"a\":\"\\ud800\\n\"}" },
    { 0, "{\"a\":\"\\ud800\\u0041\"}" },
    { 0, "{\"a\":\"\\ud800\\ud800\"}" },
    { 0, "{\"a\":\"\\ud800\\ue000\"}" },
    { 0, "{\"a\":\"\\ude00\\ud83d\"}" },
    { 0, "{\"a\":\"\\ud800\\u" },
    { 0, "{\"a\":\"\\ud800\\udc0" },
    { 0, "{\"\\ud800\":1}" },

    { 0, "{\"a\":\"\n\"}" },
    { 0, "{\"a\":\"\t\"}" },
    { 0, "{\"a\":\"\x1f\"}" },
    { 0, "{\"a\n\":1}" },

    { 0, "{\"\\u0000\":1}" },
    { 0, "{\"a\\u0000\":1}" },
    { 0, "{\"a\\u0000b\":1}" },
    { 0, "{\"a\":{\"\\u0000\":1}}" },

    { 0, "{\"a\":1,\"a\":1}" },
    { 0, "{\"\":1,\"\":1}" },
    { 0, "{\"a\":1,\"b\":2,\"c\":3,\"a\":4}" },
    { 0, "{\"a\":1,\"b\":2,\"c\":3,\"c\":4}" },
    { 0, "{\"a\":{\"b\":1,\"b\":1}}" },
    { 0, "{\"a\":[{\"b\":{\"c\":1,\"c\":1}}]}" },
    { 0, "{\"a\":{\"b\":1},\"a\":1}" },
    { 0, "{\"a\":{},\"a\":{}}" },
    { 0, "{\"a\":[],\"a\":[]}" },
    { 0, "{\"a\":1,\"b\":{\"a\":1,\"b\":1},\"c\":[{},{\"a\":1}],\"a\":1}" },
    { 0, "{\"a\":1,\"\\u0061\":1}" },
    { 0, "{\"\\u0061\":1,\"a\":1}" },
    { 0, "{\"\\u006a\":1,\"\\u006A\":1}" },
    { 0, "{\"\\/\":1,\"/\":1}" },
    { 0, "{\"\\n\":1,\"\\u000a\":1}" },
    { 0, "{\"\\b\":1,\"\\u0008\":1}" },
    { 0, "{\"\\f\":1,\"\\u000c\":1}" },
    { 0, "{\"\\r\":1,\"\\u000d\":1}" },
    { 0, "{\"\\t\":1,\"\\u0009\":1}" },
    { 0, "{\"\\\"\":1,\"\\u0022\":1}" },
    { 0, "{\"\\\\\":1,\"\\u005c\":1}" },
    { 0, "{\"\xc3\xa9\":1,\"\\u00e9\":1}" },
    { 0, "{\"\\u20ac\":1,\"\xe2\x82\xac\":1}" },
    { 0, "{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":1}" },
    { 0, "{\"x\\u00e9y\":1,\"\\u0078\xc3\xa9\\u0079\":1}" }
};


static const char  *seeds[] = {
    "{\"iss\":\"https://auth.example.com/\",\"sub\":\"a|b\",\"aud\":[\"x\","
        "\"y\"],\"iat\":1760000000,\"exp\":1760086400,\"scope\":\"a b\"}",
    "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"Nk2vQ8bYc1xR7uZ0wE5tA\"}",
    "{\"exp\":{\"a\":1,\"b\":{\"a\":[{},[],{\"a\":null}]}},"
        "\"a\":[true,false]}",
    " { \"a\" : [ 1 , -2.5e+3 , 0.1 ] ,\r\n\t\"b\" : { } , \"exp\" : 1e3 } ",
    "{\"\\u0061\\n\":\"\\ud83d\\ude00\xc3\xa9\xf0\x9f\x98\x80\",\"exp\":"
        "\"\\\"\\\\\\/\",\"\xe2\x82\xac\":\"\\u0000\",\"\\u20ad\":-0}",
    "{\"\":{\"\":{\"\":{\"\":[[[[[]]]]]}}},\"a\":0,\"b\":0,\"c\":0,\"d\":0}"
};


static uint64_t  state = 88172645463325252u;


int
main(void)
{
    cases();
    nul_cases();
    utf8();
    escapes();
    members();
    bounds();
    numbers();
    long_numbers();
    random_numbers();
    mutations();

    return tap_done();
}


static void
cases(void)
{
    int              good;
    size_t           i;
    const char      *fault;
    canopy_slice_t   in;
    const case_t    *c;

    for (i = 0; i < sizeof(case_table) / sizeof(case_table[0]); i++) {
        c = &case_table[i];

        in.len = strlen(c->text);
        in.data = tap_guard(c->text, in.len);

        good = (canopy_json_object(in, NULL, 0) == 0);
        fault = compare(in);

        if (!ok(good == c->good && fault == NULL, "case %zu", i)) {
            printf("# %s: %s\n", c->text, fault ? fault : "the table differs");
        }
    }
}


static void
nul_cases(void)
{
    ok(object("{}\0", 3) == -1, "a NUL behind");
    ok(object("\0{}", 3) == -1, "a NUL before");
    ok(object("{\0}", 3) == -1, "a NUL between");
    ok(object("{\"\0\":1}", 7) == -1, "a NUL in a name");
    ok(object("{\"a\":\"\0\"}", 9) == -1, "a NUL in a string");
    ok(object("{\"a\":1\0}", 8) == -1, "a NUL behind a number");
    ok(object("{\"a\":true\0}", 11) == -1, "a NUL behind a word");
    ok(canopy_json_object((canopy_slice_t) { 0, NULL }, NULL, 0) == -1,
       "no text at all");
}


/* every first and second byte, with what decides behind them */
static void
utf8(void)
{
    int             good;
    char            text[] = "{\"a\":\"bbbb\"}";
    uint8_t        *p;
    uint32_t        i;
    const char     *fault;
    canopy_slice_t  in;

    static const uint8_t  last[] = { 0x00, 0x22, 0x41, 0x5c, 0x7f, 0x80, 0x8f,
                                     0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff };

    in.len = sizeof(text) - 1;
    p = tap_guard(text, in.len);
    in.data = p;
    good = 1;

    for (i = 0; i < 128 * 256 * sizeof(last) * 2; i++) {
        p[6] = (uint8_t) (0x80 | i % 128);
        p[7] = (uint8_t) (i / 128 % 256);
        p[8] = last[i / 128 / 256 % sizeof(last)];
        p[9] = (i / 128 / 256 / sizeof(last)) ? 0xbf : 'b';

        fault = compare(in);

        if (fault != NULL) {
            good = 0;
            printf("# %02x %02x %02x %02x: %s\n", p[6], p[7], p[8], p[9],
                   fault);
        }
    }

    ok(good, "UTF-8 in a string, as jansson has it");

    ok(object("{\"a\":\"\xc3", 7) == -1, "UTF-8 cut after one of two");
    ok(object("{\"a\":\"\xe2\x82", 8) == -1, "UTF-8 cut after two of three");
    ok(object("{\"a\":\"\xf0\x9f\x98", 9) == -1,
       "UTF-8 cut after three of four");
}


/* each \u escape equals its UTF-8 as a name */
static void
escapes(void)
{
    int       good;
    char      text[64], *p;
    uint32_t  code;

    good = 1;

    for (code = 1; code < 0x110000; code += (code < 0x900) ? 1 : 509) {
        if (code >= 0xd800 && code <= 0xdfff) {
            continue;
        }

        p = text + sprintf(text, "{\"");

        if (code < 0x10000) {
            p += sprintf(p, "\\u%04x", code);

        } else {
            p += sprintf(p, "\\u%04x\\u%04X", 0xd7c0 + (code >> 10),
                         0xdc00 + (code & 0x3ff));
        }

        p += sprintf(p, "\":1,\"");

        if (code < 0x20 || code == '"' || code == '\\') {
            p += sprintf(p, "\\u00%02X", code);

        } else if (code < 0x80) {
            *p++ = (char) code;

        } else if (code < 0x800) {
            *p++ = (char) (0xc0 | code >> 6);
            *p++ = (char) (0x80 | (code & 0x3f));

        } else if (code < 0x10000) {
            *p++ = (char) (0xe0 | code >> 12);
            *p++ = (char) (0x80 | (code >> 6 & 0x3f));
            *p++ = (char) (0x80 | (code & 0x3f));

        } else {
            *p++ = (char) (0xf0 | code >> 18);
            *p++ = (char) (0x80 | (code >> 12 & 0x3f));
            *p++ = (char) (0x80 | (code >> 6 & 0x3f));
            *p++ = (char) (0x80 | (code & 0x3f));
        }

        p += sprintf(p, "\":1}");

        if (object(text, (size_t) (p - text)) != -1) {
            good = 0;
            printf("# U+%04X\n", code);
        }

        /* the same with one byte more is another name */

        p -= 4;
        p += sprintf(p, "!\":1}");

        if (object(text, (size_t) (p - text)) != 0) {
            good = 0;
            printf("# U+%04X and another\n", code);
        }
    }

    ok(good, "names are compared without their escapes");
}


static void
members(void)
{
    canopy_slice_t  in;

    static const char  text[] =
        " {\"a\":{\"exp\":1,\"b\":[{\"exp\":2}]}, \"exp\" : -1.5e1 ,"
        "\"str\":\"x\\\"y\",\"empty\":\"\",\"arr\" :[ 1,[2] ] ,"
        "\"obj\":{\"t\":true},\"t\":true,\"f\":false,\"n\":null,"
        "\"\\u00e9sc\":7,\"obj2\":{}}";

    canopy_json_member_t  m[] = {
        { .name = canopy_slice("exp") },
        { .name = canopy_slice("str") },
        { .name = canopy_slice("empty") },
        { .name = canopy_slice("arr") },
        { .name = canopy_slice("obj") },
        { .name = canopy_slice("t") },
        { .name = canopy_slice("f") },
        { .name = canopy_slice("n") },
        { .name = canopy_slice("\xc3\xa9sc") },
        { .name = canopy_slice("obj2") },
        { .name = canopy_slice("b") },
        { .name = canopy_slice("ex"), .found = 1 },
        { .name = canopy_slice("expo") },
        { .name = canopy_slice("") }
    };

#define is(i, kind, content)                                                  \
    (m[i].found == 1 && m[i].type == CANOPY_JSON_ ## kind                     \
     && m[i].value.len == strlen(content)                                     \
     && memcmp(m[i].value.data, content, strlen(content)) == 0)

    in.len = sizeof(text) - 1;
    in.data = tap_guard(text, in.len);

    ok(canopy_json_object(in, m, sizeof(m) / sizeof(m[0])) == 0, "members");

    ok(is(0, NUMBER, "-1.5e1"), "a number, not a deeper one");
    ok(is(1, STRING, "x\\\"y"), "a string, its escapes in it");
    ok(is(2, STRING, ""), "an empty string");
    ok(is(3, ARRAY, "[ 1,[2] ]"), "an array");
    ok(is(4, OBJECT, "{\"t\":true}"), "an object");
    ok(is(5, TRUE, "true"), "true");
    ok(is(6, FALSE, "false"), "false");
    ok(is(7, NULL, "null"), "null");
    ok(is(8, NUMBER, "7"), "a name with an escape");
    ok(is(9, OBJECT, "{}"), "an empty object");
    ok(!m[10].found, "a deeper name is not found");
    ok(!m[11].found, "a part of a name is not found");
    ok(!m[12].found, "a longer name is not found");
    ok(!m[13].found, "an empty name is not found");

    in.len = 6;
    in.data = tap_guard("{\"\":5}", in.len);
    ok(canopy_json_object(in, m + 13, 1) == 0 && is(13, NUMBER, "5"),
       "an empty name is found");
}


static void
bounds(void)
{
    int     good;
    char    text[CANOPY_JSON_MAX];
    size_t  i, k, n;

    memset(text, ' ', sizeof(text));
    memcpy(text, "{}", 2);
    ok(object(text, CANOPY_JSON_MAX) == 0, "%d bytes", CANOPY_JSON_MAX);
    ok(repeated("{}", " ", "", CANOPY_JSON_MAX - 1) == -1, "%d bytes",
       CANOPY_JSON_MAX + 1);

    /* the stack of names and the stack of brackets, full */

    ok(repeated("", "{\"\":", "", CANOPY_JSON_MAX / 4) == -1,
       "objects, as many as fit, cut");
    ok(repeated("{\"\":", "[", "", CANOPY_JSON_MAX - 4) == -1,
       "arrays, as many as fit, cut");

    n = (CANOPY_JSON_MAX - 1) / 5;

    for (i = 0; i < n; i++) {
        memcpy(text + 4 * i, "{\"\":", 4);
        text[4 * n + 1 + i] = '}';
    }

    text[4 * n] = '0';
    ok(object(text, 5 * n + 1) == 0, "objects, %zu deep", n);
    ok(object(text, 5 * n) == -1, "objects, one not closed");

    n = (CANOPY_JSON_MAX - 5) / 2;

    memcpy(text, "{\"\":", 4);
    memset(text + 4, '[', n);
    memset(text + 4 + n, ']', n);
    text[4 + 2 * n] = '}';
    ok(object(text, 2 * n + 5) == 0, "arrays, %zu deep", n);
    text[4 + 2 * n - 1] = '}';
    ok(object(text, 2 * n + 5) == -1, "arrays, one closed as an object");

    /* objects and arrays by turns, so that the bits matter */

    good = 1;

    for (i = 1; i < 200; i++) {
        for (n = k = 0; k < i; k++) {
            n += (size_t) sprintf(text + n, (k % 3) ? "[" : "{\"a\":");
        }

        text[n++] = '1';

        while (k-- > 0) {
            text[n++] = (k % 3) ? ']' : '}';
        }

        good &= (object(text, n) == 0);
        text[n - i / 2 - 1] ^= ']' ^ '}';
        good &= (object(text, n) == -1);
    }

    ok(good, "brackets in turn");

    /* the most names one object can have, all different */

    n = (size_t) sprintf(text, "{");

    for (i = 0; n + 12 < CANOPY_JSON_MAX; i++) {
        n += (size_t) sprintf(text + n, "\"%zx\":0,", i);
    }

    text[n - 1] = '}';
    ok(object(text, n) == 0, "%zu names in one object", i);

    n += (size_t) sprintf(text + n - 1, ",\"0\":0}") - 1;
    ok(object(text, n) == -1, "and the first one again");

    n = (size_t) sprintf(text, "{\"a\":[");

    for (i = 0; n + 12 < CANOPY_JSON_MAX; i++) {
        n += (size_t) sprintf(text + n, "{\"a\":0},");
    }

    n += (size_t) sprintf(text + n - 1, "]}") - 1;
    ok(object(text, n) == 0, "%zu objects of one name", i);
}


static void
numbers(void)
{
    number("0", 1, 0);
    number("-0", 1, -0.0);
    number("7", 1, 7);
    number("-7", 1, -7);
    number("1760000000", 1, 1760000000);
    number("1760000000.5", 1, 1760000000.5);
    number("999999999999999", 1, 999999999999999.0);
    number("9007199254740993", 1, 9007199254740992.0);
    number("18446744073709551616", 1, 18446744073709551616.0);
    number("0.1", 1, 0.1);
    number("0.0010", 1, 0.001);
    number("1e3", 1, 1000);
    number("1E+3", 1, 1000);
    number("1e-3", 1, 0.001);
    number("1.5e2", 1, 150);
    number("0e999999999999999999999999", 1, 0);
    number("0.000e99", 1, 0);
    number("1e-999999999999999999999999", 1, 0);
    number("1.7976931348623157e308", 1, 1.7976931348623157e308);
    number("4.9e-324", 1, 4.9e-324);
    number("2.2250738585072011e-308", 1, 2.2250738585072011e-308);

    number("1e309", 0, 0);
    number("-1e309", 0, 0);
    number("1.7976931348623159e308", 0, 0);
    number("1e999999999999999999999999", 0, 0);
    number("", 0, 0);
    number("-", 0, 0);
    number("+1", 0, 0);
    number("01", 0, 0);
    number("1.", 0, 0);
    number(".1", 0, 0);
    number("1e", 0, 0);
    number("1e+", 0, 0);
    number("1 ", 0, 0);
    number(" 1", 0, 0);
    number("1,5", 0, 0);
    number("0x1p3", 0, 0);
    number("inf", 0, 0);
    number("NaN", 0, 0);
    number("\"1\"", 0, 0);
}


static void
number(const char *text, int good, double value)
{
    int             rc;
    double          got;
    canopy_slice_t  in;

    in.len = strlen(text);
    in.data = tap_guard(text, in.len);

    got = 42;
    rc = canopy_json_number(in, &got);

    if (!good) {
        ok(rc == -1 && got == 42, "number: %s is none", text);
        return;
    }

    ok(rc == 0 && memcmp(&got, &value, sizeof(value)) == 0, "number: %s",
       text);
}


/* texts that are cut to be converted */
static void
long_numbers(void)
{
    char            text[4096];
    double          value;
    canopy_slice_t  in;

    memset(text, '0', sizeof(text));
    text[0] = '1';
    memcpy(text + 2000, "e-1999", 6);
    in.len = 2006;
    in.data = tap_guard(text, in.len);
    ok(canopy_json_number(in, &value) == 0 && value == 1,
       "number: zeros behind, taken back by the exponent");

    text[0] = '0';
    text[1] = '.';
    text[1999] = '5';
    memcpy(text + 2000, "e1998", 5);
    in.len = 2005;
    in.data = tap_guard(text, in.len);
    ok(canopy_json_number(in, &value) == 0 && value == 5,
       "number: zeros in front, taken back by the exponent");

    /* 2^53 + 1 lies between two doubles; what decides comes late */

    memset(text, '0', sizeof(text));
    memcpy(text, "9007199254740993.", 17);
    in.len = 3000;
    in.data = tap_guard(text, in.len);
    ok(canopy_json_number(in, &value) == 0 && value == 9007199254740992.0,
       "number: half way, to even");

    text[2999] = '1';
    in.data = tap_guard(text, in.len);
    ok(canopy_json_number(in, &value) == 0 && value == 9007199254740994.0,
       "number: a little more than half way, up");

    memset(text, '9', sizeof(text));
    in.len = 308;
    in.data = tap_guard(text, in.len);
    ok(canopy_json_number(in, &value) == 0 && value == 1e308,
       "number: 308 digits");

    in.len = 310;
    in.data = tap_guard(text, in.len);
    ok(canopy_json_number(in, &value) == -1, "number: 310 digits");

    in.len = sizeof(text);
    in.data = tap_guard(text, in.len);
    ok(canopy_json_number(in, &value) == -1, "number: 4096 digits");
}


static void
random_numbers(void)
{
    int              good, rc;
    char             text[1600], *p;
    double           value, want;
    size_t           i, k;
    uint8_t         *end;
    canopy_slice_t   in;

    memset(text, 0, sizeof(text));
    end = tap_guard(text, sizeof(text)) + sizeof(text);
    good = 1;

    for (i = 0; i < NUMBERS; i++) {
        p = text;

        if (xorshift() % 2) {
            *p++ = '-';
        }

        *p++ = (char) ('1' + xorshift() % 9);

        for (k = xorshift() % ((i % 16) ? 20 : 700); k > 0; k--) {
            *p++ = (char) ('0' + xorshift() % 10);
        }

        if (xorshift() % 2) {
            *p++ = '.';

            for (k = xorshift() % ((i % 16) ? 20 : 700) + 1; k > 0; k--) {
                *p++ = (char) ('0' + xorshift() % 10);
            }
        }

        if (xorshift() % 2) {
            p += sprintf(p, "e%d", (int) (xorshift() % 700) - 350);
        }

        *p = '\0';

        in.len = (size_t) (p - text);
        memcpy(end - in.len, text, in.len);
        in.data = end - in.len;

        rc = canopy_json_number(in, &value);
        want = strtod(text, NULL);

        if (isinf(want) ? rc != -1 : (rc != 0 || value != want)) {
            good = 0;
            printf("# %s\n", text);
        }
    }

    ok(good, "number: %d random ones, as strtod() has them", NUMBERS);
}


static void
mutations(void)
{
    int              good;
    char             text[1024];
    size_t           i, accepted;
    uint8_t         *end;
    const char      *fault, *seed;
    canopy_slice_t   in;

    memset(text, 0, sizeof(text));
    end = tap_guard(text, sizeof(text)) + sizeof(text);
    good = 1;
    accepted = 0;

    for (i = 0; i < MUTATIONS; i++) {
        seed = seeds[xorshift() % (sizeof(seeds) / sizeof(seeds[0]))];

        strcpy(text, seed);
        in.len = mutate(text, strlen(seed), sizeof(text));

        memcpy(end - in.len, text, in.len);
        in.data = end - in.len;

        fault = compare(in);

        if (fault != NULL) {
            good = 0;
            printf("# %.*s: %s\n", (int) in.len, text, fault);
        }

        accepted += (canopy_json_object(in, NULL, 0) == 0);
    }

    ok(good, "%d mutations, as jansson has them", MUTATIONS);
    ok(accepted > MUTATIONS / 50 && accepted < MUTATIONS / 2,
       "%zu of them are good", accepted);
}


/* one to three changes: a byte, a piece doubled, a piece cut out */
static size_t
mutate(char *text, size_t len, size_t room)
{
    size_t  n, at, from, size;

    static const char  bytes[] = "{}[]:,\"\\u0aeE+-.1 tfn\n\t\x80\xc3\xed\xff";

    for (n = xorshift() % 3 + 1; n > 0 && len > 0; n--) {
        at = xorshift() % len;
        size = xorshift() % 8 + 1;

        switch (xorshift() % 4) {

        case 0:
            text[at] = bytes[xorshift() % (sizeof(bytes) - 1)];
            break;

        case 1:
            text[at] = (char) (xorshift() % 256);
            break;

        case 2:
            from = xorshift() % len;
            size = (from + size > len) ? len - from : size;

            if (len + size <= room) {
                memmove(text + at + size, text + at, len - at);
                memmove(text + at, text + (from < at ? from : at), size);
                len += size;
            }

            break;

        default:
            size = (at + size > len) ? len - at : size;
            memmove(text + at, text + at + size, len - at - size);
            len -= size;
        }
    }

    return len;
}


/*
 * Returns what differs from jansson, or NULL.  It differs rightly where
 * jansson has limits of numbers and depth, and where that skips a NUL byte
 * behind a number.
 */
static const char *
compare(canopy_slice_t in)
{
    int                    rc, code;
    double                 value;
    json_t                *root, *exp;
    const char            *fault;
    json_error_t           error;
    canopy_json_member_t   m = { .name = canopy_slice("exp") };

    rc = canopy_json_object(in, &m, 1);

    if (in.len && memchr(in.data, '\0', in.len) != NULL) {
        return (rc == -1) ? NULL : "a NUL is accepted";
    }

    root = json_loadb((const char *) in.data, in.len, FLAGS, &error);

    if (root == NULL) {
        code = json_error_code(&error);

        return (rc == -1 || code == json_error_numeric_overflow
                || code == json_error_stack_overflow)
               ? NULL : "jansson refuses it";
    }

    fault = NULL;
    exp = json_object_get(root, "exp");

    if ((rc == 0) != json_is_object(root)) {
        fault = rc ? "jansson accepts it" : "it is no object";

    } else if (rc == 0 && (exp != NULL) != m.found) {
        fault = "found";

    } else if (rc == 0 && exp != NULL) {

        if (json_is_number(exp)) {
            if (canopy_json_number(m.value, &value) != 0
                || value != json_number_value(exp))
            {
                fault = "another number";
            }

        } else if (json_is_string(exp) != (m.type == CANOPY_JSON_STRING)
                   || json_is_object(exp) != (m.type == CANOPY_JSON_OBJECT)
                   || json_is_array(exp) != (m.type == CANOPY_JSON_ARRAY)
                   || json_is_true(exp) != (m.type == CANOPY_JSON_TRUE)
                   || json_is_false(exp) != (m.type == CANOPY_JSON_FALSE)
                   || json_is_null(exp) != (m.type == CANOPY_JSON_NULL))
        {
            fault = "another type";
        }
    }

    json_decref(root);

    return fault;
}


static int
object(const char *text, size_t len)
{
    canopy_slice_t  in;

    in.len = len;
    in.data = tap_guard(text, len);

    return canopy_json_object(in, NULL, 0);
}


static int
repeated(const char *begin, const char *one, const char *end, size_t n)
{
    int     rc;
    char   *text, *p;

    text = malloc(strlen(begin) + n * strlen(one) + strlen(end) + 1);
    if (text == NULL) {
        exit(1);
    }

    p = text + sprintf(text, "%s", begin);

    while (n-- > 0) {
        p += sprintf(p, "%s", one);
    }

    p += sprintf(p, "%s", end);

    rc = object(text, (size_t) (p - text));
    free(text);

    return rc;
}


static uint64_t
xorshift(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;

    return state >> 8;
}
