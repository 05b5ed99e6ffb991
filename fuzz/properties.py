"""Checks the promises that must hold for any input; a broken promise raises an error."""

from __future__ import annotations

import io
import sys
import unicodedata
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import cycle
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from miso_upload.errors import DamagedSourceError, MisoUploadError
from miso_upload.pipeline.job import Job
from miso_upload.pipeline.settings import Settings
from miso_upload.sources import Source, source, stream
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.transform.validation import MOST_REASONS, RecordValidator
from miso_upload.values.display import quoted
from miso_upload.values.json import decode_joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from miso_upload.records import Batch, Block

LONGEST_MESSAGE = 1_000
"""The longest message about one row."""
_SIZES = (1, 3, 7, 64, 2**20)
_ROWS = (1, 2, 3, 10_000)
_BLOCKS = (1, 9, 40, 2**25)
_MOST_TRANSFORMS = 100
_LONGEST_ROW = 2_000
"""Longer rows are rejected as too long."""


class BrokenPromiseError(AssertionError):
    """An input broke a promise."""


def must(holds: object, promise: str) -> None:
    """Raise unless a promise holds."""
    if not holds:
        raise BrokenPromiseError(promise)


def must_be_harmless(text: str, most: int = LONGEST_MESSAGE) -> None:
    """Check that a text is safe to show: it is short and has no control characters."""
    must(len(text) <= most, f"a message is bounded: {len(text):,} characters")
    acts = [char for char in text if unicodedata.category(char).startswith(("C", "Zl", "Zp"))]
    must(not acts, f"a message is printable: {acts[:5]!r}")


@contextmanager
def only_our_errors(most: int = 20_000) -> Iterator[None]:
    """Ignore our own errors, after checking their length; any other error ends the fuzzing."""
    try:
        yield
    except MisoUploadError as error:
        must(len(str(error)) <= most, "a message is bounded")


# -- reading ---------------------------------------------------------------------------------------


