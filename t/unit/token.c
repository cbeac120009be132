/*
 * The shape of a client's token, and the expiry of a credential.
 */

#include <math.h>
#include <openssl/evp.h>

#include "tap.h"
#include "canopy_token.h"


#define MUTATIONS  200000

#define HEADER   "{\"alg\":\"RS256\",\"typ\":\"JWT\"}"
#define PAYLOAD  "{\"sub\":\"a\",\"exp\":1760000000}"

#define ROOM  32768


typedef struct {
    const char            *header;
    const char            *payload;
    canopy_token_fault_e   fault;
} json_case_t;


typedef struct {
    const char            *token;
    canopy_token_fault_e   fault;
    const char            *name;
} shape_case_t;


static void json_cases(void);
static void shape_cases(void);
static void byte_cases(void);
static void sizes(void);
static void expiry(void);
static void faults(void);
static void mutations(void);
static size_t token(const char *header, const char *payload,
    const char *signature, char *dst);
static size_t encode(const char *src, size_t len, char *dst);
static canopy_token_fault_e check(const char *text, size_t len,
    canopy_claims_t *claims);
static int expires(const char *text, size_t len, double *exp);
static uint64_t xorshift(void);


#define H(text, fault)  { text, PAYLOAD, fault }
#define P(text, fault)  { HEADER, text, fault }

#define GOOD     CANOPY_TOKEN_OK
#define LONG     CANOPY_TOKEN_TOO_LONG
#define JWE      CANOPY_TOKEN_ENCRYPTED
#define PARTS    CANOPY_TOKEN_PARTS
#define BASE64   CANOPY_TOKEN_BASE64URL
#define NOHEAD   CANOPY_TOKEN_HEADER
#define NOALG    CANOPY_TOKEN_ALG
#define NOLOAD   CANOPY_TOKEN_PAYLOAD
#define NOEXP    CANOPY_TOKEN_EXP


