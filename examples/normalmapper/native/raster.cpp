#include "raster.h"

#include <algorithm>
#include <cmath>

#include "vec.h"

namespace nm {
namespace {

int rounded(float coordinate, std::uint32_t size) {
    const float scaled = coordinate * static_cast<float>(size - 1);
    return static_cast<int>(scaled + 0.5f);
}

// numerator / denominator rounded up; the denominator is positive.
std::int64_t divided_up(std::int64_t numerator, std::int64_t denominator) {
    const std::int64_t quotient = numerator / denominator;
    return quotient + (numerator % denominator > 0 ? 1 : 0);
}

}  // namespace

Outline::Outline(const Triangle &triangle, std::uint32_t width, std::uint32_t height, int pad)
    : width_(static_cast<int>(width)), pad_(pad) {
    int column[3], row[3];
    for (int index = 0; index < 3; index++) {
        const float *uv = triangle.uv[index];
        x_[index] = static_cast<double>(uv[0]) * (width - 1);
        y_[index] = static_cast<double>(uv[1]) * (height - 1);
        column[index] = rounded(uv[0], width);
        row[index] = rounded(uv[1], height);
    }
    area_ = (x_[1] - x_[0]) * (y_[2] - y_[0]) - (x_[2] - x_[0]) * (y_[1] - y_[0]);
    const int pairs[3][2] = {{0, 1}, {0, 2}, {1, 2}};
    for (int index = 0; index < 3; index++) {
        int from = pairs[index][0], to = pairs[index][1];
        if (triangle.uv[to][1] < triangle.uv[from][1]) std::swap(from, to);
        edges_[index] = {column[from], row[from], column[to], row[to]};
    }
    top_ = std::min({row[0], row[1], row[2]});
    bottom_ = std::max({row[0], row[1], row[2]});
    is_late_ = top_ < pad;
    first_row_ = std::max(top_ - pad, 0);
    last_row_ = std::min(bottom_ + pad, static_cast<int>(height) - 1);
    const int least = std::min({column[0], column[1], column[2]});
    first_column_ = is_late_ ? 0 : std::max(least - pad, 0);
    last_column_ = std::max({column[0], column[1], column[2]}) + pad;
    last_column_ = std::min(last_column_, width_ - 1);
}

bool Outline::is_degenerate() const { return !(std::fabs(area_) >= TINY); }

Columns Outline::visit(int row) const {
    const int at = std::min(std::max(row, top_), bottom_);
    int low = 0, high = 0;
    if (!is_late_ || at > top_) {
        bool is_first = true;
        for (const Edge &edge : edges_) {
            if (at < edge.from_y || at > edge.to_y) continue;
            int x = edge.from_x;
            if (edge.to_y != edge.from_y) {
                const int begin = is_late_ ? std::max(edge.from_y, top_ + 1) : edge.from_y;
                const std::int64_t run = edge.to_x - edge.from_x;
                x += static_cast<int>(divided_up((at - begin) * run, edge.to_y - edge.from_y));
            }
            low = is_first ? x : std::min(low, x);
            high = is_first ? x : std::max(high, x);
            is_first = false;
        }
    }
    return {std::max(low - pad_, 0), std::min(high + pad_, width_ - 1)};
}

void Outline::weights(double x, double y, double *weights) const {
    weights[0] = ((x_[1] - x) * (y_[2] - y) - (x_[2] - x) * (y_[1] - y)) / area_;
    weights[1] = ((x_[2] - x) * (y_[0] - y) - (x_[0] - x) * (y_[2] - y)) / area_;
    weights[2] = ((x_[0] - x) * (y_[1] - y) - (x_[1] - x) * (y_[0] - y)) / area_;
}

}  // namespace nm
