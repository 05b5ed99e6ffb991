"""Answers of Miso or a proxy: statuses and bodies, above all of a 422."""

from __future__ import annotations

from fuzz.properties import must, must_be_harmless
from miso_upload.delivery.answers import Answer, classify_answer
from miso_upload.delivery.refusals import read_refusal
from miso_upload.values.json import JSONDecodeError, decode, encode

SPECIMENS = (
    b'\x01{"message":"ok"}',
    b'\x01{"errors":true,"message":"no","data":["data.0.user_id (42) is invalid. not text"]}',
    b'\x04{"data":["data.1.context (a) is invalid. (b) is invalid. c","data.0 is invalid.",'
    b'"data.0. x","data.12345678901 is invalid","data.2\\n"]}',
    b'\x04{"data":{"errors":["x"]},"message:":[{"msg":"a\\u0007b"}]}',
    b'\x03{"detail":[{"msg":"timeout"}]}',
    b"\x05<html>busy</html>",
    b'\x02{"message":"192.0.2.1 may not"}',
    b'\x04{"data":["data.0.ip (2001:db8::1) is invalid. no"]}',
)
TOKENS = (
    b'"data":[', b'"data.0', b"data.1.", b" is invalid. ", b") is invalid", b"(", b'"errors":true',
    b'"message":"', b'"message:":', b'"detail":', b'"msg":', b"playground", b"timeout", b"\\u0007",
    b"\\u202e", b"192.0.2.1", b"\\n",
)  # fmt: skip
_STATUSES = (200, 200, 401, 400, 422, 503, 413, 302, 502, 429, 404, 299)
_COUNT = 3


def one_input(data: bytes) -> None:
    """Read the first byte as a status, and the rest as a body."""
    try:
        body = decode(data[1:])
    except JSONDecodeError:
        body = None
    status = _STATUSES[data[0] % len(_STATUSES)] if data else 500
    location = data[-9:].decode(errors="replace")
    classified = classify_answer(Answer(status, body, location=location))
    must_be_harmless(classified.message)
    for lines in (classified.lines, body):
        for index, reasons in read_refusal(lines, _COUNT).items():
            must(0 <= index < _COUNT, "a reason is about a record that was sent")
            for reason in reasons:
                must_be_harmless(reason.text, 2_000)
                encode([reason.text, reason.group])
