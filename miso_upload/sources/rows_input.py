"""Reads rows that a Python program gives, instead of a file: dicts, or Arrow data.

The rows become JSON Lines while they are read, so memory holds a few of them at a time. They can be
read only once, like a pipe.
"""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any, cast

from miso_upload.errors import ConfigurationError, MisoUploadError, UnreachableSourceError
from miso_upload.sources.input_location import Unversioned
from miso_upload.values.input_names import PYTHON_SCHEME
from miso_upload.values.json import row_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ARROW_STREAM, _ARROW_ARRAY = "__arrow_c_stream__", "__arrow_c_array__"


class RowsInput(str):
    """The name of rows that a Python program gives, with the rows.

    Attributes:
        rows: The rows: an iterable of dicts or of Arrow batches, or one object with Arrow data.
    """

    __slots__ = ("rows",)
    rows: Any

    @classmethod
    def of(cls, rows: object, name: object) -> RowsInput:
        """Return the input for some rows.

        Raises:
            ConfigurationError: These are no rows, or the name is empty.
        """
        if not isinstance(name, str) or not name or not name.isprintable():
            raise ConfigurationError(f"name: must be text that can be printed, but is {name!r}")
        if not _is_arrow(rows) and (
            isinstance(rows, str | bytes | bytearray | dict) or not hasattr(rows, "__iter__")
        ):
            raise ConfigurationError(
                f"records: must be an iterable of dicts, or Arrow data, but is {_kind(rows)}"
            )
        if hasattr(rows, "columns") and not _is_arrow(rows):
            raise ConfigurationError(
                f"records: this {_kind(rows)} does not provide Arrow data ({_ARROW_STREAM}); a "
                "newer version of its library may, or give its rows as dicts"
            )
        self = cls(f"{PYTHON_SCHEME}{name}")
        self.rows = rows
        return self


class RowsLocation(Unversioned):
    """The location of rows that a Python program gives."""

    ours = True
    can_reopen = False

    def __init__(self, name: RowsInput) -> None:
        self.shown = str(name)
        self._rows = name.rows

    def open(self) -> IO[bytes]:
        """See `InputLocation.open`."""
        return cast("IO[bytes]", _RowsFile(self._rows, self.shown))


class _RowsFile(io.RawIOBase):
    """Returns rows as JSON Lines."""

    def __init__(self, rows: object, shown: str) -> None:
        self._shown = shown
        self._pieces = _pieces(rows)
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 -- any buffer
        while not self._piece:
            piece = self._next()
            if piece is None:
                return 0
            self._piece = memoryview(piece)
        size = min(len(buffer), len(self._piece))
        buffer[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size

    def _next(self) -> bytes | None:
        try:
            return next(self._pieces, None)
        except MisoUploadError:
            raise
        except Exception as error:
            raise UnreachableSourceError(
                f"{self._shown}: the iterable of records raised {_kind(error)}: {error}. The rows "
                "before were read. Run it again; records that Miso has are not sent again"
            ) from error


def _pieces(rows: Any) -> Iterator[bytes]:  # noqa: ANN401
    if _is_arrow(rows):
        yield from _arrow_lines(rows)
        return
    for row in cast("Iterable[object]", rows):
        if isinstance(row, dict):
            yield row_line(row)
        elif _is_arrow(row):
            yield from _arrow_lines(row)
        else:
            # JSON text that is no object, so that the row is rejected with its line.
            yield row_line(repr(row)[:200])


def _arrow_lines(data: object) -> Iterator[bytes]:
    from miso_upload.sources.tables.arrow import arrow_lines  # noqa: PLC0415 -- an extra

    return arrow_lines(data)


def _is_arrow(value: object) -> bool:
    return hasattr(value, _ARROW_STREAM) or hasattr(value, _ARROW_ARRAY)


def _kind(value: object) -> str:
    return type(value).__name__
