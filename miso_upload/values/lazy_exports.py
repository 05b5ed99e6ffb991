"""Lets a package export names whose modules are imported on first use.

So the help and `--version` do not wait for what they do not need.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in `typing`, which is slow to import
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def lazy_exports(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package.

    Args:
        package: The name of the package.
        modules: The module of each exported name, relative to the package.
    """

    def import_name(name: str) -> Any:  # noqa: ANN401 -- any exported name
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 -- slow to import

        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return import_name
