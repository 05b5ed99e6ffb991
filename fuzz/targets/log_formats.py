"""Log formats in the notation of nginx and Apache, and lines of such logs."""

from __future__ import annotations

from fuzz.properties import must, must_be_harmless, only_our_errors
from miso_upload.records import Reason
from miso_upload.sources.formats.access_log.diagnosis import mismatch
from miso_upload.sources.formats.access_log.layout import pieces_of, reader_of
from miso_upload.sources.formats.access_log.notation import layout_of
from miso_upload.values.json import encode

SPECIMENS = (
    b"%h %l %u %u %{\xdc%s}u\na b c d ",
    b'%h %l %u %t "%r" %>s %b\n192.0.2.1 - - [01/Mar/2025:09:30:00 +0000] "GET / HTTP/1.1" 200 5',
    b'$remote_addr [$time_iso8601] "$request" $status$(:$host$)\n192.0.2.1 [2025-03-01T09:30:00Z] '
    b'"GET /a HTTP/1.1" 200',
    b"%{%Y-%m-%d}t %{%H:%M:%S}t %D %U%q\n2025-03-01 09:30:00 1500 /a?b=c",
    b"log_format main escape=json '$uri' \"$args\";\n/a b",
    b'LogFormat "%{X-Forwarded-For}i %% %{c}C %{s}T\\t%*" x\n192.0.2.1 % v 1\tmore "and more"',
    b"%(%a %)%(%a %)%h\na a a",
    b"%{%d %e %j %% %T}t\n01 01 060 % 09:30:00",
    b'$http_user_agent $upstream_addr "$http_cookie"\nB/1 192.0.2.1:80, 192.0.2.2:80 "a=b"',
)
TOKENS = (
    b"%h", b"%t", b'"%r"', b"%>s", b"%{%Y}t", b"%{sec}t", b"%{msec_frac}t", b"%{Referer}i", b"%(",
    b"%)", b"%*", b"$(", b"$)", b"$*", b"$remote_addr", b"$time_local", b'"$request"', b"$status",
    b"${host}", b"$msec", b"$http_", b"log_format ", b"escape=json ", b'LogFormat "', b"\\t",
    b"%{%s}t", b"%{%z}t", b"%{%b}t", b"%{%p}t", b"%U", b"%q", b"%D", b"%{ms}T",
)  # fmt: skip


def one_input(data: bytes) -> None:
    """Read the first line as a log format, and the others as lines of that log."""
    notation, *lines = data.decode(errors="surrogateescape").split("\n")
    with only_our_errors():
        layout = layout_of(notation)
        read = reader_of(layout)
        pieces = pieces_of(layout)
        for line in lines:
            found = read(line)
            if found is None:
                found = mismatch([pieces], line)
            if isinstance(found, Reason):
                must_be_harmless(found.text)
                continue
            must(all(isinstance(value, str) for value in found.values()), "a row is text")
            if data.isascii():
                encode(found)
