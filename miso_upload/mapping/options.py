"""What the user says about columns and constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class MappingOptions:
    """How columns become attributes.

    Attributes:
        columns: `(attribute, column)` pairs; a column may be a dotted path into nested objects.
        constants: `(attribute, value)` pairs for every row, or for rows whose column is empty.
        list_separator: What separates the values of a list in one cell; None means one value.
        strict: A column that becomes nothing is an error.
    """

    columns: tuple[tuple[str, str], ...] = ()
    constants: tuple[tuple[str, str], ...] = ()
    list_separator: str | None = None
    strict: bool = False


def parse_assignments(option: str, texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return `ATTRIBUTE=VALUE` texts as pairs.

    Raises:
        ConfigurationError: A text has no `=`, or an attribute is given twice.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        attribute, mark, value = text.partition("=")
        attribute = attribute.strip()
        if not mark or not attribute or not value:
            raise ConfigurationError(
                f"{option} {text}: write ATTRIBUTE=..., as in {option} product_ids=sku"
            )
        if attribute in pairs:
            raise ConfigurationError(f"{option} {text}: {attribute} is given twice")
        pairs[attribute] = value
    return tuple(pairs.items())
