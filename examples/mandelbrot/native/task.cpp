// The task as hxGrid's native modules have it: the same streams as mb_task.py, and the same bytes.
//
// The reference of a picture is asked for once a process and used where it lies; only that of the
// newest picture is kept.
#include <hxgrid/task.hpp>

#include "mandelbrot.h"
#include "request.h"

namespace {

hxgrid::PerSession<hxgrid::SharedData> references;

std::shared_ptr<const hxgrid::SharedData> reference_of(const hxgrid::Task &task,
                                                       const std::string &name) {
    if (name.empty()) return nullptr;
    return references.get(task, name, [&] { return task.get_data(name); });
}

void check(const char *message) {
    if (message != nullptr) throw std::runtime_error(message);
}

std::int32_t may_go_on(void *task) { return static_cast<hxgrid::Task *>(task)->is_wanted(); }

}  // namespace

HXGRID_TASK(RunTask, task) {
    const mandelbrot::Request request = mandelbrot::parse(task.in.data(), task.in.size());
    const std::shared_ptr<const hxgrid::SharedData> reference =
        reference_of(task, request.reference);
    // As u32, so that counts, norms and steps lie where their types want them.
    std::vector<std::uint32_t> answer(static_cast<std::size_t>(request.answer_bytes() / 4));
    std::uint8_t *bytes = reinterpret_cast<std::uint8_t *>(answer.data());
    std::int32_t is_stopped = 0;
    check(mb_compute(task.in.data(), task.in.size(), reference ? reference->data() : nullptr,
                     reference ? reference->size() : 0, bytes, answer.size() * 4, may_go_on, &task,
                     &is_stopped));
    if (is_stopped) throw hxgrid::Cancelled();
    task.out.write_bytes(bytes, answer.size() * 4);
}

extern "C" HXG_EXPORT void HXG_CDECL EndSession(IAgent *, DWORD session_id) {
    references.end(session_id);
}
