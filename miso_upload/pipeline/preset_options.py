"""Applies the options that a preset has, such as the names of columns, to the settings of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.pipeline.settings import PARTS
from miso_upload.values.option import default_of, options_of

if TYPE_CHECKING:
    from miso_upload.pipeline.settings import Settings


def with_preset_options(settings: Settings) -> Settings:
    """Return the settings with the options of the preset where they have the default."""
    if not settings.mapping.preset:
        return settings
    from miso_upload.transform.mapping import read_preset  # noqa: PLC0415 -- most have none

    options = read_preset(settings.mapping.preset).options
    held = {
        option: options[option]
        for name, part in PARTS.items()
        for option in options_of(part).keys() & options.keys()
        if getattr(getattr(settings, name), option) == default_of(part, option)
    }
    return settings.but(**held) if held else settings
