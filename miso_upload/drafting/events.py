"""Finds the column of event names, which determines the type of each record."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.drafting.columns import words_of
from miso_upload.drafting.draft import Guess, Offer
from miso_upload.drafting.vocabulary import (
    EVENT,
    NOT_EVENT_WORDS,
    PAGE_EVENTS,
    event_type,
    rank,
)
from miso_upload.transform.mapping.paths import getter
from miso_upload.values.display import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.drafting.columns import Column

PAGE_TYPE = "product_detail_page_view"
_VAGUE = "type"
"""A name that columns of other contents have too."""
_MOST_NAMES = 200
_LONGEST_NAME = 100


class Events(NamedTuple):
    """A column of event names.

    Attributes:
        column: The column of the names.
        types: The type of each known name, the most frequent first.
        pages: The names of views of any page, with their numbers of rows.
        unknown: The unknown names, with their numbers of rows.
        nameless: The number of rows without a name.
    """

    column: Column
    types: dict[str, str]
    pages: list[tuple[str, int]]
    unknown: list[tuple[str, int]]
    nameless: int

    def guess(self) -> Guess | None:
        """Return the guess for the type; None if all known names are views of any page."""
        if not self.types:
            return None
        rule: dict[str, Any] = {"column": self.column.path, "values": self.types}
        if self.unknown or self.pages:
            rule["otherwise"] = "skip"
        unsure = []
        if self.pages:
            names = ", ".join(quoted(name) for name, _ in self.pages)
            unsure.append(
                f"{names} is a view of any page, not only of a product page, so its rows are "
                "skipped. Consider routes, which map URLs to types "
                '([[routes]] match = "/products/{product_ids}").'
            )
        if any(_compact(name) == "add" for name in self.types):
            unsure.append("'add' is mapped to add_to_cart, but may mean adding to a list.")
        return Guess("type", rule, "the column of event names", tuple(unsure))

    def offer(self) -> Offer:
        """Return the rule that takes views of any page for views of a product page."""
        rule = {"column": self.column.path, "values": {name: PAGE_TYPE for name, _ in self.pages}}
        if self.unknown:
            rule["otherwise"] = "skip"
        names = ", ".join(quoted(name) for name, _ in self.pages)
        why = f"{names} is a view of any page. If all pages show a product, use:"
        return Offer("type", rule, why)


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
        # Words such as "home" or "search" may be the values of a category.
        if position is None and NOT_EVENT_WORDS & set(column.words):
            continue
        if position is not None and EVENT[position] == _VAGUE and 2 * sum(known) < len(known):
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
    types = {
        name: found for name, _ in counts.most_common()
        if _compact(name) not in PAGE_EVENTS and (found := event_type(name))
    }  # fmt: skip
    pages = [pair for pair in counts.most_common() if _compact(pair[0]) in PAGE_EVENTS]
    unknown = [
        (name, count) for name, count in counts.most_common()
        if event_type(name) is None and len(name) <= _LONGEST_NAME
    ]  # fmt: skip
    return Events(column, types, pages, unknown, nameless)


def _compact(name: str) -> str:
    return "".join(words_of(name))
