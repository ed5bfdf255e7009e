// A program in the manner of the original's, in C++: every method of IGridUser, every structure and
// callback, streams of the library and streams of its own.
#include <windows.h>
#include <conio.h>

#include <assert.h>

#include "hxplatform.h"
#include "VECOM.h"
#include "IGenericStream.h"
#include "IGridUser.h"
#include "hxgridinterface.h"

using namespace VITALENGINE;

static const char module[] = "task.dll,extra.txt";
static IGridUser *user = NULL;
static IGenericStream *shared = NULL;
static CRITICAL_SECTION cs;
static IGenericStream *drawn[64];
static LONG drawnCount = 0;
static volatile LONG finalized = 0, asked = 0;

// A stream that the program brings along, as the original's own C++ class was.
class TGenericStream : public IGenericStream {
   public:
    static volatile LONG living;

    TGenericStream() : count(1), data(NULL), length(0), room(0), pos(0) {
        InterlockedIncrement(&living);
    }
    virtual ~TGenericStream() {
        free(data);
        InterlockedDecrement(&living);
    }

    virtual HRESULT __stdcall QueryInterface(REFIID, LPVOID *object) {
        *object = NULL;
        return E_NOINTERFACE;
    }
    virtual ULONG __stdcall AddRef() { return (ULONG)InterlockedIncrement(&count); }
    virtual ULONG __stdcall Release() {
        const LONG left = InterlockedDecrement(&count);
        if (left == 0) delete this;
        return (ULONG)left;
    }

    virtual DWORD __stdcall GetVersion() { return VERSION; }
    virtual BYTE *__stdcall GetBasePointer() { return data; }
    virtual BYTE *__stdcall GetCurPointer() { return data + pos; }
    virtual bool __stdcall isReadOnly() { return false; }
    virtual DWORD __stdcall GetLength() { return length; }
    virtual void __stdcall Write(const void *source, DWORD count_) {
        if (pos + count_ > length) SetLength(pos + count_);
        memcpy(data + pos, source, count_);
        pos += count_;
    }
    virtual DWORD __stdcall Read(void *target, DWORD count_) {
        const DWORD rest = pos < length ? length - pos : 0;
        const DWORD taken = count_ < rest ? count_ : rest;
        if (taken != 0) memcpy(target, data + pos, taken);
        pos += taken;
        return taken;
    }
    virtual void __stdcall Seek(DWORD pos_) { pos = pos_; }
    virtual DWORD __stdcall GetPos() { return pos; }
    virtual void __stdcall Clear() { length = pos = 0; }
    virtual void __stdcall FastClear() { length = pos = 0; }
    virtual void __stdcall GrowToPos(int DestSize = -1) {
        SetLength(DestSize == -1 ? pos : (DWORD)DestSize);
        pos = length;
    }
    virtual void __stdcall Skip(DWORD count_) { pos += count_; }
    virtual void __stdcall SetLength(DWORD newLength) {
        if (newLength > room) {
            room = newLength * 2;
            data = (BYTE *)realloc(data, room);
        }
        length = newLength;
    }
    virtual void __stdcall Compact() {}

   private:
    volatile LONG count;
    BYTE *data;
    DWORD length, room, pos;
};

volatile LONG TGenericStream::living = 0;

static IGenericStream *Ask(IGenericStream *stream, char what, const char *text) {
    stream->Write(&what, 1);
    if (text != NULL) stream->Write(text, (DWORD)strlen(text));
    return stream;
}

static void __cdecl Finalize(IGenericStream *out) {
    char text[16];
    assert(out->GetPos() == 0);
    assert(out->GetLength() == 13);
    assert(out->Read(text, 13) == 13 && memcmp(text, "thirteen char", 13) == 0);
    InterlockedIncrement(&finalized);
}

// Drawing is for the main thread: the stream is kept, and taken there.
static void __cdecl FinalizeQueue(IGenericStream *out) {
    out->AddRef();
    EnterCriticalSection(&cs);
    drawn[drawnCount++] = out;
    LeaveCriticalSection(&cs);
}

static void __cdecl FinalizeLarge(IGenericStream *out) {
    assert(out->GetLength() == 400000);
    InterlockedIncrement(&finalized);
}

