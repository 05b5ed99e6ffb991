"""Builds the transform of a run from its options, and the fingerprint of these options.

Two runs with equal job fingerprints make equal records of equal rows.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError, NoColumnError
from miso_upload.records.json_logs import log_columns
from miso_upload.sources.first_rows import first_rows
from miso_upload.transform.block import Reshape, Transform
from miso_upload.transform.content_keys.keys import ContentKeys
from miso_upload.transform.identity import IdentityPolicy
from miso_upload.transform.mapping import (
    LOOKS_LIKE_DATA,
    NO_PRESET,
    Mapper,
    MappingFile,
    MappingSpec,
    check_carry_down,
    check_key,
    check_repeated,
    check_types,
    columns_in_words,
    columns_without,
    looks_like_data,
    misspelt_columns,
    overlaid,
    read_preset,
    rules_of_options,
    without_skips,
)
from miso_upload.transform.mapping.paths import first_step
from miso_upload.transform.schema.schema import SHIPPED, schema_of
from miso_upload.transform.scope import scope_of
from miso_upload.transform.validation import RecordValidator
from miso_upload.values.display import counted
from miso_upload.values.null_words import DEFAULT_NULL_WORDS, null_words
from miso_upload.values.timestamps import TimestampReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from miso_upload.pipeline.settings import Settings
    from miso_upload.records import Findings
    from miso_upload.sources import Source
    from miso_upload.transform.expansion import Expansion
    from miso_upload.transform.groups import Grouper
    from miso_upload.transform.hook import UserCode
    from miso_upload.transform.mapping import NamedRule
    from miso_upload.transform.schema.schema import Schema


class Job:
    """All options that decide how rows become records: makes the transform and the fingerprint."""

    def __init__(self, settings: Settings, secret: bytes | None = None) -> None:
        self._secret = secret
        mapping, validation = settings.mapping, settings.validation
        self.schema: Schema = schema_of(validation.schema)
        self._settings = settings
        self._timestamps = TimestampReader(mapping.timezone, mapping.timestamp_format)
        self._identity = IdentityPolicy(settings.identity)
        self._mapping = _mapping_of(mapping.mapping)
        self._options = rules_of_options(mapping.map, mapping.set)
        of_tables = (rule for table in self._mapping.records for rule in table.rules)
        rules = (*self._mapping.rules, *of_tables, *self._options)
        check_types(rules, self._mapping.routing, self.schema.types)
        self._validator = RecordValidator(
            self.schema,
            needs_timestamp="timestamp" not in validation.allow_missing,
            needs_id="id" not in validation.allow_missing,
        )
        self._code = _code_of(mapping.transform)
        # Not part of the fingerprint, because it does not change what a row becomes.
        self.scope = scope_of(
            settings.scope, mapping.timezone, self.schema.types, datetime.now(UTC)
        )
        self._mappings: dict[str | None, MappingFile] = {}
        self._unseen: set[str] | None = None
        """Columns of the user's skip rules that are not in the first rows of any source."""
        self._mapping_under(mapping.preset)

    def advice(self, findings: Findings, *, of_rows: bool) -> list[str]:
        """Return suggested changes of the mapping after a run, as sentences and TOML.

        Args:
            findings: The findings of the run.
            of_rows: Whether the run had rows that no rule skipped.
        """
        advice = [*self._unused_rules(findings), *self._unused_skips(findings)] if of_rows else []
        advice += misspelt_columns(
            findings.unmapped, self.schema.attributes.keys() - findings.filled_by_rules
        )
        advice += _about_proxies(findings)
        if not findings.unmatched_paths.visits:
            return advice
        # Imported late, because most runs have nothing to suggest.
        from miso_upload.drafting.routes import routes_advice  # noqa: PLC0415

        return [*advice, *routes_advice(findings)]

    def fingerprint(self, source: Source) -> str:
        """Return a text that is equal for two runs that make equal records of `source`."""
        settings, file = self._settings, self._mapping_for(source)
        reading, mapping = settings.reading, settings.mapping
        words = null_words(mapping.null_values)
        # The chunk size is not part of it: the ledger keeps spans as they were cut.
        parts = {
            "--mapping": file.fingerprint,
            "--map": ", ".join(sorted(mapping.map)),
            "--set": ", ".join(sorted(mapping.set)),
            "--transform": self._code.fingerprint if self._code else "",
            "--list-separator": mapping.list_separator or "",
            "--null-values": "" if words == DEFAULT_NULL_WORDS else ",".join(words) or "none",
            "--float-ids": mapping.float_ids.removeprefix("reject"),
            "--timestamp-format": ", ".join(mapping.timestamp_format),
            "--timezone": mapping.timezone or "",
            "--schema": self.schema.fingerprint,
            "--allow-missing": ", ".join(sorted(settings.validation.allow_missing)),
            "identity": self._identity.fingerprint(),
            "--bot-rate": str(mapping.bot_rate or ""),
            "--format": reading.format or "",
            "--log-format": reading.log_format or "",
            "--encoding": reading.encoding or "",
            "--delimiter": reading.delimiter or "",
            "--quote": reading.quote or "",
            "--escape": reading.escape or "",
            "--skip-lines": str(reading.skip_lines or ""),
            "--comment": reading.comment or "",
            "--items": reading.items or "",
            "--columns": ", ".join(reading.columns),
            "--sql": reading.query_text(),
            "--no-header": "yes" if reading.no_header else "",
            "--series": mapping.series,
            "[rows] key": str(list(file.key)) if file.key else "",
            "[rows] each": file.records_fingerprint,
            "[rows] group_by": file.grouping.fingerprint if file.grouping else "",
            "[rows] carry_down": str(list(file.carry_down)) if file.carry_down else "",
        }
        return "\n".join(f"{name}={ascii(value)[1:-1]}" for name, value in parts.items() if value)

    def check(self, source: Source) -> None:
        """Check that the mapping can be used for `source`, which is not consumed.

        Raises:
            MappingError: The mapping names a column that the source does not have.
            OtherExportError: The source is not the export that the preset is for.
        """
        preset, columns = self._settings.mapping.preset, source.format.columns
        if preset in (None, NO_PRESET) or self._code is not None:
            self.transform(source)
            return
        # Imported late, because most runs have no preset.
        from miso_upload.pipeline.preset_check import (  # noqa: PLC0415
            check_grouping,
            check_keys,
            check_layout,
        )

        mapping = self._mapping_for(source)
        if columns is not None and self._mapping.grouping is None:
            check_grouping(preset, mapping, columns)
        transform = self.transform(source)
        if columns is None:
            check_keys(source, preset, mapping, {rule.attribute for rule in self._options})
        elif "columns" in read_preset(preset).options:
            check_layout(source, preset, transform.is_record)

    def transform(self, source: Source) -> Transform:
        """Return the transform for the rows of `source`.

        Raises:
            MappingError: The mapping names a column that the source does not have.
        """
        options, mapping = self._settings.mapping, self._mapping_for(source)
        self._check_columns_of_skips(source)
        by = mapping.grouping.columns if mapping.grouping else ()
        grouped_by = (each for each in map(first_step, by) if each not in self.schema.attributes)
        plan = MappingSpec(
            rules=_merged(mapping.rules, self._options),
            skips=mapping.skips,
            bot_rate=options.bot_rate or 0,
            routing=mapping.routing,
            ignored=(*mapping.ignored, *mapping.key, *map(first_step, mapping.key), *grouped_by),
            list_separator=options.list_separator,
            strict=options.strict,
            null_words=null_words(options.null_values),
            float_ids=options.float_ids == "integer",
            groups=mapping.grouping is not None,
        )
        rows, code = source.format, self._code
        check_repeated(rows.repeated, plan, mapping.key, self.schema.attributes)
        # The names that the user's code returns are not known before it has run.
        columns = rows.columns if code is None else None

        def mapper_of(spec: MappingSpec, columns: tuple[str, ...] | None) -> Mapper:
            return Mapper(
                spec, self.schema, self._timestamps, self._identity, columns,
                rows.columns is not None or self._settings.reading.has_query,
            )  # fmt: skip

        try:
            expansion = self._expansion(mapping, plan, columns, mapper_of)
            mapper = expansion.mapper_of(0) if expansion else mapper_of(plan, columns)
            check_key(mapping, columns, rows.columns)
            check_carry_down(mapping, rows.columns)
        except NoColumnError as error:
            raise type(error)(f"{error}{self._about_header(columns)}") from None
        transform = Transform(
            rows, mapper, self._validator, code, self._content_keys(mapping.key),
            Reshape(expansion, self._grouper(mapping), mapping.carry_down), scope=self.scope,
        )  # fmt: skip
        if mapping.carry_down:
            source.carry(transform.values_after)
        return transform

    def _grouper(self, mapping: MappingFile) -> Grouper | None:
        """Return what puts rows together that become one record; None if none do."""
        if mapping.grouping is None:
            return None
        if self.scope.sample < 1:
            raise ConfigurationError(
                "--sample and group_by exclude each other, because a sample divides groups; use "
                "--limit to read the first rows only"
            )
        from miso_upload.transform.groups import Grouper  # noqa: PLC0415 -- few runs group rows

        return Grouper(mapping.grouping, self._settings.reading.max_group_rows)

    def _expansion(
        self,
        mapping: MappingFile,
        plan: MappingSpec,
        columns: tuple[str, ...] | None,
        mapper_of: Callable[[MappingSpec, tuple[str, ...] | None], Mapper],
    ) -> Expansion | None:
        """Return what takes rows apart; None if every row is one record."""
        if mapping.each is None and not mapping.records:
            return None
        # Imported when needed, because most rows are records.
        from miso_upload.transform.expansion import expansion_of  # noqa: PLC0415

        attributes = frozenset(self.schema.attributes)
        return expansion_of(mapping, plan, self._options, columns, attributes, mapper_of)

    def _content_keys(self, columns: tuple[str, ...]) -> ContentKeys | None:
        if self._secret is None:
            return None
        return ContentKeys(
            self._secret,
            self._settings.mapping.series,
            columns,
            shipped_schema=self.schema.fingerprint == SHIPPED,
        )

    def _about_header(self, columns: tuple[str, ...] | None) -> str:
        """Return the end of an error about a column that is not in the header."""
        if columns is None:
            return ""
        is_header = not (self._settings.reading.no_header or self._settings.reading.columns)
        hint = f", and {LOOKS_LIKE_DATA}" if is_header and looks_like_data(columns) else ""
        return f". It has {columns_in_words(columns)}{hint}"

    def _mapping_for(self, source: Source) -> MappingFile:
        """Return the user's mapping, merged with the named preset or the preset of the format."""
        preset = self._settings.mapping.preset
        if preset is None and (source.format.name == "log" or not self._maps_requests()):
            preset = source.format.preset
        is_json_log = source.format.preset is not None and source.format.name != "log"
        if preset is not None and preset == source.format.preset and is_json_log:
            return self._mapping_of_json_log(source, preset)
        return self._mapping_under(preset)

    def _maps_requests(self) -> bool:
        """Return whether the user's own rules make records without a preset."""
        named = {rule.attribute for rule in (*self._mapping.rules, *self._options)}
        return not named.isdisjoint({"type", "timestamp"})

    def _mapping_of_json_log(self, source: Source, preset: str) -> MappingFile:
        """Return the mapping for a JSON access log, whose columns have other names."""
        found = None if self._mapping.columns else log_columns(first_rows(source))
        if found is None:
            return self._mapping_under(preset)
        lower, own = read_preset(preset).with_columns(found.columns), self._mapping
        whole = overlaid(own.with_columns(found.columns), lower)
        whole = replace(whole, ignored=(*whole.ignored, *found.ignored))
        return without_skips(whole, self._settings.mapping.keep)

    def _mapping_under(self, preset: str | None) -> MappingFile:
        if preset not in self._mappings:
            lower = read_preset(preset) if preset else MappingFile("")
            whole = overlaid(self._mapping, lower)
            self._mappings[preset] = without_skips(whole, self._settings.mapping.keep)
        return self._mappings[preset]

    def _check_columns_of_skips(self, source: Source) -> None:
        wanted = {skip.column for skip in self._mapping.skips} if self._code is None else set()
        if wanted:
            rows = first_rows(source)
            unseen = columns_without(wanted, rows) if rows else set()
            self._unseen = unseen if self._unseen is None else self._unseen & unseen

    def _unused_skips(self, findings: Findings) -> list[str]:
        """Return a sentence for each skip rule that skipped no row and names an unseen column."""
        return [
            f'{self._mapping.name}: the skip rule "{skip.name}" skipped no rows, and the first '
            f"rows have no column {skip.column}; check the column name"
            for skip in self._mapping.skips
            if skip.column in (self._unseen or ()) and not findings.skipped[skip.name]
        ]

    def _unused_rules(self, findings: Findings) -> list[str]:
        """Return a sentence for each column that the user named and no row has."""
        rules = _merged(self._mapping.rules, self._options)
        return [
            f"{named.origin}: no row has a value in {' or '.join(named.rule.reads)}; check the "
            "column name"
            for named in rules
            if named.rule.reads and named.attribute not in findings.filled_by_rules
        ]


