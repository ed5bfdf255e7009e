/* IAgent.h: what a task sees of the agent that runs it, and what a task module exports (C++).
 *
 * The agent outlives every task; AddRef and Release do nothing and return 1. `sessionId` is the
 * number that the task was given. All methods may be called from any thread; a method that is given
 * an unknown session answers S_FALSE.
 */
#ifndef HXG_IAGENT_H
#define HXG_IAGENT_H

#include "IGenericStream.h"

using namespace VITALENGINE;

struct HXG_NOVTABLE IAgent : public IUnknown {
    IUNKNOWN_METHODS_PURE(0x85343215, 0x00010001);

    virtual HRESULT HXG_STDCALL GetVersion(DWORD *version) = 0;

    /* Gives a read-only stream over the session's global data of this name, at position 0; Release
       it. Waits while the data are fetched; on one computer that happens once. S_FALSE, and NULL in
       `*stream`, if the application has no such data, or the task is no longer wanted. */
    virtual HRESULT HXG_STDCALL GetData(DWORD sessionId, const char *dataDesc,
                                        IGenericStream **stream) = 0;

    /* Forgets this computer's copy of global data, or with NULL of all. Streams already given out
       stay valid. Always S_OK. */
    virtual HRESULT HXG_STDCALL FreeCachedData(DWORD sessionId, const char *dataDesc) = 0;

    /* S_OK: go on. S_FALSE: the result is no longer wanted; return false soon. Does not return while
       the computer's owner needs it. Costs a few nanoseconds: call it in inner loops. */
    virtual HRESULT HXG_STDCALL TestConnection(DWORD sessionId) = 0;

    /* Writes a folder for files of this session, with a separator at its end. `path` must have room
       for MAX_PATH (260) bytes; a longer folder gives S_FALSE and an empty text. */
    virtual HRESULT HXG_STDCALL GetSessionCacheDirectory(DWORD sessionId, char *path) = 0;

    /* One recursive critical section for all tasks of this process. */
    virtual HRESULT HXG_STDCALL GetGlobalCriticalSection(CRITICAL_SECTION **cs) = 0;
};

/* A task. False: failed, or stopped because TestConnection said so. Streams and agent are lent:
   the task need not count them, and may keep a stream by AddRef. Runs in several threads at once. */
typedef bool HXG_CDECL TTaskProc(IAgent *agent, DWORD sessionId, IGenericStream *inStream,
                                 IGenericStream *outStream);

/* Optional exports `StartSession` and `EndSession`, called once per process: before the module's
   first task, and after its last one. */
typedef void HXG_CDECL TStartSessionProc(IAgent *agent, DWORD sessionId);
typedef void HXG_CDECL TEndSessionProc(IAgent *agent, DWORD sessionId);

#pragma pack(push, 1)
/* Published by the original; no method returns it. */
struct TAgentSettings {
    char bind_ip[20];
    WORD bind_port;
    char coordinator_ip[20];
    WORD coordinator_port;
    WORD user_data_port;
    bool useHT;
    bool explicitCPU;
    DWORD freeCPUCount;
    DWORD suspend_timeout;
    bool enableDebugOutput;
    DWORD agent_broadcast_port;
    DWORD coordinator_broadcast_port;
    DWORD maxDataCacheSize;
    DWORD poolSize;
    bool allowDiscardCoordinatorIp;
};
#pragma pack(pop)

HXG_STATIC_ASSERT(sizeof(TAgentSettings) == 74, agent_settings_size);
HXG_STATIC_ASSERT(offsetof(TAgentSettings, coordinator_ip) == 22, agent_coordinator_ip);
HXG_STATIC_ASSERT(offsetof(TAgentSettings, useHT) == 46, agent_use_ht);
HXG_STATIC_ASSERT(offsetof(TAgentSettings, freeCPUCount) == 48, agent_free_cpu_count);
HXG_STATIC_ASSERT(offsetof(TAgentSettings, agent_broadcast_port) == 57, agent_broadcast);
HXG_STATIC_ASSERT(offsetof(TAgentSettings, poolSize) == 69, agent_pool_size);
HXG_STATIC_ASSERT(offsetof(TAgentSettings, allowDiscardCoordinatorIp) == 73, agent_discard_ip);

#endif
