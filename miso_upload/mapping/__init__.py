"""Mapping: from a row as it was read to a Miso record.

A `MappingPlan` says what the user asked for; `Mapper` is that, compiled against the schema.
"""

from miso_upload.mapping.file import MappingFile, parse_mapping, read_mapping_file
from miso_upload.mapping.mapper import Mapped, Mapper, Skipped
from miso_upload.mapping.plan import MappingPlan, NamedRule, rules_of_options
from miso_upload.mapping.rules import Rule

__all__ = [
    "Mapped",
    "Mapper",
    "MappingFile",
    "MappingPlan",
    "NamedRule",
    "Rule",
    "Skipped",
    "parse_mapping",
    "read_mapping_file",
    "rules_of_options",
]
