/* hxg_host.h: the library that the host process of an agent opens to run native tasks.
 *
 * A host process works for one session. Its Python side talks to the agent; this library owns the
 * threads that run tasks. Attempts go in by hxg_host_run*, results and questions come out by
 * hxg_host_take_*, and a byte on a socket says when there is something to take, so that Python
 * waits for it beside its other sockets and holds no lock while tasks run.
 *
 * Rules for every function: it returns a status, 0 is success, and hxg_last_error() has the text of
 * this thread's last failure; a NULL where none is allowed gives HXG_E_ARGUMENT; it does not wait
 * unless said so; it may be called from any thread, but hxg_host_take_* from one at a time. Texts
 * are UTF-8. Times are seconds of the clock that Python's time.monotonic() reads.
 */
#ifndef HXG_HOST_H
#define HXG_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "hxgrid/hxgrid_task.h"

#if defined(_WIN32)
#define HXG_API HXG_EXPORT
#else
#define HXG_API __attribute__((visibility("default")))
#endif

/* cdef: begin */
typedef int32_t hxg_status;

enum {
    HXG_OK = 0,
    HXG_E_ARGUMENT = 1,   /* the caller's mistake */
    HXG_E_MEMORY = 2,     /* there is none left */
    HXG_E_LIMIT = 3,      /* more than a stream, the page or the buffer can hold */
    HXG_E_SYSTEM = 4,     /* the operating system refused */
    HXG_E_CLOSED = 5,     /* the host ends, or has ended */
    HXG_E_BUSY = 6,       /* threads still run */
    HXG_E_UNKNOWN = 7,    /* no such session, function or request */
    HXG_E_CLASH = 8,      /* another file of the same name is in this process already */
    HXG_E_READ_ONLY = 9   /* a read-only stream was to be changed */
};

/* The page of memory that agent and host share. The first HXG_PAGE_CRASH_AT bytes are those of every
   task process; the rest is for hosts. All words are aligned and little-endian. */
enum {
    HXG_PAGE_STATE_AT = 0,          /* u64: HXG_STATE_*, set by the agent */
    HXG_PAGE_FLAGS_AT = 1024,       /* u8 per serial modulo HXG_PAGE_RING: not 0 cancels */
    HXG_PAGE_RING = 4096,
    HXG_PAGE_CRASH_AT = 5120,       /* hxg_crash */
    HXG_PAGE_THREADS_AT = 5248,     /* hxg_stamp for each thread */
    HXG_PAGE_THREADS = 1024,
    HXG_PAGE_BYTES = 70784
};

enum {
    HXG_STATE_SUSPENDED = 1,
    HXG_STATE_ENDING = 2
};

/* What a thread is busy with. */
enum {
    HXG_PHASE_IDLE = 0,
    HXG_PHASE_LOADING = 1,          /* the module, with its initialisers */
    HXG_PHASE_START_SESSION = 2,
    HXG_PHASE_TASK = 3,
    HXG_PHASE_END_SESSION = 4
};

/* One thread's stamp in the page. */
typedef struct hxg_stamp {
    uint64_t serial;                /* of the attempt it runs, 0: none */
    double started_at;
    uint32_t phase;                 /* HXG_PHASE_* */
    uint32_t function;
    uint64_t finished;              /* attempts that it has run */
    uint64_t unused[4];
} hxg_stamp;

enum {
    HXG_CRASH_NONE = 0,
    HXG_CRASH_SIGNAL = 1,           /* `code` is a POSIX signal number */
    HXG_CRASH_EXCEPTION = 2,        /* `code` is a Windows exception code */
    HXG_CRASH_EXIT = 3              /* task code called exit() */
};

/* Who ended the process, written by the dying thread. */
typedef struct hxg_crash {
    uint32_t kind;                  /* HXG_CRASH_*; written last */
    uint32_t code;
    uint64_t serial;                /* 0: the thread ran no attempt */
    uint32_t function;
    uint32_t phase;                 /* HXG_PHASE_* */
    uint64_t address;               /* what the fault was about, 0: unknown */
    uint64_t unused[12];
} hxg_crash;

