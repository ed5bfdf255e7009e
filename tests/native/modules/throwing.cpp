// Tasks in C++ for the tests: through task.hpp, and one that throws across its border.
#include <hxgrid/task.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>

namespace {

struct Noisy {
    thread_local static int uses;
    int value = 41;
};

thread_local int Noisy::uses = 0;
thread_local Noisy noisy;

}  // namespace

HXGRID_TASK(Everything, task) {
    const auto number = task.in.read<std::uint32_t>();
    const auto text = task.in.read_string();
    const auto values = task.in.read_vector<double>();
    hxgrid::GlobalLock lock(task);
    const hxgrid::Data data = task.get_data("data");
    hxgrid::Stream view(data.raw());
    task.free_cached_data("data");
    task.check();
    double sum = 0;
    for (const double value : values) sum += value;
    task.out.write(number + view.read<std::uint32_t>());
    task.out.write_string(text + "|" + task.cache_directory());
    task.out.write(sum);
    task.out.write_vector(values);
}

HXGRID_TASK(Throws, task) {
    task.out.write(1);
    throw std::runtime_error("something went wrong");
}

HXGRID_TASK(ThrowsOddly, task) {
    (void)task;
    throw 5;
}

HXGRID_TASK(ReadsTooMuch, task) { task.out.write(task.in.read<std::uint64_t>()); }

HXGRID_TASK(WantsWhatIsNotThere, task) { task.get_data("nothing"); }

HXGRID_TASK(RunsUntilStopped, task) {
    for (;;) task.check();
}

HXGRID_TASK(UsesThreadLocals, task) {
    Noisy::uses += 1;
    task.out.write(noisy.value + Noisy::uses);
}

extern "C" HXG_EXPORT bool HXG_CDECL LetsOneOut(IAgent *, DWORD, IGenericStream *,
                                                IGenericStream *) {
    throw std::runtime_error("nobody catches this");
}
