"""Opens inputs, decompresses and decodes them, detects their format, and cuts them into blocks."""

from __future__ import annotations

TYPE_CHECKING = False  # as in `typing`
if TYPE_CHECKING:
    from typing import Any

    from miso_upload.sources.inputs import expand_inputs
    from miso_upload.sources.options import ReadingOptions
    from miso_upload.sources.source import Source

__all__ = [
    "ReadingOptions",
    "Source",
    "expand_inputs",
]

_MODULES = {
    "ReadingOptions": "options",
    "Source": "source",
    "expand_inputs": "inputs",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- whatever the name stands for
    """Import what is asked for: the help needs no more than the options."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
