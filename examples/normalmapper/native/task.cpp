// The task as hxGrid's native modules have it: the same streams as nm_task.py, and the same bytes.
//
// It makes the library a task module of its own, which needs no Python package where it runs. The
// scene is asked for once a session and used where it lies.
#include <hxgrid/task.hpp>

#include "normalmapper.h"

namespace {

const char *const SCENE = "normalmapper/scene";

hxgrid::PerSession<hxgrid::SharedData> scenes;

void check(const char *message) {
    if (message != nullptr) throw std::runtime_error(message);
}

std::int32_t may_go_on(void *task) { return static_cast<hxgrid::Task *>(task)->is_wanted(); }

}  // namespace

HXGRID_TASK(RunTask, task) {
    const std::uint32_t width = task.in.read<std::uint32_t>(), height = task.in.read<std::uint32_t>();
    const std::vector<nm_tile> tiles = task.in.read_vector<nm_tile>();
    const auto scene = scenes.get(task, [&] { return task.get_data(SCENE); });
    const std::uint8_t *bytes = scene->data();
    check(nm_check_scene(bytes, scene->size()));
    std::uint64_t count = 0;
    for (const nm_tile &tile : tiles) {
        count += static_cast<std::uint64_t>(tile.x1 - tile.x0) * (tile.y1 - tile.y0);
    }
    std::vector<float> out(static_cast<std::size_t>(count * nm_channels(bytes)));
    std::int32_t is_stopped = 0;
    check(nm_render(bytes, scene->size(), width, height, tiles.data(), tiles.size(), out.data(),
                    out.size(), may_go_on, &task, &is_stopped));
    if (is_stopped) throw hxgrid::Cancelled();
    task.out.write_bytes(out.data(), out.size() * sizeof(float));
}

extern "C" HXG_EXPORT void HXG_CDECL EndSession(IAgent *, DWORD session_id) {
    scenes.end(session_id);
}
