/*
 * Forgeries: nothing but the issuer's own bytes pass.
 *
 * With arguments, the name of a set's file and one of lines "<name> <token>",
 * the tokens are somebody else's: each must pass, and no change of one of its
 * bytes may; one whose name begins with "not-" must not pass.
 */

#include "tap.h"
#include "jose.h"
#include "signer.h"
#include "canopy_jwk.h"
#include "canopy_token.h"


#define MUTATIONS  100000

#define GOOD     CANOPY_SIGNATURE_OK
#define INVALID  CANOPY_SIGNATURE_INVALID


static void lengths(void);
static void ecdsa_numbers(void);
static void rsa_numbers(void);
static void pss_salts(void);
static void eddsa_numbers(void);
static void left_over(void);
static void mutations(void);
static size_t mutate(char *text, size_t len, char texts[][2048], size_t n);
static int foreign(const char *set, const char *tokens);
static int unforgeable(const canopy_jwks_t *set, const char *token);
static char *contents(const char *file);
static canopy_signature_e verify_signed(const canopy_jwks_t *set,
    const char *header, const void *signature, size_t len);
static uint64_t xorshift(void);


int
main(int argc, char **argv)
{
    if (argc == 3) {
        return foreign(argv[1], argv[2]);
    }

    signer_begin();

    lengths();
    ecdsa_numbers();
    rsa_numbers();
    pss_salts();
    eddsa_numbers();
    left_over();
    mutations();

    signer_end();

    return tap_done();
}


/* all bytes there, and one more or less */
static void
lengths(void)
{
    char            header[64], input[JOSE_ROOM];
    size_t          i, k, n, bad;
    uint8_t         bytes[JOSE_ROOM];
    canopy_jwks_t  *set;

    set = signer_set();

    for (i = 0; i < SIGNER_ALGS; i++) {
        sprintf(header, "{\"alg\":\"%s\"}", signer_algs[i]);
        signer_sign(signer_algs[i], header, input);

        memset(bytes, 0, sizeof(bytes));
        *strrchr(input, '.') = '\0';
        n = jose_signature(signer_key(signer_algs[i]),
                           jose_hash(signer_algs[i]),
                           jose_salt(signer_algs[i]), input, bytes + 1);

        bad = verify_signed(set, header, bytes + 1, n) != GOOD;

        for (k = 1; k < n; k++) {
            if (k < 40 || k + 40 > n || k == n / 2) {
                bad += verify_signed(set, header, bytes + 1, k) != INVALID;
            }
        }

        /* zeros behind it, before it, in their place */

        bad += verify_signed(set, header, bytes + 1, n + 1) != INVALID;
        bad += verify_signed(set, header, bytes + 1, 2 * n) != INVALID;
        bad += verify_signed(set, header, bytes + 1, 4000) != INVALID;
        bad += verify_signed(set, header, bytes, n + 1) != INVALID;

        memset(bytes, 0, n + 1);
        bad += verify_signed(set, header, bytes, n) != INVALID;

        memset(bytes, 0xff, n + 1);
        bad += verify_signed(set, header, bytes, n) != INVALID;

        ok(bad == 0, "%s: no signature of another length, no zeros",
           signer_algs[i]);
    }

    canopy_jwks_free(set);
}


