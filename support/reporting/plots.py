"""Two small drawings of a load, as SVG text: its latency spectrum, and its latencies second by second."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from support.load.histograms import Latencies
from support.load.runner import Second

WIDTH, HEIGHT = 760, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 62, 44
# Distinguishable with every kind of colour vision (Okabe and Ito), black last.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#000000")
LIMIT_COLOUR = "#d55e00"
POINTS = 120
# The room above the highest value, and the fewest lines across.
HEADROOM = 1.08
FEWEST_LINES = 4

Points = Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Turns values into places: ``x`` from 0 to ``right``, ``y`` from 0 to ``top``."""

    right: float
    top: float

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / self.right

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.top


def spectrum(
    title: str,
    series: Mapping[str, Latencies],
    *,
    limit_ms: float | None = None,
    mean_ms: tuple[float, float] | None = None,
) -> str:
    """How long the given share of the journeys or requests took at most, one line for each of ``series``.

    The axis of shares is stretched towards 100 %, where the rare slow ones are. ``limit_ms`` is a line,
    ``mean_ms`` the band in which the average lies. Series in which nothing was recorded are left out.
    """
    shown = {name: seen for name, seen in series.items() if seen.n}
    # One of n values shows the share 1 - 1/n: that many nines are to be seen.
    nines = max((math.log10(max(seen.n, 10)) for seen in shown.values()), default=1.0)
    lines: dict[str, Points] = {name: _by_share(seen) for name, seen in shown.items()}
    frame = _Frame(nines, _top(lines.values(), limit_ms))
    parts = [_grid(frame, "latency, ms")]
    if mean_ms is not None:
        low, high = mean_ms
        parts.append(_band(frame, 0.0, frame.right, low, high, "average, 95 %"))
    shares = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999]
    marks = [(_nines(share), f"{100 * share:g} %") for share in shares if _nines(share) <= nines]
    parts.append(_marks(frame, marks, "share of the journeys or requests that took at most so long"))
    return _drawing(title, parts, frame, lines, limit_ms)


def timeline(
    title: str, seconds: Sequence[Second], *, limit_ms: float | None = None, warm_up_s: float = 0.0
) -> str:
    """Median, p95 and p99 of what was meant to start in each second; the warm-up is shaded.

    A dot at the foot is a second in which journeys failed.
    """
    lines: dict[str, Points] = {
        name: [(one.second + 0.5, getattr(one, f"{name}_ms")) for one in seconds]
        for name in ("p50", "p95", "p99")
    }
    frame = _Frame(max((one.second + 1.0 for one in seconds), default=1.0), _top(lines.values(), limit_ms))
    parts = [_grid(frame, "latency, ms")]
    if warm_up_s:
        parts.append(_band(frame, 0.0, min(warm_up_s, frame.right), 0.0, frame.top, "warm-up"))
    step = _step(frame.right)
    marks = [(mark * step, f"{mark * step:g}") for mark in range(int(frame.right / step) + 1)]
    parts.append(_marks(frame, marks, "seconds since the start"))
    for one in seconds:
        if one.failed:
            parts.append(
                f'<circle cx="{frame.x(one.second + 0.5):.1f}" cy="{frame.y(0.0):.1f}" r="4"'
                f' fill="{LIMIT_COLOUR}"><title>second {one.second}: {one.failed} failed</title></circle>'
            )
    return _drawing(title, parts, frame, lines, limit_ms)


def _by_share(seen: Latencies) -> Points:
    last = math.log10(seen.n)
    shares = [1.0 - 10.0 ** (-last * point / POINTS) for point in range(POINTS)]
    # The slowest of n stands where all others are left behind.
    return [*((_nines(share), seen.quantile_ms(share)) for share in shares), (last, seen.quantile_ms(1.0))]


def _nines(share: float) -> float:
    """0 for the share 0, 1 for 90 %, 2 for 99 %, and so on."""
    return -math.log10(1.0 - share)


def _top(lines: Iterable[Points], limit_ms: float | None) -> float:
    """What the axis of latencies reaches to: above everything shown."""
    values = [y for points in lines for _x, y in points if y is not None]
    return max([*values, limit_ms or 0.0, 1e-3]) * HEADROOM


def _step(reach: float) -> float:
    """The largest of 1, 2, 5, 10, ... (or 0.1, 0.2, ...) that divides ``reach`` often enough."""
    power = 10.0 ** math.floor(math.log10(reach / FEWEST_LINES))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= reach / FEWEST_LINES)


def _grid(frame: _Frame, name: str) -> str:
    step = _step(frame.top)
    parts = []
    for mark in range(int(frame.top / step) + 1):
        y = frame.y(mark * step)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{mark * step:g}", "end"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(f'<g transform="rotate(-90 14 {middle:.0f})">{_text(14, middle, name, "middle")}</g>')
    return "".join(parts)


def _marks(frame: _Frame, marks: Sequence[tuple[float, str]], name: str) -> str:
    foot = HEIGHT - BOTTOM
    parts = []
    for value, label in marks:
        x = frame.x(value)
        parts.append(f'<path d="M{x:.1f} {foot}v5" stroke="#888"/>{_text(x, foot + 18, label, "middle")}')
    return "".join(parts) + _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, name, "middle")


def _band(frame: _Frame, left: float, right: float, low: float, high: float, label: str) -> str:
    x, y = frame.x(left), frame.y(high)
    width, height = frame.x(right) - x, max(1.0, frame.y(low) - y)
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="#0072b2"'
        f' fill-opacity="0.12"/>{_text(x + 4, y - 4 if y > TOP + 12 else y + 12, label)}'
    )


def _line(frame: _Frame, points: Points, colour: str) -> str:
    """The points as a line, interrupted where there is no value; a lonely point is a dot."""
    parts: list[str] = []
    run: list[str] = []
    for x, y in [*points, (0.0, None)]:
        if y is not None:
            run.append(f"{frame.x(x):.1f},{frame.y(y):.1f}")
            continue
        if len(run) == 1:
            cx, _comma, cy = run[0].partition(",")
            parts.append(f'<circle cx="{cx}" cy="{cy}" r="2" fill="{colour}"/>')
        elif run:
            parts.append(
                f'<polyline points="{" ".join(run)}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
            )
        run = []
    return "".join(parts)


def _drawing(
    title: str, parts: Sequence[str], frame: _Frame, lines: Mapping[str, Points], limit_ms: float | None
) -> str:
    drawn = list(parts)
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        drawn.append(_line(frame, points, colour))
        x = LEFT + 110 * number
        drawn.append(f'<path d="M{x} 46h18" stroke="{colour}" stroke-width="3"/>{_text(x + 24, 50, name)}')
    if limit_ms is not None:
        y = frame.y(limit_ms)
        drawn.append(
            f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{LIMIT_COLOUR}" stroke-width="1.6"'
            f' stroke-dasharray="6 4"/>{_text(WIDTH - RIGHT, y - 5, f"limit {limit_ms:g} ms", "end")}'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' font-family="sans-serif" font-size="12" fill="#222"><title>{escape(title)}</title>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        f'<text x="{LEFT}" y="24" font-size="15">{escape(title)}</text>{"".join(drawn)}</svg>\n'
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
