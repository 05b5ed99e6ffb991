"""Cleans ids, lists and numbers: trims blanks, leaves out null words, refuses ids with a fraction.

A *null word* is text that a program writes where it has no value, such as `NULL` or `undefined`. It
is absent in ids, lists and numbers. Text that people write, such as a title, is never changed.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from miso_upload.transform.mapping.cells import CellError, Noted, converter, items_of, to_number
from miso_upload.transform.mapping.paths import ABSENT
from miso_upload.transform.schema.schema import Kind
from miso_upload.values.null_words import BLANKS, DEFAULT_NULL_WORDS, NullWords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from miso_upload.transform.mapping.cells import ConvertAll

    Convert: TypeAlias = Callable[[Any], Any]

CLEANED = frozenset({Kind.TEXTS, Kind.NUMBER, Kind.NUMBERS})
_TEXT_ONLY, _LIST_ONLY, _NUMBERS_ONLY = {str}, {list}, frozenset({int, float})
_FLOAT = re.compile(r"(-?[0-9]+)\.0+")
_MOST_DIGITS = 15
"""A float keeps this many digits of an integer."""


class Cleaning(NamedTuple):
    """How ids, lists and numbers are cleaned.

    Attributes:
        nulls: The words that mean no value.
        reads_floats: Whether an id such as `123.0` is read as `123`; if not, it is refused.
    """

    nulls: NullWords = NullWords(DEFAULT_NULL_WORDS)
    reads_floats: bool = False

    def id_of(self, value: Any) -> Any:  # noqa: ANN401 -- any JSON value
        """Return an id without blanks around it; any value but text and floats is unchanged.

        Raises:
            CellError: It is a whole number with a fraction.
        """
        if type(value) is str:
            text = value.strip(BLANKS)
            found = _FLOAT.fullmatch(text) if ".0" in text else None
            return text if found is None else self._integer(found[1])
        if type(value) is float and value.is_integer():
            return self._integer(str(int(value)))
        return value

    def changes(self, texts: Sequence[str], *, are_ids: bool) -> bool:
        """Return whether one of these texts, such as the items of lists, is not taken unchanged."""
        return not self.nulls.items.isdisjoint(texts) or needs_care(texts, are_ids=are_ids)

    def _integer(self, digits: str) -> str:
        if not self.reads_floats:
            raise CellError(
                'is a number with a fraction, which is no id; float_ids = "integer" reads 123.0 '
                "as 123"
            )
        if len(digits.lstrip("-0")) > _MOST_DIGITS:
            raise CellError("has more digits than a number with a fraction can keep")
        return digits


def is_id(attribute: str) -> bool:
    """Return whether an attribute holds ids, by its name."""
    return attribute.endswith(("_id", "_ids"))


def is_cleaned(attribute: str, kind: Kind) -> bool:
    """Return whether null words are absent in an attribute."""
    return kind in CLEANED or (kind is Kind.TEXT and is_id(attribute))


def cleaning_converter(
    kind: Kind,
    separator: str | None,
    cleaning: Cleaning,
    *,
    are_ids: bool,
    number: Convert = to_number,
) -> Convert:
    """Return the function that converts a cell to `kind`, cleaned.

    The function does not look for null words that are the whole cell, because a default may take
    their place. It raises `CellError` if it cannot convert a value.

    Args:
        kind: What the schema asks for.
        separator: The separator of the values in a cell.
        cleaning: How ids, lists and numbers are cleaned.
        are_ids: Whether the values are ids.
        number: Converts one number.
    """
    if kind is Kind.NUMBER:
        return number
    convert = converter(Kind.TEXT if kind is Kind.TEXTS else kind, separator)
    if kind is Kind.TEXT:
        return (lambda value: convert(cleaning.id_of(value))) if are_ids else convert
    if kind is Kind.TEXTS:
        return lambda value: _cleaned_items(
            items_of(value, separator), cleaning, convert, are_ids=are_ids
        )
    if kind is not Kind.NUMBERS:
        return convert

    def to_numbers(value: Any) -> Any:  # noqa: ANN401
        items = items_of(value, separator)
        if len(items) == 1 and items == [value]:
            return number(value)
        return _cleaned_items(items, cleaning, number, are_ids=False)

    return to_numbers


def cleaning_json_converter(kind: Kind, cleaning: Cleaning, *, are_ids: bool) -> Convert:
    """Return the function that cleans a JSON value and leaves its type to the validator."""

    def clean(value: Any) -> Any:  # noqa: ANN401
        return cleaning.id_of(value) if are_ids else value

    def clean_list(value: Any) -> Any:  # noqa: ANN401
        if type(value) is not list:
            return value
        return _cleaned_items(value, cleaning, clean, are_ids=are_ids)

    if kind in (Kind.TEXTS, Kind.NUMBERS):
        return clean_list
    return clean


def cleaned_columns(
    convert_all: ConvertAll | None, kind: Kind, *, are_ids: bool
) -> ConvertAll | None:
    """Return `convert_all` for columns that need no cleaning, and None for the others."""
    if convert_all is None or not (are_ids or kind is Kind.TEXTS):
        return convert_all

    def convert(cells: list[Any]) -> list[Any] | None:
        values = convert_all(cells)
        if values is None or needs_care(cells, are_ids=are_ids):
            return None
        return values

    return convert


def json_columns(kind: Kind, cleaning: Cleaning, *, are_ids: bool) -> ConvertAll:
    """Return the function that returns a column of JSON values, or None if one may change."""

    def convert(cells: list[Any]) -> list[Any] | None:
        kinds = set(map(type, cells))
        if kinds <= _NUMBERS_ONLY and not are_ids:
            return cells
        texts = cells
        if kinds == _LIST_ONLY:
            texts = list(chain.from_iterable(cells))
            kinds = set(map(type, texts))
            if kinds <= _NUMBERS_ONLY and not are_ids:
                return cells
        elif kind in (Kind.TEXTS, Kind.NUMBERS):
            return None
        if kinds and kinds != _TEXT_ONLY:
            return None
        return None if cleaning.changes(texts, are_ids=are_ids) else cells

    return convert


def needs_care(texts: Sequence[str], *, are_ids: bool) -> bool:
    """Return whether one of these texts has blanks around it, or is an id with a fraction."""
    return may_need_care("|".join(["", *texts, ""])) and any(
        text.strip(BLANKS) != text or (are_ids and _FLOAT.fullmatch(text) is not None)
        for text in texts
    )


def may_need_care(joined: str) -> bool:
    """Return whether one of the texts between bars may have blanks around it or a fraction.

    Each search for one character costs next to nothing, so these go first.
    """
    return (
        (" " in joined and (" |" in joined or "| " in joined))
        or ("." in joined and ".0" in joined)
        or any(blank in joined for blank in BLANKS[1:])
    )


def _cleaned_items(
    items: Iterable[Any], cleaning: Cleaning, convert: Convert, *, are_ids: bool
) -> Any:  # noqa: ANN401
    """Return the converted items of a list; `ABSENT` if all of them are null words."""
    values: list[Any] = []
    notes: list[tuple[str, str]] = []
    for item in items:
        value = item.strip(BLANKS) if type(item) is str else item
        word = cleaning.nulls.item(value)
        if word is not None:
            notes.append(("null", word))
            continue
        value = convert(cleaning.id_of(value) if are_ids else value)
        if type(value) is Noted:
            notes += value.notes
            value = value.value
        values.append(value)
    if not notes:
        return values
    return Noted(values or ABSENT, tuple(notes))
