/*
 * The request.  What is read of the answer: canopy_grant_answer.c.
 */

#include <string.h>

#include "canopy_grant.h"


static size_t canopy_grant_text_size(canopy_slice_t text);
static uint8_t *canopy_grant_text(uint8_t *p, canopy_slice_t text);
static uint8_t *canopy_grant_copy(uint8_t *p, canopy_slice_t text);


/* in order, the values between them */
static const canopy_slice_t  canopy_grant_words[] = {
    canopy_slice("{\"client_id\":\""),
    canopy_slice("\",\"client_secret\":\""),
    canopy_slice("\",\"audience\":\""),
    canopy_slice("\",\"grant_type\":\"client_credentials\"}")
};


size_t
canopy_grant_request_size(canopy_slice_t client_id, canopy_slice_t secret,
    canopy_slice_t audience)
{
    const canopy_slice_t  *words = canopy_grant_words;

    return words[0].len + canopy_grant_text_size(client_id)
           + words[1].len + canopy_grant_text_size(secret)
           + words[2].len + canopy_grant_text_size(audience)
           + words[3].len;
}


size_t
canopy_grant_request(uint8_t *buf, canopy_slice_t client_id,
    canopy_slice_t secret, canopy_slice_t audience)
{
    uint8_t               *p;
    const canopy_slice_t  *words = canopy_grant_words;

    p = canopy_grant_copy(buf, words[0]);
    p = canopy_grant_text(p, client_id);
    p = canopy_grant_copy(p, words[1]);
    p = canopy_grant_text(p, secret);
    p = canopy_grant_copy(p, words[2]);
    p = canopy_grant_text(p, audience);
    p = canopy_grant_copy(p, words[3]);

    return (size_t) (p - buf);
}


static size_t
canopy_grant_text_size(canopy_slice_t text)
{
    size_t   i, size;
    uint8_t  ch;

    size = text.len;

    for (i = 0; i < text.len; i++) {
        ch = text.data[i];

        if (ch < ' ') {
            size += sizeof("u001f") - 1;

        } else if (ch == '"' || ch == '\\') {
            size++;
        }
    }

    return size;
}


static uint8_t *
canopy_grant_text(uint8_t *p, canopy_slice_t text)
{
    size_t   i;
    uint8_t  ch;

    static const char  hex[] = "0123456789abcdef";

    for (i = 0; i < text.len; i++) {
        ch = text.data[i];

        if (ch < ' ') {
            memcpy(p, "\\u00", 4);
            p[4] = (uint8_t) hex[ch >> 4];
            p[5] = (uint8_t) hex[ch & 0xf];
            p += 6;
            continue;
        }

        if (ch == '"' || ch == '\\') {
            *p++ = '\\';
        }

        *p++ = ch;
    }

    return p;
}


static uint8_t *
canopy_grant_copy(uint8_t *p, canopy_slice_t text)
{
    memcpy(p, text.data, text.len);

    return p + text.len;
}
