// Points as small distances from a reference orbit that was computed with long numbers.
//
// With Z the reference, a point's orbit is Z[m] + d: d' = (2 Z[m] + d) d + e, where e is the point's
// distance from the reference in the plane. Doubles hold d to their full length, however deep the
// zoom. Two things are added:
//
// * Where z = Z[m] + d comes nearer to 0 than d, the point goes on beside the beginning of the
//   reference (m = 0, d = z). Without that, digits of d would be lost in such places, which is what
//   glitches are; so none arise, and a reference that ends early serves to its end and then again.
// * While d is so small that its square is below the rounding of 2 Z d, many steps are one linear
//   step, d' = A d + B e. A and B for 2, 4, 8, ... steps come with the reference, and the radius up
//   to which they hold. A run of the reference goes from behind a place near 0, which leaps seldom
//   get over, to the next; for its beginning there are leaps of every length.
#include <cmath>
#include <cstring>

#include "request.h"

namespace mandelbrot {

namespace {

const char MAGIC[8] = {'M', 'B', 'R', 'E', 'F', '2', 0, 0};

struct Value {
    double re, im;
};

// 2^level steps from one place of the reference.
struct Leap {
    double a_re, a_im, b_re, b_im, radius;
};

// The reference, used where it lies.
class Reference {
   public:
    Reference(const std::uint8_t *bytes, u64 count) {
        if (bytes == nullptr || count < 24 || std::memcmp(bytes, MAGIC, sizeof MAGIC) != 0) {
            throw std::runtime_error("the reference is none");
        }
        std::memcpy(&length_, bytes + 8, 8);
        std::memcpy(&levels_, bytes + 16, 8);
        if (length_ < 2 || length_ > count / sizeof(Value) || levels_ > 40) {
            throw std::runtime_error("the reference has an impossible length");
        }
        values_ = reinterpret_cast<const Value *>(bytes + 24);
        const Leap *next = reinterpret_cast<const Leap *>(values_ + length_);
        u64 expected = 24 + length_ * (sizeof(Value) + sizeof(u32)) + (length_ - 2) * sizeof(Leap);
        for (u64 level = 0; level < levels_; level++) {
            leaps_[level] = next;
            next += leaps_on(level);
            expected += leaps_on(level) * sizeof(Leap);
        }
        if (expected != count) throw std::runtime_error("the reference is cut off");
        runs_ = next;
        ends_ = reinterpret_cast<const u32 *>(runs_ + (length_ - 2));
        for (u64 place = 0; place < length_; place++) {
            const bool is_in_order = ends_[place] == 0 || (place > 0 && ends_[place] > place);
            if (!is_in_order || ends_[place] > length_ - 1) {
                throw std::runtime_error("the reference has an impossible run");
            }
        }
        for (u64 index = 0; levels_ > 0 && index < leaps_on(0); index++) {
            if (leaps_[0][index].radius > widest_) widest_ = leaps_[0][index].radius;
        }
        radii_.reserve(length_);
        for (u64 place = 1; place + 1 < length_; place++) {
            radii_.push_back(leap_behind(place)->radius);
            // Those of a single step are not used.
            if (radii_.back() > widest_ && ends_[place] == 0) widest_ = radii_.back();
        }
    }

    // Further out there is no leap.
    double widest() const { return widest_; }
    u64 last() const { return length_ - 1; }
    const Value &value(u64 at) const { return values_[at]; }

    // The longest leap from here, no longer than `most` steps, for a distance of this size.
    const Leap *leap(u64 at, double size, u64 most, u64 *steps) const {
        const Leap *found = nullptr;
        u64 index = at - 1;
        for (u64 level = 0; level < levels_ && (index & 1) == 0; level++) {
            index >>= 1;
            const u64 length = 2ull << level;
            if (index >= leaps_on(level) || length > most) break;
            const Leap *candidate = leaps_[level] + index;
            // A longer one never holds further out than the shorter one it begins with.
            if (!(size < candidate->radius)) break;
            found = candidate;
            *steps = length;
        }
        return found;
    }

