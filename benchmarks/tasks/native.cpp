// What the native benchmarks run.
#include <hxgrid/task.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

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

// About 100 microseconds of work that reads and writes memory all over a table.
std::uint64_t work_in(std::vector<std::uint64_t> &table, std::uint64_t state) {
    for (int round = 0; round < 15000; round++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state += table[state % table.size()]++;
    }
    return state;
}

double median_of(std::vector<double> &values) {
    std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
    return values[values.size() / 2];
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

// Microseconds of a piece of work; nanoseconds from one look at the clock to the next after it, and
// the same with a question in between. Medians of thousands, by turns.
HXGRID_TASK(TenKilohertz, task) {
    std::vector<std::uint64_t> table(1 << 16, 1); // more than the nearest cache holds
    std::vector<double> works, looks, asks;
    std::uint64_t state = 1;
    for (int index = 0; index < 4000; index++) {
        const auto began = Clock::now();
        state = work_in(table, state);
        works.push_back(seconds_since(began) * 1e6);
        const auto before = Clock::now();
        if (index % 2 != 0) task.check();
        (index % 2 != 0 ? asks : looks).push_back(seconds_since(before) * 1e9);
    }
    for (std::vector<double> *each : {&works, &looks, &asks}) task.out.write(median_of(*each));
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
