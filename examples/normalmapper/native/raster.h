// raster.h: which texels a triangle of the low mesh visits.
#ifndef NM_RASTER_H
#define NM_RASTER_H

#include <cstdint>

#include "scene.h"

namespace nm {

struct Columns {
    int first, last;  // both included; none if last < first
};

// A triangle on the picture: x = u (width - 1), y = v (height - 1), so texel centres are whole.
//
// Texels are found from corners rounded to texels, generously: a row visits everything between the
// edges and `pad` texels more on each side. Two oddities decide about real pixels of the original
// and are kept. Edges step in whole texels, rounded up; and when the triangle begins so near to row 0
// that its padding would begin above it, its edges lag one row, and the rows up to its first one
// visit only the first columns.
class Outline {
   public:
    Outline(const Triangle &triangle, std::uint32_t width, std::uint32_t height, int pad);

    // No extent on the picture: nothing is visited.
    bool is_degenerate() const;

    // The rows and columns that visit() stays within, already cut to the picture.
    int first_row() const { return first_row_; }
    int last_row() const { return last_row_; }
    int first_column() const { return first_column_; }
    int last_column() const { return last_column_; }

    // The columns visited in a row between first_row and last_row.
    Columns visit(int row) const;

    // The weights of the three corners at a point.
    void weights(double x, double y, double *weights) const;

   private:
    struct Edge {
        int from_x, from_y, to_x, to_y;
    };

    double x_[3], y_[3], area_;
    Edge edges_[3];
    int width_, pad_, top_, bottom_;
    bool is_late_;
    int first_row_, last_row_, first_column_, last_column_;
};

}  // namespace nm

#endif
