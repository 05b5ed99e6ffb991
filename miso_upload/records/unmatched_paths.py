"""Counts visits by URL path in bounded memory, for paths that no route matches.

Paths are kept as a tree of their segments. When a segment has had more values than a person would
list, further values share the wildcard `*`. So do all new segments once the whole tree is full.
For example, a shop's paths become a few named pages and `/products/*`, however many products it
has.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

ANY = "*"
"""The wildcard: it counts all values of a segment that are not kept apart."""
MAX_SEGMENTS = 8
"""How many segments of a path are kept; deeper ones count for the last kept one."""
MAX_SIBLINGS = 100
"""How many values of one segment are kept apart."""
MAX_NODES = 2_000
"""How many nodes the tree has before new values share wildcards."""
MAX_PARAMETERS = 12
"""How many query parameters of one path are kept, by name."""
_LONGEST_EXTENSION = len("xhtml")
MAX_LENGTH = 120
"""Longer segments and names are cut; nobody would write them in a route."""
MANY_VALUES = 8
"""A segment with this many values becomes a wildcard."""
MANY_FIRST_VALUES = 30
"""The same for the first segment, which names a site's sections; its values must also share an
extension."""


@dataclass(slots=True)
class PathNode:
    """One segment of a path, and the segments after it.

    Attributes:
        visits: How many visited paths end at this segment.
        parameters: How many of those visits had each query parameter.
        children: The next segments, by their values.
    """

    visits: int = 0
    parameters: Counter[str] = field(default_factory=Counter)
    children: dict[str, PathNode] = field(default_factory=dict)

    @property
    def total_visits(self) -> int:
        """Return how many visited paths end here or below."""
        return self.visits + sum(child.total_visits for child in self.children.values())

    def count(self, parameters: Iterable[str], visits: int) -> None:
        """Count visits of the path that ends here."""
        self.visits += visits
        for name in parameters:
            self.count_parameter(name[:MAX_LENGTH], visits)

    def count_parameter(self, name: str, visits: int) -> None:
        """Count a query parameter; names beyond the limit are dropped."""
        if name in self.parameters or len(self.parameters) < MAX_PARAMETERS:
            self.parameters[name] += visits


@dataclass(slots=True)
class PathPattern:
    """Paths that share a pattern.

    Attributes:
        segments: The pattern. A segment that starts with `*` matches any value; text after the
            `*` is the extension that all values share.
        visits: How many visits matched.
        parameters: How many of those visits had each query parameter.
    """

    segments: tuple[str, ...]
    visits: int = 0
    parameters: Counter[str] = field(default_factory=Counter)

    @property
    def path(self) -> str:
        """Return the pattern as text."""
        return "/" + "/".join(self.segments)


@dataclass(slots=True)
class UnmatchedPaths:
    """The tree of the visited paths that no route matches."""

    root: PathNode = field(default_factory=PathNode)
    nodes: int = 0

    @property
    def visits(self) -> int:
        """Return how many visits were counted."""
        return self.root.total_visits

    def count(self, path: str, parameters: Iterable[str], visits: int = 1) -> None:
        """Count visits of a path, which starts with a slash.

        Args:
            path: The path.
            parameters: The names of its query parameters.
            visits: How many visits to count.
        """
        node = self.root
        for segment in path.split("/", MAX_SEGMENTS + 1)[1 : MAX_SEGMENTS + 1]:
            if segment:
                # A segment with an @ is somebody's email address, which must not be shown.
                node = self._child(node, ANY if "@" in segment else segment[:MAX_LENGTH])
        node.count(parameters, visits)

    def add(self, other: UnmatchedPaths) -> None:
        """Add the counts of another tree."""
        self.merge(other.root)

    def patterns(self, sections: Collection[str] = ()) -> list[PathPattern]:
        """Return the patterns of the visited paths, the most visited first.

        Args:
            sections: Segments after which the next one is a wildcard, even if few values were seen.
        """
        found: dict[tuple[str, ...], PathPattern] = {}
        for segments, node in _patterns((), self.root, frozenset(sections)):
            pattern = found.setdefault(segments, PathPattern(segments))
            pattern.visits += node.visits
            pattern.parameters.update(node.parameters)
        return sorted(found.values(), key=lambda pattern: (-pattern.visits, pattern.segments))

    def paths(self) -> Iterator[tuple[tuple[str, ...], PathNode]]:
        """Yield the visited paths that are kept apart, as segments, each with its last node."""
        return _paths((), self.root)

    def merge(self, node: PathNode) -> None:
        """Add the counts of another node, and of all nodes below it, to the root."""
        self._add(self.root, node)

    def _add(self, node: PathNode, other: PathNode) -> None:
        node.visits += other.visits
        for name, visits in other.parameters.items():
            node.count_parameter(name, visits)
        for segment, child in other.children.items():
            self._add(self._child(node, segment), child)

    def _child(self, node: PathNode, segment: str) -> PathNode:
        found = node.children.get(segment)
        if found is not None:
            return found
        if len(node.children) >= MAX_SIBLINGS or self.nodes >= MAX_NODES:
            segment = ANY
            found = node.children.get(ANY)
            if found is not None:
                return found
            if self.nodes >= 2 * MAX_NODES:
                return node
        self.nodes += 1
        found = node.children[segment] = PathNode()
        return found


def _paths(segments: tuple[str, ...], node: PathNode) -> Iterator[tuple[tuple[str, ...], PathNode]]:
    if node.visits:
        yield segments, node
    for segment, child in node.children.items():
        if segment != ANY:
            yield from _paths((*segments, segment), child)


def _patterns(
    segments: tuple[str, ...], node: PathNode, sections: frozenset[str]
) -> Iterator[tuple[tuple[str, ...], PathNode]]:
    """Yield the patterns at and below a node, each with the counts of its paths."""
    if node.visits:
        yield segments, node
    leaves = {value: child for value, child in node.children.items() if not child.children}
    others = {value: child for value, child in node.children.items() if child.children}
    in_section = bool(segments) and segments[-1].lower() in sections
    for group, is_named in ((leaves, in_section), (others, False)):
        if group and (is_named or _is_wildcard(segments, group)):
            merged = UnmatchedPaths()
            for child in group.values():
                merged.merge(child)
            yield from _patterns((*segments, ANY + _extension(group)), merged.root, sections)
        else:
            for value, child in group.items():
                yield from _patterns((*segments, value), child, sections)


def _is_wildcard(segments: tuple[str, ...], group: dict[str, PathNode]) -> bool:
    """Return whether the values of the segment after `segments` are better shown as a wildcard."""
    if not segments:
        return len(group) >= MANY_FIRST_VALUES and bool(_extension(group))
    if ANY in group or len(group) >= MANY_VALUES:
        return True
    return len(group) > 1 and all(any(map(str.isdigit, value)) for value in group)


def _extension(group: dict[str, PathNode]) -> str:
    """Return the extension that all values share, such as `.html`; empty if they differ."""
    parts = [value.rpartition(".") for value in group if value != ANY]
    endings = {ending if before else "" for before, _, ending in parts}
    (ending,) = endings if len(endings) == 1 else ("",)
    return f".{ending}" if ending.isalpha() and len(ending) <= _LONGEST_EXTENSION else ""
