"""Knows the words that programs write where they have no value, such as `NULL` and `undefined`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BLANKS = " \t\n\r\v\f"
"""ASCII white space, which is trimmed around ids, numbers, timestamps and the items of lists."""

DEFAULT_NULL_WORDS = (
    "NULL", "(null)", "<null>", "\\N", "None", "(none)", "nil", "<nil>", "NaN", "NaT", "<NA>", "NA",
    "N/A", "#N/A", "#NULL!", "undefined", "(undefined)", "not set", "(not set)", "(not provided)",
    "(empty)", "(blank)", "[object Object]", "[null]", "-", "--",
    "00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000",
    "{00000000-0000-0000-0000-000000000000}",
)  # fmt: skip
"""The words that are absent unless the user lists others; see docs/mapping.md."""

_BLANK = "(blank)"
_DEFAULT = "default"


class NullWords:
    """Words that mean no value. Each counts in lower case, in upper case and capitalized too.

    Args:
        words: The words.

    Attributes:
        spellings: All spellings of the words.
        items: The same and empty text, which is no item of a list.
    """

    __slots__ = ("items", "spellings")

    def __init__(self, words: Iterable[str]) -> None:
        given = [word.strip(BLANKS) for word in words]
        self.spellings = frozenset(
            spelling
            for word in given
            if word
            for spelling in (word, word.lower(), word.upper(), word.capitalize())
        )
        self.items = self.spellings | {""}

    def without(self, words: Iterable[str]) -> NullWords:
        """Return the same words without the ones that the user gave a meaning."""
        fewer = NullWords(())
        fewer.spellings = self.spellings.difference(words)
        fewer.items = fewer.spellings | {""}
        return fewer

    def found(self, value: object) -> str | None:
        """Return the null word that a value is, without blanks; None if it is a value or empty."""
        return self.item(value) if value != "" else None

    def item(self, value: object) -> str | None:
        """Return the null word that an item of a list is; None if it is a value."""
        if type(value) is not str:
            return None
        text = value.strip(BLANKS)
        if not text:
            return _BLANK
        return text if text in self.spellings else None

    def are_among(self, values: Sequence[object]) -> bool:
        """Return whether one of the values is exactly a null word."""
        try:
            return not self.spellings.isdisjoint(values)
        except TypeError:  # lists and objects
            return any(type(value) is str and value in self.spellings for value in values)


def null_words(given: Iterable[str]) -> tuple[str, ...]:
    """Return the words of an option: each text may hold several, separated by commas.

    `default` is replaced by the default words. Without any texts, the result is the default words;
    with empty texts only, nothing is a null word.
    """
    given = tuple(given) or (_DEFAULT,)
    words = [word.strip(BLANKS) for text in given for word in text.split(",")]
    found: list[str] = []
    for word in words:
        found += DEFAULT_NULL_WORDS if word == _DEFAULT else [word] if word else []
    return tuple(dict.fromkeys(found))
