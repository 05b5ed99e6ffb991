"""Warns about inputs that have some records in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.values.display import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from miso_upload.report.summary import SourceSummary


def shared_records(sources: Sequence[SourceSummary]) -> list[str]:
    """Return a warning for inputs of a run that have some, but not all, records in common.

    Overlapping exports have records in common because they contain the same events. But two servers
    can log equal lines for different events if timestamps are coarse, and then both are wanted.
    """
    by_name: dict[str, list[SourceSummary]] = {}
    for source in sources:
        by_name.setdefault(source.name, []).append(source)
    pairs = [
        (one, other, shared)
        for one in sources
        for other, shared in _partners(one, by_name)
        if shared < _records(one) and shared < _records(other)
    ]
    return [_sentence(*pairs[0], len(pairs))] if pairs else []


def _partners(
    one: SourceSummary, by_name: Mapping[str, Sequence[SourceSummary]]
) -> Iterator[tuple[SourceSummary, int]]:
    for name, shared in one.already_sent_from.items():
        yield from ((other, shared) for other in by_name.get(name, ()) if other is not one)


def _records(source: SourceSummary) -> int:
    totals = source.totals
    return totals.rows - totals.rejected - totals.skipped - totals.outside


def _sentence(one: SourceSummary, other: SourceSummary, shared: int, pairs: int) -> str:
    line = one.first_already_sent[other.name]
    many = f"{pairs:,} pairs of inputs have records in common. " if pairs > 1 else ""
    return (
        f"{many}{one.name} and {other.name} have {counted(shared, 'record')} in common (e.g. "
        f"{one.name}:{line}); one copy of each is sent. If these are logs of different servers or "
        "shards, add --already-sent send to send the other copies as well. In a first upload, "
        "give each log its own --series NAME instead"
    )
