/* user.h: a session's state, shared by the library's source files.
 *
 * session.c opens, closes and counts; run.c queues tasks; reader.c takes what the bridge sends;
 * callbacks.c runs the application's code; calls.c asks the bridge; flat.c is hxgrid.h and
 * griduser.c the original's interface over it; head.c packs and unpacks fields.
 *
 * One lock guards everything in hxg_session but what is said to have a lock of its own. It is never
 * held while the application's code runs or while something is written to the bridge.
 *
 * A task is in one of two places until it has ended: in the table (the bridge has it), or in the
 * queue of callbacks (with how it ended). It counts as open until its callback has returned.
 */
#ifndef HXG_USER_H
#define HXG_USER_H

#define HXG_BUILDS_USER 1

#include "../common/hxg_error.h"
#include "../common/hxg_platform.h"
#include "../common/hxg_stream.h"

#include "hxgrid/hxgrid.h"

#include "bridge.h"
#include "frames.h"

/* ---- heads: the fields of a frame */

typedef struct hxg_head {
    uint8_t *bytes;
    size_t size;
    size_t room;
    uint8_t is_failed;      /* no memory, or too much for a head */
    uint8_t inside[128];
} hxg_head;

void hxg_head_begin(hxg_head *head);
void hxg_put_u32(hxg_head *head, uint32_t value);
void hxg_put_u64(hxg_head *head, uint64_t value);
void hxg_put_f64(hxg_head *head, double value);
void hxg_put_text(hxg_head *head, const char *text); /* NULL is "" */
void hxg_head_end(hxg_head *head);

typedef struct hxg_fields {
    const uint8_t *at;
    size_t left;
    uint8_t is_failed;      /* there were fewer fields than asked for */
} hxg_fields;

uint32_t hxg_get_u32(hxg_fields *fields);
uint64_t hxg_get_u64(hxg_fields *fields);
double hxg_get_f64(hxg_fields *fields);
/* The caller frees it; NULL if there is no memory or no text. */
char *hxg_get_text(hxg_fields *fields);

uint32_t hxg_read_word(const uint8_t *at);

/* ---- the session */

/* The original's callback; the stream is lent. */
typedef void (HXG_CDECL *hxg_finalize_proc)(HxStream *stream);
typedef void (HXG_CDECL *hxg_get_data_proc)(const char *name, HxStream **stream);

typedef struct hxg_task {
    struct hxg_task *next;
    uint32_t number;
    uint32_t is_told_always;    /* its callback is called however it ends */
    uint64_t bytes;             /* of the input */
    hxg_finalize_proc finalize;
    hxg_done_proc done;
    void *user_data;
} hxg_task;

/* Something for the application: the end of a task, or a question. */
typedef struct hxg_note {
    struct hxg_note *next;
    hxg_task *task;             /* NULL: a question */
    hxg_status status;
    HxStream *stream;           /* the output; NULL if there is none */
    char *why;
    char *details;
    uint8_t is_result;          /* the bridge counts it until it is taken */
    uint64_t bytes;             /* of the output */
    uint32_t question;
    char *name;
} hxg_note;

typedef struct hxg_call {
    struct hxg_call *next;
    uint32_t number;
    uint8_t is_answered;
    hxg_status status;
    uint8_t *head;              /* behind the status */
    size_t head_bytes;
    HxStream *payload;
    char *text;                 /* of a failure */
} hxg_call;

/* A function that the bridge knows by number. Kept until the session ends. */
typedef struct hxg_function {
    struct hxg_function *next;
    char *modules;
    char *name;
    double time_limit_s;
    uint32_t number;
} hxg_function;

typedef struct hxg_queue {
    hxg_note *first;
    hxg_note *last;
} hxg_queue;

typedef struct hxg_kept {
    struct hxg_kept *next;
    hxg_failure failure;
    char *why;
    char *details;
} hxg_kept;

enum { HXG_BUCKETS = 4096, HXG_MAX_KEPT = 1000, HXG_MAX_CALLBACK_THREADS = 256 };

struct hxg_session {
    hxg_bridge bridge;
    hxg_mutex lock;
    hxg_cond changed;           /* something ended, a reply came, the window moved */
    hxg_cond wanted;            /* there is something for callback threads */
    hxg_mutex sending;          /* guards writing to the bridge; taken alone */

    uint32_t waiting;           /* threads that wait for `changed` */
    uint8_t is_greeted;         /* WINDOW has come */
    uint8_t is_ready;           /* a grid has been found */
    uint8_t is_broken;
    uint8_t is_closing;
    uint8_t is_over;            /* callback threads are to end */
    uint8_t has_reader_ended;
    uint8_t shows_failures;     /* in the debug output */
    hxg_status broken_status;
    char *broken_text;

