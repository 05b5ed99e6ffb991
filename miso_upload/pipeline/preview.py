"""Shows rows and their records before anything is sent.

The rows go through the same transform as in an upload. Visitors' addresses are redacted.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.records.element import element_of, line_of
from miso_upload.transform.block import Transform
from miso_upload.transform.identity import IdentityPolicy
from miso_upload.transform.mapping import Mapper, overlaid, read_preset
from miso_upload.transform.validation import RecordValidator
from miso_upload.values.display import counted, printable
from miso_upload.values.json import JSONEncodeError, decode_joined, encode
from miso_upload.values.timestamps import TimestampReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from miso_upload.records import Block, Record
    from miso_upload.sources.formats import Format
    from miso_upload.transform.groups import Grouper
    from miso_upload.transform.mapping import MappingFile
    from miso_upload.transform.schema.schema import Schema

SIDE_BY_SIDE = 100
"""Terminals with at least this many columns show a row and its record side by side."""
MOST_EXAMINED = 1_000
"""At most this many rows are examined to find some worth showing."""
_MOST_FIELDS = 40
_WIDEST_NAME = 32
_LEAST_VALUE = 16


class Shown(NamedTuple):
    """One row and its outcome.

    Attributes:
        line: The line of the row, or the number of its element.
        row: The row as it was read; empty for further elements of it.
        record: Its record, if it is valid.
        reasons: The reasons, if it is rejected.
        rule: The name of the skip rule, if it is skipped.
    """

    line: int
    row: Any
    record: Record | None = None
    reasons: tuple[str, ...] = ()
    rule: str = ""

    @property
    def outcome(self) -> str:
        """Return `valid`, `rejected` or `skipped`."""
        if self.record is not None:
            return "valid"
        return "rejected" if self.reasons else "skipped"


def transform_of(mapping: MappingFile, schema: Schema, rows: Format) -> Transform:
    """Return the transform that an upload with this mapping file and its preset would use.

    Raises:
        MappingError: The mapping does not fit the schema or the columns.
    """
    preset = mapping.options.get("preset") or rows.preset
    if preset:
        mapping = overlaid(mapping, read_preset(preset))
    timestamps = TimestampReader(mapping.options.get("timezone"))
    mapper = Mapper(mapping.spec, schema, timestamps, IdentityPolicy(), rows.columns)
    return Transform(rows, mapper, RecordValidator(schema))


def rows_of(block: Block, rows: Format, transform: Transform) -> list[Shown]:
    """Return the rows of a block, in order, with their outcomes.

    The findings name the skip rules of a whole block: only if one rule skips all its skipped rows,
    as in a block of a single row, is it clear which rule skipped which row.
    """
    batch = transform(block)
    parsed: dict[int, Any] = {}
    if block.fault is None:
        for part in rows.slices(block, transform.is_record_of(block)):
            parsed.update(zip(part.lines, part.rows, strict=True))
    if transform.grouper is not None:
        parsed = _groups(parsed, transform.grouper)
    shown = {
        line: Shown(line, parsed.get(line_of(line)), record)
        for line, record in zip(batch.lines, decode_joined(batch.slices), strict=True)
    }
    for rejection in batch.rejections:
        reasons = tuple(each.text for each in rejection.reasons)
        row = parsed.get(line_of(rejection.line), rejection.row)
        shown[rejection.line] = Shown(rejection.line, row, reasons=reasons)
    rule = ", ".join(batch.findings.skipped)
    others = parsed.keys() - set(map(line_of, shown))
    shown.update((line, Shown(line, parsed[line], rule=rule)) for line in others)
    return list(_with_row_once(shown[line] for line in sorted(shown, key=element_of)))


def _groups(parsed: dict[int, Any], grouper: Grouper) -> dict[int, Any]:
    """Return the rows of groups, by the line of the first; several are fields of one object."""
    return {
        first: parsed[first] if len(lines) == 1 else {f"line {n}": parsed[n] for n in lines}
        for first, lines in grouper.together(parsed).items()
    }


def _with_row_once(shown: Iterable[Shown]) -> Iterator[Shown]:
    """Yield elements with their row only beside the first of the row."""
    last = 0
    for each in shown:
        line = line_of(each.line)
        yield each._replace(row={}) if line == last else each
        last = line


def chosen_rows(
    rows: Iterator[Shown], most: int, only: str | None = None
) -> tuple[list[Shown], list[Shown]]:
    """Return the rows to show, in order, and all rows that were examined to choose them.

    The rows to show are the first `most`, or the first with the outcome `only`. If none of the
    first is valid, more rows are examined, and valid ones are shown.
    """
    examined = list(islice(rows, most)) if only is None else []
    if any(each.record is not None for each in examined):
        return examined, examined
    found = list(examined)
    for each in islice(rows, MOST_EXAMINED - len(examined)):
        examined.append(each)
        if only in (None, each.outcome):
            found.append(each)
        if only is not None and len(found) == most:
            break
    return (found if only else examples(found, most)), examined


def examples(shown: list[Shown], most: int) -> list[Shown]:
    """Return a few rows: valid ones first, of different types if possible."""
    good = [each for each in shown if each.record is not None]
    types = {each.record["type"]: each for each in reversed(good) if each.record}
    chosen = [*types.values(), *(each for each in good if each not in types.values())][:most]
    return sorted(chosen or shown[:most], key=lambda each: element_of(each.line))


def counts_of(shown: list[Shown]) -> str:
    """Return the number of rows by outcome, as an equation."""
    count = Counter(each.outcome for each in shown)
    return (
        f"First {counted(len(shown), 'row')} = {count['valid']:,} valid + "
        f"{count['rejected']:,} rejected + {count['skipped']:,} skipped"
    )


def preview_text(shown: Iterable[Shown], width: int) -> str:
    """Return rows and records, side by side if `width` allows, otherwise below each other."""
    return "\n".join(line.rstrip() for each in shown for line in (*_one(each, width), "")) + "\n"


def _one(shown: Shown, width: int) -> Iterator[str]:
    side_by_side = width >= SIDE_BY_SIDE
    half = (width - 4) // 2 if side_by_side else width - 2
    left = _fields(shown.row, half)
    right = _details(shown, half)
    if side_by_side:
        yield f"{_position(shown):{half}}    {_outcome_line(shown)}"
        for row, record in zip_longest(left, right, fillvalue=""):
            yield f"{row:{half}}    {record}"
    else:
        yield _position(shown)
        yield from left
        yield f"  -> {_outcome_line(shown)}"
        yield from (f"  {line}" for line in right)


def _position(shown: Shown) -> str:
    element = element_of(shown.line)
    return ", ".join(filter(None, (f"line {element.line:,}", element.label)))


def _outcome_line(shown: Shown) -> str:
    if shown.record is not None:
        return f"becomes {printable(str(shown.record.get('type')))}"
    return "is rejected" if shown.reasons else "is skipped"


def _details(shown: Shown, width: int) -> list[str]:
    if shown.record is not None:
        return _fields(shown.record, width)
    reasons = shown.reasons or (f"skip rule: {printable(shown.rule)}",)
    return [
        line
        for reason in reasons
        for line in textwrap.wrap(
            printable(reason), width - 2, initial_indent="  ", subsequent_indent="    "
        )
    ]


def _fields(value: object, width: int) -> list[str]:
    """Return one line for each field of an object; empty fields are omitted."""
    if not isinstance(value, dict):
        return [f"  {printable(_text(value), width - 2)}"]
    fields = [pair for pair in _flat(value, "") if pair[1] not in (None, "", [], {})]
    names = [printable(name, _WIDEST_NAME) for name, _ in fields[:_MOST_FIELDS]]
    room = max(map(len, names), default=0)
    most = max(width - room - 4, _LEAST_VALUE)
    lines = [
        f"  {name:{room}}  {printable(_text(inner), most)}"
        for name, (_, inner) in zip(names, fields, strict=False)
    ]
    if len(fields) > _MOST_FIELDS:
        lines.append(f"  and {counted(len(fields) - _MOST_FIELDS, 'more field')}")
    return lines


def _flat(value: dict[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict) and inner and before.count(".") < 3:  # noqa: PLR2004 -- readable
            yield from _flat(inner, f"{before}{name}.")
        else:
            yield before + name, inner


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return encode(value).decode()
    except (JSONEncodeError, RecursionError):
        return type(value).__name__
