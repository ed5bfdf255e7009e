// A request as it arrives, and the walk over the points that it asks for.
#ifndef REQUEST_H
#define REQUEST_H

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "mandelbrot.h"

namespace mandelbrot {

typedef std::uint32_t u32;
typedef std::uint64_t u64;

// A point has left for good when |z|^2 is above this.
const double ESCAPED = 65536.0;

enum Arithmetic { PLAIN = 0, PERTURBED = 1, EXACT = 2 };

// Every `stride`-th pixel of x0 <= x < x1, y0 <= y < y1, beginning at the corner.
struct Tile {
    u32 x0, y0, x1, y1, stride;

    u32 columns() const { return (x1 - x0 + stride - 1) / stride; }
    u32 rows() const { return (y1 - y0 + stride - 1) / stride; }
    u64 points() const { return static_cast<u64>(columns()) * rows(); }
};

struct Request {
    u32 arithmetic, wants_steps, width, height, limit;
    double half_step, re, im;
    u32 fraction_bits;
    std::string exact_re, exact_im, exact_half_step, reference;
    std::vector<Tile> tiles;

    u64 points() const;
    u64 answer_bytes() const { return points() * (wants_steps ? 12 : 8); }
    // Half steps from the centre; rows go down, the imaginary axis goes up.
    double across(u32 x) const { return 2.0 * x - (width - 1.0); }
    double upward(u32 y) const { return (height - 1.0) - 2.0 * y; }
};

// Throws std::runtime_error for what is no request.
Request parse(const std::uint8_t *bytes, u64 count);

struct Stopped {};

// Asks whether to go on, but not so often that it is felt.
class Patience {
   public:
    Patience(mb_go_on go_on, void *user_data, u64 steps)
        : go_on_(go_on), user_data_(user_data), between_(steps), left_(steps) {}

    void spend(u64 steps) {
        if (left_ > steps) {
            left_ -= steps;
        } else {
            left_ = between_;
            if (!go_on_(user_data_)) throw Stopped();
        }
    }

   private:
    mb_go_on go_on_;
    void *user_data_;
    u64 between_, left_;
};

// What one point came to: its count (the limit: it never left), |z|^2 when it had left, and how many
// steps that took.
struct Result {
    u32 count;
    float norm;
    u32 steps;
};

// Where the answers of all points are written: counts, norms, and steps if they are wanted.
class Answer {
   public:
    Answer(const Request &request, std::uint8_t *bytes)
        : counts_(reinterpret_cast<u32 *>(bytes)),
          norms_(reinterpret_cast<float *>(counts_ + request.points())),
          steps_(request.wants_steps ? counts_ + 2 * request.points() : nullptr) {}

    template <typename Point>
    void fill(const Request &request, Point point) {
        for (const Tile &tile : request.tiles) {
            for (u32 y = tile.y0; y < tile.y1; y += tile.stride) {
                for (u32 x = tile.x0; x < tile.x1; x += tile.stride) {
                    const Result result = point(x, y);
                    *counts_++ = result.count;
                    *norms_++ = result.norm;
                    if (steps_ != nullptr) *steps_++ = result.steps;
                }
            }
        }
    }

   private:
    u32 *counts_;
    float *norms_;
    u32 *steps_;
};

void compute_plain(const Request &request, Answer &answer, Patience patience);
void compute_perturbed(const Request &request, const std::uint8_t *reference, u64 reference_bytes,
                       Answer &answer, Patience patience);
void compute_exact(const Request &request, Answer &answer, Patience patience);

}  // namespace mandelbrot

#endif
