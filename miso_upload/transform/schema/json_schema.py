"""Reads JSON Schema documents in general: the parts of one, and its references.

References must stay within the document, and nothing is ever fetched. Whether a value matches a
schema is decided in `validation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Node: TypeAlias = dict[str, Any]
"""A schema or a part of one; `true`, which allows everything, is the empty one."""

CHOICES = ("anyOf", "oneOf")

_DATA = frozenset({"const", "enum", "default", "examples"})
"""Keywords whose value is data, whatever it looks like."""
_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
"""Keywords whose value holds schemas under names of the author's choice."""
_SHAPES = {"string": "text", "integer": "number"}
"""The JSON types that go by another name here."""


class Reader:
    """Answers questions about parts of one document, through `$ref`, `allOf` and alternatives.

    The document must be free of `faults`.
    """

    def __init__(self, document: Node) -> None:
        self._document = document

    def resolve(self, reference: str) -> Node:
        """Return the schema that a local JSON pointer (`#/...`) points to.

        Raises:
            LookupError: It points to nothing, or not to a schema.
        """
        found: Any = self._document
        for step in unquote(reference[2:]).split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict):
                found = found[key]
            elif isinstance(found, list) and key.isdecimal():
                found = found[int(key)]
            else:
                raise LookupError(reference)
        if isinstance(found, dict | bool):
            return as_node(found)
        raise LookupError(reference)

    def parts(self, node: Node) -> list[Node]:
        """Return `node` and all that holds together with it, by `$ref` and `allOf`."""
        found = [node]
        if "$ref" in node:
            found += self.parts(self.resolve(node["$ref"]))
        for part in node.get("allOf", ()):
            found += self.parts(as_node(part))
        return found

    def say(self, node: Node, keyword: str) -> str:
        """Return the outermost text of a keyword such as `description`, or empty text."""
        texts = (part.get(keyword) for part in self.parts(node))
        return next((text for text in texts if isinstance(text, str)), "")

    def constant(self, node: Node) -> object:
        """Return the only value that `node` allows; None if it allows others."""
        values = (values for part in self.parts(node) if (values := _values(part)) is not None)
        return next((only[0] for only in values if len(only) == 1), None)

    def properties(self, node: Node) -> dict[str, list[Any]]:
        """Return the attributes that `node` names as an object, each with all that defines it."""
        found: dict[str, list[Any]] = {}
        for layer in self._layers(node):
            for name, definition in layer.get("properties", {}).items():
                found.setdefault(name, []).append(definition)
        return found

    def child(self, node: Node, name: str) -> Node | None:
        """Return what holds for one key of an object, or None if the object cannot have it."""
        layers = self._layers(node)
        stated = self.properties(node).get(name) or [_others(layer) for layer in layers]
        if not layers or False in stated:
            return None
        nodes = [definition for definition in stated if definition is not True]
        return nodes[0] if len(nodes) == 1 else {"allOf": nodes}

    def named(self, node: Node, trail: frozenset[int] = frozenset()) -> Iterator[str]:
        """Yield the paths of all attributes named below `node`; a schema within itself, once."""
        layers = {id(layer) for layer in self._layers(node) if "properties" in layer}
        if layers & trail:
            return
        for name in self.properties(node):
            child = self.child(node, name)
            if child is not None and name and "." not in name:
                yield name
                yield from (f"{name}.{rest}" for rest in self.named(child, trail | layers))

    def shapes(self, node: Node, *, lists: bool = True) -> frozenset[str] | None:
        """Return the shapes that a value may have; None if they are not restricted.

        The shapes are `text`, `date-time`, `number`, `boolean`, `null`, `object`, and of lists
        `texts`, `numbers` and, of anything else or unless `lists` is set, `list`.
        """
        parts = self.parts(node)
        shapes: frozenset[str] | None = None
        for part in parts:
            for stated in (_own_shapes(part), self._chosen_shapes(part, lists=lists)):
                if stated is not None:
                    shapes = stated if shapes is None else shapes & stated
        if shapes is None:
            return None
        finer = {"array": self._list_shape(parts) if lists and "array" in shapes else "list"}
        if any(part.get("format") == "date-time" for part in parts):
            finer["text"] = "date-time"
        return frozenset(finer.get(shape, shape) for shape in shapes)

    def _chosen_shapes(self, part: Node, *, lists: bool) -> frozenset[str] | None:
        stated: frozenset[str] = frozenset()
        options = _options(part)
        for option in options:
            shapes = self.shapes(option, lists=lists)
            if shapes is None:
                return None
            stated |= shapes
        return stated if options else None

    def _list_shape(self, parts: list[Node]) -> str:
        items = next((as_node(part["items"]) for part in parts if "items" in part), {})
        # Without a look into their lists: a list may be declared to hold lists like itself.
        shapes = self.shapes(items, lists=False) or frozenset()
        return {frozenset({"text"}): "texts", frozenset({"number"}): "numbers"}.get(shapes, "list")

    def _layers(self, node: Node) -> list[Node]:
        """Return all parts and alternatives of `node` that describe an object."""
        shapes = self.shapes(node)
        if shapes is not None and "object" not in shapes:
            return []
        found: list[Node] = []
        for part in self.parts(node):
            found.append(part)
            for option in _options(part):
                found += self._layers(option)
        return found


def as_node(schema: object) -> Node:
    """Return a schema as a dict; an empty one for `true` and `false`."""
    return schema if isinstance(schema, dict) else {}


