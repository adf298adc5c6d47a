"""Random journeys: sequences of everything a client can do, against a plain model of what must be there."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from support import properties
from support.drivers.gateway import Answer
from support.vocabulary import actors, contents, requests, stores
from support.world import World

WITHIN_S = 5.0
MOST_JOURNEYS = 40
LONGEST = 16
TITLES = ("minutes", "agenda", "budget", "roster")
TEXTS = (
    "The board meets on the first Monday of the month.",
    "Coffee is free for everybody on every floor.",
    "The garage is closed at night.",
    "Thirty days of holiday are granted a year.",
)
METADATA: tuple[dict[str, Any], ...] = ({}, {"year": 2024}, {"year": 2025, "tags": ["a", "b"]})
ITSELF = 0.999


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a client does; ``titles`` are places in TITLES, ``text`` and ``metadata`` in theirs."""

    does: str
    titles: tuple[int, ...] = ()
    text: int = 0
    metadata: int = 0

    def __str__(self) -> str:
        about = ", ".join(TITLES[title] for title in self.titles)
        details = f"text {self.text}, metadata {METADATA[self.metadata]}"
        return f"  {self.does} {about} ({details})" if about else f"  {self.does} (text {self.text})"


@dataclass(slots=True)
class Held:
    """A document as the model knows it."""

    text: str
    metadata: dict[str, Any]
    version: int


@dataclass(slots=True)
class Model:
    """What the collection must hold after the steps so far."""

    world: World
    held: dict[str, Held] = field(default_factory=dict)

    def take(self, step: Step) -> None:
        """Do the step at the platform and in the model, and compare what was answered."""
        _DOES[step.does](self, step)

    def store(self, step: Step) -> None:
        """Store one document, new or over an old one."""
        title, text, metadata = self._of(step)
        expected = self._stored(title, text, metadata)
        answer = self._ask(f'stores the document "{title}"', text=json.dumps(text), **_options(metadata))
        self._same(step, answer, expected)

    def rewrite(self, step: Step) -> None:
        """Give a document another text."""
        title, text, _metadata = self._of(step)
        answer = self._ask(f'updates "{title}"', text=json.dumps(text))
        if title not in self.held:
            _refused(step, answer)
        else:
            self._same(step, answer, self._stored(title, text, self.held[title].metadata))

    def describe(self, step: Step) -> None:
        """Give a document other metadata."""
        title, _text, metadata = self._of(step)
        answer = self._ask(f'updates "{title}"', **(_options(metadata) or {"no metadata": ""}))
        if title not in self.held:
            _refused(step, answer)
        else:
            self._same(step, answer, self._stored(title, self.held[title].text, metadata))

    def delete(self, step: Step) -> None:
        """Delete a document."""
        title, _text, _metadata = self._of(step)
        answer = self._ask(f'deletes "{title}"')
        if self.held.pop(title, None) is None:
            _refused(step, answer)
        else:
            assert answer.ok, f"{step}: {answer}"

    def batch(self, step: Step) -> None:
        """Store several documents at once."""
        titles = [TITLES[title] for title in step.titles]
        text, metadata = TEXTS[step.text], METADATA[step.metadata]
        expected = [self._stored(title, text, metadata) for title in titles]
        rows = [{"id": title, "text": json.dumps(text), **_options(metadata)} for title in titles]
        answer = contents.have_documents(self.world, rows)[0].answer
        assert answer.ok, f"{step}: {answer}"
        got = [(each.get("outcome"), each.get("version")) for each in answer.body["results"]]
        assert got == expected, f"{step} was answered {got}, not {expected}"

    def read(self, step: Step) -> None:
        """Read a document twice: computed, then perhaps from the cache."""
        title, _text, _metadata = self._of(step)
        for answer in (self._ask(f'reads "{title}"'), self._ask(f'reads "{title}"')):
            if title not in self.held:
                _refused(step, answer)
                continue
            assert answer.ok, f"{step}: {answer}"
            seen = Held(answer.body["text"], answer.body["metadata"], answer.body["version"])
            assert seen == self.held[title], f"{step} shows {seen}, not {self.held[title]}"

    def search(self, step: Step) -> None:
        """Search twice by a text: everything is offered as it is now, the text's own documents lead."""
        for _ in range(2):
            answer = self._ask(f'searches for "{TEXTS[step.text]}"', limit="100")
            assert answer.ok, f"{step}: {answer}"
            results = answer.body["results"]
            titles = sorted(each["id"] for each in results)
            assert titles == sorted(self.held), f"{step} offers {titles}, not {sorted(self.held)}"
            for each in results:
                seen = Held(each["text"], each["metadata"], each["version"])
                assert seen == self.held[each["id"]], f"{step} shows {seen}, not {self.held[each['id']]}"
            own = {title for title, held in self.held.items() if held.text == TEXTS[step.text]}
            leading = {each["id"] for each in results if each["score"] >= ITSELF}
            assert leading == own, f"{step} ranks {leading} as the text itself, not {own}"

    def list(self, step: Step) -> None:
        """List the collection in small pages."""
        self._ask(f"lists the documents in pages of {1 + step.text}")
        listed = [each["id"] for page in self.world.pages for each in page]
        expected = sorted(self.held, key=str.encode)
        assert listed == expected, f"{step} shows {listed}, not {expected}"

    def compare_stores(self) -> None:
        """Rows, points and counts against the model."""
        name = self.world.names.collection(self.world.collection)
        rows = {
            row.external_id: Held(row.text or "", row.metadata, row.version)
            for row in stores.rows(self.world).rows(name)
        }
        points = {
            str(point.external_id): Held(point.text or "", point.metadata or {}, point.version or 0)
            for point in stores.vectors(self.world).points(name)
        }
        assert rows == self.held, f"PostgreSQL holds {rows}, not {self.held}"
        assert points == self.held, f"Qdrant holds {points}, not {self.held}"
        told = stores.reported_counts(self.world)
        expected = {"rows": len(self.held), "points": len(self.held), "in flight": 0}
        assert told == expected, f"the platform counts {told}, not {expected}"

    def _ask(self, request: str, **options: str) -> Answer:
        rows = [{"option": name, "value": value} for name, value in options.items()]
        calls = requests.prepare(self.world, actors.EDITOR, requests.parse(request), table=rows)
        return requests.in_turn(self.world, calls)[0].answer

    def _of(self, step: Step) -> tuple[str, str, dict[str, Any]]:
        return TITLES[step.titles[0]], TEXTS[step.text], METADATA[step.metadata]

    def _stored(self, title: str, text: str, metadata: dict[str, Any]) -> tuple[str, int]:
        """Store in the model; the outcome and version that the platform must answer."""
        before = self.held.get(title)
        if before is None:
            self.held[title] = Held(text, metadata, 1)
            return "created", 1
        if (before.text, before.metadata) == (text, metadata):
            return "unchanged", before.version
        self.held[title] = Held(text, metadata, before.version + 1)
        return "updated", before.version + 1

    @staticmethod
    def _same(step: Step, answer: Answer, expected: tuple[str, int]) -> None:
        assert answer.ok, f"{step}: {answer}"
        got = answer.body["outcome"], answer.body["version"]
        assert got == expected, f"{step} was answered {got}, not {expected}"


