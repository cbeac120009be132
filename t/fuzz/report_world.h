/*
 * A report drawn from any bytes, with what is known of it: the events of its
 * history beside the counters.
 */

#ifndef REPORT_WORLD_H
#define REPORT_WORLD_H


#include "canopy_report.h"
#include "fuzz.h"


#define ENVIRONMENTS  3
#define EVENTS        32
#define MINUTE        INT64_C(60000)
#define START         INT64_C(1764000000000)


typedef __int128  wide_t;       /* times whose differences fit */


typedef struct {
    int64_t                      minute;
    unsigned                     place;     /* of an environment; the last:
                                               of none */
    canopy_outcome_e             outcome;
} event_t;


typedef struct {
    canopy_report_t              report;
    canopy_report_environment_t  environments[ENVIRONMENTS];
    canopy_counters_t            counters[ENVIRONMENTS + 1];

    event_t                      events[EVENTS];
    size_t                       n;
    unsigned                     back;      /* the clock was set back */

    const uint8_t               *p, *last;
} world_t;


typedef size_t (*form_pt)(const canopy_report_t *report, uint8_t *buf,
    size_t size);


static const char *const  world_outcomes[CANOPY_OUTCOMES] = {
    "not-sent", "denied", "unknown", "rejected", "accepted"
};

static const char *const  world_bounds[CANOPY_LATENCIES] = {
    "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5",
    "10", "30", "60", "+Inf"
};


static inline uint64_t
world_number(world_t *w, unsigned bytes)
{
    uint64_t  n;

    for (n = 0; bytes; bytes--) {
        n = n << 8 | (w->p < w->last ? *w->p++ : 0u);
    }

    return n;
}


/* often near, sometimes anything */
static inline int64_t
world_time(world_t *w)
{
    switch (world_number(w, 1) % 4) {

    case 0:
        return 0;

    case 1:
        return (int64_t) world_number(w, 8);

    default:
        return START + (int64_t) (world_number(w, 4) % 200000000) - 100000000;
    }
}


/* at most so many bytes, a block of their own */
static inline canopy_slice_t
world_text(world_t *w, size_t most)
{
    size_t          len;
    canopy_slice_t  text;

    len = world_number(w, 1) % (most + 1);

    if (len > (size_t) (w->last - w->p)) {
        len = (size_t) (w->last - w->p);
    }

    text = fuzz_copy(w->p, len);
    w->p += len;

    return text;
}


