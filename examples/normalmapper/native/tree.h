// tree.h: boxes within boxes over the triangles of a mesh.
#ifndef NM_TREE_H
#define NM_TREE_H

#include <cstdint>
#include <vector>

#include "scene.h"

namespace nm {

// No leaf lies more nodes below the root than this: 2^32 triangles need 16 levels of halving twice.
const int LARGEST_DEPTH = 32 + 20;

// Fills nodes (the first is the root) and groups; there is always at least one node.
void build_tree(const Triangle *triangles, std::uint64_t count, std::vector<Node> *nodes,
                std::vector<Group> *groups);

}  // namespace nm

#endif
