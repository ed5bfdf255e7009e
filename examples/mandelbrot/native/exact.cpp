// Points with as many bits as the zoom needs: whole numbers of units of 2^-fraction_bits, every
// product rounded down. Whole numbers leave no room for a second opinion, so that GMP here and
// Python there have the same bits.
#include "request.h"

#if defined(MB_WITH_GMP)

#include <gmp.h>

namespace mandelbrot {

namespace {

// |z|^2 is handed on with this many places.
const u32 NORM_BITS = 20;

class Number {
   public:
    Number() { mpz_init(value); }
    ~Number() { mpz_clear(value); }
    Number(const Number &) = delete;
    Number &operator=(const Number &) = delete;

    void set(const std::string &hexadecimal) {
        if (mpz_set_str(value, hexadecimal.c_str(), 16) != 0) {
            throw std::runtime_error("the request has a number that is none");
        }
    }

    mpz_t value;
};

class Exact {
   public:
    explicit Exact(const Request &request) : request_(request) {
        re_.set(request.exact_re);
        im_.set(request.exact_im);
        half_step_.set(request.exact_half_step);
        mpz_set_ui(escaped_.value, static_cast<unsigned long>(ESCAPED));
        mpz_mul_2exp(escaped_.value, escaped_.value, request.fraction_bits);
    }

    Result point(u32 column, u32 row, Patience &patience) {
        place(cr_.value, re_.value, request_.across(column));
        place(ci_.value, im_.value, request_.upward(row));
        mpz_set_ui(x_.value, 0);
        mpz_set_ui(y_.value, 0);
        for (u32 count = 0;; count++) {
            multiply(x2_.value, x_.value, x_.value, request_.fraction_bits);
            multiply(y2_.value, y_.value, y_.value, request_.fraction_bits);
            mpz_add(norm_.value, x2_.value, y2_.value);
            if (mpz_cmp(norm_.value, escaped_.value) > 0) return {count, norm(), count + 1u};
            if (count == request_.limit) return {count, 0.0f, count + 1u};
            multiply(y_.value, x_.value, y_.value, request_.fraction_bits - 1);
            mpz_add(y_.value, y_.value, ci_.value);
            mpz_sub(x_.value, x2_.value, y2_.value);
            mpz_add(x_.value, x_.value, cr_.value);
            patience.spend(1);
        }
    }

   private:
    void place(mpz_t out, const mpz_t centre, double half_steps) {
        mpz_mul_si(out, half_step_.value, static_cast<long>(half_steps));
        mpz_add(out, out, centre);
    }

    void multiply(mpz_t out, const mpz_t a, const mpz_t b, u32 places) {
        mpz_mul(product_.value, a, b);
        mpz_fdiv_q_2exp(out, product_.value, places);
    }

    float norm() {
        mpz_fdiv_q_2exp(norm_.value, norm_.value, request_.fraction_bits - NORM_BITS);
        return static_cast<float>(mpz_get_d(norm_.value) / (1 << NORM_BITS));
    }

    const Request &request_;
    Number re_, im_, half_step_, escaped_, cr_, ci_, x_, y_, x2_, y2_, norm_, product_;
};

}  // namespace

void compute_exact(const Request &request, Answer &answer, Patience patience) {
    if (request.fraction_bits < 64) throw std::runtime_error("the request's numbers are too short");
    Exact exact(request);
    answer.fill(request, [&](u32 x, u32 y) { return exact.point(x, y, patience); });
}

}  // namespace mandelbrot

#else

namespace mandelbrot {

void compute_exact(const Request &, Answer &, Patience) {
    throw std::runtime_error("this task was compiled without GMP: it has no long numbers");
}

}  // namespace mandelbrot

#endif
