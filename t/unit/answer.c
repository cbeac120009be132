/*
 * Every input is read whole, byte by byte and in two pieces cut everywhere,
 * each piece against a guard page; all must give the same.
 */

#include "canopy_answer.h"
#include "tap.h"

#include <ctype.h>


#define INPUT_MAX  (2 * CANOPY_ANSWER_HEAD_MAX + 4096)

#define A11     "HTTP/1.1 "
#define OK      A11 "200 OK\r\n"
#define CL0     "Content-Length: 0\r\n\r\n"
#define CHUNKS  OK "Transfer-Encoding: chunked\r\n\r\n"
#define CHUNKED "head 200 chunked 0 keep, "
#define X16     "0123456789abcdef"
#define X128    X16 X16 X16 X16 X16 X16 X16 X16

#define in(text)  sizeof(text) - 1, text


typedef struct {
    const char          *name;
    size_t               len;
    const char          *input;
    const char          *expected;      /* result_t.text; NULL: the table's */
    const char          *body;          /* NULL: none */
} case_t;


typedef struct {
    canopy_answer_rc_e   rc;            /* the last one */
    canopy_answer_rc_e   eof;
    unsigned             heads;
    unsigned             faults;        /* promises of the header broken */
    size_t               left;
    size_t               len;
    uint8_t              body[INPUT_MAX];
    char                 text[2048];    /* all but the body's bytes */
    canopy_answer_t      a;             /* at the end for ASan's sake */
} result_t;


static void bytes(void);
static void limits(void);
static void long_head(const char *start, size_t total, const char *expected);
static void long_chunk(const char *start, char fill, size_t n,
    const char *end, const char *body, int good);
static void eofs(void);
static void calls(void);
static void wiped(void);
static void mutations(void);
static size_t mutate(uint8_t *data, size_t len);
static uint32_t xorshift(uint32_t n);
static void table(const case_t *cases, size_t n, const char *expected);
static void check(const case_t *c);
static int splits(const uint8_t *data, size_t len);
static int same(void);
static void start(result_t *r);
static void feed(result_t *r, const uint8_t *data, size_t len);
static void finish(result_t *r);
static canopy_answer_rc_e eof(const result_t *r);


static const char *const  rcs[] = {
    "again", "head", "body", "done", "bad head", "bad body"
};

static const char *const  framings[] = {
    "none", "length", "chunked", "close", "unknown"
};


