/* platform_windows.c: hxg_platform.h for Windows 7 and later. */
#if defined(_WIN32)

#if !defined(_WIN32_WINNT)
#define _WIN32_WINNT 0x0601
#endif
#include <winsock2.h>

#include "hxg_platform.h"

#include <float.h>
#include <process.h>
#include <stdio.h>
#include <stdlib.h>

enum { STACK_BYTES = 8 * 1024 * 1024, LONGEST_PATH = 32768 };

const char hxg_separator = '\\';
DWORD hxg_current_slot = TLS_OUT_OF_INDEXES;
static CRITICAL_SECTION section;

BOOL WINAPI DllMain(HINSTANCE library, DWORD reason, LPVOID unused);
BOOL WINAPI DllMain(HINSTANCE library, DWORD reason, LPVOID unused) {
    (void)library;
    (void)unused;
    if (reason == DLL_PROCESS_ATTACH) {
        InitializeCriticalSection(&section);
        hxg_current_slot = TlsAlloc();
        return hxg_current_slot != TLS_OUT_OF_INDEXES;
    }
    return TRUE;
}

int hxg_is_separator(char character) { return character == '\\' || character == '/'; }

void hxg_set_current(void *pointer) { TlsSetValue(hxg_current_slot, pointer); }

void hxg_mutex_init(hxg_mutex *mutex) { InitializeSRWLock(mutex); }
void hxg_mutex_destroy(hxg_mutex *mutex) { (void)mutex; }
void hxg_lock(hxg_mutex *mutex) { AcquireSRWLockExclusive(mutex); }
void hxg_unlock(hxg_mutex *mutex) { ReleaseSRWLockExclusive(mutex); }

void hxg_cond_init(hxg_cond *cond) { InitializeConditionVariable(cond); }
void hxg_cond_destroy(hxg_cond *cond) { (void)cond; }
void hxg_wait(hxg_cond *cond, hxg_mutex *mutex) {
    SleepConditionVariableSRW(cond, mutex, INFINITE, 0);
}
void hxg_wait_ms(hxg_cond *cond, hxg_mutex *mutex, unsigned milliseconds) {
    SleepConditionVariableSRW(cond, mutex, milliseconds, 0);
}
void hxg_signal(hxg_cond *cond) { WakeConditionVariable(cond); }
void hxg_broadcast(hxg_cond *cond) { WakeAllConditionVariable(cond); }

typedef struct start {
    void (*body)(void *);
    void *argument;
} start;

static unsigned __stdcall run_start(void *raw) {
    start copy = *(start *)raw;
    free(raw);
    copy.body(copy.argument);
    return 0;
}

int hxg_thread_start(hxg_thread *thread, void (*body)(void *), void *argument) {
    start *what = malloc(sizeof *what);
    if (what == NULL) return ERROR_NOT_ENOUGH_MEMORY;
    what->body = body;
    what->argument = argument;
    *thread = (HANDLE)_beginthreadex(NULL, STACK_BYTES, run_start, what,
                                     STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    if (*thread != NULL) return 0;
    free(what);
    return ERROR_NOT_ENOUGH_MEMORY;
}

void hxg_thread_join(hxg_thread thread) {
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

void hxg_sleep_ms(unsigned milliseconds) { Sleep(milliseconds); }

double hxg_now(void) {
    /* What Python reads up to 3.12; later it has the same zero and a finer step. */
    return (double)GetTickCount64() * 1e-3;
}

hxg_section *hxg_global_section(void) { return &section; }

char *hxg_thread_text(void) {
    static HXG_THREAD_LOCAL char text[HXG_THREAD_TEXT_BYTES];
    return text;
}

static wchar_t *widened(const char *path) {
    wchar_t *wide = malloc(LONGEST_PATH * sizeof *wide);
    if (wide != NULL && MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, LONGEST_PATH) == 0) {
        free(wide);
        return NULL;
    }
    return wide;
}

static void describe(const char *path, const char *what, char *why, size_t room) {
    DWORD error = GetLastError();
    char text[256] = "";
    FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, error, 0, text,
                   sizeof text, NULL);
    text[strcspn(text, "\r\n")] = '\0';
    snprintf(why, room, "%s cannot be %s: %s (error %lu)", path, what, text, error);
}

int hxg_map_file(const char *path, int is_private, hxg_mapping *mapping, char *why, size_t room) {
    wchar_t *wide = widened(path);
    LARGE_INTEGER size;
    HANDLE file = INVALID_HANDLE_VALUE, view = NULL;
    mapping->base = NULL;
    mapping->bytes = 0;
    if (wide != NULL) {
        file = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                           NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    }
    free(wide);
    if (file == INVALID_HANDLE_VALUE || !GetFileSizeEx(file, &size)) {
        describe(path, "opened", why, room);
        if (file != INVALID_HANDLE_VALUE) CloseHandle(file);
        return 0;
    }
    if (size.QuadPart != 0) {
        view = CreateFileMappingW(file, NULL, is_private ? PAGE_WRITECOPY : PAGE_READONLY, 0, 0, NULL);
        if (view != NULL) {
            mapping->base = MapViewOfFile(view, is_private ? FILE_MAP_COPY : FILE_MAP_READ, 0, 0, 0);
        }
        if (mapping->base == NULL) describe(path, "mapped", why, room);
        if (view != NULL) CloseHandle(view);
    }
    CloseHandle(file);
    mapping->bytes = (uint64_t)size.QuadPart;
    return size.QuadPart == 0 || mapping->base != NULL;
}

void hxg_unmap(hxg_mapping *mapping) {
    if (mapping->base != NULL) UnmapViewOfFile(mapping->base);
    mapping->base = NULL;
}

void *hxg_library_open(const char *path, char *why, size_t room) {
    wchar_t *wide = widened(path);
    HMODULE library = NULL;
    if (wide != NULL) {
        /* This rule takes backslashes only. */
        for (wchar_t *at = wide; *at != 0; at++) {
            if (*at == L'/') *at = L'\\';
        }
        library = LoadLibraryExW(wide, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
    }
    if (library == NULL) describe(path, "loaded", why, room);
    free(wide);
    return library;
}

void *hxg_library_symbol(void *library, const char *name) {
    FARPROC found = GetProcAddress(library, name);
    void *address;
    memcpy(&address, &found, sizeof address);
    return address;
}

int hxg_is_library(const char *path) {
    wchar_t *wide = widened(path);
    FILE *file = wide != NULL ? _wfopen(wide, L"rb") : NULL;
    char head[2] = {0, 0};
    free(wide);
    if (file == NULL) return 0;
    if (fread(head, 1, sizeof head, file) != sizeof head) head[0] = 0;
    fclose(file);
    return head[0] == 'M' && head[1] == 'Z';
}

void hxg_wake(intptr_t socket) { send((SOCKET)socket, "x", 1, 0); }

void hxg_reset_float(void) { _fpreset(); }

#else
typedef int hxg_not_for_this_system; /* a file must hold something */
#endif
