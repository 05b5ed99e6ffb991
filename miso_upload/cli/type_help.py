"""Formats the list of types, and the attributes of one type, for people."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError
from miso_upload.values.display import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.transform.schema.schema import InteractionType, Schema

_MARK = "*"
_WIDTH = 96


def list_types(schema: Schema) -> str:
    """Return all types by group, each with the attributes that not all types have."""
    return "\n".join(_listed(schema)) + "\n"


def explain_type(schema: Schema, name: str) -> str:
    """Return the description of one type and its attributes.

    Raises:
        ConfigurationError: The type does not exist.
    """
    if name not in schema.types:
        raise ConfigurationError(
            f"Miso has no interaction type {name!r}{did_you_mean(name, schema.types)}; "
            "'miso-upload types' lists them"
        )
    return "\n".join(_explained(schema, schema.types[name])) + "\n"


def _listed(schema: Schema) -> Iterator[str]:
    types = schema.types.values()
    shared = [
        name
        for name in next(iter(types)).attributes
        if all(name in each.attributes for each in types)
    ]
    by_group: dict[str, list[InteractionType]] = {}
    for each in types:
        by_group.setdefault(each.group, []).append(each)
    width = max(len(each.name) for each in types) + 2
    for group, members in by_group.items():
        yield group
        for each in members:
            mark = "" if each.public else _MARK
            own = [name for name in each.attributes if name not in shared]
            text = ", ".join(own) or "-"
            yield f"  {each.name + mark:<{width}}{text}"
        yield ""
    yield _wrapped(f"Every type has {', '.join(shared)}.")
    hidden = [each for each in types if not each.public]
    if hidden:
        yield _wrapped(f"{_MARK} in Miso's API description, but not in its public upload guide.")
    yield "'miso-upload types NAME' explains a type."


def _explained(schema: Schema, each: InteractionType) -> Iterator[str]:
    public = "" if each.public else f" {_MARK}"
    yield f"{each.name}{public} ({each.group})"
    if each.description:
        yield _wrapped(each.description)
    if not each.public:
        yield _wrapped(f"{_MARK} in Miso's API description, but not in its public upload guide.")
    yield ""
    for path, attribute in schema.attributes.items():
        if path.split(".")[0] not in each.attributes:
            continue
        required = ", required" if path in each.required else ""
        depth = "  " * (path.count(".") + 1)
        yield f"{depth}{path}  ({attribute.kind.value}{required})"
        if attribute.description:
            yield _wrapped(attribute.description, indent=depth + "    ")


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=indent)
