"""A JSON array at the top level, from bytes to records."""

from __future__ import annotations

from fuzz.properties import check_source
from miso_upload.pipeline.settings import Settings

_GOOD = b'{"type":"like","timestamp":"2025-03-01T09:30:00Z","user_id":"u","product_ids":["p"]}'
SPECIMENS = (
    b"]",
    _GOOD + b"]",
    b"\n" + _GOOD + b",\n" + _GOOD + b"\n]\n",
    b'1,[{"a":"],\\""}],{"b":[[[[[[[[1]]]]]]]]},,]',
    b'1,"' + b"x" * 60 + b'",2]',
    b"1,2",
    b"1,2]3",
    b'{"a":[1}},{oops},"x" "y"]',
    b'1,{"k":{"k":{"k":{"k":{"k":{"k":{"k":"]}"}}}}}}}]  ',
)
TOKENS = (
    b"[", b"]", b"{", b"}", b",", b'"', b"\\", b'\\"', b"[[[[[[[[", b"]]]]]]]]", b'{"a":', b"},{",
    _GOOD, b" \n", b"null", b"\xff", b'"],"',
)  # fmt: skip
_SETTINGS = Settings.of(inputs=("-",), format="json")


def one_input(data: bytes) -> None:
    """Read any bytes after an opening bracket."""
    check_source(b"[" + data, _SETTINGS)
