/* calls.c: questions to the bridge. */
#include "user.h"

#include <stdlib.h>
#include <string.h>

static void forget(hxg_session *session, hxg_call *call) {
    hxg_call **link = &session->calls;
    while (*link != NULL && *link != call) link = &(*link)->next;
    if (*link != NULL) *link = call->next;
}

hxg_status hxg_call_make(hxg_session *session, hxg_call *call, uint32_t kind, hxg_head *head,
                         const void *payload, uint32_t bytes) {
    memset(call, 0, sizeof *call);
    if (head != NULL && head->is_failed) {
        return hxg_fail(HXG_E_LIMIT, "a text is too long, or no memory is left");
    }
    hxg_lock(&session->lock);
    if (session->is_broken) {
        hxg_unlock(&session->lock);
        return hxg_session_why_broken(session);
    }
    if (++session->last_call == 0) session->last_call = 1;
    call->number = session->last_call;
    call->next = session->calls;
    session->calls = call;
    hxg_unlock(&session->lock);
    hxg_session_send(session, kind, call->number, head, payload, bytes);
    hxg_lock(&session->lock);
    while (!call->is_answered) hxg_session_watch(session, -1.0);
    forget(session, call);
    hxg_unlock(&session->lock);
    if (call->status == HXG_OK) return HXG_OK;
    if (call->text == NULL) return hxg_session_why_broken(session);
    return hxg_fail(call->status, "%s", call->text);
}

void hxg_call_end(hxg_call *call) {
    if (call->payload != NULL) call->payload->vtbl->Release(call->payload);
    free(call->head);
    free(call->text);
    call->payload = NULL;
    call->head = NULL;
    call->text = NULL;
}
