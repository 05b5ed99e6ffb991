"""Which preset rows look as if it were made for, told by the columns that they have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.transform.mapping.paths import ABSENT, first_step, getter
from miso_upload.transform.mapping.presets import preset_names, read_preset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.transform.mapping.spec import NamedRule

_MOST_ROWS = 100
_FEWEST_COLUMNS = 2
_ALWAYS = frozenset({"type", "timestamp"})


def detect_preset(rows: Sequence[object]) -> str | None:
    """Return the name of the preset whose columns the first of `rows` have, if there is one.

    They have all that it makes type and timestamp of, and at least half of what it reads beside.
    """
    objects = [row for row in rows[:_MOST_ROWS] if isinstance(row, dict)]
    columns = frozenset().union(*objects)
    fits = {name: _columns_there(name, objects, columns) for name in preset_names()}
    best = max(fits, key=lambda name: fits[name])
    return best if fits[best] else None


def _columns_there(preset: str, rows: Sequence[dict[str, object]], columns: frozenset[str]) -> int:
    """Return how many of a preset's columns are there; 0 where they are too few."""
    rules = {named.attribute: named for named in read_preset(preset).rules}
    if "type" not in rules or not all(_is_found(rules[each], rows) for each in _ALWAYS):
        return 0
    wanted = {
        frozenset(map(first_step, named.rule.reads))
        for attribute, named in rules.items()
        if attribute not in _ALWAYS and named.rule.reads
    }
    there = sum(not names.isdisjoint(columns) for names in wanted)
    fewest = max(min(_FEWEST_COLUMNS, len(wanted)), len(wanted) / 2)
    return there if there >= fewest else 0


def _is_found(named: NamedRule, rows: Sequence[dict[str, object]]) -> bool:
    reach = [getter(column) for column in named.rule.reads]
    if not reach:
        return True
    return any(each(row) not in (ABSENT, None, "") for each in reach for row in rows)
