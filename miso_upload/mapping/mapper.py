"""A mapping compiled against the schema: row in, record or reasons out.

Names map by themselves and nothing else does. A column named as an attribute of Miso becomes it, be
it dotted (`context.page.url`) or nested; `ip` and `user_agent` feed the identity; the rest needs to
be named by the user. What was named by the user wins over what maps by itself.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.errors import MappingError
from miso_upload.mapping.cells import CellError, converter
from miso_upload.mapping.conditions import compile_condition
from miso_upload.mapping.paths import ABSENT, first_step
from miso_upload.mapping.rules import Compiled, SkipRow, compile_rule
from miso_upload.quoting import quoted
from miso_upload.records import Findings, Reason, Record
from miso_upload.schema import Kind
from miso_upload.timestamps import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from miso_upload.identity import IdentityOutcome, IdentityPolicy
    from miso_upload.mapping.plan import MappingPlan, NamedRule
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
_UNKNOWN: Any = object()


class Mapped(NamedTuple):
    """A record, and whether its `anonymous_id` was derived from an address."""

    record: Record
    derived: bool


class Skipped(NamedTuple):
    """A row that the user's rules leave out, and the name of the rule that did."""

    rule: str


class _Binding(NamedTuple):
    """An attribute, and how a value becomes it."""

    attribute: str
    parts: tuple[str, ...]
    convert: Callable[[Any], Any] | None
    """None where a JSON value is taken as it is, for the schema to judge."""
    shown: str = ""
    """The columns that it comes from, where they are called otherwise."""


class Mapper:
    """Turns rows into records.

    Args:
        plan: What the user named.
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
        plan: MappingPlan,
        schema: Schema,
        timestamps: TimestampReader,
        identity: IdentityPolicy,
        columns: tuple[str, ...] | None,
    ) -> None:
        self._arguments = (plan, schema, timestamps, identity, columns)
        self._plan = plan
        self._schema = schema
        self._timestamps = timestamps
        self._identity = identity
        self._columns = columns
        self._allowed = {name: schema.allowed(name) for name in schema.types}
        self._named = {named.attribute for named in plan.rules}
        self._rules = [self._compiled(named) for named in plan.rules]
        self._skips = [(skip.name, compile_condition(skip)) for skip in plan.skips]
        self._used = {first_step(path) for named in plan.rules for path in named.rule.reads}
        self._used |= {path for named in plan.rules for path in named.rule.reads}
        self._used |= {first_step(skip.column) for skip in plan.skips}
        self._by_itself: dict[str, _Binding | None] = {}
        if columns is not None:
            self._check_columns(columns)

    def __reduce__(self) -> tuple[type[Mapper], tuple[Any, ...]]:
        return Mapper, self._arguments

    @property
    def leaves_records_alone(self) -> bool:
        """Whether a row that is a valid record becomes itself, so that it need not be looked at."""
        return self._columns is None and not self._plan.rules and not self._plan.skips

    def apply(
        self, row: object, line: int, findings: Findings
    ) -> Mapped | Skipped | tuple[Reason, ...]:
        """Return the record that `row` becomes, or why it does not become one.

        What was left out or looked odd on the way is counted in `findings`.
        """
        if not isinstance(row, dict):
            return (_NOT_AN_OBJECT,)
        for name, holds in self._skips:
            if holds(row):
                return Skipped(name)
        work = _Work(line, findings)
        try:
            self._fill(row, work)
        except SkipRow as skip:
            return Skipped(str(skip))
        self._keep_what_the_type_has(work)
        if not work.reasons:
            outcome = self._identify(work)
            if outcome.problem is None:
                return Mapped(work.record, outcome.derived)
            work.reasons.append(Reason("ip", outcome.problem))
        return tuple(work.reasons)

    # -- compiling ---------------------------------------------------------------------------------

    def _compiled(self, named: NamedRule) -> tuple[_Binding, Compiled]:
        attribute, rule = named.attribute, named.rule
        kind = self._kind(named)
        if self._columns is not None:
            for column in rule.reads:
                if column not in self._columns and first_step(column) not in self._columns:
                    raise MappingError(
                        f"{named.origin}: the header has no column {column!r}"
                        f"{_nearest(column, self._columns)}"
                    )
        try:
            compiled = compile_rule(
                rule, kind, timestamps=self._timestamps, list_separator=self._plan.list_separator
            )
        except CellError as error:
            raise MappingError(f"{named.origin}: the value {error}") from None
        default = compiled.default
        if isinstance(default, Reading):
            if default.text is None:
                raise MappingError(f"{named.origin}: the value {default.problem}")
            default = default.text
        shown = "" if compiled.shown == attribute else compiled.shown
        binding = _Binding(attribute, tuple(attribute.split(".")), compiled.convert, shown)
        return binding, compiled._replace(default=default)

    def _kind(self, named: NamedRule) -> Kind:
        if named.attribute in IDENTITY_COLUMNS:
            return Kind.TEXT
        attribute = self._schema.attribute(named.attribute)
        if attribute is None:
            known = (*self._schema.attributes, *IDENTITY_COLUMNS)
            raise MappingError(
                f"{named.origin}: Miso has no attribute {named.attribute!r}"
                f"{_nearest(named.attribute, known)}; 'miso-upload types' lists them"
            )
        return attribute.kind

    def _binding(self, column: str) -> _Binding | None:
        """Return what a column becomes by its own name, unless the user named that attribute."""
        binding = self._by_itself.get(column, _UNKNOWN)
        if binding is _UNKNOWN:
            binding = self._bind_itself(column)
            if len(self._by_itself) < _MOST_CACHED:
                self._by_itself[column] = binding
        return binding  # type: ignore[no-any-return]

    def _bind_itself(self, column: str) -> _Binding | None:
        if column in self._named:
            return None
        if column in IDENTITY_COLUMNS:
            return _Binding(column, (column,), None)
        attribute = self._schema.attribute(column)
        if attribute is None:
            return None
        convert: Callable[[Any], Any] | None = None
        if attribute.kind is Kind.TIMESTAMP:
            convert = self._timestamps.read
        elif self._columns is not None:
            convert = converter(attribute.kind, self._plan.list_separator)
        return _Binding(column, tuple(column.split(".")), convert)

    def _check_columns(self, columns: tuple[str, ...]) -> None:
        unmapped = [
            column
            for column in columns
            if column and column not in self._used and self._binding(column) is None
        ]
        if self._plan.strict and unmapped:
            raise MappingError(
                f"--strict: no attribute is called {', '.join(map(repr, unmapped))}; name what "
                "each becomes with --map ATTRIBUTE=COLUMN, or leave --strict out"
            )

    # -- one row -----------------------------------------------------------------------------------

    def _fill(self, row: dict[str, Any], work: _Work) -> None:
        for column, value in row.items():
            binding = self._binding(column)
            if binding is not None:
                if value is not None and not (value == "" and self._is_absent(binding)):
                    work.put(binding, value)
            elif column not in self._used:
                self._leave_out(column, value, work)
        for binding, rule in self._rules:
            value = rule.fetch(row)
            if value is ABSENT or value is None or value == "":
                if rule.default is not ABSENT:
                    work.put(binding._replace(convert=None), rule.default)
            else:
                work.put(binding, value)

    def _is_absent(self, binding: _Binding) -> bool:
        """Return whether empty text under this name stands for nothing."""
        return self._columns is not None or binding.attribute in _IDS

    def _leave_out(self, column: str, value: object, work: _Work) -> None:
        if value is None or not column:
            return
        work.findings.left_out(column)
        if self._plan.strict:
            work.reasons.append(Reason(quoted(column), "is not an attribute of Miso (--strict)"))

    def _keep_what_the_type_has(self, work: _Work) -> None:
        """Leave out, and count, attributes that the row's type does not have."""
        type_name = work.record.get("type")
        allowed = self._allowed.get(type_name) if isinstance(type_name, str) else None
        if allowed is None:
            return
        for attribute in work.record.keys() - allowed:
            del work.record[attribute]
            work.findings.not_of_type[(attribute, str(type_name))] += 1
            if self._plan.strict:
                reason = Reason(attribute, f"is not an attribute of {type_name} (--strict)")
                work.reasons.append(reason)

    def _identify(self, work: _Work) -> IdentityOutcome:
        ip, user_agent = work.sides.get("ip"), work.sides.get("user_agent")
        outcome = self._identity.apply(
            work.record,
            ip if isinstance(ip, str) else None,
            user_agent if isinstance(user_agent, str) else None,
        )
        untrusted = not self._identity.trusted_proxies
        if outcome.derived and untrusted and isinstance(ip, str) and "," in ip:
            work.findings.warn(_FORWARDED, work.line)
        return outcome


