"""Lists the unmapped columns with reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.drafting import vocabulary as known
from miso_upload.drafting.column_choice import PRIVATE, example_of
from miso_upload.drafting.draft import LeftOut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.drafting.columns import Column
    from miso_upload.drafting.draft import Draft
    from miso_upload.transform.schema.schema import Schema

_NO_ATTRIBUTE = "no attribute fits its name and values"
_REASONS = (
    (known.ORDER, "records have no order id, so each line of an order is a separate record"),
    (known.CURRENCY, "records have no currency"),
    (known.PRICE, "a unit price; revenue is the amount of the order"),
    (known.SESSION, "a session id; the rows have better ids"),
    (known.IP, "named like an IP address, but its values are not addresses"),
    (known.EMAIL, "a person's e-mail address"),
)


def unmapped_columns(columns: Sequence[Column], draft: Draft, schema: Schema) -> list[LeftOut]:
    """Return the columns that no rule reads."""
    taken = {guess.attribute for guess in draft.guesses}
    left = []
    for column in columns:
        if column.is_mostly_null:
            left.append(LeftOut(column.path, "", _nulls_of(column)))
            continue
        if not column.values:
            continue
        itself = column.path not in taken and schema.attribute(column.path) is not None
        if itself:
            reason = "mapped automatically, because it is named after an attribute"
        else:
            reason = _reason(column, taken)
        example = PRIVATE if column.names[0] in known.IP else example_of(column)
        left.append(LeftOut(column.path, example, reason))
    return left


def _reason(column: Column, taken: set[str]) -> str:
    for names, reason in _REASONS:
        if known.rank(column.names, names) is not None:
            if names is known.PRICE and "quantities" not in taken:
                return _NO_ATTRIBUTE
            return reason
    if column.in_list and known.rank(column.names, (*known.REVENUE, *known.QUANTITY)) is not None:
        return "a list of values, but the attribute is a single number"
    return _NO_ATTRIBUTE


def _nulls_of(column: Column) -> str:
    words = ", ".join(word for word, _ in column.nulls.most_common(3))
    return f"{column.nulls.total():,} of {column.rows:,} rows have no value but {words}"
