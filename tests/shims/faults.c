/* Preloaded by the fault tests: counts the calls that change files below a folder and, at the n-th
   one, does what a bad day does.

       gcc -shared -fPIC -O1 -o faults.so faults.c -ldl

   Nothing happens until `faults_arm` is called, in a forked child through ctypes. The counts lie in
   memory that the child shares with its parent (`struct report`), so that a kill loses none. Calls on
   descriptors count where the file was opened for writing by a path below the folder.
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum action { NOTHING, KILL_BEFORE, KILL_AFTER, TORN, FAIL, SHORT, STOP, JUMP };
/* Kinds of calls, to be counted together: bits of `kinds`. */
enum { OPEN = 1, WRITE = 2, SYNC = 4, NAME = 8, SIZE = 16, CLOCK = 32 };

struct report {
    long counted; /* calls of the kinds asked for */
    long fired;   /* how many of them were struck */
    long kind;    /* of the first struck */
    char call[32], path[256];
};

#define MOST 65536
static char watched[MOST]; /* descriptors */
static char place[PATH_MAX];
static size_t place_length;
static enum action action;
static long nth, last_nth, kinds, failure, seconds;
static struct report *report, nobody;

void faults_arm(const char *folder, int what, long from, long until, long of_kinds, long number,
                struct report *shared)
{
    place_length = strlen(folder);
    memcpy(place, folder, place_length + 1);
    action = what, nth = from, last_nth = until, kinds = of_kinds;
    failure = number, seconds = number;
    report = shared ? shared : &nobody;
}

/* The next definition of a function, found once. */
#define NEXT(type, name, ...)                                                                      \
    static type (*next)(__VA_ARGS__);                                                              \
    if (!next) next = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int below(int folder, const char *path)
{
    char whole[PATH_MAX], link[64];
    if (!report || !path) return 0;
    if (path[0] != '/') {
        ssize_t length;
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        length = syscall(SYS_readlink, folder == AT_FDCWD ? "/proc/self/cwd" : link, whole,
                         sizeof whole - 1);
        if (length < 0) return 0;
        snprintf(whole + length, sizeof whole - (size_t)length, "/%s", path);
        path = whole;
    }
    return !strncmp(path, place, place_length) && path[place_length] == '/';
}

static int on(int descriptor)
{
    return report && descriptor >= 0 && descriptor < MOST && watched[descriptor];
}

/* Whether the call that is being made is to be struck. */
static int struck(int kind, const char *call, const char *path)
{
    long number;
    if (!report || !(kinds & kind)) return 0;
    number = __sync_add_and_fetch(&report->counted, 1);
    if (action == NOTHING || number < nth || number > last_nth) return 0;
    if (__sync_add_and_fetch(&report->fired, 1) == 1) {
        report->kind = kind;
        snprintf(report->call, sizeof report->call, "%s", call);
        snprintf(report->path, sizeof report->path, "%s", path ? path : "");
    }
    return 1;
}

static const char *name_of(int descriptor)
{
    static __thread char name[256], link[64];
    ssize_t length;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = syscall(SYS_readlink, link, name, sizeof name - 1);
    name[length < 0 ? 0 : length] = 0;
    return name;
}

static void send_self(int signal) { syscall(SYS_kill, syscall(SYS_getpid), signal); }

static void killed(void)
{
    for (;;) send_self(SIGKILL);
}

/* Strike a call that is made whole or not at all; `made` is how to make it. */
#define WHOLE(type, hit, made)                                                                     \
    do {                                                                                           \
        type answer;                                                                               \
        if (!(hit)) return made;                                                                   \
        if (action == KILL_BEFORE) killed();                                                       \
        if (action == STOP) send_self(SIGSTOP);                                                    \
        if (action == FAIL) {                                                                      \
            errno = (int)failure;                                                                  \
            return (type)-1;                                                                       \
        }                                                                                          \
        answer = made;                                                                             \
        if (action == KILL_AFTER) killed();                                                        \
        return answer;                                                                             \
    } while (0)

/* Strike a write of `size` bytes; `half` is how to write half of them. */
#define WRITTEN(hit, size, made, half)                                                             \
    do {                                                                                           \
        int is_hit = hit;                                                                          \
        if (is_hit && action == TORN) {                                                            \
            if ((size) > 1) (void)!(half);                                                         \
            killed();                                                                              \
        }                                                                                          \
        if (is_hit && action == SHORT) {                                                           \
            if ((size) > 1) return half;                                                           \
            return made;                                                                           \
        }                                                                                          \
        WHOLE(ssize_t, is_hit, made);                                                              \
    } while (0)

