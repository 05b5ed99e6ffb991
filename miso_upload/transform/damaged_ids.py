"""Warns about ids that a spreadsheet or a program damaged, and counts each kind of damage.

A damaged id is valid for Miso but matches no user and no product. The ids of a slice are searched
as one text, so a slice without damage costs a few calls.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from miso_upload.records import Reason
from miso_upload.values.display import quoted
from miso_upload.values.null_words import NullWords

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.records import Findings, Record

_PEOPLE = ("user_id", "anonymous_id")
_PRODUCTS = ("product_ids", "product_group_ids")
_PLACEHOLDERS = NullWords(
    ("0", "-1", "anonymous", "anon", "guest", "unknown", "nobody", "test", "user", "visitor")
).spellings
_NO_PRODUCTS = NullWords(("0", "-1", "unknown", "test")).spellings
_SIGNS = ('="', "#", "E+", "e+", "|'", "\ufffd")
_SCIENTIFIC = re.compile(r"[+-]?[0-9](?:\.[0-9]+)?[eE]\+[0-9]+|[+-]?[0-9]\.[0-9]+[eE][0-9]+")
_SCIENTIFIC_INSIDE = re.compile(r"[0-9]\.[0-9]+[eE][0-9]")
_ERROR = re.compile(r"#(?:REF|NAME|VALUE|DIV/0|NUM|SPILL|CALC|FIELD)[!?]|#+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_EMAIL_AS_ID = Reason(
    "user_id", "is an e-mail address. Possible fix: map the id of the account, or a hash"
)


def survey_ids(records: Sequence[Record], lines: Sequence[int], findings: Findings) -> None:
    """Count the ids of valid records, and warn about those that look damaged.

    Args:
        records: At least one record.
        lines: The line of each record.
        findings: The counts and warnings are added here.
    """
    people = [values_of(name, records) for name in _PEOPLE]
    for name, ids in zip(_PEOPLE, people, strict=True):
        findings.count_ids(name, ids)
    products = [values_of(name, records) for name in _PRODUCTS]
    try:
        items = list(chain.from_iterable(chain.from_iterable(products)))
        is_usual = (
            _PLACEHOLDERS.isdisjoint(chain.from_iterable(people))
            and _NO_PRODUCTS.isdisjoint(items)
            and not _is_suspicious("|".join(["", *chain.from_iterable(people), *items]), people[0])
        )
    except TypeError:  # a schema of the user may accept other values
        is_usual = False
    if not is_usual:
        for record, line in zip(records, lines, strict=True):
            for reason in _warnings(record):
                findings.warn(reason, line)


def values_of(name: str, records: Sequence[Record]) -> list[Any]:
    """Return the values of an attribute in the records that have it."""
    try:
        return list(map(itemgetter(name), records))
    except KeyError:
        return [record[name] for record in records if name in record]


def _is_suspicious(joined: str, users: Sequence[str]) -> bool:
    """Return whether one of the ids in `joined` may be damaged."""
    return (
        not joined.isprintable()
        or any(sign in joined for sign in _SIGNS)
        or ("." in joined and _SCIENTIFIC_INSIDE.search(joined) is not None)
        or ("@" in joined and any("@" in user for user in users))
    )


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
