"""Finds the column of event names, which determines the type of each record."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.drafting.columns import words_of
from miso_upload.drafting.draft import Guess
from miso_upload.drafting.vocabulary import EVENT, PAGE_EVENTS, event_type, rank
from miso_upload.transform.mapping.paths import getter
from miso_upload.values.display import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.drafting.columns import Column

_MOST_NAMES = 200
_LONGEST_NAME = 100


class Events(NamedTuple):
    """A column of event names.

    Attributes:
        column: The column of the names.
        types: The type of each known name, the most frequent first.
        unknown: The unknown names, with their numbers of rows.
        nameless: The number of rows without a name.
    """

    column: Column
    types: dict[str, str]
    unknown: list[tuple[str, int]]
    nameless: int

    def guess(self) -> Guess:
        """Return the guess for the type."""
        rule: dict[str, Any] = {"column": self.column.path, "values": self.types}
        if self.unknown:
            rule["otherwise"] = "skip"
        pages = [name for name in self.types if _compact(name) in PAGE_EVENTS]
        unsure = [
            f"{quoted(name)} is a view of any page, not only of a product page. Consider "
            "routes, which map URLs to types "
            '([[routes]] match = "/products/{product_ids}").'
            for name in pages
        ]
        if any(_compact(name) == "add" for name in self.types):
            unsure.append("'add' is mapped to add_to_cart, but may mean adding to a list.")
        return Guess("type", rule, "the column of event names", tuple(unsure))


def events_of(columns: Sequence[Column], rows: Sequence[object]) -> Events | None:
    """Return the column of event names, if a name in it is known; counts all rows."""
    best: tuple[tuple[float, int], Column] | None = None
    for column in columns:
        if column.in_list or column.has_lists or not column.is_plain or not column.values:
            continue
        known = [event_type(text) is not None for text in column.distinct]
        position = rank(column.names, EVENT)
        if len(known) > _MOST_NAMES or not any(known):
            continue
        # In a column of another name, one known event may be a coincidence, two are proof.
        if position is None and (sum(known) < 2 or sum(known) < len(known)):  # noqa: PLR2004
            continue
        weight = column.share(event_type(text) is not None for text in column.texts)
        score = (weight * column.filled + 0.01 * len(set(map(event_type, column.distinct))),
                 -(len(EVENT) if position is None else position))  # fmt: skip
        if best is None or score > best[0]:
            best = (score, column)
    return None if best is None else _counted(best[1], rows)


def unknown_event_column(columns: Sequence[Column]) -> Column | None:
    """Return a column that seems to contain event names of which none is known."""
    named = [
        column for column in columns
        if column.values and not column.in_list and rank(column.names, EVENT[:3]) is not None
        and len(column.distinct) <= _MOST_NAMES
    ]  # fmt: skip
    return named[0] if named else None


def _counted(column: Column, rows: Sequence[object]) -> Events:
    reach = getter(column.path)
    counts: Counter[str] = Counter()
    nameless = 0
    for row in rows:
        value = reach(row) if isinstance(row, dict) else None
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            counts[str(value)] += 1
        else:
            nameless += 1
    types = {name: found for name, _ in counts.most_common() if (found := event_type(name))}
    unknown = [
        (name, count) for name, count in counts.most_common()
        if name not in types and len(name) <= _LONGEST_NAME
    ]  # fmt: skip
    return Events(column, types, unknown, nameless)


def _compact(name: str) -> str:
    return "".join(words_of(name))