/* How an attempt ended; the numbers are those of the wire. */
enum {
    HXG_OUTCOME_DONE = 0,
    HXG_OUTCOME_FAILED = 1,
    HXG_OUTCOME_CANCELLED = 4,
    HXG_OUTCOME_NOT_STARTED = 5,
    HXG_OUTCOME_UNUSABLE = 6        /* the module or its function cannot be had */
};

typedef struct hxg_host hxg_host;

typedef struct hxg_host_options {
    uint32_t struct_size;           /* of this structure as the caller knows it */
    uint32_t thread_count;          /* 1 to HXG_PAGE_THREADS */
    void *page;                     /* HXG_PAGE_BYTES, aligned to 8; outlives the process */
    intptr_t wake_socket;           /* one byte is sent here when there is something to take */
    uint32_t small_bytes;           /* outputs up to this travel in batches */
    uint32_t unused;
} hxg_host_options;

/* What hxg_host_take_event gives. */
enum {
    HXG_EVENT_NONE = 0,
    HXG_EVENT_RESULT = 1,           /* an attempt that does not go into batches */
    HXG_EVENT_DATA_WANTED = 2,      /* answer with hxg_host_answer_data */
    HXG_EVENT_DATA_FREED = 3,       /* a task does not need this name; empty text: any name */
    HXG_EVENT_CLOSED = 4            /* the last one: all threads have ended */
};

typedef struct hxg_event {
    uint32_t kind;                  /* HXG_EVENT_* */
    uint32_t outcome;               /* of RESULT */
    uint64_t serial;                /* of RESULT */
    double started_at;              /* of RESULT; 0 if it never began */
    double ended_at;
    HxStream *stream;               /* of RESULT with DONE, else NULL: the output, count 1 */
    uint32_t request;               /* of DATA_WANTED */
    uint32_t is_all;                /* of DATA_FREED: 1 for every name */
    uint32_t thread;                /* of RESULT: which of the threads ran it, from 0 */
    uint32_t unused;
    const char *text;               /* name of data, or why; good until the next take_event */
} hxg_event;

/* The text of the last failure in the calling thread, "" if there was none. Never NULL. The text is
   the library's, and good until this thread's next call. */
HXG_API const char *hxg_last_error(void);

/* ---- streams: for the host's Python side and for tests; tasks use the interface */

/* Makes an empty stream that can be written. The caller owns its one reference. */
HXG_API hxg_status hxg_stream_create(HxStream **stream);

/* Makes a stream with a copy of `bytes` bytes, at position 0. The caller owns its one reference. */
HXG_API hxg_status hxg_stream_create_from(const void *data, uint64_t bytes, HxStream **stream);

/* Makes a read-only stream over a file, which is mapped, not read. The caller owns its one
   reference; the file may be removed meanwhile where the system allows that. */
HXG_API hxg_status hxg_stream_map(const char *path, HxStream **stream);

/* Points at the bytes of any stream, through its interface. Nothing is copied or counted; the
   pointer is good until the stream changes or goes. Never gives NULL. */
HXG_API hxg_status hxg_stream_bytes(HxStream *stream, const uint8_t **data, uint64_t *bytes);

/* Says whether a stream of this library has been misused or ran out of memory: the status of the
   first mishap, and 0 if there was none. */
HXG_API hxg_status hxg_stream_fault(HxStream *stream);

/* Drops one reference. NULL is harmless. */
HXG_API void hxg_stream_release(HxStream *stream);

/* ---- the host */

/* Makes the host and starts its threads. One may exist in a process at a time. */
HXG_API hxg_status hxg_host_create(const hxg_host_options *options, hxg_host **host);

/* Says which session ids tasks may use, and the folder GetSessionCacheDirectory gives for each. */
HXG_API hxg_status hxg_host_open_session(hxg_host *host, uint32_t session_id,
                                         const char *cache_folder);

/* Makes every further use of the id be answered with S_FALSE. */
HXG_API hxg_status hxg_host_close_session(hxg_host *host, uint32_t session_id);

/* Changes how many attempts run at a time. Threads beyond the number end with what they run. */
HXG_API hxg_status hxg_host_set_threads(hxg_host *host, uint32_t count);

