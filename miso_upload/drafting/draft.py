"""What was found in a sample, as plain data: rules with their reasons, and what was left out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Guess:
    """One attribute, and where its value seems to come from.

    Attributes:
        attribute: The attribute of Miso, or `ip` or `user_agent`.
        rule: What a mapping file says of it.
        found: What speaks for it, for a comment.
        unsure: What speaks against it, with the alternative; nothing where it is plain.
        needs_zone: Its times name no zone, and the user has to.
    """

    attribute: str
    rule: dict[str, Any]
    found: str = ""
    unsure: tuple[str, ...] = ()
    needs_zone: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A column that becomes nothing: an example of its values, safe to show, and why."""

    path: str
    example: str
    reason: str = ""


class RouteGuess(NamedTuple):
    """A route that the paths of many visits suggest.

    Attributes:
        match: The pattern.
        type: What its pages seem to be.
        visits: How many visits fit it.
        unsure: What speaks against it; nothing where the names are plain.
        example: A path that fits it, safe to show; nothing where none was kept.
    """

    match: str
    type: str
    visits: int
    unsure: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """A rule that only the user can decide on, and why; it is written as a comment."""

    attribute: str
    rule: dict[str, Any]
    why: str


@dataclass(slots=True)
class Draft:
    """What a mapping file will say.

    Attributes:
        rows: How many rows the sample had.
        guesses: The attributes.
        skips: Rows to leave out, as a mapping file says it, each with a comment.
        offers: Rules that the user may want.
        routes: What pages seem to be, by their paths.
        other_pages: Paths that suggest nothing, with how often each was visited.
        left_out: Columns that become nothing.
        missing: What every record should have and nothing was found for, as sentences.
        unknown_events: Names of events that the table leaves out, with how often each was seen.
        options: Options that are needed to read the file.
    """

    rows: int
    guesses: list[Guess] = field(default_factory=list)
    skips: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    routes: list[RouteGuess] = field(default_factory=list)
    other_pages: list[tuple[str, int]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unknown_events: list[tuple[str, int]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def needs_zone(self) -> bool:
        """Whether nothing can be sent until the user names a time zone."""
        return any(guess.needs_zone for guess in self.guesses)

    @property
    def unsure(self) -> int:
        """Return how many attributes are guesses that the user should look at; routes all are."""
        return sum(bool(guess.unsure) or guess.needs_zone for guess in self.guesses)

    def of(self, attribute: str) -> Guess | None:
        """Return the guess for an attribute, if there is one."""
        return next((guess for guess in self.guesses if guess.attribute == attribute), None)

    def in_zone(self, zone: str) -> Draft:
        """Return the draft with the zone filled in wherever times name none."""
        guesses = [
            replace(guess, rule={**guess.rule, "timezone": zone}, needs_zone=False)
            if guess.needs_zone
            else guess
            for guess in self.guesses
        ]
        return replace(self, guesses=guesses)
