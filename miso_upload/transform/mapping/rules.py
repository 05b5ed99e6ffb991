"""Rules: where the value of one attribute comes from, and how it is converted.

A `Rule` is plain data, as in the mapping file. `compile_rule` makes two functions of it: one that
fetches the value from a row, and one that converts it to what the schema asks for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from miso_upload.transform.mapping.cells import CellError, Noted, column_converter, to_number
from miso_upload.transform.mapping.cleaning import (
    Cleaning,
    cleaned_columns,
    cleaning_converter,
    is_cleaned,
    is_id,
)
from miso_upload.transform.mapping.conventions import number_reader
from miso_upload.transform.mapping.fetching import (
    all_of,
    cookie,
    filled_in,
    first_of,
    joined,
    on_base,
)
from miso_upload.transform.mapping.outcomes import SkipRow
from miso_upload.transform.mapping.paths import ABSENT, getter, is_path
from miso_upload.transform.mapping.step_spec import HMAC_SHA256, NO_STEPS, Steps
from miso_upload.transform.mapping.templates import placeholders
from miso_upload.transform.schema.schema import Kind
from miso_upload.values.timestamps import TimestampReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from miso_upload.transform.mapping.cells import ConvertAll
    from miso_upload.values.null_words import NullWords

Row = dict[str, Any]

_NOT_LISTED = "is not listed in the values of the mapping"

_LISTS = (Kind.TEXTS, Kind.NUMBERS)

UNNAMED = "value not listed in the mapping"
"""The default name that rows are counted under if a value table skips them."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Where the value of one attribute comes from, and how it is converted.

    Attributes:
        columns: Columns or dotted paths. The first one that has a value counts.
        join: Text that joins the values of all `columns` instead. All of them must have a value.
        template: Text with `{column}` placeholders.
        calculate: A calculation with `{column}` placeholders; see `calculations`.
        base: Templates for the beginning of a URL, put before a value that starts with a slash. The
            first one whose placeholders all have a value counts.
        cookie: The name of a cookie. The value is then a Cookie header to take the cookie from.
        value: A constant.
        values: A table from the text of a value to the value that replaces it. Empty text on the
            right means no value.
        otherwise: What to do with a value that `values`, `lookup` or `extract` does not know.
        skipped_as: The name that rows are counted under if `otherwise` skips them.
        split: The separator of the values of a list.
        scale: A factor for numbers.
        at_least: The smallest number that is accepted.
        at_most: The largest number that is accepted.
        decimal: The decimal mark of numbers as people write them.
        thousands: Their thousands separator; empty for none.
        float_ids: What to do with an id such as `123.0`: read it as an integer, or reject it; None
            for what is configured for all ids.
        formats: The formats of timestamps; empty for those of the source.
        timezone: The time zone of timestamps that name none; None for that of the source.
        add: A column with a time span that is added to a timestamp.
        unit: The unit of this time span.
        default: The value if there is none.
        steps: How the text of a value is changed before it is converted.
    """

    columns: tuple[str, ...] = ()
    join: str | None = None
    template: str | None = None
    calculate: str | None = None
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
    decimal: str | None = None
    thousands: str | None = None
    float_ids: Literal["integer", "reject"] | None = None
    formats: tuple[str, ...] = ()
    timezone: str | None = None
    add: str | None = None
    unit: str = "milliseconds"
    default: Any = ABSENT
    steps: Steps = NO_STEPS

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the columns or paths that the value comes from."""
        if self.template:
            return (*self.columns, *placeholders(self.template))
        if self.calculate:
            from miso_upload.transform.mapping.calculations import columns_of  # noqa: PLC0415

            return columns_of(self.calculate)
        return self.columns if self.add is None else (*self.columns, self.add)

    @property
    def also_reads(self) -> tuple[str, ...]:
        """Return the columns or paths that are added to the value if they have one themselves."""
        return tuple(path for base in self.base for path in placeholders(base))


class Compiled(NamedTuple):
    """A rule as functions.

    Attributes:
        fetch: Returns the value of a row, or `ABSENT`.
        convert: Converts a value, or raises `CellError`.
        default: The converted default, or `ABSENT`.
        shown: The columns that the rule reads, for messages.
        convert_all: Converts many values at once; see `cells.column_converter`.
        column: The column, if `fetch` returns its cells unchanged unless a base applies.
        bases: The columns or paths that each base reads.
        nulls: The words that mean no value if they are the whole value; None for text.
    """

    fetch: Callable[[Row], Any]
    convert: Callable[[Any], Any]
    default: Any
    shown: str
    convert_all: ConvertAll | None = None
    column: str | None = None
    bases: tuple[tuple[str, ...], ...] = ()
    nulls: NullWords | None = None


