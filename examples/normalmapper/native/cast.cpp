// The hits of a line are collected first and then judged in the order of the mesh. So the tree has
// no say in what is chosen, exact ties included: every tree gives the same picture.
//
// With the rule "closest", hits further away than one already found cannot be chosen, nor change
// what is; the span shrinks to what is left. All other rules look at the whole line.

#include "cast.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace nm {
namespace {

// Rays start this far from the surface, whatever its size.
const double RAY_OFFSET = 1e-5;

Vec mixed(const float (&corners)[3][3], const Hit &hit) {
    return mix(Vec(corners[0]), Vec(corners[1]), Vec(corners[2]), 1 - hit.u - hit.v, hit.u, hit.v);
}

// Takes the pole, +z, to the normal by the shortest way.
struct Rotation {
    Vec row[3];

    Vec operator()(const Ray &ray) const {
        const Vec from(ray.x, ray.y, ray.z);
        return Vec(dot(row[0], from), dot(row[1], from), dot(row[2], from));
    }
};

Rotation tilted(const Vec &n) {
    const double k[2] = {-n.y, n.x}, e = n.z;
    const double share = (1 - e) / (k[0] * k[0] + k[1] * k[1]);
    return {{Vec(e + share * k[0] * k[0], share * k[0] * k[1], k[1]),
             Vec(share * k[1] * k[0], e + share * k[1] * k[1], -k[0]), Vec(-k[1], k[0], e)}};
}

// For normals near the pole and its opposite: first y and z change places, then y goes to the normal.
Rotation reflected_twice(const Vec &n) {
    const double b[3] = {-n.x, 1 - n.y, -n.z};
    const double square = b[0] * b[0] + b[1] * b[1] + b[2] * b[2];
    double second[3][3];
    for (int row = 0; row < 3; row++) {
        for (int column = 0; column < 3; column++) {
            second[row][column] = (row == column ? 1 : 0) - 2 * b[row] * b[column] / square;
        }
    }
    Rotation made;
    for (int row = 0; row < 3; row++) {
        made.row[row] = Vec(second[row][0], second[row][2], second[row][1]);
    }
    return made;
}

Rotation towards(const Vec &normal) {
    return std::fabs(normal.z) > 1 - TINY ? reflected_twice(normal) : tilted(normal);
}

bool is_narrowing(const nm_settings &settings) { return settings.rule == NM_CLOSEST; }

}  // namespace

Caster::Caster(const Scene &scene)
    : scene_(scene),
      is_narrowing_(is_narrowing(scene.settings)),
      guesses_(static_cast<std::size_t>(scene.header.rays.count), -1),
      weight_sum_(0),
      ray_count_(0) {
    for (std::uint64_t index = 0; index < scene.header.rays.count; index++) {
        weight_sum_ += scene.rays[index].weight;
    }
}

void Caster::take(const Hit &hit, Span *span) {
    const Vec normal = unit(mixed(scene_.high[hit.triangle].normal, hit));
    const double cosine = dot(normal, direction_);
    if (!(cosine > scene_.settings.cutoff)) return;
    candidates_.push_back({hit, normal, cosine});
    if (!is_narrowing_) return;
    if (scene_.settings.is_front_only) {
        if (hit.t >= -scene_.settings.epsilon) span->most = std::min(span->most, hit.t);
    } else {
        span->most = std::min(span->most, std::fabs(hit.t));
        span->least = -span->most;
    }
}

bool Caster::cast(const Vec &origin, const Vec &direction, Found *found) {
    const double limit = std::numeric_limits<double>::infinity();
    const bool is_forward = scene_.settings.is_front_only && is_narrowing_;
    direction_ = direction;
    candidates_.clear();
    ray_count_++;
    trace_line(scene_, origin, direction, {is_forward ? -scene_.settings.epsilon : -limit, limit},
               this);
    if (candidates_.empty()) return false;
    if (candidates_.size() > 1) {
        std::sort(candidates_.begin(), candidates_.end(), [](const Candidate &a, const Candidate &b) {
            return a.hit.triangle < b.hit.triangle;
        });
    }
    Held held{true, 0, 0};
    Vec normal;
    const Candidate *chosen = nullptr;
    for (const Candidate &candidate : candidates_) {
        if (!replaces(candidate, held)) continue;
        chosen = &candidate;
        normal = candidate.normal;
        double cosine = candidate.cosine;
        if (scene_.has_relief()) {
            // As it is in the original: what is held is neither unit nor what was compared.
            normal = relief_normal(candidate.hit);
            cosine = dot(normal, direction);
        }
        held = {false, candidate.hit.t, cosine};
    }
    if (chosen == nullptr || normal.is_zero()) return false;
    found->normal = unit(normal);
    found->position = mixed(scene_.high[chosen->hit.triangle].position, chosen->hit);
    found->distance = chosen->hit.t;
    return true;
}

