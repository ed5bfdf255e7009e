"""Draws what `benchmarks.growth` has measured: `docs/images/growth.svg`, for light and dark pages.

`python -m benchmarks.growth_curves` reads `benchmarks/results/growth.json`. Both axes are
logarithmic, because both span decades.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measuring import RESULTS

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "growth.svg"
WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 32, 44, 46

STYLE = """
    .ink  { fill: #1c2733; }
    .soft { fill: #5a6b7d; }
    .grid { stroke: #d3dce5; stroke-width: 1; }
    .line { stroke: #2f7dc4; stroke-width: 2.4; fill: none; }
    .dot  { fill: #2f7dc4; }
    @media (prefers-color-scheme: dark) {
      .ink  { fill: #e6edf3; }
      .soft { fill: #9fb0c2; }
      .grid { stroke: #344250; }
      .line { stroke: #6cb1ee; }
      .dot  { fill: #6cb1ee; }
    }
"""


class Curve(NamedTuple):
    """One picture: what it shows, and its points."""

    title: str
    unit: str
    values: Sequence[tuple[float, float]]


def curves(points: Sequence[dict[str, Any]]) -> list[Curve]:
    """Return the two pictures."""

    def values(key: str) -> list[tuple[float, float]]:
        return [(point["agents"], point[key]) for point in points]

    return [
        Curve("User: processor time per task", "us", values("user_us_per_task")),
        Curve("Coordinator: messages per second", "", values("coordinator_messages_per_s")),
    ]


def draw(points: Sequence[dict[str, Any]]) -> str:
    """Return both pictures side by side as SVG."""
    drawn = "".join(_plot(curve, WIDTH * index) for index, curve in enumerate(curves(points)))
    size = f'viewBox="0 0 {2 * WIDTH} {HEIGHT}" role="img"'
    font = "font-family=\"system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif\" font-size=\"12\""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>\n'
        "<title>How the work of user and coordinator grows with the number of agents</title>\n"
        f"<style>{STYLE}</style>\n{drawn}</svg>\n"
    )


def _plot(curve: Curve, offset: int) -> str:
    xs, ys = zip(*curve.values, strict=True)
    low_y, high_y = 10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(max(ys)))

    def x_of(value: float) -> float:
        part = math.log10(value / xs[0]) / math.log10(xs[-1] / xs[0])
        return offset + LEFT + part * (WIDTH - LEFT - RIGHT)

    def y_of(value: float) -> float:
        part = math.log10(value / low_y) / math.log10(high_y / low_y)
        return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)

    parts = [f'<text class="ink" x="{offset + LEFT}" y="24" font-size="14">{curve.title}</text>']
    for tick in _decades(low_y, high_y):
        y = y_of(tick)
        ends = f'x1="{x_of(xs[0]):.1f}" x2="{x_of(xs[-1]):.1f}" y1="{y:.1f}" y2="{y:.1f}"'
        label = f"{_number(tick)} {curve.unit}".strip()
        parts.append(f'<line class="grid" {ends}/>')
        place = f'x="{offset + LEFT - 8}" y="{y + 4:.1f}" text-anchor="end"'
        parts.append(f'<text class="soft" {place}>{label}</text>')
    for tick in _decades(xs[0], xs[-1]):
        place = f'x="{x_of(tick):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle"'
        parts.append(f'<text class="soft" {place}>{_number(tick)}</text>')
    middle = f'x="{offset + (LEFT + WIDTH - RIGHT) / 2:.1f}" y="{HEIGHT - 8}"'
    parts.append(f'<text class="soft" {middle} text-anchor="middle">agents</text>')
    path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in curve.values)
    parts.append(f'<polyline class="line" points="{path}"/>')
    parts += [
        f'<circle class="dot" cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3.5"/>'
        for x, y in curve.values
    ]
    return "\n".join(parts) + "\n"


def _decades(low: float, high: float) -> list[float]:
    first, last = round(math.log10(low)), round(math.log10(high))
    return [10.0**power for power in range(first, last + 1)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def main() -> None:
    """Draw the last measurement."""
    found = json.loads((RESULTS / "growth.json").read_text(encoding="utf-8"))
    points = found["answers"][0]["details"]["points"]
    PICTURE.write_text(draw(points), encoding="utf-8")
    print(PICTURE)


if __name__ == "__main__":
    main()
