// hxgrid::PerSession from many threads at once, for sanitizers, valgrind and other systems.
//
//     sharing COUNT
//
// Each thread is a task over and over, of sessions that all of them share. Tasks make things and
// fail at it, wait and are cancelled meanwhile, want other names, and end sessions under the others.
// Every thing is looked at, and nothing is left behind.
#include <hxgrid/task.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace {

enum { THREADS = 8, SESSIONS = 3, NAMES = 2 };
const std::uint32_t CANARY = 0x5EAF00D;

void must(bool condition, const char *what) {
    if (condition) return;
    std::fprintf(stderr, "sharing: %s\n", what);
    std::exit(1);
}

#if defined(_WIN32)
typedef HANDLE Thread;
Thread start(DWORD(WINAPI *body)(void *), void *argument) {
    return CreateThread(nullptr, 0, body, argument, 0, nullptr);
}
void join(Thread thread) {
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}
void give_way() { Sleep(0); }
#define THREAD_BODY(name) DWORD WINAPI name(void *argument)
#define THREAD_END 0
#else
typedef pthread_t Thread;
Thread start(void *(*body)(void *), void *argument) {
    Thread thread;
    must(pthread_create(&thread, nullptr, body, argument) == 0, "a thread");
    return thread;
}
void join(Thread thread) { pthread_join(thread, nullptr); }
void give_way() { sched_yield(); }
#define THREAD_BODY(name) void *name(void *argument)
#define THREAD_END nullptr
#endif

std::atomic<int> living(0);
std::atomic<std::uint32_t> got(0), made(0), failed(0), cancelled(0);

struct Thing {
    Thing(DWORD its_session, std::uint32_t its_name)
        : session(its_session), name(its_name), canary(CANARY) {
        living++;
    }
    Thing(const Thing &other) : session(other.session), name(other.name), canary(other.canary) {
        living++;
    }
    ~Thing() {
        canary = 0;
        living--;
    }

    DWORD session;
    std::uint32_t name, canary;
};

struct Failure {};

hxgrid::PerSession<Thing> things, named;
std::atomic<int> makers[SESSIONS];  // of `things`, which nobody ends while others are at it

// The agent of one thread; its tasks are wanted for a while.
class Agent : public IAgent {
   public:
    explicit Agent(std::uint32_t seed) : state_(seed) {}

    std::uint32_t chance(std::uint32_t sides) {
        state_ = state_ * 1664525u + 1013904223u;
        return (state_ >> 8) % sides;
    }

    HRESULT HXG_STDCALL QueryInterface(REFIID, void **) override { return S_FALSE; }
    ULONG HXG_STDCALL AddRef() override { return 1; }
    ULONG HXG_STDCALL Release() override { return 1; }
    HRESULT HXG_STDCALL GetVersion(DWORD *) override { return S_FALSE; }
    HRESULT HXG_STDCALL GetData(DWORD, const char *, IGenericStream **) override { return S_FALSE; }
    HRESULT HXG_STDCALL FreeCachedData(DWORD, const char *) override { return S_FALSE; }
    HRESULT HXG_STDCALL TestConnection(DWORD) override { return chance(4) == 0 ? S_FALSE : S_OK; }
    HRESULT HXG_STDCALL GetSessionCacheDirectory(DWORD, char *) override { return S_FALSE; }
    HRESULT HXG_STDCALL GetGlobalCriticalSection(CRITICAL_SECTION **) override { return S_FALSE; }

   private:
    std::uint32_t state_;
};

Thing make(Agent &agent, DWORD session, std::uint32_t name) {
    for (std::uint32_t left = agent.chance(50); left != 0; left--) give_way();
    // Somebody else's lock would be in the way of this.
    things.end(SESSIONS + 1);
    if (agent.chance(3) == 0) throw Failure();
    made++;
    return Thing(session, name);
}

std::shared_ptr<const Thing> get_thing(const hxgrid::Task &task, Agent &agent) {
    const DWORD session = task.session_id;
    return things.get(task, [&]() -> Thing {
        struct Alone {
            explicit Alone(std::atomic<int> &count) : count_(count) {
                must(count_++ == 0, "two make one thing");
            }
            ~Alone() { count_--; }
            std::atomic<int> &count_;
        } alone(makers[session]);
        return make(agent, session, 0);
    });
}

std::shared_ptr<const Thing> get_named(const hxgrid::Task &task, Agent &agent, std::uint32_t name) {
    return named.get(task, std::string(1, static_cast<char>('a' + name)),
                     [&] { return make(agent, task.session_id, name); });
}

void run_one(Agent &agent) {
    const hxgrid::Task task(&agent, agent.chance(SESSIONS), nullptr, nullptr);
    const bool is_named = agent.chance(2) == 0;
    const std::uint32_t name = is_named ? agent.chance(NAMES) : 0;
    try {
        const auto thing = is_named ? get_named(task, agent, name) : get_thing(task, agent);
        if (agent.chance(8) == 0) named.end(task.session_id);
        give_way();
        must(thing->canary == CANARY, "a thing that is gone");
        must(thing->session == task.session_id && thing->name == name, "somebody else's thing");
        got++;
    } catch (const Failure &) {
        failed++;
    } catch (const hxgrid::Cancelled &) {
        cancelled++;
    }
}

struct Worker {
    std::uint32_t seed, count;
};

THREAD_BODY(work) {
    const Worker *worker = static_cast<const Worker *>(argument);
    Agent agent(worker->seed);
    for (std::uint32_t left = worker->count; left != 0; left--) run_one(agent);
    return THREAD_END;
}

void run_round(std::uint32_t seed, std::uint32_t count) {
    Worker workers[THREADS];
    Thread threads[THREADS];
    for (std::uint32_t index = 0; index < THREADS; index++) {
        workers[index].seed = seed * THREADS + index;
        workers[index].count = count;
        threads[index] = start(work, &workers[index]);
    }
    for (Thread thread : threads) join(thread);
    for (DWORD session = 0; session < SESSIONS; session++) {
        things.end(session);
        named.end(session);
        things.end(session);
    }
    must(living == 0, "something is left");
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    // What is kept is soon all that is wanted: so it begins anew now and then.
    const std::uint32_t count = static_cast<std::uint32_t>(std::atoi(argv[1])), each = 25;
    must(count % (each * THREADS) == 0, "a count of whole rounds");
    for (std::uint32_t round = 0; round * each * THREADS < count; round++) run_round(round, each);
    must(made > 0 && failed > 0 && cancelled > 0, "all that can happen");
    std::printf("%u tasks, %u made, %u failed, %u cancelled\n",
                unsigned(got + failed + cancelled), unsigned(made), unsigned(failed),
                unsigned(cancelled));
    return 0;
}
