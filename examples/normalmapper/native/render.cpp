// Every texel belongs to one tile, and a tile takes its triangles in the order of the mesh. So sums
// of floats are added in one order however the picture is cut into tiles and tasks, and whoever
// computes them.
//
// What a texel gets: the normals that its samples find, from every triangle that its samples lie in.
// Where there are none it takes what the triangles beside it find from their nearest edge.

#include "render.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "cast.h"
#include "raster.h"
#include "vec.h"

namespace nm {
namespace {

const std::uint64_t RAYS_BETWEEN_QUESTIONS = 1000;

struct Weights {
    double b[3];

    bool is_inside() const {
        for (const double value : b) {
            if (!(value >= 0 && value <= 1)) return false;
        }
        return true;
    }
};

// Moves a point outside the triangle to its edge, more or less: as the original does it, including
// that the second weight, when it is too great, changes the first in its place.
void snap(Weights *weights) {
    double *b = weights->b;
    for (int index = 0; index < 3; index++) {
        const int next = index == 0 ? 1 : 0, last = index == 2 ? 1 : 2;
        if (b[index] > 1) {
            const double excess = b[index] - 1;
            b[index == 1 ? 0 : index] = 1;
            b[next] += excess / 2;
            b[last] += excess / 2;
        }
        if (b[index] < 0) {
            b[next] += b[index] / 2;
            b[last] += b[index] / 2;
            b[index] = 0;
        }
    }
}

// What is known of a texel; sums are floats, as they are in the picture.
struct Texel {
    float normal[3];
    float openness, distance;

    bool is_empty() const {
        return std::fabs(normal[0]) < TINY && std::fabs(normal[1]) < TINY
               && std::fabs(normal[2]) < TINY;
    }
    void add(const Vec &sum) {
        normal[0] += static_cast<float>(sum.x);
        normal[1] += static_cast<float>(sum.y);
        normal[2] += static_cast<float>(sum.z);
    }
};

struct Frame {
    Vec tangent, binormal, normal;

    Vec seen(const Vec &v) const { return Vec(dot(v, tangent), dot(v, binormal), dot(v, normal)); }
};

class TileRenderer {
   public:
    TileRenderer(const Scene &scene, std::uint32_t width, std::uint32_t height, const nm_tile &tile,
                 Watch *watch)
        : scene_(scene),
          width_(width),
          height_(height),
          tile_(tile),
          watch_(watch),
          caster_(scene),
          next_question_(RAYS_BETWEEN_QUESTIONS),
          texels_((tile.x1 - tile.x0) * static_cast<std::size_t>(tile.y1 - tile.y0)),
          edges_(texels_.size()) {}

    bool run() {
        for (std::uint64_t index = 0; index < scene_.header.low.count; index++) {
            if (!run_triangle(index)) return false;
        }
        return true;
    }

    void write(float *out) const {
        for (std::size_t index = 0; index < texels_.size(); index++) {
            const Texel &edge = edges_[index];
            const bool is_edge = texels_[index].is_empty() && scene_.settings.is_edge_copied
                                 && !edge.is_empty();
            const Texel &texel = is_edge ? edge : texels_[index];
            out = std::copy(texel.normal, texel.normal + 3, out);
            if (scene_.settings.has_occlusion) *out++ = texel.openness;
            if (scene_.settings.has_displacement) *out++ = texel.distance;
        }
    }

   private:
    bool run_triangle(std::uint64_t number) {
        const Triangle &triangle = scene_.low[number];
        const Outline outline(triangle, width_, height_, scene_.settings.pad);
        const int first = std::max(outline.first_row(), static_cast<int>(tile_.y0));
        const int last = std::min(outline.last_row(), static_cast<int>(tile_.y1) - 1);
        if (first > last || outline.first_column() >= static_cast<int>(tile_.x1)
            || outline.last_column() < static_cast<int>(tile_.x0) || outline.is_degenerate()) {
            return true;
        }
        for (int row = first; row <= last; row++) {
            const Columns columns = outline.visit(row);
            const int begin = std::max(columns.first, static_cast<int>(tile_.x0));
            const int end = std::min(columns.last, static_cast<int>(tile_.x1) - 1);
            for (int column = begin; column <= end; column++) {
                visit(number, outline, column, row);
                if (!is_wanted()) return false;
            }
        }
        return true;
    }

