#include "canopy_answer_field.h"

#include <string.h>


/*
 * The order matters: the bytes of a state before sw_size take from s.room,
 * those of a state from sw_data on are a body's.
 */
typedef enum {
    sw_status = 0,
    sw_reason,
    sw_line_end,
    sw_name,
    sw_value,
    sw_section_end,
    sw_extension,
    sw_size,
    sw_size_end,
    sw_data_end,
    sw_data,
    sw_length,
    sw_close,
    sw_done,
    sw_bad
} canopy_answer_state_e;


static void canopy_answer_step(canopy_answer_t *a, const uint8_t **pos,
    const uint8_t *last);
static const uint8_t *canopy_answer_status(canopy_answer_t *a,
    const uint8_t *p, const uint8_t *last);
static const uint8_t *canopy_answer_name(canopy_answer_t *a, const uint8_t *p,
    const uint8_t *last);
static const uint8_t *canopy_answer_value(canopy_answer_t *a, const uint8_t *p,
    const uint8_t *last);
static const uint8_t *canopy_answer_size(canopy_answer_t *a, const uint8_t *p,
    const uint8_t *last);
static const uint8_t *canopy_answer_text(canopy_answer_t *a, const uint8_t *p,
    const uint8_t *last, canopy_answer_state_e next);
static const uint8_t *canopy_answer_eol(canopy_answer_t *a, const uint8_t *p,
    const uint8_t *last, canopy_answer_state_e next);
static int canopy_answer_section(canopy_answer_t *a);


void
canopy_answer_init(canopy_answer_t *a)
{
    memset(a, 0, sizeof(canopy_answer_t));

    a->s.room = CANOPY_ANSWER_HEAD_MAX;
}


canopy_answer_rc_e
canopy_answer_parse(canopy_answer_t *a, const uint8_t **pos,
    const uint8_t *last, canopy_slice_t *body)
{
    unsigned  final;

    body->len = 0;
    body->data = NULL;

    final = a->s.final;

    while (a->s.state < sw_data && *pos < last) {
        canopy_answer_step(a, pos, last);

        if (a->s.final != final) {
            a->s.room = CANOPY_ANSWER_HEAD_MAX;
            return CANOPY_ANSWER_HEAD;
        }
    }

    if (a->s.state == sw_done) {
        return CANOPY_ANSWER_DONE;
    }

    if (a->s.state == sw_bad) {
        return final ? CANOPY_ANSWER_BAD_BODY : CANOPY_ANSWER_BAD_HEAD;
    }

    if (*pos == last) {
        return CANOPY_ANSWER_AGAIN;
    }

    body->data = *pos;
    body->len = (size_t) (last - *pos);

    if (body->len > a->s.left) {
        body->len = (size_t) a->s.left;
    }

    *pos += body->len;
    a->s.left -= body->len;

    if (a->s.left == 0) {
        a->s.state = a->s.state == sw_data ? sw_data_end : sw_done;
    }

    return CANOPY_ANSWER_BODY;
}


canopy_answer_rc_e
canopy_answer_eof(const canopy_answer_t *a)
{
    if (a->s.state == sw_done || a->s.state == sw_close) {
        return CANOPY_ANSWER_DONE;
    }

    return a->s.final ? CANOPY_ANSWER_BAD_BODY : CANOPY_ANSWER_BAD_HEAD;
}


static void
canopy_answer_step(canopy_answer_t *a, const uint8_t **pos,
    const uint8_t *last)
{
    unsigned        bounded;
    const uint8_t  *p;

    p = *pos;
    bounded = a->s.state < sw_size;

    if (a->s.state < sw_extension && (size_t) (last - p) > a->s.room) {
        last = p + a->s.room;

        if (p == last) {
            a->s.state = sw_bad;
            return;
        }
    }

    switch (a->s.state) {

    case sw_status:
        p = canopy_answer_status(a, p, last);
        break;

    case sw_reason:
        p = canopy_answer_text(a, p, last, sw_line_end);
        break;

    case sw_line_end:
        p = canopy_answer_eol(a, p, last, sw_name);

        if (a->s.state == sw_name && canopy_answer_field_end(a) != 0) {
            p = NULL;
        }

        break;

    case sw_name:
        p = canopy_answer_name(a, p, last);
        break;

    case sw_value:
        p = canopy_answer_value(a, p, last);
        break;

    case sw_section_end:
        p = canopy_answer_eol(a, p, last, sw_done);

        if (a->s.state == sw_done && canopy_answer_section(a) != 0) {
            p = NULL;
        }

        break;

    case sw_extension:
        p = canopy_answer_text(a, p, last, sw_size_end);
        break;

    case sw_size:
        p = canopy_answer_size(a, p, last);
        break;

    case sw_size_end:
        p = canopy_answer_eol(a, p, last, a->s.left ? sw_data : sw_name);
        break;

    default: /* sw_data_end */
        p = canopy_answer_eol(a, p, last, sw_size);
    }

    if (p == NULL || (bounded && (size_t) (p - *pos) > a->s.room)) {
        a->s.state = sw_bad;
        return;
    }

    if (bounded) {
        a->s.room -= (size_t) (p - *pos);
    }

    *pos = p;
}


/*
 * This and the following pass over as much as they can, p < last; they return
 * where they stopped, or NULL at what is malformed.
 */
