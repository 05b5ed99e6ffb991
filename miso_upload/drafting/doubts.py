"""Decides which guesses are too likely to be wrong to be active in a draft.

Such a guess is written as a comment with the reason, so that the user can switch it on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.drafting.columns import Column
    from miso_upload.drafting.draft import Guess

_IDS = frozenset({"user_id", "anonymous_id"})
_FEWEST_ROWS = 10
"""In fewer rows, equal values may be a coincidence."""
_MOST = 0.5


def reason_against(guess: Guess, columns: Sequence[Column]) -> str:
    """Return why a guess must not be active; empty if it may be.

    Args:
        guess: The guess.
        columns: The columns of the sample.
    """
    if guess.attribute not in _IDS | {"product_ids"}:
        return ""
    path = guess.rule.get("column")
    column = next((each for each in columns if each.path == path), None)
    if column is None or column.in_list or column.has_lists:
        return ""
    if guess.attribute in _IDS and is_email(column):
        return (
            "These are e-mail addresses, which should not be sent as ids. Replace them by the id "
            "of an account, or by a hash, in the file or with --transform."
        )
    if len(column.values) >= _FEWEST_ROWS and len(column.distinct) == 1:
        what = "product" if guess.attribute == "product_ids" else "person"
        return f"All rows of the sample have the same value, so it is hardly the id of a {what}."
    return ""


def is_email(column: Column) -> bool:
    """Return whether most values of a column are e-mail addresses."""
    return column.share("@" in text for text in column.distinct) > _MOST
