/*
 * The answer parser's oracle: slow and simple, written from RFC 9112 and the
 * promises of canopy_answer.h.  It has the whole input in one piece, cuts it
 * into lines first, and looks for fields by name afterwards.  It knows no
 * limit of a head's length: inputs are shorter than that.
 */

#ifndef ANSWER_ORACLE_H
#define ANSWER_ORACLE_H


#include "canopy_answer.h"
#include "answer_lines.h"


#define ORACLE_LINES  (CANOPY_ANSWER_HEAD_MAX / 2)


typedef struct {
    canopy_slice_t       name;
    canopy_slice_t       value;
} oracle_field_t;


typedef struct {
    canopy_answer_rc_e   rc;    /* AGAIN, DONE or BAD_* */
    unsigned             head;  /* the final one is complete */
    unsigned             status;
    unsigned             http10;
    canopy_framing_e     framing;
    uint64_t             length;
    unsigned             keepalive;
    unsigned             encoded;
    canopy_slice_t       content_type;
    canopy_slice_t       retry_after;
    canopy_slice_t       request_id;
    size_t               len;   /* of the body */
    size_t               left;  /* bytes behind the end, if it is DONE */

    canopy_slice_t       in;    /* what is not read yet */
    size_t               n;     /* fields */
    oracle_field_t       fields[ORACLE_LINES];
    uint8_t              body[CANOPY_ANSWER_HEAD_MAX];
} oracle_t;


/* "HTTP/1.x ddd", and then nothing or a space and a reason */
static oracle_line_e
oracle_status_line(oracle_t *o)
{
    size_t           i;
    oracle_line_e    rc;
    canopy_slice_t   in, line;

    static const char  begin[] = "HTTP/1.";

    in = o->in;
    rc = oracle_line(&o->in, &line);

    /* a fault before the one of the line counts as well: both are bad */

    for (i = 0; i < in.len && i < 12; i++) {
        if (i < 7 ? in.data[i] != begin[i]
            : i == 8 ? in.data[i] != ' '
            : in.data[i] < '0' || in.data[i] > '9')
        {
            return line_bad;
        }
    }

    if (in.len < 13) {
        return rc == line_bad ? line_bad : line_partial;
    }

    o->http10 = (in.data[7] == '0');
    o->status = (in.data[9] - '0') * 100u + (in.data[10] - '0') * 10u
                + (in.data[11] - (unsigned) '0');

    if (o->status < 100 || strchr(" \r\n", in.data[12]) == NULL) {
        return line_bad;
    }

    return rc;
}


/* lines of "name: value" up to the empty one; they are the fields */
static oracle_line_e
oracle_section(oracle_t *o)
{
    size_t           i;
    oracle_line_e    rc;
    canopy_slice_t   in, line, name;

    static const char  token[] = "!#$%&'*+-.^_`|~0123456789"
                                 "abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    for (o->n = 0; /* void */ ; o->n++) {
        in = o->in;
        rc = oracle_line(&o->in, &line);

        if (rc == line_bad || line.len == 0) {
            return rc;
        }

        for (i = 0; i < line.len && line.data[i] != ':'; i++) { /* void */ }

        name = line;
        name.len = i;

        if (name.len == 0 || !oracle_only(name, token)) {
            return line_bad;
        }

        if (rc == line_partial) {
            /* a CR behind a name has come already */
            return i == line.len && i < in.len ? line_bad : line_partial;
        }

        if (i == line.len) {
            return line_bad;
        }

        check(o->n < ORACLE_LINES);

        o->fields[o->n].name = name;

        line.data += i + 1;
        line.len -= i + 1;
        o->fields[o->n].value = oracle_trim(line);
    }
}


/* the i-th field of that name, from 0 */
static const canopy_slice_t *
oracle_field(const oracle_t *o, const char *name, size_t i)
{
    size_t  k;

    for (k = 0; k < o->n; k++) {
        if (oracle_is(o->fields[k].name, name) && i-- == 0) {
            return &o->fields[k].value;
        }
    }

    return NULL;
}


/* the first field's value, if it is kept */
static canopy_slice_t
oracle_kept(const oracle_t *o, const char *name, const char *alphabet)
{
    const canopy_slice_t  *value;

    static const canopy_slice_t  none = { 0, NULL };

    value = oracle_field(o, name, 0);

    return value && value->len <= CANOPY_ANSWER_VALUE_MAX
           && oracle_only(*value, alphabet) ? *value : none;
}


