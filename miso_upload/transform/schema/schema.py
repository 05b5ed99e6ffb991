"""The schema of interactions: the types, the attributes of each, and their kinds.

The shipped schema is plain data (`schemas/interactions.schema.json`) and can be replaced. A
replacement is any JSON Schema 2020-12 whose root lists the types under `anyOf` or `oneOf`. The
`const`, or the only `enum` value, of its `type` attribute names each type. `$ref` within the file
and `allOf` may be used.
"""

from __future__ import annotations

import codecs
import enum
import hashlib
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.errors import SchemaError
from miso_upload.transform.schema.check import complaint_about_schema
from miso_upload.transform.schema.json_schema import (
    CHOICES,
    Node,
    Reader,
    as_node,
    faults,
    references,
    with_patterns,
)
from miso_upload.transform.schema.resources import shipped_schema_file, shipped_tables
from miso_upload.values.json import JSONDecodeError, decode, encode

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILE = "interactions.schema.json"
SHIPPED = "shipped"

_WAY_OUT = "Start from 'miso-upload schema > my.json'."
_OF_THE_LIST = frozenset({*CHOICES, "$id", "title", "description"})
"""The keywords of the root that are about the list and not about each type."""


class Kind(enum.Enum):
    """What an attribute holds, as far as making it from a text is concerned."""

    TEXT = "text"
    TEXTS = "a list of texts"
    NUMBER = "a number"
    NUMBERS = "a number or a list of numbers"
    OBJECT = "an object"
    TIMESTAMP = "a date-time"
    ANY = "anything"
    """The schema states no kind, or one that no other member covers."""


_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
FORMAT_PATTERNS = {
    "date-time": f"^{_DAY}[Tt]{_CLOCK}$",
    "date": f"^{_DAY}$",
    "time": f"^{_CLOCK}$",
}
"""What the validating library leaves to chance: it takes other characters for digits, as in
`202.-03-01`."""

_KINDS = {
    frozenset({"text"}): Kind.TEXT,
    frozenset({"texts"}): Kind.TEXTS,
    frozenset({"text", "texts"}): Kind.TEXTS,
    frozenset({"number"}): Kind.NUMBER,
    frozenset({"numbers"}): Kind.NUMBERS,
    frozenset({"number", "numbers"}): Kind.NUMBERS,
    frozenset({"object"}): Kind.OBJECT,
    frozenset({"date-time"}): Kind.TIMESTAMP,
}


class InteractionType(NamedTuple):
    """One type of interaction and the names of its attributes, in the order of the schema.

    `public` is false if the schema says that Miso's public guide does not list the type.
    """

    name: str
    title: str
    description: str
    group: str
    public: bool
    required: tuple[str, ...]
    attributes: tuple[str, ...]


class Attribute(NamedTuple):
    """Something that a record can carry, by its dotted path."""

    path: str
    kind: Kind
    description: str


