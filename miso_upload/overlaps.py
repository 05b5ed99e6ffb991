"""What to say of inputs that have records in common while each has others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.quoting import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from miso_upload.report import SourceSummary


def shared_records(sources: Sequence[SourceSummary]) -> list[str]:
    """Return a sentence for each two inputs of a run that share records while each has others.

    Copies and overlapping exports share records because they are of the same events. But lines of
    two servers can be equal too, where times are coarse, and then both are wanted.
    """
    return [
        _sentence(one, other, shared)
        for one in sources
        for other, shared in _partners(one, sources)
        if shared < _records(one) and shared < _records(other)
    ]


def _partners(
    one: SourceSummary, sources: Iterable[SourceSummary]
) -> Iterable[tuple[SourceSummary, int]]:
    for other in sources:
        shared = one.already_sent_from[other.name]
        if other is not one and shared:
            yield other, shared


def _records(source: SourceSummary) -> int:
    totals = source.totals
    return totals.rows - totals.rejected - totals.skipped


def _sentence(one: SourceSummary, other: SourceSummary, shared: int) -> str:
    line = one.first_already_sent[other.name]
    return (
        f"{one.name} and {other.name} have {counted(shared, 'record')} in common (e.g. "
        f"{one.name}:{line}), of which one copy is sent. If they are logs of different servers or "
        "shards, give each a --series NAME of its own from its first upload on, so that both "
        "copies are sent"
    )
