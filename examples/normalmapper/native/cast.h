// cast.h: which point of the high mesh a point of the low mesh stands for, and what it sees.
#ifndef NM_CAST_H
#define NM_CAST_H

#include <cstdint>
#include <vector>

#include "scene.h"
#include "trace.h"
#include "vec.h"

namespace nm {

// What one cast finds.
struct Found {
    Vec normal;     // unit
    Vec position;   // on the high mesh
    double distance;
};

// What a point of the high mesh sees of the sky over it.
struct Sky {
    double openness;  // 1: nothing is in the way
    Vec bent;         // unit: where most of the open sky is
};

// Casts for one thread; keeps memory between casts.
class Caster final : private Collector {
   public:
    explicit Caster(const Scene &scene);

    // Looks both ways along the line. False: no hit that the settings accept.
    bool cast(const Vec &origin, const Vec &direction, Found *found);

    Sky look(const Found &found);

    // Rays cast so far.
    std::uint64_t ray_count() const { return ray_count_; }

   private:
    struct Candidate {
        Hit hit;
        Vec normal;
        double cosine;
    };
    struct Held {
        bool is_none;
        double t, cosine;
    };

    void take(const Hit &hit, Span *span) override;
    bool replaces(const Candidate &candidate, const Held &held) const;
    bool is_further_forward(const Candidate &candidate, const Held &held) const;
    Vec relief_normal(const Hit &hit) const;

    const Scene &scene_;
    const bool is_narrowing_;
    Vec direction_;
    std::vector<Candidate> candidates_;
    std::vector<std::int32_t> guesses_;  // for is_blocked, one a ray
    double weight_sum_;
    std::uint64_t ray_count_;
};

}  // namespace nm

#endif