@dataclass(frozen=True, eq=False)
class Schema:
    """A schema that can be asked about its types and attributes; its document is read-only."""

    document: Node = field(repr=False)
    source: str
    types: dict[str, InteractionType] = field(repr=False)
    fingerprint: str
    """`shipped`, or the SHA-256 of the document's canonical JSON."""
    tables: dict[str, Any] | None = field(default=None, repr=False)
    """What was derived from the document when the program was built; see `tables.py`."""

    @cached_property
    def validation_document(self) -> Node:
        """The document that records are validated against, where formats have patterns too."""
        if self.tables is not None:
            stored: Node = self.tables["validation_document"]
            return stored
        validation_document: Node = with_patterns(self.document, FORMAT_PATTERNS)
        return validation_document

    @cached_property
    def attributes(self) -> dict[str, Attribute]:
        """Return every attribute that the schema names, those of the record itself first."""
        if self.tables is not None:
            return {
                path: Attribute(path, Kind[kind], description)
                for path, (kind, description) in self.tables["attributes"].items()
            }
        nested = (
            f"{name}.{path}"
            for name, nodes in self._definitions.items()
            for node in nodes
            for path in self._reader.named(node)
        )
        paths = dict.fromkeys((*self._definitions, *nested))
        found = map(self._derived, paths)
        return {attribute.path: attribute for attribute in found if attribute is not None}

    def attribute(self, path: str) -> Attribute | None:
        """Return what some type can carry under a dotted path, or None if no type can.

        In an object that allows unknown keys, any name is an attribute of the kind `ANY`. The
        attributes of the record itself are those that some type names. If types differ in the kind,
        it is `ANY`.
        """
        if path.partition(".")[0] not in self._names:
            return None
        if self.tables is not None and path in self.attributes:
            return self.attributes[path]
        return self._derived(path)

    def allowed(self, type_name: str) -> frozenset[str]:
        """Return the names of the attributes that a type has."""
        return self._allowed[type_name]

    def type_schema(self, name: str) -> Node:
        """Return a schema for the records of one type, with everything that it refers to."""
        return dict(self._nodes[name])

    def _derived(self, path: str) -> Attribute | None:
        """Return what `attribute` returns, from the document alone."""
        name, *steps = path.split(".")
        below = (self._below(node, steps) for node in self._definitions.get(name, ()))
        nodes = [node for node in below if node is not None]
        if not nodes:
            return None
        kinds = {self._kind(node) for node in nodes}
        descriptions = (self._reader.say(node, "description") for node in nodes)
        kind = kinds.pop() if len(kinds) == 1 else Kind.ANY
        return Attribute(path, kind, next(filter(None, descriptions), ""))

    @cached_property
    def _names(self) -> frozenset[str]:
        """The names of all attributes of the record itself."""
        return frozenset().union(*(found.attributes for found in self.types.values()))

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.document)

    @cached_property
    def _nodes(self) -> dict[str, Node]:
        branches = (node for _, node in _branches(self.document))
        return dict(zip(self.types, branches, strict=True))

    @cached_property
    def _allowed(self) -> dict[str, frozenset[str]]:
        return {name: frozenset(found.attributes) for name, found in self.types.items()}

    @cached_property
    def _definitions(self) -> dict[str, list[Node]]:
        """The attributes of the record itself, each with the different definitions of it."""
        found: dict[str, list[Node]] = {}
        for name, node in self._nodes.items():
            for attribute in self.types[name].attributes:
                definitions = found.setdefault(attribute, [])
                child = self._reader.child(node, attribute)
                if child is not None and child not in definitions:
                    definitions.append(child)
        return found

    def _below(self, node: Node, steps: list[str]) -> Node | None:
        """Return the schema at `steps` below `node`; None if there can be no value."""
        found: Node | None = node
        for step in steps:
            found = self._reader.child(found, step) if found is not None and step else None
        return found

    def _kind(self, node: Node) -> Kind:
        shapes = self._reader.shapes(node) or frozenset()
        return _KINDS.get(shapes - {"null"}, Kind.ANY)


def shipped_schema_text() -> bytes:
    """Return the text of the shipped schema."""
    return shipped_schema_file(FILE).read_bytes()


@cache
def shipped_schema() -> Schema:
    """Return the shipped schema."""
    text = shipped_schema_text()
    tables = shipped_tables(text)
    if tables is None:
        return derived_schema(text)
    types = {
        name: InteractionType(
            **{**each, "required": tuple(each["required"]), "attributes": tuple(each["attributes"])}
        )
        for name, each in tables["types"].items()
    }
    return Schema(decode(text), SHIPPED, types, SHIPPED, tables)


def derived_schema(text: bytes) -> Schema:
    """Return the shipped schema without its tables: all is derived from `text`."""
    document = decode(text)
    return Schema(document, SHIPPED, _types(document), SHIPPED)


def schema_of(path: str | None) -> Schema:
    """Return the schema of a file, or the shipped one if `path` is None.

    Raises:
        SchemaError: See `load_schema`.
    """
    return load_schema(path) if path else shipped_schema()


