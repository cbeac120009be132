/*
 * The bearer credential of an Authorization field, and base64url against
 * OpenSSL's base64.
 */

#include <openssl/evp.h>

#include "tap.h"
#include "canopy_bearer.h"


#define LONGEST  300

#define ALPHABET                                                              \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


static void bearer(const char *value, const char *token, const char *name);
static void bearer_bytes(void);
static void round_trip(void);
static void alphabet(void);
static void lengths(void);
static void rest_bits(void);
static size_t encode(const uint8_t *src, size_t len, char *dst);
static long decode(const char *text, size_t len, uint8_t *dst);


int
main(void)
{
    bearer("Bearer x", "x", "one character");
    bearer("Bearer a.b.c", "a.b.c", "a token");
    bearer("bearer a.b.c", "a.b.c", "the scheme in lower case");
    bearer("BEARER a.b.c", "a.b.c", "the scheme in upper case");
    bearer("bEaReR a.b.c", "a.b.c", "the scheme in mixed case");
    bearer("Bearer  x", "x", "two spaces");
    bearer("Bearer        x", "x", "many spaces");
    bearer("Bearer x ", "x ", "a space behind the token is part of it");
    bearer("Bearer x y", "x y", "a space in the token is part of it");
    bearer("Bearer \tx", "\tx", "a tab behind the space is part of it");
    bearer("Bearer ,", ",", "any byte makes a token");
    bearer("Bearer Bearer", "Bearer", "the scheme's word as a token");

    bearer("", NULL, "nothing");
    bearer("B", NULL, "a part of the scheme");
    bearer("Beare", NULL, "most of the scheme");
    bearer("Bearer", NULL, "the scheme alone");
    bearer("Bearer ", NULL, "the scheme and a space");
    bearer("Bearer    ", NULL, "the scheme and spaces");
    bearer("Bearerx", NULL, "no space");
    bearer("Bearer\tx", NULL, "a tab for a space");
    bearer("Bearer:x", NULL, "a colon for a space");
    bearer("Bearers x", NULL, "a longer scheme");
    bearer(" Bearer x", NULL, "a space before");
    bearer("Basic YTpi", NULL, "another scheme");
    bearer("Negotiate x", NULL, "another scheme, longer");
    bearer("x", NULL, "a token alone");
    bearer("Token Bearer x", NULL, "the scheme later on");

    bearer_bytes();
    round_trip();
    alphabet();
    lengths();
    rest_bits();

    return tap_done();
}


static void
bearer(const char *value, const char *token, const char *name)
{
    int             rc;
    canopy_slice_t  in, out;

    in.len = strlen(value);
    in.data = tap_guard(value, in.len);

    out.len = 0;
    out.data = NULL;

    rc = canopy_bearer(in, &out);

    if (token == NULL) {
        ok(rc == -1 && out.data == NULL, "bearer: %s: none", name);
        return;
    }

    ok(rc == 0 && out.len == strlen(token)
       && out.data == in.data + in.len - out.len
       && memcmp(out.data, token, out.len) == 0, "bearer: %s", name);
}


static void
bearer_bytes(void)
{
    int             rc;
    uint8_t         value[] = "Bearer \0\xff\x80.";
    canopy_slice_t  in, out;

    in.len = sizeof(value) - 1;
    in.data = tap_guard(value, in.len);

    rc = canopy_bearer(in, &out);
    ok(rc == 0 && out.len == 4 && memcmp(out.data, "\0\xff\x80.", 4) == 0,
       "bearer: a token of any bytes");

    value[6] = '\0';
    in.data = tap_guard(value, in.len);
    ok(canopy_bearer(in, &out) == -1, "bearer: a NUL for a space");

    in.len = 0;
    in.data = NULL;
    ok(canopy_bearer(in, &out) == -1, "bearer: no value at all");
}


