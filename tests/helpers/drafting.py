"""Drafts mappings in tests, and applies them to rows."""

from __future__ import annotations

from miso_upload.drafting import draft_of, infer, mapping_text
from miso_upload.records import Findings
from miso_upload.sources import ReadingOptions, Source
from miso_upload.transform.identity import IdentityPolicy
from miso_upload.transform.mapping import Mapped, Mapper, MappingSpec, parse_mapping
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.values.timestamps import TimestampReader


def draft(rows):
    return infer(rows, shipped_schema())


def table(**columns):
    """Return rows from columns of equal length."""
    names = list(columns)
    return [dict(zip(names, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def rules(found):
    """Return the rules of a draft by attribute; a rule of only a column is its name."""
    return {
        guess.attribute: guess.rule["column"] if set(guess.rule) == {"column"} else guess.rule
        for guess in found.guesses
    }


def mapper(found, columns=None, zone="UTC"):
    """Return the mapper of the written mapping file; fails if the file is not valid."""
    text = mapping_text(found.in_zone(zone), "history.csv", "mapping.toml")
    file = parse_mapping("mapping.toml", text)
    assert {named.attribute for named in file.rules} == set(rules(found))
    plan = MappingSpec(file.rules, file.skips, file.routing)
    return Mapper(plan, shipped_schema(), TimestampReader(), IdentityPolicy(), columns)


def record(rows, number=0):
    """Return the record that a row becomes under the mapping that is drafted from all rows."""
    outcome = mapper(draft(rows)).map_row(rows[number], 1, Findings())
    return outcome.record if isinstance(outcome, Mapped) else outcome


def draft_of_file(path):
    with Source(str(path), ReadingOptions()) as source:
        return draft_of(source, shipped_schema())[0]
