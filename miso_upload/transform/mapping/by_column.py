"""Maps many rows, column by column: the fast path.

Most rows of a source have the same columns. For each set of columns this path decides once what to
do, and then does it to whole columns of values. It maps only rows that the exact path (`by_row`)
would map to the same record. It leaves every doubtful row undecided: one with a value that cannot
be converted, an object that has to be merged, or a warning.
"""

from __future__ import annotations

from collections import Counter
from itertools import compress
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from miso_upload.transform.mapping.bot_rate import TOO_MANY
from miso_upload.transform.mapping.builder import IDENTITY_COLUMNS
from miso_upload.transform.mapping.column_values import ColumnSource
from miso_upload.transform.mapping.group import QUANTITIES
from miso_upload.transform.mapping.outcomes import MappedRows, Skipped, SkipRow
from miso_upload.transform.mapping.plan import is_cacheable
from miso_upload.transform.mapping.record_tree import RecordTree, are_disjoint

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterator, Mapping, Sequence

    from miso_upload.records import Findings, Record
    from miso_upload.transform.mapping.column_values import Column
    from miso_upload.transform.mapping.plan import Plan
    from miso_upload.transform.mapping.router import Routed

Row = dict[str, Any]
_TEXT_ONLY = {str}
_NO_LIST = (None, "", "-")
_UNKNOWN: Any = object()


