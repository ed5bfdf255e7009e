// Builds the tree from above: a set of triangles is cut in two where the surface area heuristic
// says, with the middles of their boxes sorted into bins, until four sets are there for the children
// of a node. Sets of four triangles and fewer become a group.

#include "tree.h"

#include <algorithm>
#include <limits>

namespace nm {
namespace {

const int BINS = 16;
const std::size_t GROUP_SIZE = 4;
// From here on sets are halved, so that no mesh can make a tree deeper than LARGEST_DEPTH.
const int DEEPEST_CUT = 32;

struct Box {
    float low[3], high[3];

    Box() {
        std::fill(low, low + 3, std::numeric_limits<float>::infinity());
        std::fill(high, high + 3, -std::numeric_limits<float>::infinity());
    }
    void add(const float *point) {
        for (int axis = 0; axis < 3; axis++) {
            low[axis] = std::min(low[axis], point[axis]);
            high[axis] = std::max(high[axis], point[axis]);
        }
    }
    void add(const Box &other) {
        add(other.low);
        add(other.high);
    }
    double area() const {
        const double x = extent(0), y = extent(1), z = extent(2);
        return x < 0 ? 0 : x * y + y * z + z * x;
    }
    double extent(int axis) const { return static_cast<double>(high[axis]) - low[axis]; }
    float middle(int axis) const { return low[axis] * 0.5f + high[axis] * 0.5f; }
};

struct Item {
    Box box;
    std::uint32_t triangle;
};

struct Range {
    std::size_t begin, end;
    Box box;

    std::size_t size() const { return end - begin; }
};

struct Cut {
    double cost;
    int axis, bin;
};

class Builder {
   public:
    Builder(const Triangle *triangles, std::uint64_t count, std::vector<Node> *nodes,
            std::vector<Group> *groups)
        : triangles_(triangles), nodes_(*nodes), groups_(*groups) {
        items_.resize(static_cast<std::size_t>(count));
        for (std::size_t index = 0; index < items_.size(); index++) {
            items_[index].triangle = static_cast<std::uint32_t>(index);
            for (const auto &position : triangles[index].position) items_[index].box.add(position);
        }
    }

    void build() { add_node(range(0, items_.size()), 0); }

   private:
    Range range(std::size_t begin, std::size_t end) const {
        Range made{begin, end, Box()};
        for (std::size_t index = begin; index < end; index++) made.box.add(items_[index].box);
        return made;
    }

    std::int32_t add_node(const Range &whole, int depth) {
        const std::size_t number = nodes_.size();
        nodes_.emplace_back();
        std::vector<Range> parts = shares(whole, depth);
        Node node = {};
        for (std::size_t place = 0; place < CHILDREN; place++) {
            const bool is_there = place < parts.size();
            const Box box = is_there ? parts[place].box : Box();
            for (int axis = 0; axis < 3; axis++) {
                node.low[axis][place] = box.low[axis];
                node.high[axis][place] = box.high[axis];
            }
            if (!is_there) continue;
            const bool is_leaf = parts[place].size() <= GROUP_SIZE;
            node.child[place] = is_leaf ? add_group(parts[place])
                                        : add_node(parts[place], depth + 1);
        }
        nodes_[number] = node;
        return static_cast<std::int32_t>(number);
    }

    // Cuts again the part that rays meet most, while it is too big for a group.
    std::vector<Range> shares(const Range &whole, int depth) {
        std::vector<Range> parts;
        if (whole.size() != 0) parts.push_back(whole);
        while (!parts.empty() && parts.size() < CHILDREN) {
            std::size_t widest = parts.size();
            for (std::size_t index = 0; index < parts.size(); index++) {
                if (parts[index].size() <= GROUP_SIZE) continue;
                if (widest == parts.size() || parts[index].box.area() > parts[widest].box.area()) {
                    widest = index;
                }
            }
            if (widest == parts.size()) break;
            const Range old = parts[widest];
            const std::size_t middle = depth < DEEPEST_CUT ? cut(old) : half(old);
            parts[widest] = range(old.begin, middle);
            parts.push_back(range(middle, old.end));
        }
        return parts;
    }

