"""A chart of what ran when, one row a slot, as SVG: gaps are time in which a slot was idle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

_WIDTH = 960.0
_LEFT = 150.0
_ROW = 15.0
_GAP = 3.0
_TOP = 40.0
_COLOURS = ("#3d7ea6", "#5ca4a9", "#e6a157", "#c8553d", "#7768ae", "#88a96b", "#b5838d", "#8d99ae")
_STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#3a3f47}.t{font-size:13px;font-weight:600}"
    ".idle{fill:#e9ebee}.edge{stroke:#fff;stroke-width:.4}"
)


class Span(NamedTuple):
    """One attempt: where it ran, and from when to when, in seconds."""

    agent: str
    slot: int
    started: float
    ended: float


def idle_share(spans: Sequence[Span]) -> float:
    """Return the share of the slots' time, first start to last end, in which nothing ran."""
    if not spans:
        return 0.0
    begin, end = _limits(spans)
    slots = len({(span.agent, span.slot) for span in spans})
    busy = sum(span.ended - span.started for span in spans)
    return max(0.0, 1.0 - busy / (slots * (end - begin))) if end > begin else 0.0


def chart(spans: Iterable[Span], title: str = "") -> str:
    """Return one chart as an SVG document."""
    return charts([(title, list(spans))])


def charts(many: Sequence[tuple[str, Sequence[Span]]]) -> str:
    """Return charts one below the other, all to the same scale."""
    longest = max(
        (end - begin for _, spans in many for begin, end in [_limits(spans)]), default=0.0
    )
    parts: list[str] = []
    top = 0.0
    for title, spans in many:
        drawn, height = _one(title, spans, longest or 1.0)
        parts.append(f'<g transform="translate(0 {top:.1f})">{drawn}</g>')
        top += height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:.0f} {top:.0f}">'
        f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>'
        f"{''.join(parts)}</svg>"
    )


def _one(title: str, spans: Sequence[Span], longest: float) -> tuple[str, float]:
    begin, end = _limits(spans)
    rows = sorted({(span.agent, span.slot) for span in spans})
    place = {row: _TOP + index * (_ROW + _GAP) for index, row in enumerate(rows)}
    scale = (_WIDTH - _LEFT - 20) / longest
    agents = {agent: index for index, agent in enumerate(dict.fromkeys(row[0] for row in rows))}
    idle = f"{100 * idle_share(spans):.0f} % idle, {end - begin:.2f} s"
    heading = f"{title}: {idle}" if title else idle
    parts = [f'<text class="t" x="12" y="24">{escape(heading)}</text>']
    for agent, slot in rows:
        y = place[agent, slot]
        width = (end - begin) * scale
        parts.append(f'<text x="12" y="{y + 11:.1f}">{escape(agent[:16])} {slot}</text>')
        parts.append(_bar("idle", _LEFT, y, width, ""))
    for span in spans:
        colour = _COLOURS[agents[span.agent] % len(_COLOURS)]
        x = _LEFT + (span.started - begin) * scale
        width = max((span.ended - span.started) * scale, 0.3)
        parts.append(_bar("edge", x, place[span.agent, span.slot], width, colour))
    return "".join(parts), _TOP + len(rows) * (_ROW + _GAP) + 14


def _bar(kind: str, x: float, y: float, width: float, colour: str) -> str:
    fill = f' fill="{colour}"' if colour else ""
    return (
        f'<rect class="{kind}" x="{x:.2f}" y="{y:.1f}" width="{width:.2f}" height="{_ROW}"{fill}/>'
    )


def _limits(spans: Sequence[Span]) -> tuple[float, float]:
    if not spans:
        return 0.0, 0.0
    return min(span.started for span in spans), max(span.ended for span in spans)