    // Over how many steps a distance of this size can leap in the run that begins here.
    u64 run(u64 at, double size, u64 most) const {
        if (ends_[at] == 0) return 0;
        const double *radius = &radii_[at - 1];  // of one step, two, ...
        // Radii fall with the number of steps, and most distances hold to near the end.
        u64 above = ends_[at] - at + 1;
        for (u32 look = 0; look < 3 && above > 1; look++) {
            if (size < radius[above - 2]) return above - 1 < most ? above - 1 : most;
            above--;
        }
        u64 sure = 0;
        while (above - sure > 1) {
            const u64 middle = (sure + above) / 2;
            if (size < radius[middle - 1]) {
                sure = middle;
            } else {
                above = middle;
            }
        }
        return sure < most ? sure : most;
    }
    // The leap to behind a place from where its run begins.
    const Leap *leap_behind(u64 place) const { return runs_ + (place - 1); }

   private:
    // Level 0 leaps over two steps; all levels begin at place 1.
    u64 leaps_on(u64 level) const { return (length_ - 2) >> (level + 1); }

    const Value *values_;
    const Leap *runs_;
    const u32 *ends_;
    std::vector<double> radii_;  // of the rows of runs, close together
    u64 length_, levels_;
    double widest_ = 0.0;
    const Leap *leaps_[40];
};

double size_of(double x, double y) { return std::fabs(x) + std::fabs(y); }

Result iterate(const Reference &reference, double er, double ei, u32 limit, Patience &patience) {
    const u64 last = reference.last();
    const double widest = reference.widest();
    double dr = 0.0, di = 0.0, size = 0.0;
    u64 at = 0;
    u32 count = 0, steps = 0, replace_at = 16;
    double kept_r = 0.0, kept_i = 0.0;
    u64 kept_at = ~0ull;
    while (count < limit) {
        steps++;
        u64 length = 1;
        const Leap *leap = nullptr;
        if (size < widest) {
            if ((at & 1) != 0) leap = reference.leap(at, size, limit - count, &length);
            const u64 run = reference.run(at, size, limit - count);
            if (run > length) {
                leap = reference.leap_behind(at + run - 1);
                length = run;
            }
        }
        if (leap != nullptr) {
            const double r = (leap->a_re * dr - leap->a_im * di) + (leap->b_re * er - leap->b_im * ei);
            di = (leap->a_re * di + leap->a_im * dr) + (leap->b_re * ei + leap->b_im * er);
            dr = r;
        } else {
            const Value &value = reference.value(at);
            const double ar = (value.re + value.re) + dr, ai = (value.im + value.im) + di;
            const double r = (ar * dr - ai * di) + er;
            di = (ar * di + ai * dr) + ei;
            dr = r;
        }
        at += length;
        count += static_cast<u32>(length);
        const double zr = reference.value(at).re + dr, zi = reference.value(at).im + di;
        const double norm = zr * zr + zi * zi;
        if (norm > ESCAPED) {
            patience.spend(steps & 255);
            return {count, static_cast<float>(norm), steps};
        }
        const double size_z = size_of(zr, zi);
        size = size_of(dr, di);
        if (at == last || size_z < size) {
            dr = zr;
            di = zi;
            size = size_z;
            at = 0;
        }
        if (dr == kept_r && di == kept_i && at == kept_at) break;  // it goes round for ever
        if (steps == replace_at) {
            kept_r = dr;
            kept_i = di;
            kept_at = at;
            replace_at += replace_at;
        }
        if ((steps & 255) == 0) patience.spend(256);
    }
    patience.spend(steps & 255);
    return {limit, 0.0f, steps};
}

}  // namespace

void compute_perturbed(const Request &request, const std::uint8_t *bytes, u64 count, Answer &answer,
                       Patience patience) {
    const Reference reference(bytes, count);
    answer.fill(request, [&](u32 x, u32 y) {
        const double er = request.across(x) * request.half_step;
        const double ei = request.upward(y) * request.half_step;
        return iterate(reference, er, ei, request.limit, patience);
    });
}

}  // namespace mandelbrot
