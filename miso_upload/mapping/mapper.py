"""A mapping compiled against the schema: row in, record or reasons out.

Names map by themselves and nothing else does. A column named as an attribute of Miso becomes it, be
it dotted (`context.page.url`) or nested; `ip` and `user_agent` feed the identity; the rest needs to
be named by the user. What was named by the user wins over what maps by itself.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.errors import MappingError
from miso_upload.mapping.cells import CellError, converter
from miso_upload.quoting import quoted
from miso_upload.records import Findings, Reason, Record
from miso_upload.schema import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from miso_upload.identity import IdentityOutcome, IdentityPolicy
    from miso_upload.mapping.options import MappingOptions
    from miso_upload.schema import Schema
    from miso_upload.timestamps import TimestampReader

IDENTITY_COLUMNS = ("ip", "user_agent")
"""What a row can have beside the attributes: they feed the identity and are no attributes."""

_IDS = frozenset({"user_id", "anonymous_id"})
_MOST_CACHED = 10_000
_NOT_AN_OBJECT = Reason("the row", "is not a JSON object")
_FORWARDED = Reason(
    "ip", "is a list; its last address is taken for the visitor's (see --trusted-proxies)"
)
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class _Binding:
    """One column and what it becomes."""

    column: str
    attribute: str
    parts: tuple[str, ...]
    kind: Kind
    convert: Callable[[Any], Any] | None
    """None where a JSON value is taken as it is, for the schema to judge."""


@dataclass(frozen=True, slots=True)
class _Constant:
    attribute: str
    parts: tuple[str, ...]
    value: Any


class Mapped(NamedTuple):
    """A record, and whether its `anonymous_id` was derived from an address."""

    record: Record
    derived: bool


class Mapper:
    """Turns rows into records.

    Args:
        options: What the user named.
        schema: Which attributes there are, and which types have them.
        timestamps: Reads timestamps.
        identity: Derives ids.
        columns: The columns that every row has, as cells of text; None for JSON rows.

    Raises:
        MappingError: An attribute or a column does not exist, a constant does not fit, or, if
            strict, a column became nothing.
    """

    def __init__(
        self,
        options: MappingOptions,
        schema: Schema,
        timestamps: TimestampReader,
        identity: IdentityPolicy,
        columns: tuple[str, ...] | None,
    ) -> None:
        self._arguments = (options, schema, timestamps, identity, columns)
        self._options = options
        self._schema = schema
        self._timestamps = timestamps
        self._identity = identity
        self._cells = columns is not None
        self._allowed = {name: schema.allowed(name) for name in schema.types}
        self._named = {attribute for attribute, _ in (*options.columns, *options.constants)}
        self._by_column: dict[str, tuple[_Binding, ...] | None] = {}
        self._by_path: list[tuple[tuple[str, ...], _Binding]] = []
        for attribute, column in options.columns:
            self._bind_named(attribute, column, columns)
        self._constants = [self._constant(*pair) for pair in options.constants]
        if columns is not None:
            self._check_columns(columns)

    def __reduce__(self) -> tuple[type[Mapper], tuple[Any, ...]]:
        return Mapper, self._arguments

    @property
    def leaves_records_alone(self) -> bool:
        """Whether a row that is a valid record becomes itself, so that it need not be looked at."""
        return not self._cells and not self._named

    def apply(self, row: object, line: int, findings: Findings) -> Mapped | tuple[Reason, ...]:
        """Return the record that `row` becomes, or why it cannot become one.

        What was left out or looked odd on the way is counted in `findings`.
        """
        if not isinstance(row, dict):
            return (_NOT_AN_OBJECT,)
        record: Record = {}
        reasons: list[Reason] = []
        sides: dict[str, Any] = {}
        for column, value in row.items():
            bindings = self._bindings(column)
            if bindings is None:
                self._leave_out(column, value, findings, reasons)
            else:
                for binding in bindings:
                    self._put(binding, value, record, sides, reasons, (line, findings))
        for path, binding in self._by_path:
            value = _reach(row, path)
            if value is not _ABSENT:
                self._put(binding, value, record, sides, reasons, (line, findings))
        for constant in self._constants:
            _put_constant(record, constant)
        self._keep_what_the_type_has(record, findings, reasons)
        if not reasons:
            outcome = self._identify(record, sides, line, findings)
            if outcome.problem is None:
                return Mapped(record, outcome.derived)
            reasons.append(Reason("ip", outcome.problem))
        return tuple(reasons)

    def _bindings(self, column: str) -> tuple[_Binding, ...] | None:
        bindings = self._by_column.get(column, _ABSENT)
        if bindings is _ABSENT:
            bindings = self._bind_itself(column)
            if len(self._by_column) < _MOST_CACHED:
                self._by_column[column] = bindings
        return bindings  # type: ignore[return-value]

    def _bind_itself(self, column: str) -> tuple[_Binding, ...] | None:
        """Bind a column by its own name, unless the user named another for that attribute."""
        if column in self._named:
            return None
        if column in IDENTITY_COLUMNS:
            return (_Binding(column, column, (column,), Kind.TEXT, None),)
        attribute = self._schema.attribute(column)
        if attribute is None:
            return None
        convert = converter(attribute.kind, self._options.list_separator) if self._cells else None
        return (_Binding(column, column, tuple(column.split(".")), attribute.kind, convert),)

    def _bind_named(self, attribute: str, column: str, columns: tuple[str, ...] | None) -> None:
        if columns is not None and column not in columns:
            raise MappingError(
                f"--map {attribute}={column}: the header has no column {column!r}"
                f"{_nearest(column, columns)}"
            )
        kind = self._kind(f"--map {attribute}={column}", attribute)
        convert = converter(kind, self._options.list_separator)
        binding = _Binding(column, attribute, tuple(attribute.split(".")), kind, convert)
        self._by_column[column] = (*(self._by_column.get(column) or ()), binding)
        path = tuple(column.split("."))
        if columns is None and len(path) > 1:
            self._by_path.append((path, binding))
            self._by_column.setdefault(path[0], self._bind_itself(path[0]) or ())

    def _constant(self, attribute: str, text: str) -> _Constant:
        option = f"--set {attribute}={text}"
        kind = self._kind(option, attribute)
        try:
            if kind is Kind.TIMESTAMP:
                value: Any = self._timestamp(text)
            else:
                value = converter(kind, self._options.list_separator)(text)
        except CellError as error:
            raise MappingError(f"{option}: {quoted(text)} {error}") from None
        return _Constant(attribute, tuple(attribute.split(".")), value)

    def _timestamp(self, text: str) -> str:
        reading = self._timestamps.read(text)
        if reading.text is None:
            raise CellError(reading.problem)
        return reading.text

    def _kind(self, option: str, name: str) -> Kind:
        if name in IDENTITY_COLUMNS:
            return Kind.TEXT
        attribute = self._schema.attribute(name)
        if attribute is None:
            known = (*self._schema.attributes, *IDENTITY_COLUMNS)
            raise MappingError(
                f"{option}: Miso has no attribute {name!r}{_nearest(name, known)}; "
                "'miso-upload types' lists them"
            )
        return attribute.kind

    def _check_columns(self, columns: tuple[str, ...]) -> None:
        unmapped = [column for column in columns if column and self._bindings(column) is None]
        if self._options.strict and unmapped:
            raise MappingError(
                f"--strict: no attribute is called {', '.join(map(repr, unmapped))}; name what "
                "each becomes with --map ATTRIBUTE=COLUMN, or leave --strict out"
            )

    def _leave_out(
        self, column: str, value: object, findings: Findings, reasons: list[Reason]
    ) -> None:
        if value is None or not column:
            return
        findings.left_out(column)
        if self._options.strict:
            reasons.append(Reason(quoted(column), "is not an attribute of Miso (--strict)"))

    def _put(
        self,
        binding: _Binding,
        value: Any,  # noqa: ANN401 -- any JSON value
        record: Record,
        sides: dict[str, Any],
        reasons: list[Reason],
        place: tuple[int, Findings],
    ) -> None:
        """Convert one value and put it where it belongs; an absent one stays absent."""
        if value is None or (value == "" and (self._cells or binding.convert or _is_id(binding))):
            return
        if isinstance(value, dict | list):
            value = _without_nulls(value)
        if binding.attribute in IDENTITY_COLUMNS:
            sides[binding.attribute] = value
            return
        if binding.kind is Kind.TIMESTAMP:
            value = self._read_timestamp(binding, value, reasons, place)
        elif binding.convert is not None:
            try:
                value = binding.convert(value)
            except CellError as error:
                reasons.append(_cannot(binding, value, str(error)))
                return
            if isinstance(value, dict):
                value = _without_nulls(value)
        if value is not None and not _merge(record, binding.parts, value):
            reasons.append(_cannot(binding, None, "stands beside a value that is not an object"))

    def _read_timestamp(
        self,
        binding: _Binding,
        value: Any,  # noqa: ANN401
        reasons: list[Reason],
        place: tuple[int, Findings],
    ) -> str | None:
        reading = self._timestamps.read(value)
        if reading.problem is not None:
            reasons.append(_cannot(binding, value, reading.problem))
        elif reading.note is not None:
            line, findings = place
            findings.warn(Reason(binding.attribute, reading.note, quoted(value)), line)
        return reading.text

    def _keep_what_the_type_has(
        self, record: Record, findings: Findings, reasons: list[Reason]
    ) -> None:
        """Leave out, and count, attributes that the row's type does not have."""
        type_name = record.get("type")
        allowed = self._allowed.get(type_name) if isinstance(type_name, str) else None
        if allowed is None:
            return
        for attribute in record.keys() - allowed:
            del record[attribute]
            findings.not_of_type[(attribute, str(type_name))] += 1
            if self._options.strict:
                reasons.append(Reason(attribute, f"is not an attribute of {type_name} (--strict)"))

    def _identify(
        self, record: Record, sides: dict[str, Any], line: int, findings: Findings
    ) -> IdentityOutcome:
        ip, user_agent = sides.get("ip"), sides.get("user_agent")
        outcome = self._identity.apply(
            record,
            ip if isinstance(ip, str) else None,
            user_agent if isinstance(user_agent, str) else None,
        )
        untrusted = not self._identity.trusted_proxies
        if outcome.derived and untrusted and isinstance(ip, str) and "," in ip:
            findings.warn(_FORWARDED, line)
        return outcome


