"""Says on the screen which parts of a draft are guesses, and what was left out and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.values.display import printable, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.drafting.draft import Draft, Guess

_MOST_LISTED = 12
_LONGEST = 300


def review_lines(draft: Draft) -> list[str]:
    """Return lines with the guesses that the user should check and the columns without a use."""
    return [*_unsure(draft), *_commented_out(draft), *_left_out(draft)]


def _unsure(draft: Draft) -> Iterator[str]:
    guesses = [
        guess for guess in draft.guesses if guess.unsure or guess.needs_zone or guess.choices
    ]
    if not guesses:
        return
    yield "UNSURE, so check them in the mapping file:"
    for guess in guesses:
        reasons = [*guess.unsure, *([guess.choice] if guess.choices else [])]
        if guess.needs_zone:
            reasons.append("the times have no time zone.")
        for reason in reasons:
            yield _line(f"{guess.attribute} = {_source_of(guess)}: {reason}")


def _commented_out(draft: Draft) -> Iterator[str]:
    if draft.offers and not draft.routes:
        yield "Commented out, because they may be wrong:"
        for offer in draft.offers:
            source = offer.rule.get("column", "")
            yield _line(f"{offer.attribute} = {source}: {offer.why}")


def _left_out(draft: Draft) -> Iterator[str]:
    if not draft.left_out:
        return
    yield "Left out:"
    for each in draft.left_out[:_MOST_LISTED]:
        yield _line(f"{each.path}: {each.reason}" if each.reason else each.path)
    if len(draft.left_out) > _MOST_LISTED:
        yield f"  and {len(draft.left_out) - _MOST_LISTED:,} more, which the mapping file lists"


def _source_of(guess: Guess) -> str:
    rule = guess.rule
    if "value" in rule:
        return quoted(rule["value"])
    return " + ".join(rule.get("columns") or rule.get("first_of") or [rule.get("column", "")])


def _line(text: str) -> str:
    return f"  {printable(text, _LONGEST)}"
