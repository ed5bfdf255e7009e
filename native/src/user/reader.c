/* reader.c: the thread that takes what the bridge sends.
 *
 * It never runs the application's code and never waits for it, so that the bridge can always write.
 * Sizes are checked before memory is taken. Nonsense ends the connection, like its end does.
 */
#include "user.h"

#include <stdlib.h>
#include <string.h>

enum { BUFFER_BYTES = 64 * 1024 };

typedef struct input {
    hxg_session *session;
    uint8_t *buffer;
    size_t from, to;
} input;

typedef struct frame {
    uint32_t kind, call;
    hxg_fields fields;
    uint8_t *head;
    HxStream *payload;
    uint32_t bytes;
} frame;

/* Gives exactly so many bytes; 0 at the end. */
static int read_exactly(input *in, uint8_t *to, size_t bytes) {
    while (bytes > 0) {
        size_t count = in->to - in->from;
        if (count == 0 && bytes >= BUFFER_BYTES) {
            count = hxg_bridge_read(&in->session->bridge, to, bytes);
            if (count == 0) return 0;
        } else {
            if (count == 0) {
                in->from = 0;
                in->to = hxg_bridge_read(&in->session->bridge, in->buffer, BUFFER_BYTES);
                count = in->to;
                if (count == 0) return 0;
            }
            if (count > bytes) count = bytes;
            memcpy(to, in->buffer + in->from, count);
            in->from += count;
        }
        to += count;
        bytes -= count;
    }
    return 1;
}

static int may_have_payload(uint32_t kind) {
    return kind == HXG_FRAME_REPLY || kind == HXG_FRAME_RESULT;
}

static int read_payload(input *in, frame *what) {
    hxg_status status = hxg_stream_create(&what->payload);
    if (status != HXG_OK) return 0;
    what->payload->vtbl->SetLength(what->payload, what->bytes);
    if (what->payload->vtbl->GetLength(what->payload) != what->bytes) return 0;
    return read_exactly(in, what->payload->vtbl->GetBasePointer(what->payload), what->bytes);
}

/* 1: a frame; 0: the end; -1: nonsense, or no memory for it. */
static int read_frame(input *in, frame *what) {
    uint8_t header[HXG_HEADER_BYTES];
    uint32_t head_bytes;
    memset(what, 0, sizeof *what);
    if (!read_exactly(in, header, sizeof header)) return 0;
    what->kind = hxg_read_word(header);
    what->call = hxg_read_word(header + 4);
    head_bytes = hxg_read_word(header + 8);
    what->bytes = hxg_read_word(header + 12);
    if (what->kind < HXG_FRAME_HELLO || what->kind > HXG_FRAME_ENDED
        || head_bytes > HXG_MAX_HEAD_BYTES || (what->bytes != 0 && !may_have_payload(what->kind))) {
        return -1;
    }
    what->head = malloc(head_bytes != 0 ? head_bytes : 1);
    if (what->head == NULL) return -1;
    if (!read_exactly(in, what->head, head_bytes)) return 0;
    what->fields.at = what->head;
    what->fields.left = head_bytes;
    if (what->kind == HXG_FRAME_RESULT || what->bytes != 0) {
        if (!read_payload(in, what)) return 0;
    }
    return 1;
}

static void free_frame(frame *what) {
    if (what->payload != NULL) what->payload->vtbl->Release(what->payload);
    free(what->head);
}

/* ---- what frames mean; each says whether the frame made sense */

static int take_hello(hxg_session *session, frame *what) {
    uint32_t version = hxg_get_u32(&what->fields);
    if (what->fields.is_failed) return 0;
    if (version == HXG_PROTOCOL) return 1;
    hxg_session_break(session, HXG_E_PROTOCOL,
                      "the library and the bridge are of different versions of hxGrid; install them"
                      " together");
    return 1;
}

static int take_window(hxg_session *session, frame *what) {
    uint32_t tasks = hxg_get_u32(&what->fields);
    uint64_t bytes = hxg_get_u64(&what->fields);
    uint32_t threads = hxg_get_u32(&what->fields);
    if (what->fields.is_failed) return 0;
    hxg_lock(&session->lock);
    session->max_tasks = tasks != 0 ? tasks : 1;
    session->max_bytes = bytes;
    session->wanted_threads = threads != 0 ? threads : 1;
    session->is_greeted = 1;
    hxg_changed(session);
    hxg_unlock(&session->lock);
    return 1;
}

static int take_ready(hxg_session *session) {
    hxg_lock(&session->lock);
    session->is_ready = 1;
    hxg_changed(session);
    hxg_unlock(&session->lock);
    return 1;
}

