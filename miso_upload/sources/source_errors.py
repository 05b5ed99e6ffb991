"""Makes the errors of an input that was changed while it was read, or that is cut off."""

from __future__ import annotations

from miso_upload.errors import ChangedSourceError, DamagedSourceError


def changed_source(name: str, how: str) -> ChangedSourceError:
    """Return the error of an input that was changed while it was read."""
    return ChangedSourceError(
        f"{name}: the input was changed while it was read ({how}). Rerun the same "
        "command; records that Miso has are not sent again"
    )


def damaged_source(name: str, how: str) -> DamagedSourceError:
    """Return the error of an input that cannot be read to its end."""
    return DamagedSourceError(
        f"{name}: {how}. The rows before the end were read. Get an intact copy of the "
        "file and rerun the same command"
    )
