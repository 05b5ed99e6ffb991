"""Maps rows to Miso records, by one plan and two paths that execute it.

`plan` compiles what the user configured (`spec`), the schema and the identity policy into one
`Plan`: skips, routes, rules, and the attribute of each column. A column that has the name of an
attribute is mapped automatically, whether the name is dotted (`context.page.url`) or nested. `ip`,
`forwarded_for` and `user_agent` feed the identity. Every other column is unmapped until the user
names it, and what the user names wins.

Two paths execute the plan:

- `by_row` is the exact path and the reference. It maps one row at a time, decides about every row,
  and explains: it alone makes reasons and warnings.
- `by_column` is the fast path. It groups rows by their columns and maps whole columns of values. It
  maps a row only if the exact path would make the same record of it. It leaves a row with anything
  doubtful undecided.

`mapper` joins them: the fast path goes first, and the exact path maps what is undecided. So the
fast path can only save time, and never changes a record, a count or a message.

Differential tests keep the paths equal. `tests/transform/mapping/test_by_column.py` maps random
rows under several mappings both ways and compares the outcomes and the findings. It also fails if
the fast path decides too few rows. `tests/transform/mapping/test_mapper.py` maps each of its rows
both ways too. When you add a feature to the plan, write it in `by_row` first, let `by_column` leave
such rows undecided, and add the feature to the random rows of the test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.transform.mapping.builder import without_nulls
from miso_upload.transform.mapping.check_types import check_types
from miso_upload.transform.mapping.header import (
    LOOKS_LIKE_DATA,
    check_carry_down,
    check_key,
    check_repeated,
    columns_in_words,
    columns_without,
    looks_like_data,
    misspelt_columns,
)
from miso_upload.transform.mapping.mapper import Mapper
from miso_upload.transform.mapping.outcomes import Mapped, MappedRows, Skipped
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
    MappingSpec,
    NamedRule,
    rules_of_options,
)
from miso_upload.values.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from miso_upload.transform.mapping.file import parse_mapping, read_mapping_file
    from miso_upload.transform.mapping.preset_detection import detect_preset

__all__ = [
    "LOOKS_LIKE_DATA",
    "NO_PRESET",
    "Mapped",
    "MappedRows",
    "Mapper",
    "MappingFile",
    "MappingSpec",
    "NamedRule",
    "Rule",
    "Skipped",
    "check_carry_down",
    "check_key",
    "check_repeated",
    "check_types",
    "columns_in_words",
    "columns_without",
    "detect_preset",
    "looks_like_data",
    "misspelt_columns",
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


# Most runs need none of these.
__getattr__ = lazy_exports(
    __name__,
    {
        "detect_preset": "preset_detection",
        "parse_mapping": "file",
        "read_mapping_file": "file",
    },
)
