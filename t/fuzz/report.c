/*
 * Of any report: the JSON is what jansson takes for it, with each member that
 * is promised, none other, and each number exact; each line of Prometheus'
 * text obeys its grammar, stands in its family, and each sample that is
 * promised is there once, none other.  A minute of the history never has more
 * than was counted in it, and has all of it if the clock was not set back.
 * The size asked is the size written, and nothing is written behind a smaller
 * one.
 *
 * Input: what report_world.h makes of it.
 */

#include "report_json.h"
#include "report_prometheus.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    world_t  *w;

    w = malloc(sizeof(world_t));
    check(w != NULL);

    world_make(w, data, size);

    check_json(w);
    check_prometheus(w);

    world_free(w);
    free(w);

    return 0;
}