/* --- opening --- */

static int opened(int descriptor, int folder, const char *path, int flags)
{
    if (descriptor >= 0 && descriptor < MOST)
        watched[descriptor] = (flags & O_ACCMODE) != O_RDONLY && below(folder, path);
    return descriptor;
}

static int open_at(int folder, const char *path, int flags, mode_t mode, const char *call)
{
    int counts = (flags & O_CREAT || (flags & O_ACCMODE) != O_RDONLY) && below(folder, path);
    int hit = counts && struck(OPEN, call, path);
    if (report == NULL)
        return (int)syscall(SYS_openat, folder, path, flags | O_LARGEFILE, mode);
    WHOLE(int, hit,
          opened((int)syscall(SYS_openat, folder, path, flags | O_LARGEFILE, mode), folder, path,
                 flags));
}

#define MODE                                                                                       \
    mode_t mode = 0;                                                                               \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                           \
        va_list list;                                                                              \
        va_start(list, flags);                                                                     \
        mode = va_arg(list, mode_t);                                                               \
        va_end(list);                                                                              \
    }

int open(const char *path, int flags, ...) { MODE return open_at(AT_FDCWD, path, flags, mode, "open"); }
int open64(const char *path, int flags, ...) { MODE return open_at(AT_FDCWD, path, flags, mode, "open"); }
int openat(int folder, const char *path, int flags, ...) { MODE return open_at(folder, path, flags, mode, "openat"); }
int openat64(int folder, const char *path, int flags, ...) { MODE return open_at(folder, path, flags, mode, "openat"); }
int creat(const char *path, mode_t mode) { return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode, "creat"); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

int close(int descriptor)
{
    NEXT(int, "close", int);
    if (descriptor >= 0 && descriptor < MOST) watched[descriptor] = 0;
    return next(descriptor);
}

int dup2(int from, int to)
{
    NEXT(int, "dup2", int, int);
    if (from >= 0 && from < MOST && to >= 0 && to < MOST) watched[to] = watched[from];
    return next(from, to);
}

int dup3(int from, int to, int flags)
{
    NEXT(int, "dup3", int, int, int);
    if (from >= 0 && from < MOST && to >= 0 && to < MOST) watched[to] = watched[from];
    return next(from, to, flags);
}

/* --- writing --- */

ssize_t write(int fd, const void *bytes, size_t size)
{
    NEXT(ssize_t, "write", int, const void *, size_t);
    WRITTEN(on(fd) && struck(WRITE, "write", name_of(fd)), size, next(fd, bytes, size),
            next(fd, bytes, size / 2));
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    NEXT(ssize_t, "pwrite64", int, const void *, size_t, off_t);
    WRITTEN(on(fd) && struck(WRITE, "pwrite", name_of(fd)), size, next(fd, bytes, size, at),
            next(fd, bytes, size / 2, at));
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) { return pwrite(fd, bytes, size, at); }

static size_t total(const struct iovec *parts, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++) size += parts[i].iov_len;
    return size;
}

/* Half the bytes of a gathered write, at a place or where the file stands (at < 0). */
static ssize_t half_of(int fd, const struct iovec *parts, int count, off64_t at)
{
    size_t left = total(parts, count) / 2;
    ssize_t done = 0;
    for (int i = 0; i < count && left; i++) {
        size_t size = parts[i].iov_len < left ? parts[i].iov_len : left;
        ssize_t made = at < 0 ? syscall(SYS_write, fd, parts[i].iov_base, size)
                              : syscall(SYS_pwrite64, fd, parts[i].iov_base, size, at + done);
        if (made < 0) return done ? done : made;
        done += made, left -= size;
    }
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    NEXT(ssize_t, "writev", int, const struct iovec *, int);
    WRITTEN(on(fd) && struck(WRITE, "writev", name_of(fd)), total(parts, count),
            next(fd, parts, count), half_of(fd, parts, count, -1));
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    NEXT(ssize_t, "pwritev64", int, const struct iovec *, int, off_t);
    WRITTEN(on(fd) && struck(WRITE, "pwritev", name_of(fd)), total(parts, count),
            next(fd, parts, count, at), half_of(fd, parts, count, at));
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return pwritev(fd, parts, count, at); }

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t at, int flags)
{
    NEXT(ssize_t, "pwritev64v2", int, const struct iovec *, int, off_t, int);
    WRITTEN(on(fd) && struck(WRITE, "pwritev2", name_of(fd)), total(parts, count),
            next(fd, parts, count, at, flags), half_of(fd, parts, count, at));
}

ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t at, int flags) { return pwritev2(fd, parts, count, at, flags); }

