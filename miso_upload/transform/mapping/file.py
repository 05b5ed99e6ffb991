"""Reads mapping files: TOML with the rules for rows, and the options of the job.

A file is validated against `schemas/mapping.schema.json`. Messages name the line of an error, and
for an unknown name the one that was probably meant.
"""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from miso_upload.errors import ConfigurationError, MappingError
from miso_upload.transform.mapping.conditions import Condition
from miso_upload.transform.mapping.paths import ABSENT
from miso_upload.transform.mapping.routes import Route, Routing, compile_route
from miso_upload.transform.mapping.rules import UNNAMED, Rule
from miso_upload.transform.mapping.spec import MappingFile, NamedRule
from miso_upload.transform.mapping.step_tables import companions, steps_of
from miso_upload.transform.mapping.templates import parts_of
from miso_upload.transform.mapping.toml_positions import KeyLines
from miso_upload.transform.schema.check import complaint_about
from miso_upload.transform.schema.resources import shipped_schema_file
from miso_upload.values.json import decode
from miso_upload.values.timestamps import TimestampReader

if TYPE_CHECKING:
    from miso_upload.transform.schema.json_schema import Node

SCHEMA_FILE = "mapping.schema.json"
_DEEP_KEY = re.compile(
    r"""(?:(?<![\w"'-])(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){100}"""
)
"""A key of a hundred parts or more, which no mapping needs."""


