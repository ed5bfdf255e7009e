/* flat.c: hxgrid.h over the session. */
#include "user.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hxg_status no_session(void) { return hxg_fail(HXG_E_ARGUMENT, "an argument is NULL"); }

/* Structures of callers that know less, or more, than this library. */
static void take_options(void *own, size_t own_bytes, const void *given, uint32_t given_bytes) {
    if (given == NULL) return;
    memcpy(own, given, given_bytes < own_bytes ? given_bytes : own_bytes);
}

static hxg_status wait_for_grid(hxg_session *session) {
    hxg_lock(&session->lock);
    while (!session->is_ready && !session->is_broken) hxg_session_watch(session, -1.0);
    hxg_unlock(&session->lock);
    return session->is_broken ? hxg_session_why_broken(session) : HXG_OK;
}

hxg_status hxg_open(hxg_session **result, const hxg_open_options *given) {
    hxg_open_options options = HXG_OPEN_OPTIONS_INIT;
    hxg_session *session;
    hxg_status status;
    char why[1024];
    if (result == NULL) return no_session();
    *result = NULL;
    if (given != NULL) take_options(&options, sizeof options, given, given->struct_size);
    status = hxg_session_make(&session, &options);
    if (status != HXG_OK) return status;
    status = hxg_session_greet(session);
    /* The bridge keeps the time. */
    if (status == HXG_OK && !(options.flags & HXG_OPEN_KEEP_LOOKING)) status = wait_for_grid(session);
    if (status == HXG_OK) {
        *result = session;
        return HXG_OK;
    }
    snprintf(why, sizeof why, "%s", hxg_last_error());
    hxg_session_close(session, 1);
    return hxg_fail(status, "%s", why);
}

hxg_status hxg_close(hxg_session *session, int32_t cancel) {
    return session != NULL ? hxg_session_close(session, cancel) : HXG_OK;
}

hxg_status hxg_run(uint32_t *task, hxg_session *session, const char *modules, const char *function,
                   const void *data, uint64_t bytes, const hxg_run_options *given,
                   hxg_done_proc done, void *user_data) {
    hxg_run_options options = HXG_RUN_OPTIONS_INIT;
    hxg_order order;
    if (session == NULL || modules == NULL || function == NULL || (data == NULL && bytes != 0)) {
        return no_session();
    }
    if (given != NULL) take_options(&options, sizeof options, given, given->struct_size);
    memset(&order, 0, sizeof order);
    order.modules = modules;
    order.function = function;
    order.data = data;
    order.bytes = bytes;
    order.time_limit_s = options.time_limit_s;
    order.until = options.flags & HXG_RUN_NOT_BLOCKING ? 0.0 : -1.0;
    order.run_flags = options.flags & HXG_RUN_ONCE ? HXG_RUN_FLAG_ONCE : 0;
    order.is_told_always = 1;
    order.done = done;
    order.user_data = user_data;
    return hxg_session_run(session, task, &order);
}

hxg_status hxg_wait_all(hxg_session *session, int32_t timeout_ms) {
    if (session == NULL) return no_session();
    return hxg_session_wait(session, hxg_deadline(timeout_ms));
}

hxg_status hxg_wait_event(hxg_session *session, int32_t timeout_ms) {
    if (session == NULL) return no_session();
    return hxg_session_wait_event(session, hxg_deadline(timeout_ms));
}

hxg_status hxg_count(uint32_t *count, hxg_session *session) {
    if (count == NULL || session == NULL) return no_session();
    hxg_lock(&session->lock);
    *count = session->open_count;
    hxg_unlock(&session->lock);
    return HXG_OK;
}

hxg_status hxg_cancel(hxg_session *session, uint32_t task) {
    hxg_head head;
    if (session == NULL) return no_session();
    hxg_head_begin(&head);
    hxg_put_u32(&head, task);
    hxg_session_send(session, HXG_FRAME_CANCEL, 0, &head, NULL, 0);
    hxg_head_end(&head);
    return HXG_OK;
}

hxg_status hxg_cancel_all(hxg_session *session) {
    hxg_status status;
    hxg_call call;
    if (session == NULL) return no_session();
    hxg_session_drop_all(session, HXG_E_CANCELLED, "the task was cancelled");
    status = hxg_call_make(session, &call, HXG_FRAME_CANCEL_ALL, NULL, NULL, 0);
    hxg_call_end(&call);
    return status;
}

hxg_status hxg_take_failure(hxg_failure **failure, hxg_session *session) {
    hxg_kept *kept;
    if (failure == NULL || session == NULL) return no_session();
    hxg_lock(&session->lock);
    kept = session->first_kept;
    if (kept != NULL) {
        session->first_kept = kept->next;
        if (kept->next == NULL) session->last_kept = NULL;
        session->kept_count--;
    }
    hxg_unlock(&session->lock);
    *failure = kept != NULL ? &kept->failure : NULL;
    return HXG_OK;
}

