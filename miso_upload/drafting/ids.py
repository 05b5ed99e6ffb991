"""Finds the columns with the ids of users, visitors and products."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from miso_upload.drafting import vocabulary as known
from miso_upload.drafting.column_choice import alternatives, for_example, plain, ranked
from miso_upload.drafting.draft import Guess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.drafting.columns import Column

_OTHERS = frozenset({
    "seller", "parent", "referrer", "refr", "previous", "vendor", "merchant", "brand", "category",
    "employee", "staff", "author", "creator", "page", "app", "tenant", "store", "shop",
})  # fmt: skip
"""Words in the names of other ids."""
_FLOAT = re.compile(r"\d+\.0+")
_RANDOM = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{32,64}")
_SEPARATORS = (",", ";", "|", " ")
_ONE = re.compile(r"[\w.:/-]+")
_MOST_REPEATED = 0.95
_SEPARATED = 0.02


def user_column(columns: Sequence[Column]) -> Column | None:
    """Return the column of the user's id."""
    usable = [column for column in plain(columns) if not _OTHERS & set(column.words)]
    visitors = {column.path for column in ranked(usable, (*known.VISITOR, *known.SESSION))}
    found = ranked(usable, known.USER, endings=True)
    return next((column for column in found if column.path not in visitors), None)


def user_guess(column: Column) -> Guess:
    """Return the guess that a column is the user's id."""
    unsure = []
    if any("@" in text for text in column.distinct):
        unsure.append("these are e-mail addresses; prefer the id of an account, or a hash.")
    rule: dict[str, Any] = {"column": column.path}
    unsure += _float_ids(column, rule)
    if column.filled < 1:
        none = column.rows - len(column.values)
        unsure.append(f"{none:,} of {column.rows:,} rows have no value.")
    return Guess("user_id", rule, for_example(column), tuple(unsure))


def visitor_guess(columns: Sequence[Column], *, user_always: bool) -> Guess | None:
    """Return the guess for the id of a visitor who is not signed in.

    A session is not a visitor. It is used only if some rows have no user.
    """
    usable = plain(columns)
    found = ranked(usable, known.VISITOR)
    sessions = ranked(usable, known.SESSION)
    rest = [column for column in (*found, *sessions) if column.filled > 0]
    if not rest or (user_always and not found):
        return None
    column = rest[0]
    unsure = []
    if column in sessions:
        unsure.append("this is a session, so several visits of one person are not connected.")
    if column.filled < 1:
        none = column.rows - len(column.values)
        unsure.append(f"{none:,} of {column.rows:,} rows have no value.")
    rule: dict[str, Any] = {"column": column.path}
    unsure += _float_ids(column, rule)
    unsure += alternatives("anonymous_id", rest[1:])
    return Guess("anonymous_id", rule, for_example(column), tuple(unsure))


def visitor_by_values(columns: Sequence[Column]) -> Guess | None:
    """Return the guess for a visitor by values only: random ids that recur."""
    for column in plain(columns):
        repeated = len(column.distinct) / max(1, len(column.values))
        random = column.share(_RANDOM.fullmatch(text) is not None for text in column.distinct)
        if random > _MOST_REPEATED and 0 < repeated < _MOST_REPEATED:
            unsure = "this is guessed from the values only: they are random ids, and some recur."
            return Guess("anonymous_id", {"column": column.path}, for_example(column), (unsure,))
    return None


def product_guess(columns: Sequence[Column], *, wanted: bool) -> Guess | None:
    """Return the guess for the products, one or several in a row."""
    if not wanted:
        return None
    found = [column for column in ranked(columns, known.PRODUCT, endings=True) if _usable(column)]
    unsure: list[str] = []
    if not found:
        found = [column for column in columns if _may_be_product(column)]
        if not found:
            return None
        unsure.append("this is guessed from the form of the values only.")
    column = found[0]
    rule: dict[str, Any] = {"column": column.path}
    separator = None if column.in_list or column.has_lists else separator_of(column)
    if separator is not None:
        rule["split"] = separator
        unsure.append(f"cells are split at {separator!r}.")
    unsure += _float_ids(column, rule)
    unsure += alternatives("product_ids", [each for each in found[1:] if not _same(each, column)])
    return Guess("product_ids", rule, for_example(column), tuple(unsure))


def _float_ids(column: Column, rule: dict[str, Any]) -> list[str]:
    """Let a rule read ids such as 123.0 as integers if there are any, and return the doubt."""
    example = next((text for text in column.distinct if _FLOAT.fullmatch(text)), None)
    if example is None:
        return []
    rule["float_ids"] = "integer"
    whole = example.partition(".")[0]
    doubt = (
        f"ids such as {example} are numbers that a program wrote with a fraction. They are read as "
        f"{whole}; make sure that Miso has the same ids."
    )
    return [doubt]


def separator_of(column: Column) -> str | None:
    """Return the separator of the values in a cell; None if cells contain one value."""
    texts = [text for text in column.distinct if not text.startswith("[")]
    for separator in _SEPARATORS:
        several = [text for text in texts if separator in text.strip()]
        if len(several) <= _SEPARATED * len(texts):
            continue
        parts = [part.strip() for text in texts for part in text.split(separator)]
        alike = all(_ONE.fullmatch(part) for part in parts if part)
        digits = separator != " " or all(any(map(str.isdigit, part)) for part in parts if part)
        if alike and digits:
            return separator
    return None


def _usable(column: Column) -> bool:
    nested = column.path.count("[]") > 1 or any(
        isinstance(item, list | dict)
        for _, value in column.values if isinstance(value, list) for item in value
    )  # fmt: skip
    of_other = column.names[0] not in known.PRODUCT and bool(_OTHERS & set(column.words))
    return bool(column.values) and column.may_be_id and not nested and not of_other


def _may_be_product(column: Column) -> bool:
    """Return whether a column without a known name contains ids of things: codes that recur."""
    if not _usable(column) or known.rank(column.names, (*known.ORDER, *known.SESSION)) is not None:
        return False
    if not {"id", "code", "number", "key"} & set(column.words[-1:]):
        return False
    repeated = len(column.distinct) / max(1, len(column.texts))
    recurs = len(column.distinct) > 1 and repeated < _MOST_REPEATED
    return recurs and column.filled > _MOST_REPEATED


def _same(one: Column, other: Column) -> bool:
    return one.distinct == other.distinct