/* Says what a function id stands for: the export `entry` of the first of the files. The others are
   what it depends on. Nothing is loaded before the first attempt needs it. HXG_E_CLASH, if this
   process has had another file of one of these names: the loader would mistake one for the other,
   so that such a module needs a process of its own. Texts are copied. */
HXG_API hxg_status hxg_host_offer(hxg_host *host, uint32_t function, uint32_t session_id,
                                  const char *const *files, size_t file_count, const char *entry);

/* Queues an attempt with a copy of its input. */
HXG_API hxg_status hxg_host_run(hxg_host *host, uint64_t serial, uint32_t function,
                                const void *data, uint64_t bytes);

/* Queues an attempt whose input is a file. It is mapped at once, privately: what the task writes to
   its input stays in memory, and the file may be removed where the system allows that. */
HXG_API hxg_status hxg_host_run_file(hxg_host *host, uint64_t serial, uint32_t function,
                                     const char *path);

/* Queues a batch in the layout
       u32 count | count records of 25 bytes | payloads, one after the other
   with records u64 serial, u32 function, u8 flags, u64 raw bytes, u32 payload bytes (packed).
   Flags 0: the payload is the input. 0x80: it is the path of a file with the input. Others are left
   to the caller: the indices of those records are written to `left_out`, which must have room for
   `capacity`; with more than that, or a body that does not fit its counts, nothing is queued. An
   input that cannot be mapped gives a RESULT event, so that each record is answered for. */
HXG_API hxg_status hxg_host_run_batch(hxg_host *host, const void *body, size_t bytes,
                                      uint32_t *left_out, size_t capacity, size_t *left_count);

/* Takes attempts back that have not begun. Those that were are written to `taken`, which must have
   room for `count`; nothing else will be heard of them. */
HXG_API hxg_status hxg_host_take_back(hxg_host *host, const uint64_t *serials, size_t count,
                                      uint64_t *taken, size_t *taken_count);

/* Takes ended attempts whose output is small, in the layout
       u32 count | count records of 44 bytes | outputs, one after the other
   with records u64 serial, u8 outcome, u8 flags (0), u64 stored bytes, u64 raw bytes, f64 started,
   f64 ended, u16 thread (packed). `*used` is 0 when there is none. At most `limit` attempts.
   `capacity` must be at least 48 + small_bytes. */
HXG_API hxg_status hxg_host_take_batch(hxg_host *host, void *buffer, size_t capacity, size_t limit,
                                       size_t *used);

/* Takes the next of the other things; kind HXG_EVENT_NONE when there is none. The stream of a
   result becomes the caller's. After a byte has come, take batches first, then events, until there
   are none of either. */
HXG_API hxg_status hxg_host_take_event(hxg_host *host, hxg_event *event);

/* Answers DATA_WANTED: with the path of a file, which is mapped and given to all tasks that wait for
   this name, or with NULL and why there is none. HXG_E_UNKNOWN if nobody waits any more. */
HXG_API hxg_status hxg_host_answer_data(hxg_host *host, uint32_t request, const char *path,
                                        const char *why);

/* Makes tasks that want this name, or with NULL any, ask again. What they hold stays valid, and an
   answer that is on its way is not kept. */
HXG_API hxg_status hxg_host_forget_data(hxg_host *host, const char *name);

/* Makes the host end: what has not begun comes back as NOT_STARTED, what runs is waited for (by its
   threads, not by the caller), EndSession is called for each started module, and then CLOSED is put
   among the events. Calling it again is harmless. */
HXG_API hxg_status hxg_host_close(hxg_host *host);

/* Frees a host that has given CLOSED, and all that has not been taken; before, HXG_E_BUSY. Streams
   already given out stay valid, modules stay loaded. NULL is harmless. */
HXG_API hxg_status hxg_host_free(hxg_host *host);

/* Makes a signal or an exit() in a task leave an hxg_crash in the page before the process dies as it
   would have. Once per process. `page` as in the options. */
HXG_API hxg_status hxg_host_watch_crashes(void *page);
/* cdef: end */

#endif
