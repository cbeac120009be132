/*
 * The status for a browser: a page that asks its own address for JSON, as
 * canopy_report_json() writes it, shows it, and asks again every few seconds.
 *
 * It needs nothing but that: no other resource, no cookie.  Every answer at
 * this address, page or JSON, should have "Vary: Accept" and "Cache-Control:
 * no-store", or a browser may keep the one and take it for the other.
 */

#ifndef CANOPY_PAGE_H
#define CANOPY_PAGE_H


#include "canopy_slice.h"


/*
 * The page, for "Content-Type: text/html; charset=utf-8".  A constant, ASCII.
 */
canopy_slice_t canopy_page(void);

/*
 * The value of its Content-Security-Policy, which names the page's own style
 * and script by their SHA-256 and allows nothing else.  A constant; t/unit/page
 * says how it has to be when the page was changed.
 */
canopy_slice_t canopy_page_policy(void);


#endif /* CANOPY_PAGE_H */
