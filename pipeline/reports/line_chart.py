"""A line chart as inline SVG: enough for a loss curve, with axes that say their numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pipeline.reports.markup import Markup, element

WIDTH, HEIGHT = 900, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 130, 14, 36
COLOURS = ("var(--accent)", "var(--gone)", "var(--kept)", "var(--odd)")
MAX_POINTS = 600
"""A curve is thinned to this many points: more than pixels would tell apart."""

Points = Sequence[tuple[float, float]]


def line_chart(title: str, x_label: str, lines: Mapping[str, Points]) -> Markup | None:
    """The lines by name; None where there are not two points to join."""
    shown = {name: thinned([p for p in points if all(map(math.isfinite, p))]) for name, points in lines.items()}
    shown = {name: points for name, points in shown.items() if points}
    every = [point for points in shown.values() for point in points]
    if len(every) < 2:
        return None
    x_low, x_high = _range([x for x, _ in every])
    y_low, y_high = _range([y for _, y in every])

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x = LEFT + (point[0] - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
        return x, HEIGHT - BOTTOM - (point[1] - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)

    drawn = [_line(name, [place(p) for p in points], index) for index, (name, points) in enumerate(shown.items())]
    axes = [_tick_y(value, place((x_low, value))[1]) for value in ticks(y_low, y_high)]
    axes += [_tick_x(value, place((value, y_low))[0]) for value in ticks(x_low, x_high)]
    label = element("text", x_label, x=(WIDTH - RIGHT + LEFT) // 2, y=HEIGHT - 4, text_anchor="middle", fill=_SOFT)
    inside = [element("title", title), *axes, label, *drawn]
    return element("svg", inside, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=title, font_size=12)


_SOFT = "var(--soft)"


def _line(name: str, points: Points, index: int) -> Markup:
    colour = COLOURS[index % len(COLOURS)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    curve = element("polyline", points=path, fill="none", stroke=colour, stroke_width="1.8")
    dot = element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3, fill=colour)
    return element("g", curve, dot, element("text", name, x=f"{x + 8:.1f}", y=f"{y + 4:.1f}", fill=colour))


def _tick_y(value: float, y: float) -> Markup:
    grid = element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", stroke="var(--line)")
    return element(
        "g", grid, element("text", f"{value:g}", x=LEFT - 8, y=f"{y + 4:.1f}", text_anchor="end", fill=_SOFT)
    )


def _tick_x(value: float, x: float) -> Markup:
    return element("text", f"{value:g}", x=f"{x:.1f}", y=HEIGHT - BOTTOM + 18, text_anchor="middle", fill=_SOFT)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between two ends."""
    step = 10 ** math.floor(math.log10((high - low) / about))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= about)
    first = math.ceil(low / step)
    return [round(step * n, 10) for n in range(first, math.floor(high / step) + 1)]


def thinned(points: Points) -> Points:
    """At most :data:`MAX_POINTS` of the points, evenly, the last among them."""
    if len(points) <= MAX_POINTS:
        return points
    step = (len(points) - 1) / (MAX_POINTS - 1)
    return [points[round(index * step)] for index in range(MAX_POINTS)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
