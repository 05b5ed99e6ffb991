"""Refuses inputs that are not the export that a preset is for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from miso_upload.errors import OtherExportError
from miso_upload.sources.first_rows import rows_until
from miso_upload.transform.mapping import detect_preset
from miso_upload.transform.mapping.paths import first_step
from miso_upload.transform.mapping.preset_keys import has_keys, keys_of
from miso_upload.values.display import column_name, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from miso_upload.sources import Source
    from miso_upload.transform.mapping import MappingFile

_MOST_ROWS = 10_000
_FEWEST_ROWS = 20
_MOST_OF_LAYOUT = 200
_JSON = frozenset({"json", "jsonl"})
_PARQUET = b"PAR1"


def check_keys(source: Source, preset: str, mapping: MappingFile, but: Collection[str]) -> None:
    """Check that rows without a header have the columns by which a preset recognises its export.

    One of the first rows of a log or of Parquet must have them; of JSON, whose rows may differ,
    one of the first 10,000, if there are at least 20.

    Args:
        source: The source; it is not consumed.
        preset: The name of the preset.
        mapping: The preset, with the user's mapping merged over it.
        but: Attributes that options of the command line set.

    Raises:
        OtherExportError: No row has them.
    """
    keys = keys_of(mapping, but)
    if not keys:
        return
    may_differ = source.format.name in _JSON and not _is_parquet(source)
    most = _MOST_ROWS if may_differ else _FEWEST_ROWS
    first = rows_until(source, lambda rows: any(has_keys(row, keys) for row in rows), most)
    fewest = _FEWEST_ROWS if may_differ else 1
    if len(first.rows) < fewest or any(has_keys(row, keys) for row in first.rows):
        return
    wanted = " and ".join(" or ".join(paths) for paths in keys)
    raise OtherExportError(
        f"the preset {preset} is for another export: {_none_of(len(first.rows))} {wanted}"
        f"{_fitting(first.rows, preset)}"
    )


def check_grouping(preset: str, mapping: MappingFile, columns: tuple[str, ...]) -> None:
    """Check that a header has the columns by which a preset groups rows.

    Args:
        preset: The name of the preset.
        mapping: The preset, with the user's mapping merged over it.
        columns: The header.

    Raises:
        OtherExportError: It does not.
    """
    for column in mapping.grouping.columns if mapping.grouping else ():
        if first_step(column) not in columns and column not in columns:
            raise OtherExportError(
                f"the preset {preset} is for another export: the input has no column {column!r}"
                f"{did_you_mean(column, columns, column_name)}"
            )


def check_layout(source: Source, preset: str, is_record: Callable[[object], bool]) -> None:
    """Check that the rows of a file without a header have the layout that a preset is for.

    Args:
        source: The source; it is not consumed.
        preset: The name of the preset, which names the columns.
        is_record: Returns whether type, timestamp and id of the row's record are valid.

    Raises:
        OtherExportError: None of the first rows can be read with these columns.
    """
    first = rows_until(source, lambda rows: any(map(is_record, rows)), _MOST_OF_LAYOUT)
    total = len(first.rows) + first.unreadable
    if not total or any(map(is_record, first.rows)):
        return
    problem = "a valid timestamp and id in its columns" if first.rows else "its columns"
    raise OtherExportError(
        f"the preset {preset} is for another export: {_none_of(total)} {problem} "
        f"({', '.join(source.format.columns or ())})"
    )


def _none_of(rows: int) -> str:
    """Return the beginning of a sentence about rows that do not have something."""
    return "the only row does not have" if rows == 1 else f"none of the first {rows:,} rows has"


def _is_parquet(source: Source) -> bool:
    """Return whether an input is a Parquet file, all of whose rows have the same columns."""
    try:
        with Path(source.identity.key).open("rb") as file:
            return file.read(len(_PARQUET)) == _PARQUET
    except OSError:
        return False


def _fitting(rows: list[object], preset: str) -> str:
    fitting = detect_preset(rows)
    if fitting in (None, preset):
        return ""
    return f". The rows look like those of the preset {fitting}"