    uint32_t max_tasks;         /* the window */
    uint64_t max_bytes;
    uint32_t wanted_threads;

    uint32_t open_count;
    uint64_t open_bytes;        /* inputs of tasks in the table */
    uint64_t ended_count;
    uint64_t seen_ends;
    uint32_t last_number;
    uint32_t failed_count;      /* since the last wait */
    hxg_task *table[HXG_BUCKETS];

    hxg_kept *first_kept;
    hxg_kept *last_kept;
    uint32_t kept_count;

    hxg_call *calls;
    uint32_t last_call;

    hxg_function *functions;
    hxg_mutex offering;         /* held while a function is made known; before `lock` */

    hxg_queue questions;        /* these go first */
    hxg_queue ends;
    uint32_t running;           /* callbacks */
    uint32_t taken_since;       /* results since CONSUMED was last sent */
    uint64_t taken_bytes_since;
    uint64_t taken_count;
    uint64_t taken_bytes;

    hxg_data_proc data_callback;
    void *data_user_data;
    hxg_get_data_proc get_data; /* the original's; the other one is NULL then */

    hxg_thread reader;
    hxg_thread threads[HXG_MAX_CALLBACK_THREADS];
    uint32_t thread_count;
};

struct hxg_question {
    hxg_session *session;
    uint32_t number;
    uint8_t is_answered;
};

/* session.c */
hxg_status hxg_session_make(hxg_session **session, const hxg_open_options *options);
/* Waits until tasks may be sent. */
hxg_status hxg_session_greet(hxg_session *session);
hxg_status hxg_session_close(hxg_session *session, int cancel);
/* Waits for `changed` with the lock held; 0 when the time (hxg_now) is over; < 0: no limit. */
int hxg_session_watch(hxg_session *session, double until);
/* Sends a frame. 0 if the bridge has gone. */
int hxg_session_send(hxg_session *session, uint32_t kind, uint32_t call, hxg_head *head,
                     const void *payload, uint32_t bytes);
/* Ends everything that is open with this status. With no text the first one stays. */
void hxg_session_break(hxg_session *session, hxg_status status, const char *text);
hxg_status hxg_session_why_broken(hxg_session *session);
hxg_status hxg_session_wait(hxg_session *session, double until);
hxg_status hxg_session_wait_event(hxg_session *session, double until);
/* Drops all tasks; returns when their callbacks have returned. */
void hxg_session_drop_all(hxg_session *session, hxg_status status, const char *why);
double hxg_deadline(int64_t milliseconds);
int hxg_is_callback(const hxg_session *session);

/* With the lock held: */
hxg_task *hxg_table_take(hxg_session *session, uint32_t number);
void hxg_task_ended(hxg_session *session, hxg_task *task);
void hxg_keep_failure(hxg_session *session, uint32_t number, hxg_status status, const char *why,
                      const char *details);
void hxg_changed(hxg_session *session);

/* run.c */
typedef struct hxg_order {
    const char *modules;
    const char *function;
    const void *data;
    uint64_t bytes;
    double time_limit_s;
    double until;               /* for room; hxg_now, < 0: no limit */
    uint32_t run_flags;         /* HXG_RUN_FLAG_* */
    uint8_t is_told_always;
    hxg_finalize_proc finalize;
    hxg_done_proc done;
    void *user_data;
} hxg_order;
hxg_status hxg_session_run(hxg_session *session, uint32_t *number, const hxg_order *order);

/* reader.c */
void hxg_reader_run(void *session);

/* callbacks.c */
void hxg_callbacks_run(void *session);
/* With the lock held; takes the note over. */
void hxg_callbacks_put(hxg_session *session, hxg_note *note);
void hxg_callbacks_put_question(hxg_session *session, hxg_note *note);
hxg_note *hxg_note_make(hxg_task *task, hxg_status status, const char *why, const char *details);
void hxg_note_free(hxg_note *note);
/* With the lock held: a result needs no room any more. Without it: says so, if that is due. */
void hxg_count_taken(hxg_session *session, uint64_t bytes);
void hxg_tell_taken(hxg_session *session);

/* calls.c */
/* Asks and waits for the reply; free it with hxg_call_end, whatever came of it. */
hxg_status hxg_call_make(hxg_session *session, hxg_call *call, uint32_t kind, hxg_head *head,
                         const void *payload, uint32_t bytes);
void hxg_call_end(hxg_call *call);

#endif
