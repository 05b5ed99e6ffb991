"""The steps of one rule, as the user configured them. `steps` compiles them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from miso_upload.transform.mapping.lookup_tables import LookupTable

SHA256 = "sha256"
HMAC_SHA256 = "hmac-sha256"


class Replacement(NamedTuple):
    """Text to replace.

    Attributes:
        text: The text, or the regular expression.
        by: The text instead.
        is_regex: Whether `text` is a regular expression.
    """

    text: str
    by: str
    is_regex: bool = False


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of one rule, as in the mapping file.

    Attributes:
        strip: Characters to remove at both ends; empty text removes white space.
        replace: Texts to replace, one after the other.
        case: Change letters to lower or upper case.
        extract: A regular expression; the value is what one of its groups matches.
        group: The group of `extract`; None for the first one.
        item: The pattern of an item, such as `{product_ids} x {quantities}`.
        leader: The attribute in `item` that `lookup` and `hash` apply to.
        taken: The attribute in `item` that becomes the value; None for the leader.
        lookup: The table that translates values.
        hash: The method to replace a text by its hash.
    """

    strip: str | None = None
    replace: tuple[Replacement, ...] = ()
    case: Literal["lower", "upper"] | None = None
    extract: str | None = None
    group: str | None = None
    item: str | None = None
    leader: str | None = None
    taken: str | None = None
    lookup: LookupTable | None = field(default=None, hash=False)
    hash: str | None = None

    @property
    def divides(self) -> bool:
        """Whether some of the steps apply to each item of a list."""
        return self.item is not None or self.lookup is not None or self.hash is not None


NO_STEPS = Steps()
