"""Detects the preset that fits rows, by their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.transform.mapping.elements import compile_each
from miso_upload.transform.mapping.paths import ABSENT, first_step, getter
from miso_upload.transform.mapping.presets import preset_names, read_preset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.transform.mapping.spec import NamedRule

_MOST_ROWS = 100
_FEWEST_COLUMNS = 2
_ALWAYS = frozenset({"type", "timestamp"})


def detect_preset(rows: Sequence[object]) -> str | None:
    """Return the name of the preset that fits the first of `rows`, or None.

    The rows have every column the preset uses for type and timestamp, and at least half of the
    others.
    """
    objects = [row for row in rows[:_MOST_ROWS] if isinstance(row, dict)]
    columns = frozenset().union(*objects)
    counts = {name: _columns_found(name, objects, columns) for name in preset_names()}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else None


def _columns_found(preset: str, rows: Sequence[dict[str, object]], columns: frozenset[str]) -> int:
    """Return how many of a preset's columns the rows have; 0 if they are too few."""
    file = read_preset(preset)
    tables = [file.rules, *(table.rules for table in file.records)]
    rules = {named.attribute: named for table in tables for named in table}
    if "columns" in file.options:
        # The names are the preset's own, for files without a header. A file with a header that has
        # them is another export.
        return 0
    if file.each is not None:
        elements = compile_each(file.each)
        rows = [view for row in rows for view in elements(row).views if isinstance(view, dict)]
        columns = frozenset().union(*rows)
    if "type" not in rules or not all(_is_found(rules[each], rows) for each in _ALWAYS):
        return 0
    wanted = {
        frozenset(map(first_step, named.rule.reads))
        for attribute, named in rules.items()
        if attribute not in _ALWAYS and named.rule.reads
    }
    found = sum(not names.isdisjoint(columns) for names in wanted)
    fewest = max(min(_FEWEST_COLUMNS, len(wanted)), len(wanted) / 2)
    return found if found >= fewest else 0


def _is_found(named: NamedRule, rows: Sequence[dict[str, object]]) -> bool:
    getters = [getter(column) for column in named.rule.reads]
    if not getters:
        return True
    return any(get(row) not in (ABSENT, None, "") for get in getters for row in rows)