// The same stream each time, compressed once.
static void __cdecl GetData(const char *dataDesc, IGenericStream **stream) {
    assert(*stream == NULL);
    InterlockedIncrement(&asked);
    if (_stricmp(dataDesc, "Geometry") != 0) return;
    shared->AddRef();
    *stream = shared;
}

static void CheckObject() {
    DWORD version = 0;
    LPVOID object = NULL;
    bool complete = false;
    assert(CreateGridUserObject(IGridUser::VERSION + 1) == NULL);
    user = CreateGridUserObject(IGridUser::VERSION);
    assert(user != NULL);
    assert(user->GetVersion(&version) == S_OK && version == IGridUser::VERSION);
    assert(user->QueryInterface(IAgent::iid(), &object) == E_NOINTERFACE && object == NULL);
    assert(user->AddRef() == 2);
    assert(user->Release() == 1);
    assert(user->IsComplete(&complete) == S_OK && complete);
}

// What is written for a library that is loaded by its name.
static void CheckLibrary() {
    typedef IGridUser *(__cdecl * TCreate)(DWORD);
    HMODULE library = LoadLibrary("hxGridUserDLL.dll");
    assert(library != NULL);
    TCreate create = (TCreate)(size_t)GetProcAddress(library, "CreateGridUserObject");
    assert(create != NULL && create(0) == NULL);
    assert(GetProcAddress(library, "CreateGenericStream") != NULL);
}

static void CheckSettings() {
    TGridUserSettings settings, again;
    assert(sizeof settings == 62 && sizeof(TGridUserConnectionStatus) == 5);
    assert(sizeof(TAgentSettings) == 74);
    user->GetSettings(&settings);
    assert(settings.coordinator_port == 4100 && settings.user_data_port == 4103);
    assert(settings.agent_lobby_port == 4102 && settings.user_broadcast_port == 4106);
    settings.maxSendAheadTasks = 10;
    settings.compressThreshold = 1000;
    settings.agentMinFreeMemory = 1000000;
    settings.agentMinFreeMemoryFactor = 1.25f;
    settings.failSuspendTimeout = 1500;
    settings.sendDublicateTasks = false;
    settings.user_data_port = 4203;
    user->SetSettings(&settings);
    user->GetSettings(&again);
    assert(memcmp(&settings, &again, sizeof settings) == 0);
}

static void CheckTasks() {
    DWORD id = 0, last = 0;
    for (int index = 0; index < 40; index++) {
        IGenericStream *stream = index % 2 ? CreateGenericStream() : new TGenericStream();
        Ask(stream, 'e', "thirteen char");
        assert(user->RunTask(module, "RunTask", stream, Finalize, &id) == S_OK);
        assert(id != 0 && id != last);
        last = id;
    }
    // Not wanted: no callback at all.
    assert(user->RunTask(module, "RunTask", Ask(new TGenericStream(), 'e', ""), NULL, &id) == S_OK);
    assert(user->WaitForCompletion() == S_OK);
    assert(finalized == 40);
    assert(TGenericStream::living == 0);
}

static void CheckFullQueue() {
    TGridUserSettings settings;
    DWORD id, start = GetTickCount();
    bool complete = false;
    finalized = 0;
    user->GetSettings(&settings);
    settings.maxQueqedTasks = 2;
    settings.allowSwapping = false;
    user->SetSettings(&settings);
    IGenericStream *waiting = Ask(new TGenericStream(), 'e', "thirteen char");
    for (int index = 0; index < 2; index++) {
        assert(user->RunTask(module, "RunTask", Ask(new TGenericStream(), 'w', NULL), NULL, &id)
               == S_OK);
    }
    assert(user->RunTask(module, "RunTask", waiting, Finalize, &id, false) == S_FALSE);
    assert(user->CancelTasks() == S_OK);
    assert(user->RunTask(module, "RunTask", waiting, Finalize, &id, false) == S_OK);
    for (int index = 0; index < 19; index++) {
        IGenericStream *stream = Ask(new TGenericStream(), 'e', "thirteen char");
        // The same stream again, until there is room for it.
        while (user->RunTask(module, "RunTask", stream, Finalize, &id, false) == S_FALSE) {
            assert(GetTickCount() - start < 60000);
            user->WaitForCompletionEvent(100);
            if (_kbhit()) _getch();
        }
    }
    while (user->IsComplete(&complete) == S_OK && !complete) user->WaitForCompletionEvent(100);
    assert(finalized == 20);
    assert(TGenericStream::living == 0);
    settings.maxQueqedTasks = 500;
    user->SetSettings(&settings);
}

