"""Draws ``docs/architecture.svg`` from the code: the layers in ``pyproject.toml``, the processes of a run.

``python -m tests.architecture`` writes it; ``make lint`` does, too. A test holds the picture to the code.
"""

from __future__ import annotations

import ast
import html
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.settings import ROOT
from support.stack.stack import LINKED

PICTURE = ROOT / "docs" / "architecture.svg"
WIDTH = 1120
MARGIN = 24
ROW, GAP = 30, 8
# What one letter of a name takes, about.
LETTER = 7.4
INK, QUIET, LINE = "#1c2733", "#5b6875", "#9aa7b4"
OF_SUITE, OF_PLATFORM, OF_LINKS, ABOVE = "#e3eefb", "#e5f4e7", "#fdf0d5", "#f1e9fa"
# Who speaks to whom above the layers.
TOP = (("features/",), ("steps/", "environment.py"))
# What a row is for, by its first module.
CAPTIONS = {
    "features/": "what the platform promises",
    "steps/": "one sentence, one call, one matcher; behave's hooks",
    "__main__": "the commands",
    "plugins": "all that touches behave and Allure",
    "vocabulary": "what the sentences do, by subject",
    "matchers": "judge, and say why; random requests",
    "lifecycle.invariants": "what holds after every scenario",
    "lifecycle.diagnosis": "what a failure shows; what is left over",
    "world": "the state of one scenario; results and reports",
    "citadel": "assembles embedded, attached or deployed",
    "doctor": "what is reachable; the servers of a worker",
    "audit": "compares the stores; cleans up after dead runs",
    "faults": "injects faults, counts hits, ends them",
    "drivers": "clients that note every call; time limits",
}
CAPTION_AT = 640


@dataclass(frozen=True, slots=True)
class Server:
    """A server that the stack starts; ``program`` is the suite's module, empty for a program of others."""

    name: str
    program: str


