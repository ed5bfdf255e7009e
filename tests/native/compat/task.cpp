// A task library in the manner of the original's: every method of IAgent and of its streams.
// What it is asked for comes as a string: u32 length, then the bytes.
#include <windows.h>

#include "IAgent.h"
#include "IGenericStream.h"
#include "InOut.h"

static volatile LONG running = 0;
static CRITICAL_SECTION cs;

static bool CheckStream(IN IGenericStream *in, OUT IGenericStream *out) {
    char text[8];
    if (in->GetVersion() != IGenericStream::VERSION || in->isReadOnly()) return false;
    if (in->GetPos() != 0 || in->GetBasePointer() != in->GetCurPointer()) return false;
    if (out->GetLength() != 0 || out->GetPos() != 0) return false;
    out->Write("abcdefgh", 8);
    if (out->GetLength() != 8 || out->GetPos() != 8) return false;
    out->Seek(2);
    if (out->Read(text, 100) != 6 || memcmp(text, "cdefgh", 6) != 0) return false;
    if (out->Read(text, 1) != 0 || out->GetPos() != 8) return false;
    out->Seek(1);
    out->Skip(2);
    if (*out->GetCurPointer() != 'd') return false;
    out->GrowToPos();
    if (out->GetLength() != 3) return false;
    out->SetLength(6);
    out->GrowToPos(5);
    if (out->GetLength() != 5) return false;
    out->Compact();
    out->FastClear();
    if (out->GetLength() != 0) return false;
    out->Write("x", 1);
    out->Clear();
    return out->GetLength() == 0 && out->GetPos() == 0;
}

static bool CheckAgent(IAgent *agent, DWORD sessionId) {
    DWORD version = 0;
    LPVOID object = NULL;
    CRITICAL_SECTION *global = NULL;
    if (agent->GetVersion(&version) != S_OK || version != IAgent::VERSION) return false;
    if (agent->AddRef() == 0) return false;
    agent->Release();
    if (agent->QueryInterface(IGenericStream::iid(), &object) != E_NOINTERFACE) return false;
    if (agent->GetGlobalCriticalSection(&global) != S_OK) return false;
    EnterCriticalSection(global);
    LeaveCriticalSection(global);
    return SUCCEEDED(agent->TestConnection(sessionId));
}

// The first task that wants the data loads them; the others wait for that.
static bool CopyData(IAgent *agent, DWORD sessionId, IGenericStream *in, IGenericStream *out) {
    char name[MAX_PATH];
    DWORD length = 0;
    IGenericStream *data = NULL;
    if (in->Read(&length, sizeof length) != sizeof length || length >= sizeof name) return false;
    if (in->Read(name, length) != length) return false;
    name[length] = 0;
    if (agent->GetData(sessionId, name, &data) != S_OK) return false;
    if (!data->isReadOnly() || data->GetPos() != 0) return false;
    out->Write(data->GetBasePointer(), data->GetLength());
    if (agent->FreeCachedData(sessionId, name) != S_OK) return false;
    if (agent->FreeCachedData(sessionId, NULL) != S_OK) return false;
    data->Release();
    return true;
}

// What else was named in the module list lies in the session's directory.
static bool CopyFile(IAgent *agent, DWORD sessionId, IGenericStream *out) {
    char path[MAX_PATH + 32], line[64];
    if (agent->GetSessionCacheDirectory(sessionId, path) != S_OK) return false;
    strcat(path, "extra.txt");
    FILE *file = fopen(path, "rb");
    if (file == NULL) return false;
    const size_t count = fread(line, 1, sizeof line, file);
    fclose(file);
    out->Write(line, (DWORD)count);
    return true;
}

static bool Wait(IAgent *agent, DWORD sessionId) {
    while (agent->TestConnection(sessionId) == S_OK) Sleep(1);
    return false;
}

extern "C" bool __cdecl RunTask(IAgent *agent, DWORD sessionId, IGenericStream *inStream,
                                IGenericStream *outStream) {
    BYTE what = 0;
    InterlockedIncrement(&running);
    if (!CheckStream(inStream, outStream) || !CheckAgent(agent, sessionId)) return false;
    inStream->Read(&what, 1);
    bool result = false;
    switch (what) {
        case 'e':  // the rest comes back
            outStream->Write(inStream->GetCurPointer(), inStream->GetLength() - 1);
            result = true;
            break;
        case 'd': result = CopyData(agent, sessionId, inStream, outStream); break;
        case 'f': result = CopyFile(agent, sessionId, outStream); break;
        case 'w': result = Wait(agent, sessionId); break;
    }
    InterlockedDecrement(&running);
    return result;
}

extern "C" void __cdecl EndSession(IAgent *agent, DWORD sessionId) {
    (void)agent, (void)sessionId;
    InitializeCriticalSection(&cs);
    EnterCriticalSection(&cs);
    LeaveCriticalSection(&cs);
    DeleteCriticalSection(&cs);
}
