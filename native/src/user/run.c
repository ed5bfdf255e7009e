/* run.c: from a task of the application to a frame.
 *
 * Accepting costs no question: the bridge has said how much may be under way (the window). Only a
 * function that has not been used before is made known first, so that a file that is missing is
 * told at once.
 */
#include "user.h"

#include <stdlib.h>
#include <string.h>

static hxg_function *known(hxg_session *session, const hxg_order *order) {
    hxg_function *function;
    hxg_lock(&session->lock);
    for (function = session->functions; function != NULL; function = function->next) {
        if (strcmp(function->name, order->function) == 0
            && strcmp(function->modules, order->modules) == 0
            && function->time_limit_s == order->time_limit_s) {
            break;
        }
    }
    hxg_unlock(&session->lock);
    return function;
}

static char *copy_of(const char *text) {
    char *copy = malloc(strlen(text) + 1);
    return copy != NULL ? strcpy(copy, text) : NULL;
}

static hxg_status offer(hxg_session *session, const hxg_order *order, hxg_function **result) {
    hxg_function *function = calloc(1, sizeof *function);
    hxg_fields fields;
    hxg_status status;
    hxg_head head;
    hxg_call call;
    if (function == NULL) return hxg_fail(HXG_E_MEMORY, "no memory for a function");
    function->modules = copy_of(order->modules);
    function->name = copy_of(order->function);
    function->time_limit_s = order->time_limit_s;
    hxg_head_begin(&head);
    hxg_put_text(&head, order->modules);
    hxg_put_text(&head, order->function);
    hxg_put_f64(&head, order->time_limit_s);
    if (function->modules == NULL || function->name == NULL) head.is_failed = 1;
    status = hxg_call_make(session, &call, HXG_FRAME_OFFER, &head, NULL, 0);
    hxg_head_end(&head);
    if (status == HXG_OK) {
        fields.at = call.head;
        fields.left = call.head_bytes;
        fields.is_failed = 0;
        function->number = hxg_get_u32(&fields);
        hxg_lock(&session->lock);
        function->next = session->functions;
        session->functions = function;
        hxg_unlock(&session->lock);
        *result = function;
    } else {
        free(function->modules);
        free(function->name);
        free(function);
    }
    hxg_call_end(&call);
    return status;
}

static hxg_status find(hxg_session *session, const hxg_order *order, hxg_function **result) {
    hxg_status status = HXG_OK;
    *result = known(session, order);
    if (*result != NULL) return HXG_OK;
    hxg_lock(&session->offering); /* or two threads would make the same known */
    *result = known(session, order);
    if (*result == NULL) status = offer(session, order, result);
    hxg_unlock(&session->offering);
    return status;
}

/* ---- the window; with the lock held */

static int has_room(const hxg_session *session, uint64_t bytes) {
    if (session->open_count == 0) return 1;
    return session->open_count < session->max_tasks && bytes <= session->max_bytes
           && session->open_bytes <= session->max_bytes - bytes;
}

/* Whoever had to wait waits until a quarter is free: else it and the reader would take turns. */
static int has_ample_room(const hxg_session *session, uint64_t bytes) {
    uint32_t quarter = session->max_tasks / 4 != 0 ? session->max_tasks / 4 : 1;
    return has_room(session, bytes)
           && (session->open_count == 0 || session->open_count <= session->max_tasks - quarter);
}

static hxg_status wait_for_room(hxg_session *session, const hxg_order *order) {
    if (has_room(session, order->bytes) || hxg_is_callback(session)) return HXG_OK;
    while (!session->is_broken && !session->is_closing && !has_ample_room(session, order->bytes)) {
        if (!hxg_session_watch(session, order->until)) return HXG_E_FULL;
    }
    return HXG_OK;
}

static uint32_t next_number(hxg_session *session) {
    const hxg_task *task;
    do {
        if (++session->last_number == 0) session->last_number = 1;
        task = session->table[session->last_number % HXG_BUCKETS];
        while (task != NULL && task->number != session->last_number) task = task->next;
    } while (task != NULL);
    return session->last_number;
}

static hxg_status accept(hxg_session *session, const hxg_order *order, hxg_task *task) {
    hxg_status status = wait_for_room(session, order);
    if (status != HXG_OK) return status;
    if (session->is_broken) return session->broken_status;
    if (session->is_closing) return HXG_E_CLOSED;
    task->number = next_number(session);
    task->bytes = order->bytes;
    task->is_told_always = order->is_told_always;
    task->finalize = order->finalize;
    task->done = order->done;
    task->user_data = order->user_data;
    task->next = session->table[task->number % HXG_BUCKETS];
    session->table[task->number % HXG_BUCKETS] = task;
    session->open_count++;
    session->open_bytes += order->bytes;
    return HXG_OK;
}

static hxg_status say(hxg_session *session, hxg_status status) {
    if (status == HXG_OK) return HXG_OK;
    if (status == HXG_E_FULL) {
        return hxg_fail(status, "as many tasks are queued as the settings allow");
    }
    if (status == HXG_E_CLOSED) return hxg_fail(status, "the session is being closed");
    return hxg_session_why_broken(session);
}

hxg_status hxg_session_run(hxg_session *session, uint32_t *number, const hxg_order *order) {
    hxg_function *function;
    hxg_status status;
    hxg_head head;
    hxg_task *task;
    uint32_t own;
    if (order->bytes > 0xFFFFFFFFu) return hxg_fail(HXG_E_LIMIT, "an input has less than 4 GiB");
    status = find(session, order, &function);
    if (status != HXG_OK) return status;
    task = calloc(1, sizeof *task);
    if (task == NULL) return hxg_fail(HXG_E_MEMORY, "no memory for a task");
    hxg_lock(&session->lock);
    status = accept(session, order, task);
    own = task->number;
    /* Written before the task can be known to anybody: its callback may look for it. */
    if (status == HXG_OK && number != NULL) *number = own;
    hxg_unlock(&session->lock);
    if (status != HXG_OK) {
        free(task);
        return say(session, status);
    }
    hxg_head_begin(&head);
    hxg_put_u32(&head, function->number);
    hxg_put_u32(&head, own);
    hxg_put_u32(&head, order->run_flags);
    /* If the bridge has just gone, the task ends like all that are open. */
    hxg_session_send(session, HXG_FRAME_RUN, 0, &head, order->data, (uint32_t)order->bytes);
    hxg_head_end(&head);
    return HXG_OK;
}
