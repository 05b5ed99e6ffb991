"""Leaves out the quantity of a product that is absent, in lists and in cells with separators.

Products and quantities belong together by their positions. A product without a value is no product,
but left out alone it would shift the quantities of those after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.transform.mapping.group import PRODUCTS, QUANTITIES, is_blank
from miso_upload.transform.mapping.paths import ABSENT, getter, getter_with_gaps
from miso_upload.transform.mapping.step_spec import NO_STEPS
from miso_upload.values.json import JSONDecodeError, decode
from miso_upload.values.null_words import NullWords

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from miso_upload.transform.mapping.rules import Rule
    from miso_upload.transform.mapping.spec import MappingSpec

Row = dict[str, Any]


class _Source(NamedTuple):
    """Where the items of an attribute come from.

    Attributes:
        fetch: Returns the cell or the list of a row, with gaps.
        split: What separates the items of a cell; None if a cell is one value or a JSON list.
    """

    fetch: Callable[[Row], Any]
    split: str | None

    def items(self, row: Row) -> list[Any] | None:
        """Return the items of a row, with gaps; None if they are no list."""
        value = self.fetch(row)
        if isinstance(value, str):
            if value.startswith("[") and value.endswith("]"):
                try:
                    value = decode(value)
                except JSONDecodeError:
                    return None
            elif self.split is not None:
                return [part.strip() for part in value.split(self.split)]
        return value if isinstance(value, list) else None

    def may_have_gap(self, row: Row, values: Sequence[str]) -> bool:
        """Return whether an item of a row may have been left out of its values."""
        value = self.fetch(row)
        if isinstance(value, str) and value[:1] == "[":
            # Fewer items than commas: one was left out, or has a comma itself.
            return value.count(",") + 1 != len(values)
        if isinstance(value, str):
            return self.split is not None and value.count(self.split) + 1 != len(values)
        if isinstance(value, list) and len(value) != len(values):
            return True
        return not all(map(str.strip, values))


class ProductPairs(NamedTuple):
    """Where the products and the quantities of a row come from.

    Attributes:
        attribute: The attribute of the products.
        products: Where the products come from.
        quantities: Where the quantities come from.
    """

    attribute: str
    products: _Source
    quantities: _Source
    words: NullWords

    def _is_absent(self, product: object) -> bool:
        return is_blank(product) or self.words.item(product) is not None

    def of(self, row: Row) -> dict[str, Any] | None:
        """Return the values of both attributes without absent products; None if none is absent."""
        products = self.products.items(row)
        if not products or not any(map(self._is_absent, products)):
            return None
        quantities = self.quantities.items(row)
        if quantities is None or len(products) != len(quantities):
            return None
        pairs = zip(products, quantities, strict=True)
        kept = [(product, quantity) for product, quantity in pairs if not self._is_absent(product)]
        return {
            self.attribute: [product for product, _ in kept] or ABSENT,
            QUANTITIES: [quantity for _, quantity in kept] or ABSENT,
        }

    def doubtful(
        self, rows: Sequence[Row], products: Sequence[Any], quantities: Sequence[Any]
    ) -> list[int]:
        """Return the indices of rows of whose products one may be absent, as far as they show it.

        Args:
            rows: The rows.
            products: Their products, as they are mapped; `ABSENT` if there are none.
            quantities: The same for the quantities.
        """
        if self.products.split is None and _are_single(list(map(self.products.fetch, rows))):
            return []
        may_have_gap = self.products.may_have_gap
        return [
            index
            for index, (row, value) in enumerate(zip(rows, products, strict=True))
            if (
                may_have_gap(row, value) if type(value) is list else quantities[index] is not ABSENT
            )
        ]


def _are_single(cells: Sequence[Any]) -> bool:
    """Return whether each cell is a text that is one value, and no JSON list."""
    return set(map(type, cells)) == {str} and "[" not in {cell[:1] for cell in cells} and all(cells)


def product_pairs(spec: MappingSpec, *, cells: bool) -> ProductPairs | None:
    """Return the pairs of a mapping, if the rules for both attributes read one column each.

    Args:
        spec: The mapping.
        cells: Whether the columns are cells of text, which are also split by their own names.
    """
    rules = {named.attribute: named.rule for named in spec.rules}
    quantities = _source(QUANTITIES, rules, spec.list_separator, cells=cells)
    # The group is what counts only if there is no rule for the products themselves.
    attribute = PRODUCTS[1] if PRODUCTS[1] in rules and PRODUCTS[0] not in rules else PRODUCTS[0]
    products = _source(attribute, rules, spec.list_separator, cells=cells)
    if products is None or quantities is None:
        return None
    return ProductPairs(attribute, products, quantities, NullWords(spec.null_words))


def _source(
    attribute: str, rules: dict[str, Rule], separator: str | None, *, cells: bool
) -> _Source | None:
    """Return where an attribute comes from; None if it is not a single column or path."""
    rule = rules.get(attribute)
    if rule is None:
        return _Source(getter(attribute), separator) if cells else None
    is_changed = rule.template or rule.cookie or rule.values or rule.base
    if len(rule.columns) != 1 or is_changed or rule.steps != NO_STEPS:
        return None
    (column,) = rule.columns
    return _Source(getter_with_gaps(column), rule.split or separator)
