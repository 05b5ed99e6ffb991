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
        total = findings.ids[attribute]
        for value, count in counts.most_common():
            if total < FEWEST_RECORDS or count < COMMON_SHARE * total:
                break
            yield Suspicion(
                f"{attribute} {quoted(value)} has {count / total:.0%} of all records with "
                f"{attribute}. By a rule of thumb, an id with {COMMON_SHARE:.0%} or more of at "
                f"least {FEWEST_RECORDS:,} records is not one visitor. Possible fix: --null-values",
                count,
            )
    for attribute, currencies in findings.currencies.items():
        if len(currencies) > 1:
            named = ", ".join(
                f"{printable(currency)} {count:,}" for currency, count in currencies.most_common()
            )
            text = f"{attribute} has amounts in several currencies ({named}); Miso converts none"
            yield Suspicion(text, currencies.total())