def load_schema(path: str | os.PathLike[str]) -> Schema:
    """Return the schema of a file.

    Raises:
        SchemaError: the file cannot be read, is not JSON Schema 2020-12, refers to anything outside
            of itself, or does not list types of interactions.
    """
    try:
        document = _parsed(Path(path).read_bytes())
        _check(document)
        types = _types(document)
    except OSError as error:
        raise SchemaError(f"{path}: cannot be read: {error.strerror}.") from error
    except RecursionError:
        # Without the cause: its traceback is a thousand lines of the same.
        raise SchemaError(f"{path}: is nested too deeply. {_WAY_OUT}") from None
    except ValueError as error:
        raise SchemaError(f"{path}: {error}. {_WAY_OUT}") from error
    digest = hashlib.sha256(encode(_in_order(document))).hexdigest()
    return Schema(document, str(path), types, fingerprint=digest)


def _parsed(text: bytes) -> Node:
    try:
        document = decode(text.removeprefix(codecs.BOM_UTF8))
    except JSONDecodeError as error:
        problem = f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        raise ValueError(problem) from error
    if not isinstance(document, dict):
        raise ValueError("is not a schema: a JSON object is needed")  # noqa: TRY004 -- of the file
    return document


def _check(document: Node) -> None:
    """Refuse what is not JSON Schema 2020-12 within one file.

    Raises:
        ValueError: why not.
    """
    if document.get("$schema", DIALECT) != DIALECT:
        raise ValueError(f"$schema must be {DIALECT}")
    _check_part("#", document)
    for fault in faults(document):
        raise ValueError(fault)
    # Some definitions are known to be schemas only by a $ref to them.
    for reference in dict.fromkeys(reference for _, reference in references(document)):
        _check_part(reference, Reader(document).resolve(reference))


def _check_part(place: str, node: Node) -> None:
    complaint = complaint_about_schema(node)
    if complaint is not None:
        where = "/".join(map(str, (place, *complaint.path)))
        raise ValueError(f"{where}: is not JSON Schema: {complaint.problem}")


def _types(document: Node) -> dict[str, InteractionType]:
    """Return the types that a document lists.

    Raises:
        ValueError: it lists none, or one of them is not named by itself or not once.
    """
    reader = Reader(document)
    types: dict[str, InteractionType] = {}
    for place, node in _branches(document):
        name = reader.constant(reader.child(node, "type") or {})
        if not isinstance(name, str) or not name:
            raise ValueError(f"{place} does not name its type. Set properties.type.const")
        if name in types:
            raise ValueError(f"{place} defines the type {name!r} a second time")
        required = [key for part in reader.parts(node) for key in part.get("required", ())]
        types[name] = InteractionType(
            name=name,
            title=reader.say(node, "title") or name,
            description=reader.say(node, "description"),
            group=reader.say(node, "x-group") or "Other",
            public=all(part.get("x-public-guide") is not False for part in reader.parts(node)),
            required=tuple(dict.fromkeys(required)),
            attributes=tuple(reader.properties(node)),
        )
    return types


def _branches(document: Node) -> Iterator[tuple[str, Node]]:
    """Yield a pointer to each type, and its schema merged with that of the root.

    Raises:
        ValueError: there is no list of types.
    """
    lists = [keyword for keyword in CHOICES if document.get(keyword)]
    if len(lists) != 1:
        raise ValueError("the root must list the types, either under anyOf or under oneOf")
    common = {key: value for key, value in document.items() if key not in _OF_THE_LIST}
    for index, branch in enumerate(document[lists[0]]):
        if set(as_node(branch)) == {"$ref"} and "$ref" not in common:
            node = {**common, **branch}
        else:
            node = {**common, "allOf": [*common.get("allOf", ()), branch]}
        yield f"#/{lists[0]}/{index}", node


def _in_order(value: Any) -> Any:  # noqa: ANN401 -- any JSON
    """Return `value` with the keys of all objects sorted."""
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return [_in_order(item) for item in value] if isinstance(value, list) else value
