/* session.c: opening, closing, counting and waiting. */
#include "user.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GREETING_MS = 60000,    /* for a bridge to start, on a computer that is very busy */
    CLOSE_MS = 850,         /* for a bridge to say goodbye to agents; a second is promised in all */
    REAP_MS = 50
};

double hxg_deadline(int64_t milliseconds) {
    return milliseconds < 0 ? -1.0 : hxg_now() + (double)milliseconds / 1000.0;
}

int hxg_is_callback(const hxg_session *session) { return hxg_current() == session; }

/* ---- bridges that had not ended when their session was closed */

static hxg_mutex reaping;
static uint32_t is_reaping_made;
static struct orphan {
    struct orphan *next;
    hxg_bridge bridge;
} *orphans;

static void lock_orphans(void) {
    /* 0: not made, 1: being made, 2: made. C99 has nothing that makes a lock once. */
    uint32_t found = 0;
    if (hxg_swap_u32(&is_reaping_made, &found, 1)) {
        hxg_mutex_init(&reaping);
        hxg_store_u32(&is_reaping_made, 2);
    } else {
        do {
            found = 2;
            if (hxg_swap_u32(&is_reaping_made, &found, 2)) break;
            hxg_sleep_ms(1);
        } while (1);
    }
    hxg_lock(&reaping);
}

/* Waits, without waiting, for processes of earlier sessions: else they would stay as zombies. */
static void reap_orphans(void) {
    struct orphan **link;
    lock_orphans();
    for (link = &orphans; *link != NULL;) {
        struct orphan *one = *link;
        if (hxg_bridge_wait(&one->bridge, 0)) {
            *link = one->next;
            hxg_bridge_free(&one->bridge);
            free(one);
        } else {
            link = &one->next;
        }
    }
    hxg_unlock(&reaping);
}

static void leave_bridge(hxg_bridge *bridge) {
    struct orphan *one;
    if (hxg_bridge_wait(bridge, REAP_MS) || (one = malloc(sizeof *one)) == NULL) {
        hxg_bridge_free(bridge);
        return;
    }
    one->bridge = *bridge;
    lock_orphans();
    one->next = orphans;
    orphans = one;
    hxg_unlock(&reaping);
}

/* ---- sending, breaking */

int hxg_session_send(hxg_session *session, uint32_t kind, uint32_t call, hxg_head *head,
                     const void *payload, uint32_t bytes) {
    uint32_t words[4];
    uint8_t header[HXG_HEADER_BYTES];
    hxg_piece pieces[3];
    size_t count = 1, index;
    int is_sent;
    words[0] = kind;
    words[1] = call;
    words[2] = head != NULL ? (uint32_t)head->size : 0;
    words[3] = bytes;
    for (index = 0; index < HXG_HEADER_BYTES; index++) {
        header[index] = (uint8_t)(words[index / 4] >> (8 * (index % 4)));
    }
    pieces[0].data = header;
    pieces[0].bytes = HXG_HEADER_BYTES;
    if (words[2] != 0) {
        pieces[count].data = head->bytes;
        pieces[count++].bytes = words[2];
    }
    if (bytes != 0) {
        pieces[count].data = payload;
        pieces[count++].bytes = bytes;
    }
    hxg_lock(&session->sending);
    is_sent = hxg_bridge_write(&session->bridge, pieces, count);
    hxg_unlock(&session->sending);
    return is_sent;
}

void hxg_changed(hxg_session *session) {
    if (session->waiting != 0) hxg_broadcast(&session->changed);
}

int hxg_session_watch(hxg_session *session, double until) {
    double left = until - hxg_now();
    if (until >= 0 && left <= 0) return 0;
    session->waiting++;
    if (until < 0) hxg_wait(&session->changed, &session->lock);
    else hxg_wait_ms(&session->changed, &session->lock, left > 1.0 ? 1000 : (unsigned)(left * 1e3) + 1);
    session->waiting--;
    return 1;
}

