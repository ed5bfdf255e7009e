// The task as hxGrid's native modules have it: the same streams as nm_task.py, and the same bytes.
//
// It makes the library a task module of its own, which needs no Python package where it runs. The
// first task of a session asks for the scene, which is used where it lies; those that come meanwhile
// wait for that one, but no longer than they are wanted. No lock is held while anybody asks.

#include <hxgrid/task.hpp>

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>

#include "normalmapper.h"

namespace {

const char *const SCENE = "normalmapper/scene";
const std::chrono::milliseconds LOOK_UP(50);  // how often a waiting task looks if it is wanted

// The scene of a session. A stream is for one thread at a time, so its place is looked up once.
struct Scene {
    explicit Scene(hxgrid::Data &&its_data)
        : data(std::move(its_data)), bytes(data.data()), size(data.size()) {}

    hxgrid::Data data;
    const std::uint8_t *bytes;
    std::uint64_t size;
};

std::mutex scenes_mutex;
std::condition_variable scenes_changed;
// What is there, by session; NULL while a task asks for it.
std::map<DWORD, std::shared_ptr<const Scene>> scenes;

// Asks, for all who wait. Only what is there is kept: after a failure the next task asks again.
std::shared_ptr<const Scene> ask(const hxgrid::Task &task) {
    std::shared_ptr<const Scene> scene;
    try {
        scene = std::make_shared<const Scene>(task.get_data(SCENE));
    } catch (...) {
        std::lock_guard<std::mutex> guard(scenes_mutex);
        scenes.erase(task.session_id);
        scenes_changed.notify_all();
        throw;
    }
    std::lock_guard<std::mutex> guard(scenes_mutex);
    scenes[task.session_id] = scene;
    scenes_changed.notify_all();
    return scene;
}

std::shared_ptr<const Scene> scene_of(const hxgrid::Task &task) {
    std::unique_lock<std::mutex> lock(scenes_mutex);
    for (;;) {
        const auto found = scenes.emplace(task.session_id, nullptr);
        if (found.second) break;
        if (found.first->second) return found.first->second;
        scenes_changed.wait_for(lock, LOOK_UP);
        lock.unlock();
        task.check();
        lock.lock();
    }
    lock.unlock();
    return ask(task);
}

void check(const char *message) {
    if (message != nullptr) throw std::runtime_error(message);
}

std::int32_t may_go_on(void *task) { return static_cast<hxgrid::Task *>(task)->is_wanted(); }

}  // namespace

HXGRID_TASK(RunTask, task) {
    const std::uint32_t width = task.in.read<std::uint32_t>(), height = task.in.read<std::uint32_t>();
    const std::vector<nm_tile> tiles = task.in.read_vector<nm_tile>();
    const std::shared_ptr<const Scene> scene = scene_of(task);
    const std::uint8_t *bytes = scene->bytes;
    check(nm_check_scene(bytes, scene->size));
    std::uint64_t count = 0;
    for (const nm_tile &tile : tiles) {
        count += static_cast<std::uint64_t>(tile.x1 - tile.x0) * (tile.y1 - tile.y0);
    }
    std::vector<float> out(static_cast<std::size_t>(count * nm_channels(bytes)));
    std::int32_t is_stopped = 0;
    check(nm_render(bytes, scene->size, width, height, tiles.data(), tiles.size(), out.data(),
                    out.size(), may_go_on, &task, &is_stopped));
    if (is_stopped) throw hxgrid::Cancelled();
    task.out.write_bytes(out.data(), out.size() * sizeof(float));
}

extern "C" HXG_EXPORT void HXG_CDECL EndSession(IAgent *, DWORD session_id) {
    std::lock_guard<std::mutex> guard(scenes_mutex);
    scenes.erase(session_id);
}
