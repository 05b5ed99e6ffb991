"""Mapping: from a row as it was read to a Miso record.

A `MappingPlan` says what the user asked for; `Mapper` is that, compiled against the schema.
"""

from miso_upload.mapping.mapper import Mapped, Mapper, Skipped
from miso_upload.mapping.plan import MappingPlan, NamedRule, rules_of_options
from miso_upload.mapping.rules import Rule

__all__ = ["Mapped", "Mapper", "MappingPlan", "NamedRule", "Rule", "Skipped", "rules_of_options"]
