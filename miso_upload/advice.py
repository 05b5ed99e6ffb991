"""What is odd about records that the schema allows: counted and shown, never a rejection.

The rules are prose in Miso's API description, which its schema does not enforce: ratings from 0 to
5, one positive quantity for each product, a `search` for each search. No rule of Miso's, but nearly
always a mistake: timestamps before 2000 or in the future, a unit or a zone that was misread; and a
view or a purchase of no product, from which nobody learns anything.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import compress
from operator import or_
from typing import TYPE_CHECKING, Any

from miso_upload.quoting import quoted
from miso_upload.records import Reason
from miso_upload.timestamps import parse_rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from miso_upload.records import Findings, Record

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
BEST_RATING = 5
_OFFSET = len("+01:00")


def survey(records: Sequence[Record], lines: Sequence[int], findings: Findings) -> None:
    """Count what `records`, which stand at `lines`, are and what is odd about them."""
    types = [record["type"] for record in records]
    findings.types.update(types)
    _count_ids(records, findings)
    _survey_times(records, lines, findings)
    looked_at = [
        place
        for place, (name, record) in enumerate(zip(types, records, strict=True))
        if name in _ODD or "product_ids" not in record
    ]
    for place in looked_at:
        name, record = types[place], records[place]
        if name in _OF_PRODUCTS and "product_ids" not in record:
            _miss_products(name, record, lines[place], findings)
        if name in _ODD and _ODD[name](record):
            for reason in _advice(record):
                findings.warn(reason, lines[place])


def _count_ids(records: Sequence[Record], findings: Findings) -> None:
    users = [("user_id" in record) for record in records]
    visitors = [("anonymous_id" in record) for record in records]
    findings.ids["user_id"] += sum(users)
    findings.ids["anonymous_id"] += sum(visitors)
    neither = len(records) - sum(map(or_, users, visitors))
    if neither:
        findings.ids["neither"] += neither


def _survey_times(records: Sequence[Record], lines: Sequence[int], findings: Findings) -> None:
    texts = [record["timestamp"] for record in records if "timestamp" in record]
    if not texts:
        return
    # Where they are alike, they are in the order of time.
    of_interest = [min(texts), max(texts)] if _are_alike(texts) else texts
    times = [time for time in map(parse_rfc3339, of_interest) if time is not None]
    if not times:
        return
    first, last = min(times), max(times)
    findings.saw(first, last)
    now = datetime.now(UTC)
    if first >= EARLIEST and last <= now:
        return
    stamped = ["timestamp" in record for record in records]
    for text, line in zip(texts, compress(lines, stamped), strict=True):
        time = parse_rfc3339(text)
        if time is not None and time < EARLIEST:
            findings.warn(Reason("timestamp", "is before the year 2000", quoted(text)), line)
        elif time is not None and time > now:
            findings.warn(Reason("timestamp", "is in the future", quoted(text)), line)


def _are_alike(times: Sequence[str]) -> bool:
    """Return whether times are written with the same digits and the same offset."""
    if len(set(map(len, times))) != 1:
        return False
    return {time[-1] for time in times} == {"Z"} or len({time[-_OFFSET:] for time in times}) == 1


def _has_odd_quantities(record: Record) -> bool:
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


def _miss_products(name: str, record: Record, line: int, findings: Findings) -> None:
    if "product_group_ids" not in record:
        article = "an" if name[0] in "aeiou" else "a"
        findings.warn(Reason(f"{article} {name}", "has no product_ids"), line)


_OF_PRODUCTS = frozenset(
    {"product_detail_page_view", "add_to_cart", "remove_from_cart", "checkout", "rate"}
)
_ODD = {
    "search": lambda record: "search" not in record,
    "rate": lambda record: not 0 <= record.get("rating", -1) <= BEST_RATING,
    "add_to_cart": _has_odd_quantities,
    "checkout": _has_odd_quantities,
}
"""For the types with advice, whether there may be some; most records have nothing odd."""


def _advice(record: Record) -> Iterator[Reason]:
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
        yield from _advice_on_quantities(record["quantities"], record.get("product_ids", ()))


def _advice_on_quantities(quantities: Any, products: Sequence[str]) -> Iterator[Reason]:  # noqa: ANN401
    many = quantities if isinstance(quantities, list) else [quantities]
    if any(quantity <= 0 for quantity in many):
        yield Reason("quantities", "should be positive", quoted(quantities))
    if len(many) != len(products):
        yield Reason(
            "quantities", "are not as many as product_ids", f"({len(many)} for {len(products)})"
        )