/* one of a kind */
static inline canopy_slice_t
world_name(world_t *w, size_t i)
{
    char    name[16];
    size_t  k, len;

    static const char  chars[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

    len = 1 + world_number(w, 1) % sizeof(name);
    name[0] = chars[i];

    for (k = 1; k < len; k++) {
        name[k] = chars[world_number(w, 1) % 64];
    }

    return fuzz_copy(name, len);
}


/* below 2^63, and so are their sums */
static inline void
world_counters(world_t *w, canopy_counters_t *c)
{
    size_t  i;

    for (i = 0; i < CANOPY_OUTCOMES; i++) {
        c->outcomes[i] = world_number(w, 8) >> 2;
    }

    for (i = 0; i < CANOPY_COUNTED; i++) {
        c->statuses[i] = world_number(w, 1) % 2 ? world_number(w, 8) >> 2 : 0;
    }

    for (i = 0; i < CANOPY_LATENCIES; i++) {
        c->latencies[i] = world_number(w, 1) << 50 | world_number(w, 2);
    }

    c->latency = world_number(w, 8) >> 2;
    c->repeats = world_number(w, 8) >> 2;
}


static inline void
world_environment(world_t *w, size_t i)
{
    unsigned                      flags;
    canopy_report_environment_t  *e;

    e = &w->environments[i];
    flags = (unsigned) world_number(w, 1);

    e->name = world_name(w, i);
    e->counters = &w->counters[i];
    e->closed = flags & 1;
    e->oauth2 = flags >> 1 & 1;
    e->usable = flags >> 2 & 1;
    e->refused = flags >> 3 & 1;
    e->obtained = world_time(w);
    e->expires = world_time(w);
    e->fingerprint = fuzz_copy("0a1b2c3d", flags & 16 ? 8 : 0);
    e->exchanges = (unsigned) world_number(w, 4);
    e->budget = (unsigned) world_number(w, 4);
    e->error = world_text(w, 255);
    e->failed = world_time(w);
}


/* requests, by a clock that goes on or is set */
static inline void
world_history(world_t *w)
{
    int64_t   clock, next;
    event_t  *event;

    clock = w->report.now - 30 * MINUTE;

    while (w->n < EVENTS && w->p < w->last) {
        next = clock + ((int64_t) world_number(w, 2) - 16384) * 64;

        if (next < clock) {
            w->back = 1;
        }

        clock = next;

        event = &w->events[w->n++];
        event->minute = clock / MINUTE;
        event->place = world_number(w, 1) % (w->report.n + 1);
        event->outcome = (canopy_outcome_e) (world_number(w, 1)
                                             % CANOPY_OUTCOMES);

        canopy_counters_request(&w->counters[event->place == w->report.n
                                             ? ENVIRONMENTS : event->place],
                                event->outcome,
                                (unsigned) world_number(w, 2) % 1024, clock);
    }
}


static inline void
world_make(world_t *w, const uint8_t *data, size_t size)
{
    size_t  i;

    memset(w, 0, sizeof(world_t));

    w->p = data;
    w->last = data + size;

    w->report.n = world_number(w, 1) % (ENVIRONMENTS + 1);
    w->report.version = fuzz_copy("1.2.3", 5);
    w->report.now = START + (int64_t) world_number(w, 4);
    w->report.since = START - (int64_t) world_number(w, 4);
    w->report.chosen = fuzz_copy("ab-_9", world_number(w, 1) % 6);
    w->report.unassigned = &w->counters[ENVIRONMENTS];
    w->report.environments = w->environments;

    for (i = 0; i < w->report.n; i++) {
        world_environment(w, i);
        world_counters(w, &w->counters[i]);
    }

    world_counters(w, &w->counters[ENVIRONMENTS]);
    world_history(w);
}


static inline void
world_free(world_t *w)
{
    size_t  i;

    for (i = 0; i < w->report.n; i++) {
        fuzz_free(w->environments[i].name);
        fuzz_free(w->environments[i].fingerprint);
        fuzz_free(w->environments[i].error);
    }

    fuzz_free(w->report.version);
    fuzz_free(w->report.chosen);
}


/* the whole text; in a smaller buffer it is the same */
static inline char *
world_form(world_t *w, form_pt write)
{
    char    *text, *part;
    size_t   len, size;

    len = write(&w->report, NULL, 0);
    text = malloc(len + 1);
    size = (size_t) w->report.now * 7919 % (len + 1);
    part = malloc(size ? size : 1);
    check(text != NULL && part != NULL);

    check(write(&w->report, (uint8_t *) text, len) == len);
    check(write(&w->report, (uint8_t *) part, size) == len);
    check(memcmp(text, part, size) == 0);
    check(memchr(text, '\0', len) == NULL);

    text[len] = '\0';
    free(part);

    return text;
}


/* what a span is, as far as there is a number for it */
static inline wide_t
world_most(wide_t ms)
{
    return ms > INT64_MAX ? INT64_MAX : ms < INT64_MIN ? INT64_MIN : ms;
}


/* until the next call */
static inline const char *
world_status(size_t i)
{
    static char  text[16];

    snprintf(text, sizeof(text), "%u", canopy_counters_status(i));

    return i == CANOPY_COUNTED - 1 ? "other" : text;
}


#endif /* REPORT_WORLD_H */
