/*
 * Key sets: what is a key, what is passed over, and what is wrong with the
 * rest.
 */

#include "tap.h"
#include "jose.h"
#include "canopy_jwk.h"


/* the keys of RFC 7515, appendix A, and RFC 8037, appendix A */
#define RFC_K                                                                 \
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgU" \
    "uTwjAzZr1Z9CAow"
#define RFC_N                                                                 \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4q" \
    "PCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ4" \
    "7soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBE" \
    "Ma2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWN" \
    "moudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define RFC_X      "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define RFC_Y      "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define RFC_X521                                                              \
    "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS" \
    "9tsz4qUxcWceqwQGk"
#define RFC_Y521                                                              \
    "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMa" \
    "Zmh9ubmf63e3kyMj2"
#define RFC_ED     "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

#define RFC_PAYLOAD                                                           \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmN" \
    "vbS9pc19yb290Ijp0cnVlfQ"

#define OCT    "{\"kty\":\"oct\",\"k\":\"" RFC_K "\"}"
#define RSA    "{\"kty\":\"RSA\",\"n\":\"" RFC_N "\",\"e\":\"AQAB\"}"
#define P256                                                                  \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" RFC_X "\",\"y\":\"" RFC_Y    \
    "\"}"
#define P521                                                                  \
    "{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"" RFC_X521 "\",\"y\":\""       \
    RFC_Y521 "\"}"
#define ED     "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" RFC_ED "\"}"

#define SET(keys)  "{\"keys\":[" keys "]}"


typedef struct {
    const char  *name;
    const char  *set;
    const char  *token;
} example_t;


/* fault NULL: it is a set */
typedef struct {
    const char  *text;
    const char  *fault;
} text_case_t;


/* members behind those of a good key; fault NULL: a key, "": passed over */
typedef struct {
    const char  *key;
    const char  *fault;
} key_case_t;


static void examples(void);
static void texts(void);
static void keys(void);
static void rsa_sizes(void);
static void rsa_case(size_t bits, const char *e, const char *fault);
static void oct_sizes(void);


