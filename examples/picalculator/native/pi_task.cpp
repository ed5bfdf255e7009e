// The task of pi_task.py in C++: a u32 position comes in, the position and nine digits go out.
//
// The method, and why no number grows, is told there. Here one prime is treated after the other, in
// 64-bit integers: every product is of two numbers below 2^32. The fractions s / a^e are added with
// 128 binary places, so that what is cut off cannot reach the digits, and nothing depends on how
// some processor rounds.

#include <hxgrid/task.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

namespace {

typedef std::uint32_t u32;
typedef std::uint64_t u64;

const u32 LAST_POSITION = 480000;
const u32 FIRST_GUARD_DIGITS = 24;
const u32 MORE_GUARD_DIGITS = 20;
const u64 DIGITS_PER_BLOCK = 1000000000;

// A number from 0 up to 1 with 128 binary places, the highest word first.
struct Fraction {
    u32 word[4];

    Fraction() : word() {}

    // Adds numerator / denominator, which is less than 1, cut off after the last place.
    void add(u32 numerator, u32 denominator) {
        u32 quotient[4];
        u64 rest = numerator;
        for (int index = 0; index < 4; index++) {
            rest <<= 32;
            quotient[index] = static_cast<u32>(rest / denominator);
            rest %= denominator;
        }
        add_words(quotient);
    }

    // Adds a number whose highest word is `at` words behind the point; what passes 1 is dropped.
    void add_small(u64 value, int at) {
        u32 words[4] = {0, 0, 0, 0};
        words[at] = static_cast<u32>(value);
        if (at > 0) words[at - 1] = static_cast<u32>(value >> 32);
        add_words(words);
    }

    // The first nine digits behind the point.
    u32 digits() const {
        u64 carry = 0;
        for (int index = 3; index >= 0; index--) carry = (word[index] * DIGITS_PER_BLOCK + carry) >> 32;
        return static_cast<u32>(carry);
    }

   private:
    void add_words(const u32 *words) {
        u64 carry = 0;
        for (int index = 3; index >= 0; index--) {
            carry += static_cast<u64>(word[index]) + words[index];
            word[index] = static_cast<u32>(carry);
            carry >>= 32;
        }
    }
};

u32 power_modulo(u64 base, u32 exponent, u32 modulus) {
    u64 result = 1 % modulus;
    for (base %= modulus; exponent != 0; exponent >>= 1) {
        if (exponent & 1) result = result * base % modulus;
        base = base * base % modulus;
    }
    return static_cast<u32>(result);
}

// The number x with x * value = 1 modulo the modulus, by Euclid's way.
u32 inverse_modulo(u32 value, u32 modulus) {
    std::int64_t before = 0, now = 1;
    std::int64_t larger = modulus, smaller = value;
    while (smaller != 0) {
        const std::int64_t times = larger / smaller;
        std::int64_t next = larger - times * smaller;
        larger = smaller;
        smaller = next;
        next = before - times * now;
        before = now;
        now = next;
    }
    return static_cast<u32>(before < 0 ? before + modulus : before);
}

// Takes the factors `prime` out of a number that has some, and says how many they were.
int split(u64 &number, u32 prime) {
    int count = 0;
    for (; number % prime == 0; number /= prime) count++;
    return count;
}

// The numerator s of what one prime adds to the sum; the denominator is `modulus`, the largest power
// of the prime up to twice the number of terms.
u32 numerator_of(u32 prime, u32 modulus, u32 terms, u32 position) {
    u64 rising = 1;    // k!, without the factors `prime`
    u64 falling = 1;   // 1 * 3 * ... * (2k - 1), likewise
    u64 sum = 0;       // of the terms so far, times `falling`
    u64 weight = 0;    // prime^(e-v), where prime^v divides the denominator of the term; 0 for v = 0
    int excess = 0;    // v
    u32 next = prime;      // the next multiple of the prime among k
    u32 next_odd = prime;  // and among 2k - 1
    for (u32 k = 1; k <= terms; k++) {
        u64 by = k, over = 2 * static_cast<u64>(k) - 1;
        if (by == next || over == next_odd) {
            if (by == next) {
                excess -= split(by, prime);
                next += prime;
            }
            if (over == next_odd) {
                excess += split(over, prime);
                next_odd += 2 * prime;
            }
            weight = excess == 0 ? 0 : modulus;
            for (int left = excess; left > 0; left--) weight /= prime;
        }
        rising = rising * by % modulus;
        falling = falling * over % modulus;
        if (sum != 0) sum = sum * over % modulus;
        if (weight != 0) sum = (sum + rising * weight % modulus * k) % modulus;
    }
    sum = sum * inverse_modulo(static_cast<u32>(falling), modulus) % modulus;
    return static_cast<u32>(sum * power_modulo(10, position - 1, modulus) % modulus);
}

std::vector<u32> odd_primes(u32 limit) {
    std::vector<bool> is_composite(limit + 1, false);
    std::vector<u32> primes;
    for (u64 number = 3; number <= limit; number += 2) {
        if (is_composite[number]) continue;
        primes.push_back(static_cast<u32>(number));
        for (u64 multiple = number * number; multiple <= limit; multiple += 2 * number) {
            is_composite[multiple] = true;
        }
    }
    return primes;
}

// Nine digits, if the terms up to here settle them.
bool try_digits(const hxgrid::Task &task, u32 position, u32 guard_digits, u32 &digits) {
    const u32 terms = static_cast<u32>((position + guard_digits) * std::log2(10.0)) + 2;
    const std::vector<u32> primes = odd_primes(2 * terms);
    Fraction lowest;
    for (const u32 prime : primes) {
        task.check();
        u64 modulus = prime;
        while (modulus * prime <= 2 * terms) modulus *= prime;
        const u32 narrow = static_cast<u32>(modulus);
        lowest.add(numerator_of(prime, narrow, terms, position), narrow);
    }
    // Each division has dropped less than one unit of the last place. The terms that are left out
    // add up to less than 4 * terms^2 / 10^(guard_digits + 1).
    Fraction highest = lowest;
    highest.add_small(primes.size() + 1, 3);
    const double neglected = 4.0 * terms * terms / std::pow(10.0, guard_digits + 1.0);
    highest.add_small(static_cast<u64>(neglected * 18446744073709551616.0) + 1, 1);
    digits = lowest.digits();
    return digits == highest.digits();
}

}  // namespace

HXGRID_TASK(RunTask, task) {
    const u32 position = task.in.read<u32>();
    if (position < 1 || position > LAST_POSITION) {
        throw std::out_of_range("position " + std::to_string(position) + " is not between 1 and "
                                + std::to_string(LAST_POSITION));
    }
    u32 digits;
    u32 guard_digits = FIRST_GUARD_DIGITS;
    while (!try_digits(task, position, guard_digits, digits)) guard_digits += MORE_GUARD_DIGITS;
    char text[10];
    std::snprintf(text, sizeof text, "%09u", static_cast<unsigned>(digits));
    task.out.write(position);
    task.out.write_bytes(text, 9);
}