def read_mapping_file(path: str) -> MappingFile:
    """Return the contents of the mapping file at `path`.

    Raises:
        MappingError: The file cannot be read or is not a valid mapping.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MappingError(f"{path}: the mapping file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise MappingError(f"{path}: the mapping file is not in UTF-8. Save it as UTF-8") from None
    return parse_mapping(path, text)


def parse_mapping(name: str, text: str) -> MappingFile:
    """Return the contents of a mapping file, given its text.

    Raises:
        MappingError: The text is not a valid mapping. The message names the line.
    """
    try:
        document = _parsed(text)
        complaint = complaint_about(document, _mapping_schema())
    except ValueError as error:
        raise MappingError(f"{name}: the mapping file is not valid TOML: {error}") from None
    except RecursionError:
        raise MappingError(f"{name}: the mapping file is nested too deeply") from None
    lines = KeyLines(text)
    if complaint is not None:
        raise MappingError(_located(name, lines, complaint.path, complaint.problem))
    rules = []
    for attribute, table in document.get("attributes", {}).items():
        path = ("attributes", attribute)
        try:
            table = {"column": table} if isinstance(table, str) else table  # noqa: PLW2901
            rule = replace(_rule(table), steps=steps_of(attribute, table, Path(name).parent))
            others = _companions(attribute, rule, document["attributes"])
        except ConfigurationError as error:
            raise MappingError(_located(name, lines, path, str(error))) from None
        made = ((attribute, rule), *others)
        rules += [NamedRule(each, its, f"{name}:{lines.line(path)}") for each, its in made]
    columns = document.get("columns", {})
    file = MappingFile(
        name,
        tuple(rules),
        tuple(map(_condition, document.get("skip", ()))),
        _routing(name, lines, document),
        tuple(document.get("ignore", ())),
        options=document.get("options", {}),
        key=tuple(document.get("rows", {}).get("key", ())),
        carry_down=tuple(document.get("rows", {}).get("carry_down", ())),
    )
    return replace(file.with_columns(columns), columns=columns)


def _parsed(text: str) -> dict[str, Any]:
    """Return the document of a TOML text.

    Raises:
        ValueError: The text is not TOML, or holds a number that is not finite.
        RecursionError: The text is nested too deeply.
    """
    # The parser's time grows with the square of a key's parts, and for headings with the cube.
    if _DEEP_KEY.search(text) is not None:
        raise RecursionError
    return tomllib.loads(text, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


@cache
def _mapping_schema() -> Node:
    schema: Node = decode(shipped_schema_file(SCHEMA_FILE).read_bytes())
    return schema


def _rule(table: dict[str, Any]) -> Rule:
    """Return the rule of a table in `[attributes]`.

    Raises:
        ConfigurationError: The table names no source of the value or several, or an unknown time
            zone.
    """
    sources = [
        key
        for key in ("column", "first_of", "columns", "template", "calculate", "value")
        if key in table
    ]
    if len(sources) != 1:
        raise ConfigurationError(
            "must have exactly one of column, first_of, columns, template, calculate and value, "
            "but has " + (" and ".join(sources) or "none")
        )
    column = table.get("column")
    formats = _one_or_more(table.get("format"))
    base = _one_or_more(table.get("base"))
    if (mark := table.get("decimal")) is not None and mark == table.get("thousands"):
        raise ConfigurationError("has the same mark for decimal and thousands")
    # Unusable values are found here, where the line of the table is known.
    TimestampReader(table.get("timezone"), formats)
    for template in filter(None, (table.get("template"), *base)):
        parts_of(template)
    return Rule(
        columns=(column,) if column else tuple(table.get("first_of") or table.get("columns") or ()),
        join=table.get("join", " ") if "columns" in table else None,
        template=table.get("template"),
        calculate=table.get("calculate"),
        base=base,
        cookie=table.get("cookie"),
        value=table.get("value", ABSENT),
        values=table.get("values"),
        otherwise=table.get("otherwise", "reject"),
        skipped_as=table.get("skipped_as", UNNAMED),
        split=table.get("split"),
        scale=table.get("scale"),
        at_least=table.get("min"),
        at_most=table.get("max"),
        decimal=table.get("decimal"),
        thousands=table.get("thousands"),
        float_ids=table.get("float_ids"),
        formats=formats,
        timezone=table.get("timezone"),
        add=table.get("add"),
        unit=table.get("unit", "milliseconds"),
        default=table.get("default", ABSENT),
    )


def _companions(attribute: str, rule: Rule, tables: dict[str, Any]) -> list[tuple[str, Rule]]:
    """Return the rules for the other attributes that a rule makes from the same cell.

    Raises:
        ConfigurationError: One of them has a rule of its own.
    """
    found = list(companions(attribute, rule))
    for other, _ in found:
        if other in tables:
            raise ConfigurationError(
                f"has {{{other}}} in its item pattern, and {other} has a rule of its own. Remove "
                "one of them"
            )
    return found


def _one_or_more(value: str | list[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _routing(name: str, lines: KeyLines, document: dict[str, Any]) -> Routing | None:
    if "routes" not in document and "routing" not in document:
        return None
    routes = []
    for i, table in enumerate(document.get("routes", ())):
        path = ("routes", i, "match")
        try:
            compile_route(table["match"])
        except ConfigurationError as error:
            raise MappingError(_located(name, lines, path, str(error))) from None
        attributes = (("type", table["type"]), *table.get("set", {}).items())
        methods = tuple(method.upper() for method in table.get("method", ()))
        origin = f"{name}:{lines.line(path)}"
        routes.append(Route(table["match"], attributes, methods, origin))
    options = document.get("routing", {})
    return Routing(
        tuple(routes), options.get("url"), options.get("method"), options.get("otherwise")
    )


def _condition(table: dict[str, Any]) -> Condition:
    return Condition(
        table["name"],
        table["column"],
        one_of=_texts(table.get("in")),
        none_of=_texts(table.get("not_in")),
        like=_texts(table.get("like")),
        below=table.get("below"),
        above=table.get("above"),
        empty=table.get("empty"),
        path_ends=_texts(table.get("path_ends")),
        bot=table.get("bot"),
    )


def _texts(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _located(name: str, lines: KeyLines, path: tuple[str | int, ...], problem: str) -> str:
    """Return a sentence about the key at `path`, given what follows the key in it."""
    key = ".".join(str(step) for step in path if not isinstance(step, int))
    return f"{name}:{lines.line(path)}: {key or 'the file'} {problem}"
