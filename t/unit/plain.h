/*
 * Error bodies that are rewritten without a tree, and others that are not.
 */

#ifndef PLAIN_H
#define PLAIN_H


#define SECRET    "zq-zq"

/* entries, and bodies with one */
#define E(loc, msg, type)                                                     \
    "{\"loc\":" loc ",\"msg\":" msg ",\"type\":" type "}"
#define PLAIN     E("[\"a\"]", "\"b\"", "\"c\"")
#define ONE(e)    "{\"detail\":[" e "]}"
#define LOC(loc)  ONE(E(loc, "\"b\"", "\"c\""))
#define MSG(msg)  ONE(E("[\"a\"]", msg, "\"c\""))
#define TYPE(t)   ONE(E("[\"a\"]", "\"b\"", t))
#define X(value)  ONE(E("[\"a\"]", "\"b\"", "\"c\",\"x\":" value))

#define ITEMS16   "\"\",1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"


typedef struct {
    const char  *start;
    const char  *fill;          /* n times */
    size_t       n;
    const char  *end;
} body_t;


#define B(text)  { text, "", 0, "" }


static const body_t  plain_bodies[] = {
    B(ONE(PLAIN)),
    B(ONE(PLAIN "," PLAIN)),
    { "\t{\r\n \"detail\" : [ ", "", 0, PLAIN " , " PLAIN "\n]\r}\t\n" },
    B(LOC(" [ \"a\" , 1 , \"b\" ] ")),
    B("{\"detail\":[{\"type\":\"c\",\"msg\":\"b\",\"loc\":[1]}]}"),
    { "{\"detail\":[{\"\":0,\"msg\":\"b\",\"\xc3\xa9\":0,\"loc\":[1],",
      "", 0, "\"input\":0,\"type\":\"c\",\"input\":0}]}" },

    /* a mere text */

    B("{\"detail\":\"a\"}"),
    B(" {\"detail\" : \"\xc3\xa9\" } "),
    { "{\"detail\":\"", "a", 4096, "\"}" },

    /* what is kept */

    B(TYPE("\"\"")),
    B(MSG("\"\"")),
    B(MSG("\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80"
          "\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf/<&>\"")),
    B(MSG("\"zq-z\"")),
    B(LOC("[0,-1,123456789012345678,-12345678901234567]")),
    B(LOC("[" ITEMS16 "]")),
    { "{\"detail\":[{\"loc\":[\"", "a", 4096, "\"],\"msg\":\"\","
      "\"type\":\"\"}]}" },
    { "{\"detail\":[{\"loc\":[1],\"type\":\"\",\"msg\":\"", "a", 4096,
      "\"}]}" },
    { "{\"detail\":[{\"loc\":[1],\"msg\":\"\",\"type\":\"", "a", 4096,
      "\"}]}" },

    B(X("1,\"loc\":[2]")),
    B(X("1,\"msg\":\"\",\"type\":\"\"")),

    /* and what is not */

    B(X("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u0000\"")),
    B(X("\"\\ud83d\\ude00\"")),
    B(X("\"" SECRET "\"")),
    B(X("[ ]")),
    B(X("{ }")),
    B(X("[0,-0,1.5,-1.5,true,false,null,\"\",{\"a\":[{}]}]")),
    B(X("{\"a\":{\"a\":0,\"a\":0},\"" SECRET "\":[1]}")),
    B(X("0.1234567890123456")),
    { "{\"detail\":[{\"x\":\"", "a", 60000,
      "\",\"loc\":[1],\"msg\":\"\",\"type\":\"\"}]}" },
    { "{\"detail\":[{\"x\":[[[[[[[[[[[[[[[[", "[", 16,
      "1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]],"
      "\"loc\":[1],\"msg\":\"\",\"type\":\"\"}]}" },

    /* more than a hundred */

    { "{\"detail\":[" PLAIN, "," PLAIN, 99, "]}" },
    { "{\"detail\":[" PLAIN, "," PLAIN, 99, ",1,\"" SECRET "\"]}" },
};


