/* Counts the calls that write below one folder, and fails or kills at one of them.
 *
 * Loaded with LD_PRELOAD, because much is written by libraries in C++ and Rust. Nothing is counted
 * until faults_arm names a folder. The counter is in shared memory: the parent of a killed process
 * still reads it. */
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
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT, KILL, ONCE, FULL };

static char folder[PATH_MAX];
static size_t folder_length;
static int mode, number;
static long moment;
static long *counter;

/* Called again by a worker process, so that each has a counter of its own. */
__attribute__((constructor)) void faults_begin(void) {
  counter = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* how: COUNT, KILL before the call `at`, ONCE that call fails, FULL all that need room fail from
 * there on. */
void faults_arm(const char *place, int how, long at, int with) {
  snprintf(folder, sizeof folder, "%s/", place);
  mode = how, moment = at, number = with, *counter = 0;
  folder_length = strlen(folder);
}

long faults_count(void) { return *counter; }

static int is_below(const char *path) {
  return strncmp(path, folder, folder_length) == 0;
}

static int handle_is_below(int handle) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
  ssize_t length = readlink(link, path, sizeof path - 1);
  path[length < 0 ? 0 : length] = 0;
  return is_below(path);
}

static int path_is_below(int start, const char *path) {
  char whole[2 * PATH_MAX], link[64];
  if (path == NULL || path[0] == '/') return path != NULL && is_below(path);
  if (start == AT_FDCWD) {
    if (getcwd(whole, PATH_MAX) == NULL) return 0;
  } else {
    snprintf(link, sizeof link, "/proc/self/fd/%d", start);
    ssize_t read = readlink(link, whole, PATH_MAX - 1);
    whole[read < 0 ? 0 : read] = 0;
  }
  size_t length = strlen(whole);
  snprintf(whole + length, sizeof whole - length, "/%s", path);
  return is_below(whole);
}

/* Counts a call; returns whether it is to fail. */
static int fails(int below, int needs_room) {
  if (folder_length == 0 || !below) return 0;
  long now = __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
  if (mode == KILL && now == moment) kill(getpid(), SIGKILL);
  int hit = (mode == ONCE && now == moment) || (mode == FULL && now >= moment && needs_room);
  if (hit) errno = number;
  return hit;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define ON_HANDLE(result, name, parameters, handle, room, ...)                    \
  result name parameters {                                                        \
    if (folder_length && fails(handle_is_below(handle), room)) return (result)-1; \
    return NEXT(name)(__VA_ARGS__);                                               \
  }
#define ON_PATH(name, parameters, start, path, room, ...)                           \
  int name parameters {                                                             \
    if (folder_length && fails(path_is_below(start, path), room)) return -1;        \
    return NEXT(name)(__VA_ARGS__);                                                 \
  }

ON_HANDLE(ssize_t, write, (int f, const void *b, size_t n), f, 1, f, b, n)
ON_HANDLE(ssize_t, pwrite, (int f, const void *b, size_t n, off_t o), f, 1, f, b, n, o)
ON_HANDLE(ssize_t, pwrite64, (int f, const void *b, size_t n, off64_t o), f, 1, f, b, n, o)
ON_HANDLE(ssize_t, writev, (int f, const struct iovec *v, int n), f, 1, f, v, n)
ON_HANDLE(ssize_t, sendfile, (int t, int f, off_t *o, size_t n), t, 1, t, f, o, n)
ON_HANDLE(ssize_t, sendfile64, (int t, int f, off64_t *o, size_t n), t, 1, t, f, o, n)
ON_HANDLE(ssize_t, copy_file_range,
          (int f, off64_t *o, int t, off64_t *p, size_t n, unsigned g), t, 1, f, o, t, p, n, g)
ON_HANDLE(int, ftruncate, (int f, off_t n), f, 1, f, n)
ON_HANDLE(int, ftruncate64, (int f, off64_t n), f, 1, f, n)
ON_HANDLE(int, fallocate, (int f, int m, off_t o, off_t n), f, 1, f, m, o, n)
ON_HANDLE(int, fallocate64, (int f, int m, off64_t o, off64_t n), f, 1, f, m, o, n)
ON_HANDLE(int, fsync, (int f), f, 1, f)
ON_HANDLE(int, fdatasync, (int f), f, 1, f)
ON_HANDLE(int, fchmod, (int f, mode_t m), f, 0, f, m)

ON_PATH(mkdir, (const char *p, mode_t m), AT_FDCWD, p, 1, p, m)
ON_PATH(mkdirat, (int d, const char *p, mode_t m), d, p, 1, d, p, m)
ON_PATH(rmdir, (const char *p), AT_FDCWD, p, 0, p)
ON_PATH(unlink, (const char *p), AT_FDCWD, p, 0, p)
ON_PATH(unlinkat, (int d, const char *p, int f), d, p, 0, d, p, f)
ON_PATH(chmod, (const char *p, mode_t m), AT_FDCWD, p, 0, p, m)
ON_PATH(link, (const char *o, const char *p), AT_FDCWD, p, 1, o, p)
ON_PATH(linkat, (int c, const char *o, int d, const char *p, int f), d, p, 1, c, o, d, p, f)
ON_PATH(symlink, (const char *o, const char *p), AT_FDCWD, p, 1, o, p)
ON_PATH(symlinkat, (const char *o, int d, const char *p), d, p, 1, o, d, p)
ON_PATH(rename, (const char *o, const char *p), AT_FDCWD, p, 0, o, p)
ON_PATH(renameat, (int c, const char *o, int d, const char *p), d, p, 0, c, o, d, p)
ON_PATH(renameat2, (int c, const char *o, int d, const char *p, unsigned f), d, p, 0,
        c, o, d, p, f)

#define MAKES(flags) ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE)
#define IS_WRITTEN(flags) (((flags) & O_ACCMODE) != O_RDONLY || MAKES(flags))
#define ON_OPEN(name, parameters, start, path, flags, ...)                     \
  int name parameters {                                                        \
    va_list more;                                                              \
    va_start(more, flags);                                                     \
    mode_t rights = MAKES(flags) ? va_arg(more, mode_t) : 0;               \
    va_end(more);                                                              \
    if (folder_length && IS_WRITTEN(flags) && fails(path_is_below(start, path), 1)) \
      return -1;                                                               \
    return NEXT(name)(__VA_ARGS__, rights);                                    \
  }

ON_OPEN(open, (const char *p, int f, ...), AT_FDCWD, p, f, p, f)
ON_OPEN(open64, (const char *p, int f, ...), AT_FDCWD, p, f, p, f)
ON_OPEN(openat, (int d, const char *p, int f, ...), d, p, f, d, p, f)
ON_OPEN(openat64, (int d, const char *p, int f, ...), d, p, f, d, p, f)

#define ON_STREAM(name)                                                                     \
  FILE *name(const char *p, const char *m) {                                                \
    if (folder_length && strpbrk(m, "wa+") && fails(path_is_below(AT_FDCWD, p), 1)) return NULL; \
    return NEXT(name)(p, m);                                                                \
  }
ON_STREAM(fopen)
ON_STREAM(fopen64)

/* A file that is written through memory. */
#define ON_MAP(name, offset)                                                               \
  void *name(void *a, size_t n, int p, int g, int f, offset o) {                           \
    int written = folder_length && f >= 0 && (p & PROT_WRITE) && (g & MAP_SHARED);         \
    if (written && fails(handle_is_below(f), 1)) return MAP_FAILED;                        \
    return NEXT(name)(a, n, p, g, f, o);                                                   \
  }
ON_MAP(mmap, off_t)
ON_MAP(mmap64, off64_t)
