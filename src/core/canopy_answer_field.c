#include "canopy_answer_field.h"

#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>


#define canopy_answer_bit(field)  (1u << (field))


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


static int canopy_answer_length(canopy_answer_t *a, const char *value,
    size_t len, unsigned seen);
static int canopy_answer_closes(const char *value);
static void canopy_answer_keep(canopy_answer_t *a, unsigned field,
    const char *value, size_t len);
static void canopy_answer_forget(canopy_answer_value_t *value);


/* the shortest first; the end is longer than any */
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
    { SIZE_MAX, NULL,          field_other }
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


const uint8_t *
canopy_answer_field_name(canopy_answer_t *a, const uint8_t *p,
    const uint8_t *last)
{
    size_t   n;
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
    return p;
}


void
canopy_answer_field_find(canopy_answer_t *a)
{
    size_t  i;

    a->s.field = field_other;

    for (i = 0; canopy_answer_fields[i].len <= a->s.n; i++) {
        if (canopy_answer_fields[i].len == a->s.n
            && memcmp(canopy_answer_fields[i].name, a->s.name, a->s.n) == 0)
        {
            a->s.field = canopy_answer_fields[i].field;
            break;
        }
    }
}


void
canopy_answer_field_value(canopy_answer_t *a, const uint8_t *p,
    const uint8_t *last)
{
    size_t          n, room;
    const uint8_t  *end;

    n = (size_t) (last - p);

    if (a->s.n < CANOPY_ANSWER_VALUE_MAX) {
        room = CANOPY_ANSWER_VALUE_MAX - a->s.n;
        room = n < room ? n : room;

        memcpy(a->s.value + a->s.n, p, room);

        if (a->s.used < a->s.n + room) {
            a->s.used = a->s.n + room;
        }
    }

    for (end = last; end > p; end--) {
        if (end[-1] != ' ' && end[-1] != '\t') {
            a->s.trimmed = a->s.n + (size_t) (end - p);
            break;
        }
    }

    a->s.n += n;
}


int
canopy_answer_field_end(canopy_answer_t *a)
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


void
canopy_answer_wipe(canopy_answer_t *a)
{
    /* what was not written to is not wiped: most answers have little */

    canopy_answer_forget(&a->content_type);
    canopy_answer_forget(&a->retry_after);

    OPENSSL_cleanse(a->s.name, CANOPY_ANSWER_NAME_MAX);
    OPENSSL_cleanse(a->s.value, a->s.used);
    a->s.used = 0;
}


void
canopy_answer_forget_id(canopy_answer_t *a)
{
    canopy_answer_forget(&a->request_id);
}


int
canopy_answer_field_framing(canopy_answer_t *a)
{
    unsigned  coded, sized;

    coded = a->s.seen & canopy_answer_bit(field_transfer_encoding);
    sized = a->s.seen & canopy_answer_bit(field_content_length);

    if (coded && sized) {
        return -1;
    }

    if (a->status == 101 || a->status > 599) {

        /* what follows is no HTTP, or nobody knows what it is */
        a->framing = CANOPY_FRAMING_UNKNOWN;
        a->keepalive = 0;

    } else if (a->status == 204 || a->status == 304) {
        a->framing = CANOPY_FRAMING_NONE;
        a->keepalive = a->keepalive && !coded && a->length == 0;
        a->length = 0;

    } else if (coded && a->s.chunked && !a->s.http10) {
        a->framing = CANOPY_FRAMING_CHUNKED;

    } else if (coded) {
        a->framing = CANOPY_FRAMING_UNKNOWN;
        a->keepalive = 0;

    } else if (!sized) {
        a->framing = CANOPY_FRAMING_CLOSE;
        a->keepalive = 0;

    } else if (a->length != 0) {
        a->framing = CANOPY_FRAMING_LENGTH;

    } else {
        a->framing = CANOPY_FRAMING_NONE;
    }

    return 0;
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

    canopy_answer_forget(to);

    to->len = len;
    memcpy(to->data, value, len);
}


static void
canopy_answer_forget(canopy_answer_value_t *value)
{
    OPENSSL_cleanse(value->data, value->len);
    value->len = 0;
}
