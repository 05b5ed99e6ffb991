"""Replaces column names in rules, skips and routes, for sources that use other names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from miso_upload.transform.mapping.paths import first_step
from miso_upload.transform.mapping.templates import parts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from miso_upload.transform.mapping.conditions import Condition
    from miso_upload.transform.mapping.routes import Routing
    from miso_upload.transform.mapping.rules import Rule

_URL = "url"


def renamed_rule(rule: Rule, names: Mapping[str, str]) -> Rule:
    """Return `rule` with its columns replaced by `names`."""
    template = rule.template
    return replace(
        rule,
        columns=tuple(renamed_path(column, names) for column in rule.columns),
        template=template if template is None else _filled(template, names),
        calculate=rule.calculate and _filled(rule.calculate, names),
        add=rule.add and renamed_path(rule.add, names),
        base=tuple(_filled(base, names) for base in rule.base),
    )


def renamed_condition(condition: Condition, names: Mapping[str, str]) -> Condition:
    """Return `condition` with its column replaced by `names`."""
    return replace(condition, column=renamed_path(condition.column, names))


def renamed_routing(routing: Routing, names: Mapping[str, str]) -> Routing:
    """Return `routing` with its columns replaced by `names`."""
    url, method = routing.url or (_URL if _URL in names else None), routing.method
    return replace(
        routing,
        url=url and renamed_path(url, names),
        method=method and renamed_path(method, names),
    )


def renamed_path(path: str, names: Mapping[str, str]) -> str:
    """Return `path` with the column that it starts in replaced by `names`."""
    if path in names:
        return names[path]
    first = first_step(path)
    return names[first] + path[len(first) :] if first in names else path


def _filled(template: str, names: Mapping[str, str]) -> str:
    return "".join(
        2 * text if name is None and text in ("{", "}")
        else text if name is None
        else "{" + renamed_path(name, names) + "}"
        for text, name in parts_of(template)
    )  # fmt: skip
