"""Draws what ran on which slot and when, as SVG that suits light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WIDTH = 900
LEFT, TOP, RIGHT, BOTTOM = 46, 34, 14, 30
MOST_ROW_PX, LEAST_ROW_PX = 16.0, 4.0
HEIGHT_PX = 420.0
TICKS = 6

_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #6b675f }
.title { font-size: 14px; fill: #34312b }
.bar { fill: #b4702a } .bar.odd { fill: #d79a52 }
.line { stroke: #6b675f; stroke-opacity: .35; stroke-width: 1 }
@media (prefers-color-scheme: dark) {
  text { fill: #a19d94 } .title { fill: #e8e6e1 }
}
"""


class Bar(NamedTuple):
    """One attempt; seconds since the job began."""

    slot: int
    started: float
    ended: float


def drawn(bars: Sequence[Bar], slots: int, took_s: float, title: str) -> str:
    """Return the picture: a row for each slot that ran something, time to the right."""
    rows = {slot: row for row, slot in enumerate(sorted({bar.slot for bar in bars}))}
    row_px = min(MOST_ROW_PX, max(LEAST_ROW_PX, HEIGHT_PX / max(slots, 1)))
    height = TOP + row_px * len(rows) + BOTTOM
    scale = (WIDTH - LEFT - RIGHT) / took_s
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">',
        f"<title>{title}</title><style>{_STYLE}</style>",
        f'<text class="title" x="{LEFT}" y="18">{title}</text>',
    ]
    parts += [_tick(took_s * index / TICKS, scale, height) for index in range(TICKS + 1)]
    counts: dict[int, int] = {}
    for bar in sorted(bars, key=lambda one: one.started):
        counts[bar.slot] = counts.get(bar.slot, 0) + 1
        shade = "bar odd" if counts[bar.slot] % 2 else "bar"
        x, y = LEFT + scale * bar.started, TOP + row_px * rows[bar.slot]
        width = max(scale * (bar.ended - bar.started), 0.2)
        parts.append(
            f'<rect class="{shade}" x="{x:.2f}" y="{y:.1f}" width="{width:.2f}"'
            f' height="{row_px * 0.8:.1f}"/>'
        )
    middle = TOP + row_px * len(rows) / 2
    parts.append(
        f'<text x="14" y="{middle:.0f}" text-anchor="middle"'
        f' transform="rotate(-90 14 {middle:.0f})">slots</text></svg>'
    )
    return "\n".join(parts) + "\n"


def _tick(at_s: float, scale: float, height: float) -> str:
    x = LEFT + scale * at_s
    return (
        f'<path class="line" d="M{x:.1f} {TOP - 6} V{height - BOTTOM + 6:.0f}"/>'
        f'<text x="{x:.1f}" y="{height - 8:.0f}" text-anchor="middle">{at_s:.1f} s</text>'
    )
