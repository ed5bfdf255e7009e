// render.h: the picture, tile by tile.
#ifndef NM_RENDER_H
#define NM_RENDER_H

#include <cstdint>

#include "normalmapper.h"
#include "scene.h"

namespace nm {

// Whether to go on; asked after each thousand rays or so.
class Watch {
   public:
    virtual bool may_go_on() = 0;

   protected:
    ~Watch() {}
};

// Rays that the tile will take, roughly.
double expected_cost(const Scene &scene, std::uint32_t width, std::uint32_t height,
                     const nm_tile &tile);

// Writes the texels of the tile row by row. False: the watch said no.
bool render(const Scene &scene, std::uint32_t width, std::uint32_t height, const nm_tile &tile,
            float *out, Watch *watch);

}  // namespace nm

#endif