/* r and s are 1 to the order less one (SEC 1, section 4.1.4) */
static void
ecdsa_numbers(void)
{
    char            header[64], text[JOSE_ROOM];
    BIGNUM         *order, *r, *s, *v;
    size_t          i, n, len, bad;
    uint8_t         raw[132], bytes[132], der[160], *p;
    ECDSA_SIG      *sig;
    canopy_jwks_t  *set;

    set = signer_set();
    v = BN_new();

    for (i = 0; i < 3; i++) {
        sprintf(header, "{\"alg\":\"%s\"}", signer_algs[6 + i]);
        len = jose_coordinate(signer_kinds[1 + i]);

        jose_input(header, SIGNER_PAYLOAD, text);
        jose_signature(&signer_keys[1 + i], jose_hash(signer_algs[6 + i]), -1,
                       text, raw);

        r = BN_bin2bn(raw, (int) len, NULL);
        s = BN_bin2bn(raw + len, (int) len, NULL);
        order = NULL;
        jose_must(EVP_PKEY_get_bn_param(signer_keys[1 + i].pkey,
                                        OSSL_PKEY_PARAM_EC_ORDER, &order));

        bad = verify_signed(set, header, raw, 2 * len) != GOOD;

        for (n = 0; n < 2; n++) {
            memcpy(bytes, raw, 2 * len);
            memset(bytes + n * len, 0, len);
            bad += verify_signed(set, header, bytes, 2 * len) != INVALID;

            BN_bn2binpad(order, bytes + n * len, (int) len);
            bad += verify_signed(set, header, bytes, 2 * len) != INVALID;

            /* the same number but for the order, where there is room for it */

            BN_add(v, n ? s : r, order);

            if (BN_num_bytes(v) <= (int) len) {
                BN_bn2binpad(v, bytes + n * len, (int) len);
                bad += verify_signed(set, header, bytes, 2 * len) != INVALID;
            }
        }

        /* r and s in the other order, in DER, and in DER of that length */

        memcpy(bytes, raw + len, len);
        memcpy(bytes + len, raw, len);
        bad += verify_signed(set, header, bytes, 2 * len) != INVALID;

        sig = ECDSA_SIG_new();
        ECDSA_SIG_set0(sig, r, s);
        p = der;
        n = (size_t) i2d_ECDSA_SIG(sig, &p);
        ECDSA_SIG_free(sig);

        bad += verify_signed(set, header, der, n) != INVALID;
        bad += verify_signed(set, header, der, 2 * len) != INVALID;

        ok(bad == 0, "%s: r and s of their range, and nothing else",
           signer_algs[6 + i]);

        BN_free(order);
    }

    BN_free(v);
    canopy_jwks_free(set);
}


/* a signature's number is less than n (RFC 8017, section 5.2.2) */
static void
rsa_numbers(void)
{
    char            text[JOSE_ROOM];
    BIGNUM         *n, *s;
    size_t          len, bad;
    uint8_t         raw[1024];
    canopy_jwks_t  *set;

    set = signer_set();

    jose_input("{\"alg\":\"RS256\"}", SIGNER_PAYLOAD, text);
    len = jose_signature(&signer_keys[0], "SHA256", -1, text, raw);

    s = BN_bin2bn(raw, (int) len, NULL);
    n = NULL;
    jose_must(EVP_PKEY_get_bn_param(signer_keys[0].pkey,
                                    OSSL_PKEY_PARAM_RSA_N, &n));

    bad = verify_signed(set, "{\"alg\":\"RS256\"}", raw, len) != GOOD;

    BN_add(s, s, n);
    BN_bn2binpad(s, raw + 256, (int) len + 1);
    bad += verify_signed(set, "{\"alg\":\"RS256\"}",
                         raw + 256 + !raw[256], len + raw[256]) != INVALID;

    BN_bn2binpad(n, raw, (int) len);
    bad += verify_signed(set, "{\"alg\":\"RS256\"}", raw, len) != INVALID;

    BN_one(s);
    BN_bn2binpad(s, raw, (int) len);
    bad += verify_signed(set, "{\"alg\":\"RS256\"}", raw, len) != INVALID;

    BN_sub(s, n, BN_value_one());
    BN_bn2binpad(s, raw, (int) len);
    bad += verify_signed(set, "{\"alg\":\"RS256\"}", raw, len) != INVALID;

    ok(bad == 0, "RS256: no number but the signature's own");

    BN_free(s);
    BN_free(n);
    canopy_jwks_free(set);
}


/* only the hash's length (RFC 7518, section 3.5) */
static void
pss_salts(void)
{
    int             salt;
    char            header[64], text[JOSE_ROOM];
    size_t          i, n, bad;
    uint8_t         raw[512];
    canopy_jwks_t  *set;

    set = signer_set();

    for (i = 0; i < 3; i++) {
        sprintf(header, "{\"alg\":\"%s\"}", signer_algs[3 + i]);
        jose_input(header, SIGNER_PAYLOAD, text);

        bad = 0;

        for (salt = 0; salt <= 128; salt += 16) {
            n = jose_signature(&signer_keys[0],
                               jose_hash(signer_algs[3 + i]), salt, text, raw);

            bad += verify_signed(set, header, raw, n)
                   != (salt == jose_salt(signer_algs[3 + i]) ? GOOD : INVALID);
        }

        ok(bad == 0, "%s: no salt of another length", signer_algs[3 + i]);
    }

    canopy_jwks_free(set);
}


