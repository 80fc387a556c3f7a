/* Preloaded by tests: another host, another boot, and file systems whose locks do not work.

     NODE_LOCKS  ENOLCK, ENOSYS or EOPNOTSUPP: flock and fcntl's locks fail so; "always": they always succeed
     NODE_HOST   what gethostname and uname say
     NODE_BOOT   a file that is opened in place of /proc/sys/kernel/random/boot_id
     NODE_LINKS  "none": link fails as on a file system without hard links
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/utsname.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* 0: leave locks alone; -1: they always succeed; else how they fail. */
static int locks(void) {
    const char *given = getenv("NODE_LOCKS");
    if (!given) return 0;
    if (!strcmp(given, "always")) return -1;
    if (!strcmp(given, "ENOSYS")) return ENOSYS;
    if (!strcmp(given, "EOPNOTSUPP")) return EOPNOTSUPP;
    return ENOLCK;
}

static int refused(int number) {
    if (number < 0) return 0;
    errno = number;
    return -1;
}

int flock(int descriptor, int operation) {
    int number = locks();
    return number ? refused(number) : NEXT(flock)(descriptor, operation);
}

static int is_lock(int command) {
    return command == F_SETLK || command == F_SETLKW || command == F_GETLK
#ifdef F_OFD_SETLK
        || command == F_OFD_SETLK || command == F_OFD_SETLKW || command == F_OFD_GETLK
#endif
        ;
}

int fcntl(int descriptor, int command, ...) {
    va_list more;
    va_start(more, command);
    void *argument = va_arg(more, void *);
    va_end(more);
    if (is_lock(command) && locks()) return refused(locks());
    return NEXT(fcntl)(descriptor, command, argument);
}

int fcntl64(int descriptor, int command, ...) {
    va_list more;
    va_start(more, command);
    void *argument = va_arg(more, void *);
    va_end(more);
    if (is_lock(command) && locks()) return refused(locks());
    return NEXT(fcntl)(descriptor, command, argument);
}

int gethostname(char *name, size_t size) {
    const char *given = getenv("NODE_HOST");
    if (!given) return NEXT(gethostname)(name, size);
    strncpy(name, given, size);
    return 0;
}

int uname(struct utsname *found) {
    int result = NEXT(uname)(found);
    const char *given = getenv("NODE_HOST");
    if (given && !result) {
        strncpy(found->nodename, given, sizeof found->nodename - 1);
    }
    return result;
}

static const char *instead(const char *path) {
    const char *given = getenv("NODE_BOOT");
    return given && path && !strcmp(path, "/proc/sys/kernel/random/boot_id") ? given : path;
}

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    return NEXT(open)(instead(path), flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    return NEXT(open64)(instead(path), flags, mode);
}

static int no_links(void) {
    const char *given = getenv("NODE_LINKS");
    return given && !strcmp(given, "none");
}

int link(const char *from, const char *to) {
    return no_links() ? refused(EPERM) : NEXT(link)(from, to);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    return no_links() ? refused(EPERM) : NEXT(linkat)(from_folder, from, to_folder, to, flags);
}
