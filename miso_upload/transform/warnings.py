"""Warns about valid records that look like mistakes, and counts types and ids.

Some rules are prose in Miso's API description, and its schema does not enforce them: ratings from 0
to 5, one positive quantity for each product, a `search` for each search. Others are no rules of
Miso, but nearly always mistakes: a timestamp before 2000 or in the future, which suggests a wrong
unit or time zone, and a view or a purchase without a product. Warnings reject no record.
"""

from __future__ import annotations

from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from miso_upload.records import Reason
from miso_upload.transform.damaged_ids import survey_ids
from miso_upload.transform.record_ids import RecordIds
from miso_upload.values.display import quoted
from miso_upload.values.regular_times import timestamps_of
from miso_upload.values.rfc3339 import parse_rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from miso_upload.records import Findings, Record
    from miso_upload.values.regular_times import Timestamps

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
BEST_RATING = 5
_TYPE = itemgetter("type")


def survey(
    records: Sequence[Record],
    lines: Sequence[int],
    findings: Findings,
    timestamps: Timestamps | None = None,
    ids: RecordIds | None = None,
) -> None:
    """Count the types and ids of records, and warn about probable mistakes.

    Args:
        records: At least one record.
        lines: The line of each record.
        findings: The counts and warnings are added here.
        timestamps: The timestamps of the records, if they are already known.
        ids: Their ids, if they are already known.
    """
    types = list(map(_TYPE, records))
    findings.types.update(types)
    ids = ids or RecordIds.of(records)
    survey_ids(records, lines, findings, ids)
    _survey_timestamps(timestamps or timestamps_of(records), lines, findings)
    if ids.records_with_products == len(records) and _IS_SUSPICIOUS.keys().isdisjoint(types):
        return
    for i in _suspicious(types, records):
        name, record = types[i], records[i]
        if name in _OF_PRODUCTS and "product_ids" not in record:
            _warn_of_missing_products(name, record, lines[i], findings)
        if name in _IS_SUSPICIOUS and _IS_SUSPICIOUS[name](record):
            for warning in _warnings(record):
                findings.warn(warning, lines[i])


def _suspicious(types: Sequence[str], records: Sequence[Record]) -> list[int]:
    """Return the indices of the few records that need a warning."""
    without_products = [i for i, record in enumerate(records) if "product_ids" not in record]
    found = {i for i in without_products if types[i] in _OF_PRODUCTS}
    candidates = [i for i, name in enumerate(types) if name in _IS_SUSPICIOUS]
    found.update(i for i in candidates if _IS_SUSPICIOUS[types[i]](records[i]))
    return sorted(found)


def _survey_timestamps(timestamps: Timestamps, lines: Sequence[int], findings: Findings) -> None:
    texts, alike = timestamps
    candidates = [text for text in texts if text is not None]
    if alike is not None:
        candidates = [alike.first, alike.last]
    times = [time for time in map(parse_rfc3339, candidates) if time is not None]
    if not times:
        return
    first, last = min(times), max(times)
    findings.extend_time_range(first, last)
    now = datetime.now(UTC)
    if first >= EARLIEST and last <= now:
        return
    for text, line in zip(texts, lines, strict=True):
        time = None if text is None else parse_rfc3339(text)
        if time is not None and time < EARLIEST:
            findings.warn(Reason("timestamp", "is before the year 2000", quoted(text)), line)
        elif time is not None and time > now:
            findings.warn(Reason("timestamp", "is in the future", quoted(text)), line)


def _has_suspicious_quantities(record: Record) -> bool:
    quantities = record.get("quantities")
    if quantities is None:
        return False
    if not isinstance(quantities, list):
        quantities = [quantities]
    return (
        not quantities
        or len(quantities) != len(record.get("product_ids", ()))
        or min(quantities) <= 0
    )


def _warn_of_missing_products(name: str, record: Record, line: int, findings: Findings) -> None:
    if "product_group_ids" not in record:
        article = "an" if name[0] in "aeiou" else "a"
        findings.warn(Reason(f"{article} {name}", "has no product_ids"), line)


_OF_PRODUCTS = frozenset(
    {"product_detail_page_view", "add_to_cart", "remove_from_cart", "checkout", "rate"}
)
_IS_SUSPICIOUS = {
    "search": lambda record: "search" not in record,
    "rate": lambda record: not 0 <= record.get("rating", -1) <= BEST_RATING,
    "add_to_cart": _has_suspicious_quantities,
    "checkout": _has_suspicious_quantities,
}
"""By type, a fast test for whether a record may need a warning. Most records need none."""


def _warnings(record: Record) -> Iterator[Reason]:
    if record["type"] == "search":
        if "search" not in record:
            yield Reason("a search", "has no search.keywords")
    elif record["type"] == "rate":
        rating = record.get("rating")
        if rating is None:
            yield Reason("a rate", "has no rating")
        elif not 0 <= rating <= BEST_RATING:
            yield Reason("rating", "is not between 0 and 5", quoted(rating))
    elif "quantities" in record:
        yield from _warnings_about_quantities(record["quantities"], record.get("product_ids", ()))


def _warnings_about_quantities(quantities: Any, products: Sequence[str]) -> Iterator[Reason]:  # noqa: ANN401
    many = quantities if isinstance(quantities, list) else [quantities]
    if any(quantity <= 0 for quantity in many):
        yield Reason("quantities", "should be positive", quoted(quantities))
    if len(many) != len(products):
        yield Reason(
            "quantities", "differ in number from product_ids", f"({len(many)} for {len(products)})"
        )
