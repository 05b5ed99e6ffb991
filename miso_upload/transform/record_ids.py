"""Collects the ids of many records with a few calls, to search all of them at once."""

from __future__ import annotations

from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from miso_upload.records import Record

_LISTS_ONLY = {list}


ID_ATTRIBUTES = frozenset({"user_id", "anonymous_id", "product_ids", "product_group_ids"})
"""The attributes whose values `RecordIds` has."""


class RecordIds(NamedTuple):
    """The ids of some records.

    Attributes:
        names: The names of all attributes that one of the records has.
        users: The user ids.
        visitors: The anonymous ids.
        records_with_products: How many records have `product_ids`.
        products: The ids of products and of product groups.
        joined: All of them as one text, each between two bars; None if one is not text.
    """

    names: Collection[str]
    users: list[Any]
    visitors: list[Any]
    records_with_products: int
    products: list[Any]
    joined: str | None

    @classmethod
    def of(cls, records: Sequence[Record], names: Collection[str] | None = None) -> RecordIds:
        """Return the ids of records.

        Args:
            records: The records.
            names: The names of all their attributes, if they are known.
        """
        if names is None:
            names = set().union(*records)
        users = values_of("user_id", records, names)
        visitors = values_of("anonymous_id", records, names)
        products = values_of("product_ids", records, names)
        with_products = len(products)
        try:
            items = _items(products) + _items(values_of("product_group_ids", records, names))
            joined = "|".join(["", *users, *visitors, *items, ""])
        except TypeError:  # a schema of the user may accept other values
            items, joined = [], None
        return cls(names, users, visitors, with_products, items, joined)


def values_of(name: str, records: Sequence[Record], names: Collection[str]) -> list[Any]:
    """Return the values of an attribute in the records that have it.

    Args:
        name: The attribute.
        records: The records.
        names: The names of all their attributes.
    """
    if name not in names:
        return []
    try:
        return list(map(itemgetter(name), records))
    except KeyError:
        return [record[name] for record in records if name in record]


def _items(values: Sequence[Any]) -> list[Any]:
    """Return the items of lists; raises a TypeError if one is text or no list."""
    if values and set(map(type, values)) != _LISTS_ONLY:
        raise TypeError
    return list(chain.from_iterable(values))