    std::size_t cut(const Range &whole) {
        Box middles;
        for (std::size_t index = whole.begin; index < whole.end; index++) {
            float middle[3];
            for (int axis = 0; axis < 3; axis++) middle[axis] = items_[index].box.middle(axis);
            middles.add(middle);
        }
        Cut best{std::numeric_limits<double>::infinity(), -1, 0};
        for (int axis = 0; axis < 3; axis++) {
            if (!(middles.extent(axis) > 0)) continue;
            best = std::min(best, best_cut(whole, middles, axis), is_cheaper);
        }
        std::size_t middle = whole.begin;
        if (best.axis >= 0) {
            const auto end = std::partition(
                at(whole.begin), at(whole.end), [&](const Item &item) {
                    return bin(item, middles, best.axis) <= best.bin;
                });
            middle = static_cast<std::size_t>(end - items_.begin());
        }
        // All in one place: any half will do.
        return middle == whole.begin || middle == whole.end ? half(whole) : middle;
    }

    static std::size_t half(const Range &whole) { return whole.begin + whole.size() / 2; }

    static bool is_cheaper(const Cut &a, const Cut &b) { return a.cost < b.cost; }

    static int bin(const Item &item, const Box &middles, int axis) {
        const double share = (static_cast<double>(item.box.middle(axis)) - middles.low[axis])
                             / middles.extent(axis);
        return std::min(BINS - 1, static_cast<int>(share * BINS));
    }

    Cut best_cut(const Range &whole, const Box &middles, int axis) const {
        Box boxes[BINS];
        std::size_t counts[BINS] = {};
        for (std::size_t index = whole.begin; index < whole.end; index++) {
            const int number = bin(items_[index], middles, axis);
            boxes[number].add(items_[index].box);
            counts[number]++;
        }
        double above[BINS] = {};
        Box box;
        std::size_t count = 0;
        for (int number = BINS - 1; number > 0; number--) {
            box.add(boxes[number]);
            count += counts[number];
            above[number - 1] = box.area() * groups(count);
        }
        Cut best{std::numeric_limits<double>::infinity(), axis, 0};
        box = Box();
        count = 0;
        for (int number = 0; number < BINS - 1; number++) {
            box.add(boxes[number]);
            count += counts[number];
            const double cost = box.area() * groups(count) + above[number];
            if (count != 0 && count != whole.size() && cost < best.cost) best = {cost, axis, number};
        }
        return best;
    }

    static double groups(std::size_t count) {
        return static_cast<double>((count + GROUP_SIZE - 1) / GROUP_SIZE);
    }

    std::vector<Item>::iterator at(std::size_t index) {
        return items_.begin() + static_cast<std::ptrdiff_t>(index);
    }

    std::int32_t add_group(const Range &part) {
        // In order of the mesh, whatever the cutting did.
        std::sort(at(part.begin), at(part.end), [](const Item &a, const Item &b) {
            return a.triangle < b.triangle;
        });
        Group group = {};
        for (std::size_t place = 0; place < part.size(); place++) {
            const std::uint32_t number = items_[part.begin + place].triangle;
            const Triangle &triangle = triangles_[number];
            group.triangle[place] = number;
            for (int axis = 0; axis < 3; axis++) {
                const float origin = triangle.position[0][axis];
                group.origin[axis][place] = origin;
                group.edge1[axis][place] = triangle.position[1][axis] - origin;
                group.edge2[axis][place] = triangle.position[2][axis] - origin;
            }
        }
        groups_.push_back(group);
        return ~static_cast<std::int32_t>(groups_.size() - 1);
    }

    const Triangle *triangles_;
    std::vector<Node> &nodes_;
    std::vector<Group> &groups_;
    std::vector<Item> items_;
};

}  // namespace

void build_tree(const Triangle *triangles, std::uint64_t count, std::vector<Node> *nodes,
                std::vector<Group> *groups) {
    Builder(triangles, count, nodes, groups).build();
}

}  // namespace nm
