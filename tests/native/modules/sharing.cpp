// Tasks that share what is made once a session: hxgrid::PerSession of task.hpp.
#include <hxgrid/task.hpp>

#include <atomic>
#include <cstdint>
#include <string>

namespace {

std::atomic<std::uint32_t> made_count(0);

// Global data, and the how many-th that was made of any in this process.
struct Numbered {
    explicit Numbered(hxgrid::Data &&owned) : data(std::move(owned)), number(++made_count) {}

    hxgrid::SharedData data;
    std::uint32_t number;
};

hxgrid::PerSession<Numbered> shared, by_name;

void answer(hxgrid::Task &task, const Numbered &one) {
    task.out.write(one.number);
    task.out.write_bytes(one.data.data(), one.data.size());
}

std::string text_of(hxgrid::Stream &in) {
    return std::string(reinterpret_cast<const char *>(in.data()), in.size());
}

}  // namespace

// The input is the name of the data.
HXGRID_TASK(Share, task) {
    answer(task, *shared.get(task, [&] { return task.get_data(text_of(task.in)); }));
}

HXGRID_TASK(ShareByName, task) {
    const std::string name = text_of(task.in);
    answer(task, *by_name.get(task, name, [&] { return task.get_data(name); }));
}

// What it has stays with it, although the session ends meanwhile and the next one has it anew.
HXGRID_TASK(KeepsOverTheEnd, task) {
    const auto make = [&] { return task.get_data(text_of(task.in)); };
    const auto before = shared.get(task, make);
    shared.end(task.session_id);
    const auto after = shared.get(task, make);
    answer(task, *before);
    answer(task, *after);
}

extern "C" HXG_EXPORT void HXG_CDECL EndSession(IAgent *, DWORD session_id) {
    shared.end(session_id);
    by_name.end(session_id);
}
