"""Converts a Parquet file to JSON Lines, one line for each row.

The conversion is the same on every machine, so a line has a stable number and offset, and a later
run can resume. The type of a value determines its JSON:

- text, integers, booleans, lists, structs and nulls: the same in JSON;
- a float: the shortest decimal that reads as the same float; NaN and infinities: null;
- a decimal: a number if that loses no digit, otherwise text;
- a timestamp with a zone: RFC 3339 in UTC; a timestamp without one, a date, a time: ISO 8601;
- a duration: its number of units;
- a map: an object if its keys are text, otherwise a list of pairs;
- binary: text if it is UTF-8, otherwise `{"hex": ...}`, which no attribute accepts by mistake;
  fixed-size binary: hexadecimal digits.

Batches of rows are read chunk by chunk, so memory does not depend on the size of row groups. The
number of rows in a batch depends on the size of their pages. Text is read as a dictionary, so that
a large value that many rows share is in memory only once.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from functools import cached_property
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from miso_upload.errors import ConfigurationError
from miso_upload.sources.codecs.base import ContainerError, DamageError
from miso_upload.sources.tables.parquet_pages import Chunk, column_chunks, pages
from miso_upload.values.json import JSONEncodeError, encode_lines

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import compute
except ImportError:
    raise ConfigurationError(
        "reading Parquet needs another package: pip install 'miso-upload[parquet]'"
    ) from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from decimal import Decimal

_ROWS = 1024
"""Rows in a batch."""
_BATCH_BYTES = 2**22
"""The limit for the values of a batch, unless a single row is larger."""
MOST_PAGE_BYTES = 2**24
"""The limit for a decompressed page; most writers of Parquet use pages of one megabyte."""
_SMALL_CHUNK = 2**22
_READ_BYTES = 2**20
"""How many bytes of a column are read at once."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- the zone is added as text, or there is none
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_DAY_SECONDS = 86_400
_DAY_MILLISECONDS = 86_400_000
_LARGEST_INT = 2**64 - 1
_SMALLEST_INT = -(2**63)


class ParquetLines:
    """Reads the rows of a Parquet file as JSON Lines.

    Args:
        file: The file, which must be seekable.
        partition: Columns that every row has in addition, from the names of directories.

    Raises:
        ContainerError: A column's type has no JSON, or the file is damaged. `read1` raises it too.
    """

    def __init__(self, file: IO[bytes], partition: Mapping[str, str | None] | None = None) -> None:
        self._raw = file
        try:
            self._file = self._open(())
            names = self._file.schema_arrow.names
            leaves = [self._file.schema.column(at) for at in range(len(self._file.schema))]
            texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
            self._file = self._open(texts)
        except (pa.ArrowException, ValueError, OSError) as error:
            raise _damage(error) from None
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ContainerError(f"the Parquet file has two columns {twice!r}; rename one of them")
        self._partition = {
            name: value for name, value in (partition or {}).items() if name not in names
        }
        self._lines = self._batches()

    def _open(self, texts: Sequence[str]) -> Any:  # noqa: ANN401 -- pyarrow has no types
        return pq.ParquetFile(
            self._raw,
            pre_buffer=False,
            buffer_size=_READ_BYTES,
            page_checksum_verification=True,
            # INT96, Spark's legacy type of timestamps, exceeds the range of nanoseconds.
            coerce_int96_timestamp_unit="us",
            read_dictionary=texts,
        )

    def read1(self, size: int) -> bytes:  # noqa: ARG002 -- whole batches only
        """See `ByteReader.read1`."""
        return next(self._lines, b"")

    def _batches(self) -> Iterator[bytes]:
        for group in range(self._file.num_row_groups):
            with _guarded():
                rows = self._rows_at_once(group)
                batches = self._file.iter_batches(rows, row_groups=[group], use_threads=False)
            while True:
                with _guarded():
                    batch = next(batches, None)
                    if batch is None:
                        break
                    columns = [_values(column) for column in batch.columns]
                    columns += [[value] * len(batch) for value in self._partition.values()]
                    names, size = [*batch.schema.names, *self._partition], batch.nbytes
                    rows_of = zip(*columns, strict=True) if columns else iter([()] * len(batch))
                    del batch, columns
                yield from _encoded(names, rows_of, size)
                del rows_of
                if size > _READ_BYTES:
                    pa.default_memory_pool().release_unused()

    def _rows_at_once(self, number: int) -> int:
        """Return how many rows of a row group are read at once.

        Raises:
            ContainerError: A page is too large.
            ValueError: The file is damaged.
        """
        most, rows = float(_ROWS), self._file.metadata.row_group(number).num_rows
        for chunk in self._chunks[number] if rows else ():
            # Most chunks are too small for a large page, so their headers need not be read.
            if chunk.size > _BATCH_BYTES or chunk.compressed < _SMALL_CHUNK:
                for page in pages(self._raw, chunk.start, chunk.compressed):
                    if page.size > MOST_PAGE_BYTES:
                        raise ContainerError(_TOO_LARGE.format(page.size / 2**20))
                    if page.values:
                        wide = max(chunk.values / max(rows, 1), 1)
                        most = min(most, _BATCH_BYTES * page.values / max(page.size, 1) / wide)
        return max(int(most), 1)

    @cached_property
    def _chunks(self) -> list[list[Chunk]]:
        found = column_chunks(self._raw)
        if len(found) != self._file.num_row_groups:
            raise ValueError("the footer does not describe the row groups of the file")
        return found


