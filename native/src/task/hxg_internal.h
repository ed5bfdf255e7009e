/* hxg_internal.h: the host's state, shared by its source files.
 *
 * host.c has the queue and what is taken; threads.c who runs it; agent.c the interface that tasks see; data.c
 * global data; modules.c files and functions; batch.c the packed layouts; crash_*.c the last words.
 *
 * One lock guards everything in hxg_host but what is said to be atomic. It is never held while task
 * code, the loader or a system call that may wait is running. Loading has locks of its own, one per
 * module, taken before the host's lock and never after it.
 */
#ifndef HXG_INTERNAL_H
#define HXG_INTERNAL_H

#include "../common/hxg_error.h"
#include "../common/hxg_platform.h"
#include "../common/hxg_stream.h"
#include "hxg_host.h"

typedef struct hxg_cell hxg_cell;
typedef struct hxg_module hxg_module;
typedef struct hxg_function hxg_function;
typedef struct hxg_session hxg_session;
typedef struct hxg_request hxg_request;
typedef struct hxg_cached hxg_cached;

enum { HXG_WHY_BYTES = 1024 };

/* An attempt on its way through the host, or another thing to tell. */
typedef struct hxg_item {
    struct hxg_item *next;
    uint32_t kind;      /* HXG_EVENT_* */
    uint32_t outcome;
    uint64_t serial;
    uint32_t function;
    uint32_t request;
    double started_at;
    double ended_at;
    HxStream *stream;   /* input, lent; later the output */
    char *text;         /* owned; NULL: none */
    uint16_t is_all;
    uint16_t thread;    /* index of the cell that ran it */
} hxg_item;

typedef struct hxg_list {
    hxg_item *first;
    hxg_item *last;
} hxg_list;

/* A task thread. The agent object is first: tasks hold pointers to it. Cells live as long as the
   host, so that an agent which a task has kept stays usable. */
struct hxg_cell {
    HxAgent agent;
    hxg_host *host;
    const uint8_t *cancel_flag; /* of the running attempt */
    const uint32_t *state;      /* low word of the page's state */
    uint32_t session_id;        /* of the running attempt */
    uint32_t index;
    hxg_stamp *stamp;
    hxg_thread thread;
    int has_thread;             /* started and not joined (host's lock) */
    int is_live;                /* has not left its loop (host's lock) */
    char note[256];             /* why GetData failed, for the attempt's reason */
};

struct hxg_host {
    hxg_mutex lock;
    hxg_cond work;              /* the queue, the wanted number of threads or is_closing changed */
    hxg_cond data;              /* a request was answered */
    uint8_t *page;
    intptr_t wake_socket;
    uint32_t small_bytes;
    uint32_t wanted_threads;
    uint32_t live_threads;
    uint32_t idle_threads;
    int is_awake;               /* a byte is on its way to the taker */
    int is_closing;
    int is_closed;
    hxg_list queue;             /* not begun */
    hxg_list batch;             /* ended, small */
    hxg_list events;
    hxg_item *taken;            /* whose text the taker may be reading */
    hxg_session *sessions;
    hxg_function *functions;
    hxg_module *modules;
    hxg_module *started;        /* those with StartSession behind them, last one first */
    hxg_request *requests;
    hxg_cached *cached;
    uint32_t last_request;
    hxg_cell *cells[HXG_PAGE_THREADS];
};

/* ---- host.c */

void hxg_append(hxg_list *list, hxg_item *item);
hxg_item *hxg_pop(hxg_list *list);
/* NULL: no memory. Takes over nothing. */
hxg_item *hxg_item_make(uint32_t kind, const char *text);
void hxg_item_free(hxg_item *item);
void hxg_list_free(hxg_list *list);
/* With the lock held: puts it where it is taken from; true: call hxg_wake after unlocking. */
int hxg_tell(hxg_host *host, hxg_item *item);
/* The same without the lock, waking included. */
void hxg_tell_now(hxg_host *host, hxg_item *item);
/* Queues a list of attempts of which there are `count`. */
hxg_status hxg_enqueue(hxg_host *host, hxg_list *list, size_t count);
char *hxg_copy_text(const char *text);

/* ---- threads.c */

/* With the lock held: changes how many threads there are. */
hxg_status hxg_set_threads(hxg_host *host, uint32_t count);
/* Turns an attempt into its result, and drops its input. `why` may be NULL. */
void hxg_set_result(hxg_item *item, uint32_t outcome, const char *why);

/* ---- agent.c */

void hxg_agent_init(hxg_cell *cell);
/* Whether the running attempt may go on; waits while suspended. */
int hxg_may_go_on(const hxg_cell *cell);
int hxg_is_cancelled(const hxg_cell *cell);
int hxg_knows_session(hxg_host *host, uint32_t session_id);
void hxg_sessions_free(hxg_host *host);

/* ---- data.c */

int32_t hxg_data_get(hxg_cell *cell, const char *name, HxStream **stream);
void hxg_data_forget(hxg_host *host, const char *name);
void hxg_data_free(hxg_host *host);

/* ---- modules.c */

/* The function behind an id and its session, loaded and started; NULL and why. */
hxg_task_proc hxg_function_ready(hxg_cell *cell, uint32_t function, uint32_t *session_id, char *why,
                                 size_t room);
/* Calls EndSession of all started modules, the last one first. */
void hxg_modules_end(hxg_cell *cell);
void hxg_modules_free(hxg_host *host);

/* ---- crash_*.c */

/* Gives the thread what it needs to tell of its own stack overflow; `end` takes it back. */
void *hxg_crash_thread_begin(void);
void hxg_crash_thread_end(void *kept);
/* Fills in the page's hxg_crash; safe in a signal handler. Only the first call does anything. */
void hxg_crash_record(uint32_t kind, uint32_t code, uint64_t address);
/* For crash_*.c: remembers the page; 0 if there is one already. */
int hxg_crash_claim_page(void *page);

#endif
