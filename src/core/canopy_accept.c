#include <string.h>

#include "canopy_accept.h"
#include "canopy_media.h"


#define CANOPY_ACCEPT_MOST  1000        /* weights are thousandths */


static canopy_slice_t canopy_accept_until(canopy_slice_t *rest, int c);
static int canopy_accept_weight(canopy_slice_t params);
static int canopy_accept_number(canopy_slice_t text);


int
canopy_accept_html(canopy_slice_t accept)
{
    int             html, json, weight;
    canopy_slice_t  range, type;

    html = 0;
    json = 0;

    while (accept.len) {
        range = canopy_accept_until(&accept, ',');
        type = canopy_accept_until(&range, ';');
        weight = canopy_accept_weight(range);

        if (canopy_media_is(type, "text/html") && weight > html) {
            html = weight;
        }

        if (canopy_media_is(type, "application/json") && weight > json) {
            json = weight;
        }
    }

    return html > 0 && html >= json;
}


/* takes what stands before c, or all, off the rest */
static canopy_slice_t
canopy_accept_until(canopy_slice_t *rest, int c)
{
    canopy_slice_t  part;
    const uint8_t  *p;

    part = *rest;
    p = rest->len ? memchr(rest->data, c, rest->len) : NULL;

    if (p) {
        part.len = p - rest->data;
        rest->data += part.len + 1;
        rest->len -= part.len + 1;

    } else {
        rest->len = 0;
    }

    return part;
}


/* RFC 9110, section 12.4.2 */
static int
canopy_accept_weight(canopy_slice_t params)
{
    canopy_slice_t  param;

    while (params.len) {
        param = canopy_slice_trim(canopy_accept_until(&params, ';'));

        if (param.len > 2 && (param.data[0] == 'q' || param.data[0] == 'Q')
            && param.data[1] == '=')
        {
            param.data += 2;
            param.len -= 2;

            return canopy_accept_number(param);
        }
    }

    return CANOPY_ACCEPT_MOST;
}


static int
canopy_accept_number(canopy_slice_t text)
{
    int     n, digit;
    size_t  i;

    if (text.data[0] != '0' || text.len > 5
        || (text.len > 1 && text.data[1] != '.'))
    {
        return CANOPY_ACCEPT_MOST;
    }

    n = 0;
    digit = CANOPY_ACCEPT_MOST / 10;

    for (i = 2; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return CANOPY_ACCEPT_MOST;
        }

        n += (text.data[i] - '0') * digit;
        digit /= 10;
    }

    return n;
}
