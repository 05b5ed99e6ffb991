import csv
import io
import json
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from miso_upload.errors import ConfigurationError

from .reading import CUTS, PIECES, assert_kept_promises, read, read_file, texts_of

HEADER = b"a,b\n"
FRAGMENTS = (
    b"x", b"y", b",", b",", b'"', b'"', b'""', b"\n", b"\n", b"\r\n", b"\r", b" ", b"\x00", b"\xff",
    "é".encode(), b'"p,q"', b'"p\nq"', b"1,2\n", b'"3","4"\n', b'"5","\n6"\r\n', b"z" * 20,
)  # fmt: skip
TEXT = st.text(st.sampled_from('ab,;"\n\r\té ') | st.characters(codec="utf-8"), max_size=6)
NEVER_CLOSED = "the quote that opens in this row is never closed"


def read_csv(data, pieces=(2**20,), **others):
    return read(data, pieces, **{"format": "csv", "delimiter": ",", **others})


def lines_of(data):
    return io.StringIO(data.decode(errors="surrogateescape"), newline="\n")


def expected(data, row_bytes):
    """Read the rows behind `HEADER` one by one: those of two cells, and the lines of the others.

    Each is what `csv.reader` makes of all that follows, unless that is too long or never ends.
    """
    rows, others = [], []
    at, line = len(HEADER), 2
    while at < len(data):
        rest = lines_of(data[at:])
        reader = csv.reader(endless(rest))
        size, cells = 0, None
        try:
            cells = next(reader)
            size = len("".join(lines_of(data[at:]).readlines()[: reader.line_num]).encode(errors="surrogateescape"))
        except csv.Error:
            size = len("".join(lines_of(data[at:]).readlines()[: reader.line_num]).encode(errors="surrogateescape"))
        except EOFError:
            pass
    return rows, others
