"""Names held against the schema: what the user named, and what maps by its own name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.errors import MappingError, NoColumnError
from miso_upload.transform.mapping.builder import IDENTITY_COLUMNS, Binding
from miso_upload.transform.mapping.cells import CellError, column_converter, converter
from miso_upload.transform.mapping.paths import first_step
from miso_upload.transform.mapping.rules import Compiled, compile_rule
from miso_upload.transform.schema.schema import Kind
from miso_upload.values.display import column_name, did_you_mean
from miso_upload.values.timestamps import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from miso_upload.transform.mapping.spec import MappingPlan, NamedRule
    from miso_upload.transform.schema.schema import Schema
    from miso_upload.values.timestamps import TimestampReader

_ALWAYS = frozenset({"type", "timestamp"})
"""What no export is without: where a preset does not find it, it is another export's preset."""
_IDS = frozenset({"user_id", "anonymous_id"})
_MOST_CACHED = 10_000
_UNKNOWN: Any = object()


class Bindings:
    """Knows what columns become.

    Args:
        plan: What the user named.
        schema: Which attributes there are.
        timestamps: Reads timestamps.
        columns: The columns that every row has; None where rows may differ.
        cells: Values become what the schema asks for, and what is empty is left out.

    Attributes:
        rules: What the user named, and how it becomes an attribute.
        used: The columns and paths that the plan names.
        named: The columns and attributes that do not map by themselves.

    Raises:
        MappingError: An attribute or a column does not exist, a constant does not fit, or, if
            strict, a column is unmapped.
    """

    def __init__(
        self,
        plan: MappingPlan,
        schema: Schema,
        timestamps: TimestampReader,
        columns: tuple[str, ...] | None,
        *,
        cells: bool,
    ) -> None:
        self._plan = plan
        self._schema = schema
        self._timestamps = timestamps
        self._columns = columns
        self._cells = cells
        self._by_itself: dict[str, Binding | None] = {}
        self.named = {named.attribute for named in plan.rules}
        # A column that is put inside of what it is called itself, as text `search` is put into
        # `search.keywords`, does not become that too.
        self.named |= {
            column
            for named in plan.rules
            for column in named.rule.columns
            if named.attribute.startswith(f"{column}.")
        }
        self.rules = [self._compiled(named) for named in plan.rules]
        self.used = set(plan.ignored)
        for path in _paths(plan):
            self.used |= {path, first_step(path)}
        if plan.strict and columns is not None:
            self._check_columns(columns)

    def by_itself(self, column: str) -> Binding | None:
        """Return what a column becomes by its own name, unless the user named that attribute."""
        binding = self._by_itself.get(column, _UNKNOWN)
        if binding is _UNKNOWN:
            binding = self._bind_itself(column)
            if len(self._by_itself) < _MOST_CACHED:
                self._by_itself[column] = binding
        return binding  # type: ignore[no-any-return]

    def of_text(self, attribute: str, origin: str) -> Binding:
        """Return how text becomes an attribute that the user named."""
        kind = self._kind(attribute, origin)
        convert: Callable[[Any], Any] = converter(kind, self._plan.list_separator)
        if kind is Kind.TIMESTAMP:
            convert = self._timestamps.read
        return Binding(attribute, tuple(attribute.split(".")), convert)

    def is_absent(self, binding: Binding) -> bool:
        """Return whether empty text in a column of this name stands for nothing."""
        return self._cells or binding.attribute in _IDS

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
        path = tuple(attribute.split("."))
        binding = Binding(attribute, path, compiled.convert, shown, compiled.convert_all)
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

    def _bind_itself(self, column: str) -> Binding | None:
        if column in self.named or column in self._plan.ignored:
            return None
        if column in IDENTITY_COLUMNS:
            return Binding(column, (column,), None)
        attribute = self._schema.attribute(column)
        if attribute is None:
            return None
        path = tuple(column.split("."))
        if attribute.kind is Kind.TIMESTAMP:
            reader = self._timestamps
            return Binding(column, path, reader.read, convert_all=reader.read_all)
        if not self._cells:
            return Binding(column, path, None)
        how = attribute.kind, self._plan.list_separator
        return Binding(column, path, converter(*how), convert_all=column_converter(*how))

    def _check_columns(self, columns: tuple[str, ...]) -> None:
        unmapped = [
            column
            for column in columns
            if column and column not in self.used and self.by_itself(column) is None
        ]
        if unmapped:
            names = ", ".join(map(column_name, unmapped))
            raise MappingError(
                f"--strict: no attribute is called {names}; name what "
                "each becomes with --map ATTRIBUTE=COLUMN, or leave --strict out"
            )


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
    """Raise `NoColumnError` where a rule reads a column that the header does not have."""
    reads = named.rule.reads
    missing = [each for each in reads if each not in columns and first_step(each) not in columns]
    if not missing:
        return
    if named.lenient and (named.attribute not in _ALWAYS or len(missing) < len(reads)):
        return
    column = missing[0]
    raise NoColumnError(
        f"{named.origin}: the input has no column {column!r}"
        f"{did_you_mean(column, columns, column_name)}"
    )
