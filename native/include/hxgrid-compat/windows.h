/* windows.h: what sources written for the original use of it, on systems that have none.
 *
 * On Windows this is the real one. See hxgrid-compat/README.md for the list of names.
 */
#if defined(_WIN32)

/* The original's compilers brought these along. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
#include_next <windows.h>
#else
/* The SDK keeps it in a folder beside those that compilers search. */
#include <../um/windows.h>
#endif

#else

#ifndef HXG_COMPAT_WINDOWS_H
#define HXG_COMPAT_WINDOWS_H

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "../hxgrid/hxg_types.h"

#if defined(__cplusplus)
#include "../hxgrid/IUnknown.h"
#endif

#define __cdecl
#define __stdcall
#define WINAPI
#define APIENTRY
#define CALLBACK
#define __int64 long long

#define __declspec(what) HXG_DECLSPEC_##what
#define HXG_DECLSPEC_dllexport __attribute__((visibility("default")))
#define HXG_DECLSPEC_dllimport
#define HXG_DECLSPEC_novtable
#define HXG_DECLSPEC_noinline __attribute__((noinline))
#define HXG_DECLSPEC_noreturn __attribute__((noreturn))
#define HXG_DECLSPEC_thread __thread
#define HXG_DECLSPEC_align(bytes) __attribute__((aligned(bytes)))

#define __inline inline

#ifndef TRUE
#define TRUE 1
#define FALSE 0
#endif

typedef void *LPVOID;
typedef char *LPSTR;
typedef const char *LPCSTR;
typedef void *HANDLE;
typedef void *HINSTANCE;
typedef void *HMODULE;

#ifndef DECLARE_INTERFACE_
#define DECLARE_INTERFACE_(name, base) struct name : public base
#endif

static inline void InitializeCriticalSection(CRITICAL_SECTION *section) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&section->mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

static inline void EnterCriticalSection(CRITICAL_SECTION *section) {
    pthread_mutex_lock(&section->mutex);
}

static inline void LeaveCriticalSection(CRITICAL_SECTION *section) {
    pthread_mutex_unlock(&section->mutex);
}

static inline void DeleteCriticalSection(CRITICAL_SECTION *section) {
    pthread_mutex_destroy(&section->mutex);
}

/* Milliseconds since some moment; wraps around after 49.7 days, as there. */
static inline DWORD GetTickCount(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (DWORD)((uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u);
}

static inline void Sleep(DWORD milliseconds) {
    struct timespec time;
    time.tv_sec = (time_t)(milliseconds / 1000u);
    time.tv_nsec = (long)(milliseconds % 1000u) * 1000000L;
    nanosleep(&time, NULL);
}

/* A number that no other living thread of the process has. */
static inline DWORD GetCurrentThreadId(void) { return (DWORD)(uintptr_t)pthread_self() >> 4; }

static inline DWORD GetCurrentProcessId(void) { return (DWORD)getpid(); }

/* The original's library for applications has another name on systems other than Windows. */
static inline HMODULE LoadLibrary(LPCSTR name) {
    if (strcasecmp(name, "hxGridUserDLL.dll") == 0) {
#if defined(__APPLE__)
        name = "libhxgriduser.dylib";
#else
        name = "libhxgriduser.so";
#endif
    }
    return dlopen(name, RTLD_NOW);
}

static inline void *GetProcAddress(HMODULE module, LPCSTR name) { return dlsym(module, name); }

static inline LONG InterlockedIncrement(volatile LONG *value) {
    return __sync_add_and_fetch(value, 1);
}

static inline LONG InterlockedDecrement(volatile LONG *value) {
    return __sync_sub_and_fetch(value, 1);
}

#define _stricmp strcasecmp

/* Like snprintf, but says -1 when it has cut, and then leaves no end. */
static inline int _snprintf(char *text, size_t room, const char *format, ...) {
    va_list values;
    char *whole;
    int needed;
    va_start(values, format);
    needed = vsnprintf(NULL, 0, format, values);
    va_end(values);
    whole = needed < 0 ? NULL : (char *)malloc((size_t)needed + 1);
    if (whole == NULL) return -1;
    va_start(values, format);
    vsnprintf(whole, (size_t)needed + 1, format, values);
    va_end(values);
    memcpy(text, whole, (size_t)needed < room ? (size_t)needed + 1 : room);
    free(whole);
    return (size_t)needed <= room ? needed : -1;
}

#endif
#endif
