/*
 * What the unit tests share: TAP output, and inputs that end at a guard page,
 * so that reading one byte too far is a crash and not luck.
 */

#ifndef TAP_H
#define TAP_H


#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>


static int  tap_count;
static int  tap_failed;


static int  tap_ok(int good, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));


/* ok(condition, "name %s", ...) */
#define ok(good, ...)  tap_ok((good) != 0, __FILE__, __LINE__, __VA_ARGS__)


static int
tap_ok(int good, const char *file, int line, const char *fmt, ...)
{
    va_list  args;

    printf("%sok %d - ", good ? "" : "not ", ++tap_count);

    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);

    printf("\n");

    if (!good) {
        tap_failed++;
        printf("# failed at %s:%d\n", file, line);
    }

    return good;
}


/* the last statement of main() */
static inline int
tap_done(void)
{
    printf("1..%d\n", tap_count);
    return tap_failed ? 1 : 0;
}


/*
 * A copy of len bytes whose last byte is the last one of a page, with a page
 * behind it that can't be touched.  The copies live until the test ends.
 */
static inline uint8_t *
tap_guard(const void *data, size_t len)
{
    size_t    page, size;
    uint8_t  *p;

    page = (size_t) sysconf(_SC_PAGESIZE);
    size = (len + page - 1) / page * page + page;

    p = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS,
             -1, 0);
    if (p == MAP_FAILED) {
        printf("Bail out! mmap() failed\n");
        exit(1);
    }

    if (mprotect(p + size - page, page, PROT_NONE) != 0) {
        printf("Bail out! mprotect() failed\n");
        exit(1);
    }

    p += size - page - len;

    if (len) {
        memcpy(p, data, len);
    }

    return p;
}


#endif /* TAP_H */