static const uint8_t *
canopy_answer_status(canopy_answer_t *a, const uint8_t *p, const uint8_t *last)
{
    static const char  form[] = "HTTP/1.# ###";

    for ( ; p < last && a->s.n < sizeof(form) - 1; a->s.n++, p++) {

        if (form[a->s.n] != '#') {
            if (*p != form[a->s.n]) {
                return NULL;
            }

        } else if (*p >= '0' && *p <= '9') {
            /* the minor version becomes the thousands */
            a->status = a->status * 10 + (*p - (unsigned) '0');

        } else {
            return NULL;
        }
    }

    if (p == last) {
        return p;
    }

    a->s.n = 0;
    a->s.http10 = a->status < 1000;
    a->keepalive = !a->s.http10;
    a->status %= 1000;

    if (a->status < 100) {
        return NULL;
    }

    a->s.state = *p == ' ' ? sw_reason : sw_line_end;
    return p;
}


/*
 * A field's name, or the empty line that is there instead.
 */
static const uint8_t *
canopy_answer_name(canopy_answer_t *a, const uint8_t *p, const uint8_t *last)
{
    p = canopy_answer_field_name(a, p, last);

    if (p == last) {
        return p;
    }

    if (a->s.n == 0 && (*p == '\r' || *p == '\n')) {
        a->s.state = sw_section_end;
        return p;
    }

    if (a->s.n == 0 || *p != ':') {
        return NULL;
    }

    /* nothing is learned from a 1xx head or from trailers */
    if (a->status >= 200 && !a->s.final) {
        canopy_answer_field_find(a);
    }

    a->s.n = 0;
    a->s.trimmed = 0;
    a->s.state = sw_value;

    return p + 1;
}


static const uint8_t *
canopy_answer_value(canopy_answer_t *a, const uint8_t *p, const uint8_t *last)
{
    const uint8_t  *next;

    while (a->s.n == 0 && p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    next = canopy_answer_text(a, p, last, sw_line_end);

    if (a->s.field) {
        canopy_answer_field_value(a, p, next);
    }

    return next;
}


static const uint8_t *
canopy_answer_size(canopy_answer_t *a, const uint8_t *p, const uint8_t *last)
{
    unsigned  digit;

    for ( ; p < last; p++, a->s.n++) {
        digit = *p - (unsigned) '0';

        if (digit > 9) {
            digit = (*p | 0x20) - (unsigned) 'a' + 10;

            if (digit < 10 || digit > 15) {
                break;
            }
        }

        if (a->s.left > CANOPY_ANSWER_LENGTH_MAX >> 4) {
            return NULL;
        }

        a->s.left = a->s.left << 4 | digit;
    }

    if (p == last) {
        return p;
    }

    if (a->s.n == 0) {
        return NULL;
    }

    a->s.n = 0;
    a->s.state = (*p == ';' || *p == ' ' || *p == '\t') ? sw_extension
                                                        : sw_size_end;
    return p;
}


/*
 * Bytes that may stand inside a line; next is the state behind them.
 */
static const uint8_t *
canopy_answer_text(canopy_answer_t *a, const uint8_t *p, const uint8_t *last,
    canopy_answer_state_e next)
{
    uint64_t  word;

    /* eight bytes at a time while none is below 0x0e */
    for ( ; last - p >= 8; p += 8) {
        memcpy(&word, p, 8);

        if ((word - 0x0e0e0e0e0e0e0e0e) & ~word & 0x8080808080808080) {
            break;
        }
    }

    while (p < last
           && (*p > '\r' || (*p != '\r' && *p != '\n' && *p != '\0')))
    {
        p++;
    }

    if (p < last) {
        a->s.state = next;
    }

    return p;
}


/*
 * A line's end, which is CR LF or LF, or its first byte.
 */
static const uint8_t *
canopy_answer_eol(canopy_answer_t *a, const uint8_t *p, const uint8_t *last,
    canopy_answer_state_e next)
{
    if (*p == '\r' && !a->s.cr) {
        a->s.cr = 1;
        p++;

        if (p == last) {
            return p;
        }
    }

    if (*p != '\n') {
        return NULL;
    }

    a->s.cr = 0;
    a->s.state = next;

    return p + 1;
}


/*
 * A head or the trailers are complete; returns -1 if the head is malformed.
 */
static int
canopy_answer_section(canopy_answer_t *a)
{
    static const canopy_answer_state_e  states[] = {
        [CANOPY_FRAMING_NONE] = sw_done,
        [CANOPY_FRAMING_LENGTH] = sw_length,
        [CANOPY_FRAMING_CHUNKED] = sw_size,
        [CANOPY_FRAMING_CLOSE] = sw_close,
        [CANOPY_FRAMING_UNKNOWN] = sw_bad
    };

    if (a->s.final) {
        return 0;
    }

    if (a->status < 200 && a->status != 101) {
        a->status = 0;
        a->s.state = sw_status;
        return 0;
    }

    if (canopy_answer_field_framing(a) != 0) {
        return -1;
    }

    a->s.final = 1;
    a->s.state = states[a->framing];
    a->s.left = a->framing == CANOPY_FRAMING_CLOSE ? UINT64_MAX : a->length;

    return 0;
}