static int take_reply(hxg_session *session, frame *what) {
    uint32_t status = hxg_get_u32(&what->fields);
    hxg_call *call;
    char *text = NULL;
    if (what->fields.is_failed) return 0;
    if (status != HXG_OK && (text = hxg_get_text(&what->fields)) == NULL) return 0;
    hxg_lock(&session->lock);
    for (call = session->calls; call != NULL && call->number != what->call; call = call->next) {
    }
    if (call != NULL && !call->is_answered) {
        call->status = (hxg_status)status;
        call->text = text;
        text = NULL;
        call->head_bytes = what->fields.left;
        if (what->fields.left != 0) {
            memmove(what->head, what->fields.at, what->fields.left);
        }
        call->head = what->head;
        what->head = NULL;
        call->payload = what->payload;
        what->payload = NULL;
        call->is_answered = 1;
        hxg_changed(session);
    }
    hxg_unlock(&session->lock);
    free(text);
    return 1;
}

static int take_result(hxg_session *session, frame *what) {
    uint32_t number = hxg_get_u32(&what->fields);
    hxg_note *note = hxg_note_make(NULL, HXG_OK, NULL, NULL);
    if (what->fields.is_failed || note == NULL) {
        free(note);
        return 0;
    }
    note->stream = what->payload;
    note->is_result = 1;
    note->bytes = what->bytes;
    what->payload = NULL;
    hxg_lock(&session->lock);
    note->task = hxg_table_take(session, number);
    if (note->task == NULL) hxg_count_taken(session, note->bytes); /* dropped meanwhile */
    else if (note->task->done != NULL || note->task->finalize != NULL) {
        hxg_callbacks_put(session, note);
        note = NULL;
    } else {
        hxg_count_taken(session, note->bytes);
        hxg_task_ended(session, note->task);
    }
    hxg_unlock(&session->lock);
    if (note != NULL) {
        hxg_note_free(note);
        hxg_tell_taken(session);
    }
    return 1;
}

static int take_failed(hxg_session *session, frame *what) {
    uint32_t number = hxg_get_u32(&what->fields), status = hxg_get_u32(&what->fields);
    char *why = hxg_get_text(&what->fields), *details = hxg_get_text(&what->fields);
    int makes_sense = why != NULL && details != NULL && status != HXG_OK;
    hxg_task *task;
    hxg_note *note;
    if (makes_sense) {
        hxg_lock(&session->lock);
        task = hxg_table_take(session, number);
        if (task != NULL) {
            if (status != HXG_E_CANCELLED) {
                hxg_keep_failure(session, number, (hxg_status)status, why, details);
            }
            note = task->done != NULL ? hxg_note_make(task, (hxg_status)status, why, details) : NULL;
            if (note != NULL) hxg_callbacks_put(session, note);
            else hxg_task_ended(session, task);
        }
        hxg_unlock(&session->lock);
    }
    free(why);
    free(details);
    return makes_sense;
}

static int take_wanted(hxg_session *session, frame *what) {
    hxg_note *note = hxg_note_make(NULL, HXG_OK, NULL, NULL);
    if (note == NULL) return 0;
    note->question = hxg_get_u32(&what->fields);
    note->name = hxg_get_text(&what->fields);
    if (note->name == NULL) {
        hxg_note_free(note);
        return 0;
    }
    hxg_lock(&session->lock);
    hxg_callbacks_put_question(session, note);
    hxg_unlock(&session->lock);
    return 1;
}

static int take_ended(hxg_session *session, frame *what) {
    uint32_t status = hxg_get_u32(&what->fields);
    char *text = hxg_get_text(&what->fields);
    if (text == NULL || status == HXG_OK) {
        free(text);
        return 0;
    }
    hxg_session_break(session, (hxg_status)status, text);
    free(text);
    return 1;
}

static int take(hxg_session *session, frame *what) {
    switch (what->kind) {
        case HXG_FRAME_HELLO: return take_hello(session, what);
        case HXG_FRAME_WINDOW: return take_window(session, what);
        case HXG_FRAME_READY: return take_ready(session);
        case HXG_FRAME_REPLY: return take_reply(session, what);
        case HXG_FRAME_RESULT: return take_result(session, what);
        case HXG_FRAME_FAILED: return take_failed(session, what);
        case HXG_FRAME_WANTED: return take_wanted(session, what);
        default: return take_ended(session, what);
    }
}

void hxg_reader_run(void *raw) {
    hxg_session *session = raw;
    int state = -1;
    input in;
    in.session = session;
    in.buffer = malloc(BUFFER_BYTES);
    in.from = in.to = 0;
    while (in.buffer != NULL) {
        frame what;
        state = read_frame(&in, &what);
        if (state == 1 && !take(session, &what)) state = -1;
        free_frame(&what);
        if (state != 1) break;
    }
    free(in.buffer);
    if (state == 0) {
        hxg_session_break(session, HXG_E_BROKEN,
                          "the bridge process has ended; open a new session to go on");
    } else {
        hxg_session_break(session, HXG_E_PROTOCOL,
                          "the bridge sent something that is no frame, or no memory was left for it");
        hxg_bridge_hang_up(&session->bridge);
    }
    hxg_lock(&session->lock);
    session->has_reader_ended = 1;
    hxg_changed(session);
    hxg_unlock(&session->lock);
}
