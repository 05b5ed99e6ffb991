"""Which pages a site has, by how often they were visited, in bounded memory.

Paths are kept as a tree of their steps. Where a step has had more different values than a person
would name one by one, further ones share the value `*`, and so do all steps beyond a bound of the
whole tree. So `/products/1`, `/products/2` and so on become some pages and `/products/*`, however
many products there are.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

ANY = "*"
"""The value of a step that stands for all those which are not kept apart."""
MOST_STEPS = 8
"""How deep paths are kept; what is below counts for the step above."""
MOST_BESIDE = 100
"""How many values of one step are kept apart."""
MOST_PAGES = 2_000
"""How many pages are kept apart, in the whole tree."""
MOST_PARAMETERS = 12
"""How many names of parameters are kept of one page."""
_LONGEST_ENDING = len("xhtml")
LONGEST = 120
"""Longer steps and names are cut; they stand for nothing that a person would write down."""
MANY = 8
"""From so many values on, a step is taken for a place in which anything may stand."""
MANY_AT_THE_TOP = 30
"""The same for the first step, where a site has its sections: and only if they end alike."""


@dataclass(slots=True)
class Page:
    """One step of a path, and what is below it.

    Attributes:
        visits: How often the path ended here.
        parameters: How many of those visits had each parameter.
        below: The next steps, by their values.
    """

    visits: int = 0
    parameters: Counter[str] = field(default_factory=Counter)
    below: dict[str, Page] = field(default_factory=dict)

    @property
    def all_visits(self) -> int:
        """Return how often the path ended here or below."""
        return self.visits + sum(page.all_visits for page in self.below.values())

    def see(self, parameters: Iterable[str], visits: int) -> None:
        """Count visits that ended here."""
        self.visits += visits
        for name in parameters:
            self.see_parameter(name[:LONGEST], visits)

    def see_parameter(self, name: str, visits: int) -> None:
        """Count a parameter; names beyond the first dozen are not kept."""
        if name in self.parameters or len(self.parameters) < MOST_PARAMETERS:
            self.parameters[name] += visits


@dataclass(slots=True)
class Shape:
    """Pages whose paths are alike.

    Attributes:
        steps: The path; a step that is or begins with `*` is a place for many values, and what is
            behind the `*` ends all of them.
        visits: How often they were visited.
        parameters: How many of those visits had each parameter.
    """

    steps: tuple[str, ...]
    visits: int = 0
    parameters: Counter[str] = field(default_factory=Counter)

    @property
    def path(self) -> str:
        """Return the path as text."""
        return "/" + "/".join(self.steps)


@dataclass(slots=True)
class SiteMap:
    """The pages of a site, from its root on."""

    root: Page = field(default_factory=Page)
    pages: int = 0

    @property
    def visits(self) -> int:
        """Return how many visits were counted."""
        return self.root.all_visits

    def see(self, path: str, parameters: Iterable[str], visits: int = 1) -> None:
        """Count visits to a path, which begins with a slash; `parameters` are names."""
        page = self.root
        for step in path.split("/", MOST_STEPS + 1)[1 : MOST_STEPS + 1]:
            if step:
                # What has an @ in it is somebody's address, and is not shown to anybody.
                page = self._below(page, ANY if "@" in step else step[:LONGEST])
        page.see(parameters, visits)

    def add(self, other: SiteMap) -> None:
        """Add what was counted elsewhere."""
        self.merge(other.root)

    def shapes(self, sections: Collection[str] = ()) -> list[Shape]:
        """Return the shapes of the pages that were visited, the most visited first.

        Args:
            sections: Steps behind which there is a place, however few values were seen of it.
        """
        found: dict[tuple[str, ...], Shape] = {}
        for steps, page in _shapes((), self.root, frozenset(sections)):
            shape = found.setdefault(steps, Shape(steps))
            shape.visits += page.visits
            shape.parameters.update(page.parameters)
        return sorted(found.values(), key=lambda shape: (-shape.visits, shape.steps))

    def paths(self) -> Iterator[tuple[tuple[str, ...], Page]]:
        """Yield the pages that were visited and are kept apart, each with its steps."""
        return _paths((), self.root)

    def merge(self, page: Page) -> None:
        """Add what was counted of another page, and below it, to the root."""
        self._add(self.root, page)

    def _add(self, page: Page, other: Page) -> None:
        page.visits += other.visits
        for name, visits in other.parameters.items():
            page.see_parameter(name, visits)
        for step, below in other.below.items():
            self._add(self._below(page, step), below)

    def _below(self, page: Page, step: str) -> Page:
        found = page.below.get(step)
        if found is not None:
            return found
        if len(page.below) >= MOST_BESIDE or self.pages >= MOST_PAGES:
            step = ANY
            found = page.below.get(ANY)
            if found is not None:
                return found
            if self.pages >= 2 * MOST_PAGES:
                return page
        self.pages += 1
        found = page.below[step] = Page()
        return found


def _paths(steps: tuple[str, ...], page: Page) -> Iterator[tuple[tuple[str, ...], Page]]:
    if page.visits:
        yield steps, page
    for step, below in page.below.items():
        if step != ANY:
            yield from _paths((*steps, step), below)


def _shapes(
    steps: tuple[str, ...], page: Page, sections: frozenset[str]
) -> Iterator[tuple[tuple[str, ...], Page]]:
    """Yield the shapes below a page, and what was seen of each; it goes as deep as the tree."""
    if page.visits:
        yield steps, page
    leaves = {step: below for step, below in page.below.items() if not below.below}
    others = {step: below for step, below in page.below.items() if below.below}
    named = bool(steps) and steps[-1].lower() in sections
    for group, is_named in ((leaves, named), (others, False)):
        if group and (is_named or _is_place(steps, group)):
            whole = SiteMap()
            for below in group.values():
                whole.merge(below)
            yield from _shapes((*steps, ANY + _ending(group)), whole.root, sections)
        else:
            for step, below in group.items():
                yield from _shapes((*steps, step), below, sections)


def _is_place(steps: tuple[str, ...], group: dict[str, Page]) -> bool:
    if not steps:
        return len(group) >= MANY_AT_THE_TOP and bool(_ending(group))
    if ANY in group or len(group) >= MANY:
        return True
    return len(group) > 1 and all(any(map(str.isdigit, step)) for step in group)


def _ending(group: dict[str, Page]) -> str:
    """Return the ending that all values of a step have, such as `.html`; nothing if they differ."""
    parts = [step.rpartition(".") for step in group if step != ANY]
    endings = {ending if before else "" for before, _, ending in parts}
    (ending,) = endings if len(endings) == 1 else ("",)
    return f".{ending}" if ending.isalpha() and len(ending) <= _LONGEST_ENDING else ""
