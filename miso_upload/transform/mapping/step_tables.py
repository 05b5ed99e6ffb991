"""Reads the steps of a rule from its table in a mapping file, and checks that they fit together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from miso_upload.errors import ConfigurationError
from miso_upload.transform.mapping.calculations import compile_calculation
from miso_upload.transform.mapping.item_patterns import attributes_of
from miso_upload.transform.mapping.lookup_tables import read_lookup_table
from miso_upload.transform.mapping.paths import ABSENT
from miso_upload.transform.mapping.regexes import check_replacement, compile_regex
from miso_upload.transform.mapping.step_spec import NO_STEPS, Replacement, Steps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from miso_upload.transform.mapping.rules import Rule

_STEPS = ("strip", "replace", "lower", "upper", "extract", "group", "item", "lookup", "hash")
_WITHOUT_STEPS = ("value", "calculate", "add")


def steps_of(attribute: str, table: dict[str, Any], directory: Path) -> Steps:
    """Return the steps in a table of `[attributes]`.

    Args:
        attribute: The attribute of the table.
        table: The table, which the schema of mapping files allows.
        directory: The directory of the mapping file.

    Raises:
        ConfigurationError: The steps do not fit together, a pattern is none, or a lookup table
            cannot be read.
    """
    _check_calculation(table)
    named = [key for key in _STEPS if table.get(key) not in (None, False)]
    if not named:
        return NO_STEPS
    _check_together(table, named)
    strip = table.get("strip", False)
    pattern = table.get("item")
    if pattern is not None and attribute not in attributes_of(pattern):
        raise ConfigurationError(f"has the item pattern {pattern!r} without {{{attribute}}}")
    lookup = table.get("lookup")
    return Steps(
        strip=strip if isinstance(strip, str) else "" if strip else None,
        replace=tuple(map(_replacement, _listed(table.get("replace", ())))),
        case=_case(table),
        extract=_checked_regex(table.get("extract"), table.get("group")),
        group=table.get("group"),
        item=pattern,
        leader=None if pattern is None else attribute,
        lookup=None if lookup is None else read_lookup_table(
            lookup["file"], directory, lookup.get("key"), lookup.get("value")
        ),
        hash=table.get("hash"),
    )  # fmt: skip


def companions(attribute: str, rule: Rule) -> Iterator[tuple[str, Rule]]:
    """Yield the rules for the other attributes in the item pattern of a rule."""
    steps = rule.steps
    if steps.item is None:
        return
    for other in attributes_of(steps.item):
        if other != attribute:
            taken = replace(steps, taken=other, hash=None)
            yield other, replace(rule, steps=taken, values=None, default=ABSENT)


def _case(table: dict[str, Any]) -> Literal["lower", "upper"] | None:
    if table.get("lower"):
        return "lower"
    return "upper" if table.get("upper") else None


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 -- a table, or a list of tables
    return [value] if isinstance(value, dict) else list(value)


def _replacement(table: dict[str, str]) -> Replacement:
    if ("text" in table) == ("pattern" in table):
        raise ConfigurationError("must have exactly one of text and pattern in each replace")
    if "pattern" in table:
        check_replacement(compile_regex(table["pattern"]), table["with"])
        return Replacement(table["pattern"], table["with"], is_regex=True)
    return Replacement(table["text"], table["with"])


def _checked_regex(text: str | None, group: str | None) -> str | None:
    """Return the text of `extract`.

    Raises:
        ConfigurationError: It is no regular expression, or lacks the group.
    """
    if text is None:
        if group is not None:
            raise ConfigurationError("has a group without extract")
        return None
    names = compile_regex(text).names
    if group is not None and group not in names:
        listed = ", ".join(names) or "none with a name"
        raise ConfigurationError(f"has no group {group!r} in extract. Its groups: {listed}")
    return text


def _check_calculation(table: dict[str, Any]) -> None:
    if "calculate" in table:
        compile_calculation(table["calculate"])
    if "unit" in table and "add" not in table:
        raise ConfigurationError("has a unit without add")
    if "add" in table and "column" not in table:
        raise ConfigurationError("has add, which needs the column of a timestamp")


def _check_together(table: dict[str, Any], named: list[str]) -> None:
    if table.get("lower") and table.get("upper"):
        raise ConfigurationError("has both lower and upper")
    if "lookup" in table and "values" in table:
        raise ConfigurationError("has both lookup and values. Use one of them")
    for key in _WITHOUT_STEPS:
        if key in table:
            raise ConfigurationError(f"has {key}, to which {named[0]} does not apply")
