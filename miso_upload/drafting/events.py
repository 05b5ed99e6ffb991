"""What kind of interaction each row is: a column of event names, or what all rows look like."""

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
        column: Where the names are.
        types: The type of each name that is known, the most frequent first.
        unknown: The names that are not known, with how often each was seen.
        nameless: How many rows have no name there.
    """

    column: Column
    types: dict[str, str]
    unknown: list[tuple[str, int]]
    nameless: int

    def guess(self) -> Guess:
        """Return where the type comes from."""
        rule: dict[str, Any] = {"column": self.column.path, "values": self.types}
        if self.unknown:
            rule["otherwise"] = "skip"
        pages = [name for name in self.types if _compact(name) in PAGE_EVENTS]
        unsure = [
            f"{quoted(name)} is a view of any page, and not of a product's alone. Perhaps routes "
            'should tell pages by their URLs ([[routes]] match = "/products/{product_ids}").'
            for name in pages
        ]
        if any(_compact(name) == "add" for name in self.types):
            unsure.append("'add' is taken for adding to the cart; it may be to a list.")
        return Guess("type", rule, "the names of the events", tuple(unsure))


def events_of(columns: Sequence[Column], rows: Sequence[object]) -> Events | None:
    """Return the column of event names, if one of them is known; all rows are counted."""
    best: tuple[tuple[float, int], Column] | None = None
    for column in columns:
        if column.in_list or column.has_lists or not column.is_plain or not column.values:
            continue
        known = [event_type(text) is not None for text in column.distinct]
        place = rank(column.names, EVENT)
        if len(known) > _MOST_NAMES or not any(known):
            continue
        # Two known names in a column of another name are proof, one may be a coincidence.
        if place is None and (sum(known) < 2 or sum(known) < len(known)):  # noqa: PLR2004
            continue
        weight = column.share(event_type(text) is not None for text in column.texts)
        score = (weight * column.filled + 0.01 * len(set(map(event_type, column.distinct))),
                 -(len(EVENT) if place is None else place))  # fmt: skip
        if best is None or score > best[0]:
            best = (score, column)
    return None if best is None else _counted(best[1], rows)


def only_kind(columns: Sequence[Column]) -> Column | None:
    """Return a column of the name of the event, where none of its names is known."""
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
