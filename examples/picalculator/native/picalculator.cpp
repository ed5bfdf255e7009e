// picalculator.cpp: computes digits of pi on the grid, as a native application.
//
//     picalculator DIGITS [--progress] [--task MODULE] [--function NAME]
//
// DIGITS is rounded up to a multiple of nine: each task gives nine. Without --progress every task is
// queued, waiting for room where the queue is full, and then the end is awaited. With it nothing
// waits for long: the program stays awake for showing how far it is, and for Ctrl-C, which cancels.
//
// It speaks to the grid by the interface that the original published; hxgrid.hpp is the more
// comfortable one.
#include <hxgrid/hxGridInterface.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

const DWORD DIGITS_PER_BLOCK = 9;
const DWORD LAST_POSITION = 480000;  // of the task
const DWORD LOOK_EVERY_MS = 100;

struct Wish {
    DWORD digits;
    bool shows_progress;
    const char *module;
    const char *function;
};

// What comes back is put in its place by the library's threads; each block has a place of its own.
std::string found;
std::atomic<DWORD> blocks_done(0);
volatile std::sig_atomic_t is_cancelled = 0;

extern "C" void cancel_by_key(int) { is_cancelled = 1; }

void HXG_CDECL place_block(IGenericStream *out) {
    DWORD position = 0;
    char block[DIGITS_PER_BLOCK];
    if (out->Read(&position, sizeof position) != sizeof position) return;
    if (out->Read(block, sizeof block) != sizeof block) return;
    if (position < 1 || position - 1 + sizeof block > found.size()) return;
    std::memcpy(&found[position - 1], block, sizeof block);
    blocks_done++;
}

IGenericStream *input_of(DWORD position) {
    IGenericStream *stream = CreateGenericStream();
    stream->Write(&position, sizeof position);
    return stream;
}

void show(IGridUser *user) {
    TGridUserConnectionStatus status;
    user->GetConnectionStatus(&status);
    const DWORD done = blocks_done * DIGITS_PER_BLOCK;
    std::fprintf(stderr, "\r%u of %u digits, %u agents ", static_cast<unsigned>(done),
                 static_cast<unsigned>(found.size()),
                 static_cast<unsigned>(status.connectedAgentsCount));
    std::fflush(stderr);
}

// The simple way: queue everything, then wait. False: something failed, and has been told.
bool compute(IGridUser *user, const Wish &wish) {
    for (DWORD position = 1; position <= wish.digits; position += DIGITS_PER_BLOCK) {
        IGenericStream *stream = input_of(position);
        DWORD task;
        if (user->RunTask(wish.module, wish.function, stream, place_block, &task) != S_OK) {
            stream->Release();
            return false;
        }
        // The library has taken the stream over.
    }
    return user->WaitForCompletion() == S_OK;
}

// The way of programs with a window: no call waits for longer than a tenth of a second.
bool compute_awake(IGridUser *user, const Wish &wish) {
    IGenericStream *stream = NULL;
    DWORD position = 1;
    bool is_complete = false;
    while (position <= wish.digits && !is_cancelled) {
        DWORD task;
        if (stream == NULL) stream = input_of(position);
        const HRESULT result =
            user->RunTask(wish.module, wish.function, stream, place_block, &task, false);
        if (result == S_OK) {
            stream = NULL;
            position += DIGITS_PER_BLOCK;
        } else if (result == S_FALSE) {
            // The queue is full, and the stream is still ours: it is for the next try.
            user->WaitForCompletionEvent(LOOK_EVERY_MS);
            show(user);
        } else {
            is_cancelled = 1;
        }
    }
    if (stream != NULL) stream->Release();
    while (!is_cancelled && user->IsComplete(&is_complete) == S_OK && !is_complete) {
        show(user);
        user->WaitForCompletionEvent(LOOK_EVERY_MS);
    }
    if (is_cancelled) user->CancelTasks();
    show(user);
    std::fputc('\n', stderr);
    return user->WaitForCompletion() == S_OK && !is_cancelled;
}

bool understand(int count, char **arguments, Wish &wish) {
    for (int index = 1; index < count; index++) {
        const std::string argument = arguments[index];
        char *end = NULL;
        if (argument == "--progress") {
            wish.shows_progress = true;
        } else if (argument == "--task" && index + 1 < count) {
            wish.module = arguments[++index];
        } else if (argument == "--function" && index + 1 < count) {
            wish.function = arguments[++index];
        } else {
            const unsigned long digits = std::strtoul(arguments[index], &end, 10);
            if (wish.digits != 0 || *end != '\0' || digits < 1 || digits >= LAST_POSITION) {
                return false;
            }
            wish.digits = static_cast<DWORD>(digits);
        }
    }
    return wish.digits != 0;
}

}  // namespace

int main(int count, char **arguments) {
    // The file for each agent's system is found by this one name.
    Wish wish = {0, false, "pi_task_cpp.dll", "RunTask"};
    if (!understand(count, arguments, wish)) {
        std::fprintf(stderr, "picalculator DIGITS [--progress] [--task MODULE] [--function NAME]\n"
                             "DIGITS are between 1 and %u\n", static_cast<unsigned>(LAST_POSITION));
        return 2;
    }
    wish.digits = (wish.digits + DIGITS_PER_BLOCK - 1) / DIGITS_PER_BLOCK * DIGITS_PER_BLOCK;
    found.assign(wish.digits, '?');
    const auto began = std::chrono::steady_clock::now();
    IGridUser *user = CreateGridUserObject(IGridUser::VERSION);
    if (user == NULL) return 1;  // the library has said why
    if (wish.shows_progress) std::signal(SIGINT, cancel_by_key);
    const bool is_good = wish.shows_progress ? compute_awake(user, wish) : compute(user, wish);
    user->Release();
    if (!is_good) {
        std::fprintf(stderr, is_cancelled ? "cancelled\n" : "some digits could not be computed\n");
        return 1;
    }
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
    std::printf("PI=3.%s\n%.0f ms\n", found.c_str(), took.count());
    return 0;
}
