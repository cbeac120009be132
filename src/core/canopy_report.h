/*
 * The gateway's state as text: JSON, and Prometheus' text format 0.0.4.
 * Nothing in here can be a secret: there is no member for one.
 */

#ifndef CANOPY_REPORT_H
#define CANOPY_REPORT_H


#include "canopy_counters.h"
#include "canopy_slice.h"


typedef struct {
    canopy_slice_t            name;         /* of [A-Za-z0-9_-] */
    const canopy_counters_t  *counters;     /* that nobody writes to */
    unsigned                  closed:1;

    /* its credential */

    unsigned                  oauth2:1;     /* exchanged; else a file's */
    unsigned                  usable:1;     /* there is one, and not expired */
    unsigned                  refused:1;    /* by the upstream, since then not
                                               taken */
    int64_t                   obtained;     /* ms since the Epoch; 0: there is
                                               none */
    int64_t                   expires;      /* the same; 0: never, or not
                                               known */
    canopy_slice_t            fingerprint;  /* 8 hex digits; empty: none */
    unsigned                  exchanges;    /* of the last 24 hours */
    unsigned                  budget;       /* of these; 0: not oauth2 */

    canopy_slice_t            error;        /* the last one, any bytes; empty:
                                               there was none */
    int64_t                   failed;       /* when, ms since the Epoch */
} canopy_report_environment_t;


typedef struct {
    canopy_slice_t                      version;    /* of [A-Za-z0-9._-] */
    int64_t                             now;        /* ms since the Epoch, not
                                                       before it */
    int64_t                             since;      /* counters: likewise */
    canopy_slice_t                      chosen;     /* by canopy_switch_file;
                                                       empty: there is none */
    const canopy_counters_t            *unassigned; /* requests that chose no
                                                       environment */
    const canopy_report_environment_t  *environments;
    size_t                              n;
} canopy_report_t;


/*
 * Texts need no escape, but for error: in JSON what is not UTF-8 in it becomes
 * U+FFFD, and Prometheus is not told of it.  An age is never below 0, even if
 * the clock was set back.
 *
 * Out:     buf, as much of the text as fits into size bytes; NULL with 0.
 * Returns  the length of the whole text, which is the same in two calls with
 *          the same report.
 */
size_t canopy_report_json(const canopy_report_t *report, uint8_t *buf,
    size_t size);
size_t canopy_report_prometheus(const canopy_report_t *report, uint8_t *buf,
    size_t size);


#endif /* CANOPY_REPORT_H */
