"""Mapping: from a row as it was read to a Miso record.

A `MappingPlan` says what the user asked for; `Mapper` is that, compiled against the schema. What
reads mapping files is imported when it is asked for: most runs have none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.transform.mapping.builder import Mapped, MappedRows, Skipped, without_nulls
from miso_upload.transform.mapping.check_types import check_types
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
from miso_upload.transform.mapping.spec import (
    MappingFile,
    MappingPlan,
    NamedRule,
    rules_of_options,
)

if TYPE_CHECKING:
    from miso_upload.transform.mapping.file import parse_mapping, read_mapping_file

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


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- either of two functions
    """Import what reads mapping files."""
    if name not in ("parse_mapping", "read_mapping_file"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from miso_upload.transform.mapping import file  # noqa: PLC0415

    return getattr(file, name)
