"""Returns the warnings that only the counts of a whole run can give."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from miso_upload.values.display import printable, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.records import Findings

FEWEST_RECORDS = 1_000
COMMON_SHARE = 0.1
"""A rule of thumb: one visitor rarely makes a tenth of 1,000 or more records."""


class Suspicion(NamedTuple):
    """A warning about a whole run, and the number of records that it is about."""

    text: str
    records: int


def suspicions(findings: Findings) -> Iterator[Suspicion]:
    """Yield warnings about ids that are too common, and about amounts in several currencies."""
    for attribute, counts in findings.common_ids.items():
        total, sampled = findings.ids[attribute], findings.sampled_ids[attribute]
        for value, count in counts.most_common():
            share = count / sampled
            if total < FEWEST_RECORDS or share < COMMON_SHARE:
                break
            yield Suspicion(
                f"{attribute} {quoted(value)} is on about {share:.0%} of the records, by a sample. "
                f"As a rule of thumb, an id on {COMMON_SHARE:.0%} of {FEWEST_RECORDS:,} or more "
                "records is not one visitor. Possible fix: --null-values",
                round(share * total),
            )
    for attribute, currencies in findings.currencies.items():
        if len(currencies) > 1:
            named = ", ".join(
                f"{printable(currency)} {count:,}" for currency, count in currencies.most_common()
            )
            text = f"{attribute} has amounts in several currencies ({named}); Miso converts none"
            yield Suspicion(text, currencies.total())