static const json_case_t  json_table[] = {
    H(HEADER, GOOD),
    H("{\"alg\":\"HS256\"}", GOOD),
    H(" {\t\"alg\" :\r\n\"x\" } ", GOOD),
    H("{\"alg\":\"none2\"}", GOOD),
    H("{\"alg\":\"non\"}", GOOD),
    H("{\"alg\":\" none\"}", GOOD),
    H("{\"alg\":\"\xc3\xa9\"}", GOOD),
    H("{\"\\u0061lg\":\"RS256\"}", GOOD),
    H("{\"a\":{\"alg\":\"none\"},\"alg\":\"RS256\"}", GOOD),
    H("{\"x\":\"none\",\"alg\":\"RS256\"}", GOOD),

    H("{\"alg\":\"none\"}", NOALG),
    H("{\"alg\":\"NONE\"}", NOALG),
    H("{\"alg\":\"nOnE\"}", NOALG),
    H("{\"alg\":\"None\"}", NOALG),
    H("{\"\\u0061lg\":\"none\"}", NOALG),
    H("{\"alg\":\"\"}", NOALG),
    H("{\"alg\":1}", NOALG),
    H("{\"alg\":null}", NOALG),
    H("{\"alg\":true}", NOALG),
    H("{\"alg\":[\"RS256\"]}", NOALG),
    H("{\"alg\":{\"alg\":\"RS256\"}}", NOALG),
    H("{}", NOALG),
    H("{\"typ\":\"JWT\"}", NOALG),
    H("{\"Alg\":\"RS256\"}", NOALG),
    H("{\"al\":\"RS256\",\"algo\":\"RS256\"}", NOALG),
    H("{\"a\":{\"alg\":\"RS256\"}}", NOALG),
    H("{\"alg\":\"RS\\u003256\"}", NOALG),
    H("{\"alg\":\"n\\u006fne\"}", NOALG),
    H("{\"alg\":\"RS256\\n\"}", NOALG),

    H("[]", NOHEAD),
    H("[{\"alg\":\"RS256\"}]", NOHEAD),
    H("\"RS256\"", NOHEAD),
    H("null", NOHEAD),
    H("RS256", NOHEAD),
    H("{\"alg\":\"RS256\"", NOHEAD),
    H("{\"alg\":\"RS256\",}", NOHEAD),
    H("{'alg':'RS256'}", NOHEAD),
    H("{\"alg\":\"RS256\"}x", NOHEAD),
    H("{\"alg\":\"RS256\"}{}", NOHEAD),
    H("\xef\xbb\xbf{\"alg\":\"RS256\"}", NOHEAD),
    H("{\"alg\":\"RS\xff\"}", NOHEAD),
    H("{\"alg\":\"none\",\"alg\":\"RS256\"}", NOHEAD),
    H("{\"alg\":\"RS256\",\"\\u0061lg\":\"none\"}", NOHEAD),
    H("{\"alg\":\"RS256\",\"x\":{\"a\":1,\"a\":1}}", NOHEAD),

    P("{}", GOOD),
    P("{\"sub\":\"a\"}", GOOD),
    P("{\"exp\":0}", GOOD),
    P("{\"exp\":-1}", GOOD),
    P("{\"exp\":1.5e9}", GOOD),
    P("{\"exp\":1760000000.25}", GOOD),
    P("{\"exp\":1e-400}", GOOD),
    P("{\"nbf\":1e400}", GOOD),
    P("{\"a\":{\"exp\":\"x\"}}", GOOD),
    P("{\"a\":{\"sub\":1},\"b\":{\"sub\":1},\"sub\":1}", GOOD),

    P("{\"exp\":\"1760000000\"}", NOEXP),
    P("{\"exp\":null}", NOEXP),
    P("{\"exp\":true}", NOEXP),
    P("{\"exp\":false}", NOEXP),
    P("{\"exp\":[1760000000]}", NOEXP),
    P("{\"exp\":{}}", NOEXP),
    P("{\"exp\":1e400}", NOEXP),
    P("{\"exp\":-1e400}", NOEXP),
    P("{\"e\\u0078p\":\"1\"}", NOEXP),

    P("[]", NOLOAD),
    P("[1]", NOLOAD),
    P("\"text\"", NOLOAD),
    P("1", NOLOAD),
    P("true", NOLOAD),
    P("null", NOLOAD),
    P("text", NOLOAD),
    P("{\"exp\":01}", NOLOAD),
    P("{\"exp\":+1}", NOLOAD),
    P("{\"exp\":NaN}", NOLOAD),
    P("{\"exp\":Infinity}", NOLOAD),
    P("{\"exp\":0x10}", NOLOAD),
    P("{\"exp\":}", NOLOAD),
    P("{\"sub\":\"\xff\"}", NOLOAD),
    P("{\"sub\":\"\xc0\x80\"}", NOLOAD),
    P("{\"sub\":\"\xed\xa0\x80\"}", NOLOAD),
    P("{\"sub\":\"\\ud800\"}", NOLOAD),
    P("{\"exp\":1,\"exp\":2}", NOLOAD),
    P("{\"exp\":1,\"\\u0065xp\":2}", NOLOAD),
    P("{\"a\":{\"b\":[{\"c\":1,\"c\":1}]}}", NOLOAD),
    P("{\"exp\":1} x", NOLOAD),
    P("{\"exp\":1}}", NOLOAD),
    P("{\"exp\":1", NOLOAD),

    /* the first fault is the one told */
    { "{\"alg\":\"none\"}", "[]", NOALG },
    { "[]", "{\"exp\":\"x\"}", NOHEAD }
};


/* "e30" is "{}" */
static const shape_case_t  shape_table[] = {
    { "", PARTS, "nothing" },
    { "x", PARTS, "one character" },
    { "e30", PARTS, "one part" },
    { "e30.e30", PARTS, "two parts" },
    { ".", PARTS, "a dot" },
    { "..", PARTS, "two dots" },
    { "...", PARTS, "three dots" },
    { ".e30.e30", PARTS, "an empty header" },
    { "e30..e30", PARTS, "an empty payload" },
    { "e30.e30.", PARTS, "an empty signature" },
    { "e30.e30.e30.e30", PARTS, "four parts" },
    { "e30.e30.e30.", PARTS, "a dot at the end" },
    { "e30.e30.e30.e30.e30", JWE, "five parts" },
    { "e30..e30.e30.e30", JWE, "five parts, no encrypted key" },
    { "....", JWE, "four dots" },
    { "e30.e30.e30.e30.e30.e30", PARTS, "six parts" },
    { "......................", PARTS, "many dots" },
    { "opaque-credential_123", PARTS, "an opaque credential" },

    { "e30.e30.e30", NOALG, "three parts" },
    { "e30=.e30.e30", BASE64, "a padded header" },
    { "e30.e30=.e30", BASE64, "a padded payload" },
    { "e30.e30.e30=", BASE64, "a padded signature" },
    { "e30.e30.QQ==", BASE64, "a signature padded with two" },
    { "e.e30.e30", BASE64, "a header of one character" },
    { "e30.e.e30", BASE64, "a payload of one character" },
    { "e30.e30.e", BASE64, "a signature of one character" },
    { "e30.e30.AAAAA", BASE64, "a signature of five characters" },
    { "e30.e30.AA+A", BASE64, "a plus" },
    { "e30.e30.AA/A", BASE64, "a slash" },
    { "e3+A.e30.e30", BASE64, "a plus in the header" },
    { "e30.e3/A.e30", BASE64, "a slash in the payload" },
    { " e30.e30.e30", BASE64, "a space before" },
    { "e30.e30.e30 ", BASE64, "a space behind" },
    { "e30.e3 0.e30", BASE64, "a space inside" },
    { "e30.e30\t.e30", BASE64, "a tab" },
    { "e30.e30.e30\r\n", BASE64, "a line end" },
    { "e30.e30.e30,e30", BASE64, "a comma" },
    { "e30.e30.e\xc3\xa9" "0", BASE64, "bytes out of ASCII" },
    { "\xff\xff.e30.e30", BASE64, "bytes out of UTF-8" },
    { "\"e30.e30.e30\"", BASE64, "quotes" }
};