bool Caster::replaces(const Candidate &candidate, const Held &held) const {
    const nm_settings &settings = scene_.settings;
    const double t = candidate.hit.t, size = std::fabs(t), held_size = std::fabs(held.t);
    if (settings.rule == NM_NEAREST_NORMAL) {
        return size < settings.max_distance && candidate.cosine > held.cosine;
    }
    const bool is_better = settings.is_better && !held.is_none && size == held_size
                           && candidate.cosine > held.cosine;
    if (settings.rule == NM_FRONT_FURTHEST) {
        if (!(size < settings.max_distance)) return false;
        return is_further_forward(candidate, held) || (is_better && (t > 0) == (held.t > 0));
    }
    const bool is_closest = settings.rule == NM_CLOSEST;
    if (settings.is_front_only) {
        if (!(t < settings.max_distance)) return false;
        const bool is_ahead = t >= -settings.epsilon;
        const bool is_beyond = held.is_none || (is_closest ? t < held.t : t > held.t);
        return (is_ahead && is_beyond) || is_better;
    }
    if (!(size < settings.max_distance)) return false;
    return held.is_none || (is_closest ? size < held_size : size > held_size) || is_better;
}

bool Caster::is_further_forward(const Candidate &candidate, const Held &held) const {
    const double t = candidate.hit.t;
    if (held.is_none) return true;
    if (t > 0) return held.t <= 0 || t > held.t;
    return held.t <= 0 && std::fabs(t) < std::fabs(held.t);
}

Vec Caster::relief_normal(const Hit &hit) const {
    const Triangle &triangle = scene_.high[hit.triangle];
    const double weights[3] = {1 - hit.u - hit.v, hit.u, hit.v};
    double place[2];
    const std::uint32_t sizes[2] = {scene_.header.relief_width, scene_.header.relief_height};
    for (int axis = 0; axis < 2; axis++) {
        double value = triangle.uv[0][axis] * weights[0] + triangle.uv[1][axis] * weights[1]
                       + triangle.uv[2][axis] * weights[2];
        if (value < 0 || value > 1) value -= std::floor(value);
        place[axis] = value * (sizes[axis] - 1);
    }
    const double left = std::floor(place[0]), low = std::floor(place[1]);
    const double across = place[0] - left, up = place[1] - low;
    const auto at = [&](double column, double row) {
        const std::size_t index = static_cast<std::size_t>(row) * sizes[0]
                                  + static_cast<std::size_t>(column);
        return Vec(scene_.relief + 3 * index);
    };
    const double right = std::ceil(place[0]), high = std::ceil(place[1]);
    const Vec below = at(left, low) * (1 - across) + at(right, low) * across;
    const Vec above = at(left, high) * (1 - across) + at(right, high) * across;
    const Vec bump = below * (1 - up) + above * up;
    const Corner *corners = scene_.high_corners + 3 * static_cast<std::size_t>(hit.triangle);
    const Vec tangent = mix(Vec(corners[0].tangent), Vec(corners[1].tangent),
                            Vec(corners[2].tangent), weights[0], weights[1], weights[2]);
    const Vec binormal = mix(Vec(corners[0].binormal), Vec(corners[1].binormal),
                             Vec(corners[2].binormal), weights[0], weights[1], weights[2]);
    return mix(tangent, binormal, mixed(triangle.normal, hit), bump.x, bump.y, bump.z);
}

Sky Caster::look(const Found &found) {
    const Rotation turn = towards(found.normal);
    const Vec origin = found.position + found.normal * RAY_OFFSET;
    double blocked = 0;
    Vec open = found.normal;
    for (std::size_t index = 0; index < guesses_.size(); index++) {
        const Ray &ray = scene_.rays[index];
        if (ray.weight == 0) continue;
        const Vec direction = turn(ray);
        ray_count_++;
        if (is_blocked(scene_, origin, direction, &guesses_[index])) {
            blocked += ray.weight;
        } else {
            open = open + direction * ray.weight;
        }
    }
    return {(weight_sum_ - blocked) / weight_sum_, unit(open)};
}

}  // namespace nm