static const case_t  good_cases[] = {

    { "uvicorn's 204", in(A11 "204 No Content\r\n"
      "date: Tue, 01 Sep 2026 10:11:12 GMT\r\nserver: uvicorn\r\n"
      "x-request-id: 7f0c1f3e-8f5b-4b8e-9f0a-1c2d3e4f5a6b\r\n\r\n"),
      "head 204 none 0 keep id=7f0c1f3e-8f5b-4b8e-9f0a-1c2d3e4f5a6b, "
      "done, left 0", NULL },

    { "uvicorn's 422", in(A11 "422 Unprocessable Entity\r\n"
      "date: Tue, 01 Sep 2026 10:11:12 GMT\r\nserver: uvicorn\r\n"
      "content-length: 13\r\ncontent-type: application/json\r\n\r\n"
      "{\"detail\":[]}"),
      "head 422 length 13 keep type=application/json, done, left 0",
      "{\"detail\":[]}" },

    { "LF alone", in("HTTP/1.1 200 OK\nContent-Length: 2\n\nhi"),
      "head 200 length 2 keep, done, left 0", "hi" },

    { "no reason", in(A11 "204\r\n\r\n"),
      "head 204 none 0 keep, done, left 0", NULL },

    { "empty reason", in(A11 "204 \n\n"),
      "head 204 none 0 keep, done, left 0", NULL },

    { "any bytes in the reason", in(A11 "204 \t\x80\xff\x01:\r\n\r\n"),
      "head 204 none 0 keep, done, left 0", NULL },

    { "status 599", in(A11 "599 X\r\n" CL0),
      "head 599 none 0 keep, done, left 0", NULL },

    { "status 600", in(A11 "600 X\r\n" CL0),
      "head 600 unknown 0, bad body", NULL },

    { "status 999", in(A11 "999 X\r\n" CL0 "body"),
      "head 999 unknown 0, bad body", NULL },

    { "101", in(A11 "101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"),
      "head 101 unknown 0, bad body", NULL },

    { "100, then 101", in(A11 "100 X\r\n\r\n" A11 "101 X\r\n\r\n"),
      "head 101 unknown 0, bad body", NULL },

    { "HTTP/1.9", in("HTTP/1.9 200 OK\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "HTTP/1.0", in("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" CL0),
      "head 200 none 0, done, left 0", NULL },

    { "100 first", in(A11 "100 Continue\r\n\r\n" A11 "204 X\r\n\r\n"),
      "head 204 none 0 keep, done, left 0", NULL },

    { "100, 103, 102, 199 first", in(A11 "100\n\n" A11 "103 Early Hints\r\n"
      "Link: </style.css>\r\n\r\n" A11 "102 X\r\n\r\n" A11 "199 X\r\n\r\n"
      OK CL0), "head 200 none 0 keep, done, left 0", NULL },

    { "HTTP/1.0 after 100", in(A11 "100 X\r\n\r\nHTTP/1.0 200 OK\r\n" CL0),
      "head 200 none 0, done, left 0", NULL },

    { "nothing leaks from 1xx", in("HTTP/1.0 103 X\r\nContent-Length: x\r\n"
      "Transfer-Encoding: gzip\r\nConnection: close\r\nContent-Type: a/b\r\n"
      "Content-Encoding: br\r\nX-Request-ID: a\r\nRetry-After: 1\r\n\r\n"
      OK CL0), "head 200 none 0 keep, done, left 0", NULL },

    { "a 1xx value is not the final one's", in(A11 "103 X\r\nX-Request-ID: a"
      "\r\n\r\n" OK "X-Request-ID: b\r\n" CL0),
      "head 200 none 0 keep id=b, done, left 0", NULL },

    { "nothing", in(""), "again, left 0", NULL },
    { "cut in the status line", in("HTTP/1.1 20"), "again, left 0", NULL },
    { "cut after a 1xx", in(A11 "100 X\r\n\r\n"), "again, left 0", NULL },
    { "cut before the last LF", in(OK "A: b\r\n\r"), "again, left 0", NULL },
};


static const case_t  framing_cases[] = {

    { "until the end", in(OK "\r\nabc"),
      "head 200 close 0, again, left 0", "abc" },

    { "length 0", in(OK CL0), "head 200 none 0 keep, done, left 0", NULL },

    { "bytes after a length", in(OK "Content-Length: 3\r\n\r\nabcHTTP"),
      "head 200 length 3 keep, done, left 4", "abc" },

    { "bytes after a 204", in(A11 "204 X\r\n\r\nabc"),
      "head 204 none 0 keep, done, left 3", NULL },

    { "length not reached", in(OK "Content-Length: 5\r\n\r\nabcd"),
      "head 200 length 5 keep, again, left 0", "abcd" },

    { "5 and 05", in(OK "Content-Length: 5\r\nContent-Length: 05\r\n\r\n"
      "hello"), "head 200 length 5 keep, done, left 0", "hello" },

    { "two times 0", in(OK "Content-Length: 0\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "2^63-1", in(OK "Content-Length: 9223372036854775807\r\n\r\nx"),
      "head 200 length 9223372036854775807 keep, again, left 0", "x" },

    { "length of 128 digits", in(OK "Content-Length: \t"
      "00000000000000000000000000000000" "00000000000000000000000000000000"
      "00000000000000000000000000000000" "00000000000000000000000000000002"
      " \t\r\n\r\nhi"), "head 200 length 2 keep, done, left 0", "hi" },

    { "204 with a length", in(A11 "204 X\r\nContent-Length: 3\r\n\r\nabc"),
      "head 204 none 0, done, left 3", NULL },

    { "204 with length 0", in(A11 "204 X\r\n" CL0),
      "head 204 none 0 keep, done, left 0", NULL },

    { "304 with a length", in(A11 "304 X\r\nContent-Length: 3\r\n\r\n"),
      "head 304 none 0, done, left 0", NULL },

    { "204 chunked", in(A11 "204 X\r\nTransfer-Encoding: chunked\r\n\r\n0"),
      "head 204 none 0, done, left 1", NULL },

    { "304 gzip", in(A11 "304 X\r\nTransfer-Encoding: gzip\r\n\r\n"),
      "head 304 none 0, done, left 0", NULL },

    { "gzip", in(OK "Transfer-Encoding: gzip\r\n\r\nabc"),
      "head 200 unknown 0, bad body", NULL },

    { "gzip, chunked", in(OK "Transfer-Encoding: gzip, chunked\r\n\r\n0"),
      "head 200 unknown 0, bad body", NULL },

    { "chunked twice", in(OK "Transfer-Encoding: chunked\r\n"
      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      "head 200 unknown 0, bad body", NULL },

    { "chunked three times", in(OK "Transfer-Encoding: chunked\r\n"
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
      "head 200 unknown 0, bad body", NULL },

    { "gzip, then chunked", in(OK "Transfer-Encoding: gzip\r\n"
      "Transfer-Encoding: chunked\r\n\r\n"),
      "head 200 unknown 0, bad body", NULL },

    { "chunked with a comma", in(OK "Transfer-Encoding: chunked,\r\n\r\n"),
      "head 200 unknown 0, bad body", NULL },

    { "an empty coding", in(OK "Transfer-Encoding:\r\n\r\n"),
      "head 200 unknown 0, bad body", NULL },

    { "an overlong coding", in(OK "Transfer-Encoding: " X128 "x\r\n\r\n"),
      "head 200 unknown 0, bad body", NULL },

    { "chunked in HTTP/1.0", in("HTTP/1.0 200 OK\r\n"
      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      "head 200 unknown 0, bad body", NULL },
};


static const case_t  field_cases[] = {

    { "all of them", in(OK "CONTENT-TYPE: \t text/plain; x=\"\t\" \t\r\n"
      "retry-after:120\r\ncontent-encoding: gzip\r\n" CL0),
      "head 200 none 0 keep encoded type=text/plain; x=\"\t\" retry=120, "
      "done, left 0", NULL },

    { "the first of two counts", in(OK "Content-Type: a/b\r\n"
      "Content-Type: c/d\r\nRetry-After: 1\r\nRetry-After: 2\r\n"
      "X-Request-ID: a\r\nX-Request-ID: b\r\n" CL0),
      "head 200 none 0 keep type=a/b retry=1 id=a, done, left 0", NULL },

    { "the first counts if it is empty", in(OK "Content-Type: \r\n"
      "Content-Type: a/b\r\nX-Request-ID:\r\nX-Request-ID: b\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "the order of ids", in(OK "CF-Ray: 4\r\nApigw-Requestid: 3=\r\n"
      "X-Amzn-RequestId: 2\r\nX-Request-ID: 1\r\n" CL0),
      "head 200 none 0 keep id=1, done, left 0", NULL },

    { "the order of ids, turned", in(OK "X-Request-ID: 1\r\n"
      "X-Amzn-RequestId: 2\r\nApigw-Requestid: 3\r\nCF-Ray: 4\r\n" CL0),
      "head 200 none 0 keep id=1, done, left 0", NULL },

    { "amzn before apigw", in(OK "Apigw-Requestid: 3=\r\n"
      "X-Amzn-RequestId: 2\r\n" CL0),
      "head 200 none 0 keep id=2, done, left 0", NULL },

    { "apigw before cf-ray", in(OK "CF-Ray: 4\r\nApigw-Requestid: 3=\r\n"
      CL0), "head 200 none 0 keep id=3=, done, left 0", NULL },

    { "cf-ray", in(OK "CF-Ray: 4-FRA\r\n" CL0),
      "head 200 none 0 keep id=4-FRA, done, left 0", NULL },

    { "an id that is not kept yields", in(OK "X-Request-ID: a b\r\n"
      "CF-Ray: 4\r\n" CL0),
      "head 200 none 0 keep id=4, done, left 0", NULL },

    { "an id's characters", in(OK "X-Request-ID: azAZ09._:/=+-\r\n" CL0),
      "head 200 none 0 keep id=azAZ09._:/=+-, done, left 0", NULL },

    { "an id with \"", in(OK "X-Request-ID: a\"\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "an id with !", in(OK "X-Request-ID: !a\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "an id with a high byte", in(OK "X-Request-ID: a\xc3\xa4\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "an id of 128 bytes", in(OK "X-Request-ID: " X128 "  \t\r\n" CL0),
      "head 200 none 0 keep id=" X128 ", done, left 0", NULL },

    { "an id of 129 bytes", in(OK "X-Request-ID: " X128 "0\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "an id of 256 bytes", in(OK "X-Request-ID: " X128 X128 "\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "a type of 128 bytes", in(OK "Content-Type: " X128 "\r\n" CL0),
      "head 200 none 0 keep type=" X128 ", done, left 0", NULL },

    { "a type of 129 bytes", in(OK "Content-Type: " X128 "0\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "Retry-After of 128 bytes", in(OK "Retry-After: " X128 "\r\n" CL0),
      "head 200 none 0 keep retry=" X128 ", done, left 0", NULL },

    { "Retry-After of 129 bytes", in(OK "Retry-After: " X128 " 0\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "a type with a control", in(OK "Content-Type: a\x01\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "a type with DEL", in(OK "Content-Type: a\x7f\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "Retry-After with a high byte", in(OK "Retry-After: 1\xff\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "Retry-After with a tab", in(OK "Retry-After: 1\t2\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "Retry-After, a date", in(OK "Retry-After: Tue, 01 Sep 2026 10:11:12 "
      "GMT\r\n" CL0), "head 200 none 0 keep "
      "retry=Tue, 01 Sep 2026 10:11:12 GMT, done, left 0", NULL },

    { "close", in(OK "Connection: Close\r\n" CL0),
      "head 200 none 0, done, left 0", NULL },

    { "close in a list", in(OK "Connection: , x ,\tcLOSE\t, y\r\n" CL0),
      "head 200 none 0, done, left 0", NULL },

    { "close in the second field", in(OK "Connection: keep-alive\r\n"
      "Connection: x,close\r\n" CL0), "head 200 none 0, done, left 0", NULL },

    { "close, then keep-alive", in(OK "Connection: close\r\n"
      "Connection: keep-alive\r\n" CL0),
      "head 200 none 0, done, left 0", NULL },

    { "no close", in(OK "Connection: closed, xclose, clos, c lose\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "Connection empty", in(OK "Connection: \r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "Connection of 128 bytes", in(OK "Connection: " X128 "\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "Connection of 129 bytes", in(OK "Connection: " X128 "0\r\n" CL0),
      "head 200 none 0, done, left 0", NULL },

    { "identity", in(OK "Content-Encoding: Identity\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "an empty encoding", in(OK "Content-Encoding:\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "gzip, then identity", in(OK "Content-Encoding: gzip\r\n"
      "Content-Encoding: identity\r\n" CL0),
      "head 200 none 0 keep encoded, done, left 0", NULL },

    { "an overlong encoding", in(OK "Content-Encoding: " X128 "x\r\n" CL0),
      "head 200 none 0 keep encoded, done, left 0", NULL },

    { "names nearly known", in(OK "Content-Lengt: 1\r\nContent-Length1: 1\r\n"
      "Transfer-Encodings: x\r\nXonnection: close\r\n" CL0),
      "head 200 none 0 keep, done, left 0", NULL },

    { "a long name, all of a token", in(OK "!#$%&'*+-.^_`|~09azAZ" X128
      ": x\r\n" CL0), "head 200 none 0 keep, done, left 0", NULL },

    { "any bytes in a value", in(OK "A: \x01\x0b\x0c\x0e\x7f\x80\xff:\r\n"
      CL0), "head 200 none 0 keep, done, left 0", NULL },
};


static const case_t  chunk_cases[] = {

    { "chunks of one byte", in(CHUNKS "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n"
      "0\r\n\r\n"), CHUNKED "done, left 0", "abc" },

    { "no chunk", in(CHUNKS "0\r\n\r\n"), CHUNKED "done, left 0", NULL },

    { "CHUNKED", in(OK "TRANSFER-ENCODING: \tChUnKeD \r\n\r\n0\r\n\r\n"),
      CHUNKED "done, left 0", NULL },

    { "LF alone in chunks", in(CHUNKS "3\nabc\n2;x\nde\n0\nA: b\n\n"),
      CHUNKED "done, left 0", "abcde" },

    { "hexadecimal sizes", in(CHUNKS "a\r\n0123456789\r\n0B\r\n0123456789a\r\n"
      "0010\r\n" X16 "\r\n000\r\n\r\n"),
      CHUNKED "done, left 0", "01234567890123456789a" X16 },

    { "line ends as data", in(CHUNKS "4\r\n\r\n\r\n\r\n0\r\n\r\n"),
      CHUNKED "done, left 0", "\r\n\r\n" },

    { "extensions", in(CHUNKS "3;a=b;c=\"d;\xff\"\r\nabc\r\n0 \t;x\r\n\r\n"),
      CHUNKED "done, left 0", "abc" },

    { "space after a size", in(CHUNKS "3  \r\nabc\r\n0\t\r\n\r\n"),
      CHUNKED "done, left 0", "abc" },

    { "trailers", in(CHUNKS "0\r\nX-Request-ID: a\r\nContent-Length: x\r\n"
      "Transfer-Encoding: x\r\nConnection: close\r\nA:\r\n\r\n"),
      CHUNKED "done, left 0", NULL },

    { "a trailer after a known field", in(OK "Transfer-Encoding: chunked\r\n"
      "Connection: x\r\n\r\n0\r\nA: close\r\n\r\n"),
      CHUNKED "done, left 0", NULL },

    { "bytes after the last chunk", in(CHUNKS "0\r\n\r\nHTTP"),
      CHUNKED "done, left 4", NULL },

    { "close and chunked", in(OK "Connection: close\r\n"
      "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
      "head 200 chunked 0, done, left 0", "a" },

    { "2^63-1 in a chunk", in(CHUNKS "7fffFFFFffffFFFF\r\nab"),
      CHUNKED "again, left 0", "ab" },

    { "cut in a size", in(CHUNKS "1"), CHUNKED "again, left 0", NULL },
    { "cut after data", in(CHUNKS "1\r\na"), CHUNKED "again, left 0", "a" },
    { "cut in trailers", in(CHUNKS "0\r\n\r"), CHUNKED "again, left 0", NULL },
};


/* all of these are "bad head" */
static const case_t  bad_head_cases[] = {
    { "an empty line first", in("\r\n" OK CL0), NULL, NULL },
    { "a space first", in(" " OK CL0), NULL, NULL },
    { "garbage", in("\x16\x03\x01\x02"), NULL, NULL },
    { "a body only", in("{\"detail\":[]}"), NULL, NULL },
    { "http/1.1", in("http/1.1 200 OK\r\n" CL0), NULL, NULL },
    { "HTTP/2.0", in("HTTP/2.0 200 OK\r\n" CL0), NULL, NULL },
    { "HTTP/0.9", in("HTTP/0.9 200 OK\r\n" CL0), NULL, NULL },
    { "HTTP/11.1", in("HTTP/11.1 200 OK\r\n" CL0), NULL, NULL },
    { "HTTP/1.10", in("HTTP/1.10 200 OK\r\n" CL0), NULL, NULL },
    { "HTTP/1.x", in("HTTP/1.x 200 OK\r\n" CL0), NULL, NULL },
    { "HTTP/1", in("HTTP/1 200 OK\r\n" CL0), NULL, NULL },
    { "two spaces", in("HTTP/1.1  200 OK\r\n" CL0), NULL, NULL },
    { "a tab before the status", in("HTTP/1.1\t200 OK\r\n"), NULL, NULL },
    { "a tab after the status", in(A11 "200\tOK\r\n" CL0), NULL, NULL },
    { "status 099", in(A11 "099 X\r\n" CL0), NULL, NULL },
    { "status 000", in(A11 "000 X\r\n" CL0), NULL, NULL },
    { "status 20", in(A11 "20 X\r\n" CL0), NULL, NULL },
    { "status 2000", in(A11 "2000 X\r\n" CL0), NULL, NULL },
    { "status 2x0", in(A11 "2x0 X\r\n" CL0), NULL, NULL },
    { "status +20", in(A11 "+20 X\r\n" CL0), NULL, NULL },
    { "no status", in(A11 "\r\n" CL0), NULL, NULL },
    { "an empty line after 100", in(A11 "100 X\r\n\r\n\r\n"), NULL, NULL },
    { "NUL in the reason", in(A11 "200 O\0K\r\n" CL0), NULL, NULL },
    { "CR in the reason", in(A11 "200 O\rK\r\n" CL0), NULL, NULL },
    { "CR CR LF", in(A11 "200 OK\r\r\n" CL0), NULL, NULL },
    { "no colon", in(OK "Server\r\n" CL0), NULL, NULL },
    { "an empty name", in(OK ": x\r\n" CL0), NULL, NULL },
    { "space before the colon", in(OK "A : x\r\n" CL0), NULL, NULL },
    { "space in a name", in(OK "A B: x\r\n" CL0), NULL, NULL },
    { "a name in brackets", in(OK "[A]: x\r\n" CL0), NULL, NULL },
    { "a high byte in a name", in(OK "\xc3\xa4: x\r\n" CL0), NULL, NULL },
    { "NUL in a name", in(OK "A\0: x\r\n" CL0), NULL, NULL },
    { "DEL in a name", in(OK "A\x7f: x\r\n" CL0), NULL, NULL },
    { "a long name, then a space", in(OK X128 " : x\r\n" CL0), NULL, NULL },
    { "folded", in(OK "A: x\r\n y\r\n" CL0), NULL, NULL },
    { "folded by a tab", in(OK "A: x\n\ty\r\n" CL0), NULL, NULL },
    { "space before the first field", in(OK " A: x\r\n" CL0), NULL, NULL },
    { "NUL in a value", in(OK "A: x\0y\r\n" CL0), NULL, NULL },
    { "NUL in a known value", in(OK "CF-Ray: x\0y\r\n" CL0), NULL, NULL },
    { "NUL as a value", in(OK "A:\0\r\n" CL0), NULL, NULL },
    { "CR in a value", in(OK "A: x\ry\r\n" CL0), NULL, NULL },
    { "CR CR LF after a value", in(OK "A: x\r\r\n" CL0), NULL, NULL },
    { "CR in the last line", in(OK "\rA: x\r\n" CL0), NULL, NULL },
    { "a malformed line in 100", in(A11 "100 X\r\nA\r\n\r\n"), NULL, NULL },
    { "NUL in 100", in(A11 "100 X\r\nA: \0\r\n\r\n"), NULL, NULL },
    { "an empty length", in(OK "Content-Length:\r\n\r\n"), NULL, NULL },
    { "a blank length", in(OK "Content-Length: \t \r\n\r\n"), NULL, NULL },
    { "length +5", in(OK "Content-Length: +5\r\n\r\n"), NULL, NULL },
    { "length -5", in(OK "Content-Length: -5\r\n\r\n"), NULL, NULL },
    { "length 5 5", in(OK "Content-Length: 5 5\r\n\r\n"), NULL, NULL },
    { "length 5,5", in(OK "Content-Length: 5,5\r\n\r\n"), NULL, NULL },
    { "length 5,", in(OK "Content-Length: 5,\r\n\r\n"), NULL, NULL },
    { "length 0x5", in(OK "Content-Length: 0x5\r\n\r\n"), NULL, NULL },
    { "length a", in(OK "Content-Length: a\r\n\r\n"), NULL, NULL },
    { "length 5.0", in(OK "Content-Length: 5.0\r\n\r\n"), NULL, NULL },
    { "length 2^63", in(OK "Content-Length: 9223372036854775808\r\n\r\n"),
      NULL, NULL },
    { "length 2^64", in(OK "Content-Length: 18446744073709551616\r\n\r\n"),
      NULL, NULL },
    { "length 10^29", in(OK "Content-Length: 100000000000000000000000000000"
      "\r\n\r\n"), NULL, NULL },
    { "length of 129 digits", in(OK "Content-Length: 0"
      "00000000000000000000000000000000" "00000000000000000000000000000000"
      "00000000000000000000000000000000" "00000000000000000000000000000002"
      "\r\n\r\nhi"), NULL, NULL },
    { "5 and 6", in(OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
      NULL, NULL },
    { "0 and 1", in(OK "Content-Length: 0\r\nContent-Length: 1\r\n\r\n"),
      NULL, NULL },
    { "5 and empty", in(OK "Content-Length: 5\r\nContent-Length:\r\n\r\n"),
      NULL, NULL },
    { "a bad length with 204", in(A11 "204 X\r\nContent-Length: x\r\n\r\n"),
      NULL, NULL },
    { "length and chunked", in(OK "Content-Length: 5\r\n"
      "Transfer-Encoding: chunked\r\n\r\n"), NULL, NULL },
    { "chunked and length", in(OK "Transfer-Encoding: chunked\r\n" CL0),
      NULL, NULL },
    { "gzip and length", in(OK "Transfer-Encoding: gzip\r\n" CL0),
      NULL, NULL },
    { "chunked and length with 204", in(A11 "204 X\r\n"
      "Transfer-Encoding: chunked\r\n" CL0), NULL, NULL },
    { "chunked and length, HTTP/1.0", in("HTTP/1.0 200 X\r\n"
      "Transfer-Encoding: chunked\r\n" CL0), NULL, NULL },
};


/* all of these are "bad body" */
static const case_t  bad_body_cases[] = {
    { "no size", in(CHUNKS "\r\n"), NULL, NULL },
    { "an extension only", in(CHUNKS ";a\r\n"), NULL, NULL },
    { "space before a size", in(CHUNKS " 1\r\na\r\n"), NULL, NULL },
    { "size g", in(CHUNKS "g\r\n"), NULL, NULL },
    { "size -1", in(CHUNKS "-1\r\n"), NULL, NULL },
    { "size 0x1", in(CHUNKS "0x1\r\na\r\n"), NULL, NULL },
    { "size 1,1", in(CHUNKS "1,1\r\na\r\n"), NULL, NULL },
    { "size 2^63", in(CHUNKS "8000000000000000\r\n"), NULL, NULL },
    { "size 2^64", in(CHUNKS "10000000000000000\r\n"), NULL, NULL },
    { "size 2^64+1", in(CHUNKS "10000000000000001\r\n"), NULL, NULL },
    { "NUL after a size", in(CHUNKS "1\0\r\na\r\n"), NULL, NULL },
    { "CR after a size", in(CHUNKS "1\ra\r\n"), NULL, NULL },
    { "CR CR LF after a size", in(CHUNKS "1\r\r\na\r\n"), NULL, NULL },
    { "NUL in an extension", in(CHUNKS "1;\0\r\na\r\n"), NULL, NULL },
    { "CR in an extension", in(CHUNKS "1;a\rb\r\na\r\n"), NULL, NULL },
    { "folded trailers", in(CHUNKS "0\r\nA: b\r\n c\r\n\r\n"), NULL, NULL },
    { "NUL in a trailer", in(CHUNKS "0\r\nA: \0\r\n\r\n"), NULL, NULL },
    { "CR in a trailer", in(CHUNKS "0\r\nA: \rb\r\n\r\n"), NULL, NULL },
    { "a trailer without a colon", in(CHUNKS "0\r\nA\r\n\r\n"), NULL, NULL },
    { "a chunk after the last", in(CHUNKS "0\r\n1\r\na\r\n"), NULL, NULL },
    { "CR in the end", in(CHUNKS "0\r\n\ra"), NULL, NULL },
    { "data without an end", in(CHUNKS "2\r\nab1\r\nc\r\n"), NULL, "ab" },
    { "more data than said", in(CHUNKS "2\r\nabc\r\n"), NULL, "ab" },
    { "CR after data", in(CHUNKS "2\r\nab\r1\r\n"), NULL, "ab" },
    { "an empty line after data", in(CHUNKS "2\r\nab\r\n\r\n"), NULL, "ab" },
    { "no size after data", in(CHUNKS "2\r\nab\r\n;a\r\n"), NULL, "ab" },
};


static result_t   whole, pieces;
static uint8_t   *guard;
static uint32_t   seed = 2463534242u;


int
main(void)
{
    static uint8_t  nothing[INPUT_MAX];

    guard = (uint8_t *) tap_guard(nothing, INPUT_MAX) + INPUT_MAX;

#define cases(list, expected)                                                 \
    table(list, sizeof(list) / sizeof(list[0]), expected)

    cases(good_cases, NULL);
    cases(framing_cases, NULL);
    cases(field_cases, NULL);
    cases(chunk_cases, NULL);
    cases(bad_head_cases, "bad head");
    cases(bad_body_cases, CHUNKED "bad body");

    bytes();
    limits();
    eofs();
    calls();
    wiped();
    mutations();

    return tap_done();
}


/* every byte in every place where only some may stand */
static void
bytes(void)
{
#define TOKENS  "0123456789!#$%&'*+-.^_`|~"                                   \
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define IDS     "0123456789._:/=+-"                                           \
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

    int     ch, good, text, print, id, name;
    char    input[256];
    size_t  n;

    good = 1;

    for (ch = 0; ch < 256; ch++) {
        text = ch != '\0' && ch != '\r' && ch != '\n';
        print = ch >= ' ' && ch <= '~';
        id = ch != '\0' && strchr(IDS, ch) != NULL;
        name = ch != '\0' && strchr(TOKENS, ch) != NULL;

        n = (size_t) sprintf(input, A11 "200 a%cb\r\n" CL0, ch);
        start(&whole);
        feed(&whole, (uint8_t *) input, n);
        good &= (whole.rc == CANOPY_ANSWER_DONE) == text;

        n = (size_t) sprintf(input, OK "a%cb: c\r\n" CL0, ch);
        start(&whole);
        feed(&whole, (uint8_t *) input, n);
        good &= (whole.rc == CANOPY_ANSWER_DONE) == (name || ch == ':');

        n = (size_t) sprintf(input, OK "Content-Type: a%cb\r\n"
                             "Retry-After: a%cb\r\nX-Request-ID: a%cb\r\n"
                             CL0, ch, ch, ch);
        start(&whole);
        feed(&whole, (uint8_t *) input, n);
        good &= (whole.rc == CANOPY_ANSWER_DONE) == text;

        if (whole.rc == CANOPY_ANSWER_DONE) {
            good &= (whole.a.content_type.len == 3) == (print || ch == '\t');
            good &= (whole.a.retry_after.len == 3) == print;
            good &= (whole.a.request_id.len == 3) == id;
        }

        n = (size_t) sprintf(input, CHUNKS "%c", ch);
        start(&whole);
        feed(&whole, (uint8_t *) input, n);
        good &= (whole.rc == CANOPY_ANSWER_AGAIN) == (isxdigit(ch) != 0);

        if (!good) {
            break;
        }
    }

    ok(good, "every byte in every place (up to %d)", ch);
}


static void
limits(void)
{
#define MAX    CANOPY_ANSWER_HEAD_MAX
#define LIMIT  OK "Content-Length: 1\r\nA: "
#define EARLY  A11 "100 X\r\n\r\n"

    long_head(LIMIT, MAX - 1, "head 200 length 1 keep, done, left 2");
    long_head(LIMIT, MAX, "head 200 length 1 keep, done, left 2");
    long_head(LIMIT, MAX + 1, "bad head");
    long_head(EARLY LIMIT, MAX, "head 200 length 1 keep, done, left 2");
    long_head(EARLY LIMIT, MAX + 1, "bad head");
    long_head(A11 "204 ", MAX, "head 204 none 0 keep, done, left 3");
    long_head(A11 "204 ", MAX + 1, "bad head");
    long_head(A11 "100 ", MAX - 1, "bad head");
    long_head(A11 "100 ", MAX, "bad head");
    long_head(OK, MAX, "bad head");
    long_head(OK "A:", 2 * MAX, "bad head");

    /* ";" counts, as do the ends of the trailers' lines */
    long_chunk("1;", 'x', MAX - 1, "\r\na\r\n0\r\n", "a", 0);
    long_chunk("1;", 'x', MAX, "\r\na\r\n", NULL, -1);
    long_chunk("1;", 'x', MAX - 2, "\r\na\r\n1;\r\nb\r\n0\r\n", "ab", 0);
    long_chunk("1;", 'x', MAX - 2, "\r\na\r\n1;x\r\nb\r\n", "a", -1);
    long_chunk("1;", 'x', MAX - 3, "\r\na\r\n0\r\n\r\n", "a", 1);
    long_chunk("1;", 'x', MAX - 2, "\r\na\r\n0\r\n\r\n", "a", -1);
    long_chunk("0\r\nA:", 'x', MAX - 6, "\r\n\r\n", NULL, 1);
    long_chunk("0\r\nA:", 'x', MAX - 5, "\r\n\r\n", NULL, -1);
    long_chunk("1", ' ', MAX, "\r\na\r\n", "a", 0);
    long_chunk("1", ' ', MAX + 1, "\r\na\r\n", NULL, -1);
    long_chunk("", '0', 2 * MAX, "1\r\na\r\n0\r\n\r\n", "a", 1);
}


/* a head of total bytes, and three bytes */
static void
long_head(const char *start, size_t total, const char *expected)
{
    case_t        c;
    char          name[80];
    static char   input[INPUT_MAX];

    memset(input, 'x', total);
    memcpy(input, start, strlen(start));
    memcpy(input + total - 4, "\r\n\r\nabc", 7);

    snprintf(name, sizeof(name), "a head of HEAD_MAX%+d, %s",
             (int) total - MAX, expected);

    c.name = name;
    c.len = total + 3;
    c.input = input;
    c.expected = expected;
    c.body = strstr(expected, "length 1") ? "a" : NULL;

    check(&c);
}


/* chunks with n bytes of fill; good: 1 done, 0 more is needed, -1 bad */
static void
long_chunk(const char *start, char fill, size_t n, const char *end,
    const char *body, int good)
{
    case_t       c;
    char         name[80];
    static char  input[INPUT_MAX];

    c.len = (size_t) sprintf(input, CHUNKS "%s", start);
    memset(input + c.len, fill, n);
    c.len += n;
    c.len += (size_t) sprintf(input + c.len, "%s", end);

    snprintf(name, sizeof(name), "'%.1s', HEAD_MAX%+d of '%c', %zu bytes: %d",
             start, (int) n - MAX, fill, strlen(end), good);

    c.name = name;
    c.input = input;
    c.expected = good > 0 ? CHUNKED "done, left 0"
                 : good == 0 ? CHUNKED "again, left 0" : CHUNKED "bad body";
    c.body = body;

    check(&c);
}


/* the end of the connection after every byte */
static void
eofs(void)
{
    int                 good;
    size_t              i, n, head, total;
    char                input[256];
    canopy_answer_rc_e  rc;

    static const struct {
        const char     *head;
        const char     *body;
        int             close;
    } list[] = {
        { A11 "204 X\r\nA: b\r\n\r\n", "", 0 },
        { A11 "100 X\r\n\r\n" OK CL0, "", 0 },
        { OK "Content-Length: 3\r\n\r\n", "abc", 0 },
        { CHUNKS, "3;x\r\nabc\r\n0\r\nA: b\r\n\r\n", 0 },
        { OK "Transfer-Encoding: gzip\r\n\r\n", "abc", -1 },
        { OK "\r\n", "abc", 1 },
    };

    for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        head = strlen(list[i].head);
        total = (size_t) sprintf(input, "%s%s", list[i].head, list[i].body);
        good = 1;

        for (n = 0; n <= total; n++) {
            rc = n < head ? CANOPY_ANSWER_BAD_HEAD
                 : list[i].close > 0 ? CANOPY_ANSWER_DONE
                 : list[i].close < 0 ? CANOPY_ANSWER_BAD_BODY
                 : n < total ? CANOPY_ANSWER_BAD_BODY : CANOPY_ANSWER_DONE;

            start(&whole);
            feed(&whole, (uint8_t *) input, n);

            if (canopy_answer_eof(&whole.a) != rc) {
                printf("# at %zu: %s\n", n, rcs[canopy_answer_eof(&whole.a)]);
                good = 0;
            }
        }

        ok(good, "closed after every byte of answer %zu", i);
    }
}


/* nothing of the peer's is left but the request id that is kept */
static void
wiped(void)
{
    int             found;
    size_t          n, i;
    char            input[1024];
    const uint8_t  *p;

    static const struct {
        const char  *fields;
        const char  *id;
    } list[] = {
        { "Content-Type: secretly\r\nRetry-After: secretly\r\n", "" },
        { "X-Request-ID: a\r\nX: secretly\r\nContent-Type: secretly", "a" },
        { "CF-Ray: secretly\r\nX-Request-ID: id\r\nRetry-After: secretly",
          "id" },
        { "X-Request-ID: secretly-kept\r\nServer: x", "secretly-kept" },
    };

    for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        n = (size_t) sprintf(input, A11 "422 X\r\n%s\r\nX-Last: secretly\r\n"
                             "Content-Length: 100\r\n\r\n", list[i].fields);

        start(&whole);
        feed(&whole, (uint8_t *) input, n);
        canopy_answer_wipe(&whole.a);

        ok(whole.a.status == 422, "wiped %zu: the status stays", i);

        n = strlen(list[i].id);
        ok(whole.a.request_id.len == n
           && memcmp(whole.a.request_id.data, list[i].id, n) == 0,
           "wiped %zu: the id stays", i);

        found = 0;
        memset(whole.a.request_id.data, 0, n);

        for (p = (uint8_t *) &whole.a; p < (uint8_t *) (&whole.a + 1); p++) {
            found += memchr("ecrtly", *p, 6) != NULL;
        }

        ok(found == 0, "wiped %zu: nothing else does", i);
    }

    start(&whole);
    n = (size_t) sprintf(input, A11 "204 X\r\nX-Request-ID: secretly\r\n\r\n");
    feed(&whole, (uint8_t *) input, n);
    canopy_answer_forget_id(&whole.a);
    canopy_answer_wipe(&whole.a);

    found = 0;

    for (p = (uint8_t *) &whole.a; p < (uint8_t *) (&whole.a + 1); p++) {
        found += memchr("ecrtly", *p, 6) != NULL;
    }

    ok(whole.a.request_id.len == 0 && found == 0, "wiped: a forgotten id");
}


static void
calls(void)
{
    canopy_answer_t   a;
    canopy_slice_t    body;
    const uint8_t    *pos, *last;

#define feed_text(text)                                                       \
    pos = tap_guard(text, sizeof(text) - 1);                                  \
    last = pos + sizeof(text) - 1

#define says(what)                                                            \
    ok(canopy_answer_parse(&a, &pos, last, &body) == CANOPY_ANSWER_##what,    \
       "line %d says " #what, __LINE__)

    canopy_answer_init(&a);
    ok(canopy_answer_eof(&a) == CANOPY_ANSWER_BAD_HEAD, "closed at once");

    feed_text("");
    says(AGAIN);
    says(AGAIN);

    feed_text(OK "Content-Length: 5\r\n\r\nabcd");
    says(HEAD);
    ok(last - pos == 4, "the head alone is taken");
    says(BODY);
    ok(body.len == 4 && body.data == last - 4, "the body is a slice");
    says(AGAIN);
    ok(body.len == 0 && body.data == NULL, "then there is none");
    says(AGAIN);

    feed_text("efg");
    says(BODY);
    ok(body.len == 1 && *body.data == 'e', "not beyond the length");
    says(DONE);
    says(DONE);
    ok(last - pos == 2, "what is left is not taken");
    ok(a.length == 5, "the length stays");
    ok(canopy_answer_eof(&a) == CANOPY_ANSWER_DONE, "closed when done");

    canopy_answer_init(&a);
    feed_text(A11 "204\n\n");
    says(HEAD);
    ok(canopy_answer_eof(&a) == CANOPY_ANSWER_DONE, "closed after a 204");
    says(DONE);

    canopy_answer_init(&a);
    feed_text(OK "\r\n");
    says(HEAD);
    says(AGAIN);
    ok(canopy_answer_eof(&a) == CANOPY_ANSWER_DONE, "closed, without a body");
    feed_text("x");
    says(BODY);
    says(AGAIN);

    canopy_answer_init(&a);
    feed_text("HTTP/2");
    says(BAD_HEAD);
    feed_text(OK CL0);
    says(BAD_HEAD);
    feed_text("");
    says(BAD_HEAD);
    ok(canopy_answer_eof(&a) == CANOPY_ANSWER_BAD_HEAD, "closed when bad");

    canopy_answer_init(&a);
    feed_text(CHUNKS "x");
    says(HEAD);
    says(BAD_BODY);
    feed_text("0\r\n\r\n");
    says(BAD_BODY);
    ok(canopy_answer_eof(&a) == CANOPY_ANSWER_BAD_BODY, "closed, body bad");

    canopy_answer_init(&a);
    feed_text(OK "Transfer-Encoding: x\r\n\r\n");
    says(HEAD);
    says(BAD_BODY);
}


static void
mutations(void)
{
    size_t         i, j, k, n, len, bad;
    uint8_t        data[1024];
    const case_t  *c;

    static const struct {
        const case_t  *cases;
        size_t         n;
    } lists[] = {
        { good_cases, sizeof(good_cases) / sizeof(case_t) },
        { framing_cases, sizeof(framing_cases) / sizeof(case_t) },
        { field_cases, sizeof(field_cases) / sizeof(case_t) },
        { chunk_cases, sizeof(chunk_cases) / sizeof(case_t) }
    };

    bad = 0;

    for (i = 0; i < 20000 && bad < 10; i++) {
        j = xorshift(4);
        c = &lists[j].cases[xorshift((uint32_t) lists[j].n)];
        memcpy(data, c->input, c->len);
        len = mutate(data, c->len);

        start(&whole);
        feed(&whole, data, len);
        finish(&whole);

        for (k = 0; k < 4; k++) {
            start(&pieces);

            for (j = 0; j < len; j += n) {
                n = k == 0 ? 1 : 1 + xorshift(k == 1 ? 4 : 100);
                n = n < len - j ? n : len - j;
                feed(&pieces, data + j, n);
            }

            finish(&pieces);

            if (whole.faults || !same()) {
                printf("# mutation %zu of \"%s\"\n", i, c->name);
                bad++;
                break;
            }
        }
    }

    ok(bad == 0, "%zu mutations, in pieces", i);
}


/* one to four bytes are changed, taken out or put in */
static size_t
mutate(uint8_t *data, size_t len)
{
    size_t    at;
    uint8_t   c;
    uint32_t  n;

    static const char  likely[] = "\0\r\n\r\n \t:,;0159afAFxHclose\x80\xff";

    for (n = 1 + xorshift(4); n && len; n--) {
        at = xorshift((uint32_t) len);
        c = xorshift(3) ? (uint8_t) likely[xorshift(sizeof(likely) - 1)]
                        : (uint8_t) xorshift(256);

        switch (xorshift(3)) {

        case 0:
            data[at] = c;
            break;

        case 1:
            memmove(data + at, data + at + 1, len - at - 1);
            len--;
            break;

        default:
            memmove(data + at + 1, data + at, len - at);
            data[at] = c;
            len++;
        }
    }

    return len;
}


static uint32_t
xorshift(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;

    return seed % n;
}


static void
table(const case_t *cases, size_t n, const char *expected)
{
    size_t  i;
    case_t  c;

    for (i = 0; i < n; i++) {
        c = cases[i];

        if (c.expected == NULL) {
            c.expected = expected;
        }

        check(&c);
    }
}


static void
check(const case_t *c)
{
    size_t          len;
    const uint8_t  *data;

    data = (const uint8_t *) c->input;
    len = c->body ? strlen(c->body) : 0;

    start(&whole);
    feed(&whole, data, c->len);
    finish(&whole);

    if (!ok(strcmp(whole.text, c->expected) == 0 && whole.len == len
            && memcmp(whole.body, c->body ? c->body : "", len) == 0,
            "%s", c->name))
    {
        printf("# got:      %s, body %zu\n", whole.text, whole.len);
        printf("# expected: %s, body %zu\n", c->expected, len);
    }

    ok(splits(data, c->len), "%s, in pieces", c->name);
}


static int
splits(const uint8_t *data, size_t len)
{
    size_t  i;

    start(&pieces);

    for (i = 0; i < len; i++) {
        feed(&pieces, data + i, 1);
    }

    finish(&pieces);

    if (!same()) {
        return 0;
    }

    /* of a long input, some places and all near its end */
    for (i = 0; i <= len; i += (len > 4096 && i + 1100 < len) ? 997 : 1) {
        start(&pieces);
        feed(&pieces, data, i);
        feed(&pieces, data + i, len - i);
        finish(&pieces);

        if (!same()) {
            printf("# cut at %zu\n", i);
            return 0;
        }
    }

    return 1;
}


static int
same(void)
{
    if (whole.len == pieces.len && whole.eof == pieces.eof
        && memcmp(whole.body, pieces.body, whole.len) == 0
        && strcmp(whole.text, pieces.text) == 0)
    {
        return 1;
    }

    printf("# whole:  %s, body %zu\n", whole.text, whole.len);
    printf("# pieces: %s, body %zu\n", pieces.text, pieces.len);
    return 0;
}


static void
start(result_t *r)
{
    r->rc = CANOPY_ANSWER_AGAIN;
    r->heads = 0;
    r->faults = 0;
    r->left = 0;
    r->len = 0;

    /* what the memory held before must not matter */
    memset(&r->a, 0xa5, sizeof(canopy_answer_t));
    canopy_answer_init(&r->a);
}


static void
feed(result_t *r, const uint8_t *data, size_t len)
{
    const uint8_t   *pos, *before;
    canopy_slice_t   body;

    if (r->rc > CANOPY_ANSWER_BODY) {
        r->left += len;
        return;
    }

    pos = guard - len;
    memcpy(guard - len, data, len);

    do {
        before = pos;
        r->rc = canopy_answer_parse(&r->a, &pos, guard, &body);

        r->faults += pos < before || pos > guard;

        if (r->rc == CANOPY_ANSWER_BODY) {
            r->faults += body.len == 0 || body.data != pos - body.len
                         || body.data < before || r->heads == 0;
            memcpy(r->body + r->len, body.data, body.len);
            r->len += body.len;

        } else {
            r->faults += body.len != 0 || body.data != NULL;
            r->heads += r->rc == CANOPY_ANSWER_HEAD;
        }

    } while (r->rc == CANOPY_ANSWER_HEAD || r->rc == CANOPY_ANSWER_BODY);

    r->faults += r->rc == CANOPY_ANSWER_AGAIN && pos != guard;
    r->left += (size_t) (guard - pos);
}


static void
finish(result_t *r)
{
    size_t            n;
    canopy_answer_t  *a;

    n = 0;
    a = &r->a;

    r->eof = canopy_answer_eof(a);
    r->faults += r->heads > 1 || r->eof != eof(r);

#define put(...)                                                              \
    n += (size_t) snprintf(r->text + n, sizeof(r->text) - n, __VA_ARGS__)

#define put_value(name, value)                                                \
    if (a->value.len) {                                                       \
        put(" %s=%.*s", name, (int) a->value.len,                             \
            (const char *) a->value.data);                                    \
    }

    if (r->heads) {
        put("head %u %s %llu%s%s", a->status, framings[a->framing],
            (unsigned long long) a->length, a->keepalive ? " keep" : "",
            a->encoded ? " encoded" : "");
        put_value("type", content_type);
        put_value("retry", retry_after);
        put_value("id", request_id);
        put(", ");
    }

    put("%s", rcs[r->rc]);

    if (r->rc < CANOPY_ANSWER_BAD_HEAD) {
        put(", left %zu", r->left);
    }

    if (r->faults) {
        put(", %u faults", r->faults);
    }
}


/* what canopy_answer_eof() should say after this */
static canopy_answer_rc_e
eof(const result_t *r)
{
    if (r->rc != CANOPY_ANSWER_AGAIN) {
        return r->rc;
    }

    if (r->heads == 0) {
        return CANOPY_ANSWER_BAD_HEAD;
    }

    return r->a.framing == CANOPY_FRAMING_CLOSE ? CANOPY_ANSWER_DONE
                                                : CANOPY_ANSWER_BAD_BODY;
}
