// grid_user.cpp: a caller of the original's interface, all of it.
#include <hxgrid/hxGridInterface.h>
#include <hxgrid/hxgrid.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "check.h"

static IGridUser *user;
static std::atomic<unsigned> finalized(0), bytes(0), asked(0), wrong(0);
static IGenericStream *kept;

static void HXG_CDECL Finalize(IGenericStream *out) {
    if (out->GetPos() != 0 || out->AddRef() != 2) wrong++;
    out->Release();
    bytes += out->GetLength();
    finalized++;
}

static void HXG_CDECL Keep(IGenericStream *out) {
    out->AddRef();
    kept = out;
}

static void HXG_CDECL GetData(const char *name, IGenericStream **out) {
    asked++;
    if (*out != NULL) wrong++;
    if (std::string(name) == "none") return;
    *out = CreateGenericStream();
    for (int index = 0; index < 1000; index++) (*out)->Write("geometry", 8);
    user->CompressStream(*out);
}

// A stream that the application implements itself. It counts that it is released once.
class OwnStream : public IGenericStream {
   public:
    explicit OwnStream(std::atomic<int> &living) : count_(1), pos_(0), living_(living) { living_++; }
    virtual ~OwnStream() { living_--; }
    HRESULT HXG_STDCALL QueryInterface(REFIID, void **) { return S_OK; }
    ULONG HXG_STDCALL AddRef() { return static_cast<ULONG>(++count_); }
    ULONG HXG_STDCALL Release() {
        const int left = --count_;
        if (left == 0) delete this;
        return static_cast<ULONG>(left);
    }
    DWORD HXG_STDCALL GetVersion() { return VERSION; }
    BYTE *HXG_STDCALL GetBasePointer() { return bytes_.empty() ? NULL : &bytes_[0]; }
    BYTE *HXG_STDCALL GetCurPointer() { return GetBasePointer() + pos_; }
    bool HXG_STDCALL isReadOnly() { return false; }
    DWORD HXG_STDCALL GetLength() { return static_cast<DWORD>(bytes_.size()); }
    void HXG_STDCALL Write(const void *data, DWORD count) {
        if (pos_ + count > bytes_.size()) bytes_.resize(pos_ + count);
        std::memcpy(&bytes_[pos_], data, count);
        pos_ += count;
    }
    DWORD HXG_STDCALL Read(void *, DWORD) { return 0; }
    void HXG_STDCALL Seek(DWORD pos) { pos_ = pos; }
    DWORD HXG_STDCALL GetPos() { return pos_; }
    void HXG_STDCALL Clear() { SetLength(0); }
    void HXG_STDCALL FastClear() { SetLength(0); }
    void HXG_STDCALL GrowToPos(int) { bytes_.resize(pos_); }
    void HXG_STDCALL Skip(DWORD count) { pos_ += count; }
    void HXG_STDCALL SetLength(DWORD length) { bytes_.resize(length); }
    void HXG_STDCALL Compact() {}

   private:
    std::atomic<int> count_;
    DWORD pos_;
    std::vector<BYTE> bytes_;
    std::atomic<int> &living_;
};

static IGenericStream *text(const char *what) {
    IGenericStream *stream = CreateGenericStream();
    stream->Write(what, static_cast<DWORD>(std::strlen(what)));
    return stream;
}

static void tasks() {
    DWORD id = 0;
    bool complete = false;
    CHECK(user->IsComplete(&complete) == S_OK && complete);
    for (int index = 0; index < 100; index++) {
        CHECK(user->RunTask("tasks.py", "echo", text("abc"), Finalize, &id) == S_OK);
        CHECK(id != 0);
    }
    CHECK(user->RunTask("tasks.py", "echo", text("abc"), NULL, &id) == S_OK);
    CHECK(user->WaitForCompletion() == S_OK);
    CHECK(finalized == 100 && bytes == 300 && wrong == 0);
    CHECK(user->RunTask("tasks.py", "echo", text("keep"), Keep, &id) == S_OK);
    CHECK(user->WaitForCompletion() == S_OK);
    CHECK(kept->GetLength() == 4 && std::memcmp(kept->GetBasePointer(), "keep", 4) == 0);
    CHECK(kept->Release() == 0);
    std::atomic<int> living(0);
    for (int index = 0; index < 10; index++) {
        IGenericStream *own = new OwnStream(living);
        own->Write("own", 3);
        CHECK(user->RunTask("tasks.py", "echo", own, Finalize, &id) == S_OK);
    }
    CHECK(user->WaitForCompletion() == S_OK);
    CHECK(finalized == 110 && bytes == 330 && living == 0);
}

static void failures() {
    DWORD id;
    bool complete = false;
    CHECK(user->RunTask("gone.dll", "Run", text(""), Finalize, &id) != S_OK);
    CHECK(user->RunTask("tasks.py", "fail", text(""), Finalize, &id) == S_OK);
    CHECK(user->WaitForCompletion() == S_FALSE);
    CHECK(user->IsComplete(&complete) == S_OK && complete);
    CHECK(user->WaitForCompletion() == S_OK);
    CHECK(finalized == 110);
}

