"""Combines the options of all packages into the settings of a run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from miso_upload.delivery.options import DeliveryOptions
from miso_upload.errors import ConfigurationError
from miso_upload.ledger.options import ResumeOptions
from miso_upload.report.options import OutputOptions
from miso_upload.sources.options import ReadingOptions
from miso_upload.transform.options import (
    IdentityOptions,
    MappingOptions,
    ScopeOptions,
    ValidationOptions,
)
from miso_upload.values.option import Option, Part, options_of

if TYPE_CHECKING:
    from typing import Self, TypeAlias

    Inputs: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

PARTS: dict[str, type[Part]] = {
    "reading": ReadingOptions,
    "mapping": MappingOptions,
    "identity": IdentityOptions,
    "scope": ScopeOptions,
    "validation": ValidationOptions,
    "delivery": DeliveryOptions,
    "resume": ResumeOptions,
    "output": OutputOptions,
}
_PART_OF = {each.name: name for name, part in PARTS.items() for each in fields(part)}  # type: ignore[arg-type]  # a subclass is a dataclass


def all_options() -> dict[str, Option]:
    """Return every option by its name; names are unique across the parts."""
    return {name: each for part in PARTS.values() for name, each in options_of(part).items()}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The inputs of a run and all its options, grouped by the package that uses them.

    `Settings.of("history.jsonl", dry_run=True)` takes the options by their names.

    Attributes:
        inputs: Files, directories, URLs, patterns, or `-` for standard input.
        reading: How inputs are read.
        mapping: Which columns are mapped to which attributes.
        identity: How `anonymous_id` is derived.
        scope: Which records are sent, and which are left for a later run.
        validation: Which records are valid, and whether this is a dry run.
        delivery: Where and how records are sent.
        resume: How a run uses the results of earlier runs.
        output: What a run writes and shows.
    """

    inputs: tuple[str, ...]
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    mapping: MappingOptions = field(default_factory=MappingOptions)
    identity: IdentityOptions = field(default_factory=IdentityOptions)
    scope: ScopeOptions = field(default_factory=ScopeOptions)
    validation: ValidationOptions = field(default_factory=ValidationOptions)
    delivery: DeliveryOptions = field(default_factory=DeliveryOptions)
    resume: ResumeOptions = field(default_factory=ResumeOptions)
    output: OutputOptions = field(default_factory=OutputOptions)

    def __post_init__(self) -> None:
        """Read the inputs, which may be one name or path, and check the types of the parts."""
        object.__setattr__(self, "inputs", _names_of(self.inputs))
        for name, part in PARTS.items():
            if not isinstance(getattr(self, name), part):
                kind = type(getattr(self, name)).__name__
                raise ConfigurationError(f"{name}: must be {part.__name__}, but is {kind}")

    @classmethod
    def of(cls, inputs: Inputs = (), **options: Any) -> Self:  # noqa: ANN401
        """Return the settings with these options, which have the names of the command line.

        Args:
            inputs: One input, or several, each as text or as a path.
            options: For example, `chunk_size=500` for `--chunk-size 500`; None means the default.
                Also the secrets `api_key` and `anonymous_id_salt`, and `remember`.

        Raises:
            ConfigurationError: An option has an invalid value.
            TypeError: There is no such option.
        """
        by_part = _by_part(options)
        parts: dict[str, Any] = {name: PARTS[name].of(**some) for name, some in by_part.items()}
        return cls(inputs=inputs, **parts)  # type: ignore[arg-type]  # `__post_init__` reads it

    def but(self, **options: Any) -> Self:  # noqa: ANN401
        """Return the same settings with some options changed; see `of`."""
        changed: dict[str, Any] = {
            name: getattr(self, name).but(**some) for name, some in _by_part(options).items()
        }
        return replace(self, **changed)

    @property
    def persistent(self) -> bool:
        """Whether the ledger keeps the results of the run for the next one."""
        return not self.validation.rehearses


def _names_of(inputs: object) -> tuple[str, ...]:
    several = (inputs,) if isinstance(inputs, str | os.PathLike) else inputs
    if isinstance(several, Iterable) and not isinstance(several, bytes | dict):
        names = tuple(several)
        if all(isinstance(name, str | os.PathLike) for name in names):
            return tuple(name if isinstance(name, str) else os.fsdecode(name) for name in names)
    raise ConfigurationError(
        f"inputs: must be a name, a path, or several of them, but is {type(inputs).__name__}"
    )


def _by_part(options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    by_part: dict[str, dict[str, Any]] = {}
    for name, value in options.items():
        if name not in _PART_OF:
            from miso_upload.values.display import did_you_mean  # noqa: PLC0415 -- slow to import

            raise TypeError(f"there is no option {name!r}{did_you_mean(name, _PART_OF)}")
        by_part.setdefault(_PART_OF[name], {})[name] = value
    return by_part
