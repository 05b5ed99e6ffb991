"""A mapping compiled against the schema: row in, record or reasons out.

Names map by themselves and nothing else does. A column named as an attribute of Miso becomes it, be
it dotted (`context.page.url`) or nested; `ip`, `forwarded_for` and `user_agent` feed the identity;
the rest needs to be named by the user. What was named by the user wins over what maps by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.errors import MappingError
from miso_upload.mapping.builder import IDENTITY_COLUMNS, Binding, RecordBuilder
from miso_upload.mapping.cells import CellError, converter
from miso_upload.mapping.conditions import compile_condition
from miso_upload.mapping.paths import ABSENT, first_step, reacher
from miso_upload.mapping.rate import TOO_MANY, Rate
from miso_upload.mapping.router import Router
from miso_upload.mapping.rules import Compiled, SkipRow, compile_rule
from miso_upload.mapping.shortcut import Shortcut
from miso_upload.quoting import column_name, did_you_mean, quoted
from miso_upload.records import Findings, Reason, Record
from miso_upload.schema import Kind
from miso_upload.timestamps import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

    from miso_upload.identity import IdentityOutcome, IdentityPolicy
    from miso_upload.mapping.plan import MappingPlan, NamedRule
    from miso_upload.schema import Schema
    from miso_upload.timestamps import TimestampReader

_IDS = frozenset({"user_id", "anonymous_id"})
_ALWAYS = frozenset({"type", "timestamp"})
"""What no export is without: where a preset does not find it, it is another export's preset."""
_MOST_CACHED = 10_000
_MOST_SHAPES = 500
_WIDEST_CACHED = 500
_NOT_AN_OBJECT = Reason("the row", "is not a JSON object")
_FORWARDED = Reason(
    "ip", "is a list; its last address is taken for the visitor's (see --trusted-proxies)"
)
_NOT_BELIEVED = Reason(
    "forwarded_for", "is not looked at: the address that connected counts (see --trusted-proxies)"
)
_UNKNOWN: Any = object()


class _Shape(NamedTuple):
    """What becomes of the columns of rows that have the same ones."""

    by_themselves: list[tuple[str, Binding]]
    unused: list[str]
    shortcut: Shortcut | None


class Mapped(NamedTuple):
    """A record, and whether its `anonymous_id` was derived from an address."""

    record: Record
    derived: bool


class Skipped(NamedTuple):
    """A row that the user's rules leave out, and the name of the rule that did."""

    rule: str


