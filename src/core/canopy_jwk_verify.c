#include <string.h>

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "canopy_bearer.h"
#include "canopy_json.h"
#include "canopy_json_value.h"
#include "canopy_jwk.h"
#include "canopy_jwk_key.h"
#include "canopy_token.h"


#define TRIES  16

/* of an ECDSA signature in DER: two INTEGERs of up to 67 bytes */
#define DER_MAX  (3 + 2 * (2 + CANOPY_JWK_COORDINATE_MAX + 1))


/* a token's, with memory for what it holds */
typedef struct {
    const canopy_jwk_alg_t  *alg;
    unsigned                 has_kid;
    canopy_slice_t           kid;
    canopy_slice_t           input;         /* what is signed */
    canopy_slice_t           signature;
    uint8_t                  header[canopy_base64url_size(CANOPY_TOKEN_MAX)];
    uint8_t                  bytes[canopy_base64url_size(CANOPY_TOKEN_MAX)];
} signed_t;


static canopy_signature_e verify(const canopy_jwks_t *set,
    canopy_slice_t token, signed_t *s);
static canopy_signature_e read_header(canopy_slice_t header, signed_t *s);
static canopy_signature_e try_keys(const canopy_jwks_t *set,
    const signed_t *s);
static int fits(const canopy_jwk_t *key, const signed_t *s);
static canopy_signature_e try_key(const canopy_jwks_t *set,
    const canopy_jwk_t *key, const signed_t *s);
static canopy_signature_e verify_hmac(const canopy_jwk_t *key,
    const signed_t *s);
static canopy_signature_e verify_public(const canopy_jwks_t *set,
    const canopy_jwk_t *key, const signed_t *s, canopy_slice_t signature);
static canopy_signature_e verify_ecdsa(const canopy_jwks_t *set,
    const canopy_jwk_t *key, const signed_t *s);


static const char *const  faults[] = {
    "The token's signature is right",
    "The token's alg is not supported: one of RS256, RS384, RS512, PS256, "
        "PS384, PS512, ES256, ES384, ES512, EdDSA, HS256, HS384, HS512 is "
        "needed",
    "The token's header asks for an extension (crit or b64) that is not "
        "understood here",
    "The token is not signed by a key that is known here: none fits its kid "
        "and alg",
    "The token's signature is not right",
    "The token's signature could not be verified now"
};


canopy_signature_e
canopy_jwks_verify(const canopy_jwks_t *set, canopy_slice_t token)
{
    signed_t            s;
    canopy_signature_e  result;

    if (token.len > CANOPY_TOKEN_MAX) {
        return CANOPY_SIGNATURE_INVALID;
    }

    /* whoever looks at OpenSSL's errors next is not to see ours */

    ERR_set_mark();
    result = verify(set, token, &s);
    ERR_pop_to_mark();

    OPENSSL_cleanse(s.bytes, canopy_base64url_size(token.len));

    return result;
}


const char *
canopy_signature_fault(canopy_signature_e fault)
{
    return faults[fault];
}


static canopy_signature_e
verify(const canopy_jwks_t *set, canopy_slice_t token, signed_t *s)
{
    long                n;
    canopy_slice_t      parts[3];
    canopy_signature_e  result;

    if (canopy_token_parts(token, parts) != 0) {
        return CANOPY_SIGNATURE_INVALID;
    }

    result = read_header(parts[0], s);
    if (result != CANOPY_SIGNATURE_OK) {
        return result;
    }

    s->input.data = token.data;
    s->input.len = parts[0].len + 1 + parts[1].len;

    /* strictly, or a token's last character could be changed */

    n = canopy_base64url_strict(parts[2], s->bytes);

    s->signature.data = s->bytes;
    s->signature.len = n > 0 ? (size_t) n : 0;

    return try_keys(set, s);
}


static canopy_signature_e
read_header(canopy_slice_t header, signed_t *s)
{
    long            n;
    canopy_slice_t  text;

    enum { ALG, KID, CRIT, B64, N };

    canopy_json_member_t  members[N] = {
        [ALG] = { .name = canopy_slice("alg") },
        [KID] = { .name = canopy_slice("kid") },
        [CRIT] = { .name = canopy_slice("crit") },
        [B64] = { .name = canopy_slice("b64") }
    };

    n = canopy_base64url(header, s->header);
    if (n == -1) {
        return CANOPY_SIGNATURE_ALGORITHM;
    }

    text.data = s->header;
    text.len = (size_t) n;

    if (canopy_json_object(text, members, N) != 0
        || !members[ALG].found || members[ALG].type != CANOPY_JSON_STRING)
    {
        return CANOPY_SIGNATURE_ALGORITHM;
    }

    s->alg = canopy_jwk_alg(members[ALG].value);
    if (s->alg == NULL) {
        return CANOPY_SIGNATURE_ALGORITHM;
    }

    if (members[CRIT].found
        || (members[B64].found && members[B64].type != CANOPY_JSON_TRUE))
    {
        return CANOPY_SIGNATURE_CRITICAL;
    }

    s->has_kid = members[KID].found;

    if (s->has_kid) {
        if (members[KID].type != CANOPY_JSON_STRING) {
            return CANOPY_SIGNATURE_KEY;
        }

        s->kid = members[KID].value;
    }

    return CANOPY_SIGNATURE_OK;
}