/* S is less than the order (RFC 8032, section 5.1.7) */
static void
eddsa_numbers(void)
{
    char            text[JOSE_ROOM];
    BIGNUM         *order, *s;
    uint8_t         raw[64];
    canopy_jwks_t  *set;

    set = signer_set();

    jose_input("{\"alg\":\"EdDSA\"}", SIGNER_PAYLOAD, text);
    jose_signature(&signer_keys[4], NULL, -1, text, raw);

    order = NULL;
    BN_hex2bn(&order, "1000000000000000000000000000000014def9dea2f79cd65812"
              "631a5cf5d3ed");
    s = BN_lebin2bn(raw + 32, 32, NULL);
    BN_add(s, s, order);
    BN_bn2lebinpad(s, raw + 32, 32);

    ok(verify_signed(set, "{\"alg\":\"EdDSA\"}", raw, 64) == INVALID,
       "EdDSA: no S but the least");

    BN_free(s);
    BN_free(order);
    canopy_jwks_free(set);
}


/* the last character of a signature has bits that say nothing */
static void
left_over(void)
{
    char            header[64], text[JOSE_ROOM], *last;
    size_t          i, ch, good, same;
    canopy_jwks_t  *set;

    static const char  chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789-_";

    set = signer_set();

    for (i = 0; i < SIGNER_ALGS; i++) {
        sprintf(header, "{\"alg\":\"%s\"}", signer_algs[i]);
        signer_sign(signer_algs[i], header, text);

        last = text + strlen(text) - 1;
        same = 0;
        good = 0;
        header[0] = *last;

        for (ch = 0; ch < 64; ch++) {
            *last = chars[ch];

            if (signer_verify(set, text) == GOOD) {
                good++;
                same += *last == header[0];
            }
        }

        ok(good == 1 && same == 1, "%s: one last character", signer_algs[i]);
    }

    canopy_jwks_free(set);
}


/* most of them fast ones */
static void
mutations(void)
{
    char            texts[4][2048], text[4096];
    size_t          i, k, len, bad, changed, controls, invalid;
    canopy_jwks_t  *set;

    static const char *const  names[] = { "HS256", "RS256", "ES256", "EdDSA" };
    static const uint8_t      mix[] = { 0, 0, 0, 0, 0, 0, 1, 1, 2, 3 };

    set = signer_set();

    for (i = 0; i < 4; i++) {
        sprintf(text, "{\"alg\":\"%s\"}", names[i]);
        signer_sign(names[i], text, texts[i]);
    }

    bad = changed = controls = invalid = 0;

    for (i = 0; changed < MUTATIONS; i++) {
        k = mix[i % sizeof(mix)];

        len = strlen(texts[k]);
        memcpy(text, texts[k], len + 1);

        if (i % 1000 == 999) {
            controls += signer_verify(set, text) != GOOD;
            continue;
        }

        len = mutate(text, len, texts, 4);
        text[len] = '\0';

        for (k = 0; k < 4 && strcmp(text, texts[k]) != 0; k++) { /* void */ }

        if (k == 4) {
            changed++;

            switch (signer_verify(set, text)) {

            case CANOPY_SIGNATURE_OK:
                bad++;
                printf("# %s\n", text);
                break;

            case CANOPY_SIGNATURE_INVALID:
                invalid++;
                break;

            default:
                break;
            }
        }
    }

    ok(bad == 0 && controls == 0, "%zu mutated tokens", changed);
    ok(invalid > MUTATIONS / 2, "most of them came to a key: %zu", invalid);

    canopy_jwks_free(set);
}