static void
round_trip(void)
{
    int       good;
    long      n;
    char      text[LONGEST / 3 * 4 + 8];
    size_t    i, len, size;
    uint8_t   src[LONGEST], *dst;
    uint32_t  seed;

    seed = 20260101;
    good = 1;

    for (len = 0; len <= LONGEST; len++) {

        for (i = 0; i < len; i++) {
            seed = seed * 1664525 + 1013904223;
            src[i] = (uint8_t) (seed >> 24);
        }

        size = encode(src, len, text);
        dst = tap_guard(src, len);
        memset(dst, 0, len);

        /* not a byte more than what it gives is written */

        n = decode(text, size, dst);

        if (n != (long) len || memcmp(dst, src, len) != 0
            || decode(text, size, NULL) != n
            || (size_t) n > canopy_base64url_size(size))
        {
            good = 0;
            printf("# length %zu: %ld\n", len, n);
        }
    }

    ok(good, "base64url: OpenSSL's coding of 0 to %d bytes", LONGEST);
}


/* every byte at every place of texts with a long and a short end */
static void
alphabet(void)
{
    int             good;
    long            want;
    size_t          at;
    uint8_t        *end, dst[canopy_base64url_size(10)];
    unsigned        ch;
    canopy_slice_t  in;

    end = tap_guard("AAAAAAAAAA", 10) + 10;
    good = 1;

    for (in.len = 2; in.len <= 10; in.len++) {
        in.data = end - in.len;

        for (at = 1; at <= in.len; at++) {
            for (ch = 0; ch < 256; ch++) {
                *(end - at) = (uint8_t) ch;

                want = (long) in.len * 3 / 4;

                if (in.len % 4 == 1 || ch == 0
                    || strchr(ALPHABET, (int) ch) == NULL)
                {
                    want = -1;
                }

                if (canopy_base64url(in, dst) != want
                    || canopy_base64url(in, NULL) != want)
                {
                    good = 0;
                    printf("# byte %u, %zu from the end of %zu\n", ch, at,
                           in.len);
                }
            }

            *(end - at) = 'A';
        }
    }

    ok(good, "base64url: every byte at every place");
}


static void
lengths(void)
{
    int      good;
    char     text[LONGEST];
    long     want;
    size_t   len;
    uint8_t  dst[canopy_base64url_size(LONGEST)];

    memset(text, '_', sizeof(text));
    good = 1;

    for (len = 0; len < LONGEST; len++) {
        want = (len % 4 == 1) ? -1 : (long) len * 3 / 4;

        if (decode(text, len, dst) != want || decode(text, len, NULL) != want)
        {
            good = 0;
            printf("# length %zu\n", len);
        }
    }

    ok(good, "base64url: one character left over is refused at any length");

    ok(canopy_base64url((canopy_slice_t) { 0, NULL }, dst) == 0,
       "base64url: nothing is nothing");
    ok(decode("QQ==", 4, dst) == -1, "base64url: padding");
    ok(decode("QUI=", 4, dst) == -1, "base64url: padding of one");
    ok(decode("QQ=", 3, dst) == -1, "base64url: padding, incomplete");
    ok(decode("QQ\n", 3, dst) == -1, "base64url: a line feed");
    ok(decode("+/+/", 4, dst) == -1, "base64url: the other alphabet");
    ok(decode("-_-_", 4, dst) == 3 && memcmp(dst, "\xfb\xff\xbf", 3) == 0,
       "base64url: its own alphabet");
}


static void
rest_bits(void)
{
    uint8_t  dst[4];

    ok(decode("QR", 2, dst) == 1 && dst[0] == 'A',
       "base64url: bits left over of four are not looked at");
    ok(decode("QUJ", 3, dst) == 2 && memcmp(dst, "AB", 2) == 0,
       "base64url: bits left over of two are not looked at");
}


static size_t
encode(const uint8_t *src, size_t len, char *dst)
{
    char  *p;

    (void) EVP_EncodeBlock((unsigned char *) dst, src, (int) len);

    for (p = dst; *p && *p != '='; p++) {
        *p = (*p == '+') ? '-' : (*p == '/') ? '_' : *p;
    }

    return (size_t) (p - dst);
}


static long
decode(const char *text, size_t len, uint8_t *dst)
{
    canopy_slice_t  in;

    in.len = len;
    in.data = tap_guard(text, len);

    return canopy_base64url(in, dst);
}
