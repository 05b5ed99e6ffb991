"""Finds the columns of quantities, revenues and ratings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from miso_upload.drafting import vocabulary as known
from miso_upload.drafting.column_choice import alternatives, best_of, for_example, ranked
from miso_upload.drafting.conventions import NULLS, convention_of
from miso_upload.drafting.draft import Guess
from miso_upload.drafting.ids import separator_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.drafting.columns import Column

_ENOUGH = 0.9
_BEST = 5.0
"""The highest rating that Miso accepts."""
_SCALES = (10.0, 20.0, 100.0)


def quantity_guess(
    columns: Sequence[Column], product: Guess | None
) -> tuple[Guess | None, tuple[dict[str, Any], str] | None]:
    """Return the guess for the quantity of each product, and the rows to skip because of it."""
    path = product.rule["column"] if product else ""
    top = path.rpartition("[]")[0]
    for column in ranked(columns, known.QUANTITY):
        if column.top != top or column.path.count("[]") > 1 or None in column.scalars:
            continue
        rule: dict[str, Any] = {"column": column.path}
        separator = product.rule.get("split") if product else None
        if separator and separator_of(column) == separator:
            rule["split"] = separator
        parts = [part for text in column.texts for part in text.split(separator)]
        numbers = _numbers(parts)
        if len(numbers) < _ENOUGH * max(1, len(parts)):
            continue
        guess = _in_convention(Guess("quantities", rule, for_example(column)), parts)
        if min(numbers) >= 0 or column.in_list or "split" in rule:
            return guess, None
        below = sum(number < 0 for number in numbers)
        why = (
            f"{below:,} of {column.rows:,} rows have a negative {column.path}. They seem to be "
            "returns or cancellations, which are not purchases."
        )
        return guess, ({"name": "negative quantity", "column": column.path, "below": 0}, why)
    return None, None


def revenue_guess(
    columns: Sequence[Column], currencies: Column | None, *, has_quantity: bool
) -> Guess | None:
    """Return the guess for the revenue of an order."""
    found = [column for column in ranked(columns, known.REVENUE) if _is_number(column)]
    unsure: list[str] = []
    if found:
        column = found[0]
        unsure += alternatives("revenue", found[1:])
    else:
        price = best_of(columns, known.PRICE)
        if price is None or has_quantity or not _is_number(price):
            return None
        column = price
        unsure.append(
            "this is the price of one product; it is the revenue only if the quantity is 1."
        )
    if currencies is not None and len(currencies.distinct) > 1:
        named = ", ".join(currencies.distinct[:5])
        unsure.append(f"there are several currencies ({named}), but Miso does not convert them.")
    return _in_convention(Guess("revenue", {"column": column.path}, for_example(column),
                                tuple(unsure)), column.texts)  # fmt: skip


def rating_guess(columns: Sequence[Column]) -> Guess | None:
    """Return the guess for a rating, scaled to Miso's range from 0 to 5."""
    for column in ranked(columns, known.RATING):
        numbers = _numbers(column.texts)
        if not _is_number(column):
            continue
        most, least = max(numbers), min(numbers)
        rule: dict[str, Any] = {"column": column.path}
        unsure = []
        if most > _BEST:
            scale = next((each for each in _SCALES if most <= each), most)
            rule["scale"] = _BEST / scale
            unsure.append(
                f"the highest value in the sample is {most:g}, so 0 to {scale:g} is scaled to "
                "0 to 5."
            )
        if least < 0:
            rule["min"] = 0
            unsure.append("negative ratings are rejected; they may mean that there is no rating.")
        comment = f"from {least:g} to {most:g} in the sample"
        return _in_convention(Guess("rating", rule, comment, tuple(unsure)), column.texts)
    return None


def _is_number(column: Column) -> bool:
    if column.in_list or column.has_lists or not column.texts:
        return False
    given = [text for text in column.texts if NULLS.item(text) is None]
    return bool(given) and len(_numbers(given)) >= _ENOUGH * len(given)


def _numbers(texts: Sequence[str]) -> list[float]:
    found = convention_of(texts)
    return [] if found is None else found.numbers


def _in_convention(guess: Guess, texts: Sequence[str]) -> Guess:
    """Return the guess with the keys for the convention of its numbers."""
    found = convention_of(texts)
    if found is None or not found.rule:
        return guess
    if found.other is None:
        return replace(guess, rule=guess.rule | found.rule)
    choices = (("decimal", found.rule["decimal"]), ("decimal", found.other["decimal"]))
    return replace(
        guess,
        choices=choices,
        choice="no value in the sample shows whether the comma or the point is the decimal mark.",
    )
