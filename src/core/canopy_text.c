#include <string.h>

#include "canopy_redact.h"
#include "canopy_text.h"


static size_t text_character(canopy_slice_t text);
static void text_escape(canopy_text_t *t, uint8_t ch);


void
canopy_text(canopy_text_t *t, const char *text)
{
    canopy_slice_t  slice;

    slice.data = (const uint8_t *) text;
    slice.len = strlen(text);

    canopy_text_slice(t, slice);
}


void
canopy_text_slice(canopy_text_t *t, canopy_slice_t text)
{
    size_t  n;

    if (t->len < t->size && text.len) {
        n = t->size - t->len;
        memcpy(t->buf + t->len, text.data, text.len < n ? text.len : n);
    }

    t->len += text.len;
}


void
canopy_text_number(canopy_text_t *t, uint64_t n)
{
    uint8_t         digits[20];
    canopy_slice_t  text;

    text.len = 0;
    text.data = digits + sizeof(digits);

    do {
        text.len++;
        digits[sizeof(digits) - text.len] = (uint8_t) ('0' + n % 10);
        n /= 10;
    } while (n);

    text.data -= text.len;

    canopy_text_slice(t, text);
}


void
canopy_text_seconds(canopy_text_t *t, int64_t ms)
{
    char      decimals[5];
    unsigned  rest;
    uint64_t  abs;

    abs = (ms < 0) ? - (uint64_t) ms : (uint64_t) ms;

    if (ms < 0) {
        canopy_text(t, "-");
    }

    canopy_text_number(t, abs / 1000);

    rest = abs % 1000;

    if (rest == 0) {
        return;
    }

    decimals[0] = '.';
    decimals[1] = (char) ('0' + rest / 100);
    decimals[2] = (char) ('0' + rest / 10 % 10);
    decimals[3] = (char) ('0' + rest % 10);
    decimals[rest % 10 ? 4 : rest % 100 ? 3 : 2] = '\0';

    canopy_text(t, decimals);
}


void
canopy_text_json(canopy_text_t *t, canopy_slice_t text)
{
    size_t          n;
    canopy_slice_t  character;

    canopy_text(t, "\"");

    while (text.len) {
        n = text_character(text);

        if (n == 0) {
            canopy_text(t, "\xef\xbf\xbd");
            n = 1;

        } else if (n == 1 && (text.data[0] < 0x20 || text.data[0] == '"'
                              || text.data[0] == '\\' || text.data[0] == '<'))
        {
            text_escape(t, text.data[0]);

        } else {
            character.data = text.data;
            character.len = n;
            canopy_text_slice(t, character);
        }

        text.data += n;
        text.len -= n;
    }

    canopy_text(t, "\"");
}


/* the length of the first one; 0: it is not UTF-8 */
static size_t
text_character(canopy_slice_t text)
{
    size_t   n;
    uint8_t  ch;

    ch = text.data[0];
    n = (ch >= 0xf0) ? 4 : (ch >= 0xe0) ? 3 : (ch >= 0x80) ? 2 : 1;

    if (text.len < n) {
        return 0;
    }

    text.len = n;

    return canopy_redact_is_utf8(text) ? n : 0;
}


static void
text_escape(canopy_text_t *t, uint8_t ch)
{
    char  escape[] = "\\u0000";

    static const char  hex[] = "0123456789abcdef";

    escape[4] = hex[ch >> 4];
    escape[5] = hex[ch & 15];

    canopy_text(t, escape);
}