void hxg_failure_free(hxg_failure *failure) {
    hxg_kept *kept;
    if (failure == NULL) return;
    kept = (hxg_kept *)(void *)((char *)failure - offsetof(hxg_kept, failure));
    free(kept->why);
    free(kept->details);
    free(kept);
}

/* ---- questions with a text for an answer */

static void copy_text(char *to, size_t room, hxg_fields *fields) {
    char *text = hxg_get_text(fields);
    if (to != NULL && room != 0) snprintf(to, room, "%s", text != NULL ? text : "");
    free(text);
}

static hxg_status ask_text(char *to, size_t room, hxg_session *session, uint32_t kind,
                           hxg_head *head, double *number) {
    hxg_fields fields;
    hxg_call call;
    hxg_status status = hxg_call_make(session, &call, kind, head, NULL, 0);
    if (status == HXG_OK) {
        fields.at = call.head;
        fields.left = call.head_bytes;
        fields.is_failed = 0;
        if (number != NULL) *number = hxg_get_f64(&fields);
        copy_text(to, room, &fields);
    }
    hxg_call_end(&call);
    hxg_head_end(head);
    return status;
}

hxg_status hxg_progress(double *fraction, char *text, size_t room, hxg_session *session,
                        uint32_t task) {
    hxg_head head;
    if (fraction == NULL || session == NULL) return no_session();
    hxg_head_begin(&head);
    hxg_put_u32(&head, task);
    return ask_text(text, room, session, HXG_FRAME_PROGRESS, &head, fraction);
}

hxg_status hxg_why(char *text, size_t room, hxg_session *session, uint32_t task) {
    hxg_head head;
    if (text == NULL || session == NULL) return no_session();
    hxg_head_begin(&head);
    hxg_put_u32(&head, task);
    return ask_text(text, room, session, HXG_FRAME_WHY, &head, NULL);
}

hxg_status hxg_explain(char *text, size_t room, hxg_session *session) {
    hxg_head head;
    if (text == NULL || session == NULL) return no_session();
    hxg_head_begin(&head);
    return ask_text(text, room, session, HXG_FRAME_EXPLAIN, &head, NULL);
}

hxg_status hxg_get_setting(char *value, size_t room, hxg_session *session, const char *key) {
    hxg_head head;
    if (value == NULL || session == NULL || key == NULL) return no_session();
    hxg_head_begin(&head);
    hxg_put_text(&head, key);
    return ask_text(value, room, session, HXG_FRAME_GET_SETTING, &head, NULL);
}

hxg_status hxg_set_setting(hxg_session *session, const char *key, const char *value) {
    hxg_head head;
    if (session == NULL || key == NULL || value == NULL) return no_session();
    hxg_head_begin(&head);
    hxg_put_text(&head, key);
    hxg_put_text(&head, value);
    return ask_text(NULL, 0, session, HXG_FRAME_SET_SETTING, &head, NULL);
}

hxg_status hxg_get_connection(hxg_connection *connection, hxg_session *session) {
    hxg_connection found = HXG_CONNECTION_INIT;
    hxg_fields fields;
    hxg_status status;
    uint32_t size;
    hxg_call call;
    if (connection == NULL || session == NULL) return no_session();
    status = hxg_call_make(session, &call, HXG_FRAME_STATUS, NULL, NULL, 0);
    if (status == HXG_OK) {
        fields.at = call.head;
        fields.left = call.head_bytes;
        fields.is_failed = 0;
        size = connection->struct_size;
        found.is_connected = hxg_get_u32(&fields);
        found.agents = hxg_get_u32(&fields);
        found.slots = hxg_get_u32(&fields);
        found.struct_size = size;
        memcpy(connection, &found, size < sizeof found ? size : sizeof found);
    }
    hxg_call_end(&call);
    return status;
}

/* ---- global data */

hxg_status hxg_bind_data(hxg_session *session, hxg_data_proc callback, void *user_data,
                         int32_t is_volatile) {
    hxg_head head;
    if (session == NULL) return no_session();
    hxg_lock(&session->lock);
    session->data_callback = callback;
    session->data_user_data = user_data;
    session->get_data = NULL;
    hxg_unlock(&session->lock);
    hxg_head_begin(&head);
    hxg_put_u32(&head, callback != NULL);
    hxg_put_u32(&head, is_volatile != 0);
    hxg_session_send(session, HXG_FRAME_BIND_DATA, 0, &head, NULL, 0);
    hxg_head_end(&head);
    return HXG_OK;
}

hxg_status hxg_forget_data(hxg_session *session, const char *name) {
    hxg_head head;
    hxg_status status = HXG_OK;
    if (session == NULL) return no_session();
    hxg_head_begin(&head);
    hxg_put_u32(&head, name == NULL);
    hxg_put_text(&head, name);
    if (head.is_failed) status = hxg_fail(HXG_E_LIMIT, "the name is too long");
    else hxg_session_send(session, HXG_FRAME_FORGET_DATA, 0, &head, NULL, 0);
    hxg_head_end(&head);
    return status;
}
