/* normalmapper.h: what the library does, for Python and for tests.
 *
 * The application calls nm_build_scene and nm_plan; the task calls nm_render with what it was sent.
 * Functions return NULL, or a sentence that says what is wrong (a constant, not to be freed). All of
 * them may be called from several threads at once.
 */
#ifndef NORMALMAPPER_H
#define NORMALMAPPER_H

#include <stdint.h>

#if defined(_WIN32)
#define NM_API __declspec(dllexport)
#else
#define NM_API __attribute__((visibility("default")))
#endif

#if defined(__cplusplus)
extern "C" {
#endif

/* cdef: begin */
enum {
    NM_CLOSEST = 0,
    NM_FURTHEST = 1,
    NM_FRONT_FURTHEST = 2,
    NM_NEAREST_NORMAL = 3
};

/* How a picture is made; travels inside the scene. */
typedef struct nm_settings {
    double epsilon;       /* a triangle counts as parallel to a ray up to this determinant */
    double cutoff;        /* least cosine between a normal that is hit and the ray */
    double max_distance;  /* of a hit, in units of the model */
    int32_t rule;         /* NM_CLOSEST ...: which hit of a line is taken */
    int32_t is_better;    /* among hits of one distance the better normal is taken, not the first */
    int32_t is_front_only;
    int32_t pad;          /* texels around a triangle that are looked at */
    int32_t is_edge_copied;
    int32_t is_world;     /* normals of the world instead of tangent space */
    int32_t has_occlusion;
    int32_t has_bent;
    int32_t has_displacement;
    int32_t reserved;
} nm_settings;

/* What a scene is made of. Triangles are 24 floats: 3 positions, 3 normals, 3 (u, v). */
typedef struct nm_input {
    nm_settings settings;
    const float *low;
    uint64_t low_count;
    const float *high;
    uint64_t high_count;
    const double *samples;    /* (x, y) offsets from the middle of a texel */
    uint64_t sample_count;
    const double *rays;       /* (x, y, z, weight) around +z; none without occlusion and bent */
    uint64_t ray_count;
    const float *relief;      /* width * height normals of the height map, or NULL */
    uint32_t relief_width;
    uint32_t relief_height;
} nm_input;

/* A part of the picture: x0 <= x < x1, y0 <= y < y1. */
typedef struct nm_tile {
    uint32_t x0, y0, x1, y1;
} nm_tile;

/* Asked now and then; 0 ends the work. */
typedef int32_t (*nm_go_on)(void *user_data);

/* Makes a scene: one block of bytes that is used where it lies. The caller frees it with nm_free. */
NM_API const char *nm_build_scene(const nm_input *input, uint8_t **scene, uint64_t *scene_bytes);
NM_API void nm_free(uint8_t *scene);

/* Estimates the work of each tile: rays to be cast, roughly. */
NM_API const char *nm_plan(const uint8_t *scene, uint64_t scene_bytes, uint32_t width, uint32_t height,
                    const nm_tile *tiles, uint64_t tile_count, double *costs);

/* Computes tiles of a picture of width x height. For each tile in turn, and each of its texels row
   by row, it writes nm_channels floats: x, y, z of the sum of normals, then occlusion, then
   displacement, as far as wanted. `*is_stopped` is set if go_on said so. */
NM_API const char *nm_render(const uint8_t *scene, uint64_t scene_bytes, uint32_t width, uint32_t height,
                      const nm_tile *tiles, uint64_t tile_count, float *out, uint64_t out_count,
                      nm_go_on go_on, void *user_data, int32_t *is_stopped);
NM_API uint32_t nm_channels(const uint8_t *scene);

/* Tells whether these bytes are a scene that can be used. */
NM_API const char *nm_check_scene(const uint8_t *scene, uint64_t scene_bytes);

/* Computes the tangent and binormal of each corner: 6 doubles, 3 corners a triangle. */
NM_API const char *nm_tangents(const float *triangles, uint64_t count, double *out);
/* cdef: end */

#if defined(__cplusplus)
}
#endif

#endif
