#include "canopy_answer.h"

#include <string.h>
#include <strings.h>


#define CANOPY_ANSWER_LENGTH_MAX  ((uint64_t) INT64_MAX)

#define canopy_answer_bit(field)  (1u << (field))


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


/* the request ids come last, in the order of their precedence */
typedef enum {
    field_other = 0,
    field_content_length,
    field_transfer_encoding,
    field_connection,
    field_content_encoding,
    field_content_type,
    field_retry_after,
    field_x_request_id,
    field_x_amzn_requestid,
    field_apigw_requestid,
    field_cf_ray
} canopy_answer_field_e;


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
    canopy_answer_state_e next);
static int canopy_answer_field(canopy_answer_t *a);
static int canopy_answer_length(canopy_answer_t *a, const char *value,
    size_t len, unsigned seen);
static int canopy_answer_closes(const char *value);
static void canopy_answer_keep(canopy_answer_t *a, unsigned field,
    const char *value, size_t len);
static int canopy_answer_framing(canopy_answer_t *a);


static const struct {
    size_t                 len;
    const char            *name;
    canopy_answer_field_e  field;
} canopy_answer_fields[] = {
    {  6, "cf-ray",            field_cf_ray },
    { 10, "connection",        field_connection },
    { 11, "retry-after",       field_retry_after },
    { 12, "content-type",      field_content_type },
    { 12, "x-request-id",      field_x_request_id },
    { 14, "content-length",    field_content_length },
    { 15, "apigw-requestid",   field_apigw_requestid },
    { 16, "content-encoding",  field_content_encoding },
    { 16, "x-amzn-requestid",  field_x_amzn_requestid },
    { 17, "transfer-encoding", field_transfer_encoding },
    {  0, NULL,                field_other }
};


/* a token's characters (RFC 9110, section 5.6.2) in lower case, else NUL */
static const uint8_t  canopy_answer_token[256] =
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    "\0!\0#$%&'\0\0*+\0-.\0"           "0123456789\0\0\0\0\0\0"
    "\0abcdefghijklmno"                "pqrstuvwxyz\0\0\0^_"
    "`abcdefghijklmno"                 "pqrstuvwxyz\0|\0~\0";


