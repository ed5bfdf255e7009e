/* threads.c: the threads that run attempts.
 *
 * Closing the host empties its queue at once. Each thread then leaves its loop after what it runs;
 * the last one calls the EndSession hooks, and tells that the host is closed as its very last act.
 *
 * Threads beyond the wanted number leave too. Their cells stay, and a new thread may get the cell of
 * one that has left.
 */
#include "hxg_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t NEVER = 0; /* the cancel flag of a thread that runs no attempt */

/* ---- running one attempt */

void hxg_set_result(hxg_item *item, uint32_t outcome, const char *why) {
    item->kind = HXG_EVENT_RESULT;
    item->outcome = outcome;
    if (why != NULL) {
        free(item->text);
        item->text = hxg_copy_text(why); /* without memory there is an outcome, and no text */
    }
    hxg_stream_take_back(item->stream);
    item->stream = NULL;
}

static const char *fault_text(hxg_status fault) {
    switch (fault) {
        case HXG_E_READ_ONLY: return "the task tried to change a read-only stream";
        case HXG_E_LIMIT: return "the task moved a stream past its limit of 4 GiB";
        default: return "there was no memory for a stream of the task";
    }
}

static void set_failure(hxg_cell *cell, hxg_item *item) {
    char why[HXG_WHY_BYTES];
    if (hxg_is_cancelled(cell)) {
        hxg_set_result(item, HXG_OUTCOME_CANCELLED, NULL);
        return;
    }
    snprintf(why, sizeof why, "the task returned false%s%s%s", cell->note[0] != '\0' ? " (" : "",
             cell->note, cell->note[0] != '\0' ? ")" : "");
    hxg_set_result(item, HXG_OUTCOME_FAILED, why);
}

/* Calls the task and turns what it did into a result; the output takes the input's place. */
static void call(hxg_cell *cell, hxg_item *item, hxg_task_proc proc, uint32_t session_id) {
    HxStream *out = hxg_stream_lend_empty();
    hxg_status fault;
    int is_success;
    if (out == NULL) {
        hxg_set_result(item, HXG_OUTCOME_FAILED, fault_text(HXG_E_MEMORY));
        return;
    }
    hxg_stream_thread_fault(1);
    hxg_reset_float();
    hxg_store_u32(&cell->stamp->phase, HXG_PHASE_TASK);
    is_success = proc(&cell->agent, session_id, item->stream, out) != 0;
    fault = hxg_stream_thread_fault(0);
    if (fault == HXG_OK) fault = hxg_stream_fault(out);
    if (fault == HXG_OK) fault = hxg_stream_fault(item->stream);
    if (!is_success) {
        set_failure(cell, item);
    } else if (fault != HXG_OK) {
        hxg_set_result(item, HXG_OUTCOME_FAILED, fault_text(fault));
    } else {
        hxg_set_result(item, HXG_OUTCOME_DONE, NULL);
        item->stream = hxg_stream_take_over(out);
        out = NULL;
        if (item->stream == NULL) hxg_set_result(item, HXG_OUTCOME_FAILED, fault_text(HXG_E_MEMORY));
    }
    hxg_stream_take_back(out);
}

static void run(hxg_cell *cell, hxg_item *item) {
    char why[HXG_WHY_BYTES];
    uint32_t session_id = 0;
    hxg_task_proc proc;
    cell->note[0] = '\0';
    cell->cancel_flag = cell->host->page + HXG_PAGE_FLAGS_AT + item->serial % HXG_PAGE_RING;
    if (!hxg_may_go_on(cell)) {
        hxg_set_result(item, HXG_OUTCOME_CANCELLED, NULL);
        return;
    }
    item->thread = (uint16_t)cell->index;
    item->started_at = hxg_now();
    cell->stamp->started_at = item->started_at;
    cell->stamp->function = item->function;
    cell->stamp->serial = item->serial;
    hxg_store_u32(&cell->stamp->phase, HXG_PHASE_LOADING); /* last: what is read after it is whole */
    proc = hxg_function_ready(cell, item->function, &session_id, why, sizeof why);
    cell->session_id = session_id;
    if (proc != NULL) {
        call(cell, item, proc, session_id);
    } else {
        hxg_set_result(item, HXG_OUTCOME_UNUSABLE, why);
    }
    hxg_store_u32(&cell->stamp->phase, HXG_PHASE_IDLE);
    cell->stamp->serial = 0;
    cell->stamp->finished++;
    item->ended_at = hxg_now();
    cell->cancel_flag = &NEVER;
}

