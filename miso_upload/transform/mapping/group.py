"""Maps several rows to one record: list attributes collect, others take one value of the rows.

A `Group` is a row that has, for each column, the first value that is not blank in its rows. So
skips, routes and the visitor's address work as for any row. `take_values` goes back to the rows.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.records import Reason
from miso_upload.transform.mapping.cells import CellError, to_number
from miso_upload.transform.mapping.paths import ABSENT
from miso_upload.values.display import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from miso_upload.transform.mapping.builder import Binding, RecordBuilder

PRODUCTS = ("product_ids", "product_group_ids")
QUANTITIES = "quantities"
_MOST_SHOWN = 3


class Group(dict[str, Any]):
    """Several rows that become one record.

    Args:
        rows: The rows.
        lines: Their lines.

    Attributes:
        rows: The rows.
        lines: Their lines.
    """

    __slots__ = ("lines", "rows")

    def __init__(self, rows: list[dict[str, Any]], lines: list[int]) -> None:
        super().__init__()
        self.rows = rows
        self.lines = lines

    def fill(self) -> None:
        """Take the first value of each column that is not blank."""
        for row in self.rows:
            for column, value in row.items():
                if is_blank(self.get(column)):
                    self[column] = value


class Value(NamedTuple):
    """The values of one attribute in the rows of a group.

    Attributes:
        binding: The attribute.
        values: Its value in each row; `ABSENT`, null or blank text for none.
        take: Which of the values the record gets; None for the usual way of the attribute.
        default: The value of rows without one, or of a group without any; `ABSENT` for none.
    """

    binding: Binding
    values: Sequence[Any]
    take: str | None = None
    default: Any = ABSENT

    @property
    def collects(self) -> bool:
        """Whether the record gets the values of all rows."""
        return self.binding.collects and self.take is None


def is_blank(value: Any) -> bool:  # noqa: ANN401 -- any JSON value, or ABSENT
    """Return whether a value counts as absent in a group."""
    return value is ABSENT or value is None or (isinstance(value, str) and not value.strip())


def put_values(values: Sequence[Value], group: Group, builder: RecordBuilder) -> None:
    """Put the values of a group into its record, or note the reasons why that is impossible."""
    lists: dict[str, list[list[Any]]] = {}
    for value in values:
        if value.collects:
            lists[value.binding.attribute] = _collected(value, group, builder)
        else:
            _put_one(value, builder)
    _drop_quantities_without_products(lists, group, builder)
    for value in values:
        attribute = value.binding.attribute
        if value.collects and any(lists[attribute]):
            joined = [item for some in lists[attribute] for item in some]
            builder.put(value.binding._replace(convert=None), joined)


def _collected(value: Value, group: Group, builder: RecordBuilder) -> list[list[Any]]:
    """Return the items of a list attribute in each row."""
    binding, found = value.binding, []
    for given, line in zip(value.values, group.lines, strict=True):
        if is_blank(given):
            default = value.default
            found.append([] if default is ABSENT else _as_list(default))
            continue
        try:
            converted = builder.converted(binding, given)
        except CellError as error:
            problem = f"{error} (line {line})"
            builder.reasons.append(Reason(binding.attribute, problem, quoted(given)))
            converted = ABSENT
        found.append([item for item in _as_list(converted) if not is_blank(item)])
    return found


def _as_list(value: Any) -> list[Any]:  # noqa: ANN401 -- any JSON value
    if isinstance(value, list):
        return value
    return [] if is_blank(value) else [value]


def _drop_quantities_without_products(
    lists: dict[str, list[list[Any]]], group: Group, builder: RecordBuilder
) -> None:
    """Leave out the quantities of rows without a product, so that both lists fit together.

    A product without a quantity beside others that have one would shift the quantities.
    """
    quantities = lists.get(QUANTITIES)
    products = next((lists[name] for name in PRODUCTS if any(lists.get(name, ()))), None)
    if quantities is None or products is None:
        return
    for i, product in enumerate(products):
        if not product:
            quantities[i] = []
    if not any(quantities):
        return
    for product, quantity, line in zip(products, quantities, group.lines, strict=True):
        if product and not quantity:
            problem = (
                f"is missing on line {line}, which has a product, and other lines have one. "
                "Possible fix: default = 1"
            )
            builder.reasons.append(Reason(QUANTITIES, problem))
            return


def _put_one(value: Value, builder: RecordBuilder) -> None:
    """Put the value that a group has for an attribute which is no list."""
    binding = value.binding
    given = [each for each in value.values if not is_blank(each)]
    if not given:
        if value.default is not ABSENT:
            builder.put(binding._replace(convert=None), value.default)
        return
    match value.take:
        case "first":
            builder.put(binding, given[0])
        case "last":
            builder.put(binding, given[-1])
        case "sum" | "max" | "min":
            _put_number(value, given, builder)
        case _:
            if len(given) > 1 and not _are_alike(given, binding.convert):
                shown = ", ".join(map(quoted, _distinct(given)[:_MOST_SHOWN]))
                problem = 'differ in the rows of the group. Possible fix: take = "first"'
                builder.reasons.append(Reason(f"values of {binding.attribute}", problem, shown))
                return
            builder.put(binding, given[0])


def _put_number(value: Value, given: Sequence[Any], builder: RecordBuilder) -> None:
    numbers = []
    for each in given:
        try:
            numbers.append(to_number(builder.converted(value.binding, each)))
        except CellError as error:
            builder.reasons.append(Reason(value.binding.attribute, str(error), quoted(each)))
            return
    binding = value.binding._replace(convert=None)
    if value.take == "sum":
        # Decimals make 0.1 and 0.2 exactly 0.3.
        total = sum(Decimal(str(number)) for number in numbers)
        whole = all(isinstance(number, int) for number in numbers)
        builder.put(binding, int(total) if whole else float(total))
    else:
        builder.put(binding, max(numbers) if value.take == "max" else min(numbers))


def _distinct(values: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if not any(type(value) is type(other) and value == other for other in found):
            found.append(value)
    return found


def _are_alike(values: Sequence[Any], convert: Callable[[Any], Any] | None) -> bool:
    """Return whether values are equal, as they are or once they are converted."""
    distinct = _distinct(values)
    if len(distinct) == 1:
        return True
    if convert is None:
        return False
    try:
        converted = [convert(value) for value in distinct]
    except CellError:
        return False
    return all(type(each) is type(converted[0]) and each == converted[0] for each in converted)
