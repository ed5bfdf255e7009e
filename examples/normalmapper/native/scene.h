// scene.h: the block of bytes that all tasks share.
//
// It holds no pointer, only distances from its beginning, and every part begins at a multiple of 64
// bytes. So the same bytes serve in any process, wherever they are mapped, and nobody parses or
// copies them. Numbers have the lowest byte first.
#ifndef NM_SCENE_H
#define NM_SCENE_H

#include <cstddef>
#include <cstdint>

#include "normalmapper.h"

namespace nm {

// As in an NMF file.
struct Triangle {
    float position[3][3];
    float normal[3][3];
    float uv[3][2];
};
static_assert(sizeof(Triangle) == 96, "24 floats");

struct Corner {
    double tangent[3];
    double binormal[3];
};

// Up to four triangles, side by side: what one test takes. Places that are free have no extent.
struct Group {
    float origin[3][4];  // the first corner
    float edge1[3][4];   // from there to the second and to the third, as differences of floats
    float edge2[3][4];
    std::uint32_t triangle[4];
};
static_assert(sizeof(Group) == 160, "no holes");

// Up to eight children with their boxes, side by side. A child >= 0 is a node, a child < 0 is the
// group ~child. The box of a child that is not there is inside out, and nothing meets it.
const int CHILDREN = 8;
struct Node {
    float low[3][CHILDREN];
    float high[3][CHILDREN];
    std::int32_t child[CHILDREN];
};
static_assert(sizeof(Node) == 224, "no holes");

struct Sample {
    double x, y;
};

struct Ray {
    double x, y, z, weight;
};

struct Part {
    std::uint64_t offset, count;
};

struct Header {
    char magic[8];
    std::uint64_t byte_count;
    nm_settings settings;
    Part low, low_corners, high, high_corners, nodes, groups, samples, rays, relief;
    std::uint32_t relief_width, relief_height;
    double extent;  // the greatest coordinate of the high mesh, without sign
};

extern const char MAGIC[8];

// The parts of a scene as arrays. Costs nothing to make.
class Scene {
   public:
    explicit Scene(const std::uint8_t *bytes)
        : header(*reinterpret_cast<const Header *>(bytes)),
          settings(header.settings),
          low(at<Triangle>(bytes, header.low)),
          low_corners(at<Corner>(bytes, header.low_corners)),
          high(at<Triangle>(bytes, header.high)),
          high_corners(at<Corner>(bytes, header.high_corners)),
          nodes(at<Node>(bytes, header.nodes)),
          groups(at<Group>(bytes, header.groups)),
          samples(at<Sample>(bytes, header.samples)),
          rays(at<Ray>(bytes, header.rays)),
          relief(at<float>(bytes, header.relief)) {}

    bool has_relief() const { return header.relief.count != 0; }
    bool needs_rays() const { return settings.has_occlusion || settings.has_bent; }
    std::uint32_t channels() const {
        return 3u + (settings.has_occlusion ? 1u : 0u) + (settings.has_displacement ? 1u : 0u);
    }

    const Header &header;
    const nm_settings &settings;
    const Triangle *low;
    const Corner *low_corners;
    const Triangle *high;
    const Corner *high_corners;  // only with a height map
    const Node *nodes;
    const Group *groups;
    const Sample *samples;
    const Ray *rays;
    const float *relief;

   private:
    template <typename T>
    static const T *at(const std::uint8_t *bytes, const Part &part) {
        return reinterpret_cast<const T *>(bytes + part.offset);
    }
};

}  // namespace nm

#endif
