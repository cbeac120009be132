/*
 * Writing a text whose length is not known before: what fits is written, all
 * is counted.
 */

#ifndef CANOPY_TEXT_H
#define CANOPY_TEXT_H


#include "canopy_slice.h"


typedef struct {
    uint8_t  *buf;
    size_t    size;
    size_t    len;              /* of all the text so far, may be over size */
} canopy_text_t;


void canopy_text(canopy_text_t *t, const char *text);
void canopy_text_slice(canopy_text_t *t, canopy_slice_t text);

/*
 * In decimal digits.
 */
void canopy_text_number(canopy_text_t *t, uint64_t n);

/*
 * As seconds, with no more decimals than it takes: "-1.5", "0.025", "60".
 */
void canopy_text_seconds(canopy_text_t *t, int64_t ms);

/*
 * A string of JSON, with its quotes, that may also stand in a script of a page:
 * there is no "<" in it.
 *
 * In:      text, any bytes; each that is not part of UTF-8 becomes U+FFFD.
 */
void canopy_text_json(canopy_text_t *t, canopy_slice_t text);


#endif /* CANOPY_TEXT_H */
