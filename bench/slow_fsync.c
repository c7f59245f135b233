/*
 * Makes every fsync and fdatasync of the process it is preloaded into take longer, as a disk
 * without a write cache would: the real call first, then a sleep of SLOW_FSYNC_MICROSECONDS.
 *
 * Built and checked by bench/slow_disk.py:  cc -shared -fPIC -O2 -o slow_fsync.so slow_fsync.c
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

typedef int (*sync_call)(int);

static void wait_longer(void)
{
    const char *text = getenv("SLOW_FSYNC_MICROSECONDS");
    long microseconds = text ? atol(text) : 5000;
    struct timespec left = {microseconds / 1000000, microseconds % 1000000 * 1000};
    int kept = errno;

    while (nanosleep(&left, &left) == -1 && errno == EINTR)
        ;
    errno = kept;
}

int fsync(int fd)
{
    int result = ((sync_call)dlsym(RTLD_NEXT, "fsync"))(fd);
    wait_longer();
    return result;
}

int fdatasync(int fd)
{
    int result = ((sync_call)dlsym(RTLD_NEXT, "fdatasync"))(fd);
    wait_longer();
    return result;
}
