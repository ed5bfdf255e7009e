/* hxgrid_task.h: task modules in C, and in every language that can use C structures.
 *
 * A task module is a shared library. It exports functions of the type `hxg_task_proc` under any
 * name, and if it likes `StartSession` and `EndSession`. The structures are the interfaces of
 * IAgent.h and IGenericStream.h as C sees them: an object is a pointer to a table of functions, each
 * of which takes the object first. What the functions do is said there.
 *
 *     #include <hxgrid/hxgrid_task.h>
 *
 *     HXG_TASK(Double) {
 *         uint32_t number;
 *         if (!hxg_read_u32(in, &number)) return 0;
 *         hxg_write_u32(out, number * 2);
 *         return 1;
 *     }
 */
#ifndef HXGRID_TASK_H
#define HXGRID_TASK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "hxg_abi.h"

#if !defined(_WIN32)
#include <pthread.h>
#endif

#if defined(__cplusplus)
extern "C" {
#endif

/* cdef: begin */
/* The two answers of methods that return int32_t. */
enum {
    HXG_S_OK = 0,
    HXG_S_FALSE = 1
};

typedef struct HxStream HxStream;
typedef struct HxAgent HxAgent;

/* IGenericStream, slot by slot. */
typedef struct HxStreamVtbl {
    int32_t (HXG_STDCALL *QueryInterface)(HxStream *self, const void *iid, void **object);
    uint32_t (HXG_STDCALL *AddRef)(HxStream *self);
    uint32_t (HXG_STDCALL *Release)(HxStream *self);
    uint32_t (HXG_STDCALL *GetVersion)(HxStream *self);
    uint8_t *(HXG_STDCALL *GetBasePointer)(HxStream *self);
    uint8_t *(HXG_STDCALL *GetCurPointer)(HxStream *self);
    uint8_t (HXG_STDCALL *isReadOnly)(HxStream *self);
    uint32_t (HXG_STDCALL *GetLength)(HxStream *self);
    void (HXG_STDCALL *Write)(HxStream *self, const void *data, uint32_t count);
    uint32_t (HXG_STDCALL *Read)(HxStream *self, void *data, uint32_t count);
    void (HXG_STDCALL *Seek)(HxStream *self, uint32_t pos);
    uint32_t (HXG_STDCALL *GetPos)(HxStream *self);
    void (HXG_STDCALL *Clear)(HxStream *self);
    void (HXG_STDCALL *FastClear)(HxStream *self);
    void (HXG_STDCALL *GrowToPos)(HxStream *self, int32_t dest_size);
    void (HXG_STDCALL *Skip)(HxStream *self, uint32_t count);
    void (HXG_STDCALL *SetLength)(HxStream *self, uint32_t length);
    void (HXG_STDCALL *Compact)(HxStream *self);
} HxStreamVtbl;

struct HxStream {
    const HxStreamVtbl *vtbl;
};

/* IAgent, slot by slot. */
typedef struct HxAgentVtbl {
    int32_t (HXG_STDCALL *QueryInterface)(HxAgent *self, const void *iid, void **object);
    uint32_t (HXG_STDCALL *AddRef)(HxAgent *self);
    uint32_t (HXG_STDCALL *Release)(HxAgent *self);
    int32_t (HXG_STDCALL *GetVersion)(HxAgent *self, uint32_t *version);
    int32_t (HXG_STDCALL *GetData)(HxAgent *self, uint32_t session_id, const char *name,
                                   HxStream **stream);
    int32_t (HXG_STDCALL *FreeCachedData)(HxAgent *self, uint32_t session_id, const char *name);
    int32_t (HXG_STDCALL *TestConnection)(HxAgent *self, uint32_t session_id);
    int32_t (HXG_STDCALL *GetSessionCacheDirectory)(HxAgent *self, uint32_t session_id, char *path);
    int32_t (HXG_STDCALL *GetGlobalCriticalSection)(HxAgent *self, void **section);
} HxAgentVtbl;

struct HxAgent {
    const HxAgentVtbl *vtbl;
};

/* A task: anything but 0 is success. The objects are lent for the call. */
typedef uint8_t (HXG_CDECL *hxg_task_proc)(HxAgent *agent, uint32_t session_id, HxStream *in,
                                           HxStream *out);
/* `StartSession` and `EndSession`, called once per process. */
typedef void (HXG_CDECL *hxg_session_proc)(HxAgent *agent, uint32_t session_id);
/* cdef: end */

#define HXG_AGENT_VERSION 0x00010001u
#define HXG_STREAM_VERSION 0x00010000u
/* What the text of GetSessionCacheDirectory needs, with its end. */
#define HXG_MAX_PATH 260

/* Defines an exported task, with the parameters agent, session_id, in and out. */
#if defined(__cplusplus)
#define HXG_TASK(name) HXG_TASK_AS(extern "C", name)
#else
#define HXG_TASK(name) HXG_TASK_AS(, name)
#endif
#define HXG_TASK_AS(linkage, name)                                                                 \
    linkage HXG_EXPORT uint8_t HXG_CDECL name(HxAgent *agent, uint32_t session_id, HxStream *in,   \
                                              HxStream *out);                                      \
    linkage HXG_EXPORT uint8_t HXG_CDECL name(HxAgent *agent, uint32_t session_id, HxStream *in,   \
                                              HxStream *out)

/* Whether to go on; if not, return 0 soon. Waits while the computer's owner needs it. */
static inline int hxg_go_on(HxAgent *agent, uint32_t session_id) {
    return agent->vtbl->TestConnection(agent, session_id) == HXG_S_OK;
}

/* The session's global data of this name, or NULL; drop it with hxg_release. May wait long. */
static inline HxStream *hxg_get_data(HxAgent *agent, uint32_t session_id, const char *name) {
    HxStream *stream = NULL;
    return agent->vtbl->GetData(agent, session_id, name, &stream) == HXG_S_OK ? stream : NULL;
}

/* Drops one reference; NULL is harmless. */
static inline void hxg_release(HxStream *stream) {
    if (stream != NULL) stream->vtbl->Release(stream);
}

/* The bytes of a stream from its beginning; good until its length changes. */
static inline uint8_t *hxg_bytes(HxStream *stream) { return stream->vtbl->GetBasePointer(stream); }
static inline uint32_t hxg_length(HxStream *stream) { return stream->vtbl->GetLength(stream); }

/* Reads exactly `count` bytes, or says 0. */
static inline int hxg_read(HxStream *stream, void *data, uint32_t count) {
    return stream->vtbl->Read(stream, data, count) == count;
}

static inline void hxg_write(HxStream *stream, const void *data, uint32_t count) {
    stream->vtbl->Write(stream, data, count);
}

/* Numbers travel with the lowest byte first, whatever the processor. */
static inline int hxg_read_u32(HxStream *stream, uint32_t *value) {
    uint8_t raw[4];
    if (!hxg_read(stream, raw, 4)) return 0;
    *value = (uint32_t)raw[0] | (uint32_t)raw[1] << 8 | (uint32_t)raw[2] << 16
             | (uint32_t)raw[3] << 24;
    return 1;
}

static inline void hxg_write_u32(HxStream *stream, uint32_t value) {
    uint8_t raw[4];
    raw[0] = (uint8_t)value;
    raw[1] = (uint8_t)(value >> 8);
    raw[2] = (uint8_t)(value >> 16);
    raw[3] = (uint8_t)(value >> 24);
    hxg_write(stream, raw, 4);
}

/* A text as StreamWriteString of the Pascal units has it: u32 count, then the bytes. */
static inline void hxg_write_string(HxStream *stream, const char *text) {
    uint32_t count = (uint32_t)strlen(text);
    hxg_write_u32(stream, count);
    hxg_write(stream, text, count);
}

#if !defined(_WIN32)
/* The critical section of GetGlobalCriticalSection; on Windows it is a CRITICAL_SECTION. */
static inline void hxg_enter(void *section) { pthread_mutex_lock((pthread_mutex_t *)section); }
static inline void hxg_leave(void *section) { pthread_mutex_unlock((pthread_mutex_t *)section); }
#endif

#if defined(__cplusplus)
}
#endif

HXG_STATIC_ASSERT(sizeof(HxStreamVtbl) == 18 * sizeof(void *), stream_has_18_slots);
HXG_STATIC_ASSERT(sizeof(HxAgentVtbl) == 9 * sizeof(void *), agent_has_9_slots);

#endif
