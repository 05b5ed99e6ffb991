"""Changes the text of a value before it is converted: the steps of a rule, in one fixed order.

    strip -> replace -> lower or upper -> extract -> split and item -> lookup -> hash

The steps before `split` change the whole text of a cell, or each text of a list. The steps after it
change each item. A value that a step does not know is handled as `otherwise` says.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from miso_upload.transform.mapping.cells import CellError, items_of, to_text
from miso_upload.transform.mapping.item_patterns import compile_item
from miso_upload.transform.mapping.outcomes import SkipRow
from miso_upload.transform.mapping.paths import ABSENT
from miso_upload.transform.mapping.regexes import compile_regex
from miso_upload.transform.mapping.step_spec import HMAC_SHA256

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from miso_upload.transform.mapping.step_spec import Replacement, Steps

_MOST_REMEMBERED = 10_000
_LONGEST_REMEMBERED = 200
_NOT_IN_TABLE = "is not in the lookup table"


class Otherwise(NamedTuple):
    """What to do with a value that a step does not know.

    Attributes:
        action: Reject the row, skip it, leave out the value, or keep it.
        skipped_as: The name that skipped rows are counted under.
    """

    action: Literal["reject", "skip", "omit", "keep"]
    skipped_as: str

    def decide(self, value: Any, problem: str) -> Any:  # noqa: ANN401 -- any value of a row
        """Return the value that a step goes on with, or `ABSENT`.

        Raises:
            CellError: The row is rejected.
            SkipRow: The row is skipped.
        """
        if self.action == "keep":
            return value
        if self.action == "omit":
            return ABSENT
        if self.action == "skip":
            raise SkipRow(self.skipped_as)
        raise CellError(problem)


def compile_steps(
    steps: Steps, otherwise: Otherwise, *, separator: str | None, is_list: bool, salt: bytes
) -> Callable[[Any], Any]:
    """Return the function that takes a value through the steps.

    The function returns text, a list of texts, or `ABSENT`. It raises `CellError` for a value that
    is no text, and what `Otherwise.decide` raises.

    Args:
        steps: The steps.
        otherwise: What to do with a value that a step does not know.
        separator: What separates the items of a list in one cell.
        is_list: Whether the attribute is a list.
        salt: The key of the HMAC.
    """
    change = _chain(_text_steps(steps, otherwise))
    change_item = _chain(_item_steps(steps, otherwise, salt))
    if is_list and steps.divides:
        apply = _each_item(steps, change, change_item, separator)
    else:
        apply = _each_text(_chain([change, change_item]))
    return _remembering(apply)


def _remembering(apply: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that remembers the results of short texts, because columns repeat them."""
    known: dict[str, Any] = {}

    def remembered(value: Any) -> Any:  # noqa: ANN401
        if type(value) is not str or len(value) > _LONGEST_REMEMBERED:
            return apply(value)
        found = known.get(value)
        if found is None:
            if len(known) >= _MOST_REMEMBERED:
                known.clear()
            found = known[value] = apply(value)
        # Records own their lists, so that nothing that changes one record changes another.
        return list(found) if type(found) is list else found

    return remembered


def _chain(steps: list[Callable[[str], Any]]) -> Callable[[str], Any]:
    """Return the function that applies steps in order, until the value is absent or empty."""

    def apply(text: str) -> Any:  # noqa: ANN401 -- text or ABSENT
        for step in steps:
            text = step(text)
            if text is ABSENT or text == "":
                return ABSENT
        return text

    return apply


def _each_text(change: Callable[[str], Any]) -> Callable[[Any], Any]:
    def apply(value: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, list):
            return change(to_text(value))
        changed = [change(to_text(item)) for item in value if item is not None]
        return [item for item in changed if item is not ABSENT] or ABSENT

    return apply


def _each_item(
    steps: Steps,
    change: Callable[[str], Any],
    change_item: Callable[[str], Any],
    separator: str | None,
) -> Callable[[Any], Any]:
    """Return the function that divides a cell into items, and changes each of them."""
    parts_of_item = compile_item(steps.item) if steps.item is not None else None
    leader = steps.leader or ""
    taken = steps.taken or leader

    def divided(value: Any) -> list[Any]:  # noqa: ANN401
        if isinstance(value, list):
            return [change(to_text(item)) for item in value if item is not None]
        text = change(to_text(value))
        return [] if text is ABSENT else items_of(text, separator)

    def take(item: Any) -> Any:  # noqa: ANN401
        text = to_text(item)
        if parts_of_item is None:
            return change_item(text) if text else ABSENT
        parts = parts_of_item(text)
        changed = change_item(parts[leader])
        # An item whose product is absent takes its quantity with it.
        return changed if changed is ABSENT or taken == leader else parts[taken]

    def apply(value: Any) -> Any:  # noqa: ANN401
        taken = [take(item) for item in divided(value) if item is not ABSENT and item is not None]
        return [item for item in taken if item is not ABSENT] or ABSENT

    return apply


def _text_steps(steps: Steps, otherwise: Otherwise) -> list[Callable[[str], Any]]:
    found: list[Callable[[str], Any]] = []
    if steps.strip is not None:
        characters = steps.strip or None
        found.append(lambda text: text.strip(characters))
    found += map(_replaced, steps.replace)
    if steps.case is not None:
        found.append(str.lower if steps.case == "lower" else str.upper)
    if steps.extract is not None:
        found.append(_extracted(steps.extract, steps.group, otherwise))
    return found


def _item_steps(steps: Steps, otherwise: Otherwise, salt: bytes) -> list[Callable[[str], Any]]:
    found: list[Callable[[str], Any]] = []
    if steps.lookup is not None:
        found.append(_looked_up(steps.lookup.values, otherwise))
    if steps.hash is not None:
        found.append(_hashed(salt if steps.hash == HMAC_SHA256 else None))
    return found


def _replaced(replacement: Replacement) -> Callable[[str], str]:
    if not replacement.is_regex:
        return lambda text: text.replace(replacement.text, replacement.by)
    pattern = compile_regex(replacement.text)

    def replace(text: str) -> str:
        try:
            return pattern.replaced(text, replacement.by)
        except UnicodeError:
            raise CellError(_NOT_UNICODE) from None

    return replace


def _extracted(text: str, group: str | None, otherwise: Otherwise) -> Callable[[str], Any]:
    pattern = compile_regex(text)
    wanted: int | str = group or min(pattern.groups, 1)
    problem = "does not match the pattern of extract"

    def extract(value: str) -> Any:  # noqa: ANN401 -- text or ABSENT
        try:
            found = pattern.find(value, wanted)
        except UnicodeError:
            raise CellError(_NOT_UNICODE) from None
        return otherwise.decide(value, problem) if found is None else found

    return extract


_NOT_UNICODE = "has characters that are not Unicode text"


def _looked_up(values: Mapping[str, str], otherwise: Otherwise) -> Callable[[str], Any]:
    def look_up(text: str) -> Any:  # noqa: ANN401 -- text or ABSENT
        found = values.get(text)
        return otherwise.decide(text, _NOT_IN_TABLE) if found is None else found

    return look_up


def _hashed(salt: bytes | None) -> Callable[[str], str]:
    def digest(text: str) -> str:
        # JSON text may have lone surrogates, which are different texts too.
        data = text.encode("utf-8", "surrogatepass")
        if salt is None:
            return hashlib.sha256(data).hexdigest()
        return hmac.digest(salt, data, "sha256").hex()

    return digest
