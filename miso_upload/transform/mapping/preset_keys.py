"""Knows the columns by which a preset recognises its export, and searches rows for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.transform.mapping.paths import ABSENT, getter

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from miso_upload.transform.mapping.spec import MappingFile, NamedRule

_ALWAYS = frozenset({"type", "timestamp"})


def is_key(named: NamedRule, rules: Sequence[NamedRule]) -> bool:
    """Return whether a preset recognises its export by the columns of a rule.

    These are the columns of type and timestamp, and of the products if all rows have one type.
    """
    if named.attribute == "product_ids":
        return any(each.attribute == "type" and not each.rule.reads for each in rules)
    return named.attribute in _ALWAYS


def keys_of(mapping: MappingFile, but: Collection[str]) -> list[tuple[str, ...]]:
    """Return the columns by which a preset recognises its export.

    Each is a tuple of columns or paths, of which a row has at least one.

    Args:
        mapping: The preset, with the user's mapping merged over it.
        but: Attributes that options of the command line set.
    """
    if mapping.each is not None:
        # The others may be in the elements, and a row may have none.
        return [(mapping.each.path,)]
    keys = [
        named.rule.reads
        for named in mapping.rules
        if named.lenient
        and named.rule.reads
        and named.attribute not in but
        and is_key(named, mapping.rules)
    ]
    if mapping.routing is not None and mapping.routing.url:
        keys.append((mapping.routing.url,))
    return keys


def has_keys(row: object, keys: Sequence[tuple[str, ...]]) -> bool:
    """Return whether a row has at least one column of each of `keys`; its value may be null."""
    return isinstance(row, dict) and all(
        any(getter(_to_list(path))(row) is not ABSENT for path in paths) for paths in keys
    )


def _to_list(path: str) -> str:
    """Return the path to the first list that a path leads through, which may be empty."""
    return path.partition("[")[0]