static uint64_t  seed = 88172645463325252u;


int
main(void)
{
    json_cases();
    shape_cases();
    byte_cases();
    sizes();
    expiry();
    faults();
    mutations();

    return tap_done();
}


static void
json_cases(void)
{
    char                   text[ROOM];
    size_t                 i, len;
    canopy_claims_t        claims;
    const json_case_t     *c;
    canopy_token_fault_e   fault;

    for (i = 0; i < sizeof(json_table) / sizeof(json_table[0]); i++) {
        c = &json_table[i];

        len = token(c->header, c->payload, "c2ln", text);
        fault = check(text, len, &claims);

        if (!ok(fault == c->fault, "json %zu", i)) {
            printf("# %s . %s: %d, not %d\n", c->header, c->payload, fault,
                   c->fault);
        }
    }

    len = token(HEADER, "{\"exp\":1760000000.5}", "c2ln", text);
    ok(check(text, len, &claims) == GOOD && claims.has_exp == 1
       && claims.exp == 1760000000.5, "exp is read");

    len = token(HEADER, "{\"e\\u0078p\":-3}", "c2ln", text);
    ok(check(text, len, &claims) == GOOD && claims.has_exp == 1
       && claims.exp == -3, "exp is read, its name with an escape");

    len = token(HEADER, "{\"a\":{\"exp\":1}}", "c2ln", text);
    ok(check(text, len, &claims) == GOOD && claims.has_exp == 0,
       "a deeper exp is none");
}


static void
shape_cases(void)
{
    size_t                 i;
    canopy_claims_t        claims;
    const shape_case_t    *c;
    canopy_token_fault_e   fault;

    for (i = 0; i < sizeof(shape_table) / sizeof(shape_table[0]); i++) {
        c = &shape_table[i];

        fault = check(c->token, strlen(c->token), &claims);

        if (!ok(fault == c->fault, "shape: %s", c->name)) {
            printf("# %d, not %d\n", fault, c->fault);
        }
    }
}


/* every byte in every part of a token */
static void
byte_cases(void)
{
    int                    good;
    char                   text[ROOM];
    size_t                 i, at, len, last;
    uint8_t               *end;
    canopy_slice_t         in;
    canopy_claims_t        claims;
    canopy_token_fault_e   fault, want;

    static const char  alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "abcdefghijklmnopqrstuvwxyz0123456789-_";

    len = token(HEADER, PAYLOAD, "c2lnbmF0dXJl", text);
    last = (size_t) (strrchr(text, '.') - text) + 1;
    end = tap_guard(text, len) + len;
    good = 1;

    for (at = 0; at < len; at++) {
        if (text[at] == '.') {
            continue;
        }

        for (i = 0; i < 256; i++) {
            memcpy(end - len, text, len);
            end[(ptrdiff_t) at - (ptrdiff_t) len] = (uint8_t) i;

            in.data = end - len;
            in.len = len;
            fault = canopy_token_check(in, &claims);

            if (i == '.') {
                want = PARTS;

            } else if (i == 0 || strchr(alphabet, (int) i) == NULL) {
                want = BASE64;

            } else {
                want = (at < last) ? fault : GOOD;
            }

            if (fault != want || (at < last && fault == LONG)) {
                good = 0;
                printf("# byte %zu at %zu: %d\n", i, at, fault);
            }
        }
    }

    ok(good, "every byte at every place");

    ok(canopy_token_check((canopy_slice_t) { 0, NULL }, &claims) == PARTS,
       "no token at all");
    ok(check("e30.e30.e30\0", 12, &claims) == BASE64, "a NUL at the end");
    ok(check("e30\0.e30.e30", 12, &claims) == BASE64, "a NUL in the header");
}


