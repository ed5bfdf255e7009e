// lanes.h: four numbers at once.
//
// Written with the vector types of gcc and clang, which compile to whatever the processor has. Each
// lane does the same IEEE operations one after the other whatever that is, so the bits are the same.
#ifndef NM_LANES_H
#define NM_LANES_H

#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Compiles a function twice where the system can choose between them when it loads the library: four
// doubles fit one register of newer processors, and two of all. The operations are the same.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) \
    && !defined(NM_ONE_CLONE)
#define NM_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define NM_CLONES
#endif

namespace nm {

typedef float F4 __attribute__((vector_size(16), may_alias));
typedef decltype(F4() < F4()) I4;
typedef double D4 __attribute__((vector_size(32), may_alias));
typedef decltype(D4() < D4()) L4;  // -1 in each lane where it holds

inline F4 lesser(F4 a, F4 b) {
#if defined(__SSE2__)
    return _mm_min_ps(a, b);
#else
    return a < b ? a : b;
#endif
}

inline F4 greater(F4 a, F4 b) {
#if defined(__SSE2__)
    return _mm_max_ps(a, b);
#else
    return a > b ? a : b;
#endif
}

// One bit for each lane that holds -1.
inline int bits(I4 mask) {
#if defined(__SSE2__)
    return _mm_movemask_ps(reinterpret_cast<__m128>(mask));
#else
    return (mask[0] & 1) | (mask[1] & 2) | (mask[2] & 4) | (mask[3] & 8);
#endif
}

inline F4 all4(float value) { return F4{value, value, value, value}; }
inline F4 load4(const float *values) { return *reinterpret_cast<const F4 *>(values); }

}  // namespace nm

#endif
