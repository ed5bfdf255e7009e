"""A view: which part of the plane, on how many pixels, and the numbers that follow from it.

Centre and zoom are decimal numbers of any length. At zoom 1 the shorter side of the picture is 1
long in the plane; at 0.25, where the original begins, it is 4. Precision follows the zoom: a number
has as many digits as can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation, localcontext
from fractions import Fraction

from ..errors import JobError

LEAST_ZOOM = Decimal("0.05")
MOST_ZOOM = Decimal("1e4000")
MOST_PIXELS = 100_000_000
LONGEST_EDGE = 30_000
MOST_ITERATIONS = 1_000_000_000

# Bits behind those that tell neighbouring pixels apart. What is rounded away in an orbit grows as
# the distance of neighbours does, so this is how exact the place of a pixel is: 2^-64 of its size.
GUARD_BITS = 64
# Digits of a centre behind those of the zoom: a few for the pixels, and some to spare.
_GUARD_DIGITS = 10
_ZOOM_DIGITS = 8


@dataclass(frozen=True)
class View:
    """A part of the plane on a picture."""

    re: Decimal
    im: Decimal
    zoom: Decimal
    width: int
    height: int

    @property
    def half_step(self) -> Fraction:
        """Half the distance of neighbouring pixels."""
        return 1 / (2 * Fraction(self.zoom) * min(self.width, self.height))

    @property
    def fraction_bits(self) -> int:
        """How many binary places its numbers need."""
        return max(64, _log2(1 / self.half_step) + GUARD_BITS)

    def exact(self) -> tuple[int, int, int]:
        """Return centre re, im and the half step, in units of 2^-fraction_bits."""
        unit = Fraction(1, 1 << self.fraction_bits)
        re, im = Fraction(self.re), Fraction(self.im)
        return round(re / unit), round(im / unit), round(self.half_step / unit)

    def moved_to(self, x: float, y: float, factor: float = 1.0) -> View:
        """Return the view with another centre, given in pixels, nearer by a factor.

        (0, 0) is the upper left corner of the picture, (width, height) the lower right one.
        """
        across = Fraction(2 * x - self.width) * self.half_step
        upward = Fraction(self.height - 2 * y) * self.half_step
        zoom = min(max(self.zoom * Decimal(factor), LEAST_ZOOM), MOST_ZOOM)
        return self._settled(Fraction(self.re) + across, Fraction(self.im) + upward, zoom)

    def zoomed_about(self, x: float, y: float, factor: float) -> View:
        """Return the view nearer by a factor; the place at (x, y) stays where it is."""
        zoom = min(max(self.zoom * Decimal(factor), LEAST_ZOOM), MOST_ZOOM)
        kept = 1 - 1 / Fraction(zoom / self.zoom)
        middle_x, middle_y = self.width / 2, self.height / 2
        return self.moved_to(
            middle_x + (x - middle_x) * float(kept),
            middle_y + (y - middle_y) * float(kept),
            float(zoom / self.zoom),
        )

    def resized(self, width: int, height: int) -> View:
        """Return the same part of the plane on another picture."""
        return checked(replace(self, width=width, height=height))

    def _settled(self, re: Fraction, im: Fraction, zoom: Decimal) -> View:
        digits = max(0, zoom.adjusted()) + _GUARD_DIGITS
        with localcontext(prec=_ZOOM_DIGITS):
            zoom = +zoom
        return replace(self, re=_decimal(re, digits), im=_decimal(im, digits), zoom=zoom)


def parse_view(re: str, im: str, zoom: str, width: int, height: int) -> View:
    """Make a view of what a person typed. Raises `JobError` with a sentence."""
    numbers = (_number("the centre", re), _number("the centre", im), _number("the zoom", zoom))
    return checked(View(*numbers, width, height))


def checked(view: View) -> View:
    """Return the view if a picture can be made of it. Raises `JobError` with a sentence."""
    if not LEAST_ZOOM <= view.zoom <= MOST_ZOOM:
        raise JobError(f"the zoom must be from {LEAST_ZOOM} to {MOST_ZOOM}, not {view.zoom:.3g}")
    if max(abs(view.re), abs(view.im)) > 1000:
        raise JobError("the centre is too far away: from -1000 to 1000, the set is within 2 of 0")
    edges = (view.width, view.height)
    if not 1 <= min(edges) <= max(edges) <= LONGEST_EDGE or view.width * view.height > MOST_PIXELS:
        raise JobError(
            f"a picture of {view.width} x {view.height} pixels cannot be made: each edge is from 1"
            f" to {LONGEST_EDGE:,}, and {MOST_PIXELS:,} pixels are the most"
        )
    return view


def parse_size(text: str) -> tuple[int, int]:
    """Read WIDTHxHEIGHT. Raises `JobError`."""
    width, separator, height = text.lower().partition("x")
    if not separator or not width.strip().isdecimal() or not height.strip().isdecimal():
        raise JobError(f"the size must be WIDTHxHEIGHT, such as 1920x1080, not {text!r}")
    return int(width), int(height)


def parse_centre(text: str) -> tuple[str, str]:
    """Read RE,IM. Raises `JobError`."""
    parts = text.split(",")
    if len(parts) != 2:
        raise JobError(f"the centre must be RE,IM, such as -0.75,0.1, not {text!r}")
    return parts[0].strip(), parts[1].strip()


def check_iterations(limit: int) -> int:
    """Return the limit if it is one. Raises `JobError`."""
    if not 1 <= limit <= MOST_ITERATIONS:
        raise JobError(f"iterations go from 1 to {MOST_ITERATIONS:,}, not {limit:,}")
    return limit


def _number(name: str, text: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise JobError(f"{name} has {text.strip()[:60]!r}, which is no number") from None
    # Digits that could never be seen would only make everything slow.
    if not number.is_finite() or abs(number.adjusted()) > 5000 or len(text) > 10_000:
        raise JobError(f"{name} has {text.strip()[:60]!r}, which is out of range")
    return number


def _log2(number: Fraction) -> int:
    return number.numerator.bit_length() - number.denominator.bit_length() + 1


def _decimal(number: Fraction, digits: int) -> Decimal:
    scaled = round(number * 10**digits)
    with localcontext(prec=digits + 10):
        return Decimal(scaled).scaleb(-digits).normalize()
