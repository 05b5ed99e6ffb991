"""Compiles a mapping into a plan: what to do with a row, decided before the first row is read.

`compile_plan` takes the user's `MappingSpec`, the schema and the identity policy. The result is a
`Plan` of functions and lookup tables. `by_row` and `by_column` execute the same plan, so nothing
that the user configured is interpreted twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.transform.mapping.bindings import Bindings
from miso_upload.transform.mapping.bot_rate import BotRate
from miso_upload.transform.mapping.cells import CellError
from miso_upload.transform.mapping.outcomes import SkipRow
from miso_upload.transform.mapping.paths import ABSENT, getter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence, Sized

    from miso_upload.transform.identity import IdentityPolicy
    from miso_upload.transform.mapping.builder import Binding
    from miso_upload.transform.mapping.conditions import Condition
    from miso_upload.transform.mapping.router import Router
    from miso_upload.transform.mapping.routes import Routing
    from miso_upload.transform.mapping.rules import Compiled
    from miso_upload.transform.mapping.spec import MappingSpec
    from miso_upload.transform.schema.schema import Schema
    from miso_upload.values.timestamps import TimestampReader

Row = dict[str, Any]

_TIMESTAMP = "timestamp"
_MOST_SHAPES = 500
_WIDEST_CACHED = 500


class Skip(NamedTuple):
    """A condition under which rows are skipped.

    Attributes:
        name: The name that skipped rows are counted under.
        holds: Returns whether one row is skipped.
        holds_for_all: Returns the same for each of many rows.
    """

    name: str
    holds: Callable[[Row], bool]
    holds_for_all: Callable[[Sequence[Row]], list[bool]]


class NamedColumn(NamedTuple):
    """A column that is mapped automatically, because an attribute has its name.

    Attributes:
        column: The column.
        binding: How its values become the attribute.
        is_blank_absent: Whether empty text counts as no value.
    """

    column: str
    binding: Binding
    is_blank_absent: bool


class Shape(NamedTuple):
    """What is done with the columns of a row. Rows with equal columns have the same shape.

    Attributes:
        by_name: The columns that are mapped automatically.
        unmapped: The columns that nothing reads.
    """

    by_name: list[NamedColumn]
    unmapped: list[str]


@dataclass(frozen=True)
class Plan:
    """A compiled mapping.

    Attributes:
        bindings: The attribute of each column, by the names of both.
        skips: Which rows are skipped, in the user's order.
        router: Finds the values that a row's URL stands for; None without routes.
        bot_rate: Finds visitors with too many rows a minute; None where the user set no limit.
        allowed: The attributes of each type.
        identity: Derives anonymous ids.
        strict: Reject rows with a column or an attribute that cannot be sent.
        passes_records_through: Whether every valid record is mapped to itself.
    """

    bindings: Bindings
    skips: tuple[Skip, ...]
    router: Router | None
    bot_rate: BotRate | None
    allowed: Mapping[str, frozenset[str]]
    identity: IdentityPolicy
    strict: bool
    passes_records_through: bool
    _shapes: dict[tuple[str, ...], Shape] = field(default_factory=dict, init=False, repr=False)

    @property
    def rules(self) -> Sequence[tuple[Binding, Compiled]]:
        """Return the rules of the user, compiled, in their order."""
        return self.bindings.rules

    def shape(self, columns: tuple[str, ...]) -> Shape:
        """Return what is done with `columns`, remembered for the rows that follow."""
        shape = self._shapes.get(columns)
        if shape is None:
            by_name, unmapped = [], []
            for column in columns:
                binding = self.bindings.by_name(column)
                if binding is not None:
                    is_blank_absent = self.bindings.is_blank_absent(binding)
                    by_name.append(NamedColumn(column, binding, is_blank_absent))
                elif column not in self.bindings.used:
                    unmapped.append(column)
            shape = Shape(by_name, unmapped)
            if is_cacheable(columns, self._shapes):
                self._shapes[columns] = shape
        return shape


def compile_plan(
    spec: MappingSpec,
    schema: Schema,
    timestamps: TimestampReader,
    identity: IdentityPolicy,
    columns: tuple[str, ...] | None,
    *,
    as_cells: bool,
) -> Plan:
    """Return the plan for the rows of one source.

    Args:
        spec: What the user configured.
        schema: The types and their attributes.
        timestamps: Parses timestamps.
        identity: Derives anonymous ids.
        columns: The columns of every row; None if rows may differ.
        as_cells: Treat values as cells of text: convert them to what the schema asks for, and
            leave out empty ones.

    Raises:
        MappingError: An attribute or a column does not exist, a constant does not fit its
            attribute, or a column is unmapped in strict mode.
    """
    bindings = Bindings(
        spec, schema, timestamps, columns, cells=as_cells, salt=identity.options.anonymous_id_salt
    )
    routing = spec.routing
    # A rule for the type already names it for every row, so routing without routes adds nothing.
    is_routed = routing is not None and (routing.routes or "type" not in bindings.named)
    return Plan(
        bindings=bindings,
        skips=_compiled_skips(spec.skips) if spec.skips else (),
        router=_compiled_router(routing, bindings) if routing and is_routed else None,
        bot_rate=(
            BotRate(spec.bot_rate, _attribute_getter(bindings.rules, timestamps))
            if spec.bot_rate else None
        ),
        allowed={name: schema.allowed(name) for name in schema.types},
        identity=identity,
        strict=spec.strict,
        passes_records_through=not (
            as_cells or spec.rules or spec.skips or spec.routing or spec.bot_rate
        ),
    )  # fmt: skip


def _compiled_skips(skips: Iterable[Condition]) -> tuple[Skip, ...]:
    # Imported when needed, like the router: most JSON rows are records already.
    from miso_upload.transform.mapping.conditions import (  # noqa: PLC0415
        compile_condition,
        compile_for_all,
    )

    return tuple(Skip(skip.name, compile_condition(skip), compile_for_all(skip)) for skip in skips)


def _compiled_router(routing: Routing, bindings: Bindings) -> Router:
    from miso_upload.transform.mapping.router import Router  # noqa: PLC0415

    return Router(routing, bindings.of_text)


def is_cacheable(columns: Sized, cache: Sized) -> bool:
    """Return whether a cache by columns may grow by `columns`, so that no input fills memory."""
    return len(cache) < _MOST_SHAPES and len(columns) < _WIDEST_CACHED


def _attribute_getter(
    rules: Iterable[tuple[Binding, Compiled]], timestamps: TimestampReader
) -> Callable[[str], Callable[[Row], Any]]:
    """Return the function that returns, for an attribute, its getter from a row."""

    def getter_of(attribute: str) -> Callable[[Row], Any]:
        for binding, rule in rules:
            if binding.attribute == attribute:
                if binding.convert is not None:
                    return _converted(attribute, rule.fetch, binding.convert)
                return rule.fetch
        fetch = getter(attribute)
        return _converted(attribute, fetch, timestamps.read) if attribute == _TIMESTAMP else fetch

    return getter_of


def _converted(
    attribute: str, fetch: Callable[[Row], Any], convert: Callable[[Any], Any]
) -> Callable[[Row], Any]:
    """Return the getter of a converted value; None if there is none."""

    def get(row: Row) -> Any:  # noqa: ANN401
        value = fetch(row)
        if value is ABSENT:
            return None
        try:
            found = convert(value)
        except (CellError, SkipRow):
            return None
        return found.text if attribute == _TIMESTAMP else found

    return get