class _Work:
    """What a row has come to so far."""

    __slots__ = ("findings", "line", "reasons", "record", "sides")

    def __init__(self, line: int, findings: Findings) -> None:
        self.line = line
        self.findings = findings
        self.record: Record = {}
        self.sides: dict[str, Any] = {}
        self.reasons: list[Reason] = []

    def put(self, binding: _Binding, value: Any) -> None:  # noqa: ANN401 -- any JSON value
        """Convert a value and put it where it belongs, or note why it cannot be."""
        if isinstance(value, dict | list):
            value = _without_nulls(value)
        if binding.attribute in IDENTITY_COLUMNS:
            self.sides[binding.attribute] = value
            return
        if binding.convert is not None:
            try:
                converted = binding.convert(value)
            except CellError as error:
                self.reasons.append(_cannot(binding, value, str(error)))
                return
            value = self._read(binding, value, converted)
        if value is not ABSENT and not _merge(self.record, binding.parts, value):
            reason = _cannot(binding, ABSENT, "stands beside a value that is not an object")
            self.reasons.append(reason)

    def _read(self, binding: _Binding, value: object, converted: Any) -> Any:  # noqa: ANN401
        """Return what a conversion came to; a reading of a time may have something to say."""
        if isinstance(converted, dict):
            return _without_nulls(converted)
        if not isinstance(converted, Reading):
            return converted
        if converted.problem is not None:
            self.reasons.append(_cannot(binding, value, converted.problem))
            return ABSENT
        if converted.note is not None:
            note = Reason(binding.attribute, converted.note, quoted(value))
            self.findings.warn(note, self.line)
        return converted.text


def _cannot(binding: _Binding, value: object, problem: str) -> Reason:
    column = f" (column {quoted(binding.shown)})" if binding.shown else ""
    shown = "" if value is ABSENT else quoted(value)
    return Reason(binding.attribute, problem + column, shown)


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


def _without_nulls(value: Any) -> Any:  # noqa: ANN401
    """Return a JSON value without the nulls in its objects; a null in a list has a place and stays.

    Iterative nesting is bounded by the JSON parser, which refuses deeper values.
    """
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value


def _nearest(name: str, known: tuple[str, ...] | Iterator[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