_TOO_LARGE = (
    "the Parquet file has a page of {:,.0f} MiB, and the limit is "
    f"{MOST_PAGE_BYTES >> 20}"
    " MiB; write the file again with smaller pages"
)


@contextmanager
def _guarded() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, ValueError) as error:
        raise _damage(error) from None
    except OSError as error:
        if error.errno is not None:
            raise  # the error is the disk's, not the file's
        raise _damage(error) from None


def _encoded(names: list[str], rows: Iterator[tuple[Any, ...]], size: int) -> Iterator[bytes]:
    """Yield the lines of rows whose values take `size` bytes, in pieces."""
    lines = (dict(zip(names, row, strict=True)) for row in rows)
    # A value that many rows share is in memory once, but in the text of each of its lines.
    at_once = max(_BATCH_BYTES // max(size, 1), 1)
    try:
        while some := list(islice(lines, at_once)):
            text = encode_lines(some)
            del some
            for start in range(0, len(text), _READ_BYTES):
                yield text[start : start + _READ_BYTES]
    except JSONEncodeError as error:
        raise ContainerError(
            f"a row of the Parquet file cannot be converted to JSON: {error}"
        ) from None


def batch_lines(batch: Any) -> Iterator[bytes]:  # noqa: ANN401 -- pyarrow has no types
    """Yield the rows of an Arrow batch as JSON Lines, in pieces."""
    columns = [_values(column) for column in batch.columns]
    rows = zip(*columns, strict=True) if columns else iter([()] * len(batch))
    return _encoded(batch.schema.names, rows, batch.nbytes)


def _damage(error: Exception) -> ContainerError:
    if isinstance(error, pa.ArrowNotImplementedError):
        why = str(error).partition("\n")[0]
        return ContainerError(
            f"the Parquet file is not damaged, but pyarrow cannot read it ({why}). Possible fixes: "
            "install a newer pyarrow; write the file again with other types or another compression"
        )
    return DamageError("Parquet file", str(error).partition("\n")[0] or type(error).__name__)


def _values(array: Any) -> list[Any]:  # noqa: ANN401 -- pyarrow has no types
    """Return the values of an Arrow array as JSON values."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _values(array.storage)
    if pa.types.is_dictionary(kind):
        return _shared(array)
    convert = next((convert for fits, convert in _CONVERTERS if fits(kind)), None)
    if convert is None:
        raise ContainerError(
            f"the Parquet file has a column of type {kind}, which cannot be converted to JSON; "
            "convert the column to another type"
        )
    return convert(array)


def _shared(array: Any) -> list[Any]:  # noqa: ANN401
    """Return the values of a dictionary array; rows with equal values share one object."""
    indices, dictionary = array.indices, array.dictionary
    if len(dictionary) > len(indices):
        used = indices.unique().drop_null()
        values = dict(zip(used.to_pylist(), _values(dictionary.take(used)), strict=True))
    else:
        values = dict(enumerate(_values(dictionary)))
    return list(map(values.get, indices.to_pylist()))


def _plain(array: Any) -> list[Any]:  # noqa: ANN401
    values: list[Any] = array.to_pylist()
    return values


def _text(array: Any) -> list[Any]:  # noqa: ANN401
    try:
        return _plain(array)
    except UnicodeDecodeError:
        large = pa.types.is_large_string(array.type)
        return _binary(array.cast(pa.large_binary() if large else pa.binary()))


def _each(convert: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    """Return a converter of arrays that converts each value except nulls."""

    def values(array: Any) -> list[Any]:  # noqa: ANN401
        return [None if value is None else convert(value) for value in array.to_pylist()]

    return values


def _shortest(value: float) -> float:
    """Return the shortest decimal that reads as the same 32-bit float."""
    for digits in range(6, 9):
        shorter = float(f"{value:.{digits}g}")
        try:
            if struct.unpack("<f", struct.pack("<f", shorter))[0] == value:
                return shorter
        except OverflowError:
            break
    return value


def _number(value: Decimal) -> int | float | str:
    if value == value.to_integral_value() and _SMALLEST_INT <= value <= _LARGEST_INT:
        return int(value)
    number = float(value)
    return number if value == type(value)(repr(number)) else str(value)


def _hex_or_text(value: bytes) -> str | dict[str, str]:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"hex": value.hex()}


_binary = _each(_hex_or_text)


def _timestamps(array: Any) -> list[Any]:  # noqa: ANN401
    digits = _DIGITS[array.type.unit]
    zone = "" if array.type.tz is None else "Z"

    def text(value: int) -> str | int:
        seconds, fraction = divmod(value, 10**digits)
        try:
            whole = (_EPOCH + timedelta(seconds=seconds)).isoformat()
        except OverflowError:
            return value  # the year is beyond 9999, so the number is kept for the rejection
        return f"{whole}.{fraction:0{digits}}{zone}" if fraction else whole + zone

    return _each(text)(array.cast(pa.int64()))


def _dates(array: Any) -> list[Any]:  # noqa: ANN401
    in_days = pa.types.is_date32(array.type)
    first = date(1970, 1, 1).toordinal()

    def text(value: int) -> str | int:
        days = value if in_days else value // _DAY_MILLISECONDS
        try:
            return date.fromordinal(first + days).isoformat()
        except (ValueError, OverflowError):
            return value

    return _each(text)(array.cast(pa.int32() if in_days else pa.int64()))


def _times(array: Any) -> list[Any]:  # noqa: ANN401
    digits = _DIGITS[array.type.unit]

    def text(value: int) -> str | int:
        seconds, fraction = divmod(value, 10**digits)
        if not 0 <= seconds < _DAY_SECONDS:
            return value
        clock = time(seconds // 3600, seconds // 60 % 60, seconds % 60).isoformat()
        return f"{clock}.{fraction:0{digits}}" if fraction else clock

    return _each(text)(array.cast(pa.int32() if pa.types.is_time32(array.type) else pa.int64()))


def _durations(array: Any) -> list[Any]:  # noqa: ANN401
    return _plain(array.cast(pa.int64()))


def _lists(array: Any) -> list[Any]:  # noqa: ANN401
    lengths = compute.list_value_length(array).to_pylist()
    inner = iter(_values(array.flatten()))
    return [None if length is None else [next(inner) for _ in range(length)] for length in lengths]


def _other_lists(array: Any) -> list[Any]:  # noqa: ANN401
    return [_values(scalar.values) if scalar.is_valid else None for scalar in array]


def _structs(array: Any) -> list[Any]:  # noqa: ANN401
    names = [array.type.field(i).name for i in range(array.type.num_fields)]
    fields = [_values(array.field(i)) for i in range(array.type.num_fields)]
    valid_rows = array.is_valid().to_pylist()
    rows = zip(*fields, strict=True) if fields else iter([()] * len(array))
    return [
        dict(zip(names, row, strict=True)) if valid else None
        for row, valid in zip(rows, valid_rows, strict=True)
    ]


def _maps(array: Any) -> list[Any]:  # noqa: ANN401
    found: list[Any] = []
    for scalar in array:
        if not scalar.is_valid:
            found.append(None)
            continue
        keys, values = (_values(scalar.values.field(i)) for i in (0, 1))
        pairs = list(zip(keys, values, strict=True))
        as_object = all(isinstance(key, str) for key in keys)
        found.append(dict(pairs) if as_object else [list(pair) for pair in pairs])
    return found


_TYPES = pa.types
_CONVERTERS: tuple[tuple[Callable[[Any], bool], Callable[[Any], list[Any]]], ...] = (
    (lambda kind: _TYPES.is_string(kind) or _TYPES.is_large_string(kind), _text),
    (
        lambda kind: (
            _TYPES.is_boolean(kind)
            or _TYPES.is_integer(kind)
            or _TYPES.is_float64(kind)
            or _TYPES.is_null(kind)
        ),
        _plain,
    ),
    (_TYPES.is_floating, _each(_shortest)),
    (_TYPES.is_timestamp, _timestamps),
    (_TYPES.is_date, _dates),
    (_TYPES.is_time, _times),
    (_TYPES.is_duration, _durations),
    (_TYPES.is_decimal, _each(_number)),
    (_TYPES.is_fixed_size_binary, _each(bytes.hex)),
    (lambda kind: _TYPES.is_binary(kind) or _TYPES.is_large_binary(kind), _binary),
    (_TYPES.is_map, _maps),
    (lambda kind: _TYPES.is_list(kind) or _TYPES.is_large_list(kind), _lists),
    (_TYPES.is_struct, _structs),
    (_TYPES.is_nested, _other_lists),
)
