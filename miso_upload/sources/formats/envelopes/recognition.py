"""Finds the envelope that the lines at the beginning of a source are in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.sources.formats.envelopes.format import without_envelopes
from miso_upload.sources.formats.envelopes.kinds import ENVELOPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.sources.formats.envelopes.kinds import Envelope

_MOST_LINES = 200


def envelopes_of(data: bytes, *, whole: bool) -> Iterator[tuple[Envelope, bytes]]:
    """Yield each envelope that most of the first lines are in, with the lines without it.

    Args:
        data: The beginning of a source.
        whole: Whether it is the whole source.
    """
    lines = [line.rstrip(b"\r") for line in data.split(b"\n")]
    if not whole and len(lines) > 1:
        lines.pop()
    lines = [line for line in lines if line.strip()][:_MOST_LINES]
    if not lines:
        return
    for envelope in ENVELOPES:
        opened = [line for line in lines if envelope.open(line) is not None]
        if 2 * len(opened) > len(lines) and envelope.is_plausible(opened):
            yield envelope, b"\n".join([*without_envelopes(envelope, lines), b""])