static int
oracle_closes(const oracle_t *o)
{
    size_t                 i, k, n;
    canopy_slice_t         word;
    const canopy_slice_t  *value;

    for (i = 0; (value = oracle_field(o, "Connection", i)) != NULL; i++) {
        if (value->len > CANOPY_ANSWER_VALUE_MAX) {
            return 1;
        }

        /* every piece that a comma, a space or an end is on either side of */

        for (k = 0; k < value->len; k++) {
            for (n = k; n < value->len && !strchr(", \t", value->data[n]);
                 n++)
            {
                /* void */
            }

            word.data = value->data + k;
            word.len = n - k;

            if (oracle_is(word, "close")
                && (k == 0 || strchr(", \t", value->data[k - 1])))
            {
                return 1;
            }
        }
    }

    return 0;
}


/* -1: some Content-Length is no number that fits, or not the one before */
static int
oracle_length(oracle_t *o)
{
    size_t                 i, k;
    unsigned __int128      n;
    const canopy_slice_t  *value;

    o->length = 0;

    for (i = 0; (value = oracle_field(o, "Content-Length", i)) != NULL; i++) {
        if (value->len == 0 || value->len > CANOPY_ANSWER_VALUE_MAX
            || !oracle_only(*value, "0123456789"))
        {
            return -1;
        }

        for (n = 0, k = 0; k < value->len; k++) {
            n = n * 10 + (value->data[k] - (unsigned) '0');

            if (n > CANOPY_ANSWER_LENGTH_MAX) {
                return -1;
            }
        }

        if (i > 0 && n != o->length) {
            return -1;
        }

        o->length = (uint64_t) n;
    }

    return 0;
}


