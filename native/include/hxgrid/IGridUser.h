/* IGridUser.h: the application's side, as the original published it (C++). */
#ifndef HXG_IGRIDUSER_H
#define HXG_IGRIDUSER_H

#include "IGenericStream.h"

using namespace VITALENGINE;

/* Called with the output of a finished task, at position 0. The stream is lent; AddRef keeps it. */
typedef void HXG_CDECL TFinalizeProc(IGenericStream *stream);

/* Asked for global data. `*stream` is NULL on entry; one reference of what is put there is taken
   over. Leaving NULL means that there is no such data. */
typedef void HXG_CDECL TGetDataProc(const char *dataDesc, IGenericStream **stream);

#pragma pack(push, 1)
struct TGridUserSettings {
    DWORD maxSendAheadTasks;
    DWORD maxQueqedTasks;
    DWORD userMaxMemoryUsage;
    DWORD agentMinFreeMemory;
    float agentMinFreeMemoryFactor;
    bool sendDublicateTasks;
    bool allowSwapping;
    DWORD compressThreshold;
    char coordinator_ip[20];
    WORD coordinator_port;
    WORD user_data_port;
    WORD agent_lobby_port;
    WORD coordinator_broadcast_port;
    WORD user_broadcast_port;
    bool enableDebugOutput;
    DWORD failSuspendTimeout;
    bool allowDiscardCoordinatorIp;
};

struct TGridUserConnectionStatus {
    bool bConnectedToCoordinator;
    DWORD connectedAgentsCount;
};
#pragma pack(pop)

HXG_STATIC_ASSERT(sizeof(TGridUserSettings) == 62, user_settings_size);
HXG_STATIC_ASSERT(offsetof(TGridUserSettings, sendDublicateTasks) == 20, user_duplicates);
HXG_STATIC_ASSERT(offsetof(TGridUserSettings, compressThreshold) == 22, user_compress);
HXG_STATIC_ASSERT(offsetof(TGridUserSettings, coordinator_ip) == 26, user_coordinator_ip);
HXG_STATIC_ASSERT(offsetof(TGridUserSettings, coordinator_port) == 46, user_coordinator_port);
HXG_STATIC_ASSERT(offsetof(TGridUserSettings, user_broadcast_port) == 54, user_broadcast);
HXG_STATIC_ASSERT(offsetof(TGridUserSettings, failSuspendTimeout) == 57, user_fail_suspend);
HXG_STATIC_ASSERT(offsetof(TGridUserSettings, allowDiscardCoordinatorIp) == 61, user_discard_ip);
HXG_STATIC_ASSERT(sizeof(TGridUserConnectionStatus) == 5, connection_status_size);
HXG_STATIC_ASSERT(offsetof(TGridUserConnectionStatus, connectedAgentsCount) == 1, agents_count);

struct HXG_NOVTABLE IGridUser : public IUnknown {
    IUNKNOWN_METHODS_PURE(0x5623F256, 0x00010000);

    virtual HRESULT HXG_STDCALL GetVersion(DWORD *version) = 0;

    /* S_OK: queued, and the caller's reference to `inStream` is taken over. S_FALSE (only if not
       blocking): the queue is full, and the stream is still the caller's. */
    virtual HRESULT HXG_STDCALL RunTask(const char *moduleName, const char *taskProcName,
                                        IGenericStream *inStream, TFinalizeProc *finalizeProc,
                                        DWORD *taskId, bool blocking = true) = 0;
    virtual HRESULT HXG_STDCALL WaitForCompletion() = 0;
    virtual HRESULT HXG_STDCALL IsComplete(bool *complete) = 0;
    virtual void HXG_STDCALL BindGetDataCallback(TGetDataProc *callback) = 0;
    virtual void HXG_STDCALL GetSettings(TGridUserSettings *settings) = 0;
    virtual void HXG_STDCALL SetSettings(TGridUserSettings *settings) = 0;
    virtual HRESULT HXG_STDCALL WaitForCompletionEvent(DWORD timeoutMs) = 0;
    virtual HRESULT HXG_STDCALL CompressStream(IGenericStream *stream) = 0;
    virtual HRESULT HXG_STDCALL CancelTasks() = 0;
    virtual void HXG_STDCALL GetConnectionStatus(TGridUserConnectionStatus *status) = 0;
};

#endif
