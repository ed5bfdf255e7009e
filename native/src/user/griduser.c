/* griduser.c: IGridUser, the original's interface, over the session.
 *
 * No method but RunTask had an answer for things going wrong. What goes wrong is written to the debug
 * output; methods that answer with a number then answer E_FAIL, which is neither S_OK nor S_FALSE,
 * so that loops which try again on S_FALSE end.
 */
#include "user.h"

#include <stdlib.h>
#include <string.h>

enum { SETTINGS_BYTES = 62 };

#define VERSION 0x00010000u
#define GRID_USER_ID 0x5623F256u
#define E_FAIL_RESULT ((int32_t)0x80004005u)
#define NO_INTERFACE ((int32_t)0x80004002u)
#define INFINITE_MS 0xFFFFFFFFu
#define EXPORTED HXG_EXPORT

typedef struct HxGridUser HxGridUser;

typedef struct HxGridUserVtbl {
    int32_t (HXG_STDCALL *QueryInterface)(HxGridUser *self, const void *iid, void **object);
    uint32_t (HXG_STDCALL *AddRef)(HxGridUser *self);
    uint32_t (HXG_STDCALL *Release)(HxGridUser *self);
    int32_t (HXG_STDCALL *GetVersion)(HxGridUser *self, uint32_t *version);
    int32_t (HXG_STDCALL *RunTask)(HxGridUser *self, const char *module, const char *function,
                                   HxStream *in, hxg_finalize_proc finalize, uint32_t *task,
                                   uint8_t blocking);
    int32_t (HXG_STDCALL *WaitForCompletion)(HxGridUser *self);
    int32_t (HXG_STDCALL *IsComplete)(HxGridUser *self, uint8_t *complete);
    void (HXG_STDCALL *BindGetDataCallback)(HxGridUser *self, hxg_get_data_proc callback);
    void (HXG_STDCALL *GetSettings)(HxGridUser *self, void *settings);
    void (HXG_STDCALL *SetSettings)(HxGridUser *self, const void *settings);
    int32_t (HXG_STDCALL *WaitForCompletionEvent)(HxGridUser *self, uint32_t timeout_ms);
    int32_t (HXG_STDCALL *CompressStream)(HxGridUser *self, HxStream *stream);
    int32_t (HXG_STDCALL *CancelTasks)(HxGridUser *self);
    void (HXG_STDCALL *GetConnectionStatus)(HxGridUser *self, void *status);
} HxGridUserVtbl;

HXG_STATIC_ASSERT(sizeof(HxGridUserVtbl) == 14 * sizeof(void *), grid_user_has_14_slots);

struct HxGridUser {
    const HxGridUserVtbl *vtbl;
    uint32_t count;
    hxg_session *session;
};

static int32_t complain(void) {
    hxg_debug_output(hxg_last_error());
    return E_FAIL_RESULT;
}

/* ---- IUnknown */

static uint32_t change_count(HxGridUser *self, int32_t by) {
    uint32_t found = hxg_load_u32(&self->count);
    while (!hxg_swap_u32(&self->count, &found, found + (uint32_t)by)) {
    }
    return found + (uint32_t)by;
}

static uint32_t HXG_STDCALL add_ref(HxGridUser *self) { return change_count(self, 1); }

static uint32_t HXG_STDCALL release(HxGridUser *self) {
    uint32_t left = change_count(self, -1);
    if (left == 0) {
        hxg_session_close(self->session, 0);
        free(self);
    }
    return left;
}

static int32_t HXG_STDCALL query_interface(HxGridUser *self, const void *iid, void **object) {
    static const uint8_t unknown[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46};
    static const uint32_t own[4] = {GRID_USER_ID, 0, 0, 0};
    if (object == NULL) return NO_INTERFACE;
    *object = NULL;
    if (iid == NULL
        || (memcmp(iid, unknown, sizeof unknown) != 0 && memcmp(iid, own, sizeof own) != 0)) {
        return NO_INTERFACE;
    }
    add_ref(self);
    *object = self;
    return HXG_S_OK;
}

/* ---- tasks */

static int32_t HXG_STDCALL get_version(HxGridUser *self, uint32_t *version) {
    (void)self;
    if (version != NULL) *version = VERSION;
    return HXG_S_OK;
}

static int32_t HXG_STDCALL run_task(HxGridUser *self, const char *module, const char *function,
                                    HxStream *in, hxg_finalize_proc finalize, uint32_t *task,
                                    uint8_t blocking) {
    const uint8_t *data = NULL;
    hxg_order order;
    hxg_status status;
    memset(&order, 0, sizeof order);
    order.modules = module;
    order.function = function;
    order.until = blocking ? -1.0 : 0.0;
    order.run_flags = HXG_RUN_FLAG_UNPACK;
    order.finalize = finalize;
    if (module == NULL || function == NULL) {
        hxg_fail(HXG_E_ARGUMENT, "RunTask was given no module or no function");
        return complain();
    }
    if (in != NULL) hxg_stream_bytes(in, &data, &order.bytes);
    order.data = data;
    status = hxg_session_run(self->session, task, &order);
    if (status == HXG_E_FULL) return HXG_S_FALSE;
    if (status != HXG_OK) return complain();
    /* The caller's reference has been taken over, and the bytes are on their way. */
    if (in != NULL) in->vtbl->Release(in);
    return HXG_S_OK;
}

