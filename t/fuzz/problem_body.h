/*
 * Makes an error body of an input: mostly one as FastAPI sends it, since of
 * random bytes few would be.
 */

#ifndef PROBLEM_BODY_H
#define PROBLEM_BODY_H


#include "fuzz.h"


#define BODY_MAX  65536

#define A32      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A256     A32 A32 A32 A32 A32 A32 A32 A32
#define A1024    A256 A256 A256 A256
#define A4096    A1024 A1024 A1024 A1024
#define OPEN32   "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
#define CLOSE32  "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"


/* what is left of the input, and the body so far */
typedef struct {
    const uint8_t  *p;
    const uint8_t  *last;
    size_t          len;
    char            text[BODY_MAX];
} maker_t;


static const char *const  texts[] = {
    "\"value_error\"", "\"a/b 'c' <d>\"", "\"\"",
    "\"\x7f\xc2\x80\xe2\x82\xac\xf0\x9f\x98\x80\"", " \"x\" ",
    "\"\\\"\"", "\"\\n\"", "\"\\/\"", "\"\\u0000\"", "\"\\u00e9\"",
    "\"\xff\"", "\"\xed\xa0\x80\"", "\"\x1f\"", "1", "null", "[]", "", "\"",
    "\"" A4096 "\"", "\"" A4096 "a\"", NULL
};


static void make_body(maker_t *m);
static void make_entry(maker_t *m);
static void make_loc(maker_t *m);
static unsigned make_draw(maker_t *m);
static void make_word(maker_t *m, const char *const *words, unsigned usual);
static void make_text(maker_t *m, const char *text);


static void
make_body(maker_t *m)
{
    size_t  i, n;

    static const char *const  starts[] = {
        "{\"detail\":[", " { \"detail\" :\t[\n", "{\"a\":1,\"detail\":[",
        "{\"det\\u0061il\":[", "{\"errors\":[", "[", "", NULL
    };

    static const char *const  between[] = {
        ",", " ,\r", ",1,", "", ",,", NULL
    };

    static const char *const  ends[] = {
        "]}", " ]\n} ", "],\"a\":1}", "]", ",]}", "]}}", "}}", NULL
    };

    static const char *const  closings[] = {
        "}", " }\n", "]}", "", ",}", ",\"loc\":[1]}", "}}", NULL
    };

    if (make_draw(m) >= 224) {
        make_text(m, "{\"detail\":");
        make_word(m, texts, 5);
        make_word(m, closings, 1);
        return;
    }

    make_word(m, starts, 1);

    n = make_draw(m);
    n = (n < 250) ? n % 4 : n - 250 + 98;

    for (i = 0; i <= n; i++) {
        if (i) {
            make_word(m, between, 1);
        }

        make_entry(m);
    }

    make_word(m, ends, 1);
}


static void
make_entry(maker_t *m)
{
    size_t    i;
    unsigned  first, step;

    static const char *const  others[] = {
        "\"input\":\"\\\"\\u0000\\ud83d\\ude00\"", "\"a\":{\"b\":[{},[]]}",
        "\"c\":[1,-0,1.5]", "\"d\":null", "\"\":true", " \"e\" : false ",
        "\"msg\":\"n\"", "\"loc\":[2]", "\"type\":null", "\"m\\u0073g\":\"n\"",
        "\"x\":1e999", "\"x\":1E999", "\"x\":12345678901234567890",
        "\"x\":\"\\ud83d\"", "\"x\":tru", "\"x\":nulll", "\"x\":[1,]",
        "\"x\":01", "\"x\":1.", "\"x\"", "\"x\":", "\"x\":{\"a\":1,}",
        "\"x\":[1}", "\"x\":{\"a\":1]", "\"x\":{\"\\u0000\":1}",
        "\"x\":" OPEN32 CLOSE32, "\"x\":[" OPEN32 CLOSE32 "]", NULL
    };

    first = make_draw(m);
    step = 1 + (first & 1);
    first %= 3;

    make_text(m, "{");

    for (i = 0; i < 3; i++, first = (first + step) % 3) {
        if (i) {
            make_text(m, ",");
        }

        if (make_draw(m) >= 128) {
            make_word(m, others, 6);
            make_text(m, ",");
        }

        if (first == 0) {
            make_text(m, "\"loc\":");
            make_loc(m);

        } else {
            make_text(m, first == 1 ? "\"msg\":" : "\"type\":");
            make_word(m, texts, 5);
        }
    }

    make_text(m, "}");
}


static void
make_loc(maker_t *m)
{
    size_t  i, n;

    static const char *const  items[] = {
        "\"path\"", "0", "-12", " \"a b\" ", "-0", "1.0", "1e1", "1E1", "true",
        "[]", "{\"a\":1}", "123456789012345678", "1234567890123456789",
        "99999999999999999999", "\"\\u0061\"", "-", "00", "", NULL
    };

    n = make_draw(m);
    n = (n < 224) ? n % 3 : n % 18;

    make_text(m, "[");

    for (i = 0; i <= n; i++) {
        if (i) {
            make_text(m, ",");
        }

        make_word(m, items, 4);
    }

    make_text(m, "]");
}


/* spread, since most inputs are letters; 0 when nothing of it is left */
static unsigned
make_draw(maker_t *m)
{
    return (m->p < m->last) ? (*m->p++ * 167u + 13) & 0xff : 0;
}


/* mostly one of the first, usual ones */
static void
make_word(maker_t *m, const char *const *words, unsigned usual)
{
    unsigned  i, n;

    i = make_draw(m);

    for (n = 0; words[n]; n++) { /* void */ }

    make_text(m, words[i < 232 ? i % usual : i % n]);
}


static void
make_text(maker_t *m, const char *text)
{
    size_t  len;

    len = strlen(text);

    if (len <= BODY_MAX - m->len) {
        memcpy(m->text + m->len, text, len);
        m->len += len;
    }
}


#endif /* PROBLEM_BODY_H */