/* returns the length; there is room for twice of it */
static size_t
mutate(char *text, size_t len, char texts[][2048], size_t n)
{
    size_t       i, k, from, count;
    const char  *other;

    static const char  chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789-_";

    i = xorshift() % len;
    k = xorshift() % len;

    switch (xorshift() % 12) {

    case 0:
        text[i] = (char) (1 + xorshift() % 255);
        return len;

    case 1:
        memmove(text + i, text + i + 1, len - i);
        return len - 1;

    case 2:
        memmove(text + i + 1, text + i, len - i);
        text[i] = chars[xorshift() % 64];
        return len + 1;

    case 3:
        return i + 1;

    case 4:

        /* a part of it by one of another, or of its own */

        other = texts[xorshift() % n];
        count = strlen(other);
        from = xorshift() % count;
        count = xorshift() % (count - from);
        count = count > len - i ? len - i : count;
        memcpy(text + i, other + from, count);
        return len;

    case 5:

        /* the signature of another */

        other = texts[xorshift() % n];
        count = (size_t) (strrchr(text, '.') - text);
        strcpy(text + count, strrchr(other, '.'));
        return strlen(text);

    default:

        /* behind the header, mostly in the signature */

        from = (size_t) (strchr(text, '.') - text) + 1;
        i = from + i % (len - from);
        k = from + k % (len - from);

        if (text[i] != '.') {
            text[i] = chars[xorshift() % 64];
        }

        if (xorshift() % 2 && text[k] != '.') {
            text[k] = chars[xorshift() % 64];
        }

        return len;
    }
}


static int
foreign(const char *file, const char *tokens)
{
    char             *name, *token, *save, *text;
    canopy_jwks_t    *set;
    canopy_claims_t   claims;

    text = contents(file);
    set = jose_set(text);
    free(text);

    text = contents(tokens);

    for (name = strtok_r(text, " \n", &save);
         name != NULL;
         name = strtok_r(NULL, " \n", &save))
    {
        token = strtok_r(NULL, " \n", &save);
        jose_must(token != NULL);

        if (strncmp(name, "not-", 4) == 0) {
            ok(signer_verify(set, token) != GOOD, "%s", name);
            continue;
        }

        ok(canopy_token_check(jose_slice(token), &claims) == CANOPY_TOKEN_OK
           && signer_verify(set, token) == GOOD
           && signer_verify(set, token) == GOOD,
           "%s", name);

        ok(unforgeable(set, token), "%s, each byte changed", name);
    }

    free(text);
    canopy_jwks_free(set);

    return tap_done();
}


/* twice a byte: another character of base64url, another byte */
static int
unforgeable(const canopy_jwks_t *set, const char *token)
{
    char     text[8192], ch;
    size_t   i, len, good;

    static const char  chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789-_";

    len = strlen(token);
    jose_must(len < sizeof(text));
    strcpy(text, token);

    good = 0;

    for (i = 0; i < len; i++) {

        do {
            ch = chars[xorshift() % 64];
        } while (ch == token[i]);

        text[i] = ch;
        good += signer_verify(set, text) == GOOD;

        text[i] = (char) (token[i] ^ 1 << xorshift() % 7);
        text[i] = text[i] ? text[i] : '\x01';
        good += signer_verify(set, text) == GOOD;

        text[i] = token[i];
    }

    return good == 0 && signer_verify(set, text) == GOOD;
}


static char *
contents(const char *file)
{
    FILE    *f;
    char    *text;
    size_t   n;

    f = fopen(file, "r");
    jose_must(f != NULL);

    text = malloc(CANOPY_JWKS_MAX + 1);
    n = fread(text, 1, CANOPY_JWKS_MAX, f);
    text[n] = '\0';

    fclose(f);

    return text;
}


static canopy_signature_e
verify_signed(const canopy_jwks_t *set, const char *header,
    const void *signature, size_t len)
{
    char  text[JOSE_ROOM];

    jose_input(header, SIGNER_PAYLOAD, text);
    jose_append(text, signature, len);

    return canopy_jwks_verify(set, jose_guard(text, strlen(text)));
}


static uint64_t
xorshift(void)
{
    static uint64_t  x = 88172645463325252ull;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;

    return x;
}
