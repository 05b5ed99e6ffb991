"""Presets: mapping files for common exports, shipped inside the package.

A mapping file of the user wins over the preset, and options win over both.
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
"""Selects no preset, even if the format has one."""

_SUFFIX = ".toml"


@cache
def preset_names() -> tuple[str, ...]:
    """Return the names of all presets, sorted."""
    names = (each.name for each in _directory().iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))


def preset_text(name: str) -> str:
    """Return the text of a preset's mapping file.

    Raises:
        ConfigurationError: There is no such preset.
    """
    if name not in preset_names():
        raise ConfigurationError(
            f"there is no preset {name!r}{did_you_mean(name, preset_names())}. "
            "'miso-upload presets' lists all presets"
        )
    return (_directory() / f"{name}{_SUFFIX}").read_text(encoding="utf-8")


def preset_purpose(name: str) -> str:
    """Return the first comment of a preset, which says what it is for."""
    return preset_text(name).split("\n", 1)[0].removeprefix("#").strip()


@cache
def read_preset(name: str) -> MappingFile:
    """Return the mapping of a preset.

    Raises:
        ConfigurationError: There is no such preset.
    """
    if name == NO_PRESET:
        return MappingFile("")
    from miso_upload.transform.mapping.file import parse_mapping  # noqa: PLC0415 -- few use one

    file = parse_mapping(f"preset {name}", preset_text(name))
    return replace(file, rules=tuple(each._replace(lenient=True) for each in file.rules))


def overlaid(upper: MappingFile, lower: MappingFile) -> MappingFile:
    """Return `upper` merged over `lower`.

    `upper` wins for each attribute and for each option. The skips of both apply; if two have the
    same name, that of `upper` replaces the other in its place. The routes of `upper`, if it has
    any, replace all routes of `lower`, because the first route that matches counts. `lower` reads
    columns under the names that `upper` configures for them.
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
        upper.carry_down or lower.carry_down,
    )  # fmt: skip


def without_skips(file: MappingFile, names: Collection[str]) -> MappingFile:
    """Return a mapping without its skips of these names.

    Raises:
        ConfigurationError: Neither the mapping nor any preset has a skip of a name.
    """
    if not names:
        return file
    known = {skip.name for skip in file.skips}
    known |= {skip.name for name in preset_names() for skip in read_preset(name).skips}
    for name in names:
        if name not in known:
            raise ConfigurationError(
                f"--keep {name}: no skip rule has this name{did_you_mean(name, known)}"
            )
    return replace(file, skips=tuple(skip for skip in file.skips if skip.name not in names))


def _directory() -> Traversable:
    return resources.files(__name__)
