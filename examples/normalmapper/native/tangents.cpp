// Tangent and binormal of each corner: first those of its own triangle, then the mean over all
// corners that are one corner to the eye (same place, normal and texture coordinates, and much the
// same frame).
//
// Which corners join depends on the order in which they come, because a corner is compared with the
// sum of those before it. The order is that of the file. Candidates are found through a grid of
// cells much wider than the tolerance, so that a corner seldom has to look into a second cell.

#include "tangents.h"

#include <cmath>
#include <unordered_map>
#include <utility>
#include <vector>

#include "vec.h"

namespace nm {
namespace {

const double CELL = 1e-5;
const double LEAST_COSINE = 0.3;

struct Key {
    std::int64_t x, y, z;
    bool operator==(const Key &other) const {
        return x == other.x && y == other.y && z == other.z;
    }
};

struct KeyHash {
    std::size_t operator()(const Key &key) const {
        std::uint64_t hash = static_cast<std::uint64_t>(key.x) * 0x9E3779B97F4A7C15u;
        hash = (hash ^ static_cast<std::uint64_t>(key.y)) * 0xBF58476D1CE4E5B9u;
        hash = (hash ^ static_cast<std::uint64_t>(key.z)) * 0x94D049BB133111EBu;
        return static_cast<std::size_t>(hash ^ (hash >> 31));
    }
};

// Corners that are one.
struct Entry {
    const float *position, *normal, *uv;
    Vec tangent, binormal;  // sums
    double count;
};

bool is_near(const float *a, const float *b, int count) {
    for (int index = 0; index < count; index++) {
        if (std::fabs(static_cast<double>(a[index]) - b[index]) > TINY) return false;
    }
    return true;
}

bool joins(const Entry &entry, const float *position, const float *normal, const float *uv,
           const Vec &tangent, const Vec &binormal) {
    return is_near(entry.position, position, 3) && is_near(entry.normal, normal, 3)
           && is_near(entry.uv, uv, 2) && dot(unit(entry.tangent), tangent) >= LEAST_COSINE
           && dot(unit(entry.binormal), binormal) >= LEAST_COSINE;
}

// The direction in which texture coordinate 1 - `by` rises while coordinate `by` stays the same.
// `order` holds the corners; it is put into falling order of coordinate `by`.
Vec rising(const Triangle &triangle, int by, int *order) {
    const int exchanges[3][2] = {{0, 1}, {0, 2}, {1, 2}};
    for (const auto &pair : exchanges) {
        int &first = order[pair[0]], &second = order[pair[1]];
        if (triangle.uv[first][by] < triangle.uv[second][by]) std::swap(first, second);
    }
    const int top = order[0], middle = order[1], bottom = order[2];
    const double fall = static_cast<double>(triangle.uv[bottom][by]) - triangle.uv[top][by];
    double share = 1;
    if (std::fabs(fall) >= TINY) {
        share = (static_cast<double>(triangle.uv[middle][by]) - triangle.uv[top][by]) / fall;
    }
    const Vec start(triangle.position[top]), end(triangle.position[bottom]);
    const Vec point = start + (end - start) * share;
    const double from = triangle.uv[top][1 - by], to = triangle.uv[bottom][1 - by];
    const double across = from + (to - from) * share;
    const Vec direction = point - Vec(triangle.position[middle]);
    return across < triangle.uv[middle][1 - by] ? direction * -1 : direction;
}

Vec upright(const Vec &direction, const Vec &normal, const Vec &otherwise) {
    return unit(direction - normal * dot(normal, direction), otherwise);
}

void frame_of(const Triangle &triangle, int corner, Vec *tangent, Vec *binormal) {
    *tangent = Vec(1, 0, 0);
    *binormal = Vec(0, 0, 1);
    if (triangle.uv[0][0] == 0 && triangle.uv[1][0] == 0 && triangle.uv[2][0] == 0) return;
    const Vec normal(triangle.normal[corner]);
    // The second ordering starts from what the first has left: that decides ties.
    int order[3] = {0, 1, 2};
    *tangent = upright(rising(triangle, 1, order), normal, *tangent);
    *binormal = upright(rising(triangle, 0, order), normal, *binormal);
}

class Joiner {
   public:
    std::uint32_t add(const Triangle &triangle, int corner) {
        const float *position = triangle.position[corner];
        Vec tangent, binormal;
        frame_of(triangle, corner, &tangent, &binormal);
        std::uint32_t found = find(triangle, corner, tangent, binormal);
        if (found == NONE) {
            found = static_cast<std::uint32_t>(entries_.size());
            entries_.push_back(
                {position, triangle.normal[corner], triangle.uv[corner], Vec(), Vec(), 0});
            cells_[cell(position[0], position[1], position[2])].push_back(found);
        }
        Entry &entry = entries_[found];
        entry.tangent = entry.tangent + tangent;
        entry.binormal = entry.binormal + binormal;
        entry.count += 1;
        return found;
    }

    void write(std::uint32_t number, Corner *corner) const {
        const Entry &entry = entries_[number];
        const Vec tangent = unit(entry.tangent * (1 / entry.count));
        const Vec binormal = unit(entry.binormal * (1 / entry.count));
        *corner = {{tangent.x, tangent.y, tangent.z}, {binormal.x, binormal.y, binormal.z}};
    }

   private:
    static const std::uint32_t NONE = 0xFFFFFFFFu;

    static std::int64_t step(double value) {
        return static_cast<std::int64_t>(std::floor(value / CELL));
    }
    static Key cell(double x, double y, double z) { return {step(x), step(y), step(z)}; }

    // The first entry that fits, in order of creation.
    std::uint32_t find(const Triangle &triangle, int corner, const Vec &tangent,
                       const Vec &binormal) const {
        const float *position = triangle.position[corner];
        const Vec reach(2 * TINY, 2 * TINY, 2 * TINY), at(position);
        const Vec least = at - reach, most = at + reach;
        const Key first = cell(least.x, least.y, least.z), last = cell(most.x, most.y, most.z);
        std::uint32_t best = NONE;
        for (std::int64_t x = first.x; x <= last.x; x++) {
            for (std::int64_t y = first.y; y <= last.y; y++) {
                for (std::int64_t z = first.z; z <= last.z; z++) {
                    const auto found = cells_.find({x, y, z});
                    if (found == cells_.end()) continue;
                    for (const std::uint32_t number : found->second) {
                        if (number < best
                            && joins(entries_[number], position, triangle.normal[corner],
                                     triangle.uv[corner], tangent, binormal)) {
                            best = number;
                        }
                    }
                }
            }
        }
        return best;
    }

    std::vector<Entry> entries_;
    std::unordered_map<Key, std::vector<std::uint32_t>, KeyHash> cells_;
};

}  // namespace

void make_corners(const Triangle *triangles, std::uint64_t count, Corner *corners) {
    Joiner joiner;
    std::vector<std::uint32_t> numbers(static_cast<std::size_t>(count * 3));
    for (std::size_t index = 0; index < numbers.size(); index++) {
        numbers[index] = joiner.add(triangles[index / 3], static_cast<int>(index % 3));
    }
    for (std::size_t index = 0; index < numbers.size(); index++) {
        joiner.write(numbers[index], &corners[index]);
    }
}

}  // namespace nm
