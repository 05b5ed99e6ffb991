"""Converts Arrow data to JSON Lines: tables, batches, readers, and data frames.

The Arrow PyCapsule interface is the common language of these libraries: an object with
`__arrow_c_stream__` or `__arrow_c_array__`. The types are converted as those of Parquet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.errors import SourceError
from miso_upload.sources.codecs.base import ContainerError
from miso_upload.sources.tables.parquet import batch_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROWS = 1024
"""Rows that are converted at once."""


def arrow_lines(data: Any) -> Iterator[bytes]:  # noqa: ANN401 -- any object with Arrow data
    """Yield the rows of Arrow data as JSON Lines, in pieces.

    Raises:
        SourceError: A column cannot be converted, or two columns have one name.
    """
    try:
        for batch in _batches(data):
            names = batch.schema.names
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise SourceError(f"records: two columns are named {twice!r}; rename one of them")
            for start in range(0, batch.num_rows, _ROWS):
                yield from batch_lines(batch.slice(start, _ROWS))
    except ContainerError as error:
        text = str(error).replace("the Parquet file has a column", "there is a column")
        raise SourceError(f"records: {text.replace('the Parquet file', 'the data')}") from None


def _batches(data: Any) -> Iterator[Any]:  # noqa: ANN401
    import pyarrow as pa  # noqa: PLC0415 -- `tables.parquet` says what to install

    if hasattr(data, "__arrow_c_stream__"):
        yield from pa.RecordBatchReader.from_stream(data)
    else:
        yield pa.record_batch(data)
