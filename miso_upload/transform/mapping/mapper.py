"""A mapping compiled against the schema: row in, record or reasons out.

Names map by themselves and nothing else does. A column named as an attribute of Miso becomes it, be
it dotted (`context.page.url`) or nested; `ip`, `forwarded_for` and `user_agent` feed the identity;
the rest needs to be named by the user. What was named by the user wins over what maps by itself.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.records import Findings, Reason
from miso_upload.transform.mapping.bindings import Bindings
from miso_upload.transform.mapping.bot_rate import TOO_MANY, Rate
from miso_upload.transform.mapping.builder import Mapped, MappedRows, RecordBuilder, Skipped
from miso_upload.transform.mapping.columns import Columns
from miso_upload.transform.mapping.conditions import compile_condition, compile_for_all
from miso_upload.transform.mapping.paths import ABSENT, reacher
from miso_upload.transform.mapping.router import Router
from miso_upload.transform.mapping.rules import SkipRow
from miso_upload.values.display import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence, Sized
    from typing import TypeAlias

    from miso_upload.transform.identity import IdentityOutcome, IdentityPolicy
    from miso_upload.transform.mapping.builder import Binding
    from miso_upload.transform.mapping.router import Routed
    from miso_upload.transform.mapping.spec import MappingPlan
    from miso_upload.transform.schema.schema import Schema
    from miso_upload.values.timestamps import TimestampReader

    Outcome: TypeAlias = Mapped | Skipped | tuple[Reason, ...]

_MOST_SHAPES = 500
_WIDEST_CACHED = 500
_UNKNOWN: Any = object()
_NOT_AN_OBJECT = Reason("the row", "is not a JSON object")
_TOO_DEEP = Reason("the row", "is nested too deeply")
_FORWARDED = Reason(
    "ip", "is a list; its last address is taken for the visitor's (see --trusted-proxies)"
)
_NOT_BELIEVED = Reason(
    "forwarded_for", "is not looked at: the address that connected counts (see --trusted-proxies)"
)


class _Shape(NamedTuple):
    """What becomes of the columns of rows that have the same ones."""

    by_themselves: list[tuple[str, Binding]]
    unused: list[str]


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
        self._timestamps = timestamps
        self._identity = identity
        self._cells = as_cells or columns is not None
        self._allowed = {name: schema.allowed(name) for name in schema.types}
        self._bindings = Bindings(plan, schema, timestamps, columns, cells=self._cells)
        self._rules = self._bindings.rules
        self._skips = [(skip.name, compile_condition(skip)) for skip in plan.skips]
        self._skips_of_all = [(skip.name, compile_for_all(skip)) for skip in plan.skips]
        # Where a rule says what every row is, there is no need for a route to say it.
        routed = plan.routing is not None and (
            plan.routing.routes or "type" not in self._bindings.named
        )
        self._router = (
            Router(plan.routing, self._bindings.of_text) if plan.routing and routed else None
        )
        self._rate = Rate(plan.bot_rate, self._fetched) if plan.bot_rate else None
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self._together: dict[tuple[str, ...], Columns | None] = {}

    def __reduce__(self) -> tuple[type[Mapper], tuple[Any, ...]]:
        return Mapper, self._arguments

    @property
    def reads(self) -> frozenset[str]:
        """Return the columns and paths that the plan names."""
        return frozenset(self._bindings.used)

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

    def apply_all(
        self,
        rows: Sequence[Any],
        lines: Sequence[int],
        findings: Findings,
        busy: Container[object] = (),
    ) -> MappedRows:
        """Return what `apply` returns of each row, found out for many rows at once.

        Other than there, a record may have nulls in its objects, which are never to be sent.
        """
        found = MappedRows.unmapped(rows)
        places = self._unless_skipped(rows, busy, found.lost)
        routed: dict[int, Routed] = {}
        if self._router is not None:
            for place in places:
                try:
                    routed[place] = self._router.follow(rows[place], findings.unmatched_paths)
                except SkipRow as skip:
                    found.lost[place] = Skipped(str(skip))
            places = list(routed)
        for columns, theirs in self._by_columns(rows, places):
            if columns is None:
                found.lost.update(dict.fromkeys(theirs))
                continue
            some = [rows[place] for place in theirs]
            routes = [routed[place] for place in theirs] if routed else ()
            found.put(theirs, columns.map(some, routes, findings))
        for place in sorted(place for place, why in found.lost.items() if why is None):
            outcome = self.apply(rows[place], lines[place], findings, busy)
            if isinstance(outcome, Mapped):
                del found.lost[place]
                found.records[place], found.derived[place] = outcome
            else:
                found.lost[place] = outcome
        return found

    def apply(
        self,
        row: object,
        line: int,
        findings: Findings,
        busy: Container[object] = (),
    ) -> Outcome:
        """Return the record that `row` becomes, or why it does not become one.

        What was left out or looked odd on the way is counted in `findings`.
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
            routed = (
                self._router.follow(row, findings.unmatched_paths).values if self._router else ()
            )
            self._fill(row, work)
            for binding, value in routed or ():
                work.put(binding, value)
        except SkipRow as skip:
            return Skipped(str(skip))
        except RecursionError:
            return (_TOO_DEEP,)
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

    # -- many rows ---------------------------------------------------------------------------------

    def _unless_skipped(
        self, rows: Sequence[Any], busy: Container[object], lost: dict[int, Any]
    ) -> list[int]:
        """Return the places of the rows that no rule leaves out, and note the others."""
        places = [place for place, row in enumerate(rows) if isinstance(row, dict)]
        if len(places) < len(rows):
            lost.update(dict.fromkeys(set(range(len(rows))).difference(places)))
        for name, holds in self._skips_of_all:
            held = holds([rows[place] for place in places])
            if any(held):
                lost.update(dict.fromkeys(compress(places, held), Skipped(name)))
                places = [place for place in places if place not in lost]
        if self._rate is not None:
            for place in places:
                if self._rate.minute_of(rows[place]) in busy:
                    lost[place] = Skipped(TOO_MANY)
            places = [place for place in places if place not in lost]
        return places

    def _by_columns(
        self, rows: Sequence[Any], places: Sequence[int]
    ) -> Iterator[tuple[Columns | None, Sequence[int]]]:
        """Yield the places of rows with the same columns, and what maps those, if anything does.

        Rows that are alone in having theirs are mapped sooner by themselves.
        """
        groups: dict[tuple[str, ...], list[int]] = {}
        for place in places:
            groups.setdefault(tuple(rows[place]), []).append(place)
        for shape, theirs in groups.items():
            yield self._columns_of(shape) if len(theirs) > 1 else None, theirs

    def _columns_of(self, shape: tuple[str, ...]) -> Columns | None:
        """Return what maps rows with these columns together; None where nothing can."""
        columns = self._together.get(shape, _UNKNOWN)
        if columns is _UNKNOWN:
            columns = None if self._plan.strict else self._compiled(shape)
            if self._is_remembered(shape, self._together):
                self._together[shape] = columns
        return columns  # type: ignore[no-any-return]

    def _compiled(self, shape: tuple[str, ...]) -> Columns | None:
        by_themselves, unused = self._shape_of(shape)
        columns = Columns(
            shape,
            [(column, each, self._bindings.is_absent(each)) for column, each in by_themselves],
            self._rules,
            unused,
            allowed=self._allowed,
            identity=self._identity,
        )
        return columns if columns.is_safe else None

    def _is_remembered(self, shape: tuple[str, ...], shapes: Sized) -> bool:
        return len(shapes) < _MOST_SHAPES and len(shape) < _WIDEST_CACHED

    # -- one row -----------------------------------------------------------------------------------

    def _fill(self, row: dict[str, Any], work: RecordBuilder) -> None:
        by_themselves, unused = self._shape_of(tuple(row))
        for column, binding in by_themselves:
            value = row[column]
            if value is not None and not (value == "" and self._bindings.is_absent(binding)):
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

    def _shape_of(self, columns: tuple[str, ...]) -> _Shape:
        """Return which columns map by themselves, and which become nothing.

        Most rows of a source have the same columns, so that is found out once for all of them.
        """
        shape = self._shapes.get(columns)
        if shape is None:
            by_themselves, unused = [], []
            for column in columns:
                binding = self._bindings.by_itself(column)
                if binding is not None:
                    by_themselves.append((column, binding))
                elif column not in self._bindings.used:
                    unused.append(column)
            shape = _Shape(by_themselves, unused)
            if self._is_remembered(columns, self._shapes):
                self._shapes[columns] = shape
        return shape

    def _leave_out(self, column: str, value: object, work: RecordBuilder) -> None:
        if value is None or not column:
            return
        work.findings.count_unmapped(column)
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
