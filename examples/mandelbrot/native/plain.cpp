// Points in double precision. The order of the operations is that of mb_task.py: same bits.
#include "request.h"

namespace mandelbrot {

namespace {

// The two largest parts of the set have closed forms.
bool is_surely_inside(double cr, double ci) {
    const double ci2 = ci * ci;
    const double a = cr - 0.25, q = a * a + ci2;
    if (q * (q + a) <= 0.25 * ci2) return true;
    const double b = cr + 1.0;
    return b * b + ci2 <= 0.0625;
}

Result iterate(double cr, double ci, u32 limit, Patience &patience) {
    if (is_surely_inside(cr, ci)) return {limit, 0.0f, 1};
    double x = 0.0, y = 0.0;
    // A value that comes again comes for ever. The one that is kept grows old, and is replaced.
    double kept_x = 0.0, kept_y = 0.0;
    u32 replace_at = 16;
    for (u32 count = 0;; count++) {
        const double x2 = x * x, y2 = y * y, norm = x2 + y2;
        if (norm > ESCAPED) {
            patience.spend(count + 1);
            return {count, static_cast<float>(norm), count + 1u};
        }
        if (count == limit) break;
        y = (x + x) * y + ci;
        x = (x2 - y2) + cr;
        if (x == kept_x && y == kept_y) {
            patience.spend(count + 1);
            return {limit, 0.0f, count + 1u};
        }
        if (count == replace_at) {
            kept_x = x;
            kept_y = y;
            replace_at += replace_at;
            patience.spend(count / 2);
        }
    }
    patience.spend(limit / 2 + 1);
    return {limit, 0.0f, limit + 1u};
}

}  // namespace

void compute_plain(const Request &request, Answer &answer, Patience patience) {
    answer.fill(request, [&](u32 x, u32 y) {
        const double cr = request.re + request.across(x) * request.half_step;
        const double ci = request.im + request.upward(y) * request.half_step;
        return iterate(cr, ci, request.limit, patience);
    });
}

}  // namespace mandelbrot
