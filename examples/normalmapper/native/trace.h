// trace.h: which triangles of the high mesh a line or a ray meets.
#ifndef NM_TRACE_H
#define NM_TRACE_H

#include <cstdint>
#include <vector>

#include "scene.h"
#include "vec.h"

namespace nm {

struct Hit {
    double t, u, v;  // signed distance; weights of the second and the third corner
    std::uint32_t triangle;
};

// Which part of a line is looked at: least <= t <= most. Both may be infinite.
struct Span {
    double least, most;
};

// Decides about a hit, and may narrow the span.
class Collector {
   public:
    virtual void take(const Hit &hit, Span *span) = 0;

   protected:
    ~Collector() {}
};

// Shows every hit of the line to the collector, in no particular order. Hits outside the span may be
// shown too.
void trace_line(const Scene &scene, const Vec &origin, const Vec &direction, Span span,
                Collector *collector);

// Rays from one place after another meet the same triangles again and again: `guess` is where the
// caller keeps the group that blocked the ray like this one last time, or -1.
bool is_blocked(const Scene &scene, const Vec &origin, const Vec &direction, std::int32_t *guess);

}  // namespace nm

#endif