class Mapper:
    """Turns rows into records.

    Args:
        plan: What the user named.
        schema: Which attributes there are, and which types have them.
        timestamps: Reads timestamps.
        identity: Derives ids.
        columns: The columns that every row has, as cells of text; None where rows may differ.
        as_cells: Rows are read like cells of text all the same: values become what the schema asks
            for, and what is empty is left out.

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
        as_cells: bool = False,  # noqa: FBT001, FBT002 -- `__reduce__` has no names for arguments
    ) -> None:
        self._arguments = (plan, schema, timestamps, identity, columns, as_cells)
        self._plan = plan
        self._schema = schema
        self._timestamps = timestamps
        self._identity = identity
        self._columns = columns
        self._cells = as_cells or columns is not None
        self._allowed = {name: schema.allowed(name) for name in schema.types}
        self._named = {named.attribute for named in plan.rules}
        # A column that is put inside of what it is called itself, as text `search` is put into
        # `search.keywords`, does not become that too.
        self._named |= {
            column
            for named in plan.rules
            for column in named.rule.columns
            if named.attribute.startswith(f"{column}.")
        }
        self._rules = [self._compiled(named) for named in plan.rules]
        self._skips = [(skip.name, compile_condition(skip)) for skip in plan.skips]
        self._used = set(plan.ignored)
        for path in _paths(plan):
            self._used |= {path, first_step(path)}
        # Where a rule says what every row is, there is no need for a route to say it.
        routed = plan.routing is not None and (plan.routing.routes or "type" not in self._named)
        self._router = Router(plan.routing, self._bound) if plan.routing and routed else None
        self._rate = Rate(plan.bot_rate, self._fetched) if plan.bot_rate else None
        self._by_itself: dict[str, Binding | None] = {}
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        if columns is not None:
            self._check_columns(columns)

    def __reduce__(self) -> tuple[type[Mapper], tuple[Any, ...]]:
        return Mapper, self._arguments

    @property
    def reads(self) -> frozenset[str]:
        """Return the columns and paths that the plan names."""
        return frozenset(self._used)

    @property
    def leaves_records_alone(self) -> bool:
        """Whether a row that is a valid record becomes itself, so that it need not be looked at."""
        plan = self._plan
        said = plan.rules or plan.skips or plan.routing or plan.bot_rate
        return not (self._cells or said)

    @property
    def looks_at_rates(self) -> bool:
        """Whether it matters how many rows a visitor has in a block; see `busy`."""
        return self._rate is not None

    def busy(self, rows: Iterable[object]) -> Container[object]:
        """Return the visitors' minutes of `rows` that have more rows than a person would make.

        Rows that are left out anyway do not count. What is returned is for `apply`.
        """
        if self._rate is None:
            return ()
        return self._rate.busy(
            row for row in rows
            if isinstance(row, dict) and not any(holds(row) for _, holds in self._skips)
        )  # fmt: skip

    def apply(
        self,
        row: object,
        line: int,
        findings: Findings,
        busy: Container[object] = (),
        *,
        closely: bool = False,
    ) -> Mapped | Skipped | tuple[Reason, ...]:
        """Return the record that `row` becomes, or why it does not become one.

        What was left out or looked odd on the way is counted in `findings`. A record may have nulls
        in its objects, which are never to be sent, unless the row was looked at `closely`.
        """
        if not isinstance(row, dict):
            return (_NOT_AN_OBJECT,)
        for name, holds in self._skips:
            if holds(row):
                return Skipped(name)
        if self._rate is not None and self._rate.minute_of(row) in busy:
            return Skipped(TOO_MANY)
        work = RecordBuilder(line, findings)
        try:
            routed = self._router.follow(row, findings.unrouted) if self._router else ()
            shortcut = None if closely else self._shape_of(row).shortcut
            mapped = shortcut.map(row, routed, findings) if shortcut else None
            if mapped is not None:
                return Mapped(*mapped)
            self._fill(row, work)
            for binding, value in routed:
                work.put(binding, value)
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

    def _fetched(self, attribute: str) -> Callable[[dict[str, Any]], Any]:
        """Return what fetches an attribute from a row; a time is read as text."""
        for binding, rule in self._rules:
            if binding.attribute == attribute:
                fetch, convert = rule.fetch, rule.convert
                break
        else:
            fetch, convert = reacher(attribute), self._timestamps.read
        return (lambda row: convert(fetch(row)).text) if attribute == "timestamp" else fetch

    def _bound(self, attribute: str, origin: str) -> Binding:
        """Return how text becomes an attribute that the user named."""
        kind = self._kind(attribute, origin)
        convert: Callable[[Any], Any] = converter(kind, self._plan.list_separator)
        if kind is Kind.TIMESTAMP:
            convert = self._timestamps.read
        return Binding(attribute, tuple(attribute.split(".")), convert)

    def _compiled(self, named: NamedRule) -> tuple[Binding, Compiled]:
        attribute, rule = named.attribute, named.rule
        kind = self._kind(attribute, named.origin)
        if self._columns is not None:
            _check_header(named, self._columns)
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
        binding = Binding(attribute, tuple(attribute.split(".")), compiled.convert, shown)
        return binding, compiled._replace(default=default)

    def _kind(self, name: str, origin: str) -> Kind:
        if name in IDENTITY_COLUMNS:
            return Kind.TEXT
        attribute = self._schema.attribute(name)
        if attribute is None:
            known = (*self._schema.attributes, *IDENTITY_COLUMNS)
            raise MappingError(
                f"{origin}: Miso has no attribute {name!r}{did_you_mean(name, known, repr)}; "
                "'miso-upload types' lists them"
            )
        return attribute.kind

    def _binding(self, column: str) -> Binding | None:
        """Return what a column becomes by its own name, unless the user named that attribute."""
        binding = self._by_itself.get(column, _UNKNOWN)
        if binding is _UNKNOWN:
            binding = self._bind_itself(column)
            if len(self._by_itself) < _MOST_CACHED:
                self._by_itself[column] = binding
        return binding  # type: ignore[no-any-return]

    def _bind_itself(self, column: str) -> Binding | None:
        if column in self._named or column in self._plan.ignored:
            return None
        if column in IDENTITY_COLUMNS:
            return Binding(column, (column,), None)
        attribute = self._schema.attribute(column)
        if attribute is None:
            return None
        convert: Callable[[Any], Any] | None = None
        if attribute.kind is Kind.TIMESTAMP:
            convert = self._timestamps.read
        elif self._cells:
            convert = converter(attribute.kind, self._plan.list_separator)
        return Binding(column, tuple(column.split(".")), convert)

    def _check_columns(self, columns: tuple[str, ...]) -> None:
        unmapped = [
            column
            for column in columns
            if column and column not in self._used and self._binding(column) is None
        ]
        if self._plan.strict and unmapped:
            names = ", ".join(map(column_name, unmapped))
            raise MappingError(
                f"--strict: no attribute is called {names}; name what "
                "each becomes with --map ATTRIBUTE=COLUMN, or leave --strict out"
            )

    # -- one row -----------------------------------------------------------------------------------

    def _fill(self, row: dict[str, Any], work: RecordBuilder) -> None:
        by_themselves, unused, _ = self._shape_of(row)
        for column, binding in by_themselves:
            value = row[column]
            if value is not None and not (value == "" and self._is_absent(binding)):
                work.put(binding, value)
        for column in unused:
            self._leave_out(column, row[column], work)
        fetched = work.findings.fetched
        for binding, rule in self._rules:
            value = rule.fetch(row)
            if value is ABSENT or value is None or value == "":
                if rule.default is not ABSENT:
                    work.put(binding._replace(convert=None), rule.default)
            else:
                fetched.add(binding.attribute)
                work.put(binding, value)

    def _shape_of(self, row: dict[str, Any]) -> _Shape:
        """Return which columns of a row map by themselves, and which become nothing.

        Most rows of a source have the same columns, so that is found out once for all of them.
        """
        columns = tuple(row)
        shape = self._shapes.get(columns)
        if shape is None:
            by_themselves, unused = [], []
            for column in columns:
                binding = self._binding(column)
                if binding is not None:
                    by_themselves.append((column, binding))
                elif column not in self._used:
                    unused.append(column)
            shape = _Shape(by_themselves, unused, self._shortcut(by_themselves, unused))
            if len(self._shapes) < _MOST_SHAPES and len(columns) < _WIDEST_CACHED:
                self._shapes[columns] = shape
        return shape

    def _shortcut(
        self, by_themselves: list[tuple[str, Binding]], unused: list[str]
    ) -> Shortcut | None:
        if self._plan.strict:
            return None
        shortcut = Shortcut(
            ((column, binding, self._is_absent(binding)) for column, binding in by_themselves),
            self._rules,
            unused,
            allowed=self._allowed,
            identity=self._identity,
        )
        return shortcut if shortcut.is_safe else None

    def _is_absent(self, binding: Binding) -> bool:
        """Return whether empty text under this name stands for nothing."""
        return self._cells or binding.attribute in _IDS

    def _leave_out(self, column: str, value: object, work: RecordBuilder) -> None:
        if value is None or not column:
            return
        work.findings.left_out(column)
        if self._plan.strict:
            work.reasons.append(Reason(quoted(column), "is not an attribute of Miso (--strict)"))

    def _keep_what_the_type_has(self, work: RecordBuilder) -> None:
        """Leave out, and count, attributes that the row's type does not have."""
        type_name = work.record.get("type")
        allowed = self._allowed.get(type_name) if isinstance(type_name, str) else None
        if allowed is None or work.record.keys() <= allowed:
            return
        for attribute in work.record.keys() - allowed:
            del work.record[attribute]
            work.findings.not_of_type[(attribute, str(type_name))] += 1
            if self._plan.strict:
                reason = Reason(attribute, f"is not an attribute of {type_name} (--strict)")
                work.reasons.append(reason)

    def _identify(self, work: RecordBuilder) -> IdentityOutcome:
        context = work.record.get("context")
        if isinstance(context, dict) and "ip" in context:
            # Where other systems keep the visitor's address; in a record it has no place.
            work.sides.setdefault("ip", context.pop("ip"))
        side = work.sides.get
        ip = value if isinstance(value := side("ip"), str) else None
        user_agent = value if isinstance(value := side("user_agent"), str) else None
        forwarded_for = value if isinstance(value := side("forwarded_for"), str) else None
        outcome = self._identity.apply(work.record, ip, user_agent, forwarded_for)
        if outcome.derived and not self._identity.believes_forwarded:
            if ip is not None and "," in ip:
                work.findings.warn(_FORWARDED, work.line)
            elif forwarded_for not in (None, "", "-"):
                work.findings.warn(_NOT_BELIEVED, work.line)
        return outcome


def _paths(plan: MappingPlan) -> Iterator[str]:
    """Yield every column or path that the plan looks at."""
    for named in plan.rules:
        yield from named.rule.reads
        yield from named.rule.also_reads
    for skip in plan.skips:
        yield skip.column
    if plan.routing is not None:
        yield from filter(None, (plan.routing.url, plan.routing.method))


def _check_header(named: NamedRule, columns: tuple[str, ...]) -> None:
    """Raise `MappingError` where a rule reads a column that the header does not have."""
    reads = named.rule.reads
    missing = [each for each in reads if each not in columns and first_step(each) not in columns]
    if not missing:
        return
    if named.lenient and (named.attribute not in _ALWAYS or len(missing) < len(reads)):
        return
    column = missing[0]
    meant = did_you_mean(column, columns, column_name)
    raise MappingError(f"{named.origin}: the input has no column {column!r}{meant}")
