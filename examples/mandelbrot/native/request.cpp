// Reading requests, which come from another computer: nothing in them is believed.
#include "request.h"

#include <cmath>
#include <cstring>

namespace mandelbrot {

namespace {

// No picture is larger; coordinates then fit everywhere.
const u32 LONGEST_EDGE = 1u << 20;
const u32 MOST_BITS = 1u << 20;
const u64 MOST_POINTS = 1ull << 27;

class Reader {
   public:
    Reader(const std::uint8_t *bytes, u64 count) : at_(bytes), left_(count) {}

    template <typename T>
    T take() {
        T value;
        std::memcpy(&value, advance(sizeof value), sizeof value);
        return value;
    }

    std::string text() {
        const u32 count = take<u32>();
        return std::string(reinterpret_cast<const char *>(advance(count)), count);
    }

    bool is_at_end() const { return left_ == 0; }

   private:
    const std::uint8_t *advance(u64 count) {
        if (count > left_) throw std::runtime_error("the request is cut off");
        const std::uint8_t *found = at_;
        at_ += count;
        left_ -= count;
        return found;
    }

    const std::uint8_t *at_;
    u64 left_;
};

void check(const Request &request) {
    const bool has_edges = request.width >= 1 && request.width <= LONGEST_EDGE &&
                           request.height >= 1 && request.height <= LONGEST_EDGE;
    if (!has_edges) throw std::runtime_error("the picture of the request is too large, or empty");
    if (request.arithmetic > EXACT) throw std::runtime_error("the request wants unknown arithmetic");
    if (request.fraction_bits > MOST_BITS) throw std::runtime_error("the request's numbers are too long");
    if (!std::isfinite(request.half_step) || !std::isfinite(request.re) || !std::isfinite(request.im)) {
        throw std::runtime_error("the request has a number that is none");
    }
    for (const Tile &tile : request.tiles) {
        const bool is_inside = tile.x0 < tile.x1 && tile.x1 <= request.width && tile.y0 < tile.y1 &&
                               tile.y1 <= request.height && tile.stride >= 1 &&
                               tile.stride <= LONGEST_EDGE;
        if (!is_inside) throw std::runtime_error("a tile of the request is not in its picture");
    }
    if (request.points() > MOST_POINTS) throw std::runtime_error("the request has too many points");
}

}  // namespace

u64 Request::points() const {
    u64 sum = 0;
    for (const Tile &tile : tiles) sum += tile.points();
    return sum;
}

Request parse(const std::uint8_t *bytes, u64 count) {
    Reader in(bytes, count);
    Request request;
    request.arithmetic = in.take<u32>();
    request.wants_steps = in.take<u32>();
    request.width = in.take<u32>();
    request.height = in.take<u32>();
    request.limit = in.take<u32>();
    request.half_step = in.take<double>();
    request.re = in.take<double>();
    request.im = in.take<double>();
    request.fraction_bits = in.take<u32>();
    request.exact_re = in.text();
    request.exact_im = in.text();
    request.exact_half_step = in.text();
    request.reference = in.text();
    const u32 tile_count = in.take<u32>();
    if (tile_count > count / sizeof(Tile)) throw std::runtime_error("the request is cut off");
    for (u32 index = 0; index < tile_count; index++) request.tiles.push_back(in.take<Tile>());
    if (!in.is_at_end()) throw std::runtime_error("the request is longer than it says");
    check(request);
    return request;
}

}  // namespace mandelbrot
