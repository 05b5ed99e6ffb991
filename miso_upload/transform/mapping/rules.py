"""What a mapping can say about one attribute: where its value comes from, and what is done to it.

A `Rule` is plain data, as the mapping file has it; `compile_rule` makes two functions of it: one
that fetches the value from a row, and one that turns it into what the schema asks for. Nothing is
interpreted row by row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from miso_upload.errors import ConfigurationError
from miso_upload.transform.mapping.cells import CellError, column_converter, converter, to_number
from miso_upload.transform.mapping.paths import ABSENT, getter, is_path
from miso_upload.transform.schema.schema import Kind
from miso_upload.values.timestamps import TimestampReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from miso_upload.transform.mapping.cells import ConvertAll

Row = dict[str, Any]

_NOT_NAMED = "is no value that the mapping names"
_PART = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|([^{}]+)")

UNNAMED = "a value that the mapping does not name"
"""What rows are counted under that a value table skips, unless the mapping has a better name."""


class SkipRow(Exception):  # noqa: N818 -- it is no error
    """The user's rules leave this row out; the argument is the rule's name."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Where the value of one attribute comes from, and what is done to it on the way.

    Attributes:
        columns: Columns or dotted paths. Of several, the first that is not empty counts.
        join: What several columns are joined by instead; all of them must have something.
        template: Text with `{column}` places.
        base: What stands before a value that begins with a slash, so that a path becomes a URL:
            text with `{column}` places; of several, the first of which no place is empty.
        cookie: The value is a Cookie header, and what counts is the cookie of this name.
        value: A constant.
        values: What each value becomes, text of the column on the left; empty text for nothing.
        otherwise: What to do with a value that `values` does not have.
        skipped_as: What rows are counted under that are skipped so.
        split: What separates the values of a list.
        scale: What a number is multiplied by.
        at_least: The least number that is taken.
        at_most: The largest number that is taken.
        formats: How times are written, where the rule says so.
        timezone: The zone of times that name none, where the rule says so.
        default: What an absent value is taken for.
    """

    columns: tuple[str, ...] = ()
    join: str | None = None
    template: str | None = None
    base: tuple[str, ...] = ()
    cookie: str | None = None
    value: Any = ABSENT
    values: Mapping[str, Any] | None = field(default=None, hash=False)
    otherwise: Literal["reject", "skip", "omit", "keep"] = "reject"
    skipped_as: str = UNNAMED
    split: str | None = None
    scale: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    formats: tuple[str, ...] = ()
    timezone: str | None = None
    default: Any = ABSENT

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the columns or paths that its value comes from."""
        return (*self.columns, *placeholders(self.template)) if self.template else self.columns

    @property
    def also_reads(self) -> tuple[str, ...]:
        """Return the columns or paths of what it adds to a value, where they are there."""
        return tuple(place for base in self.base for place in placeholders(base))


class Compiled(NamedTuple):
    """A rule as two functions: `fetch` may return `ABSENT`, `convert` may raise `CellError`."""

    fetch: Callable[[Row], Any]
    convert: Callable[[Any], Any]
    default: Any
    shown: str
    """The columns that it reads, for messages."""
    convert_all: ConvertAll | None = None
    """See `cells.column_converter`."""
    column: str | None = None
    """The column of which it takes the cells as they are, if it does, and no base fits."""
    bases: tuple[tuple[str, ...], ...] = ()
    """The columns or paths that each base reads; it fits where there are all of them."""


def compile_rule(
    rule: Rule, kind: Kind, *, timestamps: TimestampReader, list_separator: str | None
) -> Compiled:
    """Return `rule` for an attribute of `kind`, ready to be applied to rows.

    Raises:
        CellError: A constant, a default or a value of the table does not fit the attribute.
    """
    if rule.formats or rule.timezone:
        zone = rule.timezone or timestamps.zone
        timestamps = TimestampReader(zone, rule.formats or timestamps.formats)
    separator = rule.split or list_separator
    convert = _convert(rule, kind, timestamps, separator)
    default = ABSENT if rule.default is ABSENT else convert(rule.default)
    if rule.values is not None:
        convert = _looked_up(rule, convert)
    if rule.value is not ABSENT:
        try:
            constant = convert(rule.value)
        except SkipRow:
            raise CellError(_NOT_NAMED) from None
        return Compiled(fetch_nothing, convert, constant, "")
    convert_all = _convert_all(rule, kind, timestamps, separator)
    shown = ", ".join(rule.reads)
    bases = tuple(map(placeholders, rule.base))
    return Compiled(_fetch(rule), convert, default, shown, convert_all, _only_column(rule), bases)


def fetch_nothing(_: Row) -> Any:  # noqa: ANN401
    """Fetch what a rule without columns has of a row."""
    return ABSENT


def _only_column(rule: Rule) -> str | None:
    said = rule.template or rule.cookie
    is_one = not said and len(rule.columns) == 1 and not is_path(rule.columns[0])
    return rule.columns[0] if is_one else None


