"""Returns the groups of a finished job, from its fingerprint in the ledger."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from miso_upload.records.grouping import Grouping

if TYPE_CHECKING:
    from miso_upload.records.grouping import BlankKey
    from miso_upload.transform.groups import Grouper

_PREFIX = "[rows] group_by="
_ABOVE = " (above)"


def grouper_of(job: str) -> Grouper | None:
    """Return what puts rows into the groups of a job; None if it has no groups.

    Args:
        job: The job fingerprint; see `Job.fingerprint`.
    """
    text = next((line for line in job.splitlines() if line.startswith(_PREFIX)), None)
    if text is None:
        return None
    # Imported late, because few jobs have groups.
    from miso_upload.transform.groups import Grouper  # noqa: PLC0415

    written = text.removeprefix(_PREFIX)
    # `ascii` puts a text with a double quote between single quotes.
    quote = "'" if '"' in written else '"'
    fingerprint = ast.literal_eval(f"{quote}{written}{quote}")
    columns = tuple(ast.literal_eval(fingerprint.removesuffix(_ABOVE)))
    blank_key: BlankKey = "above" if fingerprint.endswith(_ABOVE) else "reject"
    return Grouper(Grouping(columns, blank_key), 0)