static canopy_signature_e
try_keys(const canopy_jwks_t *set, const signed_t *s)
{
    size_t              i, tries;
    canopy_signature_e  result;

    tries = 0;

    for (i = 0; i < set->n && tries < TRIES; i++) {

        if (!fits(&set->keys[i], s)) {
            continue;
        }

        result = try_key(set, &set->keys[i], s);

        if (result != CANOPY_SIGNATURE_INVALID) {
            return result;
        }

        tries++;
    }

    return tries ? CANOPY_SIGNATURE_INVALID : CANOPY_SIGNATURE_KEY;
}


static int
fits(const canopy_jwk_t *key, const signed_t *s)
{
    canopy_slice_t  kid;

    if (key->kind != s->alg->kind || (key->alg && key->alg != s->alg)) {
        return 0;
    }

    if (key->kind == CANOPY_JWK_OCT
        && key->secret_len < canopy_jwk_hash_len(s->alg->hash))
    {
        return 0;
    }

    if (!s->has_kid) {
        return 1;
    }

    kid.data = key->kid;
    kid.len = key->kid_len;

    return key->kid && canopy_json_says(s->kid, kid);
}


static canopy_signature_e
try_key(const canopy_jwks_t *set, const canopy_jwk_t *key, const signed_t *s)
{
    switch (s->alg->scheme) {

    case CANOPY_JWK_HMAC:
        return verify_hmac(key, s);

    case CANOPY_JWK_ECDSA:
        return verify_ecdsa(set, key, s);

    default:
        return verify_public(set, key, s, s->signature);
    }
}


static canopy_signature_e
verify_hmac(const canopy_jwk_t *key, const signed_t *s)
{
    int      rc;
    size_t   len;
    uint8_t  mac[EVP_MAX_MD_SIZE];

    if (EVP_Q_mac(NULL, "HMAC", NULL, canopy_jwk_hash_name(s->alg->hash),
                  NULL, key->secret, key->secret_len, s->input.data,
                  s->input.len, mac, sizeof(mac), &len) == NULL)
    {
        return CANOPY_SIGNATURE_MEMORY;
    }

    rc = s->signature.len == len
         && CRYPTO_memcmp(s->signature.data, mac, len) == 0;

    OPENSSL_cleanse(mac, sizeof(mac));

    return rc ? CANOPY_SIGNATURE_OK : CANOPY_SIGNATURE_INVALID;
}


/* r||s of two coordinates' length (RFC 7518, section 3.4), to DER */
static canopy_signature_e
verify_ecdsa(const canopy_jwks_t *set, const canopy_jwk_t *key,
    const signed_t *s)
{
    int                  n;
    size_t               len;
    BIGNUM              *r, *v;
    uint8_t              der[DER_MAX], *p;
    ECDSA_SIG           *sig;
    canopy_slice_t       signature;

    len = canopy_jwk_coordinate(key->kind);

    if (s->signature.len != 2 * len) {
        return CANOPY_SIGNATURE_INVALID;
    }

    sig = ECDSA_SIG_new();
    r = BN_bin2bn(s->signature.data, (int) len, NULL);
    v = BN_bin2bn(s->signature.data + len, (int) len, NULL);

    if (sig == NULL || r == NULL || v == NULL
        || ECDSA_SIG_set0(sig, r, v) != 1)
    {
        ECDSA_SIG_free(sig);
        BN_free(r);
        BN_free(v);
        return CANOPY_SIGNATURE_MEMORY;
    }

    p = der;
    n = i2d_ECDSA_SIG(sig, &p);

    ECDSA_SIG_free(sig);

    if (n <= 0) {
        return CANOPY_SIGNATURE_MEMORY;
    }

    signature.data = der;
    signature.len = (size_t) n;

    return verify_public(set, key, s, signature);
}


static canopy_signature_e
verify_public(const canopy_jwks_t *set, const canopy_jwk_t *key,
    const signed_t *s, canopy_slice_t signature)
{
    int            good;
    EVP_MD        *hash;
    EVP_MD_CTX    *md;
    EVP_PKEY_CTX  *ctx;

    md = EVP_MD_CTX_new();
    if (md == NULL) {
        return CANOPY_SIGNATURE_MEMORY;
    }

    hash = s->alg->scheme == CANOPY_JWK_EDDSA ? NULL
                                              : set->hashes[s->alg->hash];

    if (EVP_DigestVerifyInit(md, &ctx, hash, NULL, key->public) != 1) {
        EVP_MD_CTX_free(md);
        return CANOPY_SIGNATURE_MEMORY;
    }

    /* the salt is as long as the hash (RFC 7518, section 3.5) */

    if (s->alg->scheme == CANOPY_JWK_PSS
        && (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) != 1
            || EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST)
               != 1))
    {
        EVP_MD_CTX_free(md);
        return CANOPY_SIGNATURE_MEMORY;
    }

    good = EVP_DigestVerify(md, signature.data, signature.len, s->input.data,
                            s->input.len) == 1;

    EVP_MD_CTX_free(md);

    return good ? CANOPY_SIGNATURE_OK : CANOPY_SIGNATURE_INVALID;
}