def references(document: Node) -> Iterator[tuple[str, str]]:
    """Yield every `$ref` of a document, after the pointer to its schema."""
    for pointer, node in _walk(document, "#"):
        reference = node.get("$ref")
        if isinstance(reference, str):
            yield pointer, reference


def with_patterns(node: Any, patterns: Mapping[str, str]) -> Any:  # noqa: ANN401 -- any JSON
    """Return a copy of a document in which each format has its pattern as well."""
    if isinstance(node, list):
        return [with_patterns(item, patterns) for item in node]
    if not isinstance(node, dict):
        return node
    found: Node = {}
    for key, value in node.items():
        if key in _NAMED and isinstance(value, dict):
            found[key] = {name: with_patterns(each, patterns) for name, each in value.items()}
        else:
            found[key] = value if key in _DATA else with_patterns(value, patterns)
    named = found.get("format")
    pattern = patterns.get(named) if isinstance(named, str) else None
    if pattern is not None and "pattern" not in found:
        found["pattern"] = pattern
    elif pattern is not None and isinstance(found.get("allOf", []), list):
        found["allOf"] = [*found.get("allOf", ()), {"pattern": pattern}]
    return found


def faults(document: Node) -> Iterator[str]:
    """Yield what is wrong with the references of a document, after a pointer to the place."""
    reader = Reader(document)
    broken = False
    for pointer, problem in (*_strays(document), *_dead_ends(reader, document)):
        broken = True
        yield f"{pointer}: {problem}"
    if not broken:
        yield from _loops(reader, document)


def _strays(document: Node) -> Iterator[tuple[str, str]]:
    """Yield the keywords that change what a reference points to."""
    for pointer, node in _walk(document, "#"):
        if isinstance(node.get("$id"), str) and node is not document:
            yield pointer, "only the root can have an $id"
        if "$dynamicRef" in node:
            yield pointer, "$dynamicRef is not supported; use $ref"


def _dead_ends(reader: Reader, document: Node) -> Iterator[tuple[str, str]]:
    for pointer, reference in references(document):
        if not reference.startswith("#/"):
            yield pointer, f"$ref {reference!r} does not point into this file, as in #/$defs/name"
        elif reference.startswith(("#/anyOf/", "#/oneOf/")):
            yield pointer, f"$ref {reference!r} is in the list of types; move it to $defs"
        else:
            try:
                reader.resolve(reference)
            except LookupError:
                yield pointer, f"$ref {reference!r} points to nothing"


def _loops(reader: Reader, document: Node) -> Iterator[str]:
    """Yield the first schema that is applied to a value in order to apply itself to that value."""
    done: set[int] = set()

    def comes_back(node: Node, trail: frozenset[int]) -> bool:
        if id(node) in done:
            return False
        here = trail | {id(node)}
        found = any(id(n) in here or comes_back(n, here) for n in _in_place(reader, node))
        done.add(id(node))
        return found

    for pointer, node in _walk(document, "#"):
        if comes_back(node, frozenset()):
            yield f"{pointer}: $ref leads back to itself"
            return


def _in_place(reader: Reader, node: Node) -> Iterator[Node]:
    """Yield the schemas that `node` applies to its own value.

    Not everything in a document is a schema, so all types are checked.
    """
    found: list[object] = [node.get(keyword) for keyword in ("not", "if", "then", "else")]
    for keyword in (*CHOICES, "allOf"):
        if isinstance(node.get(keyword), list):
            found += node[keyword]
    if isinstance(node.get("dependentSchemas"), dict):
        found += node["dependentSchemas"].values()
    if isinstance(node.get("$ref"), str):
        found.append(reader.resolve(node["$ref"]))
    yield from (schema for schema in found if isinstance(schema, dict))


def _walk(node: Any, pointer: str) -> Iterator[tuple[str, Node]]:  # noqa: ANN401 -- any JSON
    """Yield everything in a document that may be a schema, after the pointer to it."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _walk(item, f"{pointer}/{index}")
    elif isinstance(node, dict):
        yield pointer, node
        for key, value in node.items():
            if key in _NAMED and isinstance(value, dict):
                for name, schema in value.items():
                    yield from _walk(schema, f"{pointer}/{key}/{name}")
            elif key not in _DATA:
                yield from _walk(value, f"{pointer}/{key}")


def _options(part: Node) -> list[Node]:
    """Return the alternatives of a part."""
    return [as_node(option) for keyword in CHOICES for option in part.get(keyword, ())]


def _others(layer: Node) -> Any:  # noqa: ANN401 -- a schema, which may be a bool
    """Return the schema for the keys that an object does not name."""
    if "patternProperties" in layer:
        return True  # patterns are checked by the validator
    return layer.get("additionalProperties", layer.get("unevaluatedProperties", True))


def _values(part: Node) -> list[Any] | None:
    """Return the values that a part lists, if it does."""
    values: list[Any] | None = [part["const"]] if "const" in part else part.get("enum")
    return values


def _own_shapes(part: Node) -> frozenset[str] | None:
    """Return the shapes that a part states by itself, with `array` for any list."""
    if "type" in part:
        stated = part["type"]
        names: list[str] = stated if isinstance(stated, list) else [stated]
        return frozenset(_SHAPES.get(name, name) for name in names)
    if (values := _values(part)) is not None:
        return frozenset(map(_shape_of, values))
    return frozenset({"object"}) if "properties" in part else None


def _shape_of(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {str: "text", int: "number", float: "number", dict: "object", list: "array"}
    return names.get(type(value), "null")
