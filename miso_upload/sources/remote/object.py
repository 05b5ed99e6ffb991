"""An object in a store or on a web server, read in ranges as if it were a file.

It is read in parts that grow while they are read in order, up to `MOST_PART`; the next part is
fetched while one is read, so no more than two are in memory. They are fetched in threads, so that
signals are heeded meanwhile.

All parts are of one and the same version of the object: a part of another one is never used.
"""

from __future__ import annotations

import io
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from miso_upload.errors import ChangedSourceError, SourceError, UnreachableSourceError
from miso_upload.records import Stamp
from miso_upload.sources.remote.stores import (
    IDLE_SECONDS,
    BehindEndError,
    IdleError,
    NoPartsError,
    get,
    location_of,
    pieces,
)
from miso_upload.sources.remote.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

_FIRST_PART = 2**20
MOST_PART = 2**23


_MOST_ATTEMPTS = 3
"""How often a part is asked for of a server that hardly sends."""


class _Version(NamedTuple):
    """What tells one version of an object from another."""

    tag: str | None
    modified: Any
    size: int


class RemoteObject:
    """An object by URL. See `Place`."""

    ours = True
    can_reopen = True

    def __init__(self, name: str, *, allow_insecure_http: bool = False) -> None:
        self._at = location_of(name, allow_insecure_http=allow_insecure_http)
        self.shown = self._at.shown
        self._version: _Version | None = None
        self._lock = Lock()  # two parts may arrive at the same time

    def size(self) -> int | None:
        """See `Place.size`."""
        return self._version.size or None if self._version is not None else None

    def written_at(self) -> float | None:
        """See `Place.written_at`."""
        modified = self._version.modified if self._version is not None else None
        # A server that does not say is taken to mean 1970 by what asks it.
        return modified.timestamp() or None if modified is not None else None

    def open(self) -> IO[bytes]:
        """See `Place.open`."""
        try:
            data = self.fetch(0, _FIRST_PART).result()
        except NoPartsError:
            return cast("IO[bytes]", _Whole(self))
        return cast("IO[bytes]", _Parts(self, data))

    def stamp(self) -> Stamp | None:
        """See `Place.stamp`."""
        version = self._version
        if version is None or not version.tag:
            return None
        return Stamp(self.shown, f"{version.size}:{version.tag}")

    def fetch(self, start: int, size: int) -> Future[memoryview]:
        """Begin to fetch `size` bytes from `start`, fewer at the end."""
        return in_thread(lambda: self._fetch(start, size))

    def pieces(self) -> Iterator[memoryview]:
        """Yield all bytes, from a server that sends files whole only."""
        try:
            yield from pieces(self._at, self._get(None))
        except IdleError:
            raise self._idle() from None

    def _fetch(self, start: int, size: int) -> memoryview:
        """Return a part; where the server stops sending, the rest of it is asked for again."""
        data = bytearray()
        for _ in range(_MOST_ATTEMPTS):
            try:
                answer = self._get((start + len(data), start + size))
            except BehindEndError:
                self._get(None)  # it is empty, or else shorter than it was
                break
            try:
                for piece in pieces(self._at, answer):
                    data += piece
                break
            except IdleError:
                continue
        else:
            raise self._idle()
        return memoryview(data)

    def _idle(self) -> UnreachableSourceError:
        return UnreachableSourceError(
            f"{self.shown}: the server sent next to nothing for {IDLE_SECONDS:g} s; every whole "
            "row before was read. Run the same command again later"
        )

    def _get(self, part: tuple[int, int] | None) -> Any:  # noqa: ANN401 -- obstore's answer
        """Return the answer to a request, which is of the version that was opened."""
        answer = get(self._at, part)
        meta = answer.meta
        self._see(_Version(meta["e_tag"], meta["last_modified"], meta["size"]))
        return answer

    def _see(self, version: _Version) -> None:
        with self._lock:
            self._version = first = self._version or version
        if first != version:
            raise ChangedSourceError(
                f"{self.shown}: was replaced while it was read; the rows before were read as they "
                "were. Run the same command again when it is no longer written"
            )


class _Parts(io.RawIOBase):
    """A remote object that can be sought in."""

    def __init__(self, remote: RemoteObject, data: memoryview) -> None:
        self._remote = remote
        self._position = 0
        self._start, self._data = 0, data
        self._next: tuple[int, Future[memoryview]] | None = None
        self._part = len(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        end = self._remote.size() or 0
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: end}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek value {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._position >= (self._remote.size() or 0):
            return 0
        at = self._position - self._start
        if not 0 <= at < len(self._data):
            self._load(len(buffer))
            at = 0
        part = self._data[at : at + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)

    def close(self) -> None:
        self._data, self._next = memoryview(b""), None
        super().close()

    def _load(self, wanted: int) -> None:
        """Have the part that begins at the position, and the one behind it on its way."""
        position, size = self._position, self._remote.size() or 0
        in_order = position == self._start + len(self._data)
        self._part = min(2 * self._part, MOST_PART) if in_order else min(wanted, MOST_PART)
        ahead, self._next = self._next, None
        self._data = memoryview(b"")
        if ahead is None or ahead[0] != position:
            ahead = position, self._remote.fetch(position, self._part)
        self._start, self._data = position, ahead[1].result()
        if not self._data:
            raise UnreachableSourceError(
                f"{self._remote.shown}: broke off; run the same command again later"
            )
        behind = position + len(self._data)
        if in_order and behind < size:
            following = min(2 * self._part, MOST_PART)
            self._next = behind, self._remote.fetch(behind, following)


class _Whole(io.RawIOBase):
    """A remote object that comes whole, from its beginning."""

    def __init__(self, remote: RemoteObject) -> None:
        self._pieces = remote.pieces()
        self._error: SourceError | None = None
        self._left = in_thread(self._following).result()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._left:
            self._left = in_thread(self._following).result()
        part, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def _following(self) -> memoryview:
        """Return what comes next, some of it together: a thread for each piece would be too many.

        What came before an error is returned before it is raised.
        """
        data = bytearray()
        while len(data) < _FIRST_PART and self._error is None:
            try:
                piece = next(self._pieces, None)
            except SourceError as error:
                self._error = error
                break
            if piece is None:
                break
            data += piece
        if not data and self._error is not None:
            raise self._error
        return memoryview(data)
