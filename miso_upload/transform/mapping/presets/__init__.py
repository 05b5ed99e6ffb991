"""Presets: ready mapping files for exports that many have, shipped inside the package.

A preset is what lies lowest: a mapping file, and options after it, win over what it says.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError
from miso_upload.transform.mapping.spec import MappingFile
from miso_upload.values.display import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection
    from importlib.resources.abc import Traversable

NO_PRESET = "none"
"""What to say for no preset where a format would bring its own."""

_SUFFIX = ".toml"


@cache
def preset_names() -> tuple[str, ...]:
    """Return the names of all presets, in the order of the alphabet."""
    names = (each.name for each in _place().iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))


def preset_text(name: str) -> str:
    """Return the mapping file that a preset is, as it is written.

    Raises:
        ConfigurationError: There is no such preset.
    """
    if name not in preset_names():
        raise ConfigurationError(
            f"there is no preset {name!r}{did_you_mean(name, preset_names())}; "
            "'miso-upload presets' lists them"
        )
    return (_place() / f"{name}{_SUFFIX}").read_text(encoding="utf-8")


def preset_purpose(name: str) -> str:
    """Return the sentence that a preset begins with: what it is for."""
    return preset_text(name).split("\n", 1)[0].removeprefix("#").strip()


@cache
def read_preset(name: str) -> MappingFile:
    """Return what a preset says.

    Raises:
        ConfigurationError: There is no such preset.
    """
    if name == NO_PRESET:
        return MappingFile("")
    from miso_upload.transform.mapping.file import parse_mapping  # noqa: PLC0415 -- few use one

    file = parse_mapping(f"preset {name}", preset_text(name))
    return replace(file, rules=tuple(each._replace(lenient=True) for each in file.rules))


def overlaid(upper: MappingFile, lower: MappingFile) -> MappingFile:
    """Return one mapping of two, in which `upper` wins.

    It wins attribute by attribute and option by option. A row is skipped by the skips of both; of
    two skips of one name the upper one counts, in the place of the other. Routes are one list in
    which the first that fits counts, so those of `upper`, if there are any, stand instead of the
    others. Where `upper` says what the rows call a column, `lower` reads it under that name.
    """
    lower = lower.with_columns(upper.columns)
    attributes = {each.attribute for each in upper.rules}
    instead = {each.name: each for each in upper.skips}
    below = {each.name for each in lower.skips}
    return MappingFile(
        upper.name or lower.name,
        (*(each for each in lower.rules if each.attribute not in attributes), *upper.rules),
        (
            *(instead.get(each.name, each) for each in lower.skips),
            *(each for each in upper.skips if each.name not in below),
        ),
        upper.routing.over(lower.routing) if upper.routing and lower.routing
        else upper.routing or lower.routing,
        (*lower.ignored, *upper.ignored),
        upper.columns,
        {**lower.options, **upper.options},
        upper.key or lower.key,
    )  # fmt: skip


def without_skips(file: MappingFile, names: Collection[str]) -> MappingFile:
    """Return a mapping that keeps the rows which its skips of these names leave out.

    Raises:
        ConfigurationError: Neither it nor any preset has a skip of a name.
    """
    if not names:
        return file
    known = {skip.name for skip in file.skips}
    known |= {skip.name for name in preset_names() for skip in read_preset(name).skips}
    for name in names:
        if name not in known:
            raise ConfigurationError(
                f"--keep {name}: no rows are skipped under that name{did_you_mean(name, known)}"
            )
    return replace(file, skips=tuple(skip for skip in file.skips if skip.name not in names))


def _place() -> Traversable:
    return resources.files(__name__)
