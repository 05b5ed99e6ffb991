"""Fetches the unconverted value of a rule from a row that has it in several columns or in parts.

A null word in one of the columns is returned as the value, so that it is counted where it is left
out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.transform.mapping.paths import ABSENT, getter
from miso_upload.transform.mapping.templates import parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from miso_upload.values.null_words import NullWords

Row = dict[str, Any]


def first_of(getters: list[Callable[[Row], Any]], nulls: NullWords | None) -> Callable[[Row], Any]:
    """Return the function that returns the first value that is no null word."""

    def fetch(row: Row) -> Any:  # noqa: ANN401 -- any JSON value
        word: Any = ABSENT
        for get in getters:
            value = get(row)
            if value not in (ABSENT, None, ""):
                if nulls is None or nulls.found(value) is None:
                    return value
                word = value
        return word  # a null word is counted where it is left out

    return fetch


def all_of(getters: list[Callable[[Row], Any]], nulls: NullWords | None) -> Callable[[Row], Any]:
    """Return the function that returns the values of all columns, or `ABSENT`."""

    def fetch(row: Row) -> Any:  # noqa: ANN401
        values = tuple(get(row) for get in getters)
        if any(value in (ABSENT, None, "") for value in values):
            return ABSENT
        return values if nulls is None else _null_among(values, nulls, values)

    return fetch


def _null_among(values: Iterable[Any], nulls: NullWords, otherwise: Any) -> Any:  # noqa: ANN401
    """Return the first null word among values, which is counted where it is left out."""
    return next((value for value in values if nulls.found(value) is not None), otherwise)


def joined(
    getters: list[Callable[[Row], Any]], separator: str, nulls: NullWords | None
) -> Callable[[Row], Any]:
    """Return the function that joins the values of all columns, or returns `ABSENT`."""

    def fetch(row: Row) -> Any:  # noqa: ANN401
        values = [get(row) for get in getters]
        if any(value in (ABSENT, None, "") for value in values):
            return ABSENT
        joined = separator.join(map(str, values))
        return joined if nulls is None else _null_among(values, nulls, joined)

    return fetch


def cookie(fetch_header: Callable[[Row], Any], name: str) -> Callable[[Row], Any]:
    """Return the function that returns one cookie of a Cookie header."""

    def fetch(row: Row) -> Any:  # noqa: ANN401
        header = fetch_header(row)
        if isinstance(header, str) and name in header:
            for pair in header.split(";"):
                key, _, value = pair.partition("=")
                if key.strip() == name:
                    return value.strip().strip('"')
        return ABSENT

    return fetch


def on_base(fetch_value: Callable[[Row], Any], bases: tuple[str, ...]) -> Callable[[Row], Any]:
    """Return the function that puts a base before a value that starts with a slash."""
    fill_in = [filled_in(base) for base in bases]

    def fetch(row: Row) -> Any:  # noqa: ANN401
        value = fetch_value(row)
        if isinstance(value, str) and value.startswith("/"):
            for fill in fill_in:
                base = fill(row)
                if base is not ABSENT:
                    return base.rstrip("/") + value
        return value

    return fetch


def filled_in(template: str, nulls: NullWords | None = None) -> Callable[[Row], Any]:
    """Return the function that fills in a template, or returns `ABSENT`."""
    parts = [literal if name is None else getter(name) for literal, name in parts_of(template)]

    def fetch(row: Row) -> Any:  # noqa: ANN401
        text = []
        for part in parts:
            value = part if isinstance(part, str) else part(row)
            if value in (ABSENT, None, ""):
                return ABSENT
            if nulls is not None and part is not value and nulls.found(value) is not None:
                return value
            text.append(str(value))
        return "".join(text)

    return fetch
