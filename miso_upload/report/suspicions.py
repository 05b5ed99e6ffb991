"""Returns the warnings that only the counts of a whole run can give."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.values.display import printable, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.records import Findings

FEWEST_RECORDS = 1_000
COMMON_SHARE = 0.1
"""A rule of thumb: one visitor rarely makes a tenth of 1,000 or more records."""

_LONGEST = 64


class Suspicion(NamedTuple):
    """A warning about a whole run, and the number of records that it is about."""

    text: str
    records: int


def _fix(value: object) -> str:
    """Return how to make an id absent; empty text if the option cannot name it."""
    word = str(value)
    # The option separates words by commas and trims them.
    if "," in word or word != word.strip() or word != printable(word) or len(word) > _LONGEST:
        return ""
    return f". Possible fix: --null-values {shlex.quote(f'default,{word}')}"


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
                f"records is not one visitor{_fix(value)}",
                round(share * total),
            )
    for attribute, currencies in findings.currencies.items():
        if len(currencies) > 1:
            named = ", ".join(
                f"{printable(currency)} {count:,}" for currency, count in currencies.most_common()
            )
            text = f"{attribute} has amounts in several currencies ({named}); Miso converts none"
            yield Suspicion(text, currencies.total())
