// The tree is walked with boxes in single precision, triangles are met in double precision.
//
// What decides is the triangle test alone: its arithmetic is that of the description, operation by
// operation. Boxes only save work, so they must never be missed where a triangle in them would be
// hit. Every rounding in the box test is therefore covered: the origin is moved outwards by more
// than what single precision loses of it, once for each side of the boxes, and the interval that is
// found is widened by more than three roundings.

#include "trace.h"

#include <cmath>
#include <limits>

#include "lanes.h"
#include "tree.h"

namespace nm {
namespace {

const float WIDEN = 1 + 6e-7f;  // about five roundings of a float
const int STACK_SIZE = (CHILDREN - 1) * (LARGEST_DEPTH + 1) + CHILDREN;
const double FLATTEST = 1e-12;

// A line as the boxes see it, ahead of a point `back` before its origin. The first side of a box is
// the one that the line comes to first.
struct BoxLine {
    F4 first_origin[3], second_origin[3], inverse[3];
    std::size_t first_side[3], second_side[3];  // where in a node

    BoxLine(const Scene &scene, const Vec &origin, const Vec &direction, double back) {
        const Vec start = origin - direction * back;
        const double from[3] = {start.x, start.y, start.z};
        const double along[3] = {direction.x, direction.y, direction.z};
        for (int axis = 0; axis < 3; axis++) {
            const double reach = (std::fabs(from[axis]) + scene.header.extent) * 2.5e-7;
            const double sign = std::signbit(along[axis]) ? -1 : 1;
            // A line that hardly moves along an axis is as good as one that stays: what it moves
            // within the mesh is less than the reach.
            const bool is_flat = std::fabs(along[axis]) < FLATTEST;
            inverse[axis] = all4(static_cast<float>(is_flat ? sign * 1e18 : 1 / along[axis]));
            first_origin[axis] = all4(static_cast<float>(from[axis] + sign * reach));
            second_origin[axis] = all4(static_cast<float>(from[axis] - sign * reach));
            const std::size_t low = offsetof(Node, low) + axis * sizeof(Node::low[0]);
            const std::size_t high = offsetof(Node, high) + axis * sizeof(Node::high[0]);
            first_side[axis] = sign > 0 ? low : high;
            second_side[axis] = sign > 0 ? high : low;
        }
    }
};

inline F4 side(const char *node, std::size_t offset) {
    return *reinterpret_cast<const F4 *>(node + offset);
}

// Which of four boxes the line meets from `least` to `most`, which are not negative: one bit each.
inline __attribute__((always_inline)) int meet_four(const char *node, const BoxLine &line,
                                                    const F4 &least, const F4 &most) {
    const F4 *first = line.first_origin, *second = line.second_origin, *inverse = line.inverse;
    F4 begin = greater((side(node, line.first_side[0]) - first[0]) * inverse[0], least);
    F4 end = lesser((side(node, line.second_side[0]) - second[0]) * inverse[0], most);
    begin = greater((side(node, line.first_side[1]) - first[1]) * inverse[1], begin);
    end = lesser((side(node, line.second_side[1]) - second[1]) * inverse[1], end);
    begin = greater((side(node, line.first_side[2]) - first[2]) * inverse[2], begin);
    end = lesser((side(node, line.second_side[2]) - second[2]) * inverse[2], end);
    return bits(begin <= end * all4(WIDEN));
}

inline __attribute__((always_inline)) int meet(const Node &node, const BoxLine &line,
                                               const F4 &least, const F4 &most) {
    const char *bytes = reinterpret_cast<const char *>(&node);
    return meet_four(bytes, line, least, most)
           | meet_four(bytes + sizeof(F4), line, least, most) << 4;
}

inline D4 widened(const float *values) { return __builtin_convertvector(load4(values), D4); }
inline D4 all(double value) { return D4{value, value, value, value}; }

// The direction or the place of a line, in all lanes.
struct Lanes {
    D4 x, y, z;
    explicit Lanes(const Vec &vec) : x(all(vec.x)), y(all(vec.y)), z(all(vec.z)) {}
};

// What is known of four triangles before t, which only hits need. All times the determinant.
struct GroupTest {
    D4 determinant, u, v, qx, qy, qz;
    L4 is_hit;
};

inline __attribute__((always_inline)) void test(const Group &group, const Lanes &origin,
                                                const Lanes &direction, D4 epsilon,
                                                GroupTest *out) {
    const D4 e1x = widened(group.edge1[0]), e1y = widened(group.edge1[1]);
    const D4 e1z = widened(group.edge1[2]);
    const D4 e2x = widened(group.edge2[0]), e2y = widened(group.edge2[1]);
    const D4 e2z = widened(group.edge2[2]);
    const D4 px = direction.y * e2z - direction.z * e2y;
    const D4 py = direction.z * e2x - direction.x * e2z;
    const D4 pz = direction.x * e2y - direction.y * e2x;
    const D4 determinant = e1x * px + e1y * py + e1z * pz;
    const D4 sx = origin.x - widened(group.origin[0]);
    const D4 sy = origin.y - widened(group.origin[1]);
    const D4 sz = origin.z - widened(group.origin[2]);
    const D4 u = sx * px + sy * py + sz * pz;
    out->qx = sy * e1z - sz * e1y;
    out->qy = sz * e1x - sx * e1z;
    out->qz = sx * e1y - sy * e1x;
    const D4 v = direction.x * out->qx + direction.y * out->qy + direction.z * out->qz;
    const D4 sum = u + v, zero = all(0);
    const L4 front = (determinant > epsilon) & (u >= zero) & (v >= zero) & (sum <= determinant);
    const L4 back = (determinant < -epsilon) & (u <= zero) & (v <= zero) & (sum >= determinant);
    out->is_hit = front | back;
    out->determinant = determinant;
    out->u = u;
    out->v = v;
}

inline D4 distance(const Group &group, const GroupTest &found) {
    return widened(group.edge2[0]) * found.qx + widened(group.edge2[1]) * found.qy
           + widened(group.edge2[2]) * found.qz;
}

inline bool any(const L4 &mask) { return (mask[0] | mask[1] | mask[2] | mask[3]) != 0; }

inline __attribute__((always_inline)) bool is_group_blocking(const Group &group, const Lanes &origin, const Lanes &direction,
                              const D4 &epsilon) {
    GroupTest found;
    test(group, origin, direction, epsilon, &found);
    if (!any(found.is_hit)) return false;
    // t > 0: its numerator and the determinant have one sign.
    const D4 t = distance(group, found), zero = all(0);
    const L4 is_ahead = ((t > zero) & (found.determinant > zero))
                        | ((t < zero) & (found.determinant < zero));
    return any(found.is_hit & is_ahead);
}

// Goes on to the next group that the line may meet. `*child` is where the walk is: the root to begin
// with, then the group that was found last. False: there is no other.
inline __attribute__((always_inline)) bool go_down(const Scene &scene, const BoxLine &line,
                                                   const F4 &least, const F4 &most,
                                                   std::int32_t *stack, int *height,
                                                   std::int32_t *child) {
    if (*child < 0) {
        if (*height == 0) return false;
        *child = stack[--*height];
    }
    while (*child >= 0) {
        const Node &node = scene.nodes[*child];
        int met = meet(node, line, least, most);
        if (met == 0) {
            if (*height == 0) return false;
            *child = stack[--*height];
            continue;
        }
        // The first of them at once: most nodes have one.
        *child = node.child[__builtin_ctz(static_cast<unsigned>(met))];
        while ((met &= met - 1) != 0) {
            stack[(*height)++] = node.child[__builtin_ctz(static_cast<unsigned>(met))];
        }
    }
    return true;
}

}  // namespace

NM_CLONES void trace_line(const Scene &scene, const Vec &origin, const Vec &direction, Span span,
                         Collector *collector) {
    // From here on the whole mesh lies ahead.
    const double back = std::sqrt(dot(origin, origin)) + 2 * scene.header.extent;
    const BoxLine line(scene, origin, direction, back);
    const Lanes from(origin), along(direction);
    const D4 epsilon = all(scene.settings.epsilon);
    const F4 slack = all4(static_cast<float>(back) * (WIDEN - 1));
    const F4 start = all4(static_cast<float>(back));
    std::int32_t stack[STACK_SIZE], child = 0;
    int height = 0;
    F4 least = greater(start + all4(static_cast<float>(span.least)) - slack, all4(0));
    F4 most = start + all4(static_cast<float>(span.most)) + slack;
    while (go_down(scene, line, least, most, stack, &height, &child)) {
        const Group &group = scene.groups[~child];
        GroupTest found;
        test(group, from, along, epsilon, &found);
        if (!any(found.is_hit)) continue;
        const D4 t = distance(group, found);
        for (int lane = 0; lane < 4; lane++) {
            if (!found.is_hit[lane]) continue;
            const double determinant = found.determinant[lane];
            collector->take({t[lane] / determinant, found.u[lane] / determinant,
                             found.v[lane] / determinant, group.triangle[lane]},
                            &span);
        }
        least = greater(start + all4(static_cast<float>(span.least)) - slack, all4(0));
        most = start + all4(static_cast<float>(span.most)) + slack;
    }
}

NM_CLONES bool is_blocked(const Scene &scene, const Vec &origin, const Vec &direction,
                          std::int32_t *guess) {
    const Lanes from(origin), along(direction);
    const D4 epsilon = all(scene.settings.epsilon);
    if (*guess >= 0 && is_group_blocking(scene.groups[*guess], from, along, epsilon)) return true;
    const BoxLine line(scene, origin, direction, 0);
    const F4 least = all4(0), most = all4(std::numeric_limits<float>::infinity());
    std::int32_t stack[STACK_SIZE], child = 0;
    int height = 0;
    while (go_down(scene, line, least, most, stack, &height, &child)) {
        if (is_group_blocking(scene.groups[~child], from, along, epsilon)) {
            *guess = ~child;
            return true;
        }
    }
    return false;
}

}  // namespace nm
