"""Defines a draft as data: guessed rules with their reasons, and unmapped columns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Guess:
    """An attribute, and the likely source of its value.

    Attributes:
        attribute: The attribute of Miso, or `ip` or `user_agent`.
        rule: The rule in the mapping file.
        found: The evidence for it, for a comment.
        unsure: Doubts, with alternatives; empty if the guess is clear.
        needs_zone: Whether its times have no zone, so that the user must name it.
        choices: Keys and values of the rule of which the user must choose one.
        choice: What the sample does not decide, as a sentence.
    """

    attribute: str
    rule: dict[str, Any]
    found: str = ""
    unsure: tuple[str, ...] = ()
    needs_zone: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    choice: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An unmapped column, with an example value that is safe to show, and the reason."""

    path: str
    example: str
    reason: str = ""


class RouteGuess(NamedTuple):
    """A route that the paths of many visits suggest.

    Attributes:
        match: The pattern.
        type: The likely type of its pages.
        visits: The number of visits that match.
        unsure: A doubt; empty if the names are clear.
        example: A matching path that is safe to show; empty if none was kept.
    """

    match: str
    type: str
    visits: int
    unsure: str = ""
    example: str = ""


class CartRequests(NamedTuple):
    """POST requests that seem to fill a cart.

    Attributes:
        routes: Routes for them.
        requests: The number of requests.
        redirects: How many of them were answered with a redirect (302 or 303).
    """

    routes: list[RouteGuess]
    requests: int
    redirects: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A rule that only the user can decide on, with the reason; it is written as a comment."""

    attribute: str
    rule: dict[str, Any]
    why: str


@dataclass(slots=True)
class Draft:
    """The contents of a mapping file.

    Attributes:
        rows: The number of rows in the sample.
        guesses: The attributes.
        skips: The `[[skip]]` tables, each with a comment.
        offers: Rules that the user may want.
        routes: The likely types of pages, by their paths.
        other_pages: Paths without a suggestion, with their numbers of visits.
        left_out: Unmapped columns.
        missing: Sentences about required attributes without a column.
        unknown_events: Names of events without a type, with their numbers of rows.
        page_events: Names of views of any page, with their numbers of rows.
        options: Options that are needed to read the file.
        columns: The rows' names of columns, by the names that the preset uses.
        ignored: Columns that records do not need.
        carts: Requests that fill carts, which the preset skips.
        lacks_zone: Whether the rows of a preset have times without a zone.
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
    page_events: list[tuple[str, int]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    carts: CartRequests | None = None
    lacks_zone: bool = False

    @property
    def needs_zone(self) -> bool:
        """Whether nothing can be sent until the user names a time zone."""
        return self.lacks_zone or any(guess.needs_zone for guess in self.guesses)

    @property
    def unsure(self) -> int:
        """Return the number of attributes that the user should check, besides the routes."""
        return sum(
            bool(guess.unsure or guess.choices) or guess.needs_zone for guess in self.guesses
        )

    @property
    def undecided(self) -> list[str]:
        """Return what the user must decide before anything can be sent, as sentences."""
        return [guess.choice for guess in self.guesses if guess.choices]

    def decided(self) -> Draft:
        """Return the draft with the first of all choices."""
        guesses = [
            replace(guess, rule=guess.rule | dict(guess.choices[:1]), choices=())
            for guess in self.guesses
        ]
        return replace(self, guesses=guesses)

    def of(self, attribute: str) -> Guess | None:
        """Return the guess for an attribute, if there is one."""
        return next((guess for guess in self.guesses if guess.attribute == attribute), None)

    def in_zone(self, zone: str) -> Draft:
        """Return the draft with the zone filled in for all times without a zone."""
        guesses = [
            replace(guess, rule={**guess.rule, "timezone": zone}, needs_zone=False)
            if guess.needs_zone
            else guess
            for guess in self.guesses
        ]
        options = {**self.options, "timezone": zone} if self.lacks_zone else self.options
        return replace(self, guesses=guesses, options=options, lacks_zone=False)
