"""The drawings of a load: valid, small, true to the figures and inside their frame."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from support.load.histograms import Latencies
from support.load.runner import Second
from support.reporting import plots

SVG = "{http://www.w3.org/2000/svg}"


def latencies(*milliseconds: float) -> Latencies:
    seen = Latencies()
    for each in milliseconds:
        seen.record(each / 1000.0)
    return seen


def second(number: int, p50: float | None, failed: int = 0) -> Second:
    higher = None if p50 is None else p50 * 2
    return Second(number, 10, 10 - failed, failed, p50, higher, higher)


def drawn(svg: str) -> ET.Element:
    root = ET.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert len(svg) < 20_000
    for x, y in places(root):
        assert plots.LEFT - 0.1 <= x <= plots.WIDTH - plots.RIGHT + 0.1
        assert plots.TOP - 0.1 <= y <= plots.HEIGHT - plots.BOTTOM + 0.1
    return root


def places(root: ET.Element) -> list[tuple[float, float]]:
    """Every point of every line."""
    points = [point for line in root.iter(f"{SVG}polyline") for point in line.attrib["points"].split()]
    return [(float(x), float(y)) for x, y in (point.split(",") for point in points)]


def words(root: ET.Element) -> str:
    return " | ".join(text.text or "" for text in root.iter(f"{SVG}text"))


def test_the_spectrum_rises_to_the_slowest() -> None:
    root = drawn(plots.spectrum("Latency", {"journeys": latencies(*range(1, 101))}, limit_ms=145))
    heights = [y for _x, y in places(root)]
    assert heights == sorted(heights, reverse=True)
    assert "limit 145 ms" in words(root)
    assert "99 %" in words(root)
    assert "99.9 %" not in words(root), "a hundred values show nothing of that"


def test_latency_is_drawn_to_scale() -> None:
    """With the limit at the top, half of it is half-way, and the place of the limit line is its value."""
    root = drawn(plots.spectrum("Latency", {"journeys": latencies(*[50.0] * 100)}, limit_ms=100))
    frame = plots._Frame(2.0, 100 * plots.HEADROOM)
    assert [y for _x, y in places(root)] == pytest.approx([frame.y(50.0)] * (plots.POINTS + 1), abs=0.2)
    limit = next(path for path in root.iter(f"{SVG}path") if "stroke-dasharray" in path.attrib)
    assert f"M{plots.LEFT} {frame.y(100.0):.1f}H" in limit.attrib["d"]


def test_each_series_has_its_line_and_name() -> None:
    series = {"redis": latencies(1, 2, 3), "qdrant": latencies(4, 5, 6), "unused": latencies()}
    root = drawn(plots.spectrum("Hops", series, limit_ms=50))
    assert len(list(root.iter(f"{SVG}polyline"))) == 2
    assert "redis | qdrant" in words(root)
    assert "unused" not in words(root)


def test_the_average_is_a_band() -> None:
    root = drawn(plots.spectrum("Latency", {"journeys": latencies(1, 200)}, limit_ms=145, mean_ms=(90, 110)))
    frame = plots._Frame(1.0, 200 * plots.HEADROOM)
    band = next(rect for rect in root.iter(f"{SVG}rect") if "fill-opacity" in rect.attrib)
    assert float(band.attrib["y"]) == pytest.approx(frame.y(110), abs=0.5)
    assert float(band.attrib["height"]) == pytest.approx(frame.y(90) - frame.y(110), abs=0.5)


def test_a_title_is_text_whatever_it_holds() -> None:
    root = drawn(plots.spectrum("<b>1 & 2</b>", {"<x>": latencies(1, 2)}))
    assert "<b>1 & 2</b>" in words(root)


@pytest.mark.parametrize("series", [{}, {"journeys": latencies()}, {"journeys": latencies(7)}])
def test_little_or_nothing_can_be_drawn(series: dict[str, Latencies]) -> None:
    drawn(plots.spectrum("Latency", series))
    drawn(plots.spectrum("Latency", series, limit_ms=145, mean_ms=(7, 7)))


def test_the_timeline_has_three_lines_limit_and_warm_up() -> None:
    seconds = [second(number, 40.0 + number) for number in range(30)]
    root = drawn(plots.timeline("Latency", seconds, limit_ms=145, warm_up_s=2))
    assert len(list(root.iter(f"{SVG}polyline"))) == 3
    assert "p50 | p95 | p99" in words(root)
    assert "warm-up" in words(root)
    assert "limit 145 ms" in words(root)


def test_a_second_without_arrivals_is_a_gap_and_a_lonely_one_a_dot() -> None:
    seconds = [second(0, 10.0), second(1, 10.0), second(2, None), second(3, 10.0)]
    root = drawn(plots.timeline("Latency", seconds))
    assert len(list(root.iter(f"{SVG}polyline"))) == 3
    assert len(list(root.iter(f"{SVG}circle"))) == 3


def test_failures_are_marked_with_their_number() -> None:
    root = drawn(plots.timeline("Latency", [second(0, 10.0), second(1, 10.0, failed=4)]))
    assert [title.text for title in root.iter(f"{SVG}title")] == ["Latency", "second 1: 4 failed"]


@pytest.mark.parametrize(
    "seconds", [[], [second(0, None)], [second(number, 30000.0) for number in range(900)]]
)
def test_any_length_of_time_can_be_drawn(seconds: list[Second]) -> None:
    root = ET.fromstring(plots.timeline("Latency", seconds, limit_ms=145, warm_up_s=2))
    assert len(list(root.iter(f"{SVG}text"))) < 40
