// Tangent and binormal of each corner: first those of its own triangle, then the mean over all
// corners that are one corner to the eye (same place, normal and texture coordinates, and much the
// same frame).
//
// Which corners join depends on how they are looked for, so this is done as the original does it: in
// the order of the file, in a sorted list, by bisection. A frame is compared with the sum of those
// before it, and as sums change, the list is not quite sorted any more: some equals are missed, and
// stay two. That shows in pictures, on curved meshes in every tenth byte.

#include "tangents.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "vec.h"

namespace nm {
namespace {

const double LEAST_COSINE = 0.3;

// Corners that are one.
struct Entry {
    const float *position, *normal, *uv;
    Vec tangent, binormal;  // sums
    double count;
};

// Which of two comes first: below 0, a; above 0, b. The larger number does.
int compare(const float *a, const float *b, int count) {
    for (int index = 0; index < count; index++) {
        if (std::fabs(static_cast<double>(a[index]) - b[index]) > TINY) {
            return a[index] > b[index] ? -1 : 1;
        }
    }
    return 0;
}

int compare(const Vec &a, const Vec &b) {
    if (!(dot(unit(a), unit(b)) < LEAST_COSINE)) return 0;
    return a.x > b.x ? -1 : 1;
}

int compare(const Entry &a, const Entry &b) {
    if (const int side = compare(a.position, b.position, 3)) return side;
    if (const int side = compare(a.normal, b.normal, 3)) return side;
    if (const int side = compare(a.uv, b.uv, 2)) return side;
    if (const int side = compare(a.tangent, b.tangent)) return side;
    return compare(a.binormal, b.binormal);
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

// Times the reciprocal, which is not quite what unit() does: the last bit decides between equals.
Vec upright(const Vec &direction, const Vec &normal, const Vec &otherwise) {
    const Vec across = direction - normal * dot(normal, direction);
    const double length = std::sqrt(dot(across, across));
    return length < TINY ? otherwise : across * (1 / length);
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

// A list into which one can insert anywhere: blocks, and the number with which each begins.
class Order {
   public:
    std::size_t size() const { return size_; }

    std::uint32_t operator[](std::size_t place) const {
        const std::size_t block = block_of(place);
        return blocks_[block][place - begins_[block]];
    }

    void insert(std::size_t place, std::uint32_t number) {
        const std::size_t index = block_of(place);
        std::vector<std::uint32_t> &block = blocks_[index];
        block.insert(block.begin() + static_cast<std::ptrdiff_t>(place - begins_[index]), number);
        for (std::size_t later = index + 1; later < begins_.size(); later++) begins_[later]++;
        size_++;
        if (block.size() == MOST) halve(index);
    }

   private:
    static const std::size_t MOST = 1024;

    std::size_t block_of(std::size_t place) const {
        const auto behind = std::upper_bound(begins_.begin(), begins_.end(), place);
        return static_cast<std::size_t>(behind - begins_.begin()) - 1;
    }

    void halve(std::size_t index) {
        std::vector<std::uint32_t> &block = blocks_[index];
        std::vector<std::uint32_t> upper(block.begin() + MOST / 2, block.end());
        block.resize(MOST / 2);
        const auto next = static_cast<std::ptrdiff_t>(index + 1);
        begins_.insert(begins_.begin() + next, begins_[index] + MOST / 2);
        blocks_.insert(blocks_.begin() + next, std::move(upper));
    }

    std::size_t size_ = 0;
    std::vector<std::vector<std::uint32_t>> blocks_{1};
    std::vector<std::size_t> begins_{0};
};

class Joiner {
   public:
    std::uint32_t add(const Triangle &triangle, int corner) {
        Entry own{triangle.position[corner], triangle.normal[corner], triangle.uv[corner],
                  Vec(), Vec(), 1};
        frame_of(triangle, corner, &own.tangent, &own.binormal);
        std::size_t low = 0, high = order_.size(), probe = high / 2, last = high;
        int side = -1;
        while (low != high && probe != last) {
            const std::uint32_t number = order_[probe];
            side = compare(own, entries_[number]);
            if (side == 0) {
                join(own, &entries_[number]);
                return number;
            }
            (side < 0 ? high : low) = probe;
            last = probe;
            probe = low + (high - low) / 2;
        }
        const std::uint32_t number = static_cast<std::uint32_t>(entries_.size());
        entries_.push_back(own);
        order_.insert(probe + (side > 0), number);
        return number;
    }

    void write(std::uint32_t number, Corner *corner) const {
        const Entry &entry = entries_[number];
        const Vec tangent = mean(entry.tangent, entry.count);
        const Vec binormal = mean(entry.binormal, entry.count);
        *corner = {{tangent.x, tangent.y, tangent.z}, {binormal.x, binormal.y, binormal.z}};
    }

   private:
    static Vec mean(const Vec &sum, double count) {
        return unit(Vec(sum.x / count, sum.y / count, sum.z / count));
    }

    static void join(const Entry &own, Entry *entry) {
        entry->tangent = entry->tangent + own.tangent;
        entry->binormal = entry->binormal + own.binormal;
        entry->count += 1;
    }

    std::vector<Entry> entries_;
    Order order_;  // numbers of entries
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