/* what a final head with good lines says; -1 if it contradicts itself */
static int
oracle_head(oracle_t *o)
{
    int                    coded, sized, chunked;
    size_t                 i;
    char                   printable[128];
    const canopy_slice_t  *value;

    static const char  id[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "abcdefghijklmnopqrstuvwxyz0123456789._:+/=-";

    static const char *const  ids[] = {
        "X-Request-ID", "x-amzn-RequestId", "Apigw-Requestid", "CF-RAY"
    };

    if (o->status == 101) {
        o->n = 0;
    }

    for (i = 0; i < 95; i++) {
        printable[i] = (char) (' ' + i);
    }

    printable[95] = '\0';
    o->retry_after = oracle_kept(o, "Retry-After", printable);

    printable[95] = '\t';
    printable[96] = '\0';
    o->content_type = oracle_kept(o, "Content-Type", printable);

    o->request_id.len = 0;

    for (i = 0; i < 4 && o->request_id.len == 0; i++) {
        o->request_id = oracle_kept(o, ids[i], id);
    }

    o->encoded = 0;

    for (i = 0; (value = oracle_field(o, "Content-Encoding", i)); i++) {
        o->encoded |= (value->len != 0 && !oracle_is(*value, "identity"));
    }

    value = oracle_field(o, "Transfer-Encoding", 0);

    coded = (value != NULL);
    chunked = (coded && oracle_is(*value, "chunked") && !o->http10
               && oracle_field(o, "Transfer-Encoding", 1) == NULL);

    sized = (oracle_field(o, "Content-Length", 0) != NULL);

    if (oracle_length(o) != 0 || (coded && sized)) {
        return -1;
    }

    o->keepalive = !o->http10 && !oracle_closes(o);

    if (o->status == 101 || o->status > 599) {
        o->framing = CANOPY_FRAMING_UNKNOWN;

    } else if (o->status == 204 || o->status == 304) {
        o->framing = CANOPY_FRAMING_NONE;
        o->keepalive = o->keepalive && !coded && o->length == 0;

    } else if (coded) {
        o->framing = chunked ? CANOPY_FRAMING_CHUNKED : CANOPY_FRAMING_UNKNOWN;

    } else if (sized) {
        o->framing = o->length ? CANOPY_FRAMING_LENGTH : CANOPY_FRAMING_NONE;

    } else {
        o->framing = CANOPY_FRAMING_CLOSE;
    }

    if (o->framing == CANOPY_FRAMING_CLOSE
        || o->framing == CANOPY_FRAMING_UNKNOWN)
    {
        o->keepalive = 0;
    }

    return 0;
}


static void
oracle_take(oracle_t *o, uint64_t n)
{
    n = n < o->in.len ? n : o->in.len;

    memcpy(o->body + o->len, o->in.data, n);
    o->len += n;

    o->in.data += n;
    o->in.len -= n;
}


/* one chunk, its size and its data; *size is 0 with the last one */
static oracle_line_e
oracle_chunk(oracle_t *o, uint64_t *size)
{
    size_t             i;
    canopy_slice_t     in, line;
    oracle_line_e      rc;
    unsigned __int128  n;

    in = o->in;

    for (n = 0, i = 0; i < in.len; i++) {
        if (in.data[i] == '\0' || !strchr("0123456789abcdefABCDEF",
                                          in.data[i]))
        {
            break;
        }

        n = n * 16 + (in.data[i] <= '9' ? in.data[i] - (unsigned) '0'
                                        : (in.data[i] | 0x20) - 'a' + 10u);

        if (n > CANOPY_ANSWER_LENGTH_MAX) {
            return line_bad;
        }
    }

    if (i < in.len && (i == 0 || in.data[i] == '\0'
                       || strchr("; \t\r\n", in.data[i]) == NULL))
    {
        return line_bad;
    }

    *size = (uint64_t) n;
    rc = oracle_line(&o->in, &line);

    if (rc != line_good || n == 0) {
        return rc;
    }

    if (n > o->in.len) {
        oracle_take(o, o->in.len);
        return line_partial;
    }

    oracle_take(o, *size);

    /* nothing but a line's end may follow */

    if (o->in.len && o->in.data[0] != '\r' && o->in.data[0] != '\n') {
        return line_bad;
    }

    return oracle_line(&o->in, &line);
}


static canopy_answer_rc_e
oracle_rc(oracle_line_e line, canopy_answer_rc_e bad)
{
    return line == line_good ? CANOPY_ANSWER_DONE
           : line == line_partial ? CANOPY_ANSWER_AGAIN : bad;
}


static canopy_answer_rc_e
oracle_body(oracle_t *o)
{
    uint64_t       size;
    oracle_line_e  line;

    switch (o->framing) {

    case CANOPY_FRAMING_NONE:
        return CANOPY_ANSWER_DONE;

    case CANOPY_FRAMING_LENGTH:
        oracle_take(o, o->length);
        return o->len == o->length ? CANOPY_ANSWER_DONE : CANOPY_ANSWER_AGAIN;

    case CANOPY_FRAMING_CLOSE:
        oracle_take(o, o->in.len);
        return CANOPY_ANSWER_AGAIN;

    case CANOPY_FRAMING_CHUNKED:
        do {
            line = oracle_chunk(o, &size);
        } while (line == line_good && size != 0);

        if (line == line_good) {
            line = oracle_section(o);
        }

        return oracle_rc(line, CANOPY_ANSWER_BAD_BODY);

    default: /* CANOPY_FRAMING_UNKNOWN */
        return CANOPY_ANSWER_BAD_BODY;
    }
}


static void
oracle(oracle_t *o, canopy_slice_t in)
{
    oracle_line_e  line;

    o->head = 0;
    o->len = 0;
    o->in = in;

    do {
        o->status = 0;
        o->n = 0;

        line = oracle_status_line(o);

        if (line == line_good) {
            line = oracle_section(o);
        }

        /* faults of a field are found before what follows it is read */

        if (line != line_bad && o->status >= 200 && oracle_length(o) != 0) {
            line = line_bad;
        }
    } while (line == line_good && o->status < 200 && o->status != 101);

    o->rc = oracle_rc(line, CANOPY_ANSWER_BAD_HEAD);

    if (line == line_good) {
        if (oracle_head(o) != 0) {
            o->rc = CANOPY_ANSWER_BAD_HEAD;
            return;
        }

        o->head = 1;
        o->rc = oracle_body(o);
    }

    o->left = o->rc == CANOPY_ANSWER_DONE ? o->in.len : 0;
}


#endif /* ANSWER_ORACLE_H */
