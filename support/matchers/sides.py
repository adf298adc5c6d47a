"""Matcher for one document in two stores."""

from __future__ import annotations

from dataclasses import dataclass

from hamcrest.core.base_matcher import BaseMatcher
from hamcrest.core.description import Description


@dataclass(frozen=True, slots=True)
class Sides:
    """One document as both stores hold it; the members are those that must agree."""

    row: dict[str, object] | None
    point: dict[str, object] | None


class Agree(BaseMatcher[Sides]):
    """Row and point exist and agree in every member; a mismatch names the members and both values."""

    def _matches(self, item: Sides) -> bool:
        return item.row is not None and item.row == item.point

    def describe_to(self, description: Description) -> None:
        description.append_text("a row and a point that agree")

    def describe_mismatch(self, item: Sides, mismatch_description: Description) -> None:
        if item.row is None or item.point is None:
            missing = [
                side for side, held in (("PostgreSQL", item.row), ("Qdrant", item.point)) if held is None
            ]
            mismatch_description.append_text(f"it is missing in {' and '.join(missing)}")
            return
        for member, value in item.row.items():
            if item.point[member] != value:
                mismatch_description.append_text(
                    f"\n  {member}: PostgreSQL {value!r}, Qdrant {item.point[member]!r}"
                )


def agree() -> Agree:
    """Match a document that both stores hold alike."""
    return Agree()