/* the characters of a request id that is kept, else NUL */
static const uint8_t  canopy_answer_id[256] =
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    "\0\0\0\0\0\0\0\0\0\0\0+\0-./"     "0123456789:\0\0=\0\0"
    "\0ABCDEFGHIJKLMNO"                "PQRSTUVWXYZ\0\0\0\0_"
    "\0abcdefghijklmno"                "pqrstuvwxyz\0\0\0\0\0";


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
        p = canopy_answer_eol(a, p, sw_name);

        if (a->s.state == sw_name && canopy_answer_field(a) != 0) {
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
        p = canopy_answer_eol(a, p, sw_done);

        if (a->s.state == sw_done && canopy_answer_framing(a) != 0) {
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
        p = canopy_answer_eol(a, p, a->s.left ? sw_data : sw_name);
        break;

    default: /* sw_data_end */
        p = canopy_answer_eol(a, p, sw_size);
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

    if (a->status < 100 || a->status == 101 || a->status > 599) {
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
    size_t   i, n;
    uint8_t  ch;

    for (n = a->s.n; p < last; p++, n++) {
        ch = canopy_answer_token[*p];

        if (ch == '\0') {
            break;
        }

        if (n < CANOPY_ANSWER_NAME_MAX) {
            a->s.name[n] = ch;
        }
    }

    a->s.n = n;

    if (p == last) {
        return p;
    }

    if (n == 0 && (*p == '\r' || *p == '\n')) {
        a->s.state = sw_section_end;
        return p;
    }

    if (n == 0 || *p != ':') {
        return NULL;
    }

    a->s.n = 0;
    a->s.trimmed = 0;
    a->s.state = sw_value;

    /* nothing is learned from a 1xx head or from trailers */
    if (a->status < 200 || a->s.final) {
        return p + 1;
    }

    for (i = 0; canopy_answer_fields[i].len; i++) {
        if (canopy_answer_fields[i].len == n
            && memcmp(canopy_answer_fields[i].name, a->s.name, n) == 0)
        {
            break;
        }
    }

    a->s.field = canopy_answer_fields[i].field;
    return p + 1;
}


static const uint8_t *
canopy_answer_value(canopy_answer_t *a, const uint8_t *p, const uint8_t *last)
{
    size_t          n;
    const uint8_t  *next, *end;

    while (a->s.n == 0 && p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    next = canopy_answer_text(a, p, last, sw_line_end);

    if (a->s.field == field_other) {
        return next;
    }

    n = (size_t) (next - p);

    if (a->s.n < CANOPY_ANSWER_VALUE_MAX) {
        memcpy(a->s.value + a->s.n, p, n < CANOPY_ANSWER_VALUE_MAX - a->s.n
                                       ? n : CANOPY_ANSWER_VALUE_MAX - a->s.n);
    }

    for (end = next; end > p; end--) {
        if (end[-1] != ' ' && end[-1] != '\t') {
            a->s.trimmed = a->s.n + (size_t) (end - p);
            break;
        }
    }

    a->s.n += n;
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
 * One byte of a line's end, which is CR LF or LF.
 */
static const uint8_t *
canopy_answer_eol(canopy_answer_t *a, const uint8_t *p,
    canopy_answer_state_e next)
{
    if (*p == '\n') {
        a->s.cr = 0;
        a->s.state = next;
        return p + 1;
    }

    if (*p != '\r' || a->s.cr) {
        return NULL;
    }

    a->s.cr = 1;
    return p + 1;
}


/*
 * The line is complete; returns -1 if its field makes the head malformed.
 */
static int
canopy_answer_field(canopy_answer_t *a)
{
    size_t       len;
    unsigned     field, seen;
    const char  *value;

    field = a->s.field;
    len = a->s.trimmed;

    a->s.n = 0;
    a->s.field = field_other;

    if (field == field_other) {
        return 0;
    }

    /* a value that is too long is cut, and so equals nothing known */
    a->s.value[len < CANOPY_ANSWER_VALUE_MAX ? len : CANOPY_ANSWER_VALUE_MAX]
        = '\0';
    value = (const char *) a->s.value;

    seen = a->s.seen & canopy_answer_bit(field);
    a->s.seen |= canopy_answer_bit(field);

    switch (field) {

    case field_content_length:
        return canopy_answer_length(a, value, len, seen);

    case field_transfer_encoding:
        a->s.chunked = !seen && strcasecmp(value, "chunked") == 0;
        return 0;

    case field_connection:
        if (len > CANOPY_ANSWER_VALUE_MAX || canopy_answer_closes(value)) {
            a->keepalive = 0;
        }

        return 0;

    case field_content_encoding:
        if (len != 0 && strcasecmp(value, "identity") != 0) {
            a->encoded = 1;
        }

        return 0;

    default:
        if (!seen && len != 0 && len <= CANOPY_ANSWER_VALUE_MAX) {
            canopy_answer_keep(a, field, value, len);
        }

        return 0;
    }
}


static int
canopy_answer_length(canopy_answer_t *a, const char *value, size_t len,
    unsigned seen)
{
    size_t    i;
    unsigned  digit;
    uint64_t  length;

    if (len == 0 || len > CANOPY_ANSWER_VALUE_MAX) {
        return -1;
    }

    length = 0;

    for (i = 0; i < len; i++) {
        digit = (uint8_t) value[i] - (unsigned) '0';

        if (digit > 9 || length > (CANOPY_ANSWER_LENGTH_MAX - digit) / 10) {
            return -1;
        }

        length = length * 10 + digit;
    }

    if (seen && length != a->length) {
        return -1;
    }

    a->length = length;
    return 0;
}


/*
 * A malformed list is read to the safe side: spaces are commas.
 */
static int
canopy_answer_closes(const char *value)
{
    size_t  len;

    for ( ; *value != '\0'; value += len) {
        value += strspn(value, ", \t");
        len = strcspn(value, ", \t");

        if (len == 5 && strncasecmp(value, "close", 5) == 0) {
            return 1;
        }
    }

    return 0;
}


static void
canopy_answer_keep(canopy_answer_t *a, unsigned field, const char *value,
    size_t len)
{
    size_t                  i;
    uint8_t                 ch;
    canopy_answer_value_t  *to;

    to = field == field_content_type ? &a->content_type
         : field == field_retry_after ? &a->retry_after : &a->request_id;

    for (i = 0; i < len; i++) {
        ch = (uint8_t) value[i];

        if (to == &a->request_id) {
            if (canopy_answer_id[ch] == '\0') {
                return;
            }

        } else if ((ch < ' ' || ch > '~')
                   && (ch != '\t' || to == &a->retry_after))
        {
            return;
        }
    }

    if (to == &a->request_id) {
        if (a->s.id != field_other && a->s.id < field) {
            return;
        }

        a->s.id = field;
    }

    to->len = len;
    memcpy(to->data, value, len);
}


/*
 * A head or the trailers are complete; returns -1 if the fields of the head
 * contradict each other.
 */
static int
canopy_answer_framing(canopy_answer_t *a)
{
    unsigned  coded, sized;

    if (a->s.final) {
        return 0;
    }

    if (a->status < 200) {
        a->status = 0;
        a->s.state = sw_status;
        return 0;
    }

    coded = a->s.seen & canopy_answer_bit(field_transfer_encoding);
    sized = a->s.seen & canopy_answer_bit(field_content_length);

    if (coded && sized) {
        return -1;
    }

    a->s.final = 1;
    a->s.left = a->length;

    if (a->status == 204 || a->status == 304) {
        a->framing = CANOPY_FRAMING_NONE;
        a->keepalive = a->keepalive && !coded && a->length == 0;
        a->length = 0;

    } else if (coded && a->s.chunked && !a->s.http10) {
        a->framing = CANOPY_FRAMING_CHUNKED;
        a->s.state = sw_size;

    } else if (coded) {
        a->framing = CANOPY_FRAMING_UNKNOWN;
        a->keepalive = 0;
        a->s.state = sw_bad;

    } else if (!sized) {
        a->framing = CANOPY_FRAMING_CLOSE;
        a->keepalive = 0;
        a->s.left = UINT64_MAX;
        a->s.state = sw_close;

    } else if (a->length != 0) {
        a->framing = CANOPY_FRAMING_LENGTH;
        a->s.state = sw_length;

    } else {
        a->framing = CANOPY_FRAMING_NONE;
    }

    return 0;
}
