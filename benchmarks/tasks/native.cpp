// What the native benchmarks run.
#include <hxgrid/task.hpp>

#include <chrono>
#include <cstdint>

namespace {

typedef std::chrono::steady_clock Clock;

double seconds_since(Clock::time_point began) {
    return std::chrono::duration<double>(Clock::now() - began).count();
}

struct Base {
    virtual long HXG_STDCALL answer(DWORD) = 0;
};

struct Empty : Base {
    long HXG_STDCALL answer(DWORD) override { return 0; }
};

// About 100 microseconds of work that no compiler can leave out.
std::uint64_t work(std::uint64_t state) {
    for (int round = 0; round < 40000; round++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    return state;
}

}  // namespace

HXGRID_TASK(Nothing, task) { (void)task; }

// Nanoseconds of a virtual call that does nothing, and of a question: a million each.
HXGRID_TASK(Questions, task) {
    const int times = 1000000;
    Empty object;
    Base *volatile hidden = &object;
    Base *base = hidden;
    long sum = 0;
    auto began = Clock::now();
    for (int index = 0; index < times; index++) {
        sum += base->answer(task.session_id);
        asm volatile("" : "+r"(base));
    }
    task.out.write(seconds_since(began) / times * 1e9);
    began = Clock::now();
    for (int index = 0; index < times; index++) sum += task.agent->TestConnection(task.session_id);
    task.out.write(seconds_since(began) / times * 1e9);
    if (sum != 0) throw std::runtime_error("a question was answered with no");
}

// Seconds of the same work without and with a question after every 100 microseconds.
HXGRID_TASK(TenKilohertz, task) {
    std::uint64_t state = 1;
    for (int with_questions = 0; with_questions < 2; with_questions++) {
        const auto began = Clock::now();
        for (int index = 0; index < 5000; index++) {
            state = work(state);
            if (with_questions) task.check();
        }
        task.out.write(seconds_since(began));
    }
    if (state == 0) throw std::runtime_error("cannot be");
}

// As many rounds of work as the input says.
HXGRID_TASK(Compute, task) {
    std::uint64_t state = 1;
    for (auto left = task.in.read<std::uint32_t>(); left != 0; left--) {
        state = work(state);
        task.check();
    }
    task.out.write(state);
}

// Seconds until the data are there, and until every page of them has been read.
HXGRID_TASK(ReadData, task) {
    const auto began = Clock::now();
    hxgrid::Data data = task.get_data("data");
    const double there = seconds_since(began);
    std::uint64_t sum = 0;
    for (std::uint32_t at = 0; at < data.size(); at += 4096) sum += data.data()[at];
    task.out.write(there);
    task.out.write(seconds_since(began));
    task.out.write(sum);
}