class Pieces(io.RawIOBase):
    """An input that returns its bytes in pieces of the given sizes, as a pipe does."""

    def __init__(self, data: bytes, sizes: Sequence[int]) -> None:
        self._left = memoryview(data)
        self._sizes = cycle(sizes)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a part of `buffer`."""
        size = min(len(buffer), next(self._sizes), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


@dataclass
class Found:
    """What was read: rows and rejections by line, the damage, and the batches."""

    rows: list[tuple[int, Any]] = field(default_factory=list)
    rejections: list[tuple[int, str, Any]] = field(default_factory=list)
    damage: str = ""
    batches: list[Batch] = field(default_factory=list)

    @property
    def all(self) -> tuple[object, ...]:
        """Return everything that does not depend on how blocks were cut."""
        return self.rows, sorted(self.rejections, key=lambda each: each[0]), self.damage


def check_source(data: bytes, settings: Settings) -> None:
    """Check that all promises hold for `data`, read as a source with `settings`.

    It is read twice: at once, and in pieces and blocks whose sizes depend on the data. Both must
    give the same rows and rejections.
    """
    dice = zlib.crc32(data)
    row_bytes = _LONGEST_ROW if dice % 2 else 40
    reading = settings.reading.but(max_row_bytes=row_bytes)
    small = replace(reading, chunk_size=_ROWS[dice % 4], block_bytes=_BLOCKS[dice // 4 % 4])
    whole = _read(data, replace(settings, reading=reading), [2**20])
    pieces = [_SIZES[dice // 16 % 5], _SIZES[dice // 80 % 5]]
    cut = _read(data, replace(settings, reading=small), pieces)
    if isinstance(whole, str) or isinstance(cut, str):
        must(whole == cut, "an input is refused however its bytes come")
        return
    must(whole.all == cut.all, "rows are the same however blocks are cut")
    for found in (whole, cut):
        for batch in found.batches:
            check_batch(batch, len(data))
    must(records_of(whole) == records_of(cut), "records are the same however blocks are cut")


def records_of(found: Found) -> list[Any]:
    """Return the records of all batches."""
    return [record for batch in found.batches for record in decode_joined(batch.slices)]


def _read(data: bytes, settings: Settings, pieces: list[int]) -> Found | str:
    """Return what was read from a source, or our error that refuses it."""
    try:
        with _standard_input(Pieces(data, pieces), small=min(pieces) < _LONGEST_ROW):
            return _read_source(settings)
    except MisoUploadError as error:
        must_be_harmless(str(error))
        return str(error)


def _read_source(settings: Settings) -> Found:
    found = Found()
    with Source("-", settings.reading) as opened:
        transform = _transform(settings, opened)
        try:
            for block in opened.blocks(opened.body_start, opened.body_line):
                _take(opened, block, found)
                found.batches.append(transform(block))
        except DamagedSourceError as error:
            must_be_harmless(str(error))
            found.damage = str(error)
    return found


def _take(opened: Source, block: Block, found: Found) -> None:
    if block.fault is not None:
        shown = block.data.decode(errors="replace").rstrip("\r\n")
        found.rejections.append((block.first_line, block.fault.text, shown))
        return
    for part in opened.format.slices(block):
        found.rows += zip(part.lines, part.rows, strict=True)
        found.rejections += [
            (each.line, each.reasons[0].text, each.row) for each in part.rejections
        ]


@contextmanager
def _standard_input(raw: Pieces, *, small: bool) -> Iterator[None]:
    before = sys.stdin, source._FIRST_BYTES, source.READ_BYTES, stream.READ_BYTES
    sys.stdin = SimpleNamespace(buffer=raw)
    if small:
        source._FIRST_BYTES, source.READ_BYTES, stream.READ_BYTES = 1, 1, 4
    try:
        yield
    finally:
        sys.stdin, source._FIRST_BYTES, source.READ_BYTES, stream.READ_BYTES = before


# -- transforming ----------------------------------------------------------------------------------


_job = cache(Job)
_transforms: dict[object, Callable[[Block], Batch]] = {}


def _transform(settings: Settings, opened: Source) -> Callable[[Block], Batch]:
    """Return the transform, from a cache because creating it is slower than most inputs."""
    key = settings.reading.format, settings.reading.log_format, opened.format
    if key not in _transforms:
        if len(_transforms) > _MOST_TRANSFORMS:
            _transforms.clear()
        _transforms[key] = _job(settings).transform(opened)
    return _transforms[key]


@cache
def validator() -> RecordValidator:
    """Return who decides what may be sent."""
    return RecordValidator(shipped_schema())


def check_batch(batch: Batch, read: int) -> None:
    """Check that a batch accounts for its rows, and is valid, bounded and printable.

    Args:
        batch: The batch of some rows.
        read: The number of bytes of these rows.
    """
    accounted = len(batch.lines) + len(batch.rejections) + batch.skipped
    must(batch.rows == accounted, f"{batch.rows} rows are {accounted}")
    records = decode_joined(batch.slices)
    must(len(records) == len(batch.lines), "each record has its line")
    must(validator().accepts(records), "what is sent is valid")
    # A control character is six bytes of JSON; derived ids and a context add some hundreds.
    must(batch.size <= 12 * read + 1_000 * batch.rows, f"{batch.size} bytes came of {read}")
    for rejection in batch.rejections:
        must(1 <= len(rejection.reasons) <= MOST_REASONS, "a rejection has a few reasons")
        for reason in rejection.reasons:
            must_be_harmless(reason.text)
            must_be_harmless(reason.group)
    findings = batch.findings
    for group, tally in findings.warnings.items():
        must_be_harmless(group)
        must_be_harmless(tally.example)
    for pattern in findings.unmatched_paths.patterns():
        must_be_harmless(quoted(pattern.path))
