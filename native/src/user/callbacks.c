/* callbacks.c: the threads that run the application's code.
 *
 * Questions for global data go before ended tasks, as whole agents stand still until they are
 * answered.
 */
#include "user.h"

#include <stdlib.h>
#include <string.h>

enum {
    TELL_AFTER_RESULTS = 256,
    TELL_AFTER_BYTES = 4 * 1024 * 1024
};

static const uint8_t nothing = 0;

/* ---- notes */

static char *copy_of(const char *text) {
    char *copy = malloc(strlen(text) + 1);
    return copy != NULL ? strcpy(copy, text) : NULL;
}

hxg_note *hxg_note_make(hxg_task *task, hxg_status status, const char *why, const char *details) {
    hxg_note *note = calloc(1, sizeof *note);
    if (note == NULL) return NULL;
    note->task = task;
    note->status = status;
    note->why = why != NULL ? copy_of(why) : NULL;
    note->details = details != NULL ? copy_of(details) : NULL;
    return note;
}

void hxg_note_free(hxg_note *note) {
    if (note->stream != NULL) note->stream->vtbl->Release(note->stream);
    free(note->why);
    free(note->details);
    free(note->name);
    free(note);
}

/* ---- the queues; with the lock held */

static void append(hxg_queue *queue, hxg_note *note) {
    note->next = NULL;
    if (queue->last != NULL) queue->last->next = note;
    else queue->first = note;
    queue->last = note;
}

static hxg_note *take(hxg_queue *queue) {
    hxg_note *note = queue->first;
    if (note == NULL) return NULL;
    queue->first = note->next;
    if (queue->first == NULL) queue->last = NULL;
    return note;
}

static void put(hxg_session *session, hxg_queue *queue, hxg_note *note) {
    append(queue, note);
    if (session->thread_count < session->wanted_threads
        && session->thread_count < HXG_MAX_CALLBACK_THREADS && !session->is_over
        && hxg_thread_start(&session->threads[session->thread_count], hxg_callbacks_run, session)
               == 0) {
        session->thread_count++;
    }
    hxg_signal(&session->wanted);
}

void hxg_callbacks_put(hxg_session *session, hxg_note *note) {
    put(session, &session->ends, note);
}

void hxg_callbacks_put_question(hxg_session *session, hxg_note *note) {
    put(session, &session->questions, note);
}

/* ---- calling */

static void call_done(hxg_note *note) {
    hxg_task *task = note->task;
    hxg_result result;
    memset(&result, 0, sizeof result);
    result.struct_size = sizeof result;
    result.status = note->status;
    result.task = task->number;
    result.data = &nothing;
    result.why = note->why != NULL ? note->why : "";
    result.details = note->details != NULL ? note->details : "";
    if (note->stream != NULL) hxg_stream_bytes(note->stream, &result.data, &result.bytes);
    task->done(&result, task->user_data);
}

static void call_end(hxg_note *note) {
    if (note->task->done != NULL) call_done(note);
    else if (note->task->finalize != NULL && note->status == HXG_OK) {
        note->task->finalize(note->stream);
    }
}

static void answer(hxg_session *session, uint32_t question, uint32_t form, const char *text,
                   const void *data, uint32_t bytes) {
    hxg_head head;
    hxg_head_begin(&head);
    hxg_put_u32(&head, question);
    hxg_put_u32(&head, form);
    hxg_put_text(&head, text);
    if (!head.is_failed) {
        hxg_session_send(session, HXG_FRAME_ANSWER, 0, &head, data, bytes);
    }
    hxg_head_end(&head);
}

static const char no_data[] = "the application has no data of this name";

static void ask_original(hxg_session *session, hxg_get_data_proc callback, const hxg_note *note) {
    HxStream *stream = NULL;
    const uint8_t *data;
    uint64_t bytes;
    callback(note->name, &stream);
    if (stream == NULL) {
        answer(session, note->question, HXG_ANSWER_NOTHING, no_data, NULL, 0);
        return;
    }
    hxg_stream_bytes(stream, &data, &bytes);
    answer(session, note->question, HXG_ANSWER_BYTES_TO_UNPACK, "", data, (uint32_t)bytes);
    stream->vtbl->Release(stream);
}

