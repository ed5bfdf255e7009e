/* hxgrid.h: the grid for applications in C, and in every language that can call C.
 *
 * The library `hxgriduser` starts a process, the bridge, and talks to it over pipes; no Python runs
 * in the application. A session is one connected run. A task is a function of a module file that
 * some agent calls with an input, and whose output comes back once.
 *
 * Rules for every function, unless its comment says otherwise: it returns 0 or a number of the list
 * below, and hxg_last_error() has the text of this thread's last failure. It may be called from any
 * thread, also in a callback. A NULL where none is allowed gives HXG_E_ARGUMENT. Texts are UTF-8,
 * given to a function they are copied. It never throws, and never ends the process.
 *
 * Callbacks come on threads of the library, one at a time unless the setting finalize_threads says
 * otherwise. Nothing may be thrown out of them.
 */
#ifndef HXGRID_H
#define HXGRID_H

#include <stddef.h>
#include <stdint.h>

#include "hxg_abi.h"

/* Sources that are compiled into the library itself define HXG_BUILDS_USER. */
#if !defined(HXG_USER_API)
#if defined(_WIN32) && !defined(HXG_BUILDS_USER)
#define HXG_USER_API HXG_IMPORT
#else
#define HXG_USER_API HXG_EXPORT
#endif
#endif

