"""Mapping: from a row as it was read to a Miso record.

`MappingOptions` says what the user asked for; `Mapper` is that, compiled against the schema.
"""

from miso_upload.mapping.mapper import Mapped, Mapper
from miso_upload.mapping.options import MappingOptions, parse_assignments

__all__ = ["Mapped", "Mapper", "MappingOptions", "parse_assignments"]
