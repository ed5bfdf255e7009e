// vec.h: vectors of three doubles.
#ifndef NM_VEC_H
#define NM_VEC_H

#include <cmath>

namespace nm {

// Below this a length counts as nothing, everywhere.
const double TINY = 1e-7;

struct Vec {
    double x, y, z;

    Vec() : x(0), y(0), z(0) {}
    Vec(double x_, double y_, double z_) : x(x_), y(y_), z(z_) {}
    explicit Vec(const float *p) : x(p[0]), y(p[1]), z(p[2]) {}
    explicit Vec(const double *p) : x(p[0]), y(p[1]), z(p[2]) {}
    bool is_zero() const { return x == 0 && y == 0 && z == 0; }
};

inline Vec operator+(const Vec &a, const Vec &b) { return Vec(a.x + b.x, a.y + b.y, a.z + b.z); }
inline Vec operator-(const Vec &a, const Vec &b) { return Vec(a.x - b.x, a.y - b.y, a.z - b.z); }
inline Vec operator*(const Vec &a, double s) { return Vec(a.x * s, a.y * s, a.z * s); }
inline double dot(const Vec &a, const Vec &b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline Vec cross(const Vec &a, const Vec &b) {
    return Vec(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}
inline Vec unit(const Vec &v, const Vec &otherwise = Vec(1, 0, 0)) {
    const double length = std::sqrt(dot(v, v));
    if (length < TINY) return otherwise;
    return Vec(v.x / length, v.y / length, v.z / length);
}
// a * wa + b * wb + c * wc
inline Vec mix(const Vec &a, const Vec &b, const Vec &c, double wa, double wb, double wc) {
    return a * wa + b * wb + c * wc;
}

}  // namespace nm

#endif