static int32_t HXG_STDCALL wait_for_completion(HxGridUser *self) {
    hxg_status status = hxg_session_wait(self->session, -1.0);
    if (status == HXG_OK) return HXG_S_OK;
    if (status == HXG_E_FAILED) return HXG_S_FALSE;
    return complain();
}

static int32_t HXG_STDCALL is_complete(HxGridUser *self, uint8_t *complete) {
    uint32_t count = 0;
    hxg_count(&count, self->session);
    if (complete != NULL) *complete = count == 0;
    return HXG_S_OK;
}

static int32_t HXG_STDCALL wait_for_completion_event(HxGridUser *self, uint32_t timeout_ms) {
    double until = timeout_ms == INFINITE_MS ? -1.0 : hxg_deadline(timeout_ms);
    return hxg_session_wait_event(self->session, until) == HXG_OK ? HXG_S_OK : HXG_S_FALSE;
}

static int32_t HXG_STDCALL cancel_tasks(HxGridUser *self) {
    return hxg_cancel_all(self->session) == HXG_OK ? HXG_S_OK : complain();
}

/* ---- data */

static void HXG_STDCALL bind_get_data(HxGridUser *self, hxg_get_data_proc callback) {
    hxg_session *session = self->session;
    hxg_head head;
    hxg_lock(&session->lock);
    session->get_data = callback;
    session->data_callback = NULL;
    hxg_unlock(&session->lock);
    hxg_head_begin(&head);
    hxg_put_u32(&head, callback != NULL);
    hxg_put_u32(&head, 1); /* asked again after FreeCachedData, as it always was */
    hxg_session_send(session, HXG_FRAME_BIND_DATA, 0, &head, NULL, 0);
    hxg_head_end(&head);
}

static int32_t HXG_STDCALL compress_stream(HxGridUser *self, HxStream *stream) {
    const uint8_t *data;
    uint64_t bytes;
    hxg_call call;
    hxg_status status;
    if (stream == NULL || stream->vtbl->isReadOnly(stream)) return HXG_S_OK;
    hxg_stream_bytes(stream, &data, &bytes);
    status = hxg_call_make(self->session, &call, HXG_FRAME_COMPRESS, NULL, data, (uint32_t)bytes);
    if (status == HXG_OK && call.payload != NULL) {
        uint32_t packed = call.payload->vtbl->GetLength(call.payload);
        stream->vtbl->SetLength(stream, packed);
        stream->vtbl->Seek(stream, 0);
        stream->vtbl->Write(stream, call.payload->vtbl->GetBasePointer(call.payload), packed);
        stream->vtbl->Compact(stream);
    }
    if (status == HXG_OK) stream->vtbl->Seek(stream, 0);
    hxg_call_end(&call);
    return status == HXG_OK ? HXG_S_OK : complain();
}

/* ---- settings and status */

static void HXG_STDCALL get_settings(HxGridUser *self, void *settings) {
    hxg_call call;
    hxg_status status;
    if (settings == NULL) return;
    status = hxg_call_make(self->session, &call, HXG_FRAME_GET_SETTINGS, NULL, NULL, 0);
    if (status == HXG_OK && call.payload != NULL
        && call.payload->vtbl->GetLength(call.payload) == SETTINGS_BYTES) {
        memcpy(settings, call.payload->vtbl->GetBasePointer(call.payload), SETTINGS_BYTES);
    } else {
        memset(settings, 0, SETTINGS_BYTES);
        complain();
    }
    hxg_call_end(&call);
}

static void HXG_STDCALL set_settings(HxGridUser *self, const void *settings) {
    hxg_call call;
    hxg_status status;
    if (settings == NULL) return;
    status = hxg_call_make(self->session, &call, HXG_FRAME_SET_SETTINGS, NULL, settings,
                           SETTINGS_BYTES);
    hxg_call_end(&call);
    if (status != HXG_OK) complain();
}

static void HXG_STDCALL get_connection_status(HxGridUser *self, void *status) {
    hxg_connection found = HXG_CONNECTION_INIT;
    uint8_t *at = status;
    int index;
    if (status == NULL) return;
    if (hxg_get_connection(&found, self->session) != HXG_OK) complain();
    at[0] = found.is_connected != 0;
    for (index = 0; index < 4; index++) at[1 + index] = (uint8_t)(found.agents >> (8 * index));
}

static const HxGridUserVtbl grid_user_vtbl = {
    query_interface, add_ref,       release,      get_version,
    run_task,        wait_for_completion, is_complete, bind_get_data,
    get_settings,    set_settings,  wait_for_completion_event, compress_stream,
    cancel_tasks,    get_connection_status,
};

/* ---- the two exports */

EXPORTED HxStream *HXG_CDECL CreateGenericStream(void);
EXPORTED HxGridUser *HXG_CDECL CreateGridUserObject(uint32_t version);

HxStream *HXG_CDECL CreateGenericStream(void) {
    HxStream *stream = NULL;
    hxg_stream_create(&stream);
    return stream;
}

HxGridUser *HXG_CDECL CreateGridUserObject(uint32_t version) {
    hxg_open_options options = HXG_OPEN_OPTIONS_INIT;
    HxGridUser *self;
    if (version != VERSION || (self = calloc(1, sizeof *self)) == NULL) return NULL;
    self->vtbl = &grid_user_vtbl;
    self->count = 1;
    options.flags = HXG_OPEN_KEEP_LOOKING;
    if (hxg_open(&self->session, &options) != HXG_OK) {
        complain();
        free(self);
        return NULL;
    }
    self->session->shows_failures = 1;
    return self;
}
