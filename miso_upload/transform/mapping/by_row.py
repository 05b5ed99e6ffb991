"""Maps one row: the exact path, and the reference for `by_column`.

Whatever a row holds, this path decides about it and explains why. It is slower than the fast path
and is used for the rows that the fast path does not decide about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.records import Reason
from miso_upload.transform.mapping.bot_rate import TOO_MANY
from miso_upload.transform.mapping.builder import RecordBuilder
from miso_upload.transform.mapping.group import Group, Value, is_blank, put_values
from miso_upload.transform.mapping.outcomes import Mapped, Skipped, SkipRow
from miso_upload.transform.mapping.paths import ABSENT
from miso_upload.values.display import quoted

if TYPE_CHECKING:
    from collections.abc import Container

    from miso_upload.records import Findings
    from miso_upload.transform.identity import IdentityOutcome
    from miso_upload.transform.mapping.outcomes import Outcome
    from miso_upload.transform.mapping.plan import Plan

_NOT_AN_OBJECT = Reason("the row", "is not a JSON object")
_TOO_DEEP = Reason("the row", "is nested too deeply")
_FORWARDED = Reason(
    "ip",
    "is a list, and its last address is used as the visitor's. Possible fix: --trusted-proxies N, "
    "if your own proxies appended addresses",
)
_NOT_BELIEVED = Reason(
    "forwarded_for",
    "is ignored, and the connecting address is used. Possible fix: --trusted-proxies N, if "
    "your own proxy has that address",
)


class RowMapper:
    """Executes a plan, one row at a time."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def map(
        self, row: object, line: int, findings: Findings, busy: Container[object] = ()
    ) -> Outcome:
        """Return the record of `row`, or why it has none.

        Args:
            row: A row as it was read.
            line: Its line, for warnings.
            findings: Warnings, unmapped columns and the like are counted here.
            busy: What `Mapper.busy_minutes` returned for the block of the row.
        """
        plan = self._plan
        if not isinstance(row, dict):
            return (_NOT_AN_OBJECT,)
        for each in plan.skips:
            if each.holds(row):
                return Skipped(each.name)
        if plan.bot_rate is not None and plan.bot_rate.minute_of(row) in busy:
            return Skipped(TOO_MANY)
        builder = RecordBuilder(line, findings)
        try:
            routed = plan.router.follow(row, findings.unmatched_paths).values if plan.router else ()
            self._fill(row, builder)
            builder.put_all(routed or ())
        except SkipRow as skip:
            return Skipped(str(skip))
        except RecursionError:
            return (_TOO_DEEP,)
        findings.note(builder.notes)
        self._drop_surplus(builder)
        if not builder.reasons:
            outcome = self._identify(builder)
            if outcome.problem is None:
                return Mapped(builder.record, outcome.derived)
            builder.reasons.append(Reason("ip", outcome.problem))
        return tuple(builder.reasons)

    def _fill(self, row: dict[str, Any], builder: RecordBuilder) -> None:
        """Put in the columns that are mapped automatically, and then what the rules make."""
        if isinstance(row, Group):
            put_values(self._values(row, builder), row, builder)
            return
        by_name, unmapped = self._plan.shape(tuple(row))
        pairs = self._plan.pairs
        paired = {} if pairs is None else pairs.of(row) or {}
        for column, binding, is_blank_absent in by_name:
            value = paired[binding.attribute] if binding.attribute in paired else row[column]
            if value is None or value is ABSENT or (value == "" and is_blank_absent):
                continue
            if not builder.leaves_out(binding, value):
                builder.put(binding, value)
        for column in unmapped:
            self._count_unmapped(column, row[column], builder)
        found = builder.findings.filled_by_rules
        for binding, rule in self._plan.rules:
            value = paired[binding.attribute] if binding.attribute in paired else rule.fetch(row)
            is_absent = value is ABSENT or value is None or value == ""
            if is_absent or builder.leaves_out(binding, value):
                if rule.default is not ABSENT:
                    builder.put(binding._replace(convert=None), rule.default)
            else:
                found.add(binding.attribute)
                builder.put(binding, value)

    def _values(self, group: Group, builder: RecordBuilder) -> list[Value]:
        """Return the values of a group: of columns mapped automatically, and of the rules."""
        by_name, unmapped = self._plan.shape(tuple(group))
        values = [
            Value(
                binding,
                builder.without_null_words(binding, [row.get(column) for row in group.rows]),
            )
            for column, binding, _ in by_name
        ]
        for column in unmapped:
            self._count_unmapped(column, group[column], builder)
        found = builder.findings.filled_by_rules
        for binding, rule in self._plan.rules:
            fetched = builder.without_null_words(binding, [rule.fetch(row) for row in group.rows])
            if not all(map(is_blank, fetched)):
                found.add(binding.attribute)
            values.append(Value(binding, fetched, rule.take, rule.default))
        return values

    def _count_unmapped(self, column: str, value: object, builder: RecordBuilder) -> None:
        if value is None or not column:
            return
        builder.findings.count_unmapped(column)
        if self._plan.strict:
            builder.reasons.append(Reason(quoted(column), "is not an attribute of Miso (--strict)"))

    def _drop_surplus(self, builder: RecordBuilder) -> None:
        """Drop and count the attributes that the record's type does not have."""
        record = builder.record
        type_name = record.get("type")
        allowed = self._plan.allowed.get(type_name) if isinstance(type_name, str) else None
        if allowed is None or record.keys() <= allowed:
            return
        for attribute in record.keys() - allowed:
            del record[attribute]
            builder.findings.not_of_type[(attribute, str(type_name))] += 1
            if self._plan.strict:
                reason = Reason(attribute, f"is not an attribute of {type_name} (--strict)")
                builder.reasons.append(reason)

    def _identify(self, builder: RecordBuilder) -> IdentityOutcome:
        """Derive the record's `anonymous_id` if one is due."""
        context = builder.record.get("context")
        if isinstance(context, dict) and "ip" in context:
            # Other systems keep the visitor's address here. A record must not contain it.
            builder.visitor.setdefault("ip", context.pop("ip"))
        identity, known = self._plan.identity, builder.visitor.get
        ip = value if isinstance(value := known("ip"), str) else None
        user_agent = value if isinstance(value := known("user_agent"), str) else None
        forwarded_for = value if isinstance(value := known("forwarded_for"), str) else None
        outcome = identity.apply(builder.record, ip, user_agent, forwarded_for)
        if outcome.derived and not identity.believes_forwarded:
            builder.findings.addresses.note({ip}, 1)
            if ip is not None and "," in ip:
                builder.findings.warn(_FORWARDED, builder.line)
            elif forwarded_for not in (None, "", "-"):
                builder.findings.warn(_NOT_BELIEVED, builder.line)
        return outcome
