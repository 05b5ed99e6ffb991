"""How rows become records: all the options that decide it, as parts and as one text.

The text is the fingerprint under which a source is uploaded: two runs with equal recipes make equal
records of equal rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.identity import IdentityPolicy
from miso_upload.mapping import (
    Mapper,
    MappingFile,
    MappingPlan,
    laid_over,
    read_mapping_file,
    read_preset,
    rules_of_options,
)
from miso_upload.schema import schema_of
from miso_upload.timestamps import TimestampReader
from miso_upload.transform import Transform
from miso_upload.user_code import read_user_code
from miso_upload.validation import Judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from miso_upload.records import Batch, Block, Findings
    from miso_upload.schema import Schema
    from miso_upload.settings import Settings
    from miso_upload.sources import Source


class Recipe:
    """How rows become records: the parts for it, and a text that is equal for equal results."""

    def __init__(self, settings: Settings) -> None:
        self.schema: Schema = schema_of(settings.schema)
        self._timestamps = TimestampReader(settings.timezone, settings.timestamp_format)
        self._identity = IdentityPolicy(
            derive=settings.derive_anonymous_id,
            source=settings.anonymous_id_from,
            salt=settings.anonymous_id_salt,
            trusted_proxies=settings.trusted_proxies,
        )
        mapping = read_mapping_file(settings.mapping) if settings.mapping else MappingFile("")
        if settings.preset:
            mapping = laid_over(mapping, read_preset(settings.preset))
        named = rules_of_options(settings.map, settings.set)
        own = {rule.attribute for rule in named}
        self._plan = MappingPlan(
            rules=(*(rule for rule in mapping.rules if rule.attribute not in own), *named),
            skips=mapping.skips,
            routing=mapping.routing,
            list_separator=settings.list_separator,
            strict=settings.strict,
        )
        self._judge = Judge(
            self.schema,
            needs_timestamp="timestamp" not in settings.allow_missing,
            needs_id="id" not in settings.allow_missing,
        )
        self._code = read_user_code(settings.transform) if settings.transform else None
        # Chunk size is no part of it: spans are remembered as they were cut.
        parts = {
            "--mapping": mapping.fingerprint,
            "--map": ", ".join(sorted(settings.map)),
            "--set": ", ".join(sorted(settings.set)),
            "--transform": self._code.fingerprint if self._code else "",
            "--list-separator": settings.list_separator or "",
            "--timestamp-format": ", ".join(settings.timestamp_format),
            "--timezone": settings.timezone or "",
            "--schema": self.schema.fingerprint,
            "--allow-missing": ", ".join(sorted(settings.allow_missing)),
            "identity": self._identity.fingerprint(),
            "--format": settings.format or "",
            "--encoding": settings.encoding or "",
            "--delimiter": settings.delimiter or "",
            "--columns": ", ".join(settings.columns),
            "--no-header": "yes" if settings.no_header else "",
        }
        self.text = "\n".join(
            f"{name}={ascii(value)[1:-1]}" for name, value in parts.items() if value
        )

    def unfetched(self, findings: Findings) -> list[str]:
        """Return, for each column that the user named and no row had, a sentence that says so."""
        return [
            f"{named.origin}: no row has {' or '.join(named.rule.reads)}; check the name"
            for named in self._plan.rules
            if named.rule.reads and not named.lenient and named.attribute not in findings.fetched
        ]

    def transform(self, source: Source) -> Callable[[Block], Batch]:
        """Return the transform for the rows of `source`.

        Raises:
            MappingError: The mapping names a column that the source does not have.
        """
        columns, code = source.format.columns, self._code
        # Which names the user's code returns is not known before it has run.
        mapper = Mapper(
            self._plan,
            self.schema,
            self._timestamps,
            self._identity,
            columns if code is None else None,
            columns is not None,
        )
        return Transform(source.format, mapper, self._judge, code)
