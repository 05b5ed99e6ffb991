"""Finding the data that is shipped with the code, in a wheel and in the source tree alike."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from miso_upload.errors import MisoUploadError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SCHEMAS = "schemas"


def shipped_schema_file(name: str) -> Traversable:
    """Return a file of `schemas/`, which a wheel has inside the package and the tree beside it.

    Raises:
        MisoUploadError: It is in neither place.
    """
    inside = resources.files("miso_upload") / SCHEMAS / name
    beside = Path(__file__).parents[3] / SCHEMAS / name
    found: Traversable
    for found in (inside, beside):
        if found.is_file():
            return found
    raise MisoUploadError(f"the shipped {name} is missing: install miso-upload again")
