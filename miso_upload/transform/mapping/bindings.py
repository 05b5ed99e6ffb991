"""Binds columns to attributes: by the user's rules, and automatically by equal names."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from miso_upload.errors import MappingError, NoColumnError
from miso_upload.transform.mapping.builder import IDENTITY_COLUMNS, Binding
from miso_upload.transform.mapping.cells import CellError, column_converter
from miso_upload.transform.mapping.cleaning import (
    Cleaning,
    cleaned_columns,
    cleaning_converter,
    cleaning_json_converter,
    is_cleaned,
    is_id,
    json_columns,
    may_need_care,
    needs_care,
)
from miso_upload.transform.mapping.paths import first_step
from miso_upload.transform.mapping.rules import Compiled, compile_rule, misuse_of
from miso_upload.transform.mapping.step_spec import NO_STEPS
from miso_upload.transform.record_ids import ID_ATTRIBUTES, values_of
from miso_upload.transform.schema.schema import Kind
from miso_upload.values.display import column_name, counted, did_you_mean
from miso_upload.values.null_words import NullWords
from miso_upload.values.timestamps import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from miso_upload.transform.mapping.spec import MappingSpec, NamedRule
    from miso_upload.transform.record_ids import RecordIds
    from miso_upload.transform.schema.schema import Schema
    from miso_upload.values.timestamps import TimestampReader

_ALWAYS = frozenset({"type", "timestamp"})
"""A preset that finds no column for these belongs to another kind of export."""
_IDS = frozenset({"user_id", "anonymous_id"})
_MOST_CACHED = 10_000
_UNKNOWN: Any = object()


class Bindings:
    """The attribute of each column, and how its values are converted.

    Args:
        spec: What the user configured.
        schema: The types and their attributes.
        timestamps: Parses timestamps.
        columns: The columns of every row; None if rows may differ.
        cells: Convert values to what the schema asks for, and leave out empty ones.
        salt: The key for hashes; empty if the user has none.

    Attributes:
        rules: The user's rules, each bound to its attribute and compiled.
        used: The columns and paths that the spec names.
        named: The columns and attributes that are not mapped automatically.

    Raises:
        MappingError: An attribute or a column does not exist, a constant does not fit its
            attribute, or a column is unmapped in strict mode.
    """

    def __init__(
        self,
        spec: MappingSpec,
        schema: Schema,
        timestamps: TimestampReader,
        columns: tuple[str, ...] | None,
        *,
        cells: bool,
        salt: bytes = b"",
    ) -> None:
        self._spec = spec
        self._schema = schema
        self._timestamps = timestamps
        self._columns = columns
        self._cells = cells
        self._cleaning = Cleaning(NullWords(spec.null_words), spec.float_ids)
        self._salt = salt
        self._by_name: dict[str, Binding | None] = {}
        self.named = {named.attribute for named in spec.rules}
        # A rule may put the column `search` into `search.keywords`. The column is then not mapped
        # to the attribute `search` as well.
        self.named |= {
            column
            for named in spec.rules
            for column in named.rule.columns
            if named.attribute.startswith(f"{column}.")
        }
        self.rules = [self._compiled(named) for named in spec.rules]
        self.used = set(spec.ignored)
        for path in _paths(spec):
            self.used |= {path, first_step(path)}
        if spec.strict and columns is not None:
            self._check_columns(columns)

    def by_name(self, column: str) -> Binding | None:
        """Return the attribute that has the column's name, unless the user configured either."""
        binding = self._by_name.get(column, _UNKNOWN)
        if binding is _UNKNOWN:
            binding = self._bind_by_name(column)
            if len(self._by_name) < _MOST_CACHED:
                self._by_name[column] = binding
        return binding  # type: ignore[no-any-return]

    def of_text(self, attribute: str, origin: str) -> Binding:
        """Return the binding for text that a route puts into an attribute."""
        kind = self._kind(attribute, origin)
        convert: Callable[[Any], Any] = cleaning_converter(
            kind, self._spec.list_separator, self._cleaning, are_ids=is_id(attribute)
        )
        if kind is Kind.TIMESTAMP:
            convert = self._timestamps.read
        path = tuple(attribute.split("."))
        return Binding(attribute, path, convert, nulls=self._nulls(attribute, kind))

    def leaves_unchanged(self, records: Sequence[dict[str, Any]], ids: RecordIds) -> bool:
        """Return whether valid records hold no null words, blanks or floats that are cleaned."""
        if ids.joined is None:
            return False
        texts = (ids.users, ids.visitors, ids.products)
        if not all(map(self._cleaning.nulls.items.isdisjoint, texts)):
            return False
        if may_need_care(ids.joined) and any(needs_care(each, are_ids=True) for each in texts):
            return False
        rare = [name for name in self._rarely_cleaned if name in ids.names]
        return not rare or all(
            self._cleaned_alike(name, values_of(name, records, ids.names)) for name in rare
        )

    @cached_property
    def _rarely_cleaned(self) -> list[str]:
        """The attributes that are cleaned, besides those of `RecordIds`."""
        return [
            name for name, attribute in self._schema.attributes.items()
            if attribute.kind in (Kind.TEXT, Kind.TEXTS) and is_cleaned(name, attribute.kind)
            and "." not in name and name not in ID_ATTRIBUTES
        ]  # fmt: skip

    def _cleaned_alike(self, name: str, values: list[Any]) -> bool:
        """Return whether cleaning leaves the values of an attribute as they are."""
        columns = json_columns(self._kind(name, ""), self._cleaning, are_ids=is_id(name))
        return columns(values) is not None

    def is_blank_absent(self, binding: Binding) -> bool:
        """Return whether empty text in a column that has the attribute's name is no value."""
        is_id = binding.attribute in _IDS
        return self._cells or is_id or binding.nulls is not None

    def _nulls(self, attribute: str, kind: Kind) -> NullWords | None:
        return self._cleaning.nulls if is_cleaned(attribute, kind) else None

    def _compiled(self, named: NamedRule) -> tuple[Binding, Compiled]:
        attribute, rule = named.attribute, named.rule
        kind = self._kind(attribute, named.origin)
        if self._columns is not None:
            _check_header(named, self._columns)
        if (misuse := misuse_of(rule, kind, has_salt=bool(self._salt))) is not None:
            raise MappingError(f"{named.origin}: {attribute}: {misuse}")
        try:
            compiled = compile_rule(
                rule, kind, timestamps=self._timestamps,
                list_separator=self._spec.list_separator, attribute=attribute,
                cleaning=self._cleaning, salt=self._salt,
            )  # fmt: skip
        except CellError as error:
            raise MappingError(f"{named.origin}: the value {error}") from None
        default = compiled.default
        if isinstance(default, Reading):
            if default.text is None:
                raise MappingError(f"{named.origin}: the value {default.problem}")
            default = default.text
        shown = "" if compiled.shown == attribute else compiled.shown
        path = tuple(attribute.split("."))
        binding = Binding(
            attribute, path, compiled.convert, shown, compiled.convert_all, compiled.nulls
        )
        if attribute in IDENTITY_COLUMNS and rule.steps == NO_STEPS:
            # The identity decides what an address is, so it takes the value unchanged.
            binding = binding._replace(convert=None, convert_all=None)
        return binding, compiled._replace(default=default)

    def _kind(self, name: str, origin: str) -> Kind:
        if name in IDENTITY_COLUMNS:
            return Kind.TEXT
        attribute = self._schema.attribute(name)
        if attribute is None:
            known = (*self._schema.attributes, *IDENTITY_COLUMNS)
            raise MappingError(
                f"{origin}: Miso has no attribute {name!r}{did_you_mean(name, known, repr)}. "
                "'miso-upload types' lists all attributes"
            )
        return attribute.kind

    def _bind_by_name(self, column: str) -> Binding | None:
        if column in self.named or column in self._spec.ignored:
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
        kind, separator, cleaning = attribute.kind, self._spec.list_separator, self._cleaning
        nulls, are_ids = self._nulls(column, kind), is_id(column)
        if self._cells:
            convert = cleaning_converter(kind, separator, cleaning, are_ids=are_ids)
            convert_all = cleaned_columns(column_converter(kind, separator), kind, are_ids=are_ids)
        elif nulls is not None:
            convert = cleaning_json_converter(kind, cleaning, are_ids=are_ids)
            convert_all = json_columns(kind, cleaning, are_ids=are_ids)
        else:
            return Binding(column, path, None)
        return Binding(column, path, convert, convert_all=convert_all, nulls=nulls)

    def _check_columns(self, columns: tuple[str, ...]) -> None:
        unmapped = [
            column
            for column in columns
            if column and column not in self.used and self.by_name(column) is None
        ]
        if unmapped:
            names = ", ".join(map(column_name, unmapped))
            raise MappingError(
                f"--strict: the input has {counted(len(unmapped), 'unmapped column')}: {names}. "
                "Possible fix: --map ATTRIBUTE=COLUMN for each, or remove --strict"
            )


def _paths(spec: MappingSpec) -> Iterator[str]:
    """Yield every column or path that the user's rules, skips and routes read."""
    for named in spec.rules:
        yield from named.rule.reads
        yield from named.rule.also_reads
    for skip in spec.skips:
        yield skip.column
    if spec.routing is not None:
        yield from filter(None, (spec.routing.url, spec.routing.method))


def _check_header(named: NamedRule, columns: tuple[str, ...]) -> None:
    """Raise `NoColumnError` if a rule reads a column that the header does not have."""
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
