"""Reads streams to their end, from files and from standard input."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace

import pytest

from miso_upload.errors import SourceError
from miso_upload.sources.stream import ByteStream
from tests.helpers.reading import Pieces


def from_stdin(data, sizes=(2**20,), encoding=None):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", SimpleNamespace(buffer=Pieces(data, sizes)))
        return ByteStream("-", encoding)


def rest_of(stream, size=2**20):
    """Read to the end or to the damage; return the bytes and the damage."""
    parts = []
    try:
        while data := stream.read(size):
            assert len(data) <= size
            parts.append(data)
    except SourceError as error:
        return b"".join(parts), str(error)
    return b"".join(parts), None


def without_cause(damage):
    """Return a message about damage without the text of the library that found it."""
    return re.sub(r"\(.*?\)", "(CAUSE)", damage, count=1)