static void end_calls(hxg_session *session) {
    hxg_call *call;
    while ((call = session->calls) != NULL) {
        session->calls = call->next;
        call->status = session->broken_status;
        call->is_answered = 1;
    }
}

static void fail_table(hxg_session *session, hxg_status status, const char *why) {
    size_t bucket;
    for (bucket = 0; bucket < HXG_BUCKETS; bucket++) {
        while (session->table[bucket] != NULL) {
            hxg_task *task = hxg_table_take(session, session->table[bucket]->number);
            hxg_note *note = hxg_note_make(task, status, why, why);
            if (status != HXG_E_CANCELLED) {
                hxg_keep_failure(session, task->number, status, why, why);
            }
            if (note != NULL && task->is_told_always && task->done != NULL) {
                hxg_callbacks_put(session, note);
            } else {
                if (note != NULL) hxg_note_free(note);
                hxg_task_ended(session, task);
            }
        }
    }
}

void hxg_session_break(hxg_session *session, hxg_status status, const char *text) {
    hxg_lock(&session->lock);
    if (!session->is_broken) {
        session->is_broken = 1;
        session->broken_status = status;
        session->broken_text = malloc(strlen(text) + 1);
        if (session->broken_text != NULL) strcpy(session->broken_text, text);
    }
    fail_table(session, session->broken_status,
               session->broken_text != NULL ? session->broken_text : "the bridge has ended");
    end_calls(session);
    hxg_changed(session);
    hxg_unlock(&session->lock);
}

hxg_status hxg_session_why_broken(hxg_session *session) {
    const char *text = session->broken_text != NULL ? session->broken_text : "the bridge has ended";
    return hxg_fail(session->broken_status, "%s", text);
}

/* ---- tasks that are open */

hxg_task *hxg_table_take(hxg_session *session, uint32_t number) {
    hxg_task **link = &session->table[number % HXG_BUCKETS], *task;
    while (*link != NULL && (*link)->number != number) link = &(*link)->next;
    task = *link;
    if (task == NULL) return NULL;
    *link = task->next;
    session->open_bytes -= task->bytes;
    return task;
}

void hxg_task_ended(hxg_session *session, hxg_task *task) {
    free(task);
    session->open_count--;
    session->ended_count++;
    hxg_changed(session);
}

void hxg_keep_failure(hxg_session *session, uint32_t number, hxg_status status, const char *why,
                      const char *details) {
    hxg_kept *kept;
    session->failed_count++;
    if (session->shows_failures) hxg_debug_output(why);
    if (session->kept_count >= HXG_MAX_KEPT || (kept = calloc(1, sizeof *kept)) == NULL) return;
    kept->why = malloc(strlen(why) + 1);
    kept->details = malloc(strlen(details) + 1);
    if (kept->why == NULL || kept->details == NULL) {
        hxg_failure_free(&kept->failure);
        return;
    }
    kept->failure.struct_size = sizeof kept->failure;
    kept->failure.task = number;
    kept->failure.status = status;
    kept->failure.why = strcpy(kept->why, why);
    kept->failure.details = strcpy(kept->details, details);
    if (session->last_kept != NULL) session->last_kept->next = kept;
    else session->first_kept = kept;
    session->last_kept = kept;
    session->kept_count++;
}

void hxg_session_drop_all(hxg_session *session, hxg_status status, const char *why) {
    uint32_t own = hxg_is_callback(session) ? 1 : 0;
    hxg_note *note, *rest, **link = &rest;
    hxg_lock(&session->lock);
    fail_table(session, status, why);
    /* Results that wait for their callback are dropped too; whoever is told always is told. */
    rest = session->ends.first;
    session->ends.first = session->ends.last = NULL;
    while ((note = *link) != NULL) {
        hxg_task *task = note->task;
        link = &note->next;
        if (note->stream != NULL) note->stream->vtbl->Release(note->stream);
        note->stream = NULL;
        if (note->is_result) hxg_count_taken(session, note->bytes);
        note->is_result = 0;
        if (note->status == HXG_OK) note->status = status;
        if (!task->is_told_always) note->task = NULL;
        if (note->task == NULL) hxg_task_ended(session, task);
    }
    for (note = rest; note != NULL; note = rest) {
        rest = note->next;
        note->next = NULL;
        if (note->task != NULL) hxg_callbacks_put(session, note);
        else hxg_note_free(note);
    }
    while (!own && (session->ends.first != NULL || session->running != 0)) {
        hxg_session_watch(session, -1.0);
    }
    hxg_unlock(&session->lock);
    hxg_tell_taken(session);
}