static void CheckQueueOfResults() {
    DWORD id;
    InitializeCriticalSection(&cs);
    for (int index = 0; index < 10; index++) {
        IGenericStream *stream = Ask(CreateGenericStream(), 'f', NULL);
        assert(user->RunTask(module, "RunTask", stream, FinalizeQueue, &id) == S_OK);
    }
    assert(user->WaitForCompletion() == S_OK);
    assert(drawnCount == 10);
    while (drawnCount > 0) {
        IGenericStream *out = drawn[--drawnCount];
        assert(out->GetLength() == 5 && memcmp(out->GetBasePointer(), "extra", 5) == 0);
        assert(out->Release() == 0);
    }
    DeleteCriticalSection(&cs);
}

static void CheckData() {
    TGridUserConnectionStatus status;
    DWORD id, length = 8;
    finalized = 0;
    shared = CreateGenericStream();
    for (int index = 0; index < 50000; index++) shared->Write("geometry", 8);
    assert(user->CompressStream(shared) == S_OK && shared->GetLength() < 400000);
    const DWORD packed = shared->GetLength();
    assert(user->CompressStream(shared) == S_OK && shared->GetLength() == packed);
    user->BindGetDataCallback(GetData);
    for (int index = 0; index < 5; index++) {
        IGenericStream *stream = Ask(CreateGenericStream(), 'd', NULL);
        stream->Write(&length, sizeof length);
        stream->Write("Geometry", length);
        assert(user->RunTask(module, "RunTask", stream, FinalizeLarge, &id) == S_OK);
    }
    assert(user->WaitForCompletion() == S_OK);
    assert(finalized == 5 && asked >= 1);
    assert(shared->Release() == 0);
    user->BindGetDataCallback(NULL);
    user->GetConnectionStatus(&status);
    assert(status.connectedAgentsCount == 1);
}

static void CheckCancel() {
    DWORD id;
    bool complete = false;
    finalized = 0;
    for (int index = 0; index < 10; index++) {
        IGenericStream *stream = Ask(new TGenericStream(), 'w', NULL);
        assert(user->RunTask(module, "RunTask", stream, Finalize, &id) == S_OK);
    }
    user->WaitForCompletionEvent(0);  // a signal may be left over
    assert(user->WaitForCompletionEvent(20) == S_FALSE);
    assert(user->CancelTasks() == S_OK);
    assert(user->IsComplete(&complete) == S_OK && complete);
    assert(TGenericStream::living == 0 && finalized == 0);
}

// The object looks for a grid in vain until it is told of one.
static void CheckCoordinator(const char *port) {
    TGridUserSettings settings, again;
    TGridUserConnectionStatus status;
    DWORD id;
    user->GetConnectionStatus(&status);
    assert(!status.bConnectedToCoordinator && status.connectedAgentsCount == 0);
    user->GetSettings(&settings);
    assert(settings.coordinator_ip[0] == 0);
    strcpy(settings.coordinator_ip, "127.0.0.1");
    settings.coordinator_port = (WORD)atoi(port);
    user->SetSettings(&settings);
    user->GetSettings(&again);
    assert(strcmp(again.coordinator_ip, "127.0.0.1") == 0);
    assert(again.coordinator_port == settings.coordinator_port);
    IGenericStream *stream = Ask(new TGenericStream(), 'e', "thirteen char");
    assert(user->RunTask(module, "RunTask", stream, Finalize, &id) == S_OK);
    assert(user->WaitForCompletion() == S_OK && finalized == 1);
    user->GetConnectionStatus(&status);
    assert(status.bConnectedToCoordinator && status.connectedAgentsCount == 1);
}

// With an argument: the settings alone, or the coordinator at this port of this computer.
int main(int argc, char **argv) {
    CheckLibrary();
    CheckObject();
    if (argc == 2 && atoi(argv[1]) != 0) CheckCoordinator(argv[1]);
    else CheckSettings();
    if (argc == 1) {
        CheckTasks();
        CheckFullQueue();
        CheckQueueOfResults();
        CheckData();
        CheckCancel();
    }
    assert(user->Release() == 0);
    printf("done\n");
    return 0;
}