#if defined(__cplusplus)
extern "C" {
#endif

/* cdef: begin */
#if !defined(HXG_HOST_H)
typedef int32_t hxg_status;

enum {
    HXG_OK = 0,
    HXG_E_ARGUMENT = 1,   /* the caller's mistake */
    HXG_E_MEMORY = 2,     /* there is none left */
    HXG_E_LIMIT = 3,      /* 4 GiB or more, or a text that does not fit */
    HXG_E_SYSTEM = 4,     /* the operating system refused */
    HXG_E_CLOSED = 5      /* the session is being closed */
};
#endif

enum {
    HXG_E_NO_BRIDGE = 20, /* the bridge is not installed or does not start */
    HXG_E_NO_GRID = 21,   /* no grid answered in time, or several did and none was named */
    HXG_E_CONFIG = 22,    /* a setting is wrong */
    HXG_E_REJECTED = 23,  /* a key is not accepted; trying again does not help */
    HXG_E_MODULE = 24,    /* a module file is missing or cannot be read */
    HXG_E_FAILED = 25,    /* a task has failed on every attempt it had */
    HXG_E_CANCELLED = 26, /* a task was cancelled */
    HXG_E_FULL = 27,      /* as many tasks are queued as the settings allow */
    HXG_E_TIMEOUT = 28,
    HXG_E_CALLBACK = 29,  /* a callback would have waited for itself */
    HXG_E_BROKEN = 30,    /* the bridge has died; open a new session */
    HXG_E_PROTOCOL = 31,  /* library and bridge do not understand each other */
    HXG_E_OTHER = 32      /* see the text */
};

typedef struct hxg_session hxg_session;

/* For times: wait as long as it takes. */
enum { HXG_FOREVER = -1 };

enum {
    HXG_OPEN_KEEP_LOOKING = 1   /* return at once, and look for a grid until there is one */
};

typedef struct hxg_open_options {
    uint32_t struct_size;       /* of this structure as the caller knows it */
    uint32_t flags;             /* HXG_OPEN_* */
    const char *address;        /* HOST[:PORT] of a coordinator, or "local" for a grid in processes
                                   of this computer alone; NULL: HXGRID_BRIDGE_ADDRESS, else what
                                   the settings say, else whichever grid answers */
    const char *settings;       /* lines of TOML as in section [user]; NULL: none */
    const char *bridge;         /* program to start; NULL: HXGRID_BRIDGE, else hxgrid-bridge beside
                                   the library, else on the path */
    uint32_t timeout_ms;        /* for finding a grid */
    uint32_t agents;            /* of "local": 0 is one; HXGRID_BRIDGE_AGENTS if 0 */
    uint32_t slots;             /* of each of them: 0 is one per processor; HXGRID_BRIDGE_SLOTS */
    uint32_t unused;
} hxg_open_options;

enum {
    HXG_RUN_NOT_BLOCKING = 1,   /* HXG_E_FULL instead of waiting for room */
    HXG_RUN_ONCE = 2            /* the task must not run twice: no duplicates, no second attempt */
};

typedef struct hxg_run_options {
    uint32_t struct_size;
    uint32_t flags;             /* HXG_RUN_* */
    double time_limit_s;        /* an attempt that takes longer is ended; 0: none */
} hxg_run_options;

/* How a task ended. Lent for the call of hxg_done_proc. */
typedef struct hxg_result {
    uint32_t struct_size;
    hxg_status status;          /* HXG_OK, or why there is no output */
    uint32_t task;
    uint32_t unused;
    const uint8_t *data;        /* the output; never NULL */
    uint64_t bytes;
    const char *why;            /* one line; "" if it went well */
    const char *details;        /* all attempts, and what the task printed */
} hxg_result;

/* Called exactly once for each task that was accepted, whatever becomes of it. */
typedef void (HXG_CDECL *hxg_done_proc)(const hxg_result *result, void *user_data);

typedef struct hxg_question hxg_question;

/* Asked for global data: call hxg_answer or hxg_answer_file. Without it there are none. */
typedef void (HXG_CDECL *hxg_data_proc)(hxg_question *question, const char *name, void *user_data);

typedef struct hxg_connection {
    uint32_t struct_size;
    uint32_t is_connected;      /* to the coordinator; a running session does without */
    uint32_t agents;            /* where this session is open */
    uint32_t slots;             /* of those, for all their users */
} hxg_connection;

/* A failed task, until it is freed. */
typedef struct hxg_failure {
    uint32_t struct_size;
    uint32_t task;
    hxg_status status;
    uint32_t unused;
    const char *why;
    const char *details;
} hxg_failure;

/* The text of the last failure in the calling thread, "" if there was none. Never NULL; good until
   this thread's next call. */
HXG_USER_API const char *hxg_last_error(void);

/* ---- the session */

/* Starts a bridge and connects. Waits up to timeout_ms for a grid (with KEEP_LOOKING only for the
   bridge). `options` may be NULL. Several sessions may be open in one process. Free it with
   hxg_close. */
HXG_USER_API hxg_status hxg_open(hxg_session **session, const hxg_open_options *options);

/* Waits until every task has ended, or with `cancel` drops them, and frees the session. With nothing
   to wait for it takes less than a second. No other call may be under way or follow. Called in a
   callback it cancels and returns at once. NULL is harmless. */
HXG_USER_API hxg_status hxg_close(hxg_session *session, int32_t cancel);

/* ---- tasks */

/* Queues a task: `function` of the first of `modules` (paths with commas between) is run on a copy
   of `data`. While the queue is full it waits, but never in a callback. When it returns 0, `task`
   has the task's number and `done` (may be NULL) will be called, perhaps before this returns;
   otherwise nothing has happened. `task`, `data` (with 0 bytes) and `options` may be NULL. */
HXG_USER_API hxg_status hxg_run(uint32_t *task, hxg_session *session, const char *modules,
                                const char *function, const void *data, uint64_t bytes,
                                const hxg_run_options *options, hxg_done_proc done,
                                void *user_data);

/* Waits until every task has ended and its callback has returned. HXG_E_TIMEOUT; HXG_E_FAILED if a
   task has failed since the last call (hxg_take_failure tells which); HXG_E_BROKEN. In a callback:
   HXG_E_CALLBACK. */
HXG_USER_API hxg_status hxg_wait_all(hxg_session *session, int32_t timeout_ms);

/* Waits until some task has ended since the last call, or none is left. HXG_E_TIMEOUT. */
HXG_USER_API hxg_status hxg_wait_event(hxg_session *session, int32_t timeout_ms);

/* Says how many tasks have been accepted and have not ended with their callback. */
HXG_USER_API hxg_status hxg_count(uint32_t *count, hxg_session *session);

/* Asks for one task to be dropped; one that has ended is left alone. Does not wait. */
HXG_USER_API hxg_status hxg_cancel(hxg_session *session, uint32_t task);

/* Drops every task accepted so far, and waits, about a second at most, until the agents have
   confirmed it and the callbacks have returned. The session stays usable. */
HXG_USER_API hxg_status hxg_cancel_all(hxg_session *session);

/* Takes the oldest failure that has not been taken; NULL if there is none. Up to 1000 are kept. */
HXG_USER_API hxg_status hxg_take_failure(hxg_failure **failure, hxg_session *session);
HXG_USER_API void hxg_failure_free(hxg_failure *failure);

/* Says how far a running task is, 0 to 1, and what it last said. `text` may be NULL; what does not
   fit into `room` bytes is cut. Asks the bridge. */
HXG_USER_API hxg_status hxg_progress(double *fraction, char *text, size_t room,
                                     hxg_session *session, uint32_t task);

/* Says in one sentence why a task is where it is. Asks the bridge. */
HXG_USER_API hxg_status hxg_why(char *text, size_t room, hxg_session *session, uint32_t task);

/* Says in a line each why tasks wait and why agents get no work. Asks the bridge. */
HXG_USER_API hxg_status hxg_explain(char *text, size_t room, hxg_session *session);

/* ---- global data */

/* Has `callback` answer what tasks ask for by name: once per name, or with `is_volatile` once per
   agent, and again after FreeCachedData. NULL: there are no data. */
HXG_USER_API hxg_status hxg_bind_data(hxg_session *session, hxg_data_proc callback,
                                      void *user_data, int32_t is_volatile);

/* Answers a question, inside its callback only, once, with a copy of these bytes. */
HXG_USER_API hxg_status hxg_answer(hxg_question *question, const void *data, uint64_t bytes);

/* The same with a file, which is mapped and must stay as it is while the session is open. */
HXG_USER_API hxg_status hxg_answer_file(hxg_question *question, const char *path);

/* Has data of this name, or with NULL all, asked for again when they are wanted next: tasks that are
   submitted after this call get the new ones. Streams that running tasks hold stay as they are. */
HXG_USER_API hxg_status hxg_forget_data(hxg_session *session, const char *name);

/* ---- settings and status; all of these ask the bridge */

/* Settings by their names in the section [user]; in force at once. Numbers and switches are written
   as in the settings file (`4`, `true`), texts without quotes. */
HXG_USER_API hxg_status hxg_get_setting(char *value, size_t room, hxg_session *session,
                                        const char *key);
HXG_USER_API hxg_status hxg_set_setting(hxg_session *session, const char *key, const char *value);

/* Fills in a structure whose struct_size is set. */
HXG_USER_API hxg_status hxg_get_connection(hxg_connection *connection, hxg_session *session);
/* cdef: end */

#define HXG_OPEN_OPTIONS_INIT {sizeof(hxg_open_options), 0, NULL, NULL, NULL, 10000, 0, 0, 0}
#define HXG_RUN_OPTIONS_INIT {sizeof(hxg_run_options), 0, 0.0}
#define HXG_CONNECTION_INIT {sizeof(hxg_connection), 0, 0, 0}

#if defined(__cplusplus)
}
#endif

#endif
