/*
 * An HTTP/1.1 response (RFC 9112), read piece by piece as it comes from the
 * network, without memory of its own beyond this structure.
 */

#ifndef CANOPY_ANSWER_H
#define CANOPY_ANSWER_H


#include "canopy_slice.h"


#define CANOPY_ANSWER_HEAD_MAX   65536  /* bytes of all heads, 1xx included */
#define CANOPY_ANSWER_NAME_MAX   17     /* bytes of the longest known name */
#define CANOPY_ANSWER_VALUE_MAX  128    /* bytes of a field value kept */

/* the largest size of a body or of a chunk that fits */
#define CANOPY_ANSWER_LENGTH_MAX  ((uint64_t) INT64_MAX)


typedef enum {
    CANOPY_ANSWER_AGAIN = 0,    /* all bytes are taken, more are needed */
    CANOPY_ANSWER_HEAD,         /* the final head is complete; said once */
    CANOPY_ANSWER_BODY,         /* *body has decoded bytes; call again */
    CANOPY_ANSWER_DONE,         /* the answer is complete */
    CANOPY_ANSWER_BAD_HEAD,     /* malformed before the final head's end */
    CANOPY_ANSWER_BAD_BODY      /* malformed in the body's framing */
} canopy_answer_rc_e;


typedef enum {
    CANOPY_FRAMING_NONE = 0,    /* no body: 204, 304, Content-Length: 0 */
    CANOPY_FRAMING_LENGTH,
    CANOPY_FRAMING_CHUNKED,
    CANOPY_FRAMING_CLOSE,       /* ends with the connection */
    CANOPY_FRAMING_UNKNOWN      /* a transfer coding other than "chunked" */
} canopy_framing_e;


/* a field's value; len is 0 if it did not come or is not kept */
typedef struct {
    size_t   len;
    uint8_t  data[CANOPY_ANSWER_VALUE_MAX];
} canopy_answer_value_t;


typedef struct {
    /* to be read after CANOPY_ANSWER_HEAD */
    unsigned               status;          /* 101, or 200 to 999 */
    canopy_framing_e       framing;
    uint64_t               length;          /* with CANOPY_FRAMING_LENGTH */
    unsigned               keepalive:1;     /* the connection may be kept once
                                               the answer is done */
    unsigned               encoded:1;       /* has a Content-Encoding other
                                               than "identity" */
    canopy_answer_value_t  content_type;
    canopy_answer_value_t  retry_after;
    canopy_answer_value_t  request_id;      /* x-request-id, else
                                               x-amzn-requestid,
                                               apigw-requestid, cf-ray */

    /* the parser's own */
    struct {
        unsigned           state;
        unsigned           field;           /* the known field read, or 0 */
        unsigned           seen;            /* bits of the known fields */
        unsigned           id;              /* the field request_id is from */
        unsigned           cr:1;            /* LF must follow */
        unsigned           http10:1;
        unsigned           chunked:1;       /* the first Transfer-Encoding */
        unsigned           final:1;         /* the final head is complete */
        size_t             room;            /* what is left of HEAD_MAX */
        size_t             n;               /* bytes read of status line, name,
                                               value or chunk size */
        size_t             trimmed;         /* n without spaces at the end */
        size_t             used;            /* bytes of value ever written */
        uint64_t           left;            /* of the body or of a chunk */
        uint8_t            name[CANOPY_ANSWER_NAME_MAX];
        uint8_t            value[CANOPY_ANSWER_VALUE_MAX + 1];
    } s;
} canopy_answer_t;


/*
 * Prepares *a for a new answer.
 */
void canopy_answer_init(canopy_answer_t *a);


/*
 * Takes the next bytes of the answer, [*pos, last); *pos is moved past those
 * taken.  To be called again with what is left (which may be nothing) until
 * it says AGAIN, DONE or BAD_*; after DONE, bytes left are not part of this
 * answer, and the connection must not be kept.
 *
 * 1xx heads other than 101 are passed over.  The final head is BAD_HEAD
 * (RFC 9112, sections 4 to 6) when: the version is not HTTP/1.x; the status is
 * not three digits from 100; a line is no "name: value" with a token for
 * a name, is folded, has a CR without LF or a NUL; Content-Length is not a
 * number that fits, or there are two that differ; both Content-Length and
 * Transfer-Encoding are there; all heads together are longer than
 * CANOPY_ANSWER_HEAD_MAX.  A line may end with LF alone.
 *
 * A body is BAD_BODY when: its framing is unknown; a chunk's size is not a
 * number that fits; no line end follows a chunk; a trailer is malformed as a
 * line of a head can be; extensions and trailers together are longer than
 * CANOPY_ANSWER_HEAD_MAX.  Trailers are checked, not kept.
 *
 * Returns  as above; *body is a slice of the input, valid as long as that.
 */
canopy_answer_rc_e canopy_answer_parse(canopy_answer_t *a, const uint8_t **pos,
    const uint8_t *last, canopy_slice_t *body);


/*
 * The peer has closed the connection.
 *
 * Returns  DONE if that ends the answer properly (or it was done already),
 *          BAD_BODY if the final head was complete, else BAD_HEAD.
 */
canopy_answer_rc_e canopy_answer_eof(const canopy_answer_t *a);


/*
 * Wipes the bytes of the peer's that were kept, but for request_id: they may
 * be anything, a credential that was sent to it included.  The answer is not
 * to be parsed any further.
 */
void canopy_answer_wipe(canopy_answer_t *a);


/*
 * Wipes request_id, which is empty then.
 */
void canopy_answer_forget_id(canopy_answer_t *a);


#endif /* CANOPY_ANSWER_H */
