/*
 * canopy_media: what a Content-Type says, each value against a guard page.
 */

#include "canopy_media.h"
#include "tap.h"


static void json(void);
static void types(void);
static canopy_slice_t slice_of(const char *text);


int
main(void)
{
    json();
    types();

    return tap_done();
}


static void
json(void)
{
    size_t          i;
    canopy_slice_t  type;

    static const struct {
        int          json;
        const char  *type;
    } tests[] = {
        { 1, "application/json" },
        { 1, "APPLICATION/JSON" },
        { 1, " application/json\t" },
        { 1, "application/json;charset=utf-8" },
        { 1, "application/json ; charset=utf-8" },
        { 1, "application/json;" },
        { 1, "application/problem+json" },
        { 1, "Application/VND.api+Json; v=1" },
        { 1, "application/a+json+json" },
        { 1, "application/x+json" },
        { 0, "" },
        { 0, ";" },
        { 0, " " },
        { 0, "json" },
        { 0, "application" },
        { 0, "application/" },
        { 0, "application/+json" },
        { 0, "application/jso" },
        { 0, "application/json2" },
        { 0, "application/jsonp" },
        { 0, "application/json-seq" },
        { 0, "application/x+jsonl" },
        { 0, "application/x json" },
        { 0, "application/x y+json" },
        { 0, "application/x/y+json" },
        { 0, "application/json, application/problem+json" },
        { 0, "application/x\x80+json" },
        { 0, "text/json" },
        { 0, "text/x+json" },
        { 0, "image/svg+json" },
        { 0, "text/plain;a=application/json" },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        type.len = strlen(tests[i].type);
        type.data = tap_guard(tests[i].type, type.len);

        ok(canopy_media_is_json(type) == tests[i].json,
           "\"%s\" is %sJSON", tests[i].type, tests[i].json ? "" : "not ");
    }

    type.len = 0;
    type.data = NULL;
    ok(canopy_media_is_json(type) == 0, "no type is not JSON");
}


static void
types(void)
{
    size_t          i;
    canopy_slice_t  value, type;

    static const struct {
        const char  *value;
        const char  *type;      /* as it stands in the value */
        int          plain;     /* is it text/plain? */
    } tests[] = {
        { "text/plain", "text/plain", 1 },
        { "Text/PLAIN", "Text/PLAIN", 1 },
        { "text/plain;charset=utf-8", "text/plain", 1 },
        { "text/plain ; charset=utf-8; a=\";\"", "text/plain", 1 },
        { " \t\n\v\f\rtext/plain\r\f\v\n\t ", "text/plain", 1 },
        { "text/plain;", "text/plain", 1 },
        { "text/plai", "text/plai", 0 },
        { "text/plain2", "text/plain2", 0 },
        { "text/ plain", "text/ plain", 0 },
        { "text/plain, text/plain", "text/plain, text/plain", 0 },
        { "text/html; text/plain", "text/html", 0 },
        { "text\x0fplain", "text\x0fplain", 0 },
        { "text/plai\xce", "text/plai\xce", 0 },
        { "", "", 0 },
        { ";", "", 0 },
        { " \t", "", 0 },
        { " ; text/plain", "", 0 }
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        value = slice_of(tests[i].value);
        type = canopy_media_type(value);

        ok(type.len == strlen(tests[i].type)
           && memcmp(type.data, tests[i].type, type.len) == 0,
           "type %zu is \"%s\"", i, tests[i].type);
        ok(type.data >= value.data
           && type.data + type.len <= value.data + value.len,
           "type %zu is a slice of the value", i);
        ok(canopy_media_is(value, "text/plain") == tests[i].plain,
           "type %zu is %splain text", i, tests[i].plain ? "" : "not ");
    }

    value.len = 0;
    value.data = NULL;
    ok(canopy_media_type(value).len == 0, "no value has no type");
    ok(!canopy_media_is(value, "text/plain"), "no value is no plain text");
}


static canopy_slice_t
slice_of(const char *text)
{
    canopy_slice_t  slice;

    slice.len = strlen(text);
    slice.data = tap_guard(text, slice.len);

    return slice;
}