static void
sizes(void)
{
    char             text[ROOM], payload[ROOM];
    size_t           len;
    canopy_claims_t  claims;

    len = token(HEADER, PAYLOAD, "c2ln", text);
    memset(text + len, 'A', CANOPY_TOKEN_MAX + 1 - len);

    ok(check(text, 900, &claims) == GOOD, "900 bytes");
    ok(check(text, CANOPY_TOKEN_MAX, &claims) == GOOD,
       "%d bytes, a long signature", CANOPY_TOKEN_MAX);
    ok(check(text, CANOPY_TOKEN_MAX + 1, &claims) == LONG,
       "%d bytes", CANOPY_TOKEN_MAX + 1);

    text[CANOPY_TOKEN_MAX / 2] = '.';
    text[CANOPY_TOKEN_MAX / 2 + 1] = '.';
    ok(check(text, CANOPY_TOKEN_MAX + 1, &claims) == LONG,
       "the length is the first fault");

    /* 20 of header and dots and 4 of signature leave 8,168 = 6,126 / 3 * 4 */
    memset(payload, ' ', 6126);
    memcpy(payload, "{\"exp\":7", 8);
    payload[6125] = '}';
    payload[6126] = '\0';
    len = token("{\"alg\":\"E\"}", payload, "AAAAAAA", text);
    ok(len == CANOPY_TOKEN_MAX && check(text, len, &claims) == GOOD
       && claims.exp == 7, "%zu bytes, a long payload", len);

    memset(payload, ' ', 6117);
    memcpy(payload, "{\"alg\":\"E\"", 10);
    payload[6116] = '}';
    payload[6117] = '\0';
    len = token(payload, "{\"exp\":9}", "AAAAAAAAAAAAAAAAAAAAAA", text);
    ok(len == CANOPY_TOKEN_MAX && check(text, len, &claims) == GOOD
       && claims.exp == 9, "%zu bytes, a long header", len);
}


static void
expiry(void)
{
    char    text[ROOM], payload[ROOM];
    double  exp;
    size_t  len;

    exp = 0;

    len = token(HEADER, PAYLOAD, "c2ln", text);
    ok(expires(text, len, &exp) == 1 && exp == 1760000000, "expiry: a JWT");

    len = token("not json", "{\"exp\":-1.5}", "?", text);
    ok(expires(text, len, &exp) == 1 && exp == -1.5,
       "expiry: header and signature are not looked at");

    len = token("{\"alg\":\"none\"}", "{\"exp\":5}", "", text);
    ok(expires(text, len, &exp) == 1 && exp == 5, "expiry: not signed");

    exp = 42;

    ok(expires("", 0, &exp) == 0, "expiry: nothing");
    ok(canopy_token_expiry((canopy_slice_t) { 0, NULL }, &exp) == 0,
       "expiry: no credential at all");
    ok(expires("opaque", 6, &exp) == 0, "expiry: an opaque credential");
    ok(expires("a.b.c", 5, &exp) == 0, "expiry: three parts, no JWT");
    ok(expires("a..c", 4, &exp) == 0, "expiry: an empty payload");
    ok(expires("a.b=.c", 6, &exp) == 0, "expiry: a padded payload");
    ok(expires("..", 2, &exp) == 0, "expiry: dots");

    len = token(HEADER, "{\"exp\":5}", "x.x", text);
    ok(expires(text, len, &exp) == 0, "expiry: four parts");
    len = token(HEADER, "{\"exp\":5}", "x.x.x", text);
    ok(expires(text, len, &exp) == 0, "expiry: five parts");
    len = token(HEADER, "{}", "x", text);
    ok(expires(text, len, &exp) == 0, "expiry: no exp");
    len = token(HEADER, "{\"exp\":\"5\"}", "x", text);
    ok(expires(text, len, &exp) == 0, "expiry: exp is a string");
    len = token(HEADER, "{\"exp\":1e999}", "x", text);
    ok(expires(text, len, &exp) == 0, "expiry: exp is out of range");
    len = token(HEADER, "{\"exp\":5,\"exp\":6}", "x", text);
    ok(expires(text, len, &exp) == 0, "expiry: exp twice");
    len = token(HEADER, "[5]", "x", text);
    ok(expires(text, len, &exp) == 0, "expiry: no object");

    ok(exp == 42, "expiry: exp is not touched where there is none");

    memset(payload, ' ', 12285);
    memcpy(payload, "{\"exp\":8", 8);
    payload[12284] = '}';
    payload[12285] = '\0';
    len = token("", payload, "AA", text);
    ok(len == 16384 && expires(text, len, &exp) == 1 && exp == 8,
       "expiry: %zu bytes", len);

    len = token("", payload, "AAA", text);
    ok(len == 16385 && expires(text, len, &exp) == 0, "expiry: %zu bytes",
       len);
}


