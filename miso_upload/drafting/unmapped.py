"""What becomes nothing, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.drafting import vocabulary as known
from miso_upload.drafting.choosing import PRIVATE, example_of
from miso_upload.drafting.draft import LeftOut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.drafting.columns import Column
    from miso_upload.drafting.draft import Draft
    from miso_upload.transform.schema.schema import Schema

_REASONS = (
    (known.ORDER, "records have no id of an order; its lines stay apart"),
    (known.CURRENCY, "records have no currency"),
    (known.PRICE, "the price of one, and revenue is that of an order"),
    (known.SESSION, "a session; rows have better ids"),
    (known.IP, "called like an address, but its values are none"),
    (known.EMAIL, "an address of a person"),
)


def leftovers(columns: Sequence[Column], draft: Draft, schema: Schema) -> list[LeftOut]:
    """Return the columns that no rule reads."""
    taken = {guess.attribute for guess in draft.guesses}
    left = []
    for column in columns:
        if not column.values:
            continue
        itself = column.path not in taken and schema.attribute(column.path) is not None
        if itself:
            reason = "not left out: it is called like an attribute, and becomes it"
        else:
            reason = _reason(column, taken)
        example = PRIVATE if column.names[0] in known.IP else example_of(column)
        left.append(LeftOut(column.path, example, reason))
    return left


def _reason(column: Column, taken: set[str]) -> str:
    for names, reason in _REASONS:
        if known.rank(column.names, names) is not None:
            if names is known.PRICE and "quantities" not in taken:
                return ""
            return reason
    if column.in_list and known.rank(column.names, (*known.REVENUE, *known.QUANTITY)) is not None:
        return "in a list, which a single number cannot be taken from"
    return ""