class ColumnMapper:
    """Executes a plan on many rows at once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._mappers: dict[tuple[str, ...], ShapeMapper | None] = {}

    def map(
        self, rows: Sequence[Any], findings: Findings, busy: Container[object] = ()
    ) -> MappedRows:
        """Return the outcomes of rows; those of doubtful rows are None.

        Args:
            rows: Rows as they were read.
            findings: Warnings, unmapped columns and the like are counted here, but none of
                undecided rows.
            busy: What `Mapper.busy_minutes` returned for the block of the rows.
        """
        mapped = MappedRows.before_mapping(rows)
        indices = self._not_skipped(rows, busy, mapped.not_mapped)
        routed: dict[int, Routed] = {}
        if self._plan.router is not None:
            for index in indices:
                try:
                    routed[index] = self._plan.router.follow(rows[index], findings.unmatched_paths)
                except SkipRow as skip:
                    mapped.not_mapped[index] = Skipped(str(skip))
            indices = list(routed)
        for mapper, group in self._by_shape(rows, indices):
            if mapper is None:
                mapped.not_mapped.update(dict.fromkeys(group))
                continue
            some = [rows[index] for index in group]
            routes = [routed[index] for index in group] if routed else ()
            mapped.put(group, mapper.map(some, routes, findings))
        return mapped

    def _not_skipped(
        self, rows: Sequence[Any], busy: Container[object], not_mapped: dict[int, Any]
    ) -> list[int]:
        """Return the indices of the rows that are not skipped, and note the outcome of the others.

        Rows that are no objects are left undecided.
        """
        indices = [index for index, row in enumerate(rows) if isinstance(row, dict)]
        if len(indices) < len(rows):
            not_mapped.update(dict.fromkeys(set(range(len(rows))).difference(indices)))
        for name, _, holds_for_all in self._plan.skips:
            held = holds_for_all([rows[index] for index in indices])
            if any(held):
                not_mapped.update(dict.fromkeys(compress(indices, held), Skipped(name)))
                indices = [index for index in indices if index not in not_mapped]
        if self._plan.bot_rate is not None:
            for index in indices:
                if self._plan.bot_rate.minute_of(rows[index]) in busy:
                    not_mapped[index] = Skipped(TOO_MANY)
            indices = [index for index in indices if index not in not_mapped]
        return indices

    def _by_shape(
        self, rows: Sequence[Any], indices: Sequence[int]
    ) -> Iterator[tuple[ShapeMapper | None, Sequence[int]]]:
        """Yield the indices of rows with equal columns, and the mapper for them if there is one.

        A row that shares its columns with no other is left to the exact path, which is faster then.
        """
        groups: dict[tuple[str, ...], list[int]] = {}
        for index in indices:
            groups.setdefault(tuple(rows[index]), []).append(index)
        for columns, group in groups.items():
            yield self._mapper_of(columns) if len(group) > 1 else None, group

    def _mapper_of(self, columns: tuple[str, ...]) -> ShapeMapper | None:
        """Return the mapper of rows with these columns; None if only the exact path can map them.

        In strict mode most columns and attributes can be a reason to reject a row, so the exact
        path maps all rows.
        """
        mapper = self._mappers.get(columns, _UNKNOWN)
        if mapper is _UNKNOWN:
            mapper = None if self._plan.strict else ShapeMapper.of(self._plan, columns)
            if is_cacheable(columns, self._mappers):
                self._mappers[columns] = mapper
        return mapper  # type: ignore[no-any-return]


class ShapeMapper:
    """Maps rows that have the same columns.

    Args:
        plan: What to do with them.
        sources: Where the values of each attribute come from.
        unmapped: The columns that nothing reads.
    """

    def __init__(self, plan: Plan, sources: Sequence[ColumnSource], unmapped: list[str]) -> None:
        self._allowed = plan.allowed
        self._identity = plan.identity
        self._sources = sources
        self._unmapped = [column for column in unmapped if column]
        paths = _paths(sources)
        self._tree = RecordTree(paths)
        self._paths = frozenset(path for _, path in paths)
        self._has_context_column = ("context",) in self._paths
        self._may_have_ip = self._has_context_column or (
            ("context", "ip") in (path[:2] for path in self._paths)
        )
        of_attribute = {source.binding.attribute: i for i, source in enumerate(sources)}
        pairs = plan.pairs
        has_both = pairs is not None and {pairs.attribute, QUANTITIES} <= of_attribute.keys()
        self._pairs = pairs if has_both else None
        names = (pairs.attribute, QUANTITIES) if pairs is not None and has_both else ()
        self._pair = [of_attribute[name] for name in names]
        self._visitor = [of_attribute.get(name) for name in IDENTITY_COLUMNS]
        top = {path[0] for path in self._paths}
        self._surplus = {name: tuple(top - of_type) for name, of_type in plan.allowed.items()}

    @classmethod
    def of(cls, plan: Plan, columns: tuple[str, ...]) -> ShapeMapper | None:
        """Return the mapper of rows with `columns`.

        Returns:
            None if two attributes have to be merged into one object, which takes the exact path.
        """
        by_name, unmapped = plan.shape(columns)
        sources = list(map(ColumnSource.of_column, by_name))
        of_rules = (ColumnSource.of_rule(binding, rule, columns) for binding, rule in plan.rules)
        sources += filter(None, of_rules)
        is_safe = are_disjoint([path for _, path in _paths(sources)])
        return cls(plan, sources, unmapped) if is_safe else None

    def map(self, rows: Sequence[Row], routed: Sequence[Routed], findings: Findings) -> MappedRows:
        """Return the outcomes of rows; those of doubtful rows are None, and count for nothing.

        Args:
            rows: Rows with the columns of this mapper.
            routed: Where the URL of each row leads; empty if there are no routes.
            findings: Unmapped columns and the like are counted here.
        """
        columns = []
        for source in self._sources:
            column, doubtful = source.read(rows, findings)
            if doubtful:
                return self._map_others(doubtful, rows, routed, findings)
            columns.append(column)
        if unpaired := self._unpaired(rows, columns):
            return self._map_others(unpaired, rows, routed, findings)
        records = self._tree.records(columns, len(rows))
        unusual = self._unusual(records, routed)
        if unusual:
            return self._map_others(unusual, rows, routed, findings)
        surplus = self._drop_surplus(records, is_routed=bool(routed))
        visitors = [
            [None] * len(rows) if i is None else _texts(columns[i].values) for i in self._visitor
        ]
        if self._has_context_column:
            _copy_contexts(records)
        derived, problems = self._identity.apply_all(records, *visitors)
        ips, _, forwarded_fors = visitors
        explained = dict.fromkeys(problems) | self._with_warning(derived, ips, forwarded_fors)
        if explained:
            return self._map_others(explained, rows, routed, findings)
        findings.not_of_type.update(surplus)
        for column in columns:
            findings.note(column.notes)
        self._count_unmapped(rows, findings)
        if not (findings.addresses.has_others or self._identity.believes_forwarded):
            self._note_addresses(ips, derived, findings)
        return MappedRows(records, derived, {})

    def _unpaired(self, rows: Sequence[Row], columns: Sequence[Column]) -> dict[int, None]:
        """Return the indices of rows of whose products one may be absent."""
        if self._pairs is None:
            return {}
        products, quantities = (columns[i].values for i in self._pair)
        return dict.fromkeys(self._pairs.doubtful(rows, products, quantities))

    def _map_others(
        self,
        doubtful: Mapping[int, Skipped | None],
        rows: Sequence[Row],
        routed: Sequence[Routed],
        findings: Findings,
    ) -> MappedRows:
        """Map rows again without the doubtful and the skipped ones."""
        self._count_unmapped([rows[index] for index, skip in doubtful.items() if skip], findings)
        others = [index for index in range(len(rows)) if index not in doubtful]
        routes = [routed[index] for index in others] if routed else ()
        mapped = self.map([rows[index] for index in others], routes, findings)
        whole = MappedRows.before_mapping(rows)
        whole.not_mapped.update(doubtful)
        whole.put(others, mapped)
        return whole

    def _unusual(self, records: Sequence[Record], routed: Sequence[Routed]) -> dict[int, None]:
        """Put in the values of routes, and return the indices of records that are doubtful then."""
        unusual: dict[int, None] = {}
        if routed:
            for index, (record, route) in enumerate(zip(records, routed, strict=True)):
                if not self._take_route(record, route):
                    unusual[index] = None
        known = self._allowed
        names = [record.get("type") for record in records]
        # Usually all types are known, and a set shows that faster than a loop.
        if set(map(type, names)) != _TEXT_ONLY or not known.keys() >= set(names):
            for index, name in enumerate(names):
                if type(name) is not str or name not in known:
                    unusual[index] = None
        if self._may_have_ip:
            for index, record in enumerate(records):
                context = record.get("context")
                if context is not None and (type(context) is not dict or "ip" in context):
                    unusual[index] = None
        return unusual

    def _drop_surplus(
        self, records: Sequence[Record], *, is_routed: bool
    ) -> dict[tuple[str, str], int]:
        """Drop the attributes that a record's type does not have, and count them by both names.

        Args:
            records: Records of known types.
            is_routed: Whether records may have attributes that no column has.
        """
        found: Counter[tuple[str, str]] = Counter()
        of_type: dict[str, list[Record]] = {}
        for record in records:
            of_type.setdefault(record["type"], []).append(record)
        for name, group in of_type.items():
            surplus: Collection[str] = self._surplus[name]
            if is_routed:
                surplus = set().union(*group) - self._allowed[name]
            for attribute in surplus:
                having = [record for record in group if attribute in record]
                for record in having:
                    del record[attribute]
                if having:
                    found[attribute, name] = len(having)
        return found

    @staticmethod
    def _note_addresses(
        ips: Sequence[str | None], derived: Sequence[bool], findings: Findings
    ) -> None:
        addresses = list(compress(ips, derived))
        if addresses:
            findings.addresses.note(set(addresses), len(addresses))

    def _with_warning(
        self,
        derived: Sequence[bool],
        ips: Sequence[str | None],
        forwarded_fors: Sequence[str | None],
    ) -> dict[int, None]:
        """Return the indices of rows whose addresses need a warning."""
        if self._identity.believes_forwarded:
            return {}
        return {
            index: None
            for index, (was_derived, ip, forwarded) in enumerate(
                zip(derived, ips, forwarded_fors, strict=True)
            )
            if was_derived and ((ip is not None and "," in ip) or forwarded not in _NO_LIST)
        }

    def _take_route(self, record: Record, routed: Routed) -> bool:
        """Put a route's values into a record; return False if that takes the exact path."""
        if routed.assignments is None:
            return False
        for parents, name, value in routed.assignments:
            if parents and self._meets_a_column((*parents, name)):
                return False
            inner = record
            for parent in parents:
                inner = inner.setdefault(parent, {})
                if type(inner) is not dict:
                    return False
            inner[name] = value
        return True

    def _meets_a_column(self, path: tuple[str, ...]) -> bool:
        """Return whether a path leads into the value of a column, or to an object around one."""
        size = len(path)
        return any(
            path[: len(column)] == column[:size] for column in self._paths if column[0] == path[0]
        )

    def _count_unmapped(self, rows: Sequence[Row], findings: Findings) -> None:
        for column in self._unmapped:
            count = len(rows) - list(map(itemgetter(column), rows)).count(None)
            if count:
                findings.count_unmapped(column, count)


def _paths(sources: Sequence[ColumnSource]) -> list[tuple[int, tuple[str, ...]]]:
    """Return the path of each source within a record, after its index."""
    return [
        (i, source.binding.parts)
        for i, source in enumerate(sources)
        if source.binding.attribute not in IDENTITY_COLUMNS
    ]


def _texts(values: list[Any]) -> list[str | None]:
    """Return what rows name as address or browser; values that are no text count as absent."""
    if set(map(type, values)) == _TEXT_ONLY:
        return values
    return [value if type(value) is str else None for value in values]


def _copy_contexts(records: Sequence[Record]) -> None:
    """Copy the context of each record, which is completed later; the row's own must not change."""
    for record in records:
        if "context" in record:
            record["context"] = dict(record["context"])