def compile_rule(  # noqa: PLR0913 -- all of what is known about a rule
    rule: Rule,
    kind: Kind,
    *,
    timestamps: TimestampReader,
    list_separator: str | None,
    attribute: str = "",
    cleaning: Cleaning = Cleaning(),  # noqa: B008 -- it cannot be changed
    salt: bytes = b"",
) -> Compiled:
    """Return the functions of `rule` for an attribute of `kind`.

    Args:
        rule: The rule.
        kind: What the attribute holds.
        timestamps: Parses timestamps.
        list_separator: What separates the values of a list in one cell.
        attribute: The attribute.
        cleaning: How ids, lists and numbers are cleaned.
        salt: The key for hashes.

    Raises:
        CellError: A constant, a default or a value of the table does not fit the attribute.
    """
    if rule.formats or rule.timezone:
        zone = rule.timezone or timestamps.zone
        timestamps = TimestampReader(zone, rule.formats or timestamps.formats)
    separator = rule.split or list_separator
    if rule.float_ids is not None:
        cleaning = cleaning._replace(reads_floats=rule.float_ids == "integer")
    convert = _convert(rule, kind, timestamps, separator, cleaning, attribute)
    default = ABSENT if rule.default is ABSENT else _without_notes(convert(rule.default))
    if rule.values is not None:
        convert = _looked_up(rule, convert)
    nulls = cleaning.nulls.without(rule.values or ()) if is_cleaned(attribute, kind) else None
    if rule.calculate is not None or rule.add is not None:
        convert = _calculated(rule, convert, timestamps)
    elif rule.steps != NO_STEPS:
        convert = _after_steps(
            rule, kind, convert=convert, default=default, separator=separator, salt=salt,
            nulls=nulls,
        )  # fmt: skip
    if rule.value is not ABSENT:
        try:
            constant = _without_notes(convert(rule.value))
        except SkipRow:
            raise CellError(_NOT_LISTED) from None
        return Compiled(fetch_nothing, convert, constant, "")
    convert_all = _convert_all(rule, kind, timestamps, separator)
    are_ids = is_id(attribute)
    convert_all = cleaned_columns(convert_all, kind, are_ids=are_ids)
    shown = ", ".join(rule.reads)
    bases = tuple(map(placeholders, rule.base))
    fetch = _fetch(rule, nulls)
    return Compiled(fetch, convert, default, shown, convert_all, _only_column(rule), bases, nulls)


def misuse_of(rule: Rule, kind: Kind, *, has_salt: bool) -> str | None:
    """Return what a rule has that an attribute of `kind` cannot have; None if it fits."""
    steps = rule.steps
    if rule.add is not None and kind is not Kind.TIMESTAMP:
        return "add is for timestamps. To add numbers, use calculate"
    if steps.item is not None and kind not in _LISTS:
        return "item is for attributes that are lists"
    if steps.hash is not None and kind not in (Kind.TEXT, Kind.TEXTS):
        return "hash makes text, which this attribute is not"
    if steps.hash == HMAC_SHA256 and not has_salt:
        return f'hash = "{HMAC_SHA256}" needs a salt. Possible fix: --anonymous-id-salt-file FILE'
    return None


def fetch_nothing(_: Row) -> Any:  # noqa: ANN401
    """Return `ABSENT`, for rules that read no columns."""
    return ABSENT


def _without_notes(converted: Any) -> Any:  # noqa: ANN401
    """Return a converted value of the mapping itself, about which nothing is counted."""
    return converted.value if type(converted) is Noted else converted


def _only_column(rule: Rule) -> str | None:
    changes = rule.template or rule.cookie or rule.calculate or rule.add
    is_one = not changes and len(rule.columns) == 1 and not is_path(rule.columns[0])
    return rule.columns[0] if is_one else None


def _fetch(rule: Rule, nulls: NullWords | None) -> Callable[[Row], Any]:
    if rule.calculate is not None or rule.add is not None:
        return all_of([getter(column) for column in rule.reads], nulls)
    fetch = _fetch_value(rule, nulls)
    if rule.cookie is not None:
        fetch = cookie(fetch, rule.cookie)
    return on_base(fetch, rule.base) if rule.base else fetch


