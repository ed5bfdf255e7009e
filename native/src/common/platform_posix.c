/* platform_posix.c: hxg_platform.h for Linux, macOS and the BSDs. */
#if !defined(_WIN32)

#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* recursive mutexes, MSG_NOSIGNAL, pthread_condattr_setclock */
#endif

#include "hxg_platform.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if !defined(MSG_NOSIGNAL)
#define MSG_NOSIGNAL 0 /* macOS: Python has set SO_NOSIGPIPE or ignores SIGPIPE */
#endif

enum { STACK_BYTES = 8 * 1024 * 1024 };

const char hxg_separator = '/';
__thread void *hxg_current_pointer HXG_TLS_MODEL;

int hxg_is_separator(char character) { return character == '/'; }

void hxg_set_current(void *pointer) { hxg_current_pointer = pointer; }

void hxg_mutex_init(hxg_mutex *mutex) { pthread_mutex_init(mutex, NULL); }
void hxg_mutex_destroy(hxg_mutex *mutex) { pthread_mutex_destroy(mutex); }
void hxg_lock(hxg_mutex *mutex) { pthread_mutex_lock(mutex); }
void hxg_unlock(hxg_mutex *mutex) { pthread_mutex_unlock(mutex); }

void hxg_cond_init(hxg_cond *cond) { pthread_cond_init(cond, NULL); }
void hxg_cond_destroy(hxg_cond *cond) { pthread_cond_destroy(cond); }
void hxg_wait(hxg_cond *cond, hxg_mutex *mutex) { pthread_cond_wait(cond, mutex); }

void hxg_wait_ms(hxg_cond *cond, hxg_mutex *mutex, unsigned milliseconds) {
    /* The wall clock may jump; whoever waits asks again anyway, so a wait too short or too long by a
       jump does no harm. */
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)milliseconds * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(cond, mutex, &until);
}

void hxg_signal(hxg_cond *cond) { pthread_cond_signal(cond); }
void hxg_broadcast(hxg_cond *cond) { pthread_cond_broadcast(cond); }

typedef struct start {
    void (*body)(void *);
    void *argument;
} start;

static void *run_start(void *raw) {
    start copy = *(start *)raw;
    free(raw);
    copy.body(copy.argument);
    return NULL;
}

int hxg_thread_start(hxg_thread *thread, void (*body)(void *), void *argument) {
    pthread_attr_t attributes;
    start *what = malloc(sizeof *what);
    int error;
    if (what == NULL) return ENOMEM;
    what->body = body;
    what->argument = argument;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    error = pthread_create(thread, &attributes, run_start, what);
    pthread_attr_destroy(&attributes);
    if (error != 0) free(what);
    return error;
}

void hxg_thread_join(hxg_thread thread) { pthread_join(thread, NULL); }

void hxg_sleep_ms(unsigned milliseconds) {
    struct timespec time;
    time.tv_sec = milliseconds / 1000;
    time.tv_nsec = (long)(milliseconds % 1000) * 1000000L;
    nanosleep(&time, NULL);
}

double hxg_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static pthread_once_t section_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t section;

static void make_section(void) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&section, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

hxg_section *hxg_global_section(void) {
    pthread_once(&section_once, make_section);
    return &section;
}

static pthread_once_t text_once = PTHREAD_ONCE_INIT;
static pthread_key_t text_key;

static void make_text_key(void) { pthread_key_create(&text_key, free); }

char *hxg_thread_text(void) {
    char *text;
    pthread_once(&text_once, make_text_key);
    text = pthread_getspecific(text_key);
    if (text == NULL && (text = calloc(1, HXG_THREAD_TEXT_BYTES)) != NULL) {
        pthread_setspecific(text_key, text);
    }
    return text;
}

int hxg_map_file(const char *path, int is_private, hxg_mapping *mapping, char *why, size_t room) {
    struct stat state;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    int saved;
    mapping->base = NULL;
    mapping->bytes = 0;
    if (file < 0) {
        snprintf(why, room, "%s cannot be opened: %s", path, strerror(errno));
        return 0;
    }
    if (fstat(file, &state) == 0 && S_ISREG(state.st_mode) && state.st_size == 0) {
        close(file);
        return 1;
    }
    mapping->base = mmap(NULL, (size_t)state.st_size, is_private ? PROT_READ | PROT_WRITE : PROT_READ,
                         is_private ? MAP_PRIVATE : MAP_SHARED, file, 0);
    saved = errno;
    close(file);
    if (mapping->base == MAP_FAILED) {
        mapping->base = NULL;
        snprintf(why, room, "%s cannot be mapped: %s", path, strerror(saved));
        return 0;
    }
    mapping->bytes = (uint64_t)state.st_size;
    return 1;
}

void hxg_unmap(hxg_mapping *mapping) {
    if (mapping->base != NULL) munmap(mapping->base, (size_t)mapping->bytes);
    mapping->base = NULL;
}

void *hxg_library_open(const char *path, char *why, size_t room) {
    /* Everything is bound now: a symbol that is missing shows here, not in the middle of a task. */
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        const char *text = dlerror();
        snprintf(why, room, "%s", text != NULL ? text : "the loader gave no reason");
    }
    return library;
}

void *hxg_library_symbol(void *library, const char *name) { return dlsym(library, name); }

int hxg_is_library(const char *path) {
    unsigned char head[4];
    FILE *file = fopen(path, "rb");
    size_t count;
    if (file == NULL) return 0;
    count = fread(head, 1, sizeof head, file);
    fclose(file);
    if (count != sizeof head) return 0;
    if (memcmp(head, "\177ELF", 4) == 0) return 1;
    /* Mach-O of either width, and universal files */
    return memcmp(head, "\317\372\355\376", 4) == 0 || memcmp(head, "\316\372\355\376", 4) == 0
           || memcmp(head, "\312\376\272\276", 4) == 0;
}

void hxg_wake(intptr_t socket) {
    ssize_t ignored;
    do {
        ignored = send((int)socket, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (ignored < 0 && errno == EINTR);
}

void hxg_reset_float(void) { fesetenv(FE_DFL_ENV); }

#else
typedef int hxg_not_for_this_system; /* a file must hold something */
#endif