def _is_id(binding: _Binding) -> bool:
    return binding.attribute in _IDS


def _cannot(binding: _Binding, value: object, problem: str) -> Reason:
    column = "" if binding.column == binding.attribute else f" (column {quoted(binding.column)})"
    shown = "" if value is None else quoted(value)
    return Reason(binding.attribute, problem + column, shown)


def _put_constant(record: Record, constant: _Constant) -> None:
    place: Any = record
    for part in constant.parts[:-1]:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            return
    place.setdefault(constant.parts[-1], constant.value)


def _merge(record: dict[str, Any], parts: tuple[str, ...], value: object) -> bool:
    """Put `value` at `parts`, beside what is there; False where something is in the way."""
    place = record
    for part in parts[:-1]:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            return False
    name = parts[-1]
    there = place.get(name)
    if isinstance(there, dict) and isinstance(value, dict):
        return all(_merge(there, (key,), inner) for key, inner in value.items())
    place[name] = value
    return True


def _reach(row: Mapping[str, Any], path: tuple[str, ...]) -> Any:  # noqa: ANN401
    """Return the value at a dotted path through nested objects, or `_ABSENT`."""
    value: Any = row
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return _ABSENT
        value = value[part]
    return value


def _without_nulls(value: Any) -> Any:  # noqa: ANN401
    """Return a JSON value without the nulls in its objects; a null in a list has a place and stays.

    Iterative nesting is bounded by the JSON parser, which refuses deeper values.
    """
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value


def _nearest(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
