// tangents.h: the frame that each corner of a mesh has.
#ifndef NM_TANGENTS_H
#define NM_TANGENTS_H

#include <cstdint>

#include "scene.h"

namespace nm {

// Fills three corners for each triangle.
void make_corners(const Triangle *triangles, std::uint64_t count, Corner *corners);

}  // namespace nm

#endif