static const example_t  example_table[] = {
    { "RFC 7515, appendix A.1: HS256", SET(OCT),
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." RFC_PAYLOAD
      ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" },

    { "RFC 7515, appendix A.2: RS256", SET(RSA),
      "eyJhbGciOiJSUzI1NiJ9." RFC_PAYLOAD
      ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuH"
      "Im4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiu"
      "B--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN93"
      "83LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9Q"
      "OYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw" },

    { "RFC 7515, appendix A.3: ES256", SET(P256),
      "eyJhbGciOiJFUzI1NiJ9." RFC_PAYLOAD
      ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQ"
      "xfKTUJqPP3-Kg6NU1Q" },

    { "RFC 7515, appendix A.4: ES512", SET(P521),
      "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA"
      ".AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2"
      "SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOg"
      "zDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn" },

    { "RFC 8037, appendix A.4: EdDSA", SET(ED),
      "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
      ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsP"
      "t9g7sVvpAr_MuM0KAg" },

    { "one of five keys", SET(OCT "," RSA "," P521 "," P256 "," ED),
      "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
      ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsP"
      "t9g7sVvpAr_MuM0KAg" }
};


#define NEITHER  "it is neither a JSON object nor a public key in PEM, "
#define NONE     "no key in it is one for verifying signatures"

static const text_case_t  text_table[] = {
    { SET(OCT), NULL },
    { " \r\n\t" SET(OCT) "\n", NULL },
    { "{\"a\":1,\"keys\":[" OCT "],\"z\":\"\\u0000\"}", NULL },
    { "{\"a\":123456789012345678901234567890,\"keys\":[" OCT "]}", NULL },
    { SET(OCT "," OCT), NULL },
    { "{\"k\\u0065ys\":[" OCT "]}", NULL },

    { "", "it is empty" },
    { " \n\n", "it is empty" },
    { "x", NEITHER "line 1, column 1" },
    { "null", NEITHER "line 1, column 4" },
    { "\xef\xbb\xbf" SET(OCT), NEITHER "line 1, column 1" },
    { "{\n \"keys\": [,]}", NEITHER "line 2, column 11" },
    { SET(OCT) "x", NEITHER "line 1, column 118" },
    { "{\"keys\":[\"\xff\"]}", NEITHER "line 1, column 10" },
    { "----BEGIN PUBLIC KEY----", NEITHER "line 1, column 1" },
    { "[]", "it is not a JSON object" },
    { "[" OCT "]", "it is not a JSON object" },
    { "{\"keys\":[1e400]}", "a number is out of range, line 1, column 14" },
    { "{\"keys\":[],\"keys\":[" OCT "]}",
      "an object has a name twice, line 1, column 17" },
    { SET("{\"kty\":\"oct\",\"k\\u0074y\":\"oct\"}"),
      "an object has a name twice, line 1, column 32" },

    { "{}", "\"keys\" is missing" },
    { OCT, "\"keys\" is missing" },
    { "{\"Keys\":[" OCT "]}", "\"keys\" is missing" },
    { "{\"keys\":{}}", "\"keys\" is not an array" },
    { "{\"keys\":null}", "\"keys\" is not an array" },
    { "{\"keys\":\"" RFC_K "\"}", "\"keys\" is not an array" },

    { SET(""), NONE },
    { SET("{\"kty\":\"x\"}"), NONE },
    { SET("{\"kty\":\"x\"}," OCT), NULL },
    { SET("1"), "keys[0]: it is not an object" },
    { SET("[" OCT "]"), "keys[0]: it is not an object" },
    { SET("null," OCT), "keys[0]: it is not an object" },
    { SET(OCT "," OCT ",{}"), "keys[2]: \"kty\" is missing" }
};


/* in place of the good key's first brace */
#define WITH(members, key)  "{" members "," key

#define OCT_REST   "\"kty\":\"oct\",\"k\":\"" RFC_K "\"}"
#define RSA_REST   "\"kty\":\"RSA\",\"n\":\"" RFC_N "\",\"e\":\"AQAB\"}"
#define P256_REST                                                             \
    "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" RFC_X "\",\"y\":\"" RFC_Y     \
    "\"}"
#define EC(crv, x, y)                                                         \
    "{\"kty\":\"EC\",\"crv\":" crv ",\"x\":" x ",\"y\":" y "}"
#define OKP(x)     "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":" x "}"
#define TEXT(x)    "\"" x "\""

#define OFF        "its point is not on its curve"
#define SMALL      "\"x\" is a point of small order"
#define LENGTH(x)  "\"" x "\" has not the length of its curve"
#define BASE64(x)  "\"" x "\" is not base64url without padding"
#define STRING(x)  "\"" x "\" is not a string"
#define MISSING(x) "\"" x "\" is missing"
#define ALG        "\"alg\" is not one of its kty and crv"

static const key_case_t  key_table[] = {
    { OCT, NULL },
    { RSA, NULL },
    { P256, NULL },
    { P521, NULL },
    { ED, NULL },

    /* kty, crv */
    { "{\"k\":\"" RFC_K "\"}", MISSING("kty") },
    { "{\"kty\":1}", STRING("kty") },
    { "{\"kty\":null}", STRING("kty") },
    { "{\"kty\":[\"oct\"],\"k\":\"" RFC_K "\"}", STRING("kty") },
    { "{\"kty\":\"OCT\",\"k\":\"" RFC_K "\"}", "" },
    { "{\"kty\":\"oct\\u0000\",\"k\":\"" RFC_K "\"}", "" },
    { "{\"kty\":\"AKP\"}", "" },
    { "{\"kty\":\"\"}", "" },
    { "{\"kty\":\"EC\"}", MISSING("crv") },
    { "{\"kty\":\"OKP\"}", MISSING("crv") },
    { EC("1", TEXT(RFC_X), TEXT(RFC_Y)), STRING("crv") },
    { EC("\"secp256k1\"", TEXT(RFC_X), TEXT(RFC_Y)), "" },
    { EC("\"P-224\"", TEXT(RFC_X), TEXT(RFC_Y)), "" },
    { EC("\"Ed25519\"", TEXT(RFC_X), TEXT(RFC_Y)), "" },
    { "{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"" RFC_ED "\"}", "" },
    { "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" RFC_ED "\"}", "" },
    { "{\"kty\":\"OKP\",\"crv\":\"P-256\",\"x\":\"" RFC_ED "\"}", "" },

    /* use, key_ops */
    { WITH("\"use\":\"sig\"", OCT_REST), NULL },
    { WITH("\"use\":\"enc\"", OCT_REST), "" },
    { WITH("\"use\":\"SIG\"", OCT_REST), "" },
    { WITH("\"use\":\"\"", OCT_REST), "" },
    { WITH("\"use\":null", OCT_REST), STRING("use") },
    { "{\"use\":\"enc\",\"kty\":\"RSA\"}", "" },
    { WITH("\"key_ops\":[\"verify\"]", OCT_REST), NULL },
    { WITH("\"key_ops\":[\"sign\",\"verify\"]", OCT_REST), NULL },
    { WITH("\"key_ops\":[\"sign\"]", OCT_REST), "" },
    { WITH("\"key_ops\":[]", OCT_REST), "" },
    { WITH("\"key_ops\":\"verify\"", OCT_REST),
      "\"key_ops\" is not an array" },
    { WITH("\"key_ops\":[\"verify\",1]", OCT_REST),
      "\"key_ops\" is not an array of strings" },
    { WITH("\"use\":\"sig\",\"key_ops\":[\"encrypt\"]", OCT_REST), "" },

    /* alg, kid */
    { WITH("\"alg\":\"HS256\"", OCT_REST), NULL },
    { WITH("\"alg\":\"HS512\"", OCT_REST), NULL },
    { WITH("\"alg\":\"RS256\"", OCT_REST), ALG },
    { WITH("\"alg\":\"HS256\"", RSA_REST), ALG },
    { WITH("\"alg\":\"ES384\"", P256_REST), ALG },
    { WITH("\"alg\":\"ES256\"", P256_REST), NULL },
    { WITH("\"alg\":\"RSA-OAEP\"", RSA_REST), "" },
    { WITH("\"alg\":\"none\"", OCT_REST), "" },
    { WITH("\"alg\":\"hs256\"", OCT_REST), "" },
    { WITH("\"alg\":256", OCT_REST), STRING("alg") },
    { WITH("\"kid\":\"\"", OCT_REST), NULL },
    { WITH("\"kid\":\"a\\u0000b\"", OCT_REST), NULL },
    { WITH("\"kid\":1", OCT_REST), STRING("kid") },
    { WITH("\"kid\":null", OCT_REST), STRING("kid") },

    /* private members, and members nobody knows */
    { WITH("\"d\":1,\"p\":null,\"x5c\":[1],\"exp\":1e300", RSA_REST), NULL },

    /* RSA */
    { "{\"kty\":\"RSA\",\"e\":\"AQAB\"}", MISSING("n") },
    { "{\"kty\":\"RSA\",\"n\":\"" RFC_N "\"}", MISSING("e") },
    { "{\"kty\":\"RSA\",\"n\":1,\"e\":\"AQAB\"}", STRING("n") },
    { "{\"kty\":\"RSA\",\"n\":\"" RFC_N "\",\"e\":65537}", STRING("e") },
    { "{\"kty\":\"RSA\",\"n\":\"" RFC_N "\",\"e\":\"AQAB=\"}", BASE64("e") },
    { "{\"kty\":\"RSA\",\"n\":\"" RFC_N "\",\"e\":\" AQAB\"}", BASE64("e") },
    { "{\"kty\":\"RSA\",\"n\":\"" RFC_N "==\",\"e\":\"AQAB\"}",
      BASE64("n") },
    { "{\"kty\":\"RSA\",\"n\":\"" RFC_N "\\n\",\"e\":\"AQAB\"}",
      BASE64("n") },

    /* EC */
    { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"y\":\"" RFC_Y "\"}",
      MISSING("x") },
    { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" RFC_X "\"}",
      MISSING("y") },
    { EC("\"P-256\"", "true", TEXT(RFC_Y)), STRING("x") },
    { EC("\"P-256\"", TEXT(RFC_X), "{}"), STRING("y") },
    { EC("\"P-256\"", TEXT(RFC_X "="), TEXT(RFC_Y)), BASE64("x") },
    { EC("\"P-256\"", TEXT(RFC_X), TEXT("+" RFC_Y)), BASE64("y") },
    { EC("\"P-256\"", TEXT(RFC_X), TEXT(RFC_X)), OFF },
    { EC("\"P-256\"", TEXT(RFC_Y), TEXT(RFC_X)), OFF },
    { EC("\"P-256\"",
         TEXT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
         TEXT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")), OFF },
    { EC("\"P-256\"", TEXT(""), TEXT("")), LENGTH("x") },
    { EC("\"P-256\"", TEXT(RFC_X521), TEXT(RFC_Y)), LENGTH("x") },
    { EC("\"P-384\"", TEXT(RFC_X), TEXT(RFC_Y)), LENGTH("x") },
    { EC("\"P-256\"", TEXT(RFC_X), TEXT("AA")), LENGTH("y") },

    /* a coordinate that is too large by the field's prime */
    { EC("\"P-521\"",
         TEXT("A-kpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ"
              "6OvLFV1jSfS9tsz4qUxcWceqwQGj"), TEXT(RFC_Y521)), OFF },

    /* bits left over: V and U say the same, but U says it */
    { EC("\"P-256\"", TEXT("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEV"),
         TEXT(RFC_Y)), BASE64("x") },

    /* Ed25519 */
    { "{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", MISSING("x") },
    { OKP("[]"), STRING("x") },
    { OKP("\"" RFC_ED "=\""), BASE64("x") },
    { OKP("\"\""), LENGTH("x") },
    { OKP("\"" RFC_ED "AA\""), BASE64("x") },
    { OKP("\"AA" RFC_ED "\""), BASE64("x") },
    { OKP("\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""), LENGTH("x") },
    { OKP("\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""), LENGTH("x") },
    { OKP("\"AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""), OFF },

    /* orders 4, 4, 1, 1, 2, 8, 8, 8, 8 */
    { OKP("\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""), SMALL },
    { OKP("\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA\""), SMALL },
    { OKP("\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""), SMALL },
    { OKP("\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA\""), SMALL },
    { OKP("\"7P_______________________________________38\""), SMALL },
    { OKP("\"JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU\""), SMALL },
    { OKP("\"JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_IU\""), SMALL },
    { OKP("\"xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o\""), SMALL },
    { OKP("\"xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o\""), SMALL },

    /* numbers too large for the field: 2^255-19, one more, 3 more, most */
    { OKP("\"7f_______________________________________38\""), OFF },
    { OKP("\"7v_______________________________________38\""), OFF },
    { OKP("\"8P_______________________________________38\""), OFF },
    { OKP("\"_________________________________________38\""), OFF },

    /* oct */
    { "{\"kty\":\"oct\"}", MISSING("k") },
    { "{\"kty\":\"oct\",\"k\":1}", STRING("k") },
    { "{\"kty\":\"oct\",\"k\":\"" RFC_K "=\"}", BASE64("k") },
    { "{\"kty\":\"oct\",\"k\":\"\"}", "\"k\" is shorter than 32 bytes" }
};


int
main(void)
{
    examples();
    texts();
    keys();
    rsa_sizes();
    oct_sizes();

    return tap_done();
}


static void
examples(void)
{
    char                text[2048];
    size_t              i, len;
    canopy_jwks_t      *set;
    const example_t    *e;
    canopy_signature_e  good, bad;

    for (i = 0; i < sizeof(example_table) / sizeof(example_t); i++) {
        e = &example_table[i];
        set = jose_set(e->set);
        len = strlen(e->token);

        good = canopy_jwks_verify(set, jose_guard(e->token, len));

        /* one bit of the payload's last byte but one */

        strcpy(text, e->token);
        strrchr(text, '.')[-2] ^= 1;

        bad = canopy_jwks_verify(set, jose_guard(text, len));

        ok(good == CANOPY_SIGNATURE_OK && bad == CANOPY_SIGNATURE_INVALID,
           "%s", e->name);

        canopy_jwks_free(set);
    }
}


static void
texts(void)
{
    size_t              i;
    const text_case_t  *c;

    for (i = 0; i < sizeof(text_table) / sizeof(text_case_t); i++) {
        c = &text_table[i];

        ok(jose_reads(c->text, strlen(c->text), c->fault), "text %zu: %s", i,
           c->fault ? c->fault : "a set");
    }

    ok(jose_reads(SET(OCT) "\0", sizeof(SET(OCT)),
                  NEITHER "line 1, column 118"),
       "a NUL behind the object");

    canopy_jwks_free(NULL);
}


static void
keys(void)
{
    char               text[4096], fault[CANOPY_JWKS_FAULT];
    int                alone, behind, passed;
    size_t             i;
    const char        *why;
    const key_case_t  *c;

    for (i = 0; i < sizeof(key_table) / sizeof(key_case_t); i++) {
        c = &key_table[i];

        why = c->fault ? c->fault : "a key";
        passed = *why == '\0';

        sprintf(text, SET("%s"), c->key);
        sprintf(fault, "keys[0]: %s", why);

        alone = jose_reads(text, strlen(text),
                      c->fault == NULL ? NULL : passed ? NONE : fault);

        sprintf(text, SET(OCT ",%s"), c->key);
        sprintf(fault, "keys[1]: %s", why);

        behind = jose_reads(text, strlen(text),
                       c->fault == NULL || passed ? NULL : fault);

        ok(alone && behind, "key %zu: %s", i, passed ? "passed over" : why);
    }
}


static void
rsa_sizes(void)
{
    rsa_case(2047, "AQAB", "keys[0]: \"n\" has less than 2048 bits");
    rsa_case(1024, "AQAB", "keys[0]: \"n\" has less than 2048 bits");
    rsa_case(8, "AQAB", "keys[0]: \"n\" has less than 2048 bits");
    rsa_case(2048, "AQAB", NULL);
    rsa_case(16384, "AQAB", NULL);
    rsa_case(16385, "AQAB", "keys[0]: \"n\" has more than 16384 bits");
    rsa_case(200000, "AQAB", "keys[0]: \"n\" or \"e\" is too long");

    rsa_case(2048, "", "keys[0]: \"e\" is not an odd number of 3 or more");
    rsa_case(2048, "AA", "keys[0]: \"e\" is not an odd number of 3 or more");
    rsa_case(2048, "AQ", "keys[0]: \"e\" is not an odd number of 3 or more");
    rsa_case(2048, "Ag", "keys[0]: \"e\" is not an odd number of 3 or more");
    rsa_case(2048, "AQAA",
             "keys[0]: \"e\" is not an odd number of 3 or more");
    rsa_case(2048, "Aw", NULL);
    rsa_case(2048, "AAAAAAAD", NULL);
    rsa_case(2048, "__________8", NULL);
    rsa_case(2048, "AQAAAAAAAAAB", "keys[0]: \"e\" has more than 64 bits");
    rsa_case(2048, RFC_N, "keys[0]: \"e\" has more than 64 bits");

    rsa_case(0, "AQAB", "keys[0]: \"n\" is even");
}


/* bits 0: an even n of 2048 */
static void
rsa_case(size_t bits, const char *e, const char *fault)
{
    char      *n, *text;
    size_t     len, even;
    uint8_t   *bytes;

    even = bits == 0;
    bits = even ? 2048 : bits;
    len = (bits + 7) / 8;

    bytes = malloc(len);
    n = malloc(2 * len + 8);
    text = malloc(2 * len + 1024);

    memset(bytes, 0x5a, len);
    bytes[0] = (uint8_t) (1 << (bits - 1) % 8);
    bytes[len - 1] |= 1;
    bytes[len - 1] ^= (uint8_t) even;

    jose_base64url(bytes, len, n);
    sprintf(text, SET("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}"), n, e);

    ok(jose_reads(text, strlen(text), fault), "RSA, %zu bits, e %.20s: %s",
       bits, e, fault ? fault : "a key");

    free(bytes);
    free(n);
    free(text);
}


static void
oct_sizes(void)
{
    char        text[1024], jwk[512], fault[64];
    size_t      i, len;
    uint8_t     secret[64];
    jose_key_t  key;

    static const struct {
        const char  *more;
        size_t       least;
    } table[] = {
        { "", 32 },
        { ",\"alg\":\"HS256\"", 32 },
        { ",\"alg\":\"HS384\"", 48 },
        { ",\"alg\":\"HS512\"", 64 }
    };

    memset(secret, 'k', sizeof(secret));

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {

        for (len = table[i].least - 1; len <= table[i].least; len++) {

            key = jose_oct(secret, len);
            jose_jwk(&key, table[i].more, jwk);

            sprintf(text, SET("%s"), jwk);
            sprintf(fault, "keys[0]: \"k\" is shorter than %zu bytes",
                    table[i].least);

            ok(jose_reads(text, strlen(text),
                          len < table[i].least ? fault : NULL),
               "oct%s of %zu bytes", table[i].more, len);
        }
    }
}