def _options(metadata: dict[str, Any]) -> dict[str, str]:
    return {f"metadata.{name}": json.dumps(value) for name, value in metadata.items()}


def _refused(step: Step, answer: Answer) -> None:
    assert answer.code == "vector-not-found", f"{step} of a document that is not there: {answer}"


_DOES: dict[str, Callable[[Model, Step], None]] = {
    "store": Model.store,
    "rewrite": Model.rewrite,
    "redescribe": Model.describe,
    "delete": Model.delete,
    "store as a batch": Model.batch,
    "read": Model.read,
    "search": Model.search,
    "list": Model.list,
}
_ONE = ("store", "rewrite", "redescribe", "delete", "read")
_title = st.integers(0, len(TITLES) - 1)
_text = st.integers(0, len(TEXTS) - 1)
_metadata = st.integers(0, len(METADATA) - 1)
STEPS = st.one_of(
    st.builds(Step, st.sampled_from(_ONE), st.tuples(_title), _text, _metadata),
    st.builds(
        Step,
        st.just("store as a batch"),
        st.lists(_title, min_size=1, max_size=len(TITLES), unique=True).map(tuple),
        _text,
        _metadata,
    ),
    st.builds(Step, st.sampled_from(["search", "list"]), st.just(()), _text),
)
JOURNEYS = st.lists(STEPS, min_size=1, max_size=LONGEST)


def travel(world: World) -> int:
    """Make random journeys, each in a new collection, until one goes wrong; returns how many went well."""
    numbers = itertools.count(1)

    def check(journey: Sequence[Step]) -> None:
        alias = f"journey {next(numbers)}"
        contents.have_collections(world, [alias])
        model = Model(world)
        try:
            for step in journey:
                model.take(step)
            model.compare_stores()
        finally:
            requests.aside(world, actors.EDITOR, f'deletes the collection "{alias}"')

    return properties.hold(
        JOURNEYS,
        check,
        within_s=WITHIN_S,
        at_most=MOST_JOURNEYS,
        number=world.citadel.seed,
        shown=lambda journey: "\n".join(str(step) for step in journey),
    )
