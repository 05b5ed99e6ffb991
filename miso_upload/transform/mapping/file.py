"""Mapping files: TOML that says how rows become records, and the options of the job.

A file is checked against a schema of its own (`schemas/mapping.schema.json`), so what it says wrong
is told with the line it stands in and the name that was probably meant.
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
from miso_upload.transform.mapping.rules import UNNAMED, Rule, parts_of
from miso_upload.transform.mapping.spec import MappingFile, NamedRule
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
"""A key of a hundred parts and more, which no mapping has."""


def read_mapping_file(path: str) -> MappingFile:
    """Return what the mapping file at `path` says.

    Raises:
        MappingError: It cannot be read, or says something that cannot be meant.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MappingError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise MappingError(f"{path}: is not UTF-8, as TOML must be") from None
    return parse_mapping(path, text)


def parse_mapping(name: str, text: str) -> MappingFile:
    """Return what the text of a mapping file says.

    Raises:
        MappingError: It says something that cannot be meant; the message names the line.
    """
    try:
        document = _parsed(text)
        complaint = complaint_about(document, _mapping_schema())
    except ValueError as error:
        raise MappingError(f"{name}: is not TOML: {error}") from None
    except RecursionError:
        raise MappingError(f"{name}: is nested too deeply") from None
    lines = KeyLines(text)
    if complaint is not None:
        raise MappingError(_located(name, lines, complaint.path, complaint.problem))
    rules = []
    for attribute, said in document.get("attributes", {}).items():
        path = ("attributes", attribute)
        try:
            rule = _rule({"column": said} if isinstance(said, str) else said)
        except ConfigurationError as error:
            raise MappingError(_located(name, lines, path, str(error))) from None
        rules.append(NamedRule(attribute, rule, f"{name}:{lines.line(path)}"))
    columns = document.get("columns", {})
    file = MappingFile(
        name,
        tuple(rules),
        tuple(map(_condition, document.get("skip", ()))),
        _routing(name, lines, document),
        tuple(document.get("ignore", ())),
        options=document.get("options", {}),
        key=tuple(document.get("rows", {}).get("key", ())),
    )
    return replace(file.with_columns(columns), columns=columns)


def _parsed(text: str) -> dict[str, Any]:
    """Return the document that a text of TOML is.

    Raises:
        ValueError: It is none, or one whose numbers no mapping can mean.
        RecursionError: It is nested too deeply.
    """
    # The parser's time for a key grows with the square of its parts, and with the cube of headings.
    if _DEEP_KEY.search(text) is not None:
        raise RecursionError
    return tomllib.loads(text, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number that a mapping can mean")
    return number


@cache
def _mapping_schema() -> Node:
    schema: Node = decode(shipped_schema_file(SCHEMA_FILE).read_bytes())
    return schema


def _rule(said: dict[str, Any]) -> Rule:
    """Return the rule that a table makes.

    Raises:
        ConfigurationError: It names no source of the value or several, or an unknown time zone.
    """
    sources = [key for key in ("column", "first_of", "columns", "template", "value") if key in said]
    if len(sources) != 1:
        raise ConfigurationError(
            "say exactly one of column, first_of, columns, template and value, not "
            + (" and ".join(sources) or "none")
        )
    column = said.get("column")
    formats = _one_or_more(said.get("format"))
    base = _one_or_more(said.get("base"))
    # What cannot be used is refused here, where it can be said in which line it stands.
    TimestampReader(said.get("timezone"), formats)
    for template in filter(None, (said.get("template"), *base)):
        parts_of(template)
    return Rule(
        columns=(column,) if column else tuple(said.get("first_of") or said.get("columns") or ()),
        join=said.get("join", " ") if "columns" in said else None,
        template=said.get("template"),
        base=base,
        cookie=said.get("cookie"),
        value=said.get("value", ABSENT),
        values=said.get("values"),
        otherwise=said.get("otherwise", "reject"),
        skipped_as=said.get("skipped_as", UNNAMED),
        split=said.get("split"),
        scale=said.get("scale"),
        at_least=said.get("min"),
        at_most=said.get("max"),
        formats=formats,
        timezone=said.get("timezone"),
        default=said.get("default", ABSENT),
    )


def _one_or_more(said: str | list[str] | None) -> tuple[str, ...]:
    if said is None:
        return ()
    return (said,) if isinstance(said, str) else tuple(said)


def _routing(name: str, lines: KeyLines, document: dict[str, Any]) -> Routing | None:
    if "routes" not in document and "routing" not in document:
        return None
    routes = []
    for place, said in enumerate(document.get("routes", ())):
        path = ("routes", place, "match")
        try:
            compile_route(said["match"])
        except ConfigurationError as error:
            raise MappingError(_located(name, lines, path, str(error))) from None
        attributes = (("type", said["type"]), *said.get("set", {}).items())
        methods = tuple(method.upper() for method in said.get("method", ()))
        origin = f"{name}:{lines.line(path)}"
        routes.append(Route(said["match"], attributes, methods, origin))
    where = document.get("routing", {})
    return Routing(tuple(routes), where.get("url"), where.get("method"), where.get("otherwise"))


def _condition(said: dict[str, Any]) -> Condition:
    return Condition(
        said["name"],
        said["column"],
        one_of=_texts(said.get("in")),
        none_of=_texts(said.get("not_in")),
        like=_texts(said.get("like")),
        below=said.get("below"),
        above=said.get("above"),
        empty=said.get("empty"),
        path_ends=_texts(said.get("path_ends")),
        bot=said.get("bot"),
    )


def _texts(said: list[str] | None) -> tuple[str, ...] | None:
    return None if said is None else tuple(said)


def _located(name: str, lines: KeyLines, path: tuple[str | int, ...], problem: str) -> str:
    where = ".".join(str(step) for step in path if not isinstance(step, int))
    return f"{name}:{lines.line(path)}: {where} {problem}"
