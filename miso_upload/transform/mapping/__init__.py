"""Mapping: from a row as it was read to a Miso record.

A `MappingPlan` says what the user asked for; `Mapper` is that, compiled against the schema.
"""

from miso_upload.transform.mapping.builder import Mapped, MappedRows, Skipped, without_nulls
from miso_upload.transform.mapping.check_types import check_types
from miso_upload.transform.mapping.file import MappingFile, parse_mapping, read_mapping_file
from miso_upload.transform.mapping.header import (
    LOOKS_LIKE_DATA,
    check_key,
    columns_in_words,
    columns_without,
    looks_like_data,
)
from miso_upload.transform.mapping.mapper import Mapper
from miso_upload.transform.mapping.preset_detection import fitting_preset
from miso_upload.transform.mapping.presets import (
    NO_PRESET,
    overlaid,
    preset_names,
    preset_purpose,
    preset_text,
    read_preset,
    without_skips,
)
from miso_upload.transform.mapping.rules import Rule
from miso_upload.transform.mapping.spec import MappingPlan, NamedRule, rules_of_options

__all__ = [
    "LOOKS_LIKE_DATA",
    "NO_PRESET",
    "Mapped",
    "MappedRows",
    "Mapper",
    "MappingFile",
    "MappingPlan",
    "NamedRule",
    "Rule",
    "Skipped",
    "check_key",
    "check_types",
    "columns_in_words",
    "columns_without",
    "fitting_preset",
    "looks_like_data",
    "overlaid",
    "parse_mapping",
    "preset_names",
    "preset_purpose",
    "preset_text",
    "read_mapping_file",
    "read_preset",
    "rules_of_options",
    "without_nulls",
    "without_skips",
]