    void visit(std::uint64_t number, const Outline &outline, int column, int row) {
        const Triangle &triangle = scene_.low[number];
        const std::size_t index = (static_cast<std::size_t>(row) - tile_.y0) * (tile_.x1 - tile_.x0)
                                  + (static_cast<std::size_t>(column) - tile_.x0);
        Weights centre;
        outline.weights(column, row, centre.b);
        const Frame frame = frame_at(number, centre);
        Vec sum;
        double openness = 0, distance = 0;
        int found_count = 0;
        for (std::uint64_t sample = 0; sample < scene_.header.samples.count; sample++) {
            Weights weights = centre;
            const Sample &offset = scene_.samples[sample];
            if (offset.x != 0 || offset.y != 0) {
                outline.weights(column + offset.x, row + offset.y, weights.b);
            }
            Found found;
            if (!weights.is_inside() || !cast(triangle, weights, &found)) continue;
            found_count++;
            distance += found.distance;
            if (scene_.needs_rays()) {
                const Sky sky = caster_.look(found);
                openness += sky.openness;
                sum = sum + (scene_.settings.has_bent ? sky.bent : found.normal);
            } else {
                sum = sum + found.normal;
            }
        }
        if (found_count > 0) {
            Texel &texel = texels_[index];
            texel.add(frame.seen(sum));
            texel.openness = static_cast<float>(openness / found_count);
            texel.distance = static_cast<float>(distance / found_count);
        } else if (scene_.settings.is_edge_copied) {
            visit_edge(triangle, frame, centre, &edges_[index]);
        }
    }

    void visit_edge(const Triangle &triangle, const Frame &frame, Weights weights, Texel *texel) {
        snap(&weights);
        Found found;
        if (!cast(triangle, weights, &found)) return;
        Vec sum = found.normal;
        if (scene_.needs_rays()) {
            const Sky sky = caster_.look(found);
            texel->openness = static_cast<float>(sky.openness);
            // Not the bent normal alone: so it is in the original.
            if (scene_.settings.has_bent) sum = sum + sky.bent;
        }
        texel->add(frame.seen(sum));
        texel->distance = static_cast<float>(found.distance);
    }

    bool cast(const Triangle &triangle, const Weights &weights, Found *found) {
        const Vec position = mixed(triangle.position, weights);
        return caster_.cast(position, unit(mixed(triangle.normal, weights)), found);
    }

    static Vec mixed(const float (&corners)[3][3], const Weights &weights) {
        return mix(Vec(corners[0]), Vec(corners[1]), Vec(corners[2]), weights.b[0], weights.b[1],
                   weights.b[2]);
    }

    Frame frame_at(std::uint64_t number, const Weights &weights) const {
        if (scene_.settings.is_world) return {Vec(1, 0, 0), Vec(0, 1, 0), Vec(0, 0, 1)};
        const Corner *corners = scene_.low_corners + 3 * number;
        const double *b = weights.b;
        return {mix(Vec(corners[0].tangent), Vec(corners[1].tangent), Vec(corners[2].tangent), b[0],
                    b[1], b[2]),
                mix(Vec(corners[0].binormal), Vec(corners[1].binormal), Vec(corners[2].binormal),
                    b[0], b[1], b[2]),
                mixed(scene_.low[number].normal, weights)};
    }

    bool is_wanted() {
        if (caster_.ray_count() < next_question_) return true;
        next_question_ = caster_.ray_count() + RAYS_BETWEEN_QUESTIONS;
        return watch_->may_go_on();
    }

    const Scene &scene_;
    const std::uint32_t width_, height_;
    const nm_tile tile_;
    Watch *const watch_;
    Caster caster_;
    std::uint64_t next_question_;
    std::vector<Texel> texels_, edges_;
};

}  // namespace

double expected_cost(const Scene &scene, std::uint32_t width, std::uint32_t height,
                     const nm_tile &tile) {
    const double rays = scene.needs_rays() ? static_cast<double>(scene.header.rays.count) : 0;
    const double samples = static_cast<double>(scene.header.samples.count);
    double cost = 0;
    for (std::uint64_t number = 0; number < scene.header.low.count; number++) {
        const Outline outline(scene.low[number], width, height, scene.settings.pad);
        const int first = std::max(outline.first_row(), static_cast<int>(tile.y0));
        const int last = std::min(outline.last_row(), static_cast<int>(tile.y1) - 1);
        if (outline.is_degenerate()) continue;
        for (int row = first; row <= last; row++) {
            const Columns columns = outline.visit(row);
            const int begin = std::max(columns.first, static_cast<int>(tile.x0));
            const int end = std::min(columns.last, static_cast<int>(tile.x1) - 1);
            for (int column = begin; column <= end; column++) {
                Weights centre;
                outline.weights(column, row, centre.b);
                cost += centre.is_inside() ? samples * (1 + rays) : 1 + rays;
            }
        }
    }
    return cost;
}

bool render(const Scene &scene, std::uint32_t width, std::uint32_t height, const nm_tile &tile,
            float *out, Watch *watch) {
    TileRenderer renderer(scene, width, height, tile, watch);
    if (!renderer.run()) return false;
    renderer.write(out);
    return true;
}

}  // namespace nm
