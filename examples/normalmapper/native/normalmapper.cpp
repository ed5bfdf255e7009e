// The functions of normalmapper.h: checks what comes from outside and keeps exceptions in.

#include "normalmapper.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "render.h"
#include "scene.h"
#include "tangents.h"
#include "tree.h"

namespace nm {

const char MAGIC[8] = {'N', 'M', 'S', 'C', 'E', 'N', 'E', '1'};

namespace {

const std::uint64_t ALIGNMENT = 64;
const std::uint64_t MOST_TRIANGLES = 1u << 28;
const std::uint32_t LARGEST_SIZE = 65536;
const char *const NO_MEMORY = "there is not enough memory for this scene";
const char *const BROKEN = "these bytes are no scene, or of another version";

std::uint64_t aligned(std::uint64_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

// Lays parts one behind the other: first counts, then copies.
class Layout {
   public:
    Layout() : bytes_(aligned(sizeof(Header))) {}

    template <typename T>
    Part add(const T *items, std::uint64_t count) {
        const Part part = {bytes_, count};
        pieces_.push_back({items, bytes_, count * sizeof(T)});
        bytes_ = aligned(bytes_ + count * sizeof(T));
        return part;
    }

    std::uint8_t *write(Header header) const {
        header.byte_count = bytes_;
        std::uint8_t *bytes = static_cast<std::uint8_t *>(std::calloc(1, bytes_));
        if (bytes == nullptr) return nullptr;
        std::memcpy(bytes, &header, sizeof header);
        for (const Piece &piece : pieces_) {
            if (piece.bytes != 0) std::memcpy(bytes + piece.offset, piece.items, piece.bytes);
        }
        return bytes;
    }

    std::uint64_t byte_count() const { return bytes_; }

   private:
    struct Piece {
        const void *items;
        std::uint64_t offset, bytes;
    };

    std::uint64_t bytes_;
    std::vector<Piece> pieces_;
};

double extent_of(const Triangle *triangles, std::uint64_t count) {
    double extent = 0;
    for (std::uint64_t index = 0; index < count; index++) {
        for (const auto &position : triangles[index].position) {
            for (const float value : position) extent = std::max(extent, std::fabs(double(value)));
        }
    }
    return extent;
}

bool is_finite(const Triangle *triangles, std::uint64_t count) {
    const float *values = reinterpret_cast<const float *>(triangles);
    return std::all_of(values, values + count * 24, [](float value) { return std::isfinite(value); });
}

const char *check(const nm_input &input) {
    if (input.low_count < 1 || input.high_count < 1) return "a mesh has no triangles";
    if (std::max(input.low_count, input.high_count) > MOST_TRIANGLES) {
        return "a mesh has more than 268435456 triangles";
    }
    if (input.sample_count < 1) return "at least one sample a texel is needed";
    const bool needs_rays = input.settings.has_occlusion || input.settings.has_bent;
    if (needs_rays && input.ray_count < 1) return "occlusion needs rays";
    return nullptr;
}

const char *build(const nm_input &input, std::uint8_t **scene, std::uint64_t *scene_bytes) {
    const char *error = check(input);
    if (error != nullptr) return error;
    const Triangle *low = reinterpret_cast<const Triangle *>(input.low);
    const Triangle *high = reinterpret_cast<const Triangle *>(input.high);
    if (!is_finite(low, input.low_count) || !is_finite(high, input.high_count)) {
        return "a mesh has a coordinate that is no number";
    }
    std::vector<Corner> low_corners(static_cast<std::size_t>(input.low_count * 3)), high_corners;
    make_corners(low, input.low_count, low_corners.data());
    if (input.relief != nullptr) {
        high_corners.resize(static_cast<std::size_t>(input.high_count * 3));
        make_corners(high, input.high_count, high_corners.data());
    }
    std::vector<Node> nodes;
    std::vector<Group> groups;
    build_tree(high, input.high_count, &nodes, &groups);

    Header header = {};
    std::memcpy(header.magic, MAGIC, sizeof MAGIC);
    header.settings = input.settings;
    header.extent = extent_of(high, input.high_count);
    header.relief_width = input.relief_width;
    header.relief_height = input.relief_height;
    const std::uint64_t relief_floats = static_cast<std::uint64_t>(input.relief_width)
                                        * input.relief_height * 3;
    Layout layout;
    header.low = layout.add(low, input.low_count);
    header.low_corners = layout.add(low_corners.data(), low_corners.size());
    header.high = layout.add(high, input.high_count);
    header.high_corners = layout.add(high_corners.data(), high_corners.size());
    header.nodes = layout.add(nodes.data(), nodes.size());
    header.groups = layout.add(groups.data(), groups.size());
    header.samples = layout.add(reinterpret_cast<const Sample *>(input.samples), input.sample_count);
    header.rays = layout.add(reinterpret_cast<const Ray *>(input.rays), input.ray_count);
    header.relief = layout.add(input.relief, input.relief == nullptr ? 0 : relief_floats);
    *scene = layout.write(header);
    *scene_bytes = layout.byte_count();
    return *scene == nullptr ? NO_MEMORY : nullptr;
}

bool fits(const Part &part, std::uint64_t size, std::uint64_t byte_count) {
    return part.offset % ALIGNMENT == 0 && part.offset <= byte_count
           && part.count <= (byte_count - part.offset) / size;
}

bool is_scene(const std::uint8_t *bytes, std::uint64_t byte_count) {
    if (bytes == nullptr || byte_count < sizeof(Header)) return false;
    const Header &header = *reinterpret_cast<const Header *>(bytes);
    if (std::memcmp(header.magic, MAGIC, sizeof MAGIC) != 0) return false;
    const std::uint64_t relief_floats = static_cast<std::uint64_t>(header.relief_width)
                                        * header.relief_height * 3;
    return header.byte_count == byte_count && fits(header.low, sizeof(Triangle), byte_count)
           && fits(header.low_corners, sizeof(Corner), byte_count)
           && header.low_corners.count == header.low.count * 3
           && fits(header.high, sizeof(Triangle), byte_count)
           && fits(header.high_corners, sizeof(Corner), byte_count)
           && fits(header.nodes, sizeof(Node), byte_count) && header.nodes.count > 0
           && fits(header.groups, sizeof(Group), byte_count)
           && fits(header.samples, sizeof(Sample), byte_count)
           && fits(header.rays, sizeof(Ray), byte_count)
           && fits(header.relief, sizeof(float), byte_count)
           && (header.relief.count == 0
               || (header.relief.count == relief_floats
                   && header.high_corners.count == header.high.count * 3));
}

const char *check_tiles(std::uint32_t width, std::uint32_t height, const nm_tile *tiles,
                        std::uint64_t tile_count) {
    if (width < 1 || height < 1 || width > LARGEST_SIZE || height > LARGEST_SIZE) {
        return "a picture has between 1 and 65536 texels each way";
    }
    for (std::uint64_t index = 0; index < tile_count; index++) {
        const nm_tile &tile = tiles[index];
        if (tile.x0 >= tile.x1 || tile.y0 >= tile.y1 || tile.x1 > width || tile.y1 > height) {
            return "a tile lies outside the picture";
        }
    }
    return nullptr;
}

class CallbackWatch final : public Watch {
   public:
    CallbackWatch(nm_go_on go_on, void *user_data) : go_on_(go_on), user_data_(user_data) {}
    bool may_go_on() override { return go_on_ == nullptr || go_on_(user_data_) != 0; }

   private:
    nm_go_on go_on_;
    void *user_data_;
};

std::uint64_t texels_of(const nm_tile &tile) {
    return static_cast<std::uint64_t>(tile.x1 - tile.x0) * (tile.y1 - tile.y0);
}

}  // namespace
}  // namespace nm

using namespace nm;

const char *nm_build_scene(const nm_input *input, uint8_t **scene, uint64_t *scene_bytes) {
    try {
        return build(*input, scene, scene_bytes);
    } catch (const std::exception &) {
        return NO_MEMORY;
    }
}

void nm_free(uint8_t *scene) { std::free(scene); }

const char *nm_check_scene(const uint8_t *scene, uint64_t scene_bytes) {
    return is_scene(scene, scene_bytes) ? nullptr : BROKEN;
}

uint32_t nm_channels(const uint8_t *scene) { return Scene(scene).channels(); }

const char *nm_plan(const uint8_t *scene, uint64_t scene_bytes, uint32_t width, uint32_t height,
                    const nm_tile *tiles, uint64_t tile_count, double *costs) {
    if (!is_scene(scene, scene_bytes)) return BROKEN;
    const char *error = check_tiles(width, height, tiles, tile_count);
    if (error != nullptr) return error;
    const Scene parts(scene);
    for (uint64_t index = 0; index < tile_count; index++) {
        costs[index] = expected_cost(parts, width, height, tiles[index]);
    }
    return nullptr;
}

const char *nm_render(const uint8_t *scene, uint64_t scene_bytes, uint32_t width, uint32_t height,
                      const nm_tile *tiles, uint64_t tile_count, float *out, uint64_t out_count,
                      nm_go_on go_on, void *user_data, int32_t *is_stopped) {
    *is_stopped = 0;
    if (!is_scene(scene, scene_bytes)) return BROKEN;
    const char *error = check_tiles(width, height, tiles, tile_count);
    if (error != nullptr) return error;
    const Scene parts(scene);
    uint64_t needed = 0;
    for (uint64_t index = 0; index < tile_count; index++) needed += texels_of(tiles[index]);
    if (needed * parts.channels() != out_count) return "the output is not of the size of the tiles";
    CallbackWatch watch(go_on, user_data);
    try {
        for (uint64_t index = 0; index < tile_count; index++) {
            if (!watch.may_go_on() || !render(parts, width, height, tiles[index], out, &watch)) {
                *is_stopped = 1;
                return nullptr;
            }
            out += texels_of(tiles[index]) * parts.channels();
        }
    } catch (const std::exception &) {
        return NO_MEMORY;
    }
    return nullptr;
}

const char *nm_tangents(const float *triangles, uint64_t count, double *out) {
    try {
        make_corners(reinterpret_cast<const Triangle *>(triangles), count,
                     reinterpret_cast<Corner *>(out));
    } catch (const std::exception &) {
        return NO_MEMORY;
    }
    return nullptr;
}
