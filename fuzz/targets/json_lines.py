"""JSON Lines, from bytes to records."""

from __future__ import annotations

from fuzz.properties import check_source
from miso_upload.pipeline.settings import Settings

_GOOD = b'{"type":"like","timestamp":"2025-03-01T09:30:00Z","user_id":"u1","product_ids":["p1"]}\n'
SPECIMENS = (
    _GOOD,
    _GOOD + b"\n" + _GOOD.replace(b"\n", b"\r\n") + b"[1,2]\n",
    b'{"type":"search","timestamp":1740821400,"ip":"192.0.2.1","user_agent":"B/1"}\n{"a":[{"x":1}',
    b'{"type":"rate","timestamp":"2025-03-01T09:30:00Z","rating":7,"context":{"ip":"192.0.2.1"}}\n',
    b'{"a":[{"x":1}\n{"y":2}]}\n{},{}\n',
    b'{"type":"read","type":"like","context":{"page":{"url":null},"custom_context":{"x":[1]}}}\n',
    b'{"user_id":"\\ud800"}\nNaN\n123456789012345678901234567890\n\xff\n\x00\n[[[[[[]]]]]]\n"\n',
    b"\xef\xbb\xbf{}\n" + b'{"product_ids":"' + b"x" * 60 + b'"}',
    b'{"type":"checkout","quantities":[0],"revenue":1e999,"timestamp":"2016-12-31T23:59:60Z"}',
)
TOKENS = (
    b'"type":', b'"like"', b'"checkout"', b'"search":{"keywords":"k"}', b'"timestamp":',
    b'"2025-03-01T09:30:00Z"', b'"user_id":"u"', b'"anonymous_id":"a"', b'"ip":"2001:db8::1"',
    b'"context":{', b'"page":{"url":"u"}', b'"truncated_ip":', b'"custom_context":{',
    b'"product_ids":["p"]', b'"quantities":', b'"miso_id":', b"null", b"true", b"1e999", b"\\ud800",
    b"\r\n", b"\n\n", b"},{", b"]}",
)  # fmt: skip
_SETTINGS = Settings.of(inputs=("-",), format="jsonl")


def one_input(data: bytes) -> None:
    """Read any bytes as JSON Lines."""
    check_source(b"\n" + data, _SETTINGS)  # so that it starts with no mark of another kind of file
