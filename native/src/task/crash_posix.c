/* crash_posix.c: signals that end a process, and exit().
 *
 * The handler only writes to memory that is there already, then steps aside: the earlier handler is
 * back in place and the faulting instruction runs again, so that whoever else cares (a debugger, a
 * core dump, Python's faulthandler) sees what it would have seen. Each task thread has a stack for
 * it, because a stack overflow leaves none.
 */
#if !defined(_WIN32)

#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "hxg_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { HANDLER_STACK_BYTES = 64 * 1024 };

static const int watched[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};
enum { WATCHED_COUNT = sizeof watched / sizeof *watched };
static struct sigaction earlier[WATCHED_COUNT];

static void on_signal(int signal, siginfo_t *info, void *context) {
    int saved = errno;
    size_t index;
    (void)context;
    hxg_crash_record(HXG_CRASH_SIGNAL, (uint32_t)signal, (uint64_t)(uintptr_t)info->si_addr);
    for (index = 0; index < WATCHED_COUNT; index++) {
        if (watched[index] == signal) sigaction(signal, &earlier[index], NULL);
    }
    /* Sent, not caused by an instruction: it will not come again by itself. */
    if (info->si_code <= 0) raise(signal);
    errno = saved;
}

static void on_exit_of_task(void) {
    const hxg_cell *cell = hxg_current();
    if (cell != NULL && cell->stamp->phase != HXG_PHASE_IDLE) hxg_crash_record(HXG_CRASH_EXIT, 0, 0);
}

hxg_status hxg_host_watch_crashes(void *page) {
    struct sigaction action;
    size_t index;
    if (page == NULL) return hxg_fail(HXG_E_ARGUMENT, "page is NULL");
    if (!hxg_crash_claim_page(page)) return hxg_fail(HXG_E_BUSY, "crashes are watched already");
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    for (index = 0; index < WATCHED_COUNT; index++) {
        if (sigaction(watched[index], &action, &earlier[index]) != 0) {
            return hxg_fail(HXG_E_SYSTEM, "signal %d cannot be handled", watched[index]);
        }
    }
    if (atexit(on_exit_of_task) != 0) return hxg_fail(HXG_E_SYSTEM, "exit() cannot be watched");
    return HXG_OK;
}

void *hxg_crash_thread_begin(void) {
    stack_t stack;
    void *memory = malloc(HANDLER_STACK_BYTES);
    if (memory == NULL) return NULL; /* then only a stack overflow goes unexplained */
    memset(&stack, 0, sizeof stack);
    stack.ss_sp = memory;
    stack.ss_size = HANDLER_STACK_BYTES;
    sigaltstack(&stack, NULL);
    return memory;
}

void hxg_crash_thread_end(void *kept) {
    stack_t none;
    if (kept == NULL) return;
    memset(&none, 0, sizeof none);
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, NULL);
    free(kept);
}

#else
typedef int hxg_not_for_this_system; /* a file must hold something */
#endif