static void full() {
    TGridUserSettings settings;
    DWORD id = 0;
    user->GetSettings(&settings);
    settings.maxQueqedTasks = 2;
    user->SetSettings(&settings);
    CHECK(user->RunTask("tasks.py", "endless", text(""), Finalize, &id) == S_OK);
    CHECK(user->RunTask("tasks.py", "endless", text(""), Finalize, &id) == S_OK);
    IGenericStream *again = text("again");
    for (int times = 0; times < 3; times++) {
        CHECK(user->RunTask("tasks.py", "echo", again, Finalize, &id, false) == S_FALSE);
        CHECK(again->GetLength() == 5);
    }
    user->WaitForCompletionEvent(0);  // tells of those that have ended before
    CHECK(user->WaitForCompletionEvent(20) == S_FALSE);
    CHECK(user->CancelTasks() == S_OK);
    CHECK(user->RunTask("tasks.py", "echo", again, Finalize, &id, false) == S_OK);
    CHECK(user->WaitForCompletionEvent(30000) == S_OK);
    CHECK(user->WaitForCompletion() == S_OK && finalized == 111);
}

static void data() {
    DWORD id;
    user->BindGetDataCallback(GetData);
    finalized = bytes = 0;
    CHECK(user->RunTask("tasks.py", "data", text("name, 100% \"quoted\""), Finalize, &id) == S_OK);
    CHECK(user->WaitForCompletion() == S_OK);
    CHECK(finalized == 1 && bytes == 8000 && asked == 1 && wrong == 0);
    IGenericStream *stream = text("");
    for (int index = 0; index < 1000; index++) stream->Write("compress", 8);
    CHECK(user->CompressStream(stream) == S_OK && stream->GetLength() < 1000);
    const DWORD packed = stream->GetLength();
    CHECK(user->CompressStream(stream) == S_OK && stream->GetLength() == packed);
    CHECK(user->RunTask("tasks.py", "echo", stream, Finalize, &id) == S_OK);
    CHECK(user->WaitForCompletion() == S_OK && bytes == 16000);
}

static void settings() {
    TGridUserSettings first, second;
    TGridUserConnectionStatus status;
    user->GetSettings(&first);
    user->SetSettings(&first);
    user->GetSettings(&second);
    CHECK(std::memcmp(&first, &second, 62) == 0);
    first.maxSendAheadTasks = 3;
    first.maxQueqedTasks = 77;
    first.userMaxMemoryUsage = 123456789;
    first.agentMinFreeMemory = 1000000;
    first.agentMinFreeMemoryFactor = 2.25f;
    first.sendDublicateTasks = false;
    first.allowSwapping = false;
    first.compressThreshold = 1000;
    first.user_data_port = 5103;
    first.agent_lobby_port = 5102;
    first.user_broadcast_port = 5106;
    first.failSuspendTimeout = 2500;
    user->SetSettings(&first);
    user->GetSettings(&second);
    CHECK(std::memcmp(&first, &second, 62) == 0);
    user->GetConnectionStatus(&status);
    CHECK(status.connectedAgentsCount == 1);
}

static void counts() {
    std::vector<std::thread> threads;
    for (int index = 0; index < 8; index++) {
        threads.emplace_back([] {
            for (int times = 0; times < 1000000; times++) {
                user->AddRef();
                user->Release();
            }
        });
    }
    for (std::thread &thread : threads) thread.join();
    CHECK(user->AddRef() == 2);
    CHECK(user->Release() == 1);
}

// Users that are released before their bridge can have opened anything.
static void brief(int rounds) {
    for (int round = 0; round < rounds; round++) {
        user = CreateGridUserObject(IGridUser::VERSION);
        CHECK(user != NULL);
        std::this_thread::sleep_for(std::chrono::milliseconds(5 * round));
        CHECK(user->Release() == 0);
    }
}

static void released() {
    const auto began = std::chrono::steady_clock::now();
    CHECK(user->Release() == 0);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::printf("released in %.3f s\n", took.count());
}

int main(int argc, char **argv) {
    DWORD version = 0;
    void *object = NULL;
    if (argc > 1) {
        brief(std::atoi(argv[1]));
        return 0;
    }
    CHECK(CreateGridUserObject(1) == NULL);
    user = CreateGridUserObject(IGridUser::VERSION);
    CHECK(user != NULL);
    CHECK(user->GetVersion(&version) == S_OK && version == IGridUser::VERSION);
    CHECK(user->QueryInterface(IGenericStream::iid(), &object) == E_NOINTERFACE);
    IGridUser *second = CreateGridUserObject(IGridUser::VERSION);
    CHECK(second != NULL && second != user);
    CHECK(second->Release() == 0);
    tasks();
    failures();
    full();
    data();
    settings();
    counts();
    released();
    user = CreateGridUserObject(IGridUser::VERSION);
    CHECK(user != NULL);
    user->BindGetDataCallback(GetData);
    asked = 0;
    for (int index = 0; index < 10; index++) {
        CHECK(user->RunTask("tasks.py", "hold", text(""), Finalize, &version) == S_OK);
    }
    while (asked == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    CHECK(user->CancelTasks() == S_OK);  // else it would wait for them, as the original's did
    released();
    return 0;
}
