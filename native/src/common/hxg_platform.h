/* hxg_platform.h: what differs between operating systems and compilers.
 *
 * platform_posix.c and platform_windows.c hold the code; only what must be inline is here.
 */
#ifndef HXG_PLATFORM_H
#define HXG_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>
#else
#include <pthread.h>
#endif

/* ---- atomics: C99 has none, every compiler has its own */

#if defined(_MSC_VER)
#include <intrin.h>
#define HXG_RARE __declspec(noinline)

static __inline uint32_t hxg_load_u32(const void *at) { return *(const volatile uint32_t *)at; }
static __inline uint8_t hxg_load_u8(const void *at) { return *(const volatile uint8_t *)at; }
static __inline void hxg_store_u32(void *at, uint32_t value) {
    _InterlockedExchange((volatile long *)at, (long)value);
}
static __inline void *hxg_load_pointer(void *const *at) {
    return _InterlockedCompareExchangePointer((void *volatile *)at, NULL, NULL);
}
static __inline void hxg_store_pointer(void **at, void *value) {
    _InterlockedExchangePointer((void *volatile *)at, value);
}
static __inline int hxg_swap_u32(uint32_t *at, uint32_t *expected, uint32_t wanted) {
    uint32_t found = (uint32_t)_InterlockedCompareExchange((volatile long *)at, (long)wanted,
                                                           (long)*expected);
    int is_swapped = found == *expected;
    *expected = found;
    return is_swapped;
}
#else
#define HXG_RARE __attribute__((noinline, cold))

static inline uint32_t hxg_load_u32(const void *at) {
    return __atomic_load_n((const uint32_t *)at, __ATOMIC_RELAXED);
}
static inline uint8_t hxg_load_u8(const void *at) {
    return __atomic_load_n((const uint8_t *)at, __ATOMIC_RELAXED);
}
static inline void hxg_store_u32(void *at, uint32_t value) {
    __atomic_store_n((uint32_t *)at, value, __ATOMIC_RELEASE);
}
static inline void *hxg_load_pointer(void *const *at) {
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}
static inline void hxg_store_pointer(void **at, void *value) {
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}
/* Puts `wanted` there if `*expected` is there; else writes what is there to `*expected`. */
static inline int hxg_swap_u32(uint32_t *at, uint32_t *expected, uint32_t wanted) {
    return __atomic_compare_exchange_n(at, expected, wanted, 0, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}
#endif

/* ---- threads */

#if defined(_WIN32)
typedef SRWLOCK hxg_mutex;
typedef CONDITION_VARIABLE hxg_cond;
typedef HANDLE hxg_thread;
typedef CRITICAL_SECTION hxg_section;
#else
typedef pthread_mutex_t hxg_mutex;
typedef pthread_cond_t hxg_cond;
typedef pthread_t hxg_thread;
typedef pthread_mutex_t hxg_section;
#endif

void hxg_mutex_init(hxg_mutex *mutex);
void hxg_mutex_destroy(hxg_mutex *mutex);
void hxg_lock(hxg_mutex *mutex);
void hxg_unlock(hxg_mutex *mutex);
void hxg_cond_init(hxg_cond *cond);
void hxg_cond_destroy(hxg_cond *cond);
void hxg_wait(hxg_cond *cond, hxg_mutex *mutex);
/* Waits at most about this long. */
void hxg_wait_ms(hxg_cond *cond, hxg_mutex *mutex, unsigned milliseconds);
void hxg_signal(hxg_cond *cond);
void hxg_broadcast(hxg_cond *cond);

/* 0 or a text of the system. Threads have stacks of 8 MiB, whatever the system's habit. */
int hxg_thread_start(hxg_thread *thread, void (*body)(void *), void *argument);
void hxg_thread_join(hxg_thread thread);
void hxg_sleep_ms(unsigned milliseconds);

/* Seconds of the clock that Python's time.monotonic() reads. */
double hxg_now(void);

/* The recursive critical section that IAgent gives out: one per process. */
hxg_section *hxg_global_section(void);

/* A pointer per thread, readable in a signal handler. NULL in threads that have set none. */
#if defined(_WIN32)
extern DWORD hxg_current_slot;
static __inline void *hxg_current(void) { return TlsGetValue(hxg_current_slot); }
#else
/* In a library that is opened at run time the general model costs a function call. This one takes its
   room from a reserve of the process which is small and shared with all other libraries: nothing large
   may be thread-local here. */
#if defined(__ELF__)
#define HXG_TLS_MODEL __attribute__((visibility("hidden"), tls_model("initial-exec")))
#else
#define HXG_TLS_MODEL
#endif
extern __thread void *hxg_current_pointer HXG_TLS_MODEL;
static inline void *hxg_current(void) { return hxg_current_pointer; }
#endif
void hxg_set_current(void *pointer);

#if defined(_MSC_VER)
#define HXG_THREAD_LOCAL __declspec(thread)
#else
#define HXG_THREAD_LOCAL __thread
#endif

/* A text of HXG_THREAD_TEXT_BYTES that belongs to the calling thread, empty at first; NULL: no
   memory. */
char *hxg_thread_text(void);
enum { HXG_THREAD_TEXT_BYTES = 1024 };

/* ---- files and libraries */

typedef struct hxg_mapping {
    void *base; /* NULL for an empty file, which cannot be mapped */
    uint64_t bytes;
} hxg_mapping;

/* Maps a whole file. `is_private`: may be written, which changes neither the file nor what others
   see. On failure returns 0 and writes why. */
int hxg_map_file(const char *path, int is_private, hxg_mapping *mapping, char *why, size_t room);
void hxg_unmap(hxg_mapping *mapping);

/* Opens a shared library so that what it needs is looked for beside it where the system knows such a
   rule. On failure returns NULL and writes the loader's words. */
void *hxg_library_open(const char *path, char *why, size_t room);
void *hxg_library_symbol(void *library, const char *name);
/* Whether a file looks like a shared library of this system. */
int hxg_is_library(const char *path);
/* What separates folders: one character. */
extern const char hxg_separator;
int hxg_is_separator(char character);

/* Sends one byte, if there is room for it; failure is not the sender's trouble. */
void hxg_wake(intptr_t socket);

/* Puts the floating-point unit into the state that a program starts with. */
void hxg_reset_float(void);

#endif