static void call_question(hxg_session *session, const hxg_note *note) {
    hxg_get_data_proc original;
    hxg_data_proc callback;
    hxg_question question;
    void *user_data;
    hxg_lock(&session->lock);
    original = session->get_data;
    callback = session->data_callback;
    user_data = session->data_user_data;
    hxg_unlock(&session->lock);
    if (original != NULL) {
        ask_original(session, original, note);
        return;
    }
    question.session = session;
    question.number = note->question;
    question.is_answered = 0;
    if (callback != NULL) callback(&question, note->name, user_data);
    if (!question.is_answered) {
        answer(session, note->question, HXG_ANSWER_NOTHING, no_data, NULL, 0);
    }
}

hxg_status hxg_answer(hxg_question *question, const void *data, uint64_t bytes) {
    if (question == NULL || (data == NULL && bytes != 0) || question->is_answered) {
        return hxg_fail(HXG_E_ARGUMENT, "question or data is NULL, or it was answered before");
    }
    if (bytes > 0xFFFFFFFFu) return hxg_fail(HXG_E_LIMIT, "global data have less than 4 GiB here");
    question->is_answered = 1;
    answer(question->session, question->number, HXG_ANSWER_BYTES, "", data, (uint32_t)bytes);
    return HXG_OK;
}

hxg_status hxg_answer_file(hxg_question *question, const char *path) {
    if (question == NULL || path == NULL || question->is_answered) {
        return hxg_fail(HXG_E_ARGUMENT, "question or path is NULL, or it was answered before");
    }
    question->is_answered = 1;
    answer(question->session, question->number, HXG_ANSWER_PATH, path, NULL, 0);
    return HXG_OK;
}

/* ---- the threads */

void hxg_count_taken(hxg_session *session, uint64_t bytes) {
    session->taken_since++;
    session->taken_bytes_since += bytes;
    session->taken_count++;
    session->taken_bytes += bytes;
}

/* The bridge holds results back when too many have not been taken. */
void hxg_tell_taken(hxg_session *session) {
    hxg_head head;
    hxg_lock(&session->lock);
    if (session->taken_since < TELL_AFTER_RESULTS
        && session->taken_bytes_since < TELL_AFTER_BYTES) {
        hxg_unlock(&session->lock);
        return;
    }
    session->taken_since = 0;
    session->taken_bytes_since = 0;
    hxg_head_begin(&head);
    hxg_put_u64(&head, session->taken_count);
    hxg_put_u64(&head, session->taken_bytes);
    hxg_unlock(&session->lock);
    hxg_session_send(session, HXG_FRAME_CONSUMED, 0, &head, NULL, 0);
    hxg_head_end(&head);
}

static void run_note(hxg_session *session, hxg_note *note) {
    hxg_task *task = note->task;
    uint8_t is_result = note->is_result;
    uint64_t bytes = note->bytes;
    if (task == NULL) call_question(session, note);
    else call_end(note);
    hxg_note_free(note);
    hxg_lock(&session->lock);
    session->running--;
    if (is_result) hxg_count_taken(session, bytes);
    if (task != NULL) hxg_task_ended(session, task);
    else hxg_changed(session);
    hxg_unlock(&session->lock);
    if (is_result) hxg_tell_taken(session);
}

void hxg_callbacks_run(void *raw) {
    hxg_session *session = raw;
    hxg_set_current(session);
    hxg_lock(&session->lock);
    while (1) {
        hxg_note *note = take(&session->questions);
        if (note == NULL) note = take(&session->ends);
        if (note == NULL && session->is_over) break;
        if (note == NULL) {
            hxg_wait(&session->wanted, &session->lock);
            continue;
        }
        session->running++;
        hxg_unlock(&session->lock);
        run_note(session, note);
        hxg_lock(&session->lock);
    }
    hxg_unlock(&session->lock);
}
