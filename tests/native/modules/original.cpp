// A task in the manner of the original's sources: its header names in several spellings, its words,
// and what such sources take from windows.h and conio.h.
#include <windows.h>
#include <conio.h>

#include "VECOM.h"
#include "INOUT.h"
#include "InOut.h"
#include "hxplatform.h"
#include "IAgent.h"
#include "IGenericStream.h"
#include "IGridUser.h"
#include "hxgridinterface.h"
#include "hxGridInterface.h"

using namespace VITALENGINE;

DECLARE_INTERFACE_(IThing, IUnknown) {
    IUNKNOWN_METHODS_PURE(0x12345678, 0x00010000);
    virtual HRESULT __stdcall Do(IN DWORD what, OUT DWORD *result) = 0;
};

static CRITICAL_SECTION cs;
static volatile LONG running = 0;

static __inline int keys() { return _kbhit() ? _getch() : 0; }

static LPVOID CALLBACK nothing(LPSTR, LPCSTR, HANDLE, HINSTANCE, HMODULE) { return NULL; }

void __cdecl Finalize(IGenericStream *) {}

void __cdecl GetData(const char *, IGenericStream **stream) { *stream = NULL; }

static __declspec(thread) int calls;

struct __declspec(novtable) Base {
    virtual int number() = 0;
};

struct __declspec(align(16)) Aligned {
    float values[4];
};

static __declspec(noinline) int counted() { return ++calls; }

// Exported by a .def file, which only Windows reads: nothing here says extern "C".
bool __cdecl NamedByDef(IAgent *agent, DWORD sessionId, IGenericStream *inStream,
                        IGenericStream *outStream) {
    DWORD size = inStream->GetLength();
    outStream->Write(&size, sizeof size);
    return agent->TestConnection(sessionId) == S_OK;
}

extern "C" __declspec(dllexport) bool __cdecl RunTask(
    IAgent *agent, DWORD sessionId, IGenericStream *inStream, IGenericStream *outStream) {
    DWORD n = 0, version = 0;
    UINT unit = 1;
    BYTE two = 2;
    WORD word = 3;
    BOOL truth = TRUE;
    __int64 big = (__int64)1 << 40;
    char path[MAX_PATH], text[8];
    TFinalizeProc *finalize = Finalize;
    TGetDataProc *get_data = GetData;
    TTaskProc *task = RunTask;
    CRITICAL_SECTION *global;
    DWORD start = GetTickCount();

    InitializeCriticalSection(&cs);
    EnterCriticalSection(&cs);
    EnterCriticalSection(&cs);
    LeaveCriticalSection(&cs);
    LeaveCriticalSection(&cs);
    DeleteCriticalSection(&cs);
    if (InterlockedIncrement(&running) != 1 || InterlockedDecrement(&running) != 0) return false;

    if (FAILED(agent->GetGlobalCriticalSection(&global))) return false;
    EnterCriticalSection(global);
    LeaveCriticalSection(global);
    if (agent->GetSessionCacheDirectory(sessionId, path) != S_OK) return false;
    if (agent->GetVersion(&version) != S_OK || version != IAgent::VERSION) return false;
    if (agent->TestConnection(sessionId) == S_FALSE) return false;

    _snprintf(text, sizeof text, "%d", 12);
    if (_stricmp(text, "12") != 0 || _stricmp("Abc", "aBC") != 0) return false;
    if (_snprintf(text, 2, "%d", 123) != -1) return false;
    Sleep(0);
    if (GetCurrentThreadId() == 0 || GetCurrentProcessId() == 0) return false;
    if (LoadLibrary("nothing of this name") != NULL) return false;
    if (GetTickCount() - start > 60000) return false;
    if (IGridUser::ID != 0x5623F256 || IGenericStream::VERSION != 0x00010000) return false;
    if (SUCCEEDED(E_NOINTERFACE) || sizeof(TGridUserSettings) != 62) return false;
    if (finalize == NULL || get_data == NULL || task == NULL || big == FALSE) return false;
    if (counted() != calls || sizeof(Aligned) != 16 || sizeof(Base) == 0) return false;
    if (nothing(NULL, NULL, NULL, NULL, NULL) != NULL || keys() == 256) return false;

    inStream->Read(&n, sizeof n);
    n += unit * two / word + truth;
    outStream->Write(&n, sizeof n);
    return true;
}