/* ---- waiting */

hxg_status hxg_session_wait(hxg_session *session, double until) {
    hxg_status status = HXG_OK;
    uint32_t failed;
    if (hxg_is_callback(session)) {
        return hxg_fail(HXG_E_CALLBACK, "waiting in a callback would wait for the callback itself");
    }
    hxg_lock(&session->lock);
    while (session->open_count != 0 && status == HXG_OK) {
        if (!hxg_session_watch(session, until)) status = HXG_E_TIMEOUT;
    }
    failed = session->failed_count;
    if (status == HXG_OK) session->failed_count = 0;
    hxg_unlock(&session->lock);
    if (status != HXG_OK) return hxg_fail(status, "tasks are still under way");
    if (session->is_broken) return hxg_session_why_broken(session);
    if (failed == 0) return HXG_OK;
    return hxg_fail(HXG_E_FAILED, "%u tasks failed; hxg_take_failure tells why", (unsigned)failed);
}

hxg_status hxg_session_wait_event(hxg_session *session, double until) {
    hxg_status status = HXG_OK;
    hxg_lock(&session->lock);
    while (session->open_count != 0 && session->ended_count == session->seen_ends
           && status == HXG_OK) {
        if (!hxg_session_watch(session, until)) status = HXG_E_TIMEOUT;
    }
    session->seen_ends = session->ended_count;
    hxg_unlock(&session->lock);
    return status == HXG_OK ? HXG_OK : hxg_fail(status, "no task has ended meanwhile");
}

/* ---- opening */

static uint32_t number_from(uint32_t given, const char *variable) {
    const char *text = getenv(variable);
    return given != 0 || text == NULL ? given : (uint32_t)strtoul(text, NULL, 10);
}

static int send_open(hxg_session *session, const hxg_open_options *options) {
    const char *address = options->address;
    char folder[HXG_PATH_BYTES];
    hxg_head head;
    int is_sent;
    if (address == NULL || *address == '\0') address = getenv("HXGRID_BRIDGE_ADDRESS");
    hxg_program_folder(folder, sizeof folder);
    hxg_head_begin(&head);
    hxg_put_u32(&head, HXG_PROTOCOL);
    hxg_put_u32(&head, options->flags & HXG_OPEN_KEEP_LOOKING ? HXG_OPEN_FLAG_KEEP_LOOKING : 0);
    hxg_put_f64(&head, options->timeout_ms / 1000.0);
    hxg_put_u32(&head, number_from(options->agents, "HXGRID_BRIDGE_AGENTS"));
    hxg_put_u32(&head, number_from(options->slots, "HXGRID_BRIDGE_SLOTS"));
    hxg_put_text(&head, address);
    hxg_put_text(&head, options->settings);
    hxg_put_text(&head, folder);
    hxg_put_u32(&head, hxg_process_number());
    is_sent = !head.is_failed && hxg_session_send(session, HXG_FRAME_OPEN, 0, &head, NULL, 0);
    hxg_head_end(&head);
    return is_sent;
}

static void free_session(hxg_session *session) {
    hxg_function *function;
    hxg_failure *failure;
    hxg_note *note;
    /* Questions that came too late to be asked. */
    while ((note = session->questions.first) != NULL) {
        session->questions.first = note->next;
        hxg_note_free(note);
    }
    while ((function = session->functions) != NULL) {
        session->functions = function->next;
        free(function->modules);
        free(function->name);
        free(function);
    }
    while (hxg_take_failure(&failure, session) == HXG_OK && failure != NULL) {
        hxg_failure_free(failure);
    }
    hxg_mutex_destroy(&session->lock);
    hxg_mutex_destroy(&session->sending);
    hxg_mutex_destroy(&session->offering);
    hxg_cond_destroy(&session->changed);
    hxg_cond_destroy(&session->wanted);
    free(session->broken_text);
    free(session);
}