static void
faults(void)
{
    int          good;
    unsigned     i, k;
    const char  *p, *text;

    good = 1;

    for (i = CANOPY_TOKEN_OK; i <= CANOPY_TOKEN_EXP; i++) {
        text = canopy_token_fault((canopy_token_fault_e) i);

        for (p = text; *p; p++) {
            if (*p < 0x20 || *p > 0x7e || *p == '"' || *p == '\\') {
                good = 0;
            }
        }

        for (k = CANOPY_TOKEN_OK; k < i; k++) {
            if (strcmp(text, canopy_token_fault((canopy_token_fault_e) k))
                == 0)
            {
                good = 0;
            }
        }
    }

    ok(good, "each fault has a sentence of its own that needs no escapes");
    ok(strstr(canopy_token_fault(JWE), "JWE")
       && strstr(canopy_token_fault(JWE), "encrypted"),
       "five parts are said to be an encrypted token");
}


static void
mutations(void)
{
    int                    same;
    char                   texts[3][ROOM];
    double                 exp;
    size_t                 i, k, n, len, lens[3];
    uint8_t               *end;
    canopy_slice_t         in;
    canopy_claims_t        claims;
    canopy_token_fault_e   fault;

    lens[0] = token(HEADER, PAYLOAD, "c2ln", texts[0]);
    lens[1] = token(HEADER, "{\"a\":{\"b\":[{\"exp\":\"\\ud83d\\ude00\"},1]},"
                    "\"exp\":1.5e3,\"\\u00e9\":\"\xc3\xa9\"}",
                    "AAAAAAAAAAAAAAAA", texts[1]);
    lens[2] = token("{}", "{}", "x.x.x", texts[2]);

    memset(texts[2] + lens[2], 0, ROOM - lens[2]);
    end = tap_guard(texts[2], ROOM) + ROOM;
    same = 1;

    for (i = 0; i < MUTATIONS; i++) {
        k = xorshift() % 3;
        len = lens[k];
        memcpy(end - len, texts[k], len);

        for (n = xorshift() % 4; n > 0; n--) {
            k = xorshift() % len;
            (end - len)[k] = (xorshift() % 4)
                             ? (end - len)[xorshift() % len]
                             : (uint8_t) xorshift();
        }

        len -= (xorshift() % 8) ? 0 : xorshift() % len;

        in.data = end - len;
        in.len = len;

        fault = canopy_token_check(in, &claims);

        if (fault == GOOD
            && (canopy_token_expiry(in, &exp) != (int) claims.has_exp
                || (claims.has_exp && exp != claims.exp)))
        {
            same = 0;
        }

        (void) canopy_token_fault(fault);
    }

    ok(same, "%d mutations: check and expiry agree", MUTATIONS);
}


static size_t
token(const char *header, const char *payload, const char *signature,
    char *dst)
{
    size_t  n;

    n = encode(header, strlen(header), dst);
    dst[n++] = '.';
    n += encode(payload, strlen(payload), dst + n);
    dst[n++] = '.';
    strcpy(dst + n, signature);

    return n + strlen(signature);
}


static size_t
encode(const char *src, size_t len, char *dst)
{
    char  *p;

    (void) EVP_EncodeBlock((unsigned char *) dst,
                           (const unsigned char *) src, (int) len);

    for (p = dst; *p && *p != '='; p++) {
        *p = (*p == '+') ? '-' : (*p == '/') ? '_' : *p;
    }

    *p = '\0';

    return (size_t) (p - dst);
}


static canopy_token_fault_e
check(const char *text, size_t len, canopy_claims_t *claims)
{
    canopy_slice_t  in;

    in.len = len;
    in.data = tap_guard(text, len);

    return canopy_token_check(in, claims);
}


static int
expires(const char *text, size_t len, double *exp)
{
    canopy_slice_t  in;

    in.len = len;
    in.data = tap_guard(text, len);

    return canopy_token_expiry(in, exp);
}


static uint64_t
xorshift(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return seed >> 8;
}
