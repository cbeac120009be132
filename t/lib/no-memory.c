/*
 * Has one allocation of one process fail: preloaded into nginx by
 * t/allocation.t, which says which one in a file that both see.  What it does
 * not fail goes to whoever comes next, AddressSanitizer or the libc.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>


/* the file */
typedef struct {
    volatile int32_t  pid;      /* 0: nobody's */
    volatile int32_t  nth;      /* the one that fails, from 1 */
    volatile int32_t  made;     /* how many there were */
} control_t;


static control_t  *control;

static void *(*next_malloc)(size_t size);
static void *(*next_calloc)(size_t n, size_t size);
static void *(*next_realloc)(void *p, size_t size);
static int (*next_posix_memalign)(void **p, size_t align, size_t size);
static void (*next_free)(void *p);

/* dlsym() may allocate while it looks for the next malloc() */
static char    early[4096];
static size_t  used;


static void
look_up(void)
{
    static int  looking;

    if (next_free || looking) {
        return;
    }

    looking = 1;

    next_malloc = dlsym(RTLD_NEXT, "malloc");
    next_calloc = dlsym(RTLD_NEXT, "calloc");
    next_realloc = dlsym(RTLD_NEXT, "realloc");
    next_posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
    next_free = dlsym(RTLD_NEXT, "free");
}


__attribute__((constructor)) static void
share(void)
{
    int          fd;
    void        *p;
    const char  *file;

    look_up();

    file = getenv("CANOPY_NO_MEMORY");
    fd = file ? open(file, O_RDWR|O_CLOEXEC) : -1;

    if (fd == -1) {
        return;
    }

    p = mmap(NULL, sizeof(control_t), PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0);
    control = (p == MAP_FAILED) ? NULL : p;

    close(fd);
}


static int
fails(void)
{
    return control && control->pid && control->pid == getpid()
           && ++control->made == control->nth;
}


static void *
early_alloc(size_t size)
{
    char  *p;

    size = (size + 15) / 16 * 16;

    if (size > sizeof(early) - used) {
        abort();
    }

    p = early + used;
    used += size;

    return p;
}


static int
is_early(void *p)
{
    return (char *) p >= early && (char *) p < early + sizeof(early);
}


void *
malloc(size_t size)
{
    look_up();

    if (fails()) {
        errno = ENOMEM;
        return NULL;
    }

    return next_malloc ? next_malloc(size) : early_alloc(size);
}


void *
calloc(size_t n, size_t size)
{
    look_up();

    if (fails()) {
        errno = ENOMEM;
        return NULL;
    }

    return next_calloc ? next_calloc(n, size) : early_alloc(n * size);
}


void *
realloc(void *p, size_t size)
{
    look_up();

    if (fails()) {
        errno = ENOMEM;
        return NULL;
    }

    return next_realloc(p, size);
}


int
posix_memalign(void **p, size_t align, size_t size)
{
    look_up();

    return fails() ? ENOMEM : next_posix_memalign(p, align, size);
}


void
free(void *p)
{
    if (!is_early(p)) {
        look_up();
        next_free(p);
    }
}