/* ---- threads */

static hxg_item *next_attempt(hxg_host *host, const hxg_cell *cell) {
    while (host->queue.first == NULL && !host->is_closing && cell->index < host->wanted_threads) {
        host->idle_threads++;
        hxg_wait(&host->work, &host->lock);
        host->idle_threads--;
    }
    /* A thread that is one too many may have taken the signal for an attempt: pass it on. */
    if (cell->index >= host->wanted_threads && !host->is_closing) {
        if (host->queue.first != NULL) hxg_signal(&host->work);
        return NULL;
    }
    return hxg_pop(&host->queue);
}

static void finish_host(hxg_cell *cell) {
    hxg_host *host = cell->host;
    hxg_item *last;
    hxg_modules_end(cell);
    last = hxg_item_make(HXG_EVENT_CLOSED, NULL);
    hxg_lock(&host->lock);
    host->is_closed = 1;
    if (last != NULL) hxg_tell(host, last);
    hxg_unlock(&host->lock);
    hxg_wake(host->wake_socket);
}

static void thread_main(void *raw) {
    hxg_cell *cell = raw;
    hxg_host *host = cell->host;
    hxg_item *item;
    void *kept = hxg_crash_thread_begin();
    int is_due, is_last;
    hxg_set_current(cell);
    hxg_lock(&host->lock);
    while ((item = next_attempt(host, cell)) != NULL) {
        hxg_unlock(&host->lock);
        run(cell, item);
        hxg_lock(&host->lock);
        is_due = hxg_tell(host, item);
        if (is_due) {
            hxg_unlock(&host->lock);
            hxg_wake(host->wake_socket);
            hxg_lock(&host->lock);
        }
    }
    cell->is_live = 0;
    is_last = --host->live_threads == 0 && host->is_closing;
    hxg_unlock(&host->lock);
    if (is_last) finish_host(cell);
    hxg_set_current(NULL);
    hxg_crash_thread_end(kept);
}

static hxg_cell *make_cell(hxg_host *host, uint32_t index) {
    hxg_cell *cell = calloc(1, sizeof *cell);
    if (cell == NULL) return NULL;
    hxg_agent_init(cell);
    cell->host = host;
    cell->index = index;
    cell->cancel_flag = &NEVER;
    cell->state = (const uint32_t *)(void *)(host->page + HXG_PAGE_STATE_AT);
    cell->stamp = (hxg_stamp *)(void *)(host->page + HXG_PAGE_THREADS_AT) + index;
    return cell;
}

/* With the lock held. */
static hxg_status start_thread(hxg_host *host, uint32_t index) {
    hxg_cell *cell = host->cells[index];
    if (cell == NULL) cell = host->cells[index] = make_cell(host, index);
    if (cell == NULL) return hxg_fail(HXG_E_MEMORY, "no memory for a task thread");
    if (cell->is_live) return HXG_OK;
    /* It has left its loop for good, and ends without waiting for anything but this lock's owner to
       let it return; nothing that it still does takes the lock. */
    if (cell->has_thread) hxg_thread_join(cell->thread);
    cell->has_thread = 0;
    if (hxg_thread_start(&cell->thread, thread_main, cell) != 0) {
        return hxg_fail(HXG_E_SYSTEM, "the system gives no further thread");
    }
    cell->has_thread = cell->is_live = 1;
    host->live_threads++;
    return HXG_OK;
}

hxg_status hxg_set_threads(hxg_host *host, uint32_t count) {
    hxg_status status = HXG_OK;
    uint32_t index;
    if (host->is_closing) return hxg_fail(HXG_E_CLOSED, "the host is closing");
    host->wanted_threads = count;
    for (index = 0; index < count && status == HXG_OK; index++) status = start_thread(host, index);
    hxg_broadcast(&host->work);
    return status;
}