def _merged(rules: Iterable[NamedRule], over: Sequence[NamedRule]) -> tuple[NamedRule, ...]:
    """Return rules, with those of the same attribute in `over` instead."""
    own = {rule.attribute for rule in over}
    return (*(rule for rule in rules if rule.attribute not in own), *over)


def _about_proxies(findings: Findings) -> list[str]:
    """Return a warning if a few private addresses stand for all visitors."""
    number, rows = findings.addresses.proxies, findings.addresses.rows
    if not number:
        return []
    whose = "one private address" if number == 1 else f"{number} private addresses"
    records = counted(rows, "record")
    sentence = (
        f"warning: the ids of all {records} without an id are derived from {whose}, probably of a "
        "load balancer or proxy, so visitors with the same browser count as one. Possible "
        "fix: write the header X-Forwarded-For into the log, map it to forwarded_for, and add "
        "--trusted-proxies 1"
    )
    return [sentence]


def _mapping_of(path: str | None) -> MappingFile:
    if not path:
        return MappingFile("")
    from miso_upload.transform.mapping import read_mapping_file  # noqa: PLC0415 -- most have none

    return read_mapping_file(path)


def _code_of(path: str | None) -> UserCode | None:
    if not path:
        return None
    from miso_upload.transform.hook import read_user_code  # noqa: PLC0415 -- few have any

    return read_user_code(path)
