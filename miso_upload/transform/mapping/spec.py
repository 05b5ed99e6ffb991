"""What the user configured about rows and records, by options or in a mapping file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.errors import ConfigurationError
from miso_upload.transform.mapping.paths import ABSENT
from miso_upload.transform.mapping.rules import Rule
from miso_upload.values.null_words import DEFAULT_NULL_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from miso_upload.transform.mapping.conditions import Condition
    from miso_upload.transform.mapping.routes import Routing


class NamedRule(NamedTuple):
    """A rule for one attribute, and where the user wrote it.

    Attributes:
        attribute: The attribute whose value the rule makes.
        rule: The rule.
        origin: Where the rule was written, for messages.
        lenient: Accept columns that the header does not have. Presets name all columns that a
            vendor's export may have. For type and timestamp, one of the columns must exist.
    """

    attribute: str
    rule: Rule
    origin: str
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class MappingFile:
    """The contents of a mapping file.

    Attributes:
        name: The name of the file, for messages.
        rules: Where the values of attributes come from.
        skips: Which rows are skipped.
        routing: What the URLs of rows stand for; None if that is not configured.
        ignored: Columns that are left unmapped on purpose.
        columns: The rows' names of columns, by the names that a preset under this mapping uses. The
            other fields use the rows' names.
        options: Options of the upload, by name.
        key: Columns or paths that identify a row among those of its type.
        carry_down: Columns whose empty cells take the last value above.
    """

    name: str
    rules: tuple[NamedRule, ...] = ()
    skips: tuple[Condition, ...] = ()
    routing: Routing | None = None
    ignored: tuple[str, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    carry_down: tuple[str, ...] = ()

    @property
    def spec(self) -> MappingSpec:
        """Return what the file alone configures, without options of the upload."""
        return MappingSpec(self.rules, self.skips, self.routing, self.ignored)

    @property
    def fingerprint(self) -> str:
        """Return a text that is equal for two files that map rows in the same way."""
        if not (self.rules or self.skips or self.routing):
            return ""
        rules = [(named.attribute, named.rule) for named in self.rules]
        configured = repr(_configured((rules, self.skips, self.routing)))
        return hashlib.sha256(configured.encode()).hexdigest()[:12]

    def with_columns(self, names: dict[str, str]) -> MappingFile:
        """Return the mapping with columns replaced by `names`."""
        if not names:
            return self
        from miso_upload.transform.mapping.rename import (  # noqa: PLC0415 -- few mappings rename
            renamed_condition,
            renamed_path,
            renamed_routing,
            renamed_rule,
        )

        return replace(
            self,
            rules=tuple(
                named._replace(rule=renamed_rule(named.rule, names)) for named in self.rules
            ),
            skips=tuple(renamed_condition(skip, names) for skip in self.skips),
            routing=self.routing and renamed_routing(self.routing, names),
            ignored=tuple(names.get(column, column) for column in self.ignored),
            key=tuple(renamed_path(path, names) for path in self.key),
            carry_down=tuple(names.get(column, column) for column in self.carry_down),
        )


class MappingSpec(NamedTuple):
    """The mapping of one source, as configured. `plan.compile_plan` makes a `Plan` of it.

    Attributes:
        rules: Where the values of attributes come from, at most one rule for each attribute.
        skips: Which rows are skipped.
        routing: What the URLs of rows stand for; None if that is not configured.
        ignored: Columns that are left unmapped on purpose.
        bot_rate: The most rows a minute from one address and browser; visitors with more are
            skipped. 0 means no limit.
        list_separator: What separates the values of a list in one cell; None means one value.
        strict: Reject rows with an unmapped column.
        null_words: The words that mean no value in ids, lists and numbers.
        float_ids: Read an id such as `123.0` as `123`, instead of rejecting it.
    """

    rules: tuple[NamedRule, ...] = ()
    skips: tuple[Condition, ...] = ()
    routing: Routing | None = None
    ignored: tuple[str, ...] = ()
    bot_rate: int = 0
    list_separator: str | None = None
    strict: bool = False
    null_words: tuple[str, ...] = DEFAULT_NULL_WORDS
    float_ids: bool = False


def rules_of_options(columns: Iterable[str], constants: Iterable[str]) -> tuple[NamedRule, ...]:
    """Return the rules of `--map` and `--set`.

    If both name an attribute, the constant is the default for an empty column.

    Raises:
        ConfigurationError: A text is no assignment, or an attribute is given twice.
    """
    mapped = parse_assignments("--map", columns)
    fixed = parse_assignments("--set", constants)
    rules = [
        NamedRule(
            attribute,
            Rule(columns=(column,), default=fixed.get(attribute, ABSENT)),
            f"--map {attribute}={column}",
        )
        for attribute, column in mapped.items()
    ]
    rules += [
        NamedRule(attribute, Rule(value=value), f"--set {attribute}={value}")
        for attribute, value in fixed.items()
        if attribute not in mapped
    ]
    return tuple(rules)


def parse_assignments(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Return `ATTRIBUTE=VALUE` texts as pairs.

    Raises:
        ConfigurationError: A text has no `=`, or an attribute is given twice.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        attribute, mark, value = text.partition("=")
        attribute = attribute.strip()
        if not mark or not attribute or not value:
            raise ConfigurationError(
                f"{option} {text}: an attribute, = or a value is missing. Write for example "
                f"{option} product_ids=sku"
            )
        if attribute in pairs:
            raise ConfigurationError(
                f"{option} {text}: another {option} names {attribute} too. Remove one of them"
            )
        pairs[attribute] = value
    return pairs


def _configured(value: object) -> object:
    """Return plain values for a fingerprint, without those that have their default.

    So a file keeps its fingerprint when mapping files get a new key.
    """
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((each.name, getattr(value, each.name), each.default) for each in fields(value))
        return [
            (name, _configured(inner)) for name, inner, default in pairs
            if name != "origin" and inner != default
        ]  # fmt: skip
    if isinstance(value, list | tuple):
        return [_configured(each) for each in value]
    return value