def _fetch_value(rule: Rule, nulls: NullWords | None) -> Callable[[Row], Any]:
    if rule.template is not None:
        return filled_in(rule.template, nulls)
    getters = [getter(column) for column in rule.columns]
    if len(getters) == 1:
        return getters[0]
    if rule.join is None:
        return first_of(getters, nulls)
    return joined(getters, rule.join, nulls)


def _convert(
    rule: Rule,
    kind: Kind,
    timestamps: TimestampReader,
    separator: str | None,
    cleaning: Cleaning,
    attribute: str,
) -> Callable[[Any], Any]:
    if kind is Kind.TIMESTAMP:
        return timestamps.read
    read = number_reader(rule.decimal, rule.thousands) if _is_formatted(rule) else to_number
    convert = cleaning_converter(kind, separator, cleaning, are_ids=is_id(attribute), number=read)
    if not _is_bounded(rule):
        return convert

    def bounded(value: Any) -> Any:  # noqa: ANN401
        number = read(value)
        if type(number) is Noted:
            return number._replace(value=within_bounds(number.value))
        return within_bounds(number)

    def within_bounds(number: float) -> Any:  # noqa: ANN401
        if rule.scale is not None:
            # Decimals make 1999 at a scale of 0.01 exactly 19.99.
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
    if rule.values is not None or rule.steps != NO_STEPS:
        return None
    if _is_bounded(rule) or _is_formatted(rule):
        return None
    if rule.calculate is not None or rule.add is not None:
        return None
    return timestamps.read_all if kind is Kind.TIMESTAMP else column_converter(kind, separator)


def _is_bounded(rule: Rule) -> bool:
    return not (rule.scale is None and rule.at_least is None and rule.at_most is None)


def _is_formatted(rule: Rule) -> bool:
    return not (rule.decimal is None and rule.thousands is None)


def _calculated(
    rule: Rule, convert: Callable[[Any], Any], timestamps: TimestampReader
) -> Callable[[Any], Any]:
    # Imported here, like the steps, because few mappings calculate.
    from miso_upload.transform.mapping.calculations import (  # noqa: PLC0415
        compile_addition,
        compile_calculation,
    )

    if rule.calculate is None:
        return compile_addition(timestamps.read, rule.add or "", rule.unit)
    calculate = compile_calculation(rule.calculate)
    if not _is_formatted(rule):
        return lambda values: convert(calculate(values))
    read = number_reader(rule.decimal, rule.thousands)
    return lambda values: convert(calculate(tuple(_without_notes(read(each)) for each in values)))


def _after_steps(  # noqa: PLR0913 -- all of what is known about a rule
    rule: Rule,
    kind: Kind,
    *,
    convert: Callable[[Any], Any],
    default: Any,  # noqa: ANN401
    separator: str | None,
    salt: bytes,
    nulls: NullWords | None,
) -> Callable[[Any], Any]:
    """Return a conversion that comes after the steps; without a value, the default counts."""
    from miso_upload.transform.mapping.steps import Otherwise, compile_steps  # noqa: PLC0415

    apply = compile_steps(
        rule.steps,
        Otherwise(rule.otherwise, rule.skipped_as),
        separator=separator,
        is_list=kind in _LISTS,
        salt=salt,
    )

    def changed(value: Any) -> Any:  # noqa: ANN401
        found = apply(value)
        word = None if nulls is None else nulls.found(found)
        if word is not None:
            return Noted(default, (("null", word),))
        return default if found is ABSENT else convert(found)

    return changed


def _looked_up(rule: Rule, convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    listed = (rule.values or {}).items()
    table = {key: _without_notes(convert(value)) for key, value in listed if value != ""}
    omitted = frozenset(key for key, value in listed if value == "")

    def look_up(value: Any) -> Any:  # noqa: ANN401
        text = value if isinstance(value, str) else str(value)
        found = table.get(text, ABSENT)
        if found is not ABSENT or text in omitted:
            return found
        if rule.otherwise == "keep":
            return convert(value)
        if rule.otherwise == "omit":
            return ABSENT
        if rule.otherwise == "skip":
            raise SkipRow(rule.skipped_as)
        raise CellError(_NOT_LISTED)

    return look_up