ssize_t sendfile(int to, int from, off_t *at, size_t size)
{
    NEXT(ssize_t, "sendfile64", int, int, off_t *, size_t);
    WRITTEN(on(to) && struck(WRITE, "sendfile", name_of(to)), size, next(to, from, at, size),
            next(to, from, at, size / 2));
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t size) { return sendfile(to, from, at, size); }

ssize_t copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t size, unsigned flags)
{
    NEXT(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
    WRITTEN(on(to) && struck(WRITE, "copy_file_range", name_of(to)), size,
            next(from, a, to, b, size, flags), next(from, a, to, b, size / 2, flags));
}

/* --- sizes, syncs and names --- */

int ftruncate(int fd, off_t size)
{
    NEXT(int, "ftruncate64", int, off_t);
    WHOLE(int, on(fd) && struck(SIZE, "ftruncate", name_of(fd)), next(fd, size));
}

int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

int truncate(const char *path, off_t size)
{
    NEXT(int, "truncate64", const char *, off_t);
    WHOLE(int, below(AT_FDCWD, path) && struck(SIZE, "truncate", path), next(path, size));
}

int truncate64(const char *path, off64_t size) { return truncate(path, size); }

/* A folder is synced through a descriptor that only reads: asked by its path. */
static int synced(int fd)
{
    return report && !(on(fd)) ? below(AT_FDCWD, name_of(fd)) || !strcmp(name_of(fd), place) : on(fd);
}

int fsync(int fd)
{
    NEXT(int, "fsync", int);
    WHOLE(int, synced(fd) && struck(SYNC, "fsync", name_of(fd)), next(fd));
}

int fdatasync(int fd)
{
    NEXT(int, "fdatasync", int);
    WHOLE(int, synced(fd) && struck(SYNC, "fdatasync", name_of(fd)), next(fd));
}

int rename(const char *from, const char *to)
{
    NEXT(int, "rename", const char *, const char *);
    WHOLE(int, below(AT_FDCWD, to) && struck(NAME, "rename", to), next(from, to));
}

int renameat(int a, const char *from, int b, const char *to)
{
    NEXT(int, "renameat", int, const char *, int, const char *);
    WHOLE(int, below(b, to) && struck(NAME, "renameat", to), next(a, from, b, to));
}

int unlink(const char *path)
{
    NEXT(int, "unlink", const char *);
    WHOLE(int, below(AT_FDCWD, path) && struck(NAME, "unlink", path), next(path));
}

int unlinkat(int folder, const char *path, int flags)
{
    NEXT(int, "unlinkat", int, const char *, int);
    WHOLE(int, below(folder, path) && struck(NAME, "unlinkat", path), next(folder, path, flags));
}

int rmdir(const char *path)
{
    NEXT(int, "rmdir", const char *);
    WHOLE(int, below(AT_FDCWD, path) && struck(NAME, "rmdir", path), next(path));
}

int link(const char *from, const char *to)
{
    NEXT(int, "link", const char *, const char *);
    WHOLE(int, below(AT_FDCWD, to) && struck(NAME, "link", to), next(from, to));
}

int mkdir(const char *path, mode_t mode)
{
    NEXT(int, "mkdir", const char *, mode_t);
    WHOLE(int, below(AT_FDCWD, path) && struck(OPEN, "mkdir", path), next(path, mode));
}

int mkdirat(int folder, const char *path, mode_t mode)
{
    NEXT(int, "mkdirat", int, const char *, mode_t);
    WHOLE(int, below(folder, path) && struck(OPEN, "mkdirat", path), next(folder, path, mode));
}

/* --- clocks: from the n-th question on, the calendar's clock is `seconds` off --- */

static time_t jumped(const char *call)
{
    return report && action == JUMP && struck(CLOCK, call, "") ? (time_t)seconds : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int answer = (int)syscall(SYS_clock_gettime, clock, now);
    if (!answer && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += jumped("clock_gettime");
    return answer;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec found;
    int answer = clock_gettime(CLOCK_REALTIME, &found);
    (void)zone;
    now->tv_sec = found.tv_sec, now->tv_usec = found.tv_nsec / 1000;
    return answer;
}

time_t time(time_t *to)
{
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (to) *to = found.tv_sec;
    return found.tv_sec;
}