def layers() -> list[list[str]]:
    """The layers of ``support/``, highest first, each with its modules."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (
        each for each in told["tool"]["importlinter"]["contracts"] if each.get("containers") == ["support"]
    )
    return [[name.strip(" ()") for name in row.split("|")] for row in contract["layers"]]


def servers() -> list[Server]:
    """Every server that ``support/stack`` starts, as its source says."""
    found = []
    for name in ("stack.py", "servers.py"):
        for call in ast.walk(ast.parse((ROOT / "support" / "stack" / name).read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                texts = [part.value for part in call.args[1:3] if isinstance(part, ast.Constant)]
                named = [key.value for key in call.keywords if key.arg == "name"]
                if call.func.id == "python_service":
                    found.append(Server(*map(str, texts)))
                elif call.func.id == "ServiceProcess" and named and isinstance(named[0], ast.Constant):
                    found.append(Server(str(named[0].value), ""))
    return found


def text(x: float, y: float, said: str, *, size: int = 14, colour: str = INK, more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}"{more}>{html.escape(said)}</text>'


def box(x: float, y: float, width: float, height: float, fill: str, more: str = "") -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" fill="{fill}"'
        f' stroke="{LINE}"{more}/>'
    )


def arrow(*points: tuple[float, float], dashed: bool = False) -> str:
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<polyline points="{path}" fill="none" stroke="{QUIET}"{dashes} marker-end="url(#head)"/>'


def centred(x: float, y: float, width: float, said: str, *, size: int = 14, colour: str = INK) -> str:
    return text(x + width / 2, y, said, size=size, colour=colour, more=' text-anchor="middle"')


def row(y: float, names: Sequence[str], fill: str, kind: str) -> Iterator[str]:
    """The modules of one layer, side by side."""
    x = float(MARGIN + 14)
    for name in names:
        width = len(name) * LETTER + 24
        yield box(x, y, width, ROW, fill, f' data-{kind}="{name}"')
        yield centred(x, y + 20, width, name)
        x += width + 10
    assert x < WIDTH - MARGIN, f"the row {names} is too wide"


def of_layers(y: float) -> tuple[list[str], float]:
    """The upper half: features, steps and the layers of ``support/``; and where it ends."""
    rows = layers()
    parts = [text(MARGIN, y, "The layers: each module imports only from the rows below its own", size=17)]
    y += 18
    for above in TOP:
        parts += row(y, above, ABOVE, "path")
        parts.append(text(CAPTION_AT, y + 20, CAPTIONS[above[0]], colour=QUIET, size=13))
        y += ROW + GAP
    y += 4
    height = len(rows) * (ROW + GAP) + 40
    parts.append(box(MARGIN, y, WIDTH - 2 * MARGIN, height, "#fafbfc"))
    parts.append(text(MARGIN + 14, y + 22, "support/", colour=QUIET))
    y += 34
    for names in rows:
        parts += row(y, names, OF_SUITE, "module")
        if names[0] in CAPTIONS:
            parts.append(text(CAPTION_AT, y + 20, CAPTIONS[names[0]], colour=QUIET, size=13))
        y += ROW + GAP
    stale = CAPTIONS.keys() - {listed[0] for listed in (*TOP, *rows)}
    assert not stale, f"captions of rows that do not exist: {', '.join(sorted(stale))}"
    return parts, y + 8


def of_processes(y: float) -> tuple[list[str], float]:
    """The lower half: the processes of a run and who talks to whom; and where it ends."""
    known = {each.name: each for each in servers()}
    parts = [text(MARGIN, y, "The processes: behave, its workers, and the servers of each worker", size=17)]
    y += 22
    parts += _process(MARGIN, y, 150, 54, "behave", "divides, collects", OF_SUITE)
    left, top = MARGIN + 190, y
    high, step = 474, 66
    parts.append(box(left, top, WIDTH - MARGIN - left, high, "#fafbfc", ' stroke-dasharray="5 4"'))
    parts.append(text(left + 14, top + 22, "for each worker, on ports of its own", colour=QUIET, size=13))
    worker = (left + 20, top + 166)
    parts += _process(*worker, 170, 70, "worker", "runs its feature files", OF_SUITE)
    parts.append(
        arrow(
            (MARGIN + 150, y + 27),
            (left - 20, y + 27),
            (left - 20, worker[1] + 35),
            (worker[0], worker[1] + 35),
        )
    )
    guard = (left + 20, top + 340)
    parts += _process(*guard, 135, 60, "deadman", "outlives a killed run", OF_SUITE)
    parts.append(arrow((worker[0] + 50, worker[1] + 70), (guard[0] + 50, guard[1])))
    for number, said in enumerate(("what ends", "each fault and", "each server")):
        parts.append(text(worker[0] + 58, worker[1] + 96 + 15 * number, said, colour=QUIET, size=12))
    gateway, links = (left + 300, top + 166), left + 500
    parts += _process(*gateway, 140, 70, "gateway", known["gateway"].program, OF_PLATFORM, server=True)
    parts.append(arrow((worker[0] + 170, worker[1] + 35), (gateway[0], gateway[1] + 35)))
    parts.append(text(worker[0] + 182, worker[1] + 28, "as a client", colour=QUIET, size=12))
    first = top + 76
    last = first + (len(LINKED) - 1) * step
    parts += _process(
        links, first - 4, 110, last + 58 - first, "links", known["links"].program, OF_LINKS, server=True
    )
    far = left + 676
    for number, name in enumerate(LINKED):
        at = first + number * step
        middle = at + 25
        program = known[name].program or "a real server"
        parts += _process(far, at, 180, 50, name, program, OF_PLATFORM, server=True)
        parts.append(arrow((links + 110, middle), (far, middle)))
        if middle != gateway[1] + 35:
            parts.append(arrow((gateway[0] + 140, gateway[1] + 35), (links - 20, middle), (links, middle)))
        else:
            parts.append(arrow((gateway[0] + 140, middle), (links, middle)))
    # Around the links, so that a fault on them does not blind the suite.
    over, right = top + 54, far + 180
    parts.append(
        f'<polyline points="{worker[0] + 85:g},{worker[1]:g} {worker[0] + 85:g},{over:g}'
        f' {right + 14:g},{over:g} {right + 14:g},{last + 25:g}" fill="none"'
        f' stroke="{QUIET}" stroke-dasharray="5 4"/>'
    )
    for number in range(len(LINKED)):
        middle = first + number * step + 25
        parts.append(arrow((right + 14, middle), (right, middle), dashed=True))
    parts.append(
        text(worker[0] + 95, over - 6, "looks into each server, past the links", colour=QUIET, size=12)
    )
    low = last + 54 + 30
    parts.append(
        arrow(
            (worker[0] + 150, worker[1] + 70),
            (worker[0] + 150, low),
            (links + 55, low),
            (links + 55, last + 54),
            dashed=True,
        )
    )
    parts.append(text(worker[0] + 300, low - 6, "makes faults of connections", colour=QUIET, size=12))
    left_over = {*known} - {*LINKED, "gateway", "links"}
    assert not left_over, f"the picture has no place for {', '.join(left_over)}"
    return parts, top + high


def _process(
    x: float, y: float, width: float, height: float, name: str, about: str, fill: str, *, server: bool = False
) -> list[str]:
    mark = f' data-server="{name}"' if server else f' data-process="{name}"'
    about = about.removeprefix("support.")
    return [
        box(x, y, width, height, fill, mark),
        centred(x, y + height / 2 - 2, width, name),
        centred(x, y + height / 2 + 15, width, about, size=11, colour=QUIET),
    ]


def picture() -> str:
    """The whole picture."""
    upper, y = of_layers(MARGIN + 12)
    lower, bottom = of_processes(y + 40)
    head = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
        f' orient="auto"><path d="M0 0 8 4 0 8z" fill="{QUIET}"/></marker></defs>'
    )
    size = f'width="{WIDTH}" height="{bottom + MARGIN:g}" viewBox="0 0 {WIDTH} {bottom + MARGIN:g}"'
    title = "<title>Layers and processes of Citadel Acceptance</title>"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="system-ui, sans-serif">',
        "<!-- Made by python -m tests.architecture: change the code, not this file. -->",
        title,
        head,
        f'<rect width="{WIDTH}" height="{bottom + MARGIN:g}" fill="#ffffff"/>',
        *upper,
        *lower,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def main(file: Path = PICTURE) -> int:
    """Write the picture."""
    file.write_text(picture(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