static const body_t  other_bodies[] = {
    B(""),
    B(" "),
    B("{\"detail\":[]}"),
    B("{\"detail\":{}}"),
    B("{\"detail\":1}"),
    B("{\"detail\":null}"),
    B("{\"detail\":"),
    B("{\"detail\":\"a\"},"),
    B("{\"detail\":\"a\",\"loc\":[1]}"),
    B("{\"detail\":\"a\""),
    B("{\"detail\":\"a"),
    B("{\"detail\":\"\\n\"}"),
    B("{\"detail\":\"" SECRET "\"}"),
    { "{\"detail\":\"", "a", 4097, "\"}" },
    B("[" PLAIN "]"),
    B(ONE("{}")),
    B(ONE("[" PLAIN "]")),
    B(ONE(PLAIN ",1")),
    B("{\"detail\":[" PLAIN "],\"a\":1}"),
    B("{\"a\":1,\"detail\":[" PLAIN "]}"),
    B("{\"details\":[" PLAIN "]}"),
    B("{\"det\\u0061il\":[" PLAIN "]}"),

    /* no member, or another kind */

    B(ONE("{\"msg\":\"b\",\"type\":\"c\"}")),
    B(ONE("{\"loc\":[1],\"type\":\"c\"}")),
    B(ONE("{\"loc\":[1],\"msg\":\"b\"}")),
    B(LOC("[]")),
    B(LOC("1")),
    B(LOC("\"a\"")),
    B(LOC("{\"a\":1}")),
    B(MSG("1")),
    B(TYPE("null")),
    B(X("1,\"msg\":1")),
    B(X("1,\"t\\u0079pe\":\"d\"")),

    /* what a loc rarely has */

    B(LOC("[-0]")),
    B(LOC("[1.0]")),
    B(LOC("[1e1]")),
    B(LOC("[1E1]")),
    B(LOC("[true]")),
    B(LOC("[[]]")),
    B(LOC("[1234567890123456789]")),
    B(LOC("[" ITEMS16 ",16]")),

    /* texts that change */

    B(MSG("\"\\n\"")),
    B(MSG("\"\\/\"")),
    B(TYPE("\"\\u0000\"")),
    B(LOC("[\"\\u00e9\"]")),
    { "{\"detail\":[{\"loc\":[\"", "a", 4097, "\"],\"msg\":\"\","
      "\"type\":\"\"}]}" },
    { "{\"detail\":[{\"loc\":[1],\"type\":\"\",\"msg\":\"", "a", 4097,
      "\"}]}" },
    { "{\"detail\":[{\"loc\":[1],\"msg\":\"\",\"type\":\"", "a", 4097,
      "\"}]}" },
    B(MSG("\"" SECRET "\"")),
    B(TYPE("\"a" SECRET "b\"")),
    B(LOC("[1,\"" SECRET "\"]")),
    B(MSG("\"zq\\u002dzq\"")),

    /* no JSON, or none that can be represented */

    B(MSG("\"\xff\"")),
    B(MSG("\"\xc0\x80\"")),
    B(MSG("\"\xed\xa0\x80\"")),
    B(MSG("\"\xf4\x90\x80\x80\"")),
    B(MSG("\"\x1f\"")),
    B(X("\"\n\"")),
    B(X("\"\\x\"")),
    B(X("\"\\ud83d\"")),
    B(X("\"\\ude00\\ud83d\"")),
    B(X("{\"\\u0000\":1}")),
    B(X("{\"a\"}")),
    B(X("{1:1}")),
    B(X("{\"a\":1,}")),
    B(X("[1,]")),
    B(X("[1}")),
    B(X("{\"a\":1]")),
    B(X("01")),
    B(X("+1")),
    B(X("1.")),
    B(X("1a")),
    B(X("tru")),
    B(X("nulll")),
    B(X("1e999")),
    B(X("-1E999")),
    B(X("99999999999999999999")),
    B(X("")),
    B(X("\v1")),
    B(ONE(PLAIN ",")),
    B("{\"detail\":[" PLAIN "]"),
    B("{\"detail\":[" PLAIN),
    B("{\"detail\":[" PLAIN "}}"),
    B(ONE(PLAIN) ","),
    B(ONE(PLAIN) "}"),
    B("\xef\xbb\xbf" ONE(PLAIN)),
    { "{\"detail\":[" PLAIN, "," PLAIN, 99, ",1e999]}" },
    { "{\"detail\":[" PLAIN, "," PLAIN, 99, ",]}" },

    /* too deep for us, or for both */

    { "{\"detail\":[{\"loc\":[1],\"msg\":\"\",\"type\":\"\",\"x\":", "[",
      33, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}]}" },
    { "{\"detail\":[{\"x\":", "[", 3000, "" },
};


#endif /* PLAIN_H */
