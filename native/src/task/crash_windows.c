/* crash_windows.c: exceptions that nobody handles, and exit(). */
#if defined(_WIN32)

#if !defined(_WIN32_WINNT)
#define _WIN32_WINNT 0x0601
#endif

#include "hxg_internal.h"

#include <stdlib.h>

enum { HANDLER_STACK_BYTES = 64 * 1024 };

static LPTOP_LEVEL_EXCEPTION_FILTER earlier;

static LONG WINAPI on_exception(EXCEPTION_POINTERS *pointers) {
    const EXCEPTION_RECORD *record = pointers->ExceptionRecord;
    uint64_t address = 0;
    if (record->ExceptionCode == EXCEPTION_ACCESS_VIOLATION && record->NumberParameters >= 2) {
        address = (uint64_t)record->ExceptionInformation[1];
    }
    hxg_crash_record(HXG_CRASH_EXCEPTION, record->ExceptionCode, address);
    return earlier != NULL ? earlier(pointers) : EXCEPTION_CONTINUE_SEARCH;
}

static void on_exit_of_task(void) {
    const hxg_cell *cell = hxg_current();
    if (cell != NULL && cell->stamp->phase != HXG_PHASE_IDLE) hxg_crash_record(HXG_CRASH_EXIT, 0, 0);
}

hxg_status hxg_host_watch_crashes(void *page) {
    if (page == NULL) return hxg_fail(HXG_E_ARGUMENT, "page is NULL");
    if (!hxg_crash_claim_page(page)) return hxg_fail(HXG_E_BUSY, "crashes are watched already");
    earlier = SetUnhandledExceptionFilter(on_exception);
    if (atexit(on_exit_of_task) != 0) return hxg_fail(HXG_E_SYSTEM, "exit() cannot be watched");
    return HXG_OK;
}

void *hxg_crash_thread_begin(void) {
    ULONG bytes = HANDLER_STACK_BYTES;
    SetThreadStackGuarantee(&bytes);
    return NULL;
}

void hxg_crash_thread_end(void *kept) { (void)kept; }

#else
typedef int hxg_not_for_this_system; /* a file must hold something */
#endif