hxg_status hxg_session_make(hxg_session **result, const hxg_open_options *options) {
    char path[HXG_PATH_BYTES], why[HXG_PATH_BYTES + 256];
    hxg_session *session;
    *result = NULL;
    reap_orphans();
    if (!hxg_bridge_find(options->bridge, path, why, sizeof why)) {
        return hxg_fail(HXG_E_NO_BRIDGE, "%s", why);
    }
    session = calloc(1, sizeof *session);
    if (session == NULL) return hxg_fail(HXG_E_MEMORY, "no memory for a session");
    hxg_mutex_init(&session->lock);
    hxg_mutex_init(&session->sending);
    hxg_mutex_init(&session->offering);
    hxg_cond_init(&session->changed);
    hxg_cond_init(&session->wanted);
    if (!hxg_bridge_start(&session->bridge, path, why, sizeof why)) {
        free_session(session);
        return hxg_fail(HXG_E_NO_BRIDGE, "%s", why);
    }
    if (hxg_thread_start(&session->reader, hxg_reader_run, session) != 0) {
        hxg_bridge_hang_up(&session->bridge);
        leave_bridge(&session->bridge);
        free_session(session);
        return hxg_fail(HXG_E_SYSTEM, "no thread can be started");
    }
    send_open(session, options); /* if not, the reader learns why */
    *result = session;
    return HXG_OK;
}

hxg_status hxg_session_greet(hxg_session *session) {
    double until = hxg_deadline(GREETING_MS);
    hxg_status status = HXG_OK;
    hxg_lock(&session->lock);
    while (!session->is_greeted && !session->is_broken && status == HXG_OK) {
        if (!hxg_session_watch(session, until)) status = HXG_E_TIMEOUT;
    }
    hxg_unlock(&session->lock);
    if (status != HXG_OK) return hxg_fail(HXG_E_NO_BRIDGE, "the bridge has not answered in time");
    return session->is_broken ? hxg_session_why_broken(session) : HXG_OK;
}

/* ---- closing */

static void end_threads(hxg_session *session) {
    double until;
    uint32_t index;
    hxg_lock(&session->lock);
    session->is_over = 1;
    hxg_broadcast(&session->wanted);
    hxg_unlock(&session->lock);
    hxg_session_send(session, HXG_FRAME_CLOSE, 0, NULL, NULL, 0);
    until = hxg_deadline(CLOSE_MS);
    hxg_lock(&session->lock);
    while (!session->has_reader_ended && hxg_session_watch(session, until)) {
    }
    hxg_unlock(&session->lock);
    hxg_bridge_hang_up(&session->bridge);
    hxg_thread_join(session->reader);
    for (index = 0; index < session->thread_count; index++) {
        hxg_thread_join(session->threads[index]);
    }
}

static void close_now(void *raw) {
    hxg_session *session = raw;
    hxg_session_drop_all(session, HXG_E_CANCELLED, "the session was closed");
    end_threads(session);
    leave_bridge(&session->bridge);
    free_session(session);
}

hxg_status hxg_session_close(hxg_session *session, int cancel) {
    hxg_thread thread;
    if (hxg_is_callback(session)) {
        /* It cannot wait for itself: another thread does the rest. */
        hxg_lock(&session->lock);
        session->is_closing = 1;
        hxg_unlock(&session->lock);
        return hxg_thread_start(&thread, close_now, session) == 0
                   ? HXG_OK
                   : hxg_fail(HXG_E_SYSTEM, "no thread can be started");
    }
    if (!cancel) hxg_session_wait(session, -1.0);
    hxg_lock(&session->lock);
    session->is_closing = 1;
    hxg_changed(session);
    hxg_unlock(&session->lock);
    close_now(session);
    return HXG_OK;
}
