"""Plots as SVG and tables as HTML, for one self-contained page: no script, nothing fetched."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final, NamedTuple

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #c9d1d9; --faint: #59636e; --good: #1a7f37;
  --bad: #c4320a; --c0: #0b6bcb; --c1: #c4520a; --c2: #1a7f37; --c3: #8250df; --c4: #9a6700; --c5: #bf3989; --c6: #57606a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --line: #3d444d; --faint: #9198a1; --good: #3fb950; --bad: #ff7b5c;
    --c0: #58a6ff; --c1: #f0883e; --c2: #3fb950; --c3: #bc8cff; --c4: #d29922; --c5: #f778ba; --c6: #8b949e; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 72rem; padding: 0 1rem; }
h2 { margin-top: 2.5rem; } .faint { color: var(--faint); } .good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; }
th, td { border-bottom: 1px solid var(--line); padding: .2rem .7rem; text-align: left; vertical-align: top; }
td, li, p { unicode-bidi: isolate; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { display: inline-block; margin: .5rem 1.5rem .5rem 0; vertical-align: top; }
figcaption { font-weight: 600; max-width: 30rem; } .scroll { overflow-x: auto; }
.key { max-width: 27rem; } .key span { margin-right: 1rem; white-space: nowrap; } .key i { display: inline-block; width: .8rem; height: .8rem;
  margin-right: .3rem; border-radius: 2px; vertical-align: -1px; }
svg text { fill: var(--ink); font: 11px system-ui, sans-serif; } svg .axis { stroke: var(--line); fill: none; }
svg .guide { stroke: var(--line); stroke-dasharray: 4 4; fill: none; }
article { border-left: 3px solid var(--line); padding: 0 0 0 1rem; margin: 1.2rem 0; } article p { margin: .3rem 0; }
article ul { margin: .3rem 0; padding-left: 1.2rem; } details { margin: .5rem 0; } summary { cursor: pointer; }
"""

_NUMERIC: Final = re.compile(r"[≥≤−–-]? ?[\d.,–e+-]*(?: \([\d.,–]*\)|, [\d.,–]*)?")
_WIDTH: Final = 420
_HEIGHT: Final = 270
_LEFT: Final = 52
_TOP: Final = 14
_BOTTOM: Final = 46
_RIGHT: Final = 14
_COLOURS: Final = 7


class Point(NamedTuple):
    """A value at `x`, with its interval where it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


class Axis(NamedTuple):
    """Its title, its ticks (value and label), and whether it is logarithmic; it reaches from the first tick to the last."""

    title: str
    ticks: Sequence[tuple[float, str]]
    logarithmic: bool = False

    def part(self, value: float) -> float:
        """Where on the axis a value lies, 0 to 1; what lies outside is drawn at its end."""
        scale = (lambda v: math.log10(max(v, 1e-12))) if self.logarithmic else (lambda v: v)
        low, high = scale(self.ticks[0][0]), scale(self.ticks[-1][0])
        return min(max((scale(value) - low) / (high - low), 0.0), 1.0)


def lines(series: Sequence[tuple[str, Sequence[Point]]], across: Axis, up: Axis, diagonal: bool = False) -> str:
    """Lines with dots and intervals, one colour a series, and a key. `diagonal` draws where both axes agree."""
    marks = [_frame(across, up)]
    if diagonal:
        low = max(across.ticks[0][0], up.ticks[0][0])
        high = min(across.ticks[-1][0], up.ticks[-1][0])
        (x0, y0), (x1, y1) = (_place(across, up, value, value) for value in (low, high))
        marks.append(f'<line class="guide" x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}"/>')
    for number, (name, points) in enumerate(series):
        colour = f"var(--c{number % _COLOURS})"
        shift = (number - (len(series) - 1) / 2) * 3  # so that intervals of equal x stand beside each other
        places = [_place(across, up, point.x, point.y) for point in points]
        path = " ".join(f"{x + shift:.1f},{y}" for x, y in places)
        marks.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        for point, (x, y) in zip(points, places, strict=True):
            if point.low is not None and point.high is not None:
                ends = [_place(across, up, point.x, value)[1] for value in (point.low, point.high)]
                line = f'x1="{x + shift:.1f}" x2="{x + shift:.1f}" y1="{ends[0]}" y2="{ends[1]}"'
                marks.append(f'<line {line} stroke="{colour}" stroke-opacity=".55"/>')
            told = f"{name}: {point.y:.4g}"
            dot = (
                f'<circle cx="{x + shift:.1f}" cy="{y}" r="3.2" fill="{colour}"><title>{escape(told)}</title></circle>'
            )
            marks.append(dot)
    key = "".join(
        f'<span><i style="background: var(--c{number % _COLOURS})"></i>{escape(name)}</span>'
        for number, (name, _) in enumerate(series)
    )
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    return f'<svg role="img" {size}>{"".join(marks)}</svg><div class="key">{key}</div>'


def _frame(across: Axis, up: Axis) -> str:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    marks = [f'<rect class="axis" x="{_LEFT}" y="{_TOP}" width="{right - _LEFT}" height="{bottom - _TOP}"/>']
    for value, label in across.ticks:
        x = round(_LEFT + across.part(value) * (right - _LEFT), 1)
        marks.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{escape(label)}</text>')
    for value, label in up.ticks:
        y = round(bottom - up.part(value) * (bottom - _TOP), 1)
        marks.append(f'<line class="guide" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
        marks.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{escape(label)}</text>')
    middle = (_TOP + bottom) / 2
    marks.append(
        f'<text x="{(_LEFT + right) / 2}" y="{bottom + 36}" text-anchor="middle">{escape(across.title)}</text>'
    )
    turned = f'transform="rotate(-90 12 {middle})"'
    marks.append(f'<text x="12" y="{middle}" text-anchor="middle" {turned}>{escape(up.title)}</text>')
    return "".join(marks)


def _place(across: Axis, up: Axis, x: float, y: float) -> tuple[float, float]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    return (
        round(_LEFT + across.part(x) * (right - _LEFT), 1),
        round(bottom - up.part(y) * (bottom - _TOP), 1),
    )


def figure(caption: str, drawing: str) -> str:
    """A drawing with its caption."""
    return f'<figure><figcaption>{escape(caption)}</figcaption><div class="scroll">{drawing}</div></figure>'


class Marked(NamedTuple):
    """A cell's text in a class of the style."""

    text: str
    style: str


Cell = str | Marked


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table; cells that are numbers (with an interval or a unit behind) stand to the right."""
    listed = [[_cell(cell) for cell in row] for row in rows]
    right = [bool(listed) and all(number for number, _ in column) for column in zip(*listed, strict=True)]
    head = "".join(
        f"<th{' class=number' if at < len(right) and right[at] else ''}>{escape(cell)}</th>"
        for at, cell in enumerate(header)
    )
    body = "".join(f"<tr>{''.join(cell for _, cell in row)}</tr>" for row in listed)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(cell: Cell) -> tuple[bool, str]:
    text, style = cell if isinstance(cell, Marked) else (cell, "")
    numeric = not text or _NUMERIC.fullmatch(text) is not None
    classes = " ".join(filter(None, ("number" if numeric else "", style)))
    return numeric, f'<td class="{classes}">{escape(text)}</td>' if classes else f"<td>{escape(text)}</td>"


def share(rate: Mapping[str, Any]) -> str:
    """A rate of the report with its interval."""
    if rate["rate"] is None:
        return "–"
    low, high = rate["interval_95"]
    return f"{rate['rate']:.3f} ({low:.3f}–{high:.3f})"