def _fetch(rule: Rule) -> Callable[[Row], Any]:
    fetch = _found(rule)
    if rule.cookie is not None:
        fetch = _cookie(fetch, rule.cookie)
    return _on_base(fetch, rule.base) if rule.base else fetch


def _found(rule: Rule) -> Callable[[Row], Any]:
    if rule.template is not None:
        return _filled_in(rule.template)
    reach = [getter(column) for column in rule.columns]
    if len(reach) == 1:
        return reach[0]
    if rule.join is None:
        return _first_of(reach)
    return _joined(reach, rule.join)


def _first_of(reach: list[Callable[[Row], Any]]) -> Callable[[Row], Any]:
    def fetch(row: Row) -> Any:  # noqa: ANN401 -- any JSON value
        for each in reach:
            value = each(row)
            if value not in (ABSENT, None, ""):
                return value
        return ABSENT

    return fetch


def _joined(reach: list[Callable[[Row], Any]], separator: str) -> Callable[[Row], Any]:
    def fetch(row: Row) -> Any:  # noqa: ANN401
        values = [each(row) for each in reach]
        if any(value in (ABSENT, None, "") for value in values):
            return ABSENT
        return separator.join(map(str, values))

    return fetch


def _cookie(fetch_header: Callable[[Row], Any], name: str) -> Callable[[Row], Any]:
    def fetch(row: Row) -> Any:  # noqa: ANN401
        header = fetch_header(row)
        if isinstance(header, str) and name in header:
            for pair in header.split(";"):
                key, _, value = pair.partition("=")
                if key.strip() == name:
                    return value.strip().strip('"')
        return ABSENT

    return fetch


def _on_base(fetch_value: Callable[[Row], Any], bases: tuple[str, ...]) -> Callable[[Row], Any]:
    fill_in = [_filled_in(base) for base in bases]

    def fetch(row: Row) -> Any:  # noqa: ANN401
        value = fetch_value(row)
        if isinstance(value, str) and value.startswith("/"):
            for fill in fill_in:
                base = fill(row)
                if base is not ABSENT:
                    return base.rstrip("/") + value
        return value

    return fetch


def _filled_in(template: str) -> Callable[[Row], Any]:
    parts = [literal if name is None else getter(name) for literal, name in parts_of(template)]

    def fetch(row: Row) -> Any:  # noqa: ANN401
        text = []
        for part in parts:
            value = part if isinstance(part, str) else part(row)
            if value in (ABSENT, None, ""):
                return ABSENT
            text.append(str(value))
        return "".join(text)

    return fetch


def placeholders(template: str) -> tuple[str, ...]:
    """Return the columns or paths that a template names."""
    return tuple(name for _, name in parts_of(template) if name is not None)


def parts_of(template: str) -> list[tuple[str, str | None]]:
    """Return the parts of a template in order: literal text, or the column of a place.

    Raises:
        ConfigurationError: A brace has no partner.
    """
    parts: list[tuple[str, str | None]] = []
    at = 0
    while at < len(template):
        found = _PART.match(template, at)
        if found is None:
            raise ConfigurationError(
                f"{template!r} has a brace without its partner; write one that is meant as it is "
                "twice"
            )
        parts.append((found[2] or found[0][0], found[1]))
        at = found.end()
    return parts


def _convert(
    rule: Rule, kind: Kind, timestamps: TimestampReader, separator: str | None
) -> Callable[[Any], Any]:
    if kind is Kind.TIMESTAMP:
        return timestamps.read
    convert = converter(kind, separator)
    if not _is_bounded(rule):
        return convert

    def bounded(value: Any) -> Any:  # noqa: ANN401
        number = to_number(value)
        if rule.scale is not None:
            # By decimals, so that 1999 at a scale of 0.01 is 19.99 and nothing near it.
            number = float(Decimal(str(number)) * Decimal(str(rule.scale)))
        if rule.at_least is not None and number < rule.at_least:
            raise CellError(f"is less than {rule.at_least}")
        if rule.at_most is not None and number > rule.at_most:
            raise CellError(f"is more than {rule.at_most}")
        return convert(number)

    return bounded


def _convert_all(
    rule: Rule, kind: Kind, timestamps: TimestampReader, separator: str | None
) -> ConvertAll | None:
    if rule.values is not None or _is_bounded(rule):
        return None
    return timestamps.read_all if kind is Kind.TIMESTAMP else column_converter(kind, separator)


def _is_bounded(rule: Rule) -> bool:
    return not (rule.scale is None and rule.at_least is None and rule.at_most is None)


def _looked_up(rule: Rule, convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    said = (rule.values or {}).items()
    table = {key: convert(value) for key, value in said if value != ""}
    nothing = frozenset(key for key, value in said if value == "")

    def look_up(value: Any) -> Any:  # noqa: ANN401
        text = value if isinstance(value, str) else str(value)
        found = table.get(text, ABSENT)
        if found is not ABSENT or text in nothing:
            return found
        if rule.otherwise == "keep":
            return convert(value)
        if rule.otherwise == "omit":
            return ABSENT
        if rule.otherwise == "skip":
            raise SkipRow(rule.skipped_as)
        raise CellError(_NOT_NAMED)

    return look_up
