"""Nine decimal digits of pi from any position, without the digits before it.

This one file is what travels to the agents. It needs numpy there and nothing else.

The series is pi + 3 = sum of k * k! / (1 * 3 * 5 * ... * (2k - 1)) for k = 1, 2, 3, ...: each term
is about half of the one before, so the first N of them, N = digits / log10(2), are enough. Their
denominators are odd, so the sum is, up to a whole number, a sum of fractions s / a^e, one for each
odd prime a <= 2N, with a^e the largest power of a that is <= 2N. Digits from position n on are the
fractional part of 10^(n-1) times that, and multiplying s / a^e by 10^(n-1) modulo 1 is a power
modulo a^e. No number ever grows: that is why position n can be had without its predecessors
(S. Plouffe's idea, with F. Bellard's formula).

All primes are treated at once, one numpy vector per quantity, in exact 64-bit integers. The
awkward case is a prime that divides a term: its power is kept apart as a count, and what is left is
invertible.

Everything neglected makes the sum too small and has a bound. If the bound could reach the nine
digits (a run of nines behind them) the block is computed again with more terms.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import hxgrid

    # A vector of exact integers, one element per prime.
    Vector = np.ndarray[Any, np.dtype[np.uint64]]

DIGITS_PER_BLOCK = 9
# Products of two residues and a term number must fit 64 bits: 4 * N**3 < 2**64.
LAST_POSITION = 480_000
GUARD_DIGITS = 24
STEPS_BETWEEN_QUESTIONS = 256

_INPUT = struct.Struct("<I")


class Stopped(Exception):
    """The question "go on?" was answered with no."""


def run_task(
    agent: hxgrid.TaskAgent,
    session_id: int,  # noqa: ARG001 - every task has these four
    in_stream: hxgrid.Stream,
    out_stream: hxgrid.Stream,
) -> bool:
    """Read a position (u32), write it again and the nine digits from there on (13 bytes)."""
    request = in_stream.read()
    if len(request) != _INPUT.size:
        raise ValueError(f"the input must be one u32 of {_INPUT.size} bytes, not {len(request)}")
    (position,) = _INPUT.unpack(request)
    try:
        digits = digits_at(position, go_on=agent.test_connection)
    except Stopped:
        return False
    out_stream.write(_INPUT.pack(position) + digits.encode("ascii"))
    return True


def digits_at(
    position: int, *, go_on: Callable[[], bool] | None = None, guard_digits: int = GUARD_DIGITS
) -> str:
    """Return the nine digits from `position` on; 1 is the first digit after the decimal point.

    `go_on` is asked now and then; when it returns False, `Stopped` is raised.
    """
    if not 1 <= position <= LAST_POSITION:
        raise ValueError(f"position {position} is not between 1 and {LAST_POSITION}")
    while True:
        fraction, error, bits = _fraction(position, guard_digits, go_on or (lambda: True))
        lowest = fraction * 10**DIGITS_PER_BLOCK >> bits
        highest = (fraction + error) * 10**DIGITS_PER_BLOCK >> bits
        if lowest == highest:
            return f"{lowest:0{DIGITS_PER_BLOCK}d}"
        guard_digits += 20


def _fraction(position: int, guard_digits: int, go_on: Callable[[], bool]) -> tuple[int, int, int]:
    """Return (fraction, error, bits).

    The fractional part of 10^(position-1) * pi is at least fraction / 2^bits and at most
    (fraction + error) / 2^bits.
    """
    bits = 4 * guard_digits
    terms = math.ceil((position + guard_digits) * math.log2(10)) + 1
    primes = _odd_primes(2 * terms)
    moduli = [_largest_power(prime, 2 * terms) for prime in primes]
    numerators, denominators = _partial_sums(terms, primes, moduli, go_on)
    total = 0
    for modulus, numerator, denominator in zip(moduli, numerators, denominators, strict=True):
        residue = numerator * pow(denominator, -1, modulus) * pow(10, position - 1, modulus)
        total += ((residue % modulus) << bits) // modulus
    # Each division dropped less than one unit. The terms after the last one used add up to less
    # than 4 * terms**2 / 2**terms, and 2**terms is more than 10**(position + guard_digits).
    error = len(primes) + ((4 * terms**2 << bits) // 10 ** (guard_digits + 1)) + 1
    return total % (1 << bits), error, bits


def _partial_sums(
    terms: int, primes: list[int], moduli: list[int], go_on: Callable[[], bool]
) -> tuple[list[int], list[int]]:
    """Return a^e times the sum of the terms, modulo a^e, for each prime a with modulus a^e.

    As numerators and denominators, because one division at the end is cheaper than many.
    """
    modulus: Vector = np.array(moduli, dtype=np.uint64)
    # The first few primes have higher powers; the weights of all others are 0 or 1.
    few = sum(power > prime for prime, power in zip(primes, moduli, strict=True))
    rising = np.ones_like(modulus)  # k!, without the factors a
    # 1 * 3 * ... * (2k - 1) without the factors a, and the sum over that denominator
    falling = np.stack([np.ones_like(modulus), np.zeros_like(modulus)])
    for k, by, over, weight in _steps(terms, primes, moduli):
        if k % STEPS_BETWEEN_QUESTIONS == 0 and not go_on():
            raise Stopped
        rising *= by
        rising %= modulus
        falling *= over
        falling %= modulus
        term = rising * weight
        term[:few] %= modulus[:few]
        term *= np.uint64(k)
        falling[1] += term
    return (falling[1] % modulus).tolist(), falling[0].tolist()


def _steps(
    terms: int, primes: list[int], moduli: list[int]
) -> Iterator[tuple[int, Vector, Vector, Vector]]:
    """Yield k with three vectors, one element per prime a.

    They are k and 2k - 1, both without their factors a, and the weight a^(e-v), where a^v is what
    the denominator of term k holds of a. The weight is 0 where it holds none: a^e times the term
    is then 0 modulo a^e. The vectors are the same objects every time.
    """
    divisors = _divisors(2 * terms, primes)
    by = np.empty(len(primes), dtype=np.uint64)
    over = np.empty_like(by)
    weight = np.zeros_like(by)
    excess = [0] * len(primes)
    for k in range(1, terms + 1):
        for number, vector, sign in ((k, by, -1), (2 * k - 1, over, 1)):
            vector.fill(number)
            for index in divisors[number]:
                vector[index], count = _split(number, primes[index])
                excess[index] += sign * count
                power = primes[index] ** excess[index]
                weight[index] = moduli[index] // power if excess[index] else 0
        yield k, by, over, weight


def _split(number: int, prime: int) -> tuple[int, int]:
    """Return the number without its factors `prime`, and how many those were."""
    count = 0
    while number % prime == 0:
        number //= prime
        count += 1
    return number, count


def _odd_primes(limit: int) -> list[int]:
    """Return the odd primes up to and including `limit`."""
    is_prime = np.ones(limit + 1, dtype=bool)
    is_prime[:3] = False
    is_prime[4::2] = False
    for number in range(3, math.isqrt(limit) + 1, 2):
        if is_prime[number]:
            is_prime[number * number :: number] = False
    return [int(prime) for prime in np.flatnonzero(is_prime)]


def _largest_power(prime: int, limit: int) -> int:
    """Return the largest power of `prime` that is not above `limit`."""
    power = prime
    while power * prime <= limit:
        power *= prime
    return power


def _divisors(limit: int, primes: list[int]) -> list[list[int]]:
    """Return, for each number up to `limit`, which of the primes divide it, as indices."""
    divisors: list[list[int]] = [[] for _ in range(limit + 1)]
    for index, prime in enumerate(primes):
        for multiple in range(prime, limit + 1, prime):
            divisors[multiple].append(index)
    return divisors
