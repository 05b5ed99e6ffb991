"""Warns about ids that a spreadsheet or a program damaged, and counts each kind of damage.

A damaged id is valid for Miso but matches no user and no product. The ids of a slice are searched
as one text, so a slice without damage costs a few calls.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from miso_upload.records import Reason
from miso_upload.values.display import quoted
from miso_upload.values.null_words import NullWords

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.records import Findings, Record
    from miso_upload.transform.record_ids import RecordIds

_EITHER = frozenset({"user_id", "anonymous_id"})
_SAMPLED = 32
"""The ids of each slice that are counted, to find common ones."""
_PEOPLE = ("user_id", "anonymous_id")
_PRODUCTS = ("product_ids", "product_group_ids")
_PLACEHOLDERS = NullWords(
    ("0", "-1", "anonymous", "anon", "guest", "unknown", "nobody", "test", "user", "visitor")
).spellings
_NO_PRODUCTS = NullWords(("0", "-1", "unknown", "test")).spellings
_SIGNS = ("=", "#", "'", "\ufffd")
_CONTROLS = tuple(map(chr, (*range(32), 127)))
_SCIENTIFIC = re.compile(r"[+-]?[0-9](?:\.[0-9]+)?[eE]\+[0-9]+|[+-]?[0-9]\.[0-9]+[eE][0-9]+")
_SCIENTIFIC_INSIDE = re.compile(r"[0-9]\.[0-9]+[eE][0-9]")
_ERROR = re.compile(r"#(?:REF|NAME|VALUE|DIV/0|NUM|SPILL|CALC|FIELD)[!?]|#+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_EMAIL_AS_ID = Reason(
    "user_id", "is an e-mail address. Possible fix: map the id of the account, or a hash"
)


def survey_ids(
    records: Sequence[Record], lines: Sequence[int], findings: Findings, ids: RecordIds
) -> None:
    """Count the ids of valid records, and warn about those that look damaged.

    Args:
        records: At least one record.
        lines: The line of each record.
        findings: The counts and warnings are added here.
        ids: The ids of the records.
    """
    findings.ids["user_id"] += len(ids.users)
    findings.ids["anonymous_id"] += len(ids.visitors)
    if len(records) not in (len(ids.users), len(ids.visitors)):
        neither = sum(_EITHER.isdisjoint(record) for record in records)
        if neither:
            findings.ids["neither"] += neither
    findings.sample_ids("user_id", ids.users[:_SAMPLED])
    findings.sample_ids("anonymous_id", ids.visitors[:_SAMPLED])
    if _is_suspicious(ids):
        for record, line in zip(records, lines, strict=True):
            for reason in _warnings(record):
                findings.warn(reason, line)


def _is_suspicious(ids: RecordIds) -> bool:
    """Return whether one of the ids may be damaged."""
    joined = ids.joined
    return (
        joined is None
        or not all(map(_PLACEHOLDERS.isdisjoint, (ids.users, ids.visitors, ids.products)))
        or _has_unprintable(joined)
        or any(sign in joined for sign in _SIGNS)
        or ("+" in joined and ("E+" in joined or "e+" in joined))
        or ("." in joined and _SCIENTIFIC_INSIDE.search(joined) is not None)
        or ("@" in joined and any("@" in user for user in ids.users))
    )


def _has_unprintable(joined: str) -> bool:
    """Return whether a text has a character that nobody can see.

    For ASCII, a search for each control character is faster than looking at each character.
    """
    if joined.isascii():
        return any(map(joined.__contains__, _CONTROLS))
    return not joined.isprintable()


def _warnings(record: Record) -> list[Reason]:
    found: list[Reason] = []
    for name in _PEOPLE:
        value = record.get(name)
        if type(value) is not str:
            continue
        found += _damage(name, value)
        if value in _PLACEHOLDERS:
            found.append(Reason(name, "is a placeholder rather than one visitor", quoted(value)))
        if name == "user_id" and "@" in value and _EMAIL.fullmatch(value):
            found.append(_EMAIL_AS_ID)
    for name in _PRODUCTS:
        values = record.get(name)
        for value in values if type(values) is list else ():
            if type(value) is str:
                found += _damage(name, value)
                if value in _NO_PRODUCTS:
                    found.append(Reason(name, "is a placeholder, not a product", quoted(value)))
    return found


@lru_cache(maxsize=4096)
def _damage(attribute: str, value: str) -> tuple[Reason, ...]:
    """Return a warning for each kind of damage to an id."""
    return tuple(Reason(attribute, problem, quoted(value)) for problem in _problems(value))


def _problems(value: str) -> list[str]:
    problems = []
    if _SCIENTIFIC.fullmatch(value):
        problems.append("is in scientific notation, which a spreadsheet made of a long number")
    if value.startswith('="'):
        problems.append('is formula text (="...") of a spreadsheet')
    elif value.startswith("'"):
        problems.append("begins with an apostrophe, by which a spreadsheet marks text")
    if value.startswith("#") and _ERROR.fullmatch(value):
        problems.append("is an error value of a spreadsheet")
    if "\ufffd" in value:
        problems.append("contains U+FFFD, which replaces characters that could not be decoded")
    if not value.isprintable():
        kinds = {"bom" if char == "\ufeff" else unicodedata.category(char) for char in value}
        if "bom" in kinds:
            problems.append("contains a byte order mark (U+FEFF)")
        if kinds & {"Cf", "Zl", "Zp"} or any(
            char != " " and unicodedata.category(char) == "Zs" for char in value
        ):
            problems.append("contains invisible characters, such as U+200B or U+00A0")
        if "Cc" in kinds:
            problems.append("contains control characters")
    return problems
