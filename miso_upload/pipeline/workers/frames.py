"""Reads and writes the messages between the main process and its workers: length-prefixed pickles.

Both ends run this program, so no pickle comes from anyone else.
"""

from __future__ import annotations

import pickle
from typing import IO, Any

_LENGTH_BYTES = 8


def write_frame(pipe: IO[bytes], value: object) -> None:
    """Write one value.

    Raises:
        OSError: The other end has closed the pipe.
    """
    data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(len(data).to_bytes(_LENGTH_BYTES, "big"))
    pipe.write(data)
    pipe.flush()


def read_frame(pipe: IO[bytes]) -> Any:  # noqa: ANN401 -- any value
    """Read one value.

    Raises:
        EOFError: The other end has closed the pipe.
    """
    size = int.from_bytes(_read(pipe, _LENGTH_BYTES), "big")
    return pickle.loads(_read(pipe, size))  # noqa: S301 -- written by our own process


def _read(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data
