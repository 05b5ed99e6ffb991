"""What goes through the pipes between the program and its workers: pickles with their lengths.

Both ends are this very program, so nothing is unpickled that somebody else wrote.
"""

from __future__ import annotations

import pickle
from typing import IO, Any

_LENGTH_BYTES = 8


def write_frame(pipe: IO[bytes], value: object) -> None:
    """Write one value.

    Raises:
        OSError: The other end is gone.
    """
    data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(len(data).to_bytes(_LENGTH_BYTES, "big"))
    pipe.write(data)
    pipe.flush()


def read_frame(pipe: IO[bytes]) -> Any:  # noqa: ANN401 -- whatever the other end wrote
    """Read one value.

    Raises:
        EOFError: The other end is gone.
    """
    size = int.from_bytes(_read(pipe, _LENGTH_BYTES), "big")
    return pickle.loads(_read(pipe, size))  # noqa: S301 -- written by our own process


def _read(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data
